/* gpu.h: the device steps of a GPU ring (spec/LAYOUT.md section 11), over functions of the CUDA
 * driver that were found by dlopen. Each step is one group of driver calls between one push and
 * one pop of the ring's context, so that a caller from Go crosses into C once.
 *
 * The slot words are not touched here: a step is made by the owner of a slot, before it stores
 * the word that hands the slot on. Steps return the driver's error, 0 for none, or one of
 * enum gr_gpu_error. */
#ifndef GORING_GPU_H
#define GORING_GPU_H
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef uint64_t gr_deviceptr;              /* CUdeviceptr */
typedef void *gr_stream, *gr_context, *gr_event; /* CUstream, CUcontext, CUevent */
typedef int gr_result, gr_pointer_attribute; /* enums of the driver */

enum gr_gpu_error { /* beside the driver's, which are positive */
	GR_GPU_OK = 0,
	GR_GPU_VOIDED = -1,   /* the producer died before the payload had arrived */
	GR_GPU_LIBRARY = -2,  /* no driver */
	GR_GPU_SYMBOL = -3,   /* a driver without a function that is needed */
	GR_GPU_FORKED = -4,   /* a child of a process that had loaded the driver */
	GR_GPU_SMALLER = -6,  /* what a handle opened is smaller than the ring says */
	GR_GPU_SYSTEM = -7,   /* errno says what */
	GR_GPU_MEMOPS = -8,   /* streams cannot write and wait for values in registered memory */
};

/* The functions of the driver that rings need: X(member, exported name, parameters). They are
 * declared here because no package has a stub to link; a test holds them against NVIDIA's cuda.h. */
#define GR_CUDA_FUNCTIONS(X) \
	X(init, cuInit, (unsigned flags)) \
	X(driver_version, cuDriverGetVersion, (int *version)) \
	X(error_name, cuGetErrorName, (gr_result error, const char **name)) \
	X(error_string, cuGetErrorString, (gr_result error, const char **text)) \
	X(device_count, cuDeviceGetCount, (int *n)) \
	X(device_get, cuDeviceGet, (int *device, int ordinal)) \
	X(device_name, cuDeviceGetName, (char *name, int n, int device)) \
	X(device_uuid, cuDeviceGetUuid_v2, (gr_uuid *uuid, int device)) \
	X(primary_retain, cuDevicePrimaryCtxRetain, (gr_context *context, int device)) \
	X(primary_release, cuDevicePrimaryCtxRelease_v2, (int device)) \
	X(push, cuCtxPushCurrent_v2, (gr_context context)) \
	X(pop, cuCtxPopCurrent_v2, (gr_context *context)) \
	X(mem_info, cuMemGetInfo_v2, (size_t *unused, size_t *total)) \
	X(alloc, cuMemAlloc_v2, (gr_deviceptr *p, size_t n)) \
	X(free, cuMemFree_v2, (gr_deviceptr p)) \
	X(memset8, cuMemsetD8_v2, (gr_deviceptr p, unsigned char value, size_t n)) \
	X(address_range, cuMemGetAddressRange_v2, (gr_deviceptr *base, size_t *n, gr_deviceptr p)) \
	X(pointer_attribute, cuPointerGetAttribute, (void *value, gr_pointer_attribute attribute, gr_deviceptr p)) \
	X(host_register, cuMemHostRegister_v2, (void *p, size_t n, unsigned flags)) \
	X(host_unregister, cuMemHostUnregister, (void *p)) \
	X(host_pointer, cuMemHostGetDevicePointer_v2, (gr_deviceptr *device, void *p, unsigned flags)) \
	X(ipc_get, cuIpcGetMemHandle, (gr_ipc *handle, gr_deviceptr p)) \
	X(ipc_open, cuIpcOpenMemHandle_v2, (gr_deviceptr *p, gr_ipc handle, unsigned flags)) \
	X(ipc_close, cuIpcCloseMemHandle, (gr_deviceptr p)) \
	X(stream_create, cuStreamCreate, (gr_stream *s, unsigned flags)) \
	X(stream_destroy, cuStreamDestroy_v2, (gr_stream s)) \
	X(stream_synchronize, cuStreamSynchronize, (gr_stream s)) \
	X(stream_wait_event, cuStreamWaitEvent, (gr_stream s, gr_event event, unsigned flags)) \
	X(event_create, cuEventCreate, (gr_event *event, unsigned flags)) \
	X(event_record, cuEventRecord, (gr_event event, gr_stream s)) \
	X(event_destroy, cuEventDestroy_v2, (gr_event event)) \
	X(copy, cuMemcpyAsync, (gr_deviceptr to, gr_deviceptr from, size_t n, gr_stream s)) \
	X(copy_in, cuMemcpyHtoDAsync_v2, (gr_deviceptr to, const void *from, size_t n, gr_stream s)) \
	X(copy_out, cuMemcpyDtoHAsync_v2, (void *to, gr_deviceptr from, size_t n, gr_stream s)) \
	X(copy_device, cuMemcpyDtoDAsync_v2, (gr_deviceptr to, gr_deviceptr from, size_t n, gr_stream s)) \
	X(write64, cuStreamWriteValue64_v2, (gr_stream s, gr_deviceptr p, uint64_t value, unsigned flags)) \
	X(wait64, cuStreamWaitValue64_v2, (gr_stream s, gr_deviceptr p, uint64_t value, unsigned flags))

