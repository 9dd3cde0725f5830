/* goring_geometry.h: what an attacher must check of a superblock (spec section 10,
 * checks 6 to 12) before it believes a single number. */
#ifndef GORING_GEOMETRY_H
#define GORING_GEOMETRY_H
#include "goring.h"

enum gr_fault { /* in the order of the checks */
	GR_OK, GR_TRUNCATED, GR_BYTE_ORDER, GR_FOREIGN, GR_VERSION, GR_CHECKSUM, GR_FEATURE, GR_GEOMETRY,
	GR_SIZE_DIFFERS, GR_RO_FEATURE,
};

static inline uint32_t gr_crc32c(const uint8_t *p, size_t n) {
	uint32_t c = ~0u;
	while (n--) {
		c ^= *p++;
		for (int k = 0; k < 8; k++) c = c >> 1 ^ (0x82f63b78u & -(c & 1));
	}
	return ~c;
}
static inline uint64_t gr_u64(const uint8_t *h, int off) { uint64_t v; memcpy(&v, h + off, 8); return v; }
static inline uint32_t gr_u32(const uint8_t *h, int off) { uint32_t v; memcpy(&v, h + off, 4); return v; }
static inline uint16_t gr_u16(const uint8_t *h, int off) { uint16_t v; memcpy(&v, h + off, 2); return v; }

