/* goring.h: the data plane of one ring in plain C11, queue mode (spec/LAYOUT.md
 * sections 4 to 6). No allocation, no Python, no Go. With goring_wait.h and
 * goring_attach.h a program in any language that can include C joins a ring.
 *
 * word = lap << 8 | owner << 2 | state; message number n = lap * slots + index. */
#ifndef GORING_H
#define GORING_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "goring_layout.h"

typedef struct { /* the 32 bytes at the start of a slot; never crosses a cache line */
	_Atomic uint64_t word;
	uint64_t sizes; /* len | meta_len << 32 | flags << 48 | redelivered << 56 */
	int64_t timestamp;
	uint64_t tag;
} gr_header;

_Static_assert(sizeof(gr_header) == GR_SLOT_HEADER_SIZE, "slot header");
_Static_assert(offsetof(gr_header, sizes) == GR_SLOT_LEN && offsetof(gr_header, tag) == GR_SLOT_TAG, "slot header fields");

typedef struct { /* private copy of the geometry, taken once at attach */
	uint8_t *control, *headers, *payload;
	uint64_t header_stride, data_stride, slots, bytes, max_meta;
	uint64_t header_off, data_off, total, participants_off, info_off;
	uint32_t meta_off, info_len, info_crc;
	uint16_t max_producers, max_consumers;
	uint8_t kind, mode;
	bool inlined, fixed, stamped, mirror;
} gr_ring;

typedef struct { uint64_t lap, idx; } gr_pos; /* a message number that needs no division */

/* ---- words ---- */
static inline uint64_t gr_free(uint64_t lap) { return lap << 8 | GR_FREE; }
static inline uint64_t gr_ready(uint64_t lap) { return lap << 8 | GR_READY; }
static inline uint64_t gr_writing(uint64_t lap, uint64_t owner) { return lap << 8 | owner << 2 | GR_WRITING; }
static inline uint64_t gr_taken(uint64_t lap, uint64_t owner) { return lap << 8 | owner << 2 | GR_TAKEN; }
static inline uint64_t gr_aborted(uint64_t lap, uint64_t owner) { return lap << 8 | owner << 2 | GR_READY; }
static inline uint64_t gr_lap(uint64_t w) { return w >> 8; }
static inline uint64_t gr_owner(uint64_t w) { return w >> 2 & 63; }
static inline uint64_t gr_state(uint64_t w) { return w & 3; }
static inline bool gr_is_aborted(uint64_t w) { return gr_state(w) == GR_READY && gr_owner(w) != 0; }

static inline gr_header *gr_slot(const gr_ring *r, uint64_t i) { return (gr_header *)(r->headers + i * r->header_stride); }
static inline uint8_t *gr_payload(const gr_ring *r, uint64_t i) { return r->payload + i * r->data_stride; }
static inline uint8_t *gr_meta(const gr_ring *r, uint64_t i) { return r->headers + i * r->header_stride + r->meta_off; }
static inline uint8_t *gr_tensor(const gr_ring *r, uint64_t i) { return r->headers + i * r->header_stride + GR_SLOT_TENSOR; }
static inline _Atomic uint32_t *gr_word32(const gr_ring *r, uint64_t off) { return (_Atomic uint32_t *)(r->control + off); }
static inline _Atomic uint64_t *gr_word64(const gr_ring *r, uint64_t off) { return (_Atomic uint64_t *)(r->control + off); }
static inline uint8_t *gr_entry(const gr_ring *r, unsigned seat) { return r->control + r->participants_off + (seat - 1) * GR_PARTICIPANT_SIZE; }

/* acquire: pairs with the other side's store of the word */
static inline uint64_t gr_load(gr_header *h) { return atomic_load_explicit(&h->word, memory_order_acquire); }
static inline bool gr_cas(gr_header *h, uint64_t from, uint64_t to) { return atomic_compare_exchange_strong(&h->word, &from, to); }
static inline bool gr_is_shutdown(const gr_ring *r) { return atomic_load(gr_word32(r, GR_OFF_SHUTDOWN)) != 0; }

