/* names.c: names of errors, and entry points by their names. */
#include "fakecuda.h"

#include <dlfcn.h>
#include <stdio.h>

static const struct {
	int code;
	const char *name, *text;
} errors[] = {
	{0, "CUDA_SUCCESS", "no error"},
	{1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
	{2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
	{3, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
	{4, "CUDA_ERROR_DEINITIALIZED", "driver shutting down"},
	{34, "CUDA_ERROR_STUB_LIBRARY", "CUDA driver is a stub library"},
	{46, "CUDA_ERROR_DEVICE_UNAVAILABLE", "CUDA-capable device(s) is/are busy or unavailable"},
	{100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
	{101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
	{201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
	{205, "CUDA_ERROR_MAP_FAILED", "mapping of buffer object failed"},
	{214, "CUDA_ERROR_ECC_UNCORRECTABLE", "uncorrectable ECC error encountered"},
	{217, "CUDA_ERROR_PEER_ACCESS_UNSUPPORTED",
		"peer access is not supported between these two devices"},
	{304, "CUDA_ERROR_OPERATING_SYSTEM", "OS call failed or operation not supported on this OS"},
	{400, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
	{500, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
	{600, "CUDA_ERROR_NOT_READY", "device not ready"},
	{700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
	{711, "CUDA_ERROR_TOO_MANY_PEERS", "peer mapping resources exhausted"},
	{712, "CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED",
		"part or all of the requested memory range is already mapped"},
	{713, "CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED",
		"pointer does not correspond to a registered memory region"},
	{719, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
	{800, "CUDA_ERROR_NOT_PERMITTED", "operation not permitted"},
	{801, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
	{999, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

static CUresult describe(int code, const char **out, bool text) {
	if (!out) return CUDA_ERROR_INVALID_VALUE;
	*out = NULL;
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
		if (errors[i].code == code) *out = text ? errors[i].text : errors[i].name;
	return *out ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

API CUresult cuGetErrorName(CUresult code, const char **name) {
	return describe((int)code, name, false);
}

API CUresult cuGetErrorString(CUresult code, const char **text) {
	return describe((int)code, text, true);
}

/* Returns the newest version of a symbol, or NULL. */
static void *find(const char *symbol) {
	static const char *const suffixes[] = {"_v3", "_v2", ""};
	Dl_info here;
	void *self = dladdr((void *)(uintptr_t)find, &here)
		? dlopen(here.dli_fname, RTLD_NOW | RTLD_NOLOAD)
		: NULL;
	void *found = NULL;
	for (size_t i = 0; self && i < 3 && !found; i++) {
		char name[96];
		snprintf(name, sizeof name, "%s%s", symbol, suffixes[i]);
		found = dlsym(self, name);
	}
	if (self) dlclose(self);
	return found;
}

API CUresult cuGetProcAddress_v2(const char *symbol, void **entry, int version, cuuint64_t flags,
	CUdriverProcAddressQueryResult *status) {
	(void)version, (void)flags;
	if (!symbol || !entry) return CUDA_ERROR_INVALID_VALUE;
	*entry = find(symbol);
	if (status)
		*status = *entry ? CU_GET_PROC_ADDRESS_SUCCESS : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
	return *entry ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
