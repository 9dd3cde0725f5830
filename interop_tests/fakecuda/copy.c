/* copy.c: copies, fills, and values in memory that streams write and wait for.
 *
 * Pageable sources are staged at the call and pageable targets block, as documented; pinned memory
 * is read and written when the stream runs the copy. */
#include "fakecuda.h"

/* End is the source or the target of a copy. */
typedef struct {
	uint8_t *bytes;
	Pin *pin;
	bool device, pageable;
} End;

static End device_end(uint64_t p, size_t n, bool to_write) {
	return (End){.bytes = bytes_at(p, n, to_write), .pin = pin_of_device(p, n), .device = true};
}

static End host_end(const void *p, size_t n) {
	Pin *pin = pin_of_host(p, n);
	if (pin) return (End){.bytes = pin->real + ((uint8_t *)p - pin->host), .pin = pin};
	return (End){.bytes = (uint8_t *)p, .pageable = true};
}

/* Returns the end at an address, which unified addressing tells to be the host's or a device's. */
static End any_end(uint64_t p, size_t n, bool to_write) {
	if (range_of(p, R_MEMORY | R_RESERVED) || pin_of_device(p, 1))
		return device_end(p, n, to_write);
	return host_end((void *)p, n);
}

static void count_copy(End to, End from, size_t n) {
	bool to_device = to.device && !to.pin, from_device = from.device && !from.pin;
	if (to_device)
		count(from_device ? "bytes DtoD" : "bytes HtoD", n);
	else
		count(from_device ? "bytes DtoH" : "bytes HtoH", n);
}

/* Queues a copy. The caller holds `world` (stream_lock); the function unlocks it. */
static CUresult copy(Stream *s, End to, End from, size_t n, bool block) {
	if (!to.bytes || !from.bytes) {
		pthread_mutex_unlock(&world);
		return CUDA_ERROR_INVALID_VALUE;
	}
	Op o = {.kind = OP_COPY,
		.dst = to.bytes,
		.src = from.bytes,
		.n = n,
		.source = from.pin,
		.target = to.pin};
	if (from.pageable && !(o.stage = malloc(n))) abort();
	if (from.pageable) memcpy(o.stage, from.bytes, n);
	count_copy(to, from, n);
	uint64_t seq = stream_put(s, o);
	pthread_mutex_unlock(&world);
	if (!block && !to.pageable) return CUDA_SUCCESS;
	stream_until(s, seq);
	return device_error();
}

#define COPY(stream, to, from, n, block)                                                           \
	do {                                                                                           \
		if (!(n)) return CUDA_SUCCESS;                                                             \
		Stream *s_ = stream_lock(stream);                                                          \
		if (!s_) return CUDA_ERROR_INVALID_HANDLE;                                                 \
		return copy(s_, to, from, n, block);                                                       \
	} while (0)

API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr d, const void *h, size_t n, CUstream s) {
	ENTER(NEEDS_CONTEXT);
	COPY(s, device_end(d, n, true), host_end(h, n), n, false);
}

API CUresult cuMemcpyDtoHAsync_v2(void *h, CUdeviceptr d, size_t n, CUstream s) {
	ENTER(NEEDS_CONTEXT);
	COPY(s, host_end(h, n), device_end(d, n, false), n, false);
}

API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t n, CUstream s) {
	ENTER(NEEDS_CONTEXT);
	COPY(s, device_end(to, n, true), device_end(from, n, false), n, false);
}

API CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t n, CUstream s) {
	ENTER(NEEDS_CONTEXT);
	COPY(s, any_end(to, n, true), any_end(from, n, false), n, false);
}

API CUresult cuMemcpyHtoD_v2(CUdeviceptr d, const void *h, size_t n) {
	ENTER(NEEDS_CONTEXT);
	COPY(NULL, device_end(d, n, true), host_end(h, n), n, true);
}

API CUresult cuMemcpyDtoH_v2(void *h, CUdeviceptr d, size_t n) {
	ENTER(NEEDS_CONTEXT);
	COPY(NULL, host_end(h, n), device_end(d, n, false), n, true);
}

