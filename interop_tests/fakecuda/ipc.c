/* ipc.c: device memory shared by handles of 64 bytes. */
#include "ipc.h"

#include <sys/mman.h>
#include <unistd.h>

static uint64_t sum_of(const Handle *h) {
	return (h->magic ^ (uint64_t)h->pid * 31 ^ (uint64_t)h->row * 131 ^ h->token * 7 ^ h->size ^
			   (uint64_t)h->device * 17 ^ (uint64_t)h->kind) *
		0x9E3779B97F4A7C15ull;
}

void handle_write(void *bytes, Handle h) {
	h.magic = HANDLE_MAGIC;
	h.pid = getpid();
	h.sum = sum_of(&h);
	memset(bytes, 0, sizeof(CUipcMemHandle));
	memcpy(bytes, &h, sizeof h);
}

bool handle_read(Handle *h, const void *bytes, int kind) {
	memcpy(h, bytes, sizeof *h);
	return h->magic == HANDLE_MAGIC && h->sum == sum_of(h) && h->kind == kind;
}

/* Writes the handle of the block that the address lies in. Imported, mapped (VMM) and host memory
 * have no handles. */
API CUresult cuIpcGetMemHandle(CUipcMemHandle *h, CUdeviceptr p) {
	ENTER(NEEDS_CONTEXT);
	if (!h) return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&world);
	Range *r = range_of(p, R_ALLOCATED);
	if (r) {
		r->exported = true;
		handle_write(h,
			(Handle){.row = r->row,
				.token = r->token,
				.device = physical[r->device],
				.kind = HANDLE_MEMORY});
	}
	pthread_mutex_unlock(&world);
	return r ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static CUresult import(CUdeviceptr *p, const Handle *h) {
	CUdevice device = current()->device;
	for (Range *r = ranges; r; r = r->next) {
		if (r->kind != R_IMPORTED || r->row != h->row || r->token != h->token ||
			r->device != device)
			continue;
		r->references++;
		*p = r->base;
		return CUDA_SUCCESS;
	}
	if (device_of(h->device) < 0) return CUDA_ERROR_INVALID_VALUE;
	if (device_of(h->device) != device && config.no_peer) return CUDA_ERROR_PEER_ACCESS_UNSUPPORTED;
	uint64_t size;
	CUresult code = memory_hold(h->row, h->token, false, &size);
	if (code) return code;
	uint8_t *real = memory_map(h->row, h->token, size, false);
	uint64_t base = real ? reserve(size) : 0;
	if (!base) {
		if (real) munmap(real, size);
		memory_release(h->row, h->token);
		return CUDA_ERROR_MAP_FAILED;
	}
	range_add((Range){.kind = R_IMPORTED,
		.device = device,
		.row = h->row,
		.token = h->token,
		.base = base,
		.size = size,
		.real = real,
		.readable = true,
		.writable = true});
	*p = base;
	return CUDA_SUCCESS;
}

API CUresult cuIpcOpenMemHandle_v2(CUdeviceptr *p, CUipcMemHandle bytes, unsigned flags) {
	ENTER(NEEDS_CONTEXT);
	Handle h;
	if (!p || flags != CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS ||
		!handle_read(&h, &bytes, HANDLE_MEMORY))
		return CUDA_ERROR_INVALID_VALUE;
	if (h.pid == getpid()) return CUDA_ERROR_INVALID_CONTEXT; /* The caller exported it. */
	pthread_mutex_lock(&world);
	CUresult code = import(p, &h);
	pthread_mutex_unlock(&world);
	return code;
}

/* Reports whether the import is open in the contexts of two devices. */
static bool held_twice(const Range *r) {
	for (Range *q = ranges; q; q = q->next)
		if (q != r && q->kind == R_IMPORTED && q->token == r->token) return true;
	return false;
}

API CUresult cuIpcCloseMemHandle(CUdeviceptr p) {
	ENTER(NEEDS_CONTEXT);
	pthread_mutex_lock(&world);
	Range *r = range_of(p, R_IMPORTED);
	if (!r || r->base != p) {
		pthread_mutex_unlock(&world);
		return CUDA_ERROR_INVALID_VALUE;
	}
	bool last = r->references == 1, busy = last && streams_touch(r->real, r->size);
	pthread_mutex_unlock(&world);
	if (busy) undefined("cuIpcCloseMemHandle with work in flight on the import");
	if (last) drain();
	pthread_mutex_lock(&world);
	if (!--r->references) {
		munmap(r->real, r->size);
		unreserve(r->base, r->size);
		if (!held_twice(r)) memory_release(r->row, r->token);
		range_drop(r);
	}
	pthread_mutex_unlock(&world);
	return CUDA_SUCCESS;
}
