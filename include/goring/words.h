/* words.h: slot words, sizes, positions, waking (spec/LAYOUT.md sections 4 and 5).
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

#if defined __GLIBC__ && !defined __USE_MISC
#error "include goring's headers before the C library's, or define _GNU_SOURCE"
#endif

#include "layout.h"

/* Marks a function that few messages need. It is kept out of line. */
#define GR_RARE static __attribute__((noinline, unused))
/* Marks a rare function that is also kept away from the code that runs often. */
#define GR_COLD __attribute__((cold)) GR_RARE

/* gr_header overlays the 32 bytes at the start of a slot, which never cross a cache line. */
typedef struct {
	_Atomic uint64_t word; /* The truth about the slot. Its stores publish the other fields. */
	uint64_t sizes;        /* len | meta_len << 32 | flags << 48 | redelivered << 56. */
	int64_t timestamp;     /* CLOCK_REALTIME at commit in ns, or 0. */
	uint64_t tag;          /* The user's correlation id. */
} gr_header;

_Static_assert(sizeof(gr_header) == GR_SLOT_HEADER_SIZE, "slot header");
_Static_assert(offsetof(gr_header, sizes) == GR_SLOT_LEN, "sizes");
_Static_assert(offsetof(gr_header, tag) == GR_SLOT_TAG, "tag");

/* gr_ring is a private copy of the geometry, taken once at attach, and the mapped addresses. */
typedef struct {
	uint8_t *control; /* The segment from its start. */
	uint8_t *headers; /* The header of slot 0. */
	uint8_t *payload; /* The payload of slot 0; NULL when it is in device memory. */
	uint64_t header_stride, data_stride;
	uint64_t slots;    /* Messages that the ring holds. */
	uint64_t bytes;    /* Payload capacity of a slot. */
	uint64_t max_meta; /* Metadata capacity of a slot in bytes. */
	uint64_t header_off, data_off, total, participants_off, info_off;
	uint64_t gpu_off; /* Offset of the GPU block, or 0. */
	uint32_t meta_off, info_len, info_crc;
	uint16_t max_producers, max_consumers;
	uint8_t kind, mode;
	bool inlined;    /* Payloads lie inside the headers' slots. */
	bool fixed;      /* Every message has exactly bytes bytes. */
	bool timestamps; /* Producers store the time of every commit. */
	bool mirror;     /* The payload is mapped twice in a row, so a run may cross the wrap. */
	bool gpu;        /* Payloads are for devices. */
	bool in_device;  /* Payloads are no part of the segment. */
} gr_ring;

/* gr_discipline is how the participants of one role share a ring. It selects the steps of every
 * operation of that role. */
typedef enum {
	GR_SINGLE,    /* A queue with one seat of the role: plain stores. */
	GR_MULTI,     /* A queue with several seats of the role: compare and swap from a hint. */
	GR_BROADCAST, /* Every message to every consumer; cursors gate the producer. */
	GR_OVERWRITE, /* The same, and the producer waits for no consumer. */
} gr_discipline;

/* gr_pos is a message number that needs no division. */
typedef struct {
	uint64_t lap, idx;
} gr_pos;

