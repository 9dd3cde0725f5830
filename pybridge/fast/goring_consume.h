/* goring_consume.h: taking and releasing (spec sections 6 and 7). */
#ifndef GORING_CONSUME_H
#define GORING_CONSUME_H
#include "goring_words.h"

typedef struct { /* broadcast: what one consumer has released */
	gr_ring *r;
	unsigned seat;
	uint64_t next;   /* smallest number not released; the seat's shared cursor follows it */
	uint64_t *early; /* a bit per slot: released behind next; the caller's memory, zeroed */
	uint64_t nearly; /* bits set */
} gr_cursor;

typedef struct {
	gr_ring *r;
	gr_side side;
	unsigned seat;
	gr_pos pos;      /* next to look at */
	uint64_t owner;  /* seat in the words of a shared side, else 0 */
	uint64_t gen;    /* shared: requeue_gen of the last scan that took nothing */
	gr_cursor *cur;  /* broadcast */
	uint64_t lost;   /* overwrite: messages that it never got */
	bool fresh;      /* overwrite: nothing was taken yet */
} gr_consumer;

/* bytes of early that a ring's cursor needs */
static inline size_t gr_early_size(const gr_ring *r) { return (size_t)((r->slots + 63) / 64 * 8); }
static inline void gr_cursor_start(gr_cursor *k, gr_ring *r, unsigned seat, uint64_t *early) {
	*k = (gr_cursor){r, seat, atomic_load(gr_seat_cursor(r, seat)), early, 0};
}
/* the seat was joined before; cur is for broadcast rings, NULL on others */
static inline void gr_consumer_start(gr_consumer *c, gr_ring *r, unsigned seat, gr_cursor *cur) {
	*c = (gr_consumer){.r = r, .side = gr_side_of(r, r->max_consumers), .seat = seat, .cur = cur, .fresh = true};
	if (c->side >= GR_GATED) {
		c->pos = gr_at(r, atomic_load(gr_seat_cursor(r, seat)));
		return;
	}
	c->pos = gr_first_unreleased(r);
	c->owner = c->side == GR_SHARED ? seat : 0;
	c->gen = atomic_load(gr_word64(r, GR_OFF_REQUEUE_GEN)) - 1; /* unequal: the first empty walk scans */
}
/* the word of a message while c holds it */
static inline uint64_t gr_held_word(const gr_consumer *c, gr_pos at) {
	return c->owner ? gr_taken(at.lap, c->owner) : gr_ready(at.lap);
}
/* goes up from the hint and takes the first READY message */
GR_RARE bool gr_walk(gr_consumer *c, bool hints, gr_pos *at) {
	gr_ring *r = c->r;
	c->pos = hints ? gr_catch_up(r, c->pos, atomic_load(gr_word64(r, GR_OFF_TAKE_HINT))) : gr_first_unreleased(r);
	for (uint64_t step = 0; step < 2 * r->slots; step++) {
		gr_header *h = gr_slot(r, c->pos.idx);
		uint64_t w = gr_load(h), lap = c->pos.lap;
		if (w == gr_ready(lap)) {
			if (!gr_cas(h, w, gr_taken(lap, c->owner))) continue;
			*at = c->pos;
			c->pos = gr_next(r, c->pos);
			atomic_store(gr_word64(r, GR_OFF_TAKE_HINT), gr_number(r, c->pos)); /* after the CAS: never ahead */
			return true;
		}
		if (gr_lap(w) == lap && gr_is_aborted(w)) {
			if (gr_cas(h, w, gr_free(lap + 1))) gr_notify_room(r);
		} else if (!(gr_lap(w) > lap || (gr_lap(w) == lap && gr_state(w) == GR_TAKEN))) {
			return false;
		}
		c->pos = gr_next(r, c->pos);
	}
	return false;
}
/* takes the smallest READY message before number stop. From there on lie fresh ones: a scan,
 * not being atomic, could take a later one of them before an earlier one, or pass the
 * WRITING slot of a slow producer. */
