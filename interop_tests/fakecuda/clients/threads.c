/* threads.c: a program of threads and two processes on the double: threads LIBRARY ROUNDS.
 *
 * It is compiled against NVIDIA's cuda.h, as a user's program is. Each thread moves frames from
 * pinned memory over two streams, which an event orders, and back; two threads share a ring of one
 * slot, ordered by cells of registered memory; a child process reads an export. Built with
 * -DMISTAKE nothing orders the two streams: a run that ThreadSanitizer must report. */
#include <cuda.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYMBOLS(X)                                                                                 \
	X(cuInit)                                                                                      \
	X(cuDeviceGetUuid)                                                                             \
	X(cuDevicePrimaryCtxRetain)                                                                    \
	X(cuCtxPushCurrent)                                                                            \
	X(cuCtxPopCurrent)                                                                             \
	X(cuCtxSynchronize)                                                                            \
	X(cuMemAlloc)                                                                                  \
	X(cuMemFree)                                                                                   \
	X(cuMemHostAlloc)                                                                              \
	X(cuMemFreeHost)                                                                               \
	X(cuMemHostRegister)                                                                           \
	X(cuMemHostUnregister)                                                                         \
	X(cuMemHostGetDevicePointer)                                                                   \
	X(cuMemcpyHtoDAsync)                                                                           \
	X(cuMemcpyDtoHAsync)                                                                           \
	X(cuMemcpyDtoDAsync)                                                                           \
	X(cuMemcpyDtoH)                                                                                \
	X(cuMemsetD8Async)                                                                             \
	X(cuStreamCreate)                                                                              \
	X(cuStreamDestroy)                                                                             \
	X(cuStreamSynchronize)                                                                         \
	X(cuStreamWaitEvent)                                                                           \
	X(cuStreamWriteValue64)                                                                        \
	X(cuStreamWaitValue64)                                                                         \
	X(cuLaunchHostFunc)                                                                            \
	X(cuEventCreate)                                                                               \
	X(cuEventRecord)                                                                               \
	X(cuEventDestroy)                                                                              \
	X(cuIpcGetMemHandle)                                                                           \
	X(cuIpcOpenMemHandle)                                                                          \
	X(cuIpcCloseMemHandle)
#define TEXT(x) #x
#define NAME(x) TEXT(x)
#define DECLARE(symbol) __typeof__(symbol) *p_##symbol;

static struct {
	SYMBOLS(DECLARE)
} cu;

#define CALL(symbol, ...) check(cu.p_##symbol(__VA_ARGS__), #symbol)

#define FRAME 20000
#define THREADS 4

static CUcontext context;
static unsigned rounds;

static void check(CUresult code, const char *call) {
	if (!code) return;
	fprintf(stderr, "%s: %d\n", call, (int)code);
	abort();
}

static void verify(const unsigned char *p, size_t n, unsigned char want) {
	for (size_t i = 0; i < n; i++)
		if (p[i] != want) {
			fprintf(stderr, "byte %zu is %d, not %d\n", i, p[i], want);
			abort();
		}
}

