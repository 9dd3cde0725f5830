/* devices.c: cuInit, the visible devices and their properties. */
#include "fakecuda.h"

#include <stdio.h>

int device_count, physical[MAX_DEVICES];

static void uuid_of(int device, char *bytes) {
	for (int i = 0; i < 16; i++) bytes[i] = (char)(0xC0 + i * 7 + device * 31);
}

/* Returns the device with that index, or with a UUID "GPU-..." that begins so; -1 for none. */
static int device_named(const char *text) {
	if (strncmp(text, "GPU-", 4)) {
		char *end;
		long d = strtol(text, &end, 10);
		return *text && !*end && d >= 0 && d < config.devices ? (int)d : -1;
	}
	for (int d = 0; d < config.devices; d++) {
		char uuid[16], name[48] = "GPU-";
		uuid_of(d, uuid);
		for (int i = 0, n = 4; i < 16; i++)
			n += sprintf(name + n, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x",
				(unsigned char)uuid[i]);
		if (!strncmp(name, text, strlen(text))) return d;
	}
	return -1;
}

/* Finds the visible devices. CUDA_VISIBLE_DEVICES ends at the first entry that names no device. */
bool devices_find(void) {
	const char *visible = getenv("CUDA_VISIBLE_DEVICES");
	device_count = 0;
	if (!visible) {
		for (; device_count < config.devices; device_count++) physical[device_count] = device_count;
		return device_count > 0;
	}
	char list[512], *rest = NULL;
	snprintf(list, sizeof list, "%s", visible);
	for (char *t = strtok_r(list, ",", &rest); t && device_count < MAX_DEVICES;
		t = strtok_r(NULL, ",", &rest)) {
		int d = device_named(t);
		if (d < 0) break;
		physical[device_count++] = d;
	}
	return device_count > 0;
}

/* Returns this process's ordinal of a physical device, or -1 when it is not visible. */
int device_of(int wanted) {
	for (int d = 0; d < device_count; d++)
		if (physical[d] == wanted) return d;
	return -1;
}

API CUresult cuInit(unsigned flags) {
	ENTER(NEEDS_NOTHING);
	if (flags) return CUDA_ERROR_INVALID_VALUE;
	CUresult code = CUDA_SUCCESS;
	pthread_mutex_lock(&world);
	if (!atomic_load(&initialised)) {
		code = devices_find() ? shared_open() : CUDA_ERROR_NO_DEVICE;
		if (!code) atomic_store(&initialised, true);
	}
	pthread_mutex_unlock(&world);
	return code;
}

API CUresult cuDriverGetVersion(int *version) {
	ENTER(NEEDS_NOTHING);
	if (!version) return CUDA_ERROR_INVALID_VALUE;
	*version = 12090;
	return CUDA_SUCCESS;
}

API CUresult cuDeviceGetCount(int *n) {
	ENTER(NEEDS_INIT);
	if (!n) return CUDA_ERROR_INVALID_VALUE;
	*n = device_count;
	return CUDA_SUCCESS;
}

API CUresult cuDeviceGet(CUdevice *device, int ordinal) {
	ENTER(NEEDS_INIT);
	if (!device) return CUDA_ERROR_INVALID_VALUE;
	CHECK_DEVICE(ordinal);
	*device = ordinal;
	return CUDA_SUCCESS;
}

API CUresult cuDeviceGetName(char *name, int n, CUdevice d) {
	ENTER(NEEDS_INIT);
	CHECK_DEVICE(d);
	if (!name || n <= 0) return CUDA_ERROR_INVALID_VALUE;
	snprintf(name, (size_t)n, "fakecuda device %d (no GPU)", physical[d]);
	return CUDA_SUCCESS;
}

API CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice d) {
	ENTER(NEEDS_INIT);
	CHECK_DEVICE(d);
	if (!uuid) return CUDA_ERROR_INVALID_VALUE;
	uuid_of(physical[d], uuid->bytes);
	return CUDA_SUCCESS;
}

API CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice d) {
	ENTER(NEEDS_INIT);
	CHECK_DEVICE(d);
	if (!bytes) return CUDA_ERROR_INVALID_VALUE;
	*bytes = config.memory;
	return CUDA_SUCCESS;
}

API CUresult cuDeviceGetPCIBusId(char *text, int n, CUdevice d) {
	ENTER(NEEDS_INIT);
	CHECK_DEVICE(d);
	if (!text || n <= 0) return CUDA_ERROR_INVALID_VALUE;
	snprintf(text, (size_t)n, "0000:%02x:00.0", physical[d] + 1);
	return CUDA_SUCCESS;
}

API CUresult cuDeviceCanAccessPeer(int *can, CUdevice a, CUdevice b) {
	ENTER(NEEDS_INIT);
	CHECK_DEVICE(a);
	CHECK_DEVICE(b);
	if (!can) return CUDA_ERROR_INVALID_VALUE;
	*can = a != b && !config.no_peer;
	return CUDA_SUCCESS;
}

static int attribute_of(int attribute, CUdevice d) {
	switch (attribute) {
	case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
	case CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED:
	case CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED:
	case CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED:
	case CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS:
	case CU_DEVICE_ATTRIBUTE_IPC_EVENT_SUPPORTED:
	case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: return 1;
	case CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM: return config.host_pointers;
	case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
	case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X: return 1024;
	case CU_DEVICE_ATTRIBUTE_WARP_SIZE: return 32;
	case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID: return physical[d] + 1;
	case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT: return 2;
	case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: return 8;
	}
	return 0;
}

API CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice d) {
	ENTER(NEEDS_INIT);
	CHECK_DEVICE(d);
	if (!value) return CUDA_ERROR_INVALID_VALUE;
	*value = attribute_override((int)attribute, attribute_of((int)attribute, d));
	return CUDA_SUCCESS;
}
