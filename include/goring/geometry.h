/* geometry.h: the checks of a superblock (spec section 10, checks 6 to 12), which an attacher makes
 * before it uses a single number. */
#ifndef GORING_GEOMETRY_H
#define GORING_GEOMETRY_H
#include "cells.h"

/* gr_refusal is why a segment is no ring that can be joined, in the order of the checks. */
enum gr_refusal {
	GR_ERR_NONE = 0,
	GR_ERR_TRUNCATED,
	GR_ERR_BYTE_ORDER,
	GR_ERR_FOREIGN,
	GR_ERR_VERSION,
	GR_ERR_CHECKSUM,
	GR_ERR_FEATURE,
	GR_ERR_GEOMETRY,
	GR_ERR_SIZE_DIFFERS,
	GR_ERR_RO_FEATURE,
};

/* Returns the CRC32C (Castagnoli) of n bytes. */
static inline uint32_t gr_crc32c(const uint8_t *p, size_t n) {
	uint32_t c = ~0u;
	while (n--) {
		c ^= *p++;
		for (int k = 0; k < 8; k++) c = c >> 1 ^ (0x82f63b78u & -(c & 1));
	}
	return ~c;
}

static inline uint64_t gr_u64(const uint8_t *h, int off) {
	uint64_t v;
	memcpy(&v, h + off, 8);
	return v;
}

static inline uint32_t gr_u32(const uint8_t *h, int off) {
	uint32_t v;
	memcpy(&v, h + off, 4);
	return v;
}

static inline uint16_t gr_u16(const uint8_t *h, int off) {
	uint16_t v;
	memcpy(&v, h + off, 2);
	return v;
}

/* Checks that the bytes are a superblock of a known version with known features. */
static inline enum gr_refusal gr_identify(const uint8_t *h) {
	const uint8_t *magic = (const uint8_t *)GR_MAGIC;
	uint64_t ours = gr_u64(magic, 0), theirs = gr_u64(h, 0);
	if (theirs == __builtin_bswap64(ours)) return GR_ERR_BYTE_ORDER;
	if (theirs != ours) return GR_ERR_FOREIGN;
	if (gr_u16(h, GR_OFF_MAJOR) != GR_MAJOR) return GR_ERR_VERSION;
	if (gr_crc32c(h, GR_OFF_CRC) != gr_u32(h, GR_OFF_CRC)) return GR_ERR_CHECKSUM;
	if (gr_u32(h, GR_OFF_INCOMPAT) & ~(uint32_t)GR_KNOWN_INCOMPAT) return GR_ERR_FEATURE;
	return GR_ERR_NONE;
}

/* Reports whether n records of stride bytes from off on end within total, at *end. */
static inline bool gr_area(
	uint64_t off, uint64_t n, uint64_t stride, uint64_t total, uint64_t *end) {
	uint64_t size;
	return !__builtin_mul_overflow(n, stride, &size) && !__builtin_add_overflow(off, size, end) &&
		*end <= total;
}

/* Checks the GPU area, which takes size bytes. */
static inline bool gr_gpu_area_fits(const gr_ring *r, uint64_t size) {
	if (!r->gpu) return !r->gpu_off && !size;
	return r->gpu_off % 4096 == 0 && r->gpu_off >= r->info_off + r->info_len &&
		r->gpu_off <= r->header_off &&
		size >= GR_GPU_OFF_CELLS + GR_GPU_CELL_SIZE * (r->slots + gr_done_cells(r)) &&
		size <= r->header_off - r->gpu_off && !r->inlined && r->data_stride % GR_GPU_ALIGN == 0;
}

/* Checks the order, the alignment and the ends of the other areas. */
static inline bool gr_areas_fit(const gr_ring *r) {
	uint64_t seats = r->max_producers + r->max_consumers, meta = r->meta_off + r->max_meta,
			 headers_end, data_end;
	if (r->participants_off % GR_PARTICIPANT_SIZE || r->participants_off < GR_SUPERBLOCK_SIZE ||
		r->participants_off > r->total)
		return false;
	if (r->info_off % 8 || r->info_off < r->participants_off + seats * GR_PARTICIPANT_SIZE ||
		r->info_off > r->total)
		return false;
	if (r->header_off % 4096 || r->header_off < r->info_off + r->info_len ||
		r->header_off > r->total)
		return false;
	if (r->header_stride % 64 || r->header_stride < meta ||
		!gr_area(r->header_off, r->slots, r->header_stride, r->total, &headers_end))
		return false;
	if (r->in_device) return r->data_stride >= r->bytes && r->data_stride <= UINT64_MAX / r->slots;
	if (r->data_off > r->total || r->data_off < r->header_off) return false;
	if (r->inlined) {
		uint64_t in = r->data_off - r->header_off;
		return in % 16 == 0 && in >= meta && r->data_stride == r->header_stride &&
			in + r->bytes <= r->header_stride;
	}
	return r->data_off % 65536 == 0 && r->data_off >= headers_end && r->data_stride >= r->bytes &&
		gr_area(r->data_off, r->slots, r->data_stride, r->total, &data_end);
}