static void load(const char *library) {
	void *lib = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	if (!lib) {
		fprintf(stderr, "%s\n", dlerror());
		abort();
	}
#define FIND(symbol)                                                                               \
	if (!(cu.p_##symbol = (__typeof__(symbol) *)dlsym(lib, NAME(symbol))))                         \
		fprintf(stderr, "no %s\n", NAME(symbol)), abort();
	SYMBOLS(FIND)
	CALL(cuInit, 0);
	CALL(cuDevicePrimaryCtxRetain, &context, 0);
}

static void CUDA_CB add_one(void *counter) { ++*(unsigned *)counter; }

/* Carries frames from pinned memory to a, to b and back to pinned memory, over two streams. */
static void *carry(void *arg) {
	unsigned char mark = (unsigned char)(uintptr_t)arg, *source, *target;
	unsigned called = 0;
	CUstream first, second;
	CUevent filled;
	CUdeviceptr a, b;
	CALL(cuCtxPushCurrent, context);
	CALL(cuStreamCreate, &first, CU_STREAM_NON_BLOCKING);
	CALL(cuStreamCreate, &second, CU_STREAM_DEFAULT);
	CALL(cuEventCreate, &filled, CU_EVENT_DISABLE_TIMING);
	CALL(cuMemHostAlloc, (void **)&source, FRAME, CU_MEMHOSTALLOC_PORTABLE);
	CALL(cuMemHostAlloc, (void **)&target, FRAME, 0);
	for (unsigned i = 0; i < rounds; i++) {
		unsigned char value = (unsigned char)(mark + i);
		CALL(cuMemAlloc, &a, FRAME);
		CALL(cuMemAlloc, &b, FRAME);
		memset(source, value, FRAME);
		CALL(cuMemcpyHtoDAsync, a, source, FRAME, first);
		CALL(cuEventRecord, filled, first);
#ifndef MISTAKE
		CALL(cuStreamWaitEvent, second, filled, 0);
#endif
		CALL(cuMemcpyDtoDAsync, b, a, FRAME, second);
		CALL(cuMemcpyDtoHAsync, target, b, FRAME, second);
		CALL(cuLaunchHostFunc, second, add_one, &called);
		CALL(cuStreamSynchronize, second);
#ifndef MISTAKE
		verify(target, FRAME, value);
#endif
		CALL(cuMemFree, a);
		CALL(cuMemFree, b);
	}
	if (called != rounds) abort();
	CALL(cuEventDestroy, filled);
	CALL(cuStreamDestroy, first);
	CALL(cuStreamDestroy, second);
	CALL(cuMemFreeHost, source);
	CALL(cuMemFreeHost, target);
	CALL(cuCtxPopCurrent, NULL);
	return NULL;
}

/* A ring of one slot between two threads; its cells are registered memory of the host. */
static struct {
	CUdeviceptr slot, ready, done;
	_Atomic unsigned queued;
} ring;

static _Alignas(4096) unsigned char cells[4096];

static void *produce(void *arg) {
	CUstream s;
	CALL(cuCtxPushCurrent, context);
	CALL(cuStreamCreate, &s, CU_STREAM_NON_BLOCKING);
	for (unsigned i = 1; i <= rounds; i++) {
		if (i > 1) CALL(cuStreamWaitValue64, s, ring.done, i - 1, CU_STREAM_WAIT_VALUE_GEQ);
		CALL(cuMemsetD8Async, ring.slot, (unsigned char)i, FRAME, s);
		CALL(cuStreamWriteValue64, s, ring.ready, i, CU_STREAM_WRITE_VALUE_DEFAULT);
		atomic_store(&ring.queued, i);
	}
	CALL(cuStreamSynchronize, s);
	CALL(cuStreamDestroy, s);
	CALL(cuCtxPopCurrent, NULL);
	return arg;
}

static void *consume(void *arg) {
	CUstream s;
	unsigned char *target;
	CALL(cuCtxPushCurrent, context);
	CALL(cuStreamCreate, &s, CU_STREAM_NON_BLOCKING);
	CALL(cuMemHostAlloc, (void **)&target, FRAME, 0);
	for (unsigned i = 1; i <= rounds; i++) {
		while (atomic_load(&ring.queued) < i) usleep(50);
		CALL(cuStreamWaitValue64, s, ring.ready, i, CU_STREAM_WAIT_VALUE_GEQ);
		CALL(cuMemcpyDtoHAsync, target, ring.slot, FRAME, s);
		CALL(cuStreamWriteValue64, s, ring.done, i, CU_STREAM_WRITE_VALUE_DEFAULT);
		CALL(cuStreamSynchronize, s);
		verify(target, FRAME, (unsigned char)i);
	}
	CALL(cuMemFreeHost, target);
	CALL(cuStreamDestroy, s);
	CALL(cuCtxPopCurrent, NULL);
	return arg;
}

static void import(const char *library, int in) {
	CUipcMemHandle h;
	CUdeviceptr p;
	unsigned char bytes[64];
	load(library);
	CALL(cuCtxPushCurrent, context);
	if (read(in, &h, sizeof h) != sizeof h) abort();
	CALL(cuIpcOpenMemHandle, &p, h, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS);
	CALL(cuMemcpyDtoH, bytes, p, sizeof bytes);
	verify(bytes, sizeof bytes, 7);
	CALL(cuIpcCloseMemHandle, p);
}

static void export(int out) {
	CUipcMemHandle h;
	CUdeviceptr p;
	int status;
	CALL(cuMemAlloc, &p, 2 << 20);
	CALL(cuMemsetD8Async, p, 7, 64, NULL);
	CALL(cuCtxSynchronize);
	CALL(cuIpcGetMemHandle, &h, p);
	if (write(out, &h, sizeof h) != sizeof h || wait(&status) < 0 || status) abort();
	CALL(cuMemFree, p);
}

int main(int argc, char **argv) {
	int pipes[2];
	if (argc != 3 || pipe(pipes)) {
		fprintf(stderr, "threads LIBRARY ROUNDS\n");
		return 2;
	}
	rounds = (unsigned)atoi(argv[2]);
	if (!fork()) {
		import(argv[1], pipes[0]);
		return 0;
	}
	load(argv[1]);
	CALL(cuCtxPushCurrent, context);
	export(pipes[1]);
	CALL(cuMemAlloc, &ring.slot, FRAME);
	CALL(cuMemHostRegister, cells, sizeof cells,
		CU_MEMHOSTREGISTER_DEVICEMAP | CU_MEMHOSTREGISTER_PORTABLE);
	CALL(cuMemHostGetDevicePointer, &ring.ready, cells, 0);
	ring.done = ring.ready + 64;
	pthread_t threads[THREADS + 2];
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, carry, (void *)(uintptr_t)(i * 50));
	pthread_create(&threads[THREADS], NULL, produce, NULL);
	pthread_create(&threads[THREADS + 1], NULL, consume, NULL);
	for (int i = 0; i < THREADS + 2; i++) pthread_join(threads[i], NULL);
	CALL(cuMemHostUnregister, cells);
	CALL(cuMemFree, ring.slot);
	CALL(cuCtxPopCurrent, NULL);
	printf("%u rounds\n", rounds);
	return 0;
}
