/* contexts.c: primary contexts, and each thread's stack of them. */
#include "fakecuda.h"

#define STACK 16

struct CUctx_st contexts[MAX_DEVICES];
pthread_mutex_t world = PTHREAD_MUTEX_INITIALIZER;

static _Thread_local CUcontext stack[STACK];
static _Thread_local int depth;

CUcontext current(void) { return depth ? stack[depth - 1] : NULL; }

static bool alive(CUcontext c) {
	if (c < contexts || c >= contexts + MAX_DEVICES) return false;
	pthread_mutex_lock(&world);
	bool yes = c->references > 0;
	pthread_mutex_unlock(&world);
	return yes;
}

API CUresult cuDevicePrimaryCtxRetain(CUcontext *c, CUdevice d) {
	ENTER(NEEDS_INIT);
	CHECK_DEVICE(d);
	if (!c) return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&world);
	contexts[d].device = d;
	contexts[d].references++;
	pthread_mutex_unlock(&world);
	*c = &contexts[d];
	return CUDA_SUCCESS;
}

API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice d) {
	ENTER(NEEDS_INIT);
	CHECK_DEVICE(d);
	pthread_mutex_lock(&world);
	bool held = contexts[d].references > 0;
	if (held) contexts[d].references--;
	pthread_mutex_unlock(&world);
	return held ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

API CUresult cuDevicePrimaryCtxGetState(CUdevice d, unsigned *flags, int *active) {
	ENTER(NEEDS_INIT);
	CHECK_DEVICE(d);
	if (!flags || !active) return CUDA_ERROR_INVALID_VALUE;
	*flags = 0;
	*active = alive(&contexts[d]);
	return CUDA_SUCCESS;
}

API CUresult cuCtxSetCurrent(CUcontext c) {
	ENTER(NEEDS_INIT);
	if (c && !alive(c)) return CUDA_ERROR_INVALID_CONTEXT;
	if (!c) {
		if (depth) depth--;
		return CUDA_SUCCESS;
	}
	if (!depth) depth = 1;
	stack[depth - 1] = c;
	return CUDA_SUCCESS;
}

API CUresult cuCtxPushCurrent_v2(CUcontext c) {
	ENTER(NEEDS_INIT);
	if (!alive(c)) return CUDA_ERROR_INVALID_CONTEXT;
	if (depth == STACK) return CUDA_ERROR_INVALID_VALUE;
	stack[depth++] = c;
	return CUDA_SUCCESS;
}

API CUresult cuCtxPopCurrent_v2(CUcontext *c) {
	ENTER(NEEDS_INIT);
	if (!depth) return CUDA_ERROR_INVALID_CONTEXT;
	depth--;
	if (c) *c = stack[depth];
	return CUDA_SUCCESS;
}

API CUresult cuCtxGetCurrent(CUcontext *c) {
	ENTER(NEEDS_INIT);
	if (!c) return CUDA_ERROR_INVALID_VALUE;
	*c = current();
	return CUDA_SUCCESS;
}

API CUresult cuCtxGetDevice(CUdevice *d) {
	ENTER(NEEDS_CONTEXT);
	if (!d) return CUDA_ERROR_INVALID_VALUE;
	*d = current()->device;
	return CUDA_SUCCESS;
}

API CUresult cuCtxSynchronize(void) {
	ENTER(NEEDS_CONTEXT);
	drain();
	return device_error();
}

API CUresult cuCtxGetStreamPriorityRange(int *least, int *greatest) {
	ENTER(NEEDS_CONTEXT);
	if (least) *least = 0;
	if (greatest) *greatest = 0;
	return CUDA_SUCCESS;
}