typedef struct { unsigned char bytes[16]; } gr_uuid; /* CUuuid */
typedef struct { unsigned char bytes[64]; } gr_ipc;  /* CUipcMemHandle */

typedef struct {
#define GR_CUDA_MEMBER(member, name, parameters) int (*member) parameters;
	GR_CUDA_FUNCTIONS(GR_CUDA_MEMBER)
#undef GR_CUDA_MEMBER
} gr_cuda;

enum { GR_CUDA_WAIT_GEQ = 0, GR_CUDA_POINTER_MEMORY_TYPE = 2, GR_CUDA_POINTER_DEVICE = 9, GR_CUDA_MEMORY_HOST = 1, GR_CUDA_NO_TIMING = 2 };

typedef struct { /* 64 bytes of the segment, or more apart */
	_Atomic uint64_t value, claimed, voided;
	_Atomic uint32_t seat;
	uint8_t unused[36];
} gr_cell;
_Static_assert(sizeof(gr_cell) == 64, "cell");

/* A GPU ring as one process has it. Whoever uses it holds a reference. */
typedef struct gr_gpu {
	const gr_cuda *cuda;
	void *context;       /* the device's primary one */
	gr_deviceptr base;   /* slot i begins at base + i * stride, in this process */
	uint64_t stride, slots;
	gr_cell *cells;      /* of this process's own mapping: ready by slot, then done */
	gr_deviceptr cells_device; /* the same for the device */
	uint64_t lanes;      /* broadcast: consumers' cells behind those of the slots, else 0 */
	_Atomic uint32_t *state; /* of the segment: GPU_GONE */
	uint8_t *payload;    /* of pinned host memory, this process's mapping; else NULL */
	int device;          /* its ordinal in this process */
	uint32_t memory, sync; /* as in the block */
	bool queue;          /* done cells are the slots' */
	_Atomic int poison;  /* the sticky error that ended the context */
	_Atomic long references;
	void (*unreference)(struct gr_gpu *); /* frees it with the last one */
} gr_gpu;

