/* vmm.c: physical memory that is mapped by hand and shared by file descriptors. */
#include "fakecuda.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "fakecuda-vmm-"

struct Physical {
	int fd, references, device, row;
	bool shareable;
	uint64_t token, size;
	Physical *next;
};

static Physical *physicals; /* Guarded by `world`. */

static Physical *physical_add(Physical p) {
	Physical *n = malloc(sizeof *n);
	if (!n) abort();
	*n = p;
	n->references = 1;
	n->next = physicals;
	return physicals = n;
}

static Physical *physical_of(CUmemGenericAllocationHandle h) {
	Physical *p = physicals;
	while (p && (uintptr_t)p != h) p = p->next;
	return p;
}

static void physical_drop(Physical *p) {
	if (--p->references) return;
	Physical **at = &physicals;
	while (*at != p) at = &(*at)->next;
	*at = p->next;
	close(p->fd);
	bool again = false; /* The process has the original and an import. */
	for (Physical *q = physicals; q; q = q->next) again |= q->token == p->token;
	if (!again) memory_release(p->row, p->token);
	free(p);
}

API CUresult cuMemGetAllocationGranularity(
	size_t *size, const CUmemAllocationProp *p, CUmemAllocationGranularity_flags which) {
	ENTER(NEEDS_INIT);
	(void)which;
	if (!size || !p || p->type != CU_MEM_ALLOCATION_TYPE_PINNED) return CUDA_ERROR_INVALID_VALUE;
	*size = BLOCK_SIZE;
	return CUDA_SUCCESS;
}

API CUresult cuMemCreate(CUmemGenericAllocationHandle *h, size_t n, const CUmemAllocationProp *p,
	unsigned long long flags) {
	ENTER(NEEDS_CONTEXT);
	if (!h || !p || flags || !n || n % BLOCK_SIZE || p->type != CU_MEM_ALLOCATION_TYPE_PINNED ||
		p->location.type != CU_MEM_LOCATION_TYPE_DEVICE)
		return CUDA_ERROR_INVALID_VALUE;
	CHECK_DEVICE(p->location.id);
	if (p->requestedHandleTypes & ~CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR)
		return CUDA_ERROR_NOT_SUPPORTED;
	uint64_t token;
	int row = n <= config.memory ? memory_new(physical[p->location.id], n, &token) : -1;
	if (row < 0) return CUDA_ERROR_OUT_OF_MEMORY;
	char name[64];
	snprintf(name, sizeof name, NAME "%d-%llx", row, (unsigned long long)token);
	int fd = memfd_create(name, MFD_CLOEXEC);
	if (fd < 0 || posix_fallocate(fd, 0, (off_t)n)) {
		if (fd >= 0) close(fd);
		memory_release(row, token);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	pthread_mutex_lock(&world);
	*h = (uintptr_t)physical_add((Physical){.fd = fd,
		.device = p->location.id,
		.row = row,
		.token = token,
		.size = n,
		.shareable = p->requestedHandleTypes});
	pthread_mutex_unlock(&world);
	return CUDA_SUCCESS;
}

API CUresult cuMemRelease(CUmemGenericAllocationHandle h) {
	ENTER(NEEDS_INIT);
	pthread_mutex_lock(&world);
	Physical *p = physical_of(h);
	if (p) physical_drop(p);
	pthread_mutex_unlock(&world);
	return p ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

API CUresult cuMemExportToShareableHandle(void *out, CUmemGenericAllocationHandle h,
	CUmemAllocationHandleType type, unsigned long long flags) {
	ENTER(NEEDS_INIT);
	if (!out || flags || type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&world);
	Physical *p = physical_of(h);
	bool ok = p && p->shareable;
	int fd = ok ? fcntl(p->fd, F_DUPFD_CLOEXEC, 3) : -1;
	pthread_mutex_unlock(&world);
	if (!ok) return CUDA_ERROR_INVALID_VALUE;
	*(int *)out = fd;
	return fd < 0 ? CUDA_ERROR_OPERATING_SYSTEM : CUDA_SUCCESS;
}

/* Reads the row and the token from the name of a memory file. */
static bool row_of(int fd, int *row, uint64_t *token) {
	char link[64], name[96];
	unsigned long long t;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, name, sizeof name - 1);
	if (n < 0) return false;
	name[n] = 0;
	char *at = strstr(name, NAME);
	if (!at || sscanf(at, NAME "%d-%llx", row, &t) != 2) return false;
	*token = t;
	return true;
}

/* Imports memory. The import is a holder of its own: the exporter may end first. */
API CUresult cuMemImportFromShareableHandle(
	CUmemGenericAllocationHandle *h, void *os, CUmemAllocationHandleType type) {
	ENTER(NEEDS_CONTEXT);
	int row, fd = (int)(intptr_t)os;
	uint64_t token, size;
	if (!h || type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR || !row_of(fd, &row, &token))
		return CUDA_ERROR_INVALID_VALUE;
	struct stat s;
	if ((fd = fcntl(fd, F_DUPFD_CLOEXEC, 3)) < 0 || fstat(fd, &s))
		return CUDA_ERROR_OPERATING_SYSTEM;
	/* Memory that only this descriptor refers to exists, without an account. */
	if (memory_hold(row, token, true, &size)) size = (uint64_t)s.st_size;
	pthread_mutex_lock(&world);
	*h = (uintptr_t)physical_add((Physical){
		.fd = fd, .device = current()->device, .row = row, .token = token, .size = size});
	pthread_mutex_unlock(&world);
	return CUDA_SUCCESS;
}

API CUresult cuMemAddressReserve(
	CUdeviceptr *p, size_t n, size_t alignment, CUdeviceptr wish, unsigned long long flags) {
	ENTER(NEEDS_INIT);
	(void)wish;
	if (!p || flags || !n || n % BLOCK_SIZE || alignment > BLOCK_SIZE)
		return CUDA_ERROR_INVALID_VALUE;
	uint64_t base = reserve(n);
	if (!base) return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&world);
	range_add((Range){.kind = R_RESERVED, .base = base, .size = n, .row = -1});
	pthread_mutex_unlock(&world);
	*p = base;
	return CUDA_SUCCESS;
}

