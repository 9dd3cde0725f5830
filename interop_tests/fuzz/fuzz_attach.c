/* fuzz_attach.c: puts any superblock, with its checksum made right, through the checks of an
 * attacher. An accepted ring must lie within the file. */
#include "ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	uint8_t head[GR_IMMUTABLE_SIZE] = {0};
	uint64_t file = GR_SUPERBLOCK_SIZE;
	if (size < 9) return 0;
	memcpy(&file, data + 1, 8);
	memcpy(head, data + 9, size - 9 < sizeof head ? size - 9 : sizeof head);
	if (data[0] & 1) { /* The magic, the version and the checksum are right. */
		memcpy(head, GR_MAGIC, 8);
		memset(head + GR_OFF_MAJOR, 0, 4);
		head[GR_OFF_MAJOR] = GR_MAJOR;
		uint32_t crc = gr_crc32c(head, GR_OFF_CRC);
		memcpy(head + GR_OFF_CRC, &crc, 4);
	}
	if (data[0] & 2) memcpy(&file, head + GR_OFF_TOTAL_SIZE, 8);
	gr_ring r;
	if (gr_parse(&r, head, file) != GR_ERR_NONE) return 0;
	uint64_t headers = r.header_off + r.slots * r.header_stride,
			 payload = r.data_off + (r.slots - 1) * r.data_stride + r.bytes;
	uint64_t seats = r.participants_off +
		(uint64_t)(r.max_producers + r.max_consumers) * GR_PARTICIPANT_SIZE;
	if (r.slots < 2 || headers > file || payload > file || seats > file ||
		r.info_off + r.info_len > file)
		__builtin_trap();
	return 0;
}