/* ---- cells ---- */
static inline gr_cell *gr_gpu_ready(const gr_gpu *g, uint64_t slot) { return g->cells + slot; }
static inline gr_cell *gr_gpu_done(const gr_gpu *g, uint64_t k) { return g->cells + g->slots + k; }
static inline gr_deviceptr gr_gpu_device(const gr_gpu *g, const gr_cell *c) { return g->cells_device + (uint64_t)(c - g->cells) * sizeof *c; }
static inline gr_deviceptr gr_gpu_slot(const gr_gpu *g, uint64_t slot) { return g->base + slot * g->stride; }
static inline bool gr_gpu_timeline(const gr_gpu *g) { return g->sync != 0; }
/* pairs with the write of the stream, which the driver puts behind a system-wide fence */
static inline bool gr_cell_reached(const gr_cell *c, uint64_t target) {
	return (int64_t)(atomic_load_explicit(&c->value, memory_order_acquire) - target) >= 0;
}
/* whether the payload of a message that is owned never came */
static inline bool gr_cell_void(const gr_cell *c) {
	uint64_t claimed = atomic_load(&c->claimed);
	return claimed != 0 && atomic_load(&c->voided) == claimed;
}
/* what a seat has claimed in a cell, reached or not; false if the claim is another's. claimed is
 * loaded before seat, the other way round from a claim: so both are of the same one, unless it
 * has been reached. */
static inline bool gr_cell_claimed_by(const gr_cell *c, unsigned seat, uint64_t *claimed) {
	*claimed = atomic_load(&c->claimed);
	return atomic_load(&c->seat) == seat;
}
/* says that seat will write value. Whoever sees the claim sees whose it is; who gets the slot sees
 * both, for they are before the store of the word. */
static inline void gr_cell_undertake(gr_cell *c, unsigned seat, uint64_t value) {
	atomic_store_explicit(&c->seat, seat, memory_order_relaxed);
	atomic_store_explicit(&c->claimed, value, memory_order_release);
}
/* fulfils a claim whose writer will not; only the host of its reaper, or its own when its context
 * is gone */
static inline void gr_cell_complete(gr_cell *c, uint64_t claimed, bool payload) {
	uint64_t seen = atomic_load(&c->value);
	if ((int64_t)(seen - claimed) >= 0) return;
	if (payload) atomic_store(&c->voided, claimed); /* before the streams go on */
	while ((int64_t)(seen - claimed) < 0 && !atomic_compare_exchange_weak(&c->value, &seen, claimed)) {}
}
/* completes what a seat has claimed and not reached: step 1b of Reap */
static inline void gr_cells_complete(gr_cell *cells, uint64_t slots, uint64_t done, unsigned seat) {
	uint64_t claimed;
	for (uint64_t i = 0; i < slots + done; i++)
		if (gr_cell_claimed_by(&cells[i], seat, &claimed)) gr_cell_complete(&cells[i], claimed, i < slots);
}

/* ---- the context ---- */

/* errors after which every call of the process fails: nothing that was enqueued will happen */
static inline bool gr_gpu_sticky(int error) {
	switch (error) {
	case 214: case 220: /* uncorrectable ECC, NVLINK */
	case 700: case 702: case 709: case 710: /* address, time-out, context destroyed, assert */
	case 714: case 715: case 716: case 717: case 718: case 719: return true;
	}
	return false;
}
static inline int gr_gpu_enter(gr_gpu *g) {
	int poison = atomic_load_explicit(&g->poison, memory_order_relaxed);
	return poison ? poison : g->cuda->push(g->context);
}
static inline int gr_gpu_leave(gr_gpu *g, int error) {
	void *was;
	int popped = g->cuda->pop(&was);
	if (!error) error = popped;
	if (gr_gpu_sticky(error)) atomic_store(&g->poison, error);
	return error;
}

/* ---- steps inside a context ---- */