/* Returns CLOCK_MONOTONIC in ns. */
static inline int64_t gr_monotonic(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* ---- words ---- */

static inline uint64_t gr_free_word(uint64_t lap) { return lap << 8 | GR_FREE; }

static inline uint64_t gr_ready_word(uint64_t lap) { return lap << 8 | GR_READY; }

static inline uint64_t gr_writing_word(uint64_t lap, uint64_t owner) {
	return lap << 8 | owner << 2 | GR_WRITING;
}

static inline uint64_t gr_taken_word(uint64_t lap, uint64_t owner) {
	return lap << 8 | owner << 2 | GR_TAKEN;
}

/* Returns the word of a number that the owner reserved and did not publish. */
static inline uint64_t gr_aborted_word(uint64_t lap, uint64_t owner) {
	return lap << 8 | owner << 2 | GR_READY;
}

static inline uint64_t gr_word_lap(uint64_t w) { return w >> 8; }

static inline uint64_t gr_word_owner(uint64_t w) { return w >> 2 & 63; }

static inline uint64_t gr_word_state(uint64_t w) { return w & 3; }

static inline bool gr_is_aborted(uint64_t w) {
	return gr_word_state(w) == GR_READY && gr_word_owner(w) != 0;
}

/* ---- sizes ---- */

/* Returns the sizes of a new message with n payload and meta metadata bytes. */
static inline uint64_t gr_sizes(uint32_t n, uint16_t meta) { return n | (uint64_t)meta << 32; }

static inline uint64_t gr_sizes_len(uint64_t sizes) { return sizes & 0xffffffff; }

static inline uint64_t gr_sizes_meta_len(uint64_t sizes) { return sizes >> 32 & 0xffff; }

static inline unsigned gr_sizes_redelivered(uint64_t sizes) { return (unsigned)(sizes >> 56); }

/* Reports whether a peer's sizes lie within a slot. The caller goes on with the same copy. */
static inline bool gr_sizes_fit(const gr_ring *r, uint64_t sizes) {
	uint64_t len = gr_sizes_len(sizes);
	return len <= r->bytes && (!r->fixed || len == r->bytes) &&
		gr_sizes_meta_len(sizes) <= r->max_meta;
}

/* ---- places in the segment ---- */

static inline gr_header *gr_slot(const gr_ring *r, uint64_t i) {
	return (gr_header *)(r->headers + i * r->header_stride);
}

static inline uint8_t *gr_payload(const gr_ring *r, uint64_t i) {
	return r->payload + i * r->data_stride;
}

static inline uint8_t *gr_meta(const gr_ring *r, uint64_t i) {
	return r->headers + i * r->header_stride + r->meta_off;
}

static inline uint8_t *gr_tensor(const gr_ring *r, uint64_t i) {
	return r->headers + i * r->header_stride + GR_SLOT_TENSOR;
}

static inline _Atomic uint32_t *gr_word32(const gr_ring *r, uint64_t off) {
	return (_Atomic uint32_t *)(r->control + off);
}

static inline _Atomic uint64_t *gr_word64(const gr_ring *r, uint64_t off) {
	return (_Atomic uint64_t *)(r->control + off);
}

/* Returns the 128 bytes of a seat. */
static inline uint8_t *gr_entry(const gr_ring *r, unsigned seat) {
	return r->control + r->participants_off + (size_t)(seat - 1) * GR_PARTICIPANT_SIZE;
}

static inline _Atomic uint32_t *gr_seat_state(const gr_ring *r, unsigned seat) {
	return (_Atomic uint32_t *)(gr_entry(r, seat) + GR_PART_STATE);
}

static inline _Atomic uint32_t *gr_seat_epoch(const gr_ring *r, unsigned seat) {
	return (_Atomic uint32_t *)(gr_entry(r, seat) + GR_PART_EPOCH);
}

static inline _Atomic int64_t *gr_seat_progress(const gr_ring *r, unsigned seat) {
	return (_Atomic int64_t *)(gr_entry(r, seat) + GR_PART_PROGRESS);
}

static inline _Atomic uint32_t *gr_seat_flags(const gr_ring *r, unsigned seat) {
	return (_Atomic uint32_t *)(gr_entry(r, seat) + GR_PART_FLAGS);
}

static inline _Atomic uint64_t *gr_seat_cursor(const gr_ring *r, unsigned seat) {
	return (_Atomic uint64_t *)(gr_entry(r, seat) + GR_PART_CURSOR);
}

static inline _Atomic uint64_t *gr_seat_lost(const gr_ring *r, unsigned seat) {
	return (_Atomic uint64_t *)(gr_entry(r, seat) + GR_PART_LOST);
}

/* Returns the discipline of a role with that many seats. */
static inline gr_discipline gr_discipline_of(const gr_ring *r, unsigned seats) {
	if (r->mode == GR_MODE_BROADCAST) return GR_BROADCAST;
	if (r->mode == GR_MODE_OVERWRITE) return GR_OVERWRITE;
	return seats > 1 ? GR_MULTI : GR_SINGLE;
}

/* Loads a slot word. SYNC commit load, release load, reserve load, take load */
static inline uint64_t gr_load(gr_header *h) {
	return atomic_load_explicit(&h->word, memory_order_acquire);
}

/* Replaces a slot word that is still from. The caller has the tag of the new word.
 * SYNC commit store, release store, reserve store, take store */
static inline bool gr_cas(gr_header *h, uint64_t from, uint64_t to) {
	return atomic_compare_exchange_strong(&h->word, &from, to);
}

/* Reports whether the ring takes no more messages. SYNC shutdown load */
static inline bool gr_is_shutdown(const gr_ring *r) {
	return atomic_load(gr_word32(r, GR_OFF_SHUTDOWN)) != 0;
}

/* ---- positions ---- */

static inline uint64_t gr_number(const gr_ring *r, gr_pos p) { return p.lap * r->slots + p.idx; }

static inline gr_pos gr_next(const gr_ring *r, gr_pos p) {
	if (++p.idx == r->slots) {
		p.idx = 0;
		p.lap++;
	}
	return p;
}

/* Returns the position k messages after p, for any k. It divides when k leaves the lap. */
static inline gr_pos gr_plus(const gr_ring *r, gr_pos p, uint64_t k) {
	p.idx += k;
	if (p.idx >= r->slots) {
		p.lap += p.idx / r->slots;
		p.idx %= r->slots;
	}
	return p;
}

static inline gr_pos gr_position_of(const gr_ring *r, uint64_t n) {
	return (gr_pos){n / r->slots, n % r->slots};
}

/* Returns the larger of p and the position of a shared hint. */
static inline gr_pos gr_catch_up(const gr_ring *r, gr_pos p, uint64_t hint) {
	uint64_t own = gr_number(r, p);
	return hint > own ? gr_plus(r, p, hint - own) : p;
}

/* Returns how many slots from at on one run may have. */
static inline uint64_t gr_longest_run(const gr_ring *r, gr_pos at, uint64_t limit) {
	if (limit > r->slots) limit = r->slots;
	if (!r->mirror && limit > r->slots - at.idx) limit = r->slots - at.idx;
	return limit;
}

/* Returns the smallest number over all words, whatever their state: the position where a consumer
 * starts. SYNC release load */
static inline gr_pos gr_first_unreleased(const gr_ring *r) {
	uint64_t first = UINT64_MAX;
	for (uint64_t i = 0; i < r->slots; i++) {
		uint64_t n = gr_word_lap(gr_load(gr_slot(r, i))) * r->slots + i;
		if (n < first) first = n;
	}
	return gr_position_of(r, first);
}

/* Returns the smallest number that can still be published: the position where a producer starts.
 * A slot that is not FREE counts with its next lap. A WRITING slot of the broadcast modes counts
 * with its own, since a dead producer's number is published there again.
 * SYNC commit load, reserve load */
static inline gr_pos gr_first_unwritten(const gr_ring *r) {
	uint64_t first = UINT64_MAX;
	for (uint64_t i = 0; i < r->slots; i++) {
		uint64_t w = gr_load(gr_slot(r, i)), s = gr_word_state(w);
		bool used = s != GR_FREE && (s != GR_WRITING || r->mode == GR_MODE_QUEUE);
		uint64_t n = (gr_word_lap(w) + used) * r->slots + i;
		if (n < first) first = n;
	}
	return gr_position_of(r, first);
}

/* ---- waking (the sleeping half is in wait.h) ---- */

/* Wakes every sleeper on ev. Not FUTEX_PRIVATE: the words are shared between processes. */
static inline void gr_futex_wake(_Atomic uint32_t *ev) {
	syscall(SYS_futex, ev, FUTEX_WAKE, 0x7fffffff, NULL, NULL, 0);
}

/* Lowers the waiting flag and wakes all sleepers if it was up. SYNC waiting load, wake store */
GR_COLD void gr_wake_waiters(_Atomic uint32_t *ev, _Atomic uint32_t *waiting) {
	if (atomic_exchange(waiting, 0)) {
		atomic_fetch_add(ev, 1);
		gr_futex_wake(ev);
	}
}

/* Wakes all sleepers if there may be any. The caller has just stored the word that they wait for,
 * sequentially consistent: a weaker order of these two would lose a sleeper. SYNC waiting load */
static inline void gr_notify(const gr_ring *r, uint64_t ev, uint64_t waiting) {
	if (__builtin_expect(atomic_load(gr_word32(r, waiting)) != 0, 0))
		gr_wake_waiters(gr_word32(r, ev), gr_word32(r, waiting));
}

static inline void gr_notify_data(const gr_ring *r) {
	gr_notify(r, GR_OFF_DATA_EV, GR_OFF_DATA_WAITING);
}

static inline void gr_notify_room(const gr_ring *r) {
	gr_notify(r, GR_OFF_ROOM_EV, GR_OFF_ROOM_WAITING);
}

/* Wakes all sleepers on ev, whether or not the flag is up. SYNC wake store */
static inline void gr_wake_all(const gr_ring *r, uint64_t ev) {
	atomic_fetch_add(gr_word32(r, ev), 1);
	gr_futex_wake(gr_word32(r, ev));
}

/* Ends the ring for producers and wakes every participant. SYNC shutdown store */
static inline void gr_shutdown(const gr_ring *r) {
	atomic_store(gr_word32(r, GR_OFF_SHUTDOWN), 1);
	gr_wake_all(r, GR_OFF_DATA_EV);
	gr_wake_all(r, GR_OFF_ROOM_EV);
}
#endif
