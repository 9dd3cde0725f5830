/* gpu.h: the device steps of a GPU ring (spec/LAYOUT.md section 11), over functions of the CUDA
 * driver that were found with dlopen. Each step is one group of driver calls between one push and
 * one pop of the ring's context, so that a caller from Go crosses into C once.
 *
 * No step touches a slot word: the owner of a slot makes it before it stores the word that hands
 * the slot on. Steps return the driver's error, 0 for none, or one of enum gr_gpu_error. */
#ifndef GORING_GPU_H
#define GORING_GPU_H
#include "cells.h"
#include "driver.h"

#include <sched.h>

/* gr_gpu is a GPU ring's memory in one process. Each of its users has a reference. */
typedef struct gr_gpu {
	const gr_cuda *cuda;
	void *context;     /* The device's primary context. */
	gr_deviceptr base; /* Slot i begins at base + i * stride, in this process. */
	uint64_t stride, slots;
	gr_cell *cells;            /* In this process's own mapping: ready by slot, then done. */
	gr_deviceptr cells_device; /* The device's address of cells. */
	uint64_t done_cells;       /* Broadcast: cells of consumers after those of the slots, else 0. */
	_Atomic uint32_t *state;   /* The state word of the segment: GPU_GONE, GPU_EARLY. */
	uint8_t *payload;          /* This process's mapping of pinned host memory; else NULL. */
	int device;                /* The ordinal in this process. */
	uint32_t memory, sync;     /* As in the block. */
	bool queue;                /* Done cells are the slots'. */
	_Atomic int poison;        /* The sticky error that ended the context, or 0. */
	_Atomic long references;
	void (*unreference)(struct gr_gpu *); /* Drops a reference; the last one frees it. */
} gr_gpu;

/* ---- cells ---- */
static inline gr_cell *gr_gpu_ready(const gr_gpu *g, uint64_t slot) { return g->cells + slot; }

static inline gr_cell *gr_gpu_done(const gr_gpu *g, uint64_t k) { return g->cells + g->slots + k; }

static inline gr_deviceptr gr_gpu_device(const gr_gpu *g, const gr_cell *c) {
	return g->cells_device + (uint64_t)(c - g->cells) * sizeof *c;
}

static inline gr_deviceptr gr_gpu_slot(const gr_gpu *g, uint64_t slot) {
	return g->base + slot * g->stride;
}

static inline bool gr_gpu_timeline(const gr_gpu *g) { return g->sync != 0; }

/* ---- the context ---- */

/* Makes the ring's context current. It fails with the sticky error that ended the context.
 * SYNC local load */
static inline int gr_gpu_enter(gr_gpu *g) {
	int poison = atomic_load_explicit(&g->poison, memory_order_relaxed);
	return poison ? poison : g->cuda->push(g->context);
}

/* Undoes gr_gpu_enter and returns error, or its own. SYNC local store */
static inline int gr_gpu_leave(gr_gpu *g, int error) {
	void *was;
	int popped = g->cuda->pop(&was);
	if (!error) error = popped;
	if (gr_gpu_sticky(error)) atomic_store(&g->poison, error);
	return error;
}

/* ---- steps inside a context ---- */

/* Makes the stream wait until the cell has reached target, if it has not. */
static inline int gr_gpu_wait_for(gr_gpu *g, gr_stream s, const gr_cell *c, uint64_t target) {
	if (gr_cell_reached(c, target)) return 0;
	return g->cuda->wait64(s, gr_gpu_device(g, c), target, GR_CUDA_WAIT_GEQ);
}

/* Makes the stream wait until the cell has reached its claim. SYNC claim load */
static inline int gr_gpu_await(gr_gpu *g, gr_stream s, const gr_cell *c) {
	return gr_gpu_wait_for(g, s, c, atomic_load(&c->claimed));
}

/* Waits on the host until the cell has reached a claim, nearly always at once. It fails with the
 * sticky error that ended the context. SYNC local load */
