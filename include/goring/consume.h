/* consume.h: taking, releasing, requeueing (spec sections 6 and 7). */
#ifndef GORING_CONSUME_H
#define GORING_CONSUME_H
#include "cursor.h"
#include "overwrite.h"

/* gr_consumer is the protocol state of one consumer. */
typedef struct {
	gr_ring *r;
	gr_discipline discipline;
	unsigned seat;
	gr_pos pos;        /* The next number to look at. */
	uint64_t owner;    /* The seat in the words of GR_MULTI, else 0. */
	uint64_t gen;      /* GR_MULTI: requeue_gen at the last scan that took nothing. */
	gr_cursor *cursor; /* GR_BROADCAST, else NULL. */
	uint64_t lost;     /* GR_OVERWRITE: messages that it never got. */
	bool fresh;        /* GR_OVERWRITE: nothing was taken yet. */
} gr_consumer;

/* Starts the consumer that has joined seat. SYNC cursor load, requeue load */
static inline void gr_consumer_start(gr_consumer *c, gr_ring *r, unsigned seat, gr_cursor *cursor) {
	*c = (gr_consumer){.r = r, .seat = seat, .cursor = cursor, .fresh = true};
	c->discipline = gr_discipline_of(r, r->max_consumers);
	if (c->discipline >= GR_BROADCAST) {
		c->pos = gr_position_of(r, atomic_load(gr_seat_cursor(r, seat)));
		return;
	}
	c->pos = gr_first_unreleased(r);
	c->owner = c->discipline == GR_MULTI ? seat : 0;
	/* Unequal, so that the first empty walk scans. */
	c->gen = atomic_load(gr_word64(r, GR_OFF_REQUEUE_GEN)) - 1;
}

/* Returns the word of the slot at at while c holds its message. */
static inline uint64_t gr_held_word(const gr_consumer *c, gr_pos at) {
	return c->owner ? gr_taken_word(at.lap, c->owner) : gr_ready_word(at.lap);
}

/* ---- taking ---- */

/* Goes up from the hint and takes the first READY message. SYNC commit load, take load */
GR_RARE bool gr_walk(gr_consumer *c, bool hints, gr_pos *at) {
	gr_ring *r = c->r;
	if (hints)
		c->pos = gr_catch_up(
			r, c->pos, atomic_load(gr_word64(r, GR_OFF_TAKE_HINT))); /* SYNC hint load */
	else
		c->pos = gr_first_unreleased(r);
	for (uint64_t step = 0; step < 2 * r->slots; step++) {
		gr_header *h = gr_slot(r, c->pos.idx);
		uint64_t w = gr_load(h), lap = c->pos.lap;
		if (w == gr_ready_word(lap)) {
			if (!gr_cas(h, w, gr_taken_word(lap, c->owner))) /* SYNC take store */
				continue;
			*at = c->pos;
			c->pos = gr_next(r, c->pos);
			/* SYNC hint store: after the CAS, so it is never ahead. */
			atomic_store(gr_word64(r, GR_OFF_TAKE_HINT), gr_number(r, c->pos));
			return true;
		}
		if (gr_word_lap(w) == lap && gr_is_aborted(w)) {
			if (gr_cas(h, w, gr_free_word(lap + 1))) /* SYNC release store */
				gr_notify_room(r);
		} else if (!(gr_word_lap(w) > lap ||
					   (gr_word_lap(w) == lap && gr_word_state(w) == GR_TAKEN))) {
			return false;
		}
		c->pos = gr_next(r, c->pos);
	}
	return false;
}

/* Takes the smallest READY message below number stop. Messages from stop on are fresh: a scan,
 * which is not atomic, could take a later one of them before an earlier one, or pass the WRITING
 * slot of a slow producer. SYNC commit load */