GR_RARE bool gr_take_behind(gr_consumer *c, uint64_t stop, gr_pos *at) {
	gr_ring *r = c->r;
	for (;;) {
		uint64_t best = stop, word = 0;
		for (uint64_t i = 0; i < r->slots; i++) {
			uint64_t w = gr_load(gr_slot(r, i)), n = gr_lap(w) * r->slots + i;
			if ((w & 0xff) == GR_READY && n < best) { best = n; word = w; }
		}
		if (best == stop) return false;
		*at = gr_at(r, best);
		if (gr_cas(gr_slot(r, at->idx), word, gr_taken(gr_lap(word), c->owner))) return true;
	}
}
GR_RARE bool gr_take_shared(gr_consumer *c, bool hints, gr_pos *at) {
	if (gr_walk(c, hints, at)) return true;
	uint64_t gen = atomic_load(gr_word64(c->r, GR_OFF_REQUEUE_GEN)); /* before the scan: a later requeue makes us look again */
	if (hints && gen == c->gen) return false;
	/* once more: whatever was given back before gen was loaded is now behind where this walk stops */
	if (gr_walk(c, hints, at) || gr_take_behind(c, gr_number(c->r, c->pos), at)) return true;
	c->gen = gen;
	return false;
}
/* walks over aborted messages and those released out of order by a predecessor */
GR_RARE bool gr_take_skipping(gr_consumer *c, gr_pos *at) {
	gr_ring *r = c->r;
	for (uint64_t step = 0; step < 2 * r->slots; step++) {
		gr_header *h = gr_slot(r, c->pos.idx);
		uint64_t w = gr_load(h), lap = c->pos.lap;
		if (w == gr_ready(lap)) {
			*at = c->pos;
			c->pos = gr_next(r, c->pos);
			return true;
		}
		if (gr_lap(w) == lap && gr_is_aborted(w)) {
			atomic_store(&h->word, gr_free(lap + 1));
			gr_notify_room(r);
		} else if (gr_lap(w) <= lap) {
			return false;
		}
		c->pos = gr_next(r, c->pos);
	}
	return false;
}
/* overwrite: whether what was read of the message so far is what was written */
static inline bool gr_whole(const gr_ring *r, gr_pos at) {
	atomic_thread_fence(memory_order_acquire); /* pairs with the fence in gr_overwriting */
	return atomic_load_explicit(&gr_slot(r, at.idx)->word, memory_order_relaxed) == gr_ready(at.lap);
}
/* overwrite: counts messages that the consumer never got */
static inline void gr_miss(gr_consumer *c, uint64_t n) {
	c->lost += n;
	atomic_store_explicit(gr_seat_lost(c->r, c->seat), c->lost, memory_order_relaxed);
}
/* overwrite: moves on a consumer whose next message was overwritten */
static inline bool gr_overtaken(gr_consumer *c) {
	if (gr_lap(gr_load(gr_slot(c->r, c->pos.idx))) <= c->pos.lap) return false;
	uint64_t t = gr_number(c->r, c->pos), to = t + 1, oldest = atomic_load(gr_word64(c->r, GR_OFF_HEAD)) + 1;
	if (oldest > c->r->slots && oldest - c->r->slots > to) to = oldest - c->r->slots;
	gr_miss(c, to - t);
	c->pos = gr_at(c->r, to);
	return true;
}
GR_RARE bool gr_take_lossy(gr_consumer *c, gr_pos *at) {
	for (int tries = 0; tries < 100; tries++) { /* a look that is overtaken so often gives up for now */
		*at = c->pos;
		if (gr_load(gr_slot(c->r, at->idx)) == gr_ready(at->lap)) {
			c->pos = gr_next(c->r, *at);
			c->fresh = false;
			atomic_store_explicit(gr_seat_cursor(c->r, c->seat), gr_number(c->r, c->pos), memory_order_relaxed);
			return true;
		}
		if (!gr_overtaken(c)) break;
	}
	return false;
}
/* takes the next message if it is there */
static inline bool gr_take(gr_consumer *c, bool hints, gr_pos *at) {
	if (c->side == GR_SHARED) return gr_take_shared(c, hints, at);
	if (c->side == GR_LOSSY) return gr_take_lossy(c, at);
	*at = c->pos;
	if (gr_load(gr_slot(c->r, at->idx)) != gr_ready(at->lap)) return c->side == GR_ALONE && gr_take_skipping(c, at);
	c->pos = gr_next(c->r, *at);
	return true;
}
/* takes the message at pos, behind a run, if it is there */
static inline bool gr_take_next(gr_consumer *c) {
	gr_header *h = gr_slot(c->r, c->pos.idx);
	if (gr_load(h) != gr_ready(c->pos.lap)) return false;
	if (c->owner) {
		if (!gr_cas(h, gr_ready(c->pos.lap), gr_taken(c->pos.lap, c->owner))) return false;
		atomic_store(gr_word64(c->r, GR_OFF_TAKE_HINT), gr_number(c->r, c->pos) + 1);
	}
	c->pos = gr_next(c->r, c->pos);
	return true;
}
/* whether the caller itself holds the slot of its next message */
static inline bool gr_holds_all(const gr_consumer *c) {
	if (c->side == GR_GATED) return gr_number(c->r, c->pos) - c->cur->next >= c->r->slots;
	/* alone, and a message of the lap before is at pos */
	return c->side == GR_ALONE && c->pos.lap > 0 && gr_load(gr_slot(c->r, c->pos.idx)) == gr_ready(c->pos.lap - 1);
}
/* broadcast: a message was written over although this consumer had not released its slot */
static inline bool gr_overrun(const gr_consumer *c) {
	return c->side == GR_GATED && gr_lap(gr_load(gr_slot(c->r, c->pos.idx))) > c->pos.lap;
}
/* whether a peer's sizes are within the slot; the caller goes on with the same copy */
static inline bool gr_sane(const gr_ring *r, uint64_t sizes) {
	uint64_t len = sizes & 0xffffffff;
	return len <= r->bytes && (!r->fixed || len == r->bytes) && (sizes >> 32 & 0xffff) <= r->max_meta;
}
static inline void gr_release(const gr_ring *r, gr_pos at) {
	atomic_store(&gr_slot(r, at.idx)->word, gr_free(at.lap + 1)); /* pairs with the producer's load of FREE */
	gr_notify_room(r);
}
static inline void gr_release_run(const gr_ring *r, gr_pos at, uint64_t n) {
	for (; n > 1; n--, at = gr_next(r, at)) atomic_store_explicit(&gr_slot(r, at.idx)->word, gr_free(at.lap + 1), memory_order_release);
	gr_release(r, at);
}
/* the number in the words of whoever sits in that consumer's seat: 0 when it is alone */
static inline uint64_t gr_consumer_owner(const gr_ring *r, unsigned seat) { return r->max_consumers > 1 ? seat : 0; }
static inline bool gr_holds(const gr_ring *r, gr_pos at, uint64_t owner) {
	return gr_load(gr_slot(r, at.idx)) == (owner ? gr_taken(at.lap, owner) : gr_ready(at.lap));
}
/* releases what the owner still holds of a run: a word that has moved on is not set back */
static inline void gr_release_held(const gr_ring *r, gr_pos at, uint64_t n, uint64_t owner) {
	gr_pos x = at;
	uint64_t held = 0;
	for (; held < n && gr_holds(r, x, owner); held++) x = gr_next(r, x);
	if (held == n) {
		gr_release_run(r, at, n);
		return;
	}
	for (; n > 0; n--, at = gr_next(r, at))
		if (gr_holds(r, at, owner)) gr_release(r, at);
}
static inline void gr_count_redelivery(gr_header *h) {
	if (h->sizes >> 56 != 255) h->sizes += 1ull << 56;
}
/* tells all consumers that a message is behind the hints; its word was stored before */
static inline void gr_requeued(const gr_ring *r) {
	atomic_fetch_add(gr_word64(r, GR_OFF_REQUEUE_GEN), 1);
	gr_notify_data(r);
}
/* shared side: gives one held message back */
static inline void gr_requeue(gr_consumer *c, gr_pos at) {
	gr_header *h = gr_slot(c->r, at.idx);
	gr_count_redelivery(h);
	atomic_store(&h->word, gr_ready(at.lap));
	gr_requeued(c->r);
}
/* takes the messages from pos on, at most most, that are there and whose sizes can be: how many.
 * The next take reports one whose sizes cannot. */