static inline int gr_gpu_wait_on_host(gr_gpu *g, const gr_cell *c, uint64_t claimed) {
	for (int i = 0; !gr_cell_reached(c, claimed); i++) {
		struct timespec pause = {0, i < 1000 ? 20000 : 200000};
		int poison = atomic_load(&g->poison);
		if (poison) return poison;
		if (i < 50)
			sched_yield();
		else
			nanosleep(&pause, NULL);
	}
	return 0;
}

/* Claims a cell for the work that was enqueued on s before. SYNC claim load, claim store */
static inline int gr_gpu_claim(gr_gpu *g, gr_stream s, gr_cell *c, unsigned seat) {
	if (!gr_gpu_timeline(g)) return g->cuda->stream_synchronize(s);
	uint64_t claimed = atomic_load(&c->claimed);
	int error = gr_gpu_wait_on_host(g, c, claimed);
	if (error) return error;
	gr_cell_claim(c, seat,
		claimed +
			1); /* Before the enqueue: a reaper completes it if this process dies in between. */
	error = g->cuda->write64(s, gr_gpu_device(g, c), claimed + 1, 0);
	/* The slot is still the caller's, so no process has used the claim; but in a context that is
	 * gone another thread of the seat may have completed it already. */
	if (gr_gpu_sticky(error))
		gr_cell_complete(c, claimed + 1, c < g->cells + g->slots);
	else if (error)
		atomic_store(&c->claimed, claimed);
	return error;
}

/* Makes the stream to wait for the work that is on from so far. */
static inline int gr_gpu_join(gr_gpu *g, gr_stream from, gr_stream to) {
	void *event;
	if (from == to) return 0;
	int error = g->cuda->event_create(&event, GR_CUDA_NO_TIMING);
	if (error) return error;
	error = g->cuda->event_record(event, from);
	if (!error) error = g->cuda->stream_wait_event(to, event, 0);
	int destroyed = g->cuda->event_destroy(event); /* The driver keeps it until it is reached. */
	return error ? error : destroyed;
}

/* Returns how far broadcast consumer k must have come before message h may be written: no further
 * than it has claimed, since a consumer that left or joined late does not hold the producer up.
 * SYNC claim load */
static inline uint64_t gr_gpu_cursor_target(const gr_gpu *g, uint64_t k, uint64_t h) {
	uint64_t claimed = atomic_load(&gr_gpu_done(g, k)->claimed), target = h - g->slots + 1;
	return (int64_t)(claimed - target) < 0 ? claimed : target;
}

/* Makes the stream wait until slot i, reserved for message number h, is free for the device, too.
 * */
static inline int gr_gpu_await_room(gr_gpu *g, gr_stream s, uint64_t i, uint64_t h) {
	if (!gr_gpu_timeline(g)) return 0;
	int error = gr_gpu_await(g, s, gr_gpu_ready(g, i));
	if (g->queue && !error) return gr_gpu_await(g, s, gr_gpu_done(g, i));
	for (uint64_t k = 0; k < g->done_cells && !error; k++)
		error = gr_gpu_wait_for(g, s, gr_gpu_done(g, k), gr_gpu_cursor_target(g, k, h));
	return error;
}

/* gr_gpu_source is where the bytes of a copy are. */
typedef enum { GR_GPU_FROM_HOST, GR_GPU_FROM_DEVICE } gr_gpu_source;

/* Reports whether a host address is pinned memory, which a copy reads when the stream gets there.
 * */
static inline bool gr_gpu_pinned(gr_gpu *g, const void *p) {
	unsigned type = 0;
	return g->cuda->pointer_attribute(&type, GR_CUDA_POINTER_MEMORY_TYPE, (gr_deviceptr)p) == 0 &&
		type == GR_CUDA_MEMORY_HOST;
}

