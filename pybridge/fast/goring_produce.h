/* goring_produce.h: reserving, committing, aborting (spec sections 6 and 7). */
#ifndef GORING_PRODUCE_H
#define GORING_PRODUCE_H
#include <time.h>

#include "goring_words.h"

typedef struct {
	gr_ring *r;
	gr_side side;
	unsigned seat;
	gr_pos pos;    /* next to reserve */
	uint64_t gate; /* broadcast: the slowest consumer's cursor when last looked at */
} gr_producer;

/* the smallest cursor of the consumers in use, or head when none is behind: read once for a
 * whole lap when they keep up. Pairs with the joiner's stores: cursor, state, cursor. */
GR_RARE uint64_t gr_slowest(const gr_ring *r, uint64_t head) {
	uint64_t g = head;
	for (unsigned seat = r->max_producers + 1u; seat <= (unsigned)r->max_producers + r->max_consumers; seat++) {
		if (atomic_load(gr_seat_state(r, seat)) != GR_PART_IN_USE) continue;
		uint64_t c = atomic_load(gr_seat_cursor(r, seat));
		if (c < g) g = c;
	}
	return g;
}
/* whether the slowest consumer has let go of the slot of message h */
static inline bool gr_pass_gate(gr_producer *p, gr_pos at) {
	uint64_t h = gr_number(p->r, at);
	if (__builtin_expect(h - p->gate < p->r->slots, 1)) return true;
	p->gate = gr_slowest(p->r, gr_number(p->r, p->pos));
	return h - p->gate < p->r->slots;
}
/* marks a slot as being written before its bytes change */
static inline void gr_overwriting(gr_producer *p, gr_pos at) {
	atomic_store_explicit(&gr_slot(p->r, at.idx)->word, gr_writing(at.lap, p->seat), memory_order_relaxed);
	atomic_thread_fence(memory_order_release); /* pairs with the fence in gr_whole */
}

static inline void gr_producer_start(gr_producer *p, gr_ring *r, unsigned seat) {
	p->r = r;
	p->seat = seat;
	p->side = gr_side_of(r, r->max_producers);
	p->pos = gr_first_unwritten(r);
	p->gate = gr_number(r, p->pos);
	if (p->side >= GR_GATED) {
		atomic_store(gr_word64(r, GR_OFF_HEAD), p->gate); /* a predecessor may have died before it did; before the first gate */
		p->gate = gr_slowest(r, p->gate);
	}
	if (p->side != GR_ALONE || r->max_consumers > 1) return;
	/* a predecessor that published out of order and died: READY behind the hole goes back, last to first */
	for (uint64_t k = r->slots; --k > 0;) {
		gr_pos x = gr_plus(r, p->pos, k);
		gr_header *h = gr_slot(r, x.idx);
		if (gr_load(h) == gr_ready(x.lap)) atomic_store(&h->word, gr_free(x.lap));
	}
}
/* a walk never takes more than two laps: words that make it longer are a peer's nonsense */
GR_RARE bool gr_reserve_shared(gr_producer *p, bool hints) {
	gr_ring *r = p->r;
	p->pos = hints ? gr_catch_up(r, p->pos, atomic_load(gr_word64(r, GR_OFF_PUT_HINT))) : gr_first_unwritten(r);
	for (uint64_t step = 0; step < 2 * r->slots; step++) {
		gr_header *h = gr_slot(r, p->pos.idx);
		uint64_t w = gr_load(h);
		if (w == gr_free(p->pos.lap)) {
			if (!gr_cas(h, w, gr_writing(p->pos.lap, p->seat))) continue;
			atomic_store(gr_word64(r, GR_OFF_PUT_HINT), gr_number(r, p->pos) + 1); /* after the CAS: never ahead */
			return true;
		}
		if (gr_lap(w) < p->pos.lap) return false; /* full */
		p->pos = gr_next(r, p->pos);
	}
	return false;
}
/* makes the slot at pos the caller's if that needs no waiting */
static inline bool gr_reserve(gr_producer *p, bool hints) {
	if (p->side == GR_ALONE) return gr_load(gr_slot(p->r, p->pos.idx)) == gr_free(p->pos.lap);
	if (p->side == GR_SHARED) return gr_reserve_shared(p, hints);
	if (p->side == GR_GATED) return gr_pass_gate(p, p->pos);
	gr_overwriting(p, p->pos);
	return true;
}
/* reserves the slot behind a run, if it is free */
static inline bool gr_reserve_next(gr_producer *p, gr_pos at) {
	gr_header *h = gr_slot(p->r, at.idx);
	switch (p->side) {
	case GR_SHARED:
		if (!gr_cas(h, gr_free(at.lap), gr_writing(at.lap, p->seat))) return false;
		atomic_store(gr_word64(p->r, GR_OFF_PUT_HINT), gr_number(p->r, at) + 1);
		return true;
	case GR_GATED: return gr_pass_gate(p, at);
	case GR_LOSSY: gr_overwriting(p, at); return true;
	default: return gr_load(h) == gr_free(at.lap);
	}
}
/* reserves those behind the reserved slot at pos that are free, too: how many of most it has then */
static inline uint64_t gr_reserve_run(gr_producer *p, uint64_t most) {
	const gr_ring *r = p->r;
	gr_pos at = gr_next(r, p->pos);
	uint64_t n = 1;
	if (p->side == GR_ALONE)
		while (n < most && gr_load(gr_slot(r, at.idx)) == gr_free(at.lap)) n++, at = gr_next(r, at);
	else
		while (n < most && gr_reserve_next(p, at)) n++, at = gr_next(r, at);
	return n;
}
static inline int64_t gr_now(const gr_ring *r) {
	struct timespec t;
	if (!r->stamped) return 0;
	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}
