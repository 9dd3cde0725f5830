/* ipc.h: the fields in the 64 bytes of a handle. */
#ifndef FAKECUDA_IPC_H
#define FAKECUDA_IPC_H

#include "fakecuda.h"

#define HANDLE_MAGIC 0x31656B6146554347ull

enum { HANDLE_MEMORY = 1, HANDLE_EVENT = 2 };

typedef struct {
	uint64_t magic;
	int32_t pid, row;
	uint64_t token, size;
	int32_t device, kind;
	uint64_t sum;
} Handle;

_Static_assert(sizeof(Handle) <= sizeof(CUipcMemHandle), "a handle fits");

void handle_write(void *bytes, Handle h);
/* Reads a handle and reports whether it is intact and of that kind. */
bool handle_read(Handle *h, const void *bytes, int kind);

#endif