/* ---- positions ---- */
static inline uint64_t gr_number(const gr_ring *r, gr_pos p) { return p.lap * r->slots + p.idx; }
static inline gr_pos gr_next(const gr_ring *r, gr_pos p) {
	if (++p.idx == r->slots) { p.idx = 0; p.lap++; }
	return p;
}
static inline gr_pos gr_plus(const gr_ring *r, gr_pos p, uint64_t k) {
	p.idx += k;
	if (p.idx >= r->slots) { p.lap += p.idx / r->slots; p.idx %= r->slots; }
	return p;
}
static inline gr_pos gr_at(const gr_ring *r, uint64_t n) { return (gr_pos){n / r->slots, n % r->slots}; }
static inline gr_pos gr_catch_up(const gr_ring *r, gr_pos p, uint64_t hint) {
	uint64_t own = gr_number(r, p);
	return hint > own ? gr_plus(r, p, hint - own) : p;
}

/* where a consumer starts: the smallest number over all words, whatever their state */
static inline gr_pos gr_first_unreleased(const gr_ring *r) {
	uint64_t best = UINT64_MAX;
	for (uint64_t i = 0; i < r->slots; i++) {
		uint64_t n = gr_lap(gr_load(gr_slot(r, i))) * r->slots + i;
		if (n < best) best = n;
	}
	return gr_at(r, best);
}
/* where a producer starts: a slot that is not FREE counts with its next lap */
static inline gr_pos gr_first_unwritten(const gr_ring *r) {
	uint64_t best = UINT64_MAX;
	for (uint64_t i = 0; i < r->slots; i++) {
		uint64_t w = gr_load(gr_slot(r, i)), n = (gr_lap(w) + (gr_state(w) != GR_FREE)) * r->slots + i;
		if (n < best) best = n;
	}
	return gr_at(r, best);
}

/* ---- waking (the sleeping half is in goring_wait.h) ---- */
void gr_wake_all(_Atomic uint32_t *ev);

static __attribute__((noinline, cold, unused)) void gr_wake(_Atomic uint32_t *ev, _Atomic uint32_t *waiting) {
	if (atomic_exchange(waiting, 0)) {
		atomic_fetch_add(ev, 1);
		gr_wake_all(ev);
	}
}
/* a seq_cst load behind the seq_cst store of the word, or a sleeper is lost */
static inline void gr_notify(const gr_ring *r, uint64_t ev, uint64_t waiting) {
	if (__builtin_expect(atomic_load(gr_word32(r, waiting)) != 0, 0)) gr_wake(gr_word32(r, ev), gr_word32(r, waiting));
}
static inline void gr_notify_data(const gr_ring *r) { gr_notify(r, GR_OFF_DATA_EV, GR_OFF_DATA_WAITING); }
static inline void gr_notify_room(const gr_ring *r) { gr_notify(r, GR_OFF_ROOM_EV, GR_OFF_ROOM_WAITING); }

/* ---- producer ---- */
typedef struct {
	gr_ring *r;
	gr_pos pos;     /* next to reserve */
	uint64_t owner; /* seat in the words of a shared side, 0 when alone */
} gr_producer;