static inline void gr_describe(gr_header *h, uint32_t len, uint16_t meta, uint64_t tag, int64_t now) {
	h->sizes = len | (uint64_t)meta << 32;
	h->tag = tag;
	h->timestamp = now;
}
/* moves on behind a published message */
static inline void gr_published(gr_producer *p, gr_pos last) {
	p->pos = gr_next(p->r, last);
	/* behind the words: what is before head is there */
	if (p->side >= GR_GATED) atomic_store(gr_word64(p->r, GR_OFF_HEAD), gr_number(p->r, p->pos));
	gr_notify_data(p->r);
}
/* publishes the reserved slot; pairs with the consumer's load of READY */
static inline void gr_commit(gr_producer *p, uint32_t len, uint16_t meta, uint64_t tag) {
	gr_header *h = gr_slot(p->r, p->pos.idx);
	gr_describe(h, len, meta, tag, gr_now(p->r));
	atomic_store(&h->word, gr_ready(p->pos.lap));
	gr_published(p, p->pos);
}
/* publishes n described slots from pos on, first to last: dying in between leaves no hole */
static inline void gr_commit_run(gr_producer *p, uint64_t n) {
	gr_pos x = p->pos;
	for (; n > 1; n--, x = gr_next(p->r, x)) atomic_store_explicit(&gr_slot(p->r, x.idx)->word, gr_ready(x.lap), memory_order_release);
	atomic_store(&gr_slot(p->r, x.idx)->word, gr_ready(x.lap));
	gr_published(p, x);
}
/* the same of slots whose messages all have len bytes and no metadata */
static inline void gr_commit_alike(gr_producer *p, uint64_t n, uint32_t len) {
	int64_t now = gr_now(p->r);
	gr_pos x = p->pos;
	for (; n > 1; n--, x = gr_next(p->r, x)) {
		gr_header *h = gr_slot(p->r, x.idx);
		gr_describe(h, len, 0, 0, now);
		atomic_store_explicit(&h->word, gr_ready(x.lap), memory_order_release);
	}
	gr_describe(gr_slot(p->r, x.idx), len, 0, 0, now);
	atomic_store(&gr_slot(p->r, x.idx)->word, gr_ready(x.lap));
	gr_published(p, x);
}
static inline void gr_abort(gr_producer *p) {
	if (p->side != GR_SHARED) return; /* the next message uses the number */
	atomic_store(&gr_slot(p->r, p->pos.idx)->word, gr_aborted(p->pos.lap, p->seat));
	p->pos = gr_next(p->r, p->pos);
	gr_notify_data(p->r);
}
/* how many slots from at on one run may have */
static inline uint64_t gr_longest_run(const gr_ring *r, gr_pos at, uint64_t limit) {
	if (limit > r->slots) limit = r->slots;
	if (!r->mirror && limit > r->slots - at.idx) limit = r->slots - at.idx;
	return limit;
}
#endif
