/* ring.c: the memory of one GPU ring, in one process. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cudadrv.h"

enum { REGISTER_PORTABLE = 1, REGISTER_DEVICEMAP = 2, IPC_LAZY_PEER_ACCESS = 1 };

typedef struct {
	gr_gpu gpu; /* first: others see only this */
	int fd, device;
	bool retained, registered, opened, owned, abandoned;
	uint8_t *block, *payload; /* our mappings */
	size_t block_size, payload_size;
} ring;

/* ---- contexts outside of a ring ---- */
typedef struct {
	int device;
	void *context;
} visit;

static int enter(visit *v, int ordinal) {
	const gr_cuda *cu = cudadrv_table();
	int error = cu->device_get(&v->device, ordinal);
	if (!error) error = cu->primary_retain(&v->context, v->device);
	if (error) return error;
	if ((error = cu->push(v->context))) cu->primary_release(v->device);
	return error;
}

static int leave(visit *v, int error) {
	void *was;
	int popped = cudadrv_table()->pop(&was), released = cudadrv_table()->primary_release(v->device);
	return error ? error : popped ? popped : released;
}

int cudadrv_memory(int ordinal, uint64_t *unused, uint64_t *total) {
	visit v;
	size_t u, t;
	int error = enter(&v, ordinal);
	if (error) return error;
	error = leave(&v, cudadrv_table()->mem_info(&u, &t));
	*unused = u;
	*total = t;
	return error;
}

/* The primary context is retained until cudadrv_free: memory lives no longer than its context. */
int cudadrv_alloc(cudadrv_params *w, gr_deviceptr *base) {
	const gr_cuda *cu = cudadrv_table();
	visit v;
	void *context;
	int error = enter(&v, w->ordinal);
	if (error) return error;
	if (!(error = cu->alloc(base, w->bytes))) {
		error = cu->memset8(*base, 0, w->bytes); /* The driver does not clear it. */
		if (!error) error = cu->stream_synchronize(NULL);
		if (!error) error = cu->ipc_get(&w->handle, *base);
		if (!error) error = cu->primary_retain(&context, v.device);
		if (error) cu->free(*base);
	}
	return leave(&v, error);
}

int cudadrv_free(int ordinal, gr_deviceptr base) {
	visit v;
	int error = enter(&v, ordinal);
	if (error) return error;
	error = cudadrv_table()->free(base);
	cudadrv_table()->primary_release(v.device);
	return leave(&v, error);
}

int cudadrv_try_handle(int ordinal, gr_ipc handle, unsigned char mark) {
	const gr_cuda *cu = cudadrv_table();
	visit v;
	gr_deviceptr p;
	int error = enter(&v, ordinal);
	if (error) return error;
	if (!(error = cu->ipc_open(&p, handle, IPC_LAZY_PEER_ACCESS))) {
		error = cu->memset8(p, mark, 1);
		if (!error) error = cu->stream_synchronize(NULL);
		int closed = cu->ipc_close(p);
		if (!error) error = closed;
	}
	return leave(&v, error);
}

int cudadrv_take_byte(int ordinal, gr_deviceptr p, unsigned char *value) {
	const gr_cuda *cu = cudadrv_table();
	visit v;
	int error = enter(&v, ordinal);
	if (error) return error;
	error = cu->copy_out(value, p, 1, NULL);
	if (!error) error = cu->memset8(p, 0, 1);
	if (!error) error = cu->stream_synchronize(NULL);
	return leave(&v, error);
}

/* ---- opening ---- */
static uint8_t *map(int fd, uint64_t off, size_t size) {
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)off);
	return p == MAP_FAILED ? NULL : p;
}

/* Pins memory of the segment and sets its device address. */
static int pin(void *p, size_t n, gr_deviceptr *device) {
	int error = cudadrv_table()->host_register(p, n, REGISTER_PORTABLE | REGISTER_DEVICEMAP);
	return error ? error : cudadrv_table()->host_pointer(device, p, 0);
}

/* Tries whether a stream writes to and waits for values in the registered page, since attributes
 * may be wrong. */
static int try_memops(ring *r) {
	const gr_cuda *cu = cudadrv_table();
	_Atomic uint64_t *scratch = (_Atomic uint64_t *)(r->block + GR_GPU_OFF_SCRATCH);
	gr_deviceptr at = r->gpu.cells_device - GR_GPU_OFF_CELLS + GR_GPU_OFF_SCRATCH;
	uint64_t mark = (uint64_t)getpid();
	gr_stream s;
	int error = cu->stream_create(&s, 1);
	if (error) return error;
	atomic_store(scratch, 0);
	error = cu->write64(s, at, mark, 0);
	if (!error) error = cu->wait64(s, at, mark, GR_CUDA_WAIT_GEQ);
	if (!error) error = cu->stream_synchronize(s);
	cu->stream_destroy(s);
	return error || atomic_load(scratch) != mark ? GR_GPU_MEMOPS : 0;
}