static inline enum gr_fault gr_identify(const uint8_t *h) {
	const uint8_t *magic = (const uint8_t *)GR_MAGIC;
	uint64_t ours = gr_u64(magic, 0), theirs = gr_u64(h, 0);
	if (theirs == __builtin_bswap64(ours)) return GR_BYTE_ORDER;
	if (theirs != ours) return GR_FOREIGN;
	if (gr_u16(h, GR_OFF_MAJOR) != GR_MAJOR) return GR_VERSION;
	if (gr_crc32c(h, GR_OFF_CRC) != gr_u32(h, GR_OFF_CRC)) return GR_CHECKSUM;
	if (gr_u32(h, GR_OFF_INCOMPAT) & ~(uint32_t)GR_KNOWN_INCOMPAT) return GR_FEATURE;
	return GR_OK;
}
/* n records of stride bytes from off on end within total */
static inline bool gr_area(uint64_t off, uint64_t n, uint64_t stride, uint64_t total, uint64_t *end) {
	uint64_t size;
	return !__builtin_mul_overflow(n, stride, &size) && !__builtin_add_overflow(off, size, end) && *end <= total;
}
/* cells that the consumers of a GPU ring write */
static inline uint64_t gr_done_cells(const gr_ring *r) {
	return r->mode == GR_MODE_QUEUE ? r->slots : r->mode == GR_MODE_BROADCAST ? r->max_consumers : 0;
}
static inline bool gr_gpu_area_fits(const gr_ring *r, uint64_t size) {
	if (!r->gpu) return !r->gpu_off && !size;
	return r->gpu_off % 4096 == 0 && r->gpu_off >= r->info_off + r->info_len && r->gpu_off <= r->header_off &&
	       size >= GR_GPU_OFF_CELLS + GR_GPU_CELL_SIZE * (r->slots + gr_done_cells(r)) && size <= r->header_off - r->gpu_off &&
	       !r->inlined && r->data_stride % GR_GPU_ALIGN == 0;
}
static inline bool gr_areas_fit(const gr_ring *r) {
	uint64_t seats = r->max_producers + r->max_consumers, meta = r->meta_off + r->max_meta, headers_end, data_end;
	if (r->participants_off % GR_PARTICIPANT_SIZE || r->participants_off < GR_SUPERBLOCK_SIZE || r->participants_off > r->total) return false;
	if (r->info_off % 8 || r->info_off < r->participants_off + seats * GR_PARTICIPANT_SIZE || r->info_off > r->total) return false;
	if (r->header_off % 4096 || r->header_off < r->info_off + r->info_len || r->header_off > r->total) return false;
	if (r->header_stride % 64 || r->header_stride < meta || !gr_area(r->header_off, r->slots, r->header_stride, r->total, &headers_end)) return false;
	if (r->in_device) return r->data_stride >= r->bytes && r->data_stride <= UINT64_MAX / r->slots;
	if (r->data_off > r->total || r->data_off < r->header_off) return false;
	if (r->inlined) {
		uint64_t in = r->data_off - r->header_off;
		return in % 16 == 0 && in >= meta && r->data_stride == r->header_stride && in + r->bytes <= r->header_stride;
	}
	return r->data_off % 65536 == 0 && r->data_off >= headers_end && r->data_stride >= r->bytes &&
	       gr_area(r->data_off, r->slots, r->data_stride, r->total, &data_end);
}
/* h is a private copy of the first GR_IMMUTABLE_SIZE bytes, size the length of the file. */
static inline enum gr_fault gr_parse(gr_ring *r, const uint8_t *h, uint64_t size) {
	if (size < GR_SUPERBLOCK_SIZE) return GR_TRUNCATED;
	enum gr_fault fault = gr_identify(h);
	if (fault) return fault;
	memset(r, 0, sizeof *r);
	r->kind = h[GR_OFF_KIND]; r->mode = h[GR_OFF_MODE];
	r->max_meta = gr_u16(h, GR_OFF_MAX_META);
	r->slots = gr_u64(h, GR_OFF_SLOTS); r->bytes = gr_u64(h, GR_OFF_SLOT_BYTES); r->total = gr_u64(h, GR_OFF_TOTAL_SIZE);
	r->header_off = gr_u64(h, GR_OFF_HEADER_OFF); r->header_stride = gr_u64(h, GR_OFF_HEADER_STRIDE);
	r->data_off = gr_u64(h, GR_OFF_DATA_OFF); r->data_stride = gr_u64(h, GR_OFF_DATA_STRIDE);
	r->participants_off = gr_u64(h, GR_OFF_PARTICIPANTS_OFF);
	r->max_producers = gr_u16(h, GR_OFF_MAX_PRODUCERS); r->max_consumers = gr_u16(h, GR_OFF_MAX_CONSUMERS);
	r->info_off = gr_u64(h, GR_OFF_INFO_OFF); r->info_len = gr_u32(h, GR_OFF_INFO_LEN); r->info_crc = gr_u32(h, GR_OFF_INFO_CRC);
	r->meta_off = r->kind == GR_KIND_TENSOR ? GR_SLOT_TENSOR + GR_TENSOR_SIZE : GR_SLOT_HEADER_SIZE;
	r->gpu = gr_u32(h, GR_OFF_INCOMPAT) & GR_INCOMPAT_CUDA;
	r->gpu_off = gr_u64(h, GR_OFF_GPU_OFF);
	r->in_device = r->gpu && r->data_off == 0;
	r->inlined = r->data_off - r->header_off < r->header_stride;
	r->fixed = r->kind == GR_KIND_ARRAY || r->kind == GR_KIND_STRUCT;
	r->stamped = gr_u32(h, GR_OFF_OPTIONS) & GR_OPTION_TIMESTAMPS;
	if (gr_u32(h, GR_OFF_SUPERBLOCK_SIZE) != GR_SUPERBLOCK_SIZE || gr_u32(h, GR_OFF_PARTICIPANT_STRIDE) != GR_PARTICIPANT_SIZE ||
	    r->kind < GR_KIND_BYTES || r->kind > GR_KIND_TENSOR || r->mode < GR_MODE_QUEUE || r->mode > GR_MODE_OVERWRITE ||
	    r->max_meta % 16 || r->slots < 2 || r->slots > GR_MAX_SLOTS || r->bytes < 1 || r->bytes > GR_MAX_SLOT_BYTES ||
	    r->total >> 62 || r->total % 4096 || !r->max_producers || (r->max_producers > 1 && r->mode != GR_MODE_QUEUE) || !r->max_consumers ||
	    r->max_producers + r->max_consumers > GR_MAX_PARTICIPANTS || !r->info_len || r->info_len > GR_MAX_INFO ||
	    !gr_areas_fit(r) || !gr_gpu_area_fits(r, gr_u64(h, GR_OFF_GPU_SIZE)))
		return GR_GEOMETRY;
	if (r->total != size) return GR_SIZE_DIFFERS;
	if (gr_u32(h, GR_OFF_RO_COMPAT) & ~(uint32_t)GR_KNOWN_RO_COMPAT) return GR_RO_FEATURE;
	return GR_OK;
}
static inline bool gr_can_mirror(const gr_ring *r, uint64_t page) {
	return !r->inlined && !r->in_device && r->slots * r->data_stride % page == 0 && r->data_off % page == 0;
}
/* binds checked geometry to memory: control is the segment from its start, payload the
 * payload area of a separate ring, mapped twice in a row when mirror is set; NULL in device memory */
static inline void gr_bind(gr_ring *r, uint8_t *control, uint8_t *payload, bool mirror) {
	r->control = control;
	r->headers = control + r->header_off;
	r->payload = r->inlined ? control + r->data_off : payload;
	r->mirror = mirror;
}
#endif
