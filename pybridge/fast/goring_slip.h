/* goring_slip.h: keeping two participants some slots apart (spec section 9). It is no part of
 * the protocol: it makes it fast. */
#ifndef GORING_SLIP_H
#define GORING_SLIP_H
#include "goring_words.h"

enum {
	GR_SLIP_NS = 2000,     /* the longest that a participant stays away */
	GR_SLIP_ENOUGH = 128,  /* messages from one wait to the next */
	GR_SLIP_PART = 4,      /* of the ring's slots: it must run neither full nor empty meanwhile */
	GR_SLIP_FEW = 4,       /* fewer messages do not pay */
	GR_SLIP_RARELY = 4095, /* waits between two trials, at most */
};

/* Whoever is faster catches up, and from then on the two pass a line of memory to and fro for
 * every message, which takes longer than the message does. So who must wait stays away for a
 * moment first, without a look, and comes back to several messages, or free slots. Where it
 * does not find several, because each message is answered before the next one is sent, or the
 * peer is slow, it tries again after ever more waits. */
typedef struct {
	uint64_t enough; /* messages from one wait to the next; 0: never stays away */
	int most;        /* pauses */
	uint64_t last;   /* the number that was waited for last */
	int pauses;      /* to stay away; 0: that does not pay at present */
	int skip;        /* waits until it is tried again, */
	int gap;         /* and how many those were */
} gr_slip;

static inline void gr_pause(void) {
#if defined __x86_64__
	__builtin_ia32_pause();
#elif defined __aarch64__
	__asm__ volatile("yield");
#endif
}
/* about how many pauses take ns: a pause takes 10 to 100 ns, by the core's make. The least of
 * several tries, for the core may be taken away in the middle of one. */
GR_COLD int gr_pauses_in(int64_t ns) {
	enum { TRIES = 5, PAUSES = 64 };
	static _Atomic int64_t took; /* PAUSES of them */
	int64_t best = atomic_load_explicit(&took, memory_order_relaxed);
	if (best) return (int)(ns * PAUSES / best);
	best = INT64_MAX;
	for (int k = 0; k < TRIES; k++) {
		int64_t start = gr_monotonic();
		for (int i = 0; i < PAUSES; i++) gr_pause();
		int64_t t = gr_monotonic() - start;
		if (t < best) best = t;
	}
	if (best < PAUSES) best = PAUSES;
	atomic_store_explicit(&took, best, memory_order_relaxed);
	return (int)(ns * PAUSES / best);
}
static inline void gr_slip_start(gr_slip *s, uint64_t slots) {
	uint64_t enough = slots / GR_SLIP_PART < GR_SLIP_ENOUGH ? slots / GR_SLIP_PART : GR_SLIP_ENOUGH;
	*s = (gr_slip){0};
	if (enough >= GR_SLIP_FEW) s->enough = enough, s->most = gr_pauses_in(GR_SLIP_NS);
}
/* how many pauses to stay away before the wait for the message of that number */
static inline int gr_slip_before(gr_slip *s, uint64_t number) {
	uint64_t got = number - s->last;
	s->last = number;
	if (!s->enough) return 0;
	if (!s->pauses) {
		if (--s->skip < 0) s->skip = 0, s->pauses = s->most / 2;
	} else if (got < GR_SLIP_FEW) {
		s->gap = s->gap < GR_SLIP_RARELY / 2 ? 2 * s->gap + 1 : GR_SLIP_RARELY;
		s->skip = s->gap;
		s->pauses = 0;
	} else {
		s->gap = 0;
		if (got > s->enough) s->pauses -= s->pauses / 4;
		else if (got < s->enough / 2) s->pauses = 2 * s->pauses < s->most ? 2 * s->pauses : s->most;
	}
	return s->pauses;
}
/* pauses before the wait for the message of that number, if that pays */
GR_COLD void gr_stay_away(gr_slip *s, uint64_t number) {
	for (int n = gr_slip_before(s, number); n > 0; n--) gr_pause();
}
#endif