/* Enqueues the copy of n bytes into slot i. */
static inline int gr_gpu_fill(
	gr_gpu *g, gr_stream s, uint64_t i, const void *from, size_t n, gr_gpu_source source) {
	gr_deviceptr to = gr_gpu_slot(g, i);
	if (n == 0) return 0;
	if (g->payload) return g->cuda->copy(to, (gr_deviceptr)from, n, s);
	if (source == GR_GPU_FROM_DEVICE) return g->cuda->copy_device(to, (gr_deviceptr)from, n, s);
	return g->cuda->copy_in(to, from, n, s);
}

/* ---- the steps of a ring, each one crossing ---- */

/* Producer: lets work that is enqueued on s from here on write to slot i, reserved for message
 * number h. */
static inline int gr_gpu_allow_write(gr_gpu *g, gr_stream s, uint64_t i, uint64_t h) {
	int error = gr_gpu_enter(g);
	return error ? error : gr_gpu_leave(g, gr_gpu_await_room(g, s, i, h));
}

/* Producer: copies n bytes into slot i. Their source may be used again when it returns, unless it
 * is device memory: then once s has come so far. */
static inline int gr_gpu_copy_in(gr_gpu *g, gr_stream s, uint64_t i, uint64_t h, const void *from,
	size_t n, gr_gpu_source source) {
	int error = gr_gpu_enter(g);
	if (error) return error;
	error = gr_gpu_await_room(g, s, i, h);
	if (!error) error = gr_gpu_fill(g, s, i, from, n, source);
	if (!error && source == GR_GPU_FROM_HOST && gr_gpu_pinned(g, from))
		error = g->cuda->stream_synchronize(s);
	return gr_gpu_leave(g, error);
}

/* Producer: claims slot i after the work on s; then the word may be stored. */
static inline int gr_gpu_commit(gr_gpu *g, gr_stream s, uint64_t i, unsigned seat) {
	int error = gr_gpu_enter(g);
	return error ? error : gr_gpu_leave(g, gr_gpu_claim(g, s, gr_gpu_ready(g, i), seat));
}

/* Producer: gr_gpu_copy_in and gr_gpu_commit at once. */
static inline int gr_gpu_write(gr_gpu *g, gr_stream s, uint64_t i, uint64_t h, unsigned seat,
	const void *from, size_t n, gr_gpu_source source) {
	int error = gr_gpu_enter(g);
	if (error) return error;
	error = gr_gpu_await_room(g, s, i, h);
	if (!error) error = gr_gpu_fill(g, s, i, from, n, source);
	bool pinned = !error && source == GR_GPU_FROM_HOST && gr_gpu_pinned(g, from);
	if (!error) error = gr_gpu_claim(g, s, gr_gpu_ready(g, i), seat);
	if (!error && pinned && gr_gpu_timeline(g)) error = g->cuda->stream_synchronize(s);
	return gr_gpu_leave(g, error);
}

/* Returns the claim of the payload in slot i. On an overwrite ring the caller loads the word again
 * after this: unless it is the message's, the claim may be a later message's that is not enqueued
 * yet. SYNC claim load */
static inline uint64_t gr_gpu_claimed(const gr_gpu *g, uint64_t i) {
	return atomic_load(&gr_gpu_ready(g, i)->claimed);
}

/* Consumer: lets work that is enqueued on s from here on read slot i of a message that it has
 * taken. SYNC local load */
static inline int gr_gpu_allow_read(gr_gpu *g, gr_stream s, uint64_t i, uint64_t claimed) {
	if (!gr_gpu_timeline(g) || gr_cell_reached(gr_gpu_ready(g, i), claimed))
		return atomic_load_explicit(&g->poison, memory_order_relaxed);
	int error = gr_gpu_enter(g);
	return error ? error : gr_gpu_leave(g, gr_gpu_wait_for(g, s, gr_gpu_ready(g, i), claimed));
}