GR_RARE bool gr_take_requeued(gr_consumer *c, uint64_t stop, gr_pos *at) {
	gr_ring *r = c->r;
	for (;;) {
		uint64_t first = stop, word = 0;
		for (uint64_t i = 0; i < r->slots; i++) {
			uint64_t w = gr_load(gr_slot(r, i)), n = gr_word_lap(w) * r->slots + i;
			if ((w & 0xff) == GR_READY && n < first) {
				first = n;
				word = w;
			}
		}
		if (first == stop) return false;
		*at = gr_position_of(r, first);
		uint64_t taken = gr_taken_word(gr_word_lap(word), c->owner);
		if (gr_cas(gr_slot(r, at->idx), word, taken)) /* SYNC take store */
			return true;
	}
}

/* Takes the first READY message from the hint on, or a requeued one below it. */
GR_RARE bool gr_try_take_multi(gr_consumer *c, bool hints, gr_pos *at) {
	if (gr_walk(c, hints, at)) return true;
	/* SYNC requeue load: before the scan, so that a later requeue causes another scan. */
	uint64_t gen = atomic_load(gr_word64(c->r, GR_OFF_REQUEUE_GEN));
	if (hints && gen == c->gen) return false;
	/* Walk once more: every message requeued before gen was loaded is now below the position where
	 * this walk stops. */
	if (gr_walk(c, hints, at) || gr_take_requeued(c, gr_number(c->r, c->pos), at)) return true;
	c->gen = gen;
	return false;
}

/* Takes the next message after aborted numbers and after those that a predecessor released out of
 * order. SYNC commit load */
GR_RARE bool gr_skip_done(gr_consumer *c, gr_pos *at) {
	gr_ring *r = c->r;
	for (uint64_t step = 0; step < 2 * r->slots; step++) {
		gr_header *h = gr_slot(r, c->pos.idx);
		uint64_t w = gr_load(h), lap = c->pos.lap;
		if (w == gr_ready_word(lap)) {
			*at = c->pos;
			c->pos = gr_next(r, c->pos);
			return true;
		}
		if (gr_word_lap(w) == lap && gr_is_aborted(w)) {
			atomic_store(&h->word, gr_free_word(lap + 1)); /* SYNC release store */
			gr_notify_room(r);
		} else if (gr_word_lap(w) <= lap) {
			return false;
		}
		c->pos = gr_next(r, c->pos);
	}
	return false;
}

/* Counts n messages that an overwrite consumer never got. SYNC progress store */
static inline void gr_count_lost(gr_consumer *c, uint64_t n) {
	c->lost += n;
	atomic_store_explicit(gr_seat_lost(c->r, c->seat), c->lost, memory_order_relaxed);
}

/* Advances an overwrite consumer past overwritten messages, and reports whether its next was one.
 * SYNC overwrite load, head load */
static inline bool gr_skip_overwritten(gr_consumer *c) {
	if (gr_word_lap(gr_load(gr_slot(c->r, c->pos.idx))) <= c->pos.lap) return false;
	uint64_t n = gr_number(c->r, c->pos), to = n + 1, slots = c->r->slots;
	uint64_t oldest = atomic_load(gr_word64(c->r, GR_OFF_HEAD)) + 1;
	if (oldest > slots && oldest - slots > to) to = oldest - slots;
	gr_count_lost(c, to - n);
	c->pos = gr_position_of(c->r, to);
	return true;
}

/* Takes the next message that has not been overwritten. It gives up for now when it was overtaken
 * often. SYNC commit load, progress store */
GR_RARE bool gr_take_overwrite(gr_consumer *c, gr_pos *at) {
	for (int skips = 0; skips < 100; skips++) {
		*at = c->pos;
		if (gr_load(gr_slot(c->r, at->idx)) == gr_ready_word(at->lap)) {
			c->pos = gr_next(c->r, *at);
			c->fresh = false;
			_Atomic uint64_t *cursor = gr_seat_cursor(c->r, c->seat);
			atomic_store_explicit(cursor, gr_number(c->r, c->pos), memory_order_relaxed);
			return true;
		}
		if (!gr_skip_overwritten(c)) break;
	}
	return false;
}

/* Takes the next message if one is READY. Without hints it ignores the shared hint and the
 * generation of requeued messages. SYNC commit load */
