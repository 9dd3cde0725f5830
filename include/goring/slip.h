/* slip.h: temporal slipping (FastForward, PPoPP 2008; spec/PACING.md). It is no part of the
 * protocol: it makes streams fast. */
#ifndef GORING_SLIP_H
#define GORING_SLIP_H
#include "words.h"

enum {
	GR_SLIP_NS = 2000,          /* The longest pause. */
	GR_SLIP_TARGET = 128,       /* Messages from one wait to the next. */
	GR_SLIP_SHARE = 4,          /* Divides the slots: the ring must run neither full nor empty. */
	GR_SLIP_MIN = 4,            /* The fewest messages of a wait that pay. */
	GR_SLIP_MAX_BACKOFF = 4095, /* The most waits between two trials. */
};

/* gr_slip is the slipping of one participant. When two cores run in lockstep, every message bounces
 * one cache line between them, which takes longer than the message does. A participant that must
 * wait pauses first, without a look, so that several messages or free slots accumulate. Where they
 * do not, it tries again after ever more waits. */
typedef struct {
	uint64_t target; /* Messages that should pass from one wait to the next; 0: never slips. */
	int max_pauses;  /* Bounds pauses. */
	uint64_t last;   /* The message number of the last wait. */
	int pauses;      /* To make before a wait; 0 while slipping does not pay. */
	int skip;        /* Waits left until the next trial. */
	int backoff;     /* Waits that the last trial was put off by. */
} gr_slip;

/* Tells the core that this is a spin loop. */
static inline void gr_pause(void) {
#if defined __x86_64__
	__builtin_ia32_pause();
#elif defined __aarch64__
	__asm__ volatile("yield");
#endif
}

/* Returns about how many pauses take ns. One takes 10 to 100 ns, by the core's make. It measures
 * once, the least of several tries, since the kernel may take the core away during one.
 * SYNC local load, local store */
GR_COLD int gr_pauses_in(int64_t ns) {
	enum { TRIES = 5, PAUSES = 64 };

	static _Atomic int64_t measured; /* ns that PAUSES take. */
	int64_t best = atomic_load_explicit(&measured, memory_order_relaxed);
	if (best) return (int)(ns * PAUSES / best);
	best = INT64_MAX;
	for (int k = 0; k < TRIES; k++) {
		int64_t start = gr_monotonic();
		for (int i = 0; i < PAUSES; i++) gr_pause();
		int64_t took = gr_monotonic() - start;
		if (took < best) best = took;
	}
	if (best < PAUSES) best = PAUSES;
	atomic_store_explicit(&measured, best, memory_order_relaxed);
	return (int)(ns * PAUSES / best);
}

/* Starts the slip of a participant of a ring of that many slots. */
static inline void gr_slip_start(gr_slip *s, uint64_t slots) {
	uint64_t target = slots / GR_SLIP_SHARE;
	if (target > GR_SLIP_TARGET) target = GR_SLIP_TARGET;
	*s = (gr_slip){0};
	if (target >= GR_SLIP_MIN) {
		s->target = target;
		s->max_pauses = gr_pauses_in(GR_SLIP_NS);
	}
}

/* Returns how many pauses to make before the wait for that message number. */
static inline int gr_slip_pauses_before(gr_slip *s, uint64_t number) {
	uint64_t passed = number - s->last;
	s->last = number;
	if (!s->target) return 0;
	if (!s->pauses) {
		if (--s->skip < 0) {
			s->skip = 0;
			s->pauses = s->max_pauses / 2;
		}
	} else if (passed < GR_SLIP_MIN) {
		s->backoff = s->backoff < GR_SLIP_MAX_BACKOFF / 2 ? 2 * s->backoff + 1
														  : GR_SLIP_MAX_BACKOFF;
		s->skip = s->backoff;
		s->pauses = 0;
	} else {
		s->backoff = 0;
		if (passed > s->target)
			s->pauses -= s->pauses / 4;
		else if (passed < s->target / 2)
			s->pauses = 2 * s->pauses < s->max_pauses ? 2 * s->pauses : s->max_pauses;
	}
	return s->pauses;
}

/* Pauses before the wait for that message number, if that pays. */
GR_COLD void gr_slip_pause(gr_slip *s, uint64_t number) {
	for (int n = gr_slip_pauses_before(s, number); n > 0; n--) gr_pause();
}
#endif
