/* ring.h: makes rings in heap memory, where the sanitizers see bounds and races. */
#ifndef FUZZ_RING_H
#define FUZZ_RING_H
#include <stdlib.h>

#include "goring/attach.h"

/* queue 1 to 1, queue 2 to 2 with metadata, separate items, tensors to 2, broadcast, overwrite */
enum { SHAPES = 6 };

/* Makes an empty ring in memory of its exact size; ring_free frees it. */
static inline gr_ring ring_make(int shape, uint64_t slots) {
	bool tensor = shape == 3 || shape == 5, many = shape == 1;
	gr_ring r = {
		.slots = slots,
		.bytes = tensor ? 64 : 40,
		.max_meta = many ? 16 : 0,
		.inlined = shape != 2,
		.fixed = shape == 2,
		.meta_off = tensor ? 112 : 32,
		.max_producers = many ? 2 : 1,
		.max_consumers = shape == 1 || shape >= 3 ? 2 : 1,
		.kind = tensor   ? GR_KIND_TENSOR
			: shape == 2 ? GR_KIND_ARRAY
						 : GR_KIND_BYTES,
		.mode = shape == 4 ? GR_MODE_BROADCAST
			: shape == 5   ? GR_MODE_OVERWRITE
						   : GR_MODE_QUEUE,
		.participants_off = GR_SUPERBLOCK_SIZE,
		.header_off = 8192,
	};
	uint64_t in = r.meta_off + r.max_meta;
	r.header_stride = r.inlined ? (in + r.bytes + 63) / 64 * 64 : 64;
	r.data_stride = r.inlined ? r.header_stride : r.bytes;
	r.total = r.header_off + slots * r.header_stride;
	r.control = aligned_alloc(64, r.total);
	memset(r.control, 0, r.total);
	r.headers = r.control + r.header_off;
	r.payload = r.inlined ? r.headers + in : calloc(slots, r.data_stride);
	return r;
}

static inline void ring_free(gr_ring *r) {
	if (!r->inlined) free(r->payload);
	free(r->control);
}
#endif