static inline bool gr_try_take(gr_consumer *c, bool hints, gr_pos *at) {
	if (c->discipline == GR_MULTI) return gr_try_take_multi(c, hints, at);
	if (c->discipline == GR_OVERWRITE) return gr_take_overwrite(c, at);
	*at = c->pos;
	if (gr_load(gr_slot(c->r, at->idx)) != gr_ready_word(at->lap))
		return c->discipline == GR_SINGLE && gr_skip_done(c, at);
	c->pos = gr_next(c->r, *at);
	return true;
}

/* Takes the message at pos, right after a run, if it is READY. SYNC commit load */
static inline bool gr_take_next(gr_consumer *c) {
	gr_header *h = gr_slot(c->r, c->pos.idx);
	if (gr_load(h) != gr_ready_word(c->pos.lap)) return false;
	if (c->owner) {
		uint64_t taken = gr_taken_word(c->pos.lap, c->owner);
		if (!gr_cas(h, gr_ready_word(c->pos.lap), taken)) /* SYNC take store */
			return false;
		uint64_t next = gr_number(c->r, c->pos) + 1;
		atomic_store(gr_word64(c->r, GR_OFF_TAKE_HINT), next); /* SYNC hint store */
	}
	c->pos = gr_next(c->r, c->pos);
	return true;
}

/* Reports whether the slot of the next message is held by this consumer itself, so that no
 * producer can fill it. SYNC commit load */
static inline bool gr_holds_every_slot(const gr_consumer *c) {
	if (c->discipline == GR_BROADCAST)
		return gr_number(c->r, c->pos) - c->cursor->next >= c->r->slots;
	/* A single consumer: the slot still has the message of the lap before. */
	return c->discipline == GR_SINGLE && c->pos.lap > 0 &&
		gr_load(gr_slot(c->r, c->pos.idx)) == gr_ready_word(c->pos.lap - 1);
}

/* Reports whether a broadcast producer has overwritten a message that this consumer had not
 * released, which breaks the rules. SYNC commit load */
static inline bool gr_overrun(const gr_consumer *c) {
	return c->discipline == GR_BROADCAST &&
		gr_word_lap(gr_load(gr_slot(c->r, c->pos.idx))) > c->pos.lap;
}

/* ---- releasing ---- */

/* Frees the slot of a held message of a queue. SYNC release store */
static inline void gr_release(const gr_ring *r, gr_pos at) {
	atomic_store(&gr_slot(r, at.idx)->word, gr_free_word(at.lap + 1));
	gr_notify_room(r);
}

/* Frees the slots of n held messages of a queue from at on. SYNC release store */
static inline void gr_release_run(const gr_ring *r, gr_pos at, uint64_t n) {
	for (; n > 1; n--) {
		uint64_t w = gr_free_word(at.lap + 1);
		atomic_store_explicit(&gr_slot(r, at.idx)->word, w, memory_order_release);
		at = gr_next(r, at);
	}
	gr_release(r, at);
}

/* Returns the owner in the words of a consumer's seat: 0 when there is one seat only. */
static inline uint64_t gr_consumer_owner(const gr_ring *r, unsigned seat) {
	return r->max_consumers > 1 ? seat : 0;
}

/* Reports whether the owner holds the message at at of a queue. SYNC commit load, take load */
static inline bool gr_is_held(const gr_ring *r, gr_pos at, uint64_t owner) {
	return gr_load(gr_slot(r, at.idx)) ==
		(owner ? gr_taken_word(at.lap, owner) : gr_ready_word(at.lap));
}

/* Frees the slots of a run that the owner still holds. A word that has moved on stays. */
static inline void gr_release_held(const gr_ring *r, gr_pos at, uint64_t n, uint64_t owner) {
	gr_pos x = at;
	uint64_t held = 0;
	for (; held < n && gr_is_held(r, x, owner); held++) x = gr_next(r, x);
	if (held == n) {
		gr_release_run(r, at, n);
		return;
	}
	for (; n > 0; n--) {
		if (gr_is_held(r, at, owner)) gr_release(r, at);
		at = gr_next(r, at);
	}
}

