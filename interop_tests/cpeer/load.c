/* load.c: makes the messages of the stress, byte for byte as gopeer/load.go makes them. */
#include "peer.h"

enum { HEAD = 12, PATTERN = 1 << 17 };

static uint8_t pattern[PATTERN];
static uint32_t crc_table[256];

uint64_t mix(uint64_t x) {
	x *= 0x9e3779b97f4a7c15u;
	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9u;
	return x ^ x >> 32;
}

static void prepare(void) {
	if (crc_table[1]) return;
	for (uint64_t i = 0; i < PATTERN / 8; i++) memcpy(pattern + 8 * i, &(uint64_t){mix(i)}, 8);
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;
		for (int k = 0; k < 8; k++) c = c >> 1 ^ (0xedb88320u & -(c & 1));
		crc_table[i] = c;
	}
}

static uint32_t crc32_of(uint32_t crc, const uint8_t *b, uint64_t n) {
	for (crc = ~crc; n; n--, b++) crc = crc >> 8 ^ crc_table[(crc ^ *b) & 0xff];
	return ~crc;
}

static uint64_t body(uint64_t id, uint64_t room, const uint8_t **at) {
	uint64_t h = mix(id);
	*at = pattern + (h >> 32 & 0xffff);
	return (h & 0xffffffff) % (room - HEAD + 1);
}

static uint64_t make_bytes(const gr_ring *r, uint8_t *b, uint64_t id) {
	const uint8_t *from;
	uint64_t n = body(id, r->bytes, &from);
	memcpy(b, &id, 8);
	memcpy(b + HEAD, from, n);
	uint32_t crc = crc32_of(crc32_of(0, b, 8), b + HEAD, n);
	memcpy(b + 8, &crc, 4);
	return HEAD + n;
}

static bool good_bytes(const gr_ring *r, const uint8_t *b, uint64_t len) {
	const uint8_t *from;
	if (len < HEAD || len != HEAD + body(gr_u64(b, 0), r->bytes, &from)) return false;
	return gr_u32(b, 8) == crc32_of(crc32_of(0, b, 8), b + HEAD, len - HEAD);
}

static uint64_t make_item(const gr_ring *r, uint8_t *b, uint64_t id) {
	uint64_t check = id, last = r->bytes / 8 - 1;
	memcpy(b, &id, 8);
	for (uint64_t j = 1; j < last; j++) {
		uint64_t w = mix(id + j);
		memcpy(b + 8 * j, &w, 8);
		check += (2 * j + 1) * w;
	}
	memcpy(b + 8 * last, &check, 8);
	return r->bytes;
}

static bool good_item(const gr_ring *r, const uint8_t *b) {
	uint64_t id = gr_u64(b, 0), check = id, last = r->bytes / 8 - 1;
	for (uint64_t j = 1; j < last; j++) {
		uint64_t w = gr_u64(b, (int)(8 * j));
		if (w != mix(id + j)) return false;
		check += (2 * j + 1) * w;
	}
	return gr_u64(b, (int)(8 * last)) == check;
}

uint64_t make_message(const gr_ring *r, uint8_t *b, uint64_t id) {
	prepare();
	return r->fixed ? make_item(r, b, id) : make_bytes(r, b, id);
}

bool good_message(const gr_ring *r, const uint8_t *b, uint64_t len) {
	prepare();
	return r->fixed ? good_item(r, b) : good_bytes(r, b, len);
}
