/* cursor.h: the cursors of broadcast rings and their gate (spec section 7). */
#ifndef GORING_CURSOR_H
#define GORING_CURSOR_H
#include "words.h"

/* Returns the smallest cursor of the consumers in use, or head when none is below it. A producer
 * loads it once a lap when the consumers keep up. A joiner stores cursor, state and cursor again,
 * so a seat that is seen in use has a cursor. SYNC seat load, cursor load */
GR_RARE uint64_t gr_slowest_cursor(const gr_ring *r, uint64_t head) {
	uint64_t slowest = head;
	unsigned last = (unsigned)r->max_producers + r->max_consumers;
	for (unsigned seat = r->max_producers + 1u; seat <= last; seat++) {
		if (atomic_load(gr_seat_state(r, seat)) != GR_PART_IN_USE) continue;
		uint64_t c = atomic_load(gr_seat_cursor(r, seat));
		if (c < slowest) slowest = c;
	}
	return slowest;
}

/* gr_cursor has the releases of one consumer of a broadcast ring. One thread at a time uses it. */
typedef struct {
	gr_ring *r;
	unsigned seat;
	uint64_t next;        /* The smallest number not released; the seat's shared cursor follows. */
	uint64_t *early;      /* A bit per slot, set when it was released above next; the caller's. */
	uint64_t early_count; /* Bits set in early. */
} gr_cursor;

/* Returns the bytes of early that a ring's cursor needs. */
static inline size_t gr_cursor_early_size(const gr_ring *r) {
	return (size_t)((r->slots + 63) / 64 * 8);
}

/* Starts at the shared cursor. early is zeroed memory. SYNC cursor load */
static inline void gr_cursor_start(gr_cursor *k, gr_ring *r, unsigned seat, uint64_t *early) {
	*k = (gr_cursor){r, seat, atomic_load(gr_seat_cursor(r, seat)), early, 0};
}

static inline bool gr_cursor_is_early(const gr_cursor *k, uint64_t n) {
	uint64_t i = n % k->r->slots;
	return k->early[i / 64] >> (i % 64) & 1;
}

static inline void gr_cursor_flip_early(gr_cursor *k, uint64_t n) {
	uint64_t i = n % k->r->slots;
	k->early[i / 64] ^= 1ull << (i % 64);
}

/* Reports whether none of n messages from number from on was released. */
static inline bool gr_cursor_holds(const gr_cursor *k, uint64_t from, uint64_t n) {
	if (from < k->next || from + n - k->next > k->r->slots) return false;
	for (uint64_t i = 0; k->early_count && i < n; i++)
		if (gr_cursor_is_early(k, from + i)) return false;
	return true;
}

/* Notes that n held messages from number from on are released, and reports whether next has moved,
 * which producers do not know yet. */
static inline bool gr_cursor_advance(gr_cursor *k, uint64_t from, uint64_t n) {
	if (from != k->next) {
		for (uint64_t i = 0; i < n; i++) gr_cursor_flip_early(k, from + i);
		k->early_count += n;
		return false;
	}
	k->next += n;
	while (k->early_count && gr_cursor_is_early(k, k->next)) {
		gr_cursor_flip_early(k, k->next);
		k->next++;
		k->early_count--;
	}
	return true;
}

/* Stores next into the shared word and wakes waiting producers. SYNC cursor store */
static inline void gr_cursor_publish(gr_cursor *k) {
	atomic_store(gr_seat_cursor(k->r, k->seat), k->next);
	gr_notify_room(k->r);
}

/* Releases n held messages from number from on. */
static inline void gr_cursor_release(gr_cursor *k, uint64_t from, uint64_t n) {
	if (gr_cursor_advance(k, from, n)) gr_cursor_publish(k);
}
#endif