/* Consumer: copies the first n bytes of slot i to host memory and waits for them. */
static inline int gr_gpu_copy_out(
	gr_gpu *g, gr_stream s, uint64_t i, uint64_t claimed, void *to, size_t n) {
	int error = gr_gpu_enter(g);
	if (error) return error;
	if (gr_gpu_timeline(g)) error = gr_gpu_wait_for(g, s, gr_gpu_ready(g, i), claimed);
	if (!error && n)
		error = g->payload ? g->cuda->copy((gr_deviceptr)to, gr_gpu_slot(g, i), n, s)
						   : g->cuda->copy_out(to, gr_gpu_slot(g, i), n, s);
	if (!error) error = g->cuda->stream_synchronize(s);
	return gr_gpu_leave(g, error);
}

/* Consumer of a queue: claims the done cell of slot i after the work on s; then the word may be
 * stored. */
static inline int gr_gpu_release_slot(gr_gpu *g, gr_stream s, uint64_t i, unsigned seat) {
	int error = gr_gpu_enter(g);
	return error ? error : gr_gpu_leave(g, gr_gpu_claim(g, s, gr_gpu_done(g, i), seat));
}

/* Consumer of a broadcast ring: claims its done cell k for cursor x after the work on s; then the
 * cursor may be stored. The caller holds the cursor's lock. SYNC claim load, claim store */
static inline int gr_gpu_advance(gr_gpu *g, gr_stream s, uint64_t k, unsigned seat, uint64_t x) {
	int error = gr_gpu_enter(g);
	if (error) return error;
	gr_cell *c = gr_gpu_done(g, k);
	if (gr_gpu_timeline(g)) {
		uint64_t was = atomic_load(&c->claimed);
		gr_cell_claim(c, seat, x);
		error = g->cuda->write64(s, gr_gpu_device(g, c), x, 0);
		if (error) atomic_store(&c->claimed, was);
	} else {
		error = g->cuda->stream_synchronize(s);
	}
	return gr_gpu_leave(g, error);
}

/* Makes the stream to wait for the work that is on from so far, in a context of its own. */
static inline int gr_gpu_order(gr_gpu *g, gr_stream from, gr_stream to) {
	if (from == to) return 0;
	int error = gr_gpu_enter(g);
	return error ? error : gr_gpu_leave(g, gr_gpu_join(g, from, to));
}

/* Waits on the host for all work on s. */
static inline int gr_gpu_synchronize(gr_gpu *g, gr_stream s) {
	int error = gr_gpu_enter(g);
	return error ? error : gr_gpu_leave(g, g->cuda->stream_synchronize(s));
}

/* Waits on the host until the payload of a message is there. Returns 0, GR_GPU_VOIDED or an error.
 * */
static inline int gr_gpu_arrived(gr_gpu *g, uint64_t i) {
	int error = gr_gpu_wait_on_host(g, gr_gpu_ready(g, i), gr_gpu_claimed(g, i));
	if (!error && gr_cell_void(gr_gpu_ready(g, i))) error = GR_GPU_VOIDED;
	return error;
}

/* Waits on the host until slot i, reserved for message number h, is free for the host, too.
 * SYNC claim load */
static inline int gr_gpu_vacated(gr_gpu *g, uint64_t i, uint64_t h) {
	int error = gr_gpu_wait_on_host(g, gr_gpu_ready(g, i), gr_gpu_claimed(g, i));
	if (g->queue && !error)
		error = gr_gpu_wait_on_host(g, gr_gpu_done(g, i), atomic_load(&gr_gpu_done(g, i)->claimed));
	for (uint64_t k = 0; k < g->done_cells && !error; k++)
		error = gr_gpu_wait_on_host(g, gr_gpu_done(g, k), gr_gpu_cursor_target(g, k, h));
	return error;
}

/* Waits until every claim of a seat is reached, or completes it when the context is gone. Called
 * before the seat is left. */
static inline void gr_gpu_drain(gr_gpu *g, unsigned seat) {
	uint64_t claimed, done = g->queue ? g->slots : g->done_cells;
	for (uint64_t i = 0; i < g->slots + done; i++) {
		gr_cell *c = g->cells + i;
		if (gr_cell_claimed_by(c, seat, &claimed) && gr_gpu_wait_on_host(g, c, claimed))
			gr_cell_complete(c, claimed, i < g->slots);
	}
}
#endif