static inline uint64_t gr_take_run(gr_consumer *c, uint64_t most) {
	const gr_ring *r = c->r;
	gr_pos at = c->pos;
	uint64_t n = 0;
	if (!c->owner) {
		for (; n < most; n++, at = gr_next(r, at)) {
			gr_header *h = gr_slot(r, at.idx);
			if (gr_load(h) != gr_ready(at.lap) || !gr_sane(r, h->sizes)) break;
		}
		c->pos = at;
		return n;
	}
	for (; n < most && gr_take_next(c); n++, at = gr_next(r, at)) {
		if (gr_sane(r, gr_slot(r, at.idx)->sizes)) continue;
		gr_requeue(c, at);
		break;
	}
	return n;
}

/* ---- the cursor of a broadcast ring's consumer ---- */
static inline bool gr_is_early(const gr_cursor *k, uint64_t n) { return k->early[n % k->r->slots / 64] >> (n % k->r->slots % 64) & 1; }
static inline void gr_flip_early(gr_cursor *k, uint64_t n) { k->early[n % k->r->slots / 64] ^= 1ull << (n % k->r->slots % 64); }
/* whether messages from number n on are all still held */
static inline bool gr_cursor_holds(const gr_cursor *k, uint64_t from, uint64_t n) {
	if (from < k->next || from + n - k->next > k->r->slots) return false;
	for (uint64_t i = 0; k->nearly && i < n; i++)
		if (gr_is_early(k, from + i)) return false;
	return true;
}
/* notes that n messages from number from on, which are held, are released; whether next has
 * moved, which producers do not know yet */