/* Checks and decodes a superblock. h is a private copy of the first GR_IMMUTABLE_SIZE bytes, size
 * the length of the file. */
static inline enum gr_refusal gr_parse(gr_ring *r, const uint8_t *h, uint64_t size) {
	if (size < GR_SUPERBLOCK_SIZE) return GR_ERR_TRUNCATED;
	enum gr_refusal fault = gr_identify(h);
	if (fault) return fault;
	memset(r, 0, sizeof *r);
	r->kind = h[GR_OFF_KIND];
	r->mode = h[GR_OFF_MODE];
	r->max_meta = gr_u16(h, GR_OFF_MAX_META);
	r->slots = gr_u64(h, GR_OFF_SLOTS);
	r->bytes = gr_u64(h, GR_OFF_SLOT_BYTES);
	r->total = gr_u64(h, GR_OFF_TOTAL_SIZE);
	r->header_off = gr_u64(h, GR_OFF_HEADER_OFF);
	r->header_stride = gr_u64(h, GR_OFF_HEADER_STRIDE);
	r->data_off = gr_u64(h, GR_OFF_DATA_OFF);
	r->data_stride = gr_u64(h, GR_OFF_DATA_STRIDE);
	r->participants_off = gr_u64(h, GR_OFF_PARTICIPANTS_OFF);
	r->max_producers = gr_u16(h, GR_OFF_MAX_PRODUCERS);
	r->max_consumers = gr_u16(h, GR_OFF_MAX_CONSUMERS);
	r->info_off = gr_u64(h, GR_OFF_INFO_OFF);
	r->info_len = gr_u32(h, GR_OFF_INFO_LEN);
	r->info_crc = gr_u32(h, GR_OFF_INFO_CRC);
	r->meta_off = r->kind == GR_KIND_TENSOR ? GR_SLOT_TENSOR + GR_TENSOR_SIZE : GR_SLOT_HEADER_SIZE;
	r->gpu = gr_u32(h, GR_OFF_INCOMPAT) & GR_INCOMPAT_CUDA;
	r->gpu_off = gr_u64(h, GR_OFF_GPU_OFF);
	r->in_device = r->gpu && r->data_off == 0;
	r->inlined = r->data_off - r->header_off < r->header_stride;
	r->fixed = r->kind == GR_KIND_ARRAY || r->kind == GR_KIND_STRUCT;
	r->timestamps = gr_u32(h, GR_OFF_OPTIONS) & GR_OPTION_TIMESTAMPS;
	if (gr_u32(h, GR_OFF_SUPERBLOCK_SIZE) != GR_SUPERBLOCK_SIZE ||
		gr_u32(h, GR_OFF_PARTICIPANT_STRIDE) != GR_PARTICIPANT_SIZE || r->kind < GR_KIND_BYTES ||
		r->kind > GR_KIND_TENSOR || r->mode < GR_MODE_QUEUE || r->mode > GR_MODE_OVERWRITE ||
		r->max_meta % 16 || r->slots < 2 || r->slots > GR_MAX_SLOTS || r->bytes < 1 ||
		r->bytes > GR_MAX_SLOT_BYTES || r->total >> 62 || r->total % 4096 || !r->max_producers ||
		(r->max_producers > 1 && r->mode != GR_MODE_QUEUE) || !r->max_consumers ||
		r->max_producers + r->max_consumers > GR_MAX_PARTICIPANTS || !r->info_len ||
		r->info_len > GR_MAX_INFO || !gr_areas_fit(r) ||
		!gr_gpu_area_fits(r, gr_u64(h, GR_OFF_GPU_SIZE)))
		return GR_ERR_GEOMETRY;
	if (r->total != size) return GR_ERR_SIZE_DIFFERS;
	if (gr_u32(h, GR_OFF_RO_COMPAT) & ~(uint32_t)GR_KNOWN_RO_COMPAT) return GR_ERR_RO_FEATURE;
	return GR_ERR_NONE;
}

/* Reports whether the payload can be mapped twice in a row. */
static inline bool gr_can_mirror(const gr_ring *r, uint64_t page) {
	return !r->inlined && !r->in_device && r->slots * r->data_stride % page == 0 &&
		r->data_off % page == 0;
}

/* Binds checked geometry to memory: control is the segment from its start, payload the payload area
 * of a separate ring, mapped twice in a row when mirror is set, or NULL when it is in device
 * memory. */
static inline void gr_bind(gr_ring *r, uint8_t *control, uint8_t *payload, bool mirror) {
	r->control = control;
	r->headers = control + r->header_off;
	r->payload = r->inlined ? control + r->data_off : payload;
	r->mirror = mirror;
}
#endif
