/* produce.h: reserving, publishing, aborting (spec sections 6 and 7). */
#ifndef GORING_PRODUCE_H
#define GORING_PRODUCE_H
#include "cursor.h"
#include "overwrite.h"

/* gr_producer is the protocol state of one producer. */
typedef struct {
	gr_ring *r;
	gr_discipline discipline;
	unsigned seat;
	gr_pos pos;    /* The next number to reserve. */
	uint64_t gate; /* Broadcast: the slowest consumer's cursor as last loaded. */
} gr_producer;

/* Stores FREE into the READY slots after start, from the last to the first: a
 * predecessor died between the stores of a batch that it published out of order. It is for rings
 * of one producer and one consumer. SYNC commit load, release store */
GR_RARE void gr_clear_after(gr_ring *r, gr_pos start) {
	for (uint64_t k = r->slots; --k > 0;) {
		gr_pos x = gr_plus(r, start, k);
		gr_header *h = gr_slot(r, x.idx);
		if (gr_load(h) == gr_ready_word(x.lap)) atomic_store(&h->word, gr_free_word(x.lap));
	}
}

/* Starts the producer that has joined seat. */
static inline void gr_producer_start(gr_producer *p, gr_ring *r, unsigned seat) {
	p->r = r;
	p->seat = seat;
	p->discipline = gr_discipline_of(r, r->max_producers);
	p->pos = gr_first_unwritten(r);
	p->gate = gr_number(r, p->pos);
	if (p->discipline >= GR_BROADCAST) {
		/* SYNC head store: a predecessor may have died before it stored head. */
		atomic_store(gr_word64(r, GR_OFF_HEAD), p->gate);
		p->gate = gr_slowest_cursor(r, p->gate);
	}
	if (p->discipline == GR_SINGLE && r->max_consumers == 1) gr_clear_after(r, p->pos);
}

/* Reports whether every consumer has released the slot of the message at at. */
static inline bool gr_pass_gate(gr_producer *p, gr_pos at) {
	uint64_t h = gr_number(p->r, at);
	if (__builtin_expect(h - p->gate < p->r->slots, 1)) return true;
	p->gate = gr_slowest_cursor(p->r, gr_number(p->r, p->pos));
	return h - p->gate < p->r->slots;
}

/* Walks up from the hint and reserves the first FREE slot. A walk is at most two laps long: only a
 * peer that breaks the rules makes it longer. SYNC release load, reserve load */
GR_RARE bool gr_try_reserve_multi(gr_producer *p, bool hints) {
	gr_ring *r = p->r;
	if (hints)
		p->pos = gr_catch_up(
			r, p->pos, atomic_load(gr_word64(r, GR_OFF_PUT_HINT))); /* SYNC hint load */
	else
		p->pos = gr_first_unwritten(r);
	for (uint64_t step = 0; step < 2 * r->slots; step++) {
		gr_header *h = gr_slot(r, p->pos.idx);
		uint64_t w = gr_load(h);
		if (w == gr_free_word(p->pos.lap)) {
			if (!gr_cas(h, w, gr_writing_word(p->pos.lap, p->seat))) /* SYNC reserve store */
				continue;
			/* SYNC hint store: after the CAS, so it is never ahead. */
			atomic_store(gr_word64(r, GR_OFF_PUT_HINT), gr_number(r, p->pos) + 1);
			return true;
		}
		if (gr_word_lap(w) < p->pos.lap) return false; /* full */
		p->pos = gr_next(r, p->pos);
	}
	return false;
}

/* Makes the slot at pos the caller's if no waiting is needed. Without hints it ignores the shared
 * hint, which a dead producer may have left wrong. SYNC release load */
static inline bool gr_try_reserve(gr_producer *p, bool hints) {
	if (p->discipline == GR_SINGLE)
		return gr_load(gr_slot(p->r, p->pos.idx)) == gr_free_word(p->pos.lap);
	if (p->discipline == GR_MULTI) return gr_try_reserve_multi(p, hints);
	if (p->discipline == GR_BROADCAST) return gr_pass_gate(p, p->pos);
	gr_mark_writing(p->r, p->pos, p->seat);
	return true;
}

