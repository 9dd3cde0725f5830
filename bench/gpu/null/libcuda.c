/* libcuda.c: a driver with calls that cost nothing, which leaves the ring's own cost. A stream does
 * its work at once; "device memory" is the host's. */
#include <stdlib.h>
#include <string.h>

#include "../../../internal/cudadrv/gpu.h"

static int context;

int cuInit(unsigned flags) { return (void)flags, 0; }

int cuDriverGetVersion(int *v) { return *v = 12090, 0; }

int cuGetErrorName(int e, const char **s) { return (void)e, *s = "CUDA_ERROR", 0; }

int cuGetErrorString(int e, const char **s) { return (void)e, *s = "an error", 0; }

int cuDeviceGetCount(int *n) { return *n = 1, 0; }

int cuDeviceGet(int *d, int i) { return *d = i, 0; }

int cuDeviceGetName(char *s, int n, int d) {
	return (void)d, strncpy(s, "null (no GPU)", (size_t)n), 0;
}

int cuDeviceGetUuid_v2(gr_uuid *u, int d) { return (void)d, memset(u, 0, sizeof *u), 0; }

int cuDevicePrimaryCtxRetain(void **c, int d) { return (void)d, *c = &context, 0; }

int cuDevicePrimaryCtxRelease_v2(int d) { return (void)d, 0; }

int cuCtxPushCurrent_v2(void *c) { return (void)c, 0; }

int cuCtxPopCurrent_v2(void **c) { return *c = &context, 0; }

int cuMemGetInfo_v2(size_t *u, size_t *t) { return *u = *t = 1ull << 40, 0; }

int cuMemAlloc_v2(gr_deviceptr *p, size_t n) {
	return *p = (gr_deviceptr)aligned_alloc(512, n), !*p;
}

int cuMemFree_v2(gr_deviceptr p) { return free((void *)p), 0; }

int cuMemsetD8_v2(gr_deviceptr p, unsigned char v, size_t n) { return memset((void *)p, v, n), 0; }

int cuMemGetAddressRange_v2(gr_deviceptr *b, size_t *n, gr_deviceptr p) {
	return *b = p, *n = SIZE_MAX, 0;
}

int cuPointerGetAttribute(void *v, int a, gr_deviceptr p) { return (void)v, (void)a, (void)p, 1; }

int cuMemHostRegister_v2(void *p, size_t n, unsigned f) { return (void)p, (void)n, (void)f, 0; }

int cuMemHostUnregister(void *p) { return (void)p, 0; }

int cuMemHostGetDevicePointer_v2(gr_deviceptr *d, void *p, unsigned f) {
	return (void)f, *d = (gr_deviceptr)p, 0;
}

int cuIpcGetMemHandle(gr_ipc *h, gr_deviceptr p) { return memcpy(h, &p, sizeof p), 0; }

int cuIpcOpenMemHandle_v2(gr_deviceptr *p, gr_ipc h, unsigned f) {
	return (void)f, memcpy(p, &h, sizeof *p), 0;
}

int cuIpcCloseMemHandle(gr_deviceptr p) { return (void)p, 0; }

int cuStreamCreate(gr_stream *s, unsigned f) { return (void)f, *s = &context, 0; }

int cuStreamDestroy_v2(gr_stream s) { return (void)s, 0; }

int cuStreamSynchronize(gr_stream s) { return (void)s, 0; }

int cuStreamWaitEvent(gr_stream s, void *e, unsigned f) { return (void)s, (void)e, (void)f, 0; }

int cuEventCreate(void **e, unsigned f) { return (void)f, *e = &context, 0; }

int cuEventRecord(void *e, gr_stream s) { return (void)e, (void)s, 0; }

int cuEventDestroy_v2(void *e) { return (void)e, 0; }

int cuMemcpyAsync(gr_deviceptr to, gr_deviceptr from, size_t n, gr_stream s) {
	return (void)s, memcpy((void *)to, (void *)from, n), 0;
}

int cuMemcpyHtoDAsync_v2(gr_deviceptr to, const void *from, size_t n, gr_stream s) {
	return (void)s, memcpy((void *)to, from, n), 0;
}

int cuMemcpyDtoHAsync_v2(void *to, gr_deviceptr from, size_t n, gr_stream s) {
	return (void)s, memcpy(to, (void *)from, n), 0;
}

int cuMemcpyDtoDAsync_v2(gr_deviceptr to, gr_deviceptr from, size_t n, gr_stream s) {
	return (void)s, memcpy((void *)to, (void *)from, n), 0;
}

int cuStreamWriteValue64_v2(gr_stream s, gr_deviceptr p, uint64_t v, unsigned f) {
	(void)s, (void)f;
	atomic_store_explicit((_Atomic uint64_t *)p, v, memory_order_release);
	return 0;
}

int cuStreamWaitValue64_v2(gr_stream s, gr_deviceptr p, uint64_t v, unsigned f) {
	return (void)s, (void)p, (void)v, (void)f, 0;
}