/* makes the stream wait until the cell has reached target, if it has not */
static inline int gr_gpu_wait_for(gr_gpu *g, gr_stream s, const gr_cell *c, uint64_t target) {
	if (gr_cell_reached(c, target)) return 0;
	return g->cuda->wait64(s, gr_gpu_device(g, c), target, GR_CUDA_WAIT_GEQ);
}
static inline int gr_gpu_await(gr_gpu *g, gr_stream s, const gr_cell *c) {
	return gr_gpu_wait_for(g, s, c, atomic_load(&c->claimed));
}
/* waits on the host until the cell has reached a claim: nearly always at once */
static inline int gr_gpu_settle(gr_gpu *g, const gr_cell *c, uint64_t claimed) {
	for (int i = 0; !gr_cell_reached(c, claimed); i++) {
		struct timespec pause = {0, i < 1000 ? 20000 : 200000};
		int poison = atomic_load(&g->poison);
		if (poison) return poison;
		if (i < 50) sched_yield();
		else nanosleep(&pause, NULL);
	}
	return 0;
}
/* claims a cell for what was enqueued on s before */
static inline int gr_gpu_claim(gr_gpu *g, gr_stream s, gr_cell *c, unsigned seat) {
	if (!gr_gpu_timeline(g)) return g->cuda->stream_synchronize(s);
	uint64_t claimed = atomic_load(&c->claimed);
	int error = gr_gpu_settle(g, c, claimed);
	if (error) return error;
	gr_cell_undertake(c, seat, claimed + 1); /* before the enqueue: who dies in between is repaired */
	error = g->cuda->write64(s, gr_gpu_device(g, c), claimed + 1, 0);
	/* The slot is still ours, and nobody has seen the claim; but in a context that is gone another
	 * thread of the seat may have completed it already. */
	if (gr_gpu_sticky(error)) gr_cell_complete(c, claimed + 1, c < g->cells + g->slots);
	else if (error) atomic_store(&c->claimed, claimed);
	return error;
}
/* makes to wait for what is on from so far */
static inline int gr_gpu_join(gr_gpu *g, gr_stream from, gr_stream to) {
	void *event;
	if (from == to) return 0;
	int error = g->cuda->event_create(&event, GR_CUDA_NO_TIMING);
	if (error) return error;
	error = g->cuda->event_record(event, from);
	if (!error) error = g->cuda->stream_wait_event(to, event, 0);
	int destroyed = g->cuda->event_destroy(event); /* the driver keeps it until it is reached */
	return error ? error : destroyed;
}
/* how far broadcast consumer k must have come before message h may be written: no further than it
 * has claimed, for who left or joined late does not hold the producer up */
static inline uint64_t gr_gpu_lane_target(const gr_gpu *g, uint64_t k, uint64_t h) {
	uint64_t claimed = atomic_load(&gr_gpu_done(g, k)->claimed), target = h - g->slots + 1;
	return (int64_t)(claimed - target) < 0 ? claimed : target;
}
/* makes the stream wait until slot i, reserved for message number h, is free for the device, too */
static inline int gr_gpu_await_room(gr_gpu *g, gr_stream s, uint64_t i, uint64_t h) {
	if (!gr_gpu_timeline(g)) return 0;
	int error = gr_gpu_await(g, s, gr_gpu_ready(g, i));
	if (g->queue && !error) return gr_gpu_await(g, s, gr_gpu_done(g, i));
	for (uint64_t k = 0; k < g->lanes && !error; k++) error = gr_gpu_wait_for(g, s, gr_gpu_done(g, k), gr_gpu_lane_target(g, k, h));
	return error;
}

/* where the bytes of a copy are */
typedef enum { GR_GPU_FROM_HOST, GR_GPU_FROM_DEVICE } gr_gpu_side;

/* whether a host address is pinned memory, which a copy touches when the stream gets there */
static inline bool gr_gpu_pinned(gr_gpu *g, const void *p) {
	unsigned type = 0;
	return g->cuda->pointer_attribute(&type, GR_CUDA_POINTER_MEMORY_TYPE, (gr_deviceptr)p) == 0 && type == GR_CUDA_MEMORY_HOST;
}
static inline int gr_gpu_fill(gr_gpu *g, gr_stream s, uint64_t i, const void *from, size_t n, gr_gpu_side side) {
	gr_deviceptr to = gr_gpu_slot(g, i);
	if (n == 0) return 0;
	if (g->payload) return g->cuda->copy(to, (gr_deviceptr)from, n, s);
	if (side == GR_GPU_FROM_DEVICE) return g->cuda->copy_device(to, (gr_deviceptr)from, n, s);
	return g->cuda->copy_in(to, from, n, s);
}