/* Reserves the slot at at, right after a run, if it is free. SYNC release load */
static inline bool gr_try_reserve_next(gr_producer *p, gr_pos at) {
	gr_header *h = gr_slot(p->r, at.idx);
	switch (p->discipline) {
	case GR_SINGLE: return gr_load(h) == gr_free_word(at.lap);
	case GR_MULTI:
		if (!gr_cas(
				h, gr_free_word(at.lap), gr_writing_word(at.lap, p->seat))) /* SYNC reserve store */
			return false;
		atomic_store(
			gr_word64(p->r, GR_OFF_PUT_HINT), gr_number(p->r, at) + 1); /* SYNC hint store */
		return true;
	case GR_BROADCAST: return gr_pass_gate(p, at);
	case GR_OVERWRITE: gr_mark_writing(p->r, at, p->seat); return true;
	}
	return false;
}

/* Reserves the slots after the reserved one at pos that are free, too, and returns how many of
 * limit the producer has then. SYNC release load */
static inline uint64_t gr_reserve_run(gr_producer *p, uint64_t limit) {
	const gr_ring *r = p->r;
	gr_pos at = gr_next(r, p->pos);
	uint64_t n = 1;
	if (p->discipline == GR_SINGLE) {
		for (; n < limit && gr_load(gr_slot(r, at.idx)) == gr_free_word(at.lap); n++)
			at = gr_next(r, at);
		return n;
	}
	for (; n < limit && gr_try_reserve_next(p, at); n++) at = gr_next(r, at);
	return n;
}

/* Returns the commit time for a header, or 0 on rings without timestamps. */
static inline int64_t gr_now(const gr_ring *r) {
	struct timespec t;
	if (!r->timestamps) return 0;
	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* Fills the header of a reserved slot. The store of its word publishes it. */
static inline void gr_describe(
	gr_header *h, uint32_t len, uint16_t meta, uint64_t tag, int64_t now) {
	h->sizes = gr_sizes(len, meta);
	h->tag = tag;
	h->timestamp = now;
}

/* Advances to the position after last once the slots up to it were published. Every message
 * before head is READY when head is stored. SYNC head store */
static inline void gr_after_publish(gr_producer *p, gr_pos last) {
	p->pos = gr_next(p->r, last);
	if (p->discipline >= GR_BROADCAST)
		atomic_store(gr_word64(p->r, GR_OFF_HEAD), gr_number(p->r, p->pos));
	gr_notify_data(p->r);
}

/* Makes the reserved slot at pos a message. SYNC commit store */
static inline void gr_publish(gr_producer *p, uint32_t len, uint16_t meta, uint64_t tag) {
	gr_header *h = gr_slot(p->r, p->pos.idx);
	gr_describe(h, len, meta, tag, gr_now(p->r));
	atomic_store(&h->word, gr_ready_word(p->pos.lap));
	gr_after_publish(p, p->pos);
}

/* Publishes n described slots from pos on, from the first to the last: a producer that dies in
 * between leaves no gap. The last store is sequentially consistent. SYNC commit store */
static inline void gr_publish_run(gr_producer *p, uint64_t n) {
	gr_pos x = p->pos;
	for (; n > 1; n--) {
		atomic_store_explicit(
			&gr_slot(p->r, x.idx)->word, gr_ready_word(x.lap), memory_order_release);
		x = gr_next(p->r, x);
	}
	atomic_store(&gr_slot(p->r, x.idx)->word, gr_ready_word(x.lap));
	gr_after_publish(p, x);
}

/* Publishes n messages that all have len bytes and no metadata. SYNC commit store */
static inline void gr_publish_alike(gr_producer *p, uint64_t n, uint32_t len) {
	int64_t now = gr_now(p->r);
	gr_pos x = p->pos;
	for (; n > 1; n--) {
		gr_header *h = gr_slot(p->r, x.idx);
		gr_describe(h, len, 0, 0, now);
		atomic_store_explicit(&h->word, gr_ready_word(x.lap), memory_order_release);
		x = gr_next(p->r, x);
	}
	gr_describe(gr_slot(p->r, x.idx), len, 0, 0, now);
	atomic_store(&gr_slot(p->r, x.idx)->word, gr_ready_word(x.lap));
	gr_after_publish(p, x);
}

/* Gives up the reserved slot at pos. Only discipline GR_MULTI uses up the number.
 * SYNC commit store */
static inline void gr_abort(gr_producer *p) {
	if (p->discipline != GR_MULTI) return;
	atomic_store(&gr_slot(p->r, p->pos.idx)->word, gr_aborted_word(p->pos.lap, p->seat));
	p->pos = gr_next(p->r, p->pos);
	gr_notify_data(p->r);
}
#endif
