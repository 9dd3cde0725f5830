/* pinned.c: host memory that the device can access: allocated as such, or registered.
 *
 * Registered memory has another address on the device than in the host, so that code which confuses
 * the two fails; with FAKECUDA_HOSTPTR=1 the addresses are the same, and attribute 91 is 1. A
 * registered shared mapping is mapped once more for the device: like pinned pages, that mapping
 * stays when the program unmaps its own. */
#include "fakecuda.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

Pin *pins;

Pin *pin_of_host(const void *p, size_t n) {
	for (Pin *q = pins; q; q = q->next)
		if ((uint8_t *)p >= q->host && (uint8_t *)p < q->host + q->n &&
			n <= (size_t)(q->host + q->n - (uint8_t *)p))
			return q;
	return NULL;
}

Pin *pin_of_device(uint64_t address, size_t n) {
	for (Pin *q = pins; q; q = q->next)
		if (q->mapped && address >= q->device && address - q->device < q->n &&
			n <= q->n - (address - q->device))
			return q;
	return NULL;
}

static bool overlaps(const uint8_t *p, size_t n) {
	for (Pin *q = pins; q; q = q->next)
		if (p < q->host + q->n && q->host < p + n) return true;
	return false;
}

static void add(Pin p) {
	Pin *q = malloc(sizeof *q);
	if (!q) abort();
	*q = p;
	q->next = pins;
	pins = q;
}

API CUresult cuMemHostAlloc(void **p, size_t n, unsigned flags) {
	ENTER(NEEDS_CONTEXT);
	if (!p || !n || flags > 7) return CUDA_ERROR_INVALID_VALUE;
	uint8_t *host = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (host == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&world);
	add((Pin){.host = host,
		.real = host,
		.device = (uint64_t)host,
		.n = n,
		.owned = true,
		.mapped = true});
	pthread_mutex_unlock(&world);
	*p = host;
	return CUDA_SUCCESS;
}

static CUresult unpin(void *p, bool owned, CUresult absent) {
	drain();
	pthread_mutex_lock(&world);
	Pin **at = &pins, *q;
	while (*at && !((*at)->host == p && (*at)->owned == owned)) at = &(*at)->next;
	if ((q = *at)) {
		*at = q->next;
		const size_t within = q->device % (size_t)getpagesize();
		if (owned)
			munmap(q->host, q->n);
		else if (q->mapped && q->device != (uint64_t)q->host)
			unreserve(q->device - within, q->n + within);
		if (!owned && q->real != q->host) munmap(q->real - within, q->n + within);
		free(q);
	}
	pthread_mutex_unlock(&world);
	return q ? device_error() : absent;
}

API CUresult cuMemFreeHost(void *p) {
	ENTER(NEEDS_CONTEXT);
	return unpin(p, true, CUDA_ERROR_INVALID_VALUE);
}

/* Reads from /proc how [p, p+n) is mapped. Returns false if there are holes. */
static bool mapping_of(const uint8_t *p, size_t n, bool *writable, bool *shared) {
	FILE *maps = fopen("/proc/self/maps", "re");
	char text[512], mode[8];
	unsigned long long from, to;
	uint64_t at = (uint64_t)p;
	const uint64_t end = at + n;
	*writable = *shared = true;
	while (maps && at < end && fgets(text, sizeof text, maps)) {
		if (sscanf(text, "%llx-%llx %7s", &from, &to, mode) != 3 || at < from || at >= to) continue;
		*writable &= mode[1] == 'w';
		*shared &= mode[3] == 's';
		at = to;
	}
	if (maps) fclose(maps);
	return at >= end;
}

static CUresult pin(uint8_t *p, size_t n, unsigned flags) {
	bool writable, shared, read_only = flags & CU_MEMHOSTREGISTER_READ_ONLY;
	if (overlaps(p, n)) return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
	if (!mapping_of(p, n, &writable, &shared) || (!writable && !read_only))
		return CUDA_ERROR_INVALID_VALUE;
	const size_t within = (uint64_t)p % (size_t)getpagesize(), all = n + within;
	/* The size of 0 makes a second mapping. */
	uint8_t *real = shared ? mremap(p - within, 0, all, MREMAP_MAYMOVE) : MAP_FAILED;
	Pin q = {.host = p,
		.real = real == MAP_FAILED ? p : real + within,
		.n = n,
		.shared = shared,
		.read_only = read_only};
	q.mapped = config.host_pointers || flags & CU_MEMHOSTREGISTER_DEVICEMAP;
	if (config.host_pointers)
		q.device = (uint64_t)p;
	else if (q.mapped) {
		uint64_t base = reserve(all);
		if (!base) return CUDA_ERROR_OUT_OF_MEMORY;
		q.device = base + within;
	}
	add(q);
	return CUDA_SUCCESS;
}

API CUresult cuMemHostRegister_v2(void *p, size_t n, unsigned flags) {
	ENTER(NEEDS_CONTEXT);
	if (!p || !n || flags > 15) return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&world);
	CUresult code = pin(p, n, flags);
	pthread_mutex_unlock(&world);
	return code;
}

API CUresult cuMemHostUnregister(void *p) {
	ENTER(NEEDS_CONTEXT);
	return unpin(p, false, CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
}

API CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *device, void *p, unsigned flags) {
	ENTER(NEEDS_CONTEXT);
	if (!device || flags) return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&world);
	Pin *q = pin_of_host(p, 1);
	bool ok = q && q->mapped;
	if (ok) *device = q->device + (uint64_t)((uint8_t *)p - q->host);
	pthread_mutex_unlock(&world);
	return ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
