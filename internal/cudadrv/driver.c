/* driver.c: the CUDA driver, found at run time. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cudadrv.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static gr_cuda table;
static int ready = 1; /* The result of cudadrv_ready; 1: not tried yet. */
static pid_t loaded_by;
static char why[512];

static int load(void) {
	const char *path = secure_getenv(
		"GORING_LIBCUDA"); /* it is code: not for programs with another's rights */
	if (!path || !*path) path = "libcuda.so.1";
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL); /* never closed: the driver has threads */
	if (!library) {
		snprintf(why, sizeof why, "%s", dlerror());
		return GR_GPU_LIBRARY;
	}
#define FIND(member, name, parameters)                                                             \
	if (!(*(void **)&table.member = dlsym(library, #name))) {                                      \
		snprintf(why, sizeof why, "%s has no %s", path, #name);                                    \
		return GR_GPU_SYMBOL;                                                                      \
	}
	GR_CUDA_FUNCTIONS(FIND)
#undef FIND
	return table.init(0);
}

int cudadrv_ready(void) {
	pthread_mutex_lock(&lock);
	if (ready == 1) {
		ready = load();
		loaded_by = getpid();
	}
	int answer = loaded_by == getpid() ? ready : GR_GPU_FORKED;
	pthread_mutex_unlock(&lock);
	return answer;
}

const char *cudadrv_why(void) { return why; }

const gr_cuda *cudadrv_table(void) { return &table; }

void cudadrv_describe(int error, const char **name, const char **text) {
	*name = *text = NULL;
	if (error > 0 && table.error_name) {
		table.error_name(error, name);
		table.error_string(error, text);
	}
}

int cudadrv_devices(int *n) { return table.device_count(n); }

int cudadrv_uuid(int ordinal, gr_uuid *uuid) {
	int device, error = table.device_get(&device, ordinal);
	return error ? error : table.device_uuid(uuid, device);
}

int cudadrv_name(int ordinal, char *name, int n) {
	int device, error = table.device_get(&device, ordinal);
	return error ? error : table.device_name(name, n, device);
}

int cudadrv_version(int *version) { return table.driver_version(version); }
