/* old_names.c: entry points under the names of older drivers, which cuda.h no longer declares. */
#include "fakecuda.h"

CUresult cuDeviceGetUuid_v2(CUuuid *, CUdevice);
CUresult cuMemHostAlloc(void **, size_t, unsigned);
CUresult cuIpcOpenMemHandle_v2(CUdeviceptr *, CUipcMemHandle, unsigned);
CUresult cuGetProcAddress_v2(
	const char *, void **, int, cuuint64_t, CUdriverProcAddressQueryResult *);

API CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice d) { return cuDeviceGetUuid_v2(uuid, d); }

API CUresult cuMemAllocHost_v2(void **p, size_t n) { return cuMemHostAlloc(p, n, 0); }

API CUresult cuIpcOpenMemHandle(CUdeviceptr *p, CUipcMemHandle h, unsigned flags) {
	return cuIpcOpenMemHandle_v2(p, h, flags);
}

API CUresult cuGetProcAddress(const char *symbol, void **entry, int version, cuuint64_t flags) {
	CUdriverProcAddressQueryResult status;
	return cuGetProcAddress_v2(symbol, entry, version, flags, &status);
}
