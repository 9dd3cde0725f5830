/* memory.c: device memory. Allocations below 2 MiB share blocks, as the driver's do; an export is
 * always of the whole block. */
#include "fakecuda.h"

#include <sys/mman.h>

#define UNIT 512 /* The driver's alignment of allocations. */
#define UNITS (BLOCK_SIZE / UNIT)

struct Block {
	int device, row;
	uint64_t token, base, size;
	uint8_t *real;
	bool whole; /* One allocation has the whole block. */
	unsigned pieces;
	bool taken[UNITS]; /* The units that small allocations have. */
	Block *next;
};

static Block *blocks;

static Block *block_new(int device, uint64_t size, bool whole) {
	uint64_t token;
	int row = memory_new(physical[device], size, &token);
	if (row < 0) return NULL;
	uint8_t *real = memory_map(row, token, size, true);
	uint64_t base = real ? reserve(size) : 0;
	Block *b = base ? calloc(1, sizeof *b) : NULL;
	if (!b) {
		if (real) munmap(real, size);
		memory_release(row, token);
		return NULL;
	}
	memset(real, FRESH, size);
	*b = (Block){.device = device,
		.row = row,
		.token = token,
		.base = base,
		.size = size,
		.real = real,
		.whole = whole,
		.next = blocks};
	return blocks = b;
}

static void block_free(Block *b) {
	Block **at = &blocks;
	while (*at != b) at = &(*at)->next;
	*at = b->next;
	munmap(b->real, b->size);
	unreserve(b->base, b->size);
	memory_release(b->row, b->token);
	free(b);
}

/* Returns the first unit with room for units, or UNITS when there is none. */
static size_t room_in(const Block *b, size_t units) {
	for (size_t i = 0, free = 0; i < UNITS; i++) {
		free = b->taken[i] ? 0 : free + 1;
		if (free == units) return i + 1 - units;
	}
	return UNITS;
}

static Range *piece_of(Block *b, uint64_t offset, size_t n) {
	b->pieces++;
	return range_add((Range){.kind = R_ALLOCATED,
		.device = b->device,
		.row = b->row,
		.token = b->token,
		.base = b->base + offset,
		.size = n,
		.real = b->real + offset,
		.readable = true,
		.writable = true,
		.block = b});
}

static Range *allocate(int device, size_t n) {
	if (n >= BLOCK_SIZE) {
		Block *b = block_new(device, (n + BLOCK_SIZE - 1) / BLOCK_SIZE * BLOCK_SIZE, true);
		return b ? piece_of(b, 0, n) : NULL;
	}
	size_t units = (n + UNIT - 1) / UNIT, at = UNITS;
	Block *b = blocks;
	for (; b; b = b->next)
		if (!b->whole && b->device == device && (at = room_in(b, units)) < UNITS) break;
	if (!b) {
		b = block_new(device, BLOCK_SIZE, false);
		at = 0;
	}
	if (!b) return NULL;
	memset(b->taken + at, true, units);
	return piece_of(b, at * UNIT, n);
}

API CUresult cuMemAlloc_v2(CUdeviceptr *p, size_t n) {
	ENTER(NEEDS_CONTEXT);
	if (!p || !n) return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&world);
	Range *r = n <= config.memory ? allocate(current()->device, n) : NULL;
	if (r) *p = r->base;
	pthread_mutex_unlock(&world);
	return r ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

API CUresult cuMemFree_v2(CUdeviceptr p) {
	ENTER(NEEDS_CONTEXT);
	if (!p) return CUDA_SUCCESS;
	drain(); /* The driver waits for the device, too. */
	CUresult code = device_error();
	if (code) return code;
	pthread_mutex_lock(&world);
	Range *r = range_of(p, R_ALLOCATED);
	if (!r || r->base != p) {
		pthread_mutex_unlock(&world);
		return CUDA_ERROR_INVALID_VALUE;
	}
	Block *b = r->block;
	int importers = r->exported ? memory_others(b->row) : 0;
	if (importers)
		undefined("cuMemFree of an exported allocation with %d import(s) still open", importers);
	size_t units = (r->size + UNIT - 1) / UNIT;
	memset(r->real, FREED, b->whole ? b->size : units * UNIT);
	if (!b->whole) memset(b->taken + (r->base - b->base) / UNIT, false, units);
	range_drop(r);
	if (!--b->pieces) block_free(b);
	pthread_mutex_unlock(&world);
	return CUDA_SUCCESS;
}

API CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
	ENTER(NEEDS_CONTEXT);
	if (!free || !total) return CUDA_ERROR_INVALID_VALUE;
	uint64_t used = memory_used(physical[current()->device]);
	*total = config.memory;
	*free = used > config.memory ? 0 : config.memory - used;
	return CUDA_SUCCESS;
}

API CUresult cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *size, CUdeviceptr p) {
	ENTER(NEEDS_CONTEXT);
	pthread_mutex_lock(&world);
	Range *r = range_of(p, R_MEMORY);
	if (r && base) *base = r->base;
	if (r && size) *size = r->size;
	pthread_mutex_unlock(&world);
	return r ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

static CUresult range_attribute(void *out, int attribute, uint64_t p, const Range *r) {
	switch (attribute) {
	case CU_POINTER_ATTRIBUTE_CONTEXT: *(CUcontext *)out = &contexts[r->device]; break;
	case CU_POINTER_ATTRIBUTE_MEMORY_TYPE: *(unsigned *)out = CU_MEMORYTYPE_DEVICE; break;
	case CU_POINTER_ATTRIBUTE_DEVICE_POINTER: *(uint64_t *)out = p; break;
	case CU_POINTER_ATTRIBUTE_BUFFER_ID: *(uint64_t *)out = r->token ^ r->base; break;
	case CU_POINTER_ATTRIBUTE_IS_MANAGED: *(int *)out = 0; break;
	case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL: *(int *)out = r->device; break;
	case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
		*(int *)out = r->kind == R_ALLOCATED;
		break;
	case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR: *(uint64_t *)out = r->base; break;
	case CU_POINTER_ATTRIBUTE_RANGE_SIZE: *(size_t *)out = r->size; break;
	case CU_POINTER_ATTRIBUTE_MAPPED: *(int *)out = 1; break;
	case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES: *(uint64_t *)out = r->kind == R_MAPPED; break;
	default: return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

static CUresult pin_attribute(void *out, int attribute, uint64_t p, const Pin *pin) {
	bool as_device = p - pin->device < pin->n;
	uint64_t offset = p - (as_device ? pin->device : (uint64_t)pin->host);
	switch (attribute) {
	case CU_POINTER_ATTRIBUTE_CONTEXT: *(CUcontext *)out = current(); break;
	case CU_POINTER_ATTRIBUTE_MEMORY_TYPE: *(unsigned *)out = CU_MEMORYTYPE_HOST; break;
	case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
		if (!pin->mapped) return CUDA_ERROR_INVALID_VALUE;
		*(uint64_t *)out = pin->device + offset;
		break;
	case CU_POINTER_ATTRIBUTE_HOST_POINTER: *(uint64_t *)out = (uint64_t)pin->host + offset; break;
	case CU_POINTER_ATTRIBUTE_BUFFER_ID: *(uint64_t *)out = (uint64_t)pin->host; break;
	case CU_POINTER_ATTRIBUTE_IS_MANAGED:
	case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE: *(int *)out = 0; break;
	case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL: *(int *)out = current()->device; break;
	case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR: *(uint64_t *)out = p - offset; break;
	case CU_POINTER_ATTRIBUTE_RANGE_SIZE: *(size_t *)out = pin->n; break;
	case CU_POINTER_ATTRIBUTE_MAPPED: *(int *)out = pin->mapped; break;
	case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES: *(uint64_t *)out = 0; break;
	default: return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

API CUresult cuPointerGetAttribute(void *out, CUpointer_attribute attribute, CUdeviceptr p) {
	ENTER(NEEDS_CONTEXT);
	if (!out) return CUDA_ERROR_INVALID_VALUE;
	CUresult code = CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&world);
	Range *r = range_of(p, R_MEMORY);
	Pin *pin = r ? NULL : pin_of_device(p, 1);
	if (!r && !pin) pin = pin_of_host((void *)p, 1);
	if (r)
		code = range_attribute(out, (int)attribute, p, r);
	else if (pin)
		code = pin_attribute(out, (int)attribute, p, pin);
	pthread_mutex_unlock(&world);
	return code;
}

API CUresult cuPointerSetAttribute(
	const void *value, CUpointer_attribute attribute, CUdeviceptr p) {
	ENTER(NEEDS_CONTEXT);
	pthread_mutex_lock(&world);
	bool ok = value && attribute == CU_POINTER_ATTRIBUTE_SYNC_MEMOPS && range_of(p, R_MEMORY);
	pthread_mutex_unlock(&world);
	return ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
