/* header.c: compiles only when our declarations of the driver's functions are NVIDIA's. */
#include <cuda.h>

#include "goring/driver.h"

/* Our names of the types mean NVIDIA's from here on. */
#define gr_deviceptr CUdeviceptr
#define gr_stream CUstream
#define gr_context CUcontext
#define gr_event CUevent
#define gr_result CUresult
#define gr_pointer_attribute CUpointer_attribute
#define gr_uuid CUuuid
#define gr_ipc CUipcMemHandle
#define SAME(member, name, parameters)                                                             \
	_Static_assert(__builtin_types_compatible_p(__typeof__(name), CUresult parameters), #name);
GR_CUDA_FUNCTIONS(SAME)

#define CODE(name, code) _Static_assert(CUDA_ERROR_##name == code, #name);
GR_CUDA_STICKY(CODE)

_Static_assert(GR_CUDA_WAIT_GEQ == CU_STREAM_WAIT_VALUE_GEQ, "wait");
_Static_assert(GR_CUDA_POINTER_MEMORY_TYPE == CU_POINTER_ATTRIBUTE_MEMORY_TYPE, "memory type");
_Static_assert(GR_CUDA_POINTER_DEVICE == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, "device");
_Static_assert(GR_CUDA_MEMORY_HOST == CU_MEMORYTYPE_HOST, "host memory");
_Static_assert(GR_CUDA_NO_TIMING == CU_EVENT_DISABLE_TIMING, "event");
_Static_assert(
	sizeof(CUuuid) == 16 && sizeof(CUipcMemHandle) == 64 && sizeof(CUdeviceptr) == 8, "sizes");