static inline void gr_producer_start(gr_producer *p, gr_ring *r, unsigned seat) {
	p->r = r;
	p->pos = gr_first_unwritten(r);
	p->owner = r->max_producers > 1 ? seat : 0;
	if (p->owner || r->max_consumers > 1) return;
	/* a predecessor that published out of order and died: READY behind the hole goes back, last to first */
	for (uint64_t k = r->slots; --k > 0;) {
		gr_pos x = gr_plus(r, p->pos, k);
		gr_header *h = gr_slot(r, x.idx);
		if (gr_load(h) == gr_ready(x.lap)) atomic_store(&h->word, gr_free(x.lap));
	}
}
/* a walk never takes more than two laps: words that make it longer are a peer's nonsense */
static inline bool gr_reserve_shared(gr_producer *p, bool hints) {
	gr_ring *r = p->r;
	p->pos = hints ? gr_catch_up(r, p->pos, atomic_load(gr_word64(r, GR_OFF_PUT_HINT))) : gr_first_unwritten(r);
	for (uint64_t step = 0; step < 2 * r->slots; step++) {
		gr_header *h = gr_slot(r, p->pos.idx);
		uint64_t w = gr_load(h);
		if (w == gr_free(p->pos.lap)) {
			if (!gr_cas(h, w, gr_writing(p->pos.lap, p->owner))) continue;
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
	if (p->owner) return gr_reserve_shared(p, hints);
	return gr_load(gr_slot(p->r, p->pos.idx)) == gr_free(p->pos.lap);
}
/* reserves the slot behind a run, if it is free */
static inline bool gr_reserve_next(gr_producer *p, gr_pos at) {
	gr_header *h = gr_slot(p->r, at.idx);
	if (!p->owner) return gr_load(h) == gr_free(at.lap);
	if (!gr_cas(h, gr_free(at.lap), gr_writing(at.lap, p->owner))) return false;
	atomic_store(gr_word64(p->r, GR_OFF_PUT_HINT), gr_number(p->r, at) + 1);
	return true;
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
/* publishes the reserved slot; pairs with the consumer's load of READY */
static inline void gr_commit(gr_producer *p, uint32_t len, uint16_t meta, uint64_t tag) {
	gr_header *h = gr_slot(p->r, p->pos.idx);
	gr_describe(h, len, meta, tag, gr_now(p->r));
	atomic_store(&h->word, gr_ready(p->pos.lap));
	p->pos = gr_next(p->r, p->pos);
	gr_notify_data(p->r);
}
/* publishes n described slots from pos on, first to last: dying in between leaves no hole */
static inline void gr_commit_run(gr_producer *p, uint64_t n) {
	gr_pos x = p->pos;
	for (; n > 1; n--, x = gr_next(p->r, x)) atomic_store_explicit(&gr_slot(p->r, x.idx)->word, gr_ready(x.lap), memory_order_release);
	atomic_store(&gr_slot(p->r, x.idx)->word, gr_ready(x.lap));
	p->pos = gr_next(p->r, x);
	gr_notify_data(p->r);
}
static inline void gr_abort(gr_producer *p) {
	if (!p->owner) return; /* nothing was stored */
	atomic_store(&gr_slot(p->r, p->pos.idx)->word, gr_aborted(p->pos.lap, p->owner));
	p->pos = gr_next(p->r, p->pos);
	gr_notify_data(p->r);
}
/* how many slots from at on one run may have */
static inline uint64_t gr_longest_run(const gr_ring *r, gr_pos at, uint64_t limit) {
	if (limit > r->slots) limit = r->slots;
	if (!r->mirror && limit > r->slots - at.idx) limit = r->slots - at.idx;
	return limit;
}

/* ---- consumer ---- */
typedef struct {
	gr_ring *r;
	gr_pos pos;     /* next to look at */
	uint64_t owner; /* seat in the words of a shared side, 0 when alone */
	uint64_t gen;   /* requeue_gen of the last scan that took nothing */
} gr_consumer;

static inline void gr_consumer_start(gr_consumer *c, gr_ring *r, unsigned seat) {
	c->r = r;
	c->pos = gr_first_unreleased(r);
	c->owner = r->max_consumers > 1 ? seat : 0;
	c->gen = atomic_load(gr_word64(r, GR_OFF_REQUEUE_GEN)) - 1; /* unequal: the first empty walk scans */
}
/* the word of a message while c holds it */
static inline uint64_t gr_held_word(const gr_consumer *c, gr_pos at) {
	return c->owner ? gr_taken(at.lap, c->owner) : gr_ready(at.lap);
}
/* goes up from the hint and takes the first READY message */
static inline bool gr_walk(gr_consumer *c, bool hints, gr_pos *at) {
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
static inline bool gr_take_behind(gr_consumer *c, uint64_t stop, gr_pos *at) {
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
static inline bool gr_take_shared(gr_consumer *c, bool hints, gr_pos *at) {
	if (gr_walk(c, hints, at)) return true;
	uint64_t gen = atomic_load(gr_word64(c->r, GR_OFF_REQUEUE_GEN)); /* before the scan: a later requeue makes us look again */
	if (hints && gen == c->gen) return false;
	/* once more: whatever was given back before gen was loaded is now behind where this walk stops */
	if (gr_walk(c, hints, at) || gr_take_behind(c, gr_number(c->r, c->pos), at)) return true;
	c->gen = gen;
	return false;
}
/* walks over aborted messages and those released out of order by a predecessor */
static inline bool gr_take_skipping(gr_consumer *c, gr_pos *at) {
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
/* takes the next message if it is there */
static inline bool gr_take(gr_consumer *c, bool hints, gr_pos *at) {
	if (c->owner) return gr_take_shared(c, hints, at);
	*at = c->pos;
	if (gr_load(gr_slot(c->r, at->idx)) != gr_ready(at->lap)) return gr_take_skipping(c, at);
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
/* alone, and a message of the lap before is at pos: the caller holds every slot itself */
static inline bool gr_holds_all(const gr_consumer *c) {
	return !c->owner && c->pos.lap > 0 && gr_load(gr_slot(c->r, c->pos.idx)) == gr_ready(c->pos.lap - 1);
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
#endif
