/* seat.h: joining, leaving, and repairing the slots of the dead (spec section 3). */
#ifndef GORING_SEAT_H
#define GORING_SEAT_H
#include "cells.h"
#include "consume.h"
#include "produce.h"

#include <fcntl.h>
#include <stdio.h>

#ifndef F_OFD_SETLK
#define F_OFD_SETLK 37
#endif

/* Reports whether a seat has a holder, living or dead. SYNC seat load */
static inline bool gr_seat_in_use(const gr_ring *r, unsigned seat) {
	return atomic_load(gr_seat_state(r, seat)) == GR_PART_IN_USE;
}

/* Takes or drops the lock on a seat for the file description of fd. */
static inline bool gr_set_lock(int fd, unsigned seat, short type) {
	struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};
	l.l_start = (off_t)(GR_LOCK_BASE + seat);
	return fcntl(fd, F_OFD_SETLK, &l) == 0;
}

/* Takes the lock of the seat's holder; false when another description has it. */
static inline bool gr_lock_seat(int fd, unsigned seat) { return gr_set_lock(fd, seat, F_WRLCK); }

static inline void gr_unlock_seat(int fd, unsigned seat) { gr_set_lock(fd, seat, F_UNLCK); }

/* Aborts the numbers that a seat of a queue has reserved and makes the messages that it has taken
 * READY again. SYNC reserve load, take load, commit store */
static inline void gr_give_back(gr_ring *r, unsigned seat) {
	if (r->mode != GR_MODE_QUEUE) return;
	for (uint64_t i = 0; i < r->slots; i++) {
		gr_header *h = gr_slot(r, i);
		uint64_t w = gr_load(h);
		if (gr_word_owner(w) != seat) continue;
		if (gr_word_state(w) == GR_WRITING) gr_cas(h, w, gr_aborted_word(gr_word_lap(w), seat));
		if (gr_word_state(w) == GR_TAKEN) {
			/* The slot is still its owner's: the CAS publishes the count. */
			gr_count_redelivery(h);
			gr_cas(h, w, gr_ready_word(gr_word_lap(w)));
		}
	}
}

/* Repairs the slots of the dead holder of a seat. The caller holds the seat's lock. The order of
 * the steps is that of the spec's Reap: a reaper that dies in between leaves the whole to be done
 * again. SYNC requeue store, seat store */
static inline void gr_reap(gr_ring *r, unsigned seat) {
	if (!gr_seat_in_use(r, seat)) return;
	if (r->gpu) gr_complete_dead(r, seat);
	gr_give_back(r, seat);
	atomic_fetch_add(gr_word64(r, GR_OFF_REQUEUE_GEN), 1);
	gr_wake_all(r, GR_OFF_DATA_EV);
	gr_wake_all(r, GR_OFF_ROOM_EV);
	atomic_store(gr_seat_flags(r, seat), GR_PART_DIED);
	atomic_store(gr_seat_state(r, seat), GR_PART_FREE);
	/* A participant that woke before has not seen that the seat is free. */
	gr_wake_all(r, GR_OFF_DATA_EV);
	gr_wake_all(r, GR_OFF_ROOM_EV);
}

/* Reaps every seat in use, except own, that it can lock on the description of fd, which one
 * thread at a time uses. */
static inline void gr_reap_dead(gr_ring *r, int fd, unsigned own) {
	unsigned last = (unsigned)r->max_producers + r->max_consumers;
	for (unsigned seat = 1; seat <= last; seat++) {
		if (seat == own || !gr_seat_in_use(r, seat) || !gr_lock_seat(fd, seat)) continue;
		gr_reap(r, seat);
		gr_unlock_seat(fd, seat);
	}
}

/* Sets the cursor of a seat to head. SYNC cursor store, head load */
static inline void gr_start_cursor(gr_ring *r, unsigned seat) {
	atomic_store(gr_seat_cursor(r, seat), atomic_load(gr_word64(r, GR_OFF_HEAD)));
}

/* Fills the entry of a seat under its lock, which the caller holds. The order of the stores is
 * that of the spec's Join. SYNC seat store, progress store */
static inline void gr_enter(gr_ring *r, unsigned seat, const char *name) {
	gr_reap(r, seat); /* The last holder may have died in this seat. */
	uint8_t *e = gr_entry(r, seat);
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	int64_t joined = t.tv_sec * 1000000000ll + t.tv_nsec;
	uint32_t pid = (uint32_t)getpid();
	atomic_fetch_add(gr_seat_epoch(r, seat), 1);
	atomic_store(gr_seat_flags(r, seat), 0);
	atomic_store(gr_seat_lost(r, seat), 0);
	gr_start_cursor(r, seat);
	memcpy(e + GR_PART_PID, &pid, sizeof pid);
	memset(e + GR_PART_START_TIME, 0, 8); /* unknown */
	memcpy(e + GR_PART_JOINED, &joined, sizeof joined);
	atomic_store(gr_seat_progress(r, seat), gr_monotonic());
	memset(e + GR_PART_NAME, 0, GR_PART_NAME_SIZE);
	memcpy(e + GR_PART_NAME, name, strnlen(name, GR_PART_NAME_SIZE));
	atomic_store(gr_seat_state(r, seat), GR_PART_IN_USE); /* Before the first word is touched. */
	gr_start_cursor(r, seat); /* A producer that did not see the seat may have gone on. */
}

/* Takes a free seat of a role and returns its number, or 0 when all are taken. *lock is a new file
 * description that holds the seat's lock. A reaper may hold the lock of a free seat for an instant,
 * so it tries for some milliseconds. */
static inline unsigned gr_join(gr_ring *r, int fd, bool producer, const char *name, int *lock) {
	char path[40];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	*lock = open(path, O_RDWR | O_CLOEXEC);
	if (*lock < 0) return 0;
	unsigned first = producer ? 1 : r->max_producers + 1u;
	unsigned n = producer ? r->max_producers : r->max_consumers;
	for (int tries = 0; tries < 5; tries++) {
		for (unsigned seat = first; seat < first + n; seat++) {
			if (!gr_lock_seat(*lock, seat)) continue;
			gr_enter(r, seat, name);
			return seat;
		}
		usleep(1000);
	}
	close(*lock);
	*lock = -1;
	return 0;
}

/* Frees a seat and the slots that it still has, and closes the description with its lock. A
 * broadcast producer may have waited for this seat. SYNC seat store */
static inline void gr_leave(gr_ring *r, unsigned seat, int lock) {
	gr_give_back(r, seat);
	gr_notify_requeued(r);
	atomic_store(gr_seat_state(r, seat), GR_PART_FREE);
	close(lock);
	if (r->mode == GR_MODE_BROADCAST) gr_wake_all(r, GR_OFF_ROOM_EV);
}
#endif
