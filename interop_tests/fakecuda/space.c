/* space.c: device addresses. They fault in the host, and differ between processes. */
#include "fakecuda.h"

#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

Range *ranges;

/* Reserves addresses without access, on a boundary of BLOCK_SIZE. Returns 0 without room. */
uint64_t reserve(uint64_t size) {
	static _Atomic uint64_t hint;
	uint64_t start = 0, want = (size + BLOCK_SIZE - 1) / BLOCK_SIZE * BLOCK_SIZE;
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	/* ThreadSanitizer lets programs map memory at 0x7a.., and no other mapping is near. */
	uint64_t first = 0x7a0000000000ull +
		(((uint64_t)getpid() * 2654435761u ^ (uint64_t)t.tv_nsec) & 0x3fff) * 0x4000000ull;
	atomic_compare_exchange_strong(&hint, &start, first);
	start = atomic_fetch_add(&hint, want + 2 * BLOCK_SIZE);
	uint8_t *p = mmap((void *)start, want + BLOCK_SIZE, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED) return 0;
	uint64_t base = ((uint64_t)p + BLOCK_SIZE - 1) & ~(BLOCK_SIZE - 1);
	if (base != (uint64_t)p) munmap(p, base - (uint64_t)p);
	munmap((void *)(base + want), (uint64_t)p + BLOCK_SIZE - base);
	return base;
}

void unreserve(uint64_t base, uint64_t size) {
	munmap((void *)base, (size + BLOCK_SIZE - 1) / BLOCK_SIZE * BLOCK_SIZE);
}

Range *range_add(Range r) {
	Range *n = malloc(sizeof *n);
	if (!n) abort();
	*n = r;
	n->references = 1;
	n->next = ranges;
	return ranges = n;
}

void range_drop(Range *r) {
	Range **at = &ranges;
	while (*at != r) at = &(*at)->next;
	*at = r->next;
	free(r);
}

Range *range_of(uint64_t address, int kinds) {
	for (Range *r = ranges; r; r = r->next)
		if (r->kind & kinds && address >= r->base && address - r->base < r->size) return r;
	return NULL;
}

/* Returns the bytes at a device address, or NULL when the device has no access. */
uint8_t *bytes_at(uint64_t address, size_t n, bool to_write) {
	Range *r = range_of(address, R_MEMORY);
	if (r) {
		bool ok = n <= r->size - (address - r->base) && (to_write ? r->writable : r->readable);
		return ok ? r->real + (address - r->base) : NULL;
	}
	Pin *p = pin_of_device(address, n);
	return p && !(to_write && p->read_only) ? p->real + (address - p->device) : NULL;
}