/* ---- the steps of a ring, each one crossing ---- */

/* producer: from here on what is enqueued on s may touch slot i, reserved for message number h */
static inline int gr_gpu_open(gr_gpu *g, gr_stream s, uint64_t i, uint64_t h) {
	int error = gr_gpu_enter(g);
	return error ? error : gr_gpu_leave(g, gr_gpu_await_room(g, s, i, h));
}
/* producer: copies n bytes into slot i. What they were copied from may be used again when it
 * returns, unless it is device memory: then once s has come so far. */
static inline int gr_gpu_copy_in(gr_gpu *g, gr_stream s, uint64_t i, uint64_t h, const void *from, size_t n, gr_gpu_side side) {
	int error = gr_gpu_enter(g);
	if (error) return error;
	error = gr_gpu_await_room(g, s, i, h);
	if (!error) error = gr_gpu_fill(g, s, i, from, n, side);
	if (!error && side == GR_GPU_FROM_HOST && gr_gpu_pinned(g, from)) error = g->cuda->stream_synchronize(s);
	return gr_gpu_leave(g, error);
}
/* producer: hands slot i on; then the word may be stored */
static inline int gr_gpu_commit(gr_gpu *g, gr_stream s, uint64_t i, unsigned seat) {
	int error = gr_gpu_enter(g);
	return error ? error : gr_gpu_leave(g, gr_gpu_claim(g, s, gr_gpu_ready(g, i), seat));
}
/* producer: gr_gpu_copy_in and gr_gpu_commit at once */
static inline int gr_gpu_write(gr_gpu *g, gr_stream s, uint64_t i, uint64_t h, unsigned seat, const void *from, size_t n, gr_gpu_side side) {
	int error = gr_gpu_enter(g);
	if (error) return error;
	error = gr_gpu_await_room(g, s, i, h);
	if (!error) error = gr_gpu_fill(g, s, i, from, n, side);
	bool pinned = !error && side == GR_GPU_FROM_HOST && gr_gpu_pinned(g, from);
	if (!error) error = gr_gpu_claim(g, s, gr_gpu_ready(g, i), seat);
	if (!error && pinned && gr_gpu_timeline(g)) error = g->cuda->stream_synchronize(s);
	return gr_gpu_leave(g, error);
}
/* what is claimed of the payload in slot i. On an overwrite ring the word is looked at again
 * behind this: unless it is the message's, the claim may be a later one's, not enqueued yet. */
static inline uint64_t gr_gpu_claimed(const gr_gpu *g, uint64_t i) { return atomic_load(&gr_gpu_ready(g, i)->claimed); }

/* consumer: from here on what is enqueued on s may read slot i of a message it has taken */
static inline int gr_gpu_look_at(gr_gpu *g, gr_stream s, uint64_t i, uint64_t claimed) {
	if (!gr_gpu_timeline(g) || gr_cell_reached(gr_gpu_ready(g, i), claimed)) return atomic_load_explicit(&g->poison, memory_order_relaxed);
	int error = gr_gpu_enter(g);
	return error ? error : gr_gpu_leave(g, gr_gpu_wait_for(g, s, gr_gpu_ready(g, i), claimed));
}
static inline int gr_gpu_look(gr_gpu *g, gr_stream s, uint64_t i) { return gr_gpu_look_at(g, s, i, gr_gpu_claimed(g, i)); }

