/* goring_words.h: slot words, positions, waking (spec/LAYOUT.md sections 4 and 5).
 *
 * word = lap << 8 | owner << 2 | state; message number n = lap * slots + index. */
#ifndef GORING_WORDS_H
#define GORING_WORDS_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

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
	uint64_t gpu_off; /* of the GPU block, if there is one */
	uint32_t meta_off, info_len, info_crc;
	uint16_t max_producers, max_consumers;
	uint8_t kind, mode;
	bool inlined, fixed, stamped, mirror, gpu;
	bool in_device; /* of a GPU ring: the payload is no part of the segment */
} gr_ring;

/* how a participant and those of its role share a ring; it decides the path of every operation */
typedef enum {
	GR_ALONE,  /* queue, the only one of its role: stores only */
	GR_SHARED, /* queue, one of several: compare and swap */
	GR_GATED,  /* broadcast: cursors */
	GR_LOSSY,  /* broadcast with overwrite */
} gr_side;

typedef struct { uint64_t lap, idx; } gr_pos; /* a message number that needs no division */

static inline int64_t gr_monotonic(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

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

static inline _Atomic uint32_t *gr_seat_state(const gr_ring *r, unsigned seat) { return (_Atomic uint32_t *)(gr_entry(r, seat) + GR_PART_STATE); }
static inline _Atomic uint32_t *gr_seat_epoch(const gr_ring *r, unsigned seat) { return (_Atomic uint32_t *)(gr_entry(r, seat) + GR_PART_EPOCH); }
static inline _Atomic int64_t *gr_seat_progress(const gr_ring *r, unsigned seat) { return (_Atomic int64_t *)(gr_entry(r, seat) + GR_PART_PROGRESS); }
static inline _Atomic uint32_t *gr_seat_flags(const gr_ring *r, unsigned seat) { return (_Atomic uint32_t *)(gr_entry(r, seat) + GR_PART_FLAGS); }
static inline _Atomic uint64_t *gr_seat_cursor(const gr_ring *r, unsigned seat) { return (_Atomic uint64_t *)(gr_entry(r, seat) + GR_PART_CURSOR); }
static inline _Atomic uint64_t *gr_seat_lost(const gr_ring *r, unsigned seat) { return (_Atomic uint64_t *)(gr_entry(r, seat) + GR_PART_LOST); }
static inline gr_side gr_side_of(const gr_ring *r, unsigned seats) {
	if (r->mode == GR_MODE_BROADCAST) return GR_GATED;
	if (r->mode == GR_MODE_OVERWRITE) return GR_LOSSY;
	return seats > 1 ? GR_SHARED : GR_ALONE;
}

/* out of the line of what happens with nearly every message */
#define GR_RARE static __attribute__((noinline, unused))
/* the same, kept out of the way of what runs often */
#define GR_COLD __attribute__((cold)) GR_RARE

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
/* where a producer starts: a slot that is not FREE counts with its next lap; in the broadcast
 * modes a WRITING one with its own, for there a dead producer's number is used again */
static inline gr_pos gr_first_unwritten(const gr_ring *r) {
	uint64_t best = UINT64_MAX;
	for (uint64_t i = 0; i < r->slots; i++) {
		uint64_t w = gr_load(gr_slot(r, i)), s = gr_state(w);
		bool used = s != GR_FREE && (s != GR_WRITING || r->mode == GR_MODE_QUEUE);
		uint64_t n = (gr_lap(w) + used) * r->slots + i;
		if (n < best) best = n;
	}
	return gr_at(r, best);
}

/* ---- waking (the sleeping half is in goring_wait.h) ---- */

/* not FUTEX_PRIVATE: the words are shared between processes */
static inline void gr_wake_all(_Atomic uint32_t *ev) { syscall(SYS_futex, ev, FUTEX_WAKE, 0x7fffffff, NULL, NULL, 0); }

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
#endif