static int open_cells(ring *r, const cudadrv_params *w, const char **step) {
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	*step = "map the cells";
	r->block_size = (w->gpu_size + page - 1) / page * page;
	if (!(r->block = map(w->fd, w->gpu_off, r->block_size))) return GR_GPU_SYSTEM;
	r->gpu.state = (_Atomic uint32_t *)(r->block + GR_GPU_OFF_STATE);
	r->gpu.cells = (gr_cell *)(r->block + GR_GPU_OFF_CELLS);
	if (!w->sync) return 0;
	*step = "cuMemHostRegister of the cells";
	int error = pin(r->block, r->block_size, &r->gpu.cells_device);
	if (error) return error;
	r->registered = true;
	r->gpu.cells_device += GR_GPU_OFF_CELLS;
	*step = "cuStreamWriteValue64";
	return w->create ? try_memops(r) : 0;
}

static int open_pinned(ring *r, const cudadrv_params *w, const char **step) {
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	*step = "map the payload";
	r->payload_size = (w->slots * w->stride + page - 1) / page * page;
	if (!(r->payload = map(w->fd, w->data_off, r->payload_size))) return GR_GPU_SYSTEM;
	r->gpu.payload = r->payload;
	*step = "cuMemHostRegister of the payload";
	return pin(r->payload, r->payload_size, &r->gpu.base);
}

static int open_device(ring *r, const cudadrv_params *w, gr_deviceptr base, const char **step) {
	const gr_cuda *cu = cudadrv_table();
	gr_deviceptr start;
	size_t size;
	r->gpu.base = base;
	if (base) {
		r->owned = true;
		return 0;
	}
	*step = "cuIpcOpenMemHandle";
	int error = cu->ipc_open(&r->gpu.base, w->handle, IPC_LAZY_PEER_ACCESS);
	if (error) return error;
	r->opened = true;
	*step = "cuMemGetAddressRange";
	if ((error = cu->address_range(&start, &size, r->gpu.base))) return error;
	return start != r->gpu.base || size < w->bytes ? GR_GPU_SMALLER : 0;
}

static void close_ring(ring *r) {
	const gr_cuda *cu = cudadrv_table();
	void *was;
	bool inside = r->retained && cu->push(r->gpu.context) == 0;
	if (inside) {
		if (r->opened) cu->ipc_close(r->gpu.base);
		if (r->owned && !r->abandoned) cu->free(r->gpu.base);
		if (r->payload && r->gpu.base) cu->host_unregister(r->payload);
		if (r->registered) cu->host_unregister(r->block);
		cu->pop(&was);
	}
	if (r->retained && !r->abandoned) cu->primary_release(r->device);
	if (r->owned && !r->abandoned) cu->primary_release(r->device); /* of cudadrv_alloc */
	if (r->payload) munmap(r->payload, r->payload_size);
	if (r->block) munmap(r->block, r->block_size);
	if (!r->abandoned) close(r->fd); /* and with it the locks */
	free(r);
}

static void unreference(gr_gpu *g) {
	if (atomic_fetch_sub(&g->references, 1) == 1) close_ring((ring *)g);
}

void cudadrv_abandon(gr_gpu *g) { ((ring *)g)->abandoned = true; }

int cudadrv_open(const cudadrv_params *w, gr_deviceptr base, gr_gpu **out, const char **step) {
	const gr_cuda *cu = cudadrv_table();
	void *was;
	ring *r = calloc(1, sizeof *r);
	*step = "allocate";
	if (!r) return GR_GPU_SYSTEM;
	r->fd = w->fd;
	r->gpu.cuda = cu;
	r->gpu.stride = w->stride;
	r->gpu.slots = w->slots;
	r->gpu.done_cells = w->done_cells;
	r->gpu.queue = w->queue;
	r->gpu.memory = w->memory;
	r->gpu.sync = w->sync;
	r->gpu.device = w->ordinal;
	r->gpu.unreference = unreference;
	atomic_init(&r->gpu.references, 1);
	*step = "cuDevicePrimaryCtxRetain";
	int error = cu->device_get(&r->device, w->ordinal);
	if (!error && !(error = cu->primary_retain(&r->gpu.context, r->device))) {
		r->retained = true;
		*step = "cuCtxPushCurrent";
		if (!(error = cu->push(r->gpu.context))) {
			error = w->data_off ? open_pinned(r, w, step) : open_device(r, w, base, step);
			if (!error) error = open_cells(r, w, step);
			cu->pop(&was);
		}
	}
	if (!error) {
		*out = &r->gpu;
		return 0;
	}
	int kept = errno;
	r->owned = false; /* The caller frees its allocation. */
	close_ring(r);
	errno = kept;
	return error;
}