/* consumer: copies the first n bytes of slot i to host memory and waits for them */
static inline int gr_gpu_copy_out_at(gr_gpu *g, gr_stream s, uint64_t i, uint64_t claimed, void *to, size_t n) {
	int error = gr_gpu_enter(g);
	if (error) return error;
	if (gr_gpu_timeline(g)) error = gr_gpu_wait_for(g, s, gr_gpu_ready(g, i), claimed);
	if (!error && n) error = g->payload ? g->cuda->copy((gr_deviceptr)to, gr_gpu_slot(g, i), n, s) : g->cuda->copy_out(to, gr_gpu_slot(g, i), n, s);
	if (!error) error = g->cuda->stream_synchronize(s);
	return gr_gpu_leave(g, error);
}
static inline int gr_gpu_copy_out(gr_gpu *g, gr_stream s, uint64_t i, void *to, size_t n) {
	return gr_gpu_copy_out_at(g, s, i, gr_gpu_claimed(g, i), to, n);
}
/* queue consumer: hands slot i on; then the word may be stored */
static inline int gr_gpu_release(gr_gpu *g, gr_stream s, uint64_t i, unsigned seat) {
	int error = gr_gpu_enter(g);
	return error ? error : gr_gpu_leave(g, gr_gpu_claim(g, s, gr_gpu_done(g, i), seat));
}
/* broadcast consumer: says that its stream has come to cursor x; under the cursor's lock, then
 * the cursor may be stored */
static inline int gr_gpu_advance(gr_gpu *g, gr_stream s, uint64_t lane, unsigned seat, uint64_t x) {
	int error = gr_gpu_enter(g);
	if (error) return error;
	gr_cell *c = gr_gpu_done(g, lane);
	if (gr_gpu_timeline(g)) {
		uint64_t was = atomic_load(&c->claimed);
		gr_cell_undertake(c, seat, x);
		error = g->cuda->write64(s, gr_gpu_device(g, c), x, 0);
		if (error) atomic_store(&c->claimed, was);
	} else {
		error = g->cuda->stream_synchronize(s);
	}
	return gr_gpu_leave(g, error);
}
/* makes stream to wait for what is on from so far */
static inline int gr_gpu_order(gr_gpu *g, gr_stream from, gr_stream to) {
	if (from == to) return 0;
	int error = gr_gpu_enter(g);
	return error ? error : gr_gpu_leave(g, gr_gpu_join(g, from, to));
}
/* waits on the host for all that is on s */
static inline int gr_gpu_synchronize(gr_gpu *g, gr_stream s) {
	int error = gr_gpu_enter(g);
	return error ? error : gr_gpu_leave(g, g->cuda->stream_synchronize(s));
}
/* waits on the host until the payload of a message is there; 0, GR_GPU_VOIDED or an error */
static inline int gr_gpu_arrived(gr_gpu *g, uint64_t i) {
	int error = gr_gpu_settle(g, gr_gpu_ready(g, i), gr_gpu_claimed(g, i));
	if (!error && gr_cell_void(gr_gpu_ready(g, i))) error = GR_GPU_VOIDED;
	return error;
}
/* waits on the host until slot i, reserved for message number h, is free for the host, too */
static inline int gr_gpu_vacated(gr_gpu *g, uint64_t i, uint64_t h) {
	int error = gr_gpu_settle(g, gr_gpu_ready(g, i), gr_gpu_claimed(g, i));
	if (g->queue && !error) error = gr_gpu_settle(g, gr_gpu_done(g, i), atomic_load(&gr_gpu_done(g, i)->claimed));
	for (uint64_t k = 0; k < g->lanes && !error; k++) error = gr_gpu_settle(g, gr_gpu_done(g, k), gr_gpu_lane_target(g, k, h));
	return error;
}
/* before a seat is left: waits until all it has claimed is reached, or completes it when the
 * context is gone */
static inline void gr_gpu_drain(gr_gpu *g, unsigned seat) {
	uint64_t claimed, done = g->queue ? g->slots : g->lanes;
	for (uint64_t i = 0; i < g->slots + done; i++) {
		gr_cell *c = g->cells + i;
		if (gr_cell_claimed_by(c, seat, &claimed) && gr_gpu_settle(g, c, claimed)) gr_cell_complete(c, claimed, i < g->slots);
	}
}
#endif