static inline bool gr_cursor_settle(gr_cursor *k, uint64_t from, uint64_t n) {
	if (from != k->next) {
		for (uint64_t i = 0; i < n; i++) gr_flip_early(k, from + i);
		k->nearly += n;
		return false;
	}
	for (k->next += n; k->nearly && gr_is_early(k, k->next); k->next++, k->nearly--) gr_flip_early(k, k->next);
	return true;
}
static inline void gr_cursor_publish(gr_cursor *k) {
	atomic_store(gr_seat_cursor(k->r, k->seat), k->next); /* pairs with gr_slowest */
	gr_notify_room(k->r);
}
/* releases n messages from number from on, which are held; for one thread at a time */
static inline void gr_cursor_release(gr_cursor *k, uint64_t from, uint64_t n) {
	if (gr_cursor_settle(k, from, n)) gr_cursor_publish(k);
}
/* ---- of any mode ---- */

/* whether the message at at, which was taken, is still held; on an overwrite ring, whether it
 * is still whole */
static inline bool gr_holding(const gr_consumer *c, gr_pos at) {
	if (c->side == GR_GATED) return gr_cursor_holds(c->cur, gr_number(c->r, at), 1);
	return c->side == GR_LOSSY ? gr_whole(c->r, at) : gr_load(gr_slot(c->r, at.idx)) == gr_held_word(c, at);
}
/* gives n held messages from at on back to the producers */
static inline void gr_let_go(gr_consumer *c, gr_pos at, uint64_t n) {
	if (c->side == GR_GATED) gr_cursor_release(c->cur, gr_number(c->r, at), n);
	else if (c->side != GR_LOSSY) gr_release_run(c->r, at, n);
}
/* broadcast: how many messages lie between the next and the newest */
static inline uint64_t gr_skippable(const gr_consumer *c) {
	uint64_t head = atomic_load(gr_word64(c->r, GR_OFF_HEAD)), newest = head - 1, t = gr_number(c->r, c->pos);
	bool there = head && newest > t && newest - atomic_load(gr_seat_cursor(c->r, c->seat)) < c->r->slots;
	return there ? newest - t : 0;
}
/* skips to the newest message if it is one that was not read: the next take gets it */
static inline void gr_skip_to_newest(gr_consumer *c) {
	if (c->side == GR_LOSSY) {
		uint64_t head = atomic_load(gr_word64(c->r, GR_OFF_HEAD));
		if (head && (c->fresh || head > gr_number(c->r, c->pos))) c->pos = gr_at(c->r, head - 1);
		return;
	}
	uint64_t n = gr_skippable(c);
	if (n) gr_cursor_release(c->cur, gr_number(c->r, c->pos), n);
	c->pos = gr_plus(c->r, c->pos, n);
}
#endif