/* Does not wait for the copy: neither does the driver between device memory. */
API CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t n) {
	ENTER(NEEDS_CONTEXT);
	COPY(NULL, device_end(to, n, true), device_end(from, n, false), n, false);
}

static CUresult set(CUstream stream, CUdeviceptr d, unsigned char v, size_t n) {
	if (!n) return CUDA_SUCCESS;
	Stream *s = stream_lock(stream);
	if (!s) return CUDA_ERROR_INVALID_HANDLE;
	End to = device_end(d, n, true);
	if (to.bytes) {
		count("bytes set", n);
		stream_put(s, (Op){.kind = OP_SET, .dst = to.bytes, .value = v, .n = n, .target = to.pin});
	}
	pthread_mutex_unlock(&world);
	return to.bytes ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

API CUresult cuMemsetD8Async(CUdeviceptr d, unsigned char v, size_t n, CUstream s) {
	ENTER(NEEDS_CONTEXT);
	return set(s, d, v, n);
}

API CUresult cuMemsetD8_v2(CUdeviceptr d, unsigned char v, size_t n) {
	ENTER(NEEDS_CONTEXT);
	return set(NULL, d, v, n);
}

static CUresult value_op(CUstream stream, CUdeviceptr d, Op o, size_t size) {
	if (d % size) return CUDA_ERROR_INVALID_VALUE;
	Stream *s = stream_lock(stream);
	if (!s) return CUDA_ERROR_INVALID_HANDLE;
	bool writes = o.kind == OP_WRITE64 || o.kind == OP_WRITE32;
	End cell = device_end(d, size, writes);
	if (cell.bytes) {
		o.dst = cell.bytes;
		o.n = size;
		if (writes) o.target = cell.pin;
		stream_put(s, o);
	}
	pthread_mutex_unlock(&world);
	return cell.bytes ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

API CUresult cuStreamWriteValue64_v2(CUstream s, CUdeviceptr d, cuuint64_t v, unsigned flags) {
	ENTER(NEEDS_CONTEXT);
	if (flags) return CUDA_ERROR_INVALID_VALUE;
	return value_op(s, d, (Op){.kind = OP_WRITE64, .value = v}, 8);
}

API CUresult cuStreamWaitValue64_v2(CUstream s, CUdeviceptr d, cuuint64_t v, unsigned flags) {
	ENTER(NEEDS_CONTEXT);
	if (flags > CU_STREAM_WAIT_VALUE_AND) return CUDA_ERROR_INVALID_VALUE;
	return value_op(s, d, (Op){.kind = OP_WAIT64, .value = v, .flags = flags}, 8);
}

API CUresult cuStreamWriteValue32_v2(CUstream s, CUdeviceptr d, cuuint32_t v, unsigned flags) {
	ENTER(NEEDS_CONTEXT);
	if (flags) return CUDA_ERROR_INVALID_VALUE;
	return value_op(s, d, (Op){.kind = OP_WRITE32, .value = v}, 4);
}

API CUresult cuStreamWaitValue32_v2(CUstream s, CUdeviceptr d, cuuint32_t v, unsigned flags) {
	ENTER(NEEDS_CONTEXT);
	if (flags > CU_STREAM_WAIT_VALUE_AND) return CUDA_ERROR_INVALID_VALUE;
	return value_op(s, d, (Op){.kind = OP_WAIT32, .value = v, .flags = flags}, 4);
}

API CUresult cuLaunchHostFunc(CUstream stream, CUhostFn fn, void *argument) {
	ENTER(NEEDS_CONTEXT);
	if (!fn) return CUDA_ERROR_INVALID_VALUE;
	Stream *s = stream_lock(stream);
	if (!s) return CUDA_ERROR_INVALID_HANDLE;
	stream_put(s, (Op){.kind = OP_HOST, .fn = fn, .argument = argument});
	pthread_mutex_unlock(&world);
	return CUDA_SUCCESS;
}
