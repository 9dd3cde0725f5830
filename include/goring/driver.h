/* driver.h: the part of the CUDA driver that GPU rings need. It is found with dlopen: no package
 * has a stub to link, so types and functions are declared here. A test holds them against NVIDIA's
 * cuda.h. */
#ifndef GORING_DRIVER_H
#define GORING_DRIVER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t gr_deviceptr;                   /* CUdeviceptr */
typedef void *gr_stream, *gr_context, *gr_event; /* CUstream, CUcontext, CUevent */
typedef int gr_result, gr_pointer_attribute;     /* enums of the driver */

/* gr_gpu_error are errors beside the driver's, which are positive. */
enum gr_gpu_error {
	GR_GPU_OK = 0,
	GR_GPU_VOIDED = -1,  /* The producer died before the payload had arrived. */
	GR_GPU_LIBRARY = -2, /* There is no driver. */
	GR_GPU_SYMBOL = -3,  /* The driver lacks a function that is needed. */
	GR_GPU_FORKED = -4,  /* The process is a child of one that had loaded the driver. */
	GR_GPU_SMALLER = -5, /* A handle opened less memory than the ring says it has. */
	GR_GPU_SYSTEM = -6,  /* errno has the cause. */
	GR_GPU_MEMOPS = -7,  /* Streams cannot write and wait for values in registered memory. */
};

/* The functions of the driver that rings need: X(member, exported name, parameters). They are
 * declared here because no package has a stub to link. A test holds them against NVIDIA's cuda.h.
 * */
#define GR_CUDA_FUNCTIONS(X)                                                                       \
	X(init, cuInit, (unsigned flags))                                                              \
	X(driver_version, cuDriverGetVersion, (int *version))                                          \
	X(error_name, cuGetErrorName, (gr_result error, const char **name))                            \
	X(error_string, cuGetErrorString, (gr_result error, const char **text))                        \
	X(device_count, cuDeviceGetCount, (int *n))                                                    \
	X(device_get, cuDeviceGet, (int *device, int ordinal))                                         \
	X(device_name, cuDeviceGetName, (char *name, int n, int device))                               \
	X(device_uuid, cuDeviceGetUuid_v2, (gr_uuid * uuid, int device))                               \
	X(primary_retain, cuDevicePrimaryCtxRetain, (gr_context * context, int device))                \
	X(primary_release, cuDevicePrimaryCtxRelease_v2, (int device))                                 \
	X(push, cuCtxPushCurrent_v2, (gr_context context))                                             \
	X(pop, cuCtxPopCurrent_v2, (gr_context * context))                                             \
	X(mem_info, cuMemGetInfo_v2, (size_t *unused, size_t *total))                                  \
	X(alloc, cuMemAlloc_v2, (gr_deviceptr * p, size_t n))                                          \
	X(free, cuMemFree_v2, (gr_deviceptr p))                                                        \
	X(memset8, cuMemsetD8_v2, (gr_deviceptr p, unsigned char value, size_t n))                     \
	X(address_range, cuMemGetAddressRange_v2, (gr_deviceptr * base, size_t *n, gr_deviceptr p))    \
	X(pointer_attribute, cuPointerGetAttribute,                                                    \
		(void *value, gr_pointer_attribute attribute, gr_deviceptr p))                             \
	X(host_register, cuMemHostRegister_v2, (void *p, size_t n, unsigned flags))                    \
	X(host_unregister, cuMemHostUnregister, (void *p))                                             \
	X(host_pointer, cuMemHostGetDevicePointer_v2,                                                  \
		(gr_deviceptr * device, void *p, unsigned flags))                                          \
	X(ipc_get, cuIpcGetMemHandle, (gr_ipc * handle, gr_deviceptr p))                               \
	X(ipc_open, cuIpcOpenMemHandle_v2, (gr_deviceptr * p, gr_ipc handle, unsigned flags))          \
	X(ipc_close, cuIpcCloseMemHandle, (gr_deviceptr p))                                            \
	X(stream_create, cuStreamCreate, (gr_stream * s, unsigned flags))                              \
	X(stream_destroy, cuStreamDestroy_v2, (gr_stream s))                                           \
	X(stream_synchronize, cuStreamSynchronize, (gr_stream s))                                      \
	X(stream_wait_event, cuStreamWaitEvent, (gr_stream s, gr_event event, unsigned flags))         \
	X(event_create, cuEventCreate, (gr_event * event, unsigned flags))                             \
	X(event_record, cuEventRecord, (gr_event event, gr_stream s))                                  \
	X(event_destroy, cuEventDestroy_v2, (gr_event event))                                          \
	X(copy, cuMemcpyAsync, (gr_deviceptr to, gr_deviceptr from, size_t n, gr_stream s))            \
	X(copy_in, cuMemcpyHtoDAsync_v2, (gr_deviceptr to, const void *from, size_t n, gr_stream s))   \
	X(copy_out, cuMemcpyDtoHAsync_v2, (void *to, gr_deviceptr from, size_t n, gr_stream s))        \
	X(copy_device, cuMemcpyDtoDAsync_v2,                                                           \
		(gr_deviceptr to, gr_deviceptr from, size_t n, gr_stream s))                               \
	X(write64, cuStreamWriteValue64_v2,                                                            \
		(gr_stream s, gr_deviceptr p, uint64_t value, unsigned flags))                             \
	X(wait64, cuStreamWaitValue64_v2, (gr_stream s, gr_deviceptr p, uint64_t value, unsigned flags))

typedef struct {
	unsigned char bytes[16];
} gr_uuid; /* CUuuid */

typedef struct {
	unsigned char bytes[64];
} gr_ipc; /* CUipcMemHandle */

typedef struct {
#define GR_CUDA_MEMBER(member, name, parameters) int(*member) parameters;
	GR_CUDA_FUNCTIONS(GR_CUDA_MEMBER)
#undef GR_CUDA_MEMBER
} gr_cuda;

enum {
	GR_CUDA_WAIT_GEQ = 0,
	GR_CUDA_POINTER_MEMORY_TYPE = 2,
	GR_CUDA_POINTER_DEVICE = 9,
	GR_CUDA_MEMORY_HOST = 1,
	GR_CUDA_NO_TIMING = 2
};

/* Sticky errors of the driver: every later call of the process fails, and no work that was enqueued
 * is done. A test holds the numbers against NVIDIA's cuda.h. */
#define GR_CUDA_STICKY(X)                                                                          \
	X(ECC_UNCORRECTABLE, 214)                                                                      \
	X(NVLINK_UNCORRECTABLE, 220)                                                                   \
	X(ILLEGAL_ADDRESS, 700)                                                                        \
	X(LAUNCH_TIMEOUT, 702)                                                                         \
	X(CONTEXT_IS_DESTROYED, 709)                                                                   \
	X(ASSERT, 710)                                                                                 \
	X(HARDWARE_STACK_ERROR, 714)                                                                   \
	X(ILLEGAL_INSTRUCTION, 715)                                                                    \
	X(MISALIGNED_ADDRESS, 716)                                                                     \
	X(INVALID_ADDRESS_SPACE, 717)                                                                  \
	X(INVALID_PC, 718)                                                                             \
	X(LAUNCH_FAILED, 719)

/* Reports whether an error is sticky. */
static inline bool gr_gpu_sticky(int error) {
	switch (error) {
#define GR_CUDA_CASE(name, code) case code:
		GR_CUDA_STICKY(GR_CUDA_CASE)
#undef GR_CUDA_CASE
		return true;
	default: return false;
	}
}
#endif