/* Reports whether the taken message at at is still held; on an overwrite ring, whether it is still
 * intact. SYNC commit load, take load */
static inline bool gr_is_held_any(const gr_consumer *c, gr_pos at) {
	if (c->discipline == GR_BROADCAST) return gr_cursor_holds(c->cursor, gr_number(c->r, at), 1);
	if (c->discipline == GR_OVERWRITE) return gr_intact(c->r, at);
	return gr_load(gr_slot(c->r, at.idx)) == gr_held_word(c, at);
}

/* Releases n held messages from at on, of any discipline. */
static inline void gr_release_any(gr_consumer *c, gr_pos at, uint64_t n) {
	if (c->discipline == GR_BROADCAST)
		gr_cursor_release(c->cursor, gr_number(c->r, at), n);
	else if (c->discipline != GR_OVERWRITE)
		gr_release_run(c->r, at, n);
}

/* ---- requeueing ---- */

/* Adds one to the header's count, which saturates at 255. The caller owns the slot; its next store
 * of the word publishes the count. */
static inline void gr_count_redelivery(gr_header *h) {
	if (gr_sizes_redelivered(h->sizes) != 255) h->sizes += 1ull << 56;
}

/* Tells all consumers that a message is READY below the hints. Its word was stored before.
 * SYNC requeue store */
static inline void gr_notify_requeued(const gr_ring *r) {
	atomic_fetch_add(gr_word64(r, GR_OFF_REQUEUE_GEN), 1);
	gr_notify_data(r);
}

/* Makes a held message of GR_MULTI READY again, for any consumer. SYNC commit store */
static inline void gr_requeue(gr_consumer *c, gr_pos at) {
	gr_header *h = gr_slot(c->r, at.idx);
	gr_count_redelivery(h);
	atomic_store(&h->word, gr_ready_word(at.lap));
	gr_notify_requeued(c->r);
}

/* Takes messages from pos on, at most limit, that are READY with sizes that fit, and returns how
 * many. The next take reports a message with sizes that do not fit. SYNC commit load */
static inline uint64_t gr_take_run(gr_consumer *c, uint64_t limit) {
	const gr_ring *r = c->r;
	gr_pos at = c->pos;
	uint64_t n = 0;
	if (!c->owner) {
		for (; n < limit; n++) {
			gr_header *h = gr_slot(r, at.idx);
			if (gr_load(h) != gr_ready_word(at.lap) || !gr_sizes_fit(r, h->sizes)) break;
			at = gr_next(r, at);
		}
		c->pos = at;
		return n;
	}
	for (; n < limit && gr_take_next(c); n++) {
		if (!gr_sizes_fit(r, gr_slot(r, at.idx)->sizes)) {
			gr_requeue(c, at);
			break;
		}
		at = gr_next(r, at);
	}
	return n;
}

/* ---- skipping ---- */

/* Returns how many messages lie between the next and the newest of a broadcast ring.
 * SYNC head load, cursor load */
static inline uint64_t gr_skippable(const gr_consumer *c) {
	uint64_t head = atomic_load(gr_word64(c->r, GR_OFF_HEAD));
	uint64_t newest = head - 1, next = gr_number(c->r, c->pos);
	if (!head || newest <= next) return 0;
	bool room = newest - atomic_load(gr_seat_cursor(c->r, c->seat)) < c->r->slots;
	return room ? newest - next : 0;
}

/* Moves pos to the newest message if that one was not read, and releases those before it.
 * SYNC head load */
static inline void gr_skip_to_newest(gr_consumer *c) {
	if (c->discipline == GR_OVERWRITE) {
		uint64_t head = atomic_load(gr_word64(c->r, GR_OFF_HEAD));
		if (head && (c->fresh || head > gr_number(c->r, c->pos)))
			c->pos = gr_position_of(c->r, head - 1);
		return;
	}
	uint64_t n = gr_skippable(c);
	if (n) gr_cursor_release(c->cursor, gr_number(c->r, c->pos), n);
	c->pos = gr_plus(c->r, c->pos, n);
}
#endif
