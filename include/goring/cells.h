/* cells.h: how far the device work of a slot's producer or consumer has come (spec section 11).
 * Words only, no driver: every process can complete the claims of the dead. */
#ifndef GORING_CELLS_H
#define GORING_CELLS_H
#include "words.h"

#include <errno.h>

/* gr_cell is one cell; cells are GR_GPU_CELL_SIZE bytes apart in the segment. */
typedef struct {
	_Atomic uint64_t value;   /* How far the device has come. */
	_Atomic uint64_t claimed; /* The largest value that a participant has undertaken to write. */
	_Atomic uint64_t voided;  /* The claim that a reaper completed for a dead writer. */
	_Atomic uint32_t seat;    /* The seat that owes the claim. */
	uint8_t unused[36];
} gr_cell;

_Static_assert(sizeof(gr_cell) == GR_GPU_CELL_SIZE, "cell");

/* Returns how many cells the consumers of a GPU ring write. */
static inline uint64_t gr_done_cells(const gr_ring *r) {
	if (r->mode == GR_MODE_QUEUE) return r->slots;
	return r->mode == GR_MODE_BROADCAST ? r->max_consumers : 0;
}

/* Returns the cells of a GPU ring in this process's mapping: ready by slot, then done. */
static inline gr_cell *gr_cells(const gr_ring *r) {
	return (gr_cell *)(r->control + r->gpu_off + GR_GPU_OFF_CELLS);
}

/* Reports whether a GPU ring ended because the owner of its memory has gone. SYNC gone load */
static inline bool gr_ended_early(const gr_ring *r) {
	return r->gpu && atomic_load(gr_word32(r, r->gpu_off + GR_GPU_OFF_STATE)) & GR_GPU_EARLY;
}

/* Reports whether the device has come to target. A stream's write is ordered after its work by a
 * system-wide fence of the driver. SYNC reached load */
static inline bool gr_cell_reached(const gr_cell *c, uint64_t target) {
	return (int64_t)(atomic_load_explicit(&c->value, memory_order_acquire) - target) >= 0;
}

/* Reports whether the payload of a message that the caller owns never arrived.
 * SYNC claim load, void load */
static inline bool gr_cell_void(const gr_cell *c) {
	uint64_t claimed = atomic_load(&c->claimed);
	return claimed != 0 && atomic_load(&c->voided) == claimed;
}

/* Loads the claim of a cell and reports whether it is the seat's, reached or not. claimed is loaded
 * before seat, the other way round from a claim: so both are of the same claim, unless that one has
 * been reached. SYNC claim load */
static inline bool gr_cell_claimed_by(const gr_cell *c, unsigned seat, uint64_t *claimed) {
	*claimed = atomic_load(&c->claimed);
	return atomic_load(&c->seat) == seat;
}

/* Stores that seat will write value. A process that sees the claim sees its seat; the next owner of
 * the slot sees both, since they are stored before the word. SYNC claim store */
static inline void gr_cell_claim(gr_cell *c, unsigned seat, uint64_t value) {
	atomic_store_explicit(&c->seat, seat, memory_order_relaxed);
	atomic_store_explicit(&c->claimed, value, memory_order_release);
}

/* Writes the value of a claim in the place of its writer. With payload the message of that claim is
 * void, which is stored before the waiting streams go on. Called by a reaper, or by the claim's own
 * process when its context is gone.
 * SYNC reached load, reached store, void store */
static inline void gr_cell_complete(gr_cell *c, uint64_t claimed, bool payload) {
	uint64_t seen = atomic_load(&c->value);
	if ((int64_t)(seen - claimed) >= 0) return;
	if (payload) atomic_store(&c->voided, claimed);
	while (
		(int64_t)(seen - claimed) < 0 && !atomic_compare_exchange_weak(&c->value, &seen, claimed)) {
	}
}

/* Completes every claim of a seat that was not reached: step 1b of Reap. */
static inline void gr_cells_complete(gr_cell *cells, uint64_t slots, uint64_t done, unsigned seat) {
	uint64_t claimed;
	for (uint64_t i = 0; i < slots + done; i++)
		if (gr_cell_claimed_by(&cells[i], seat, &claimed))
			gr_cell_complete(&cells[i], claimed, i < slots);
}

/* Completes the claims of a dead holder of the seat, after the driver has had time to end the work
 * that it had enqueued: steps 1a and 1b of Reap. */
static inline void gr_complete_dead(gr_ring *r, unsigned seat) {
	struct timespec grace = {0, GR_GPU_GRACE_NS};
	while (nanosleep(&grace, &grace) && errno == EINTR) {
	}
	gr_cells_complete(gr_cells(r), r->slots, gr_done_cells(r), seat);
}
#endif