API CUresult cuMemAddressFree(CUdeviceptr p, size_t n) {
	ENTER(NEEDS_INIT);
	pthread_mutex_lock(&world);
	Range *r = range_of(p, R_RESERVED);
	bool ok = r && r->base == p && r->size == n;
	for (Range *m = ranges; ok && m; m = m->next)
		ok = !(m->kind == R_MAPPED && m->base >= p && m->base < p + n);
	if (ok) {
		unreserve(p, n);
		range_drop(r);
	}
	pthread_mutex_unlock(&world);
	return ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* Maps physical memory. The caller holds `world`. */
static CUresult map(uint64_t p, size_t n, Physical *ph) {
	Range *r = range_of(p, R_RESERVED);
	if (!ph || n > ph->size || !r || n > r->size - (p - r->base)) return CUDA_ERROR_INVALID_VALUE;
	for (Range *m = ranges; m; m = m->next)
		if (m->kind == R_MAPPED && p < m->base + m->size && m->base < p + n)
			return CUDA_ERROR_INVALID_VALUE;
	uint8_t *real = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, ph->fd, 0);
	if (real == MAP_FAILED) return CUDA_ERROR_MAP_FAILED;
	range_add((Range){.kind = R_MAPPED,
		.device = ph->device,
		.base = p,
		.size = n,
		.real = real,
		.row = -1,
		.token = ph->token,
		.physical = ph});
	ph->references++;
	return CUDA_SUCCESS;
}

API CUresult cuMemMap(CUdeviceptr p, size_t n, size_t offset, CUmemGenericAllocationHandle h,
	unsigned long long flags) {
	ENTER(NEEDS_INIT);
	/* The driver accepts no other offset than 0. */
	if (flags || offset || !n || n % BLOCK_SIZE || p % BLOCK_SIZE) return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&world);
	CUresult code = map(p, n, physical_of(h));
	pthread_mutex_unlock(&world);
	return code;
}

API CUresult cuMemSetAccess(CUdeviceptr p, size_t n, const CUmemAccessDesc *d, size_t count) {
	ENTER(NEEDS_INIT);
	if (!d || !count) return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&world);
	Range *r = range_of(p, R_MAPPED);
	bool ok = r && r->base == p && r->size == n;
	if (ok) {
		r->readable = d->flags & CU_MEM_ACCESS_FLAGS_PROT_READ;
		r->writable = d->flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
	}
	pthread_mutex_unlock(&world);
	return ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

API CUresult cuMemUnmap(CUdeviceptr p, size_t n) {
	ENTER(NEEDS_INIT);
	drain();
	pthread_mutex_lock(&world);
	Range *r = range_of(p, R_MAPPED);
	bool ok = r && r->base == p && r->size == n;
	if (ok) {
		munmap(r->real, n);
		physical_drop(r->physical);
		range_drop(r);
	}
	pthread_mutex_unlock(&world);
	return ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
