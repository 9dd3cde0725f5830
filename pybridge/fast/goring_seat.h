/* goring_seat.h: who is alive, and repairing what the dead left (spec section 3). */
#ifndef GORING_SEAT_H
#define GORING_SEAT_H
#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "goring.h"
#include "goring_geometry.h"
#include "goring_gpu.h"

#ifndef F_OFD_SETLK
#define F_OFD_SETLK 37
#endif

/* wakes all who sleep on ev, whether or not the flag is up */
static inline void gr_call(const gr_ring *r, uint64_t ev) {
	atomic_fetch_add(gr_word32(r, ev), 1);
	gr_wake_all(gr_word32(r, ev));
}
/* a consumer's seat has become free, which may be what a broadcast ring's producer waits for */
static inline void gr_gate_moved(const gr_ring *r) {
	if (r->mode == GR_MODE_BROADCAST) gr_call(r, GR_OFF_ROOM_EV);
}
/* takes the lock that says who sits there; false when another description has it */
static inline bool gr_lock(int fd, unsigned seat) {
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)(GR_LOCK_BASE + seat), .l_len = 1};
	return fcntl(fd, F_OFD_SETLK, &l) == 0;
}
static inline void gr_unlock(int fd, unsigned seat) {
	struct flock l = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = (off_t)(GR_LOCK_BASE + seat), .l_len = 1};
	fcntl(fd, F_OFD_SETLK, &l);
}
/* gives back what a seat holds: WRITING is aborted, TAKEN is READY again */
static inline void gr_give_back(gr_ring *r, unsigned seat) {
	for (uint64_t i = 0; i < r->slots && r->mode == GR_MODE_QUEUE; i++) {
		gr_header *h = gr_slot(r, i);
		uint64_t w = gr_load(h);
		if (gr_owner(w) != seat) continue;
		if (gr_state(w) == GR_WRITING) gr_cas(h, w, gr_aborted(gr_lap(w), seat));
		if (gr_state(w) == GR_TAKEN) {
			gr_count_redelivery(h); /* still the owner's: published by the CAS */
			gr_cas(h, w, gr_ready(gr_lap(w)));
		}
	}
}
/* the cells of a GPU ring, as the host sees them */
static inline gr_cell *gr_cells(const gr_ring *r) { return (gr_cell *)(r->control + r->gpu_off + GR_GPU_OFF_CELLS); }
/* fulfils what a dead holder of the seat had claimed and not reached. The driver gets some time
 * to end what it had enqueued: nothing of it may land behind what comes next (spec section 11). */
static inline void gr_complete_dead(gr_ring *r, unsigned seat) {
	struct timespec grace = {0, GR_GPU_GRACE_NS};
	while (nanosleep(&grace, &grace) && errno == EINTR) {}
	gr_cells_complete(gr_cells(r), r->slots, gr_done_cells(r), seat);
}
/* repairs what a dead holder of the seat left; its lock is ours (spec section 3, Reap) */
static inline void gr_reap(gr_ring *r, unsigned seat) {
	if (atomic_load(gr_seat_state(r, seat)) != GR_PART_IN_USE) return;
	if (r->gpu) gr_complete_dead(r, seat);
	gr_give_back(r, seat);
	atomic_fetch_add(gr_word64(r, GR_OFF_REQUEUE_GEN), 1);
	gr_call(r, GR_OFF_DATA_EV);
	gr_call(r, GR_OFF_ROOM_EV);
	atomic_store(gr_seat_flags(r, seat), GR_PART_DIED);
	atomic_store(gr_seat_state(r, seat), GR_PART_FREE);
	gr_call(r, GR_OFF_DATA_EV); /* who woke before has not seen that the seat is free */
	gr_call(r, GR_OFF_ROOM_EV);
}
/* reaps every seat in use, but own, whose lock it gets on the description fd, which one
 * thread uses at a time */
static inline void gr_reap_dead(gr_ring *r, int fd, unsigned own) {
	for (unsigned seat = 1; seat <= (unsigned)r->max_producers + r->max_consumers; seat++) {
		if (seat == own || atomic_load(gr_seat_state(r, seat)) != GR_PART_IN_USE || !gr_lock(fd, seat)) continue;
		gr_reap(r, seat);
		gr_unlock(fd, seat);
	}
}
/* gives the seat back, and what it still holds */
static inline void gr_leave(gr_ring *r, unsigned seat, int lock) {
	gr_give_back(r, seat);
	gr_requeued(r);
	atomic_store(gr_seat_state(r, seat), GR_PART_FREE);
	close(lock); /* and with it the lock */
	gr_gate_moved(r);
}
#endif
