/* registry.h: the rows of the shared registry; only shared.c accesses them. */
#ifndef FAKECUDA_REGISTRY_H
#define FAKECUDA_REGISTRY_H

#include "fakecuda.h"

#define REGISTRY_MAGIC 0x3247455246554347ull
#define MAX_PROCESSES 256
#define MAX_MEMORY 4096
#define MAX_EVENTS 4096
#define NOBODY (-1)

typedef struct {
	int32_t pid;
	uint64_t born;
} ProcessRow;

/* MemoryRow is device memory. Its owner made it; when the owner frees it or ends, the memory stays
 * for the other holders. A row with token 0 is free. */
typedef struct {
	uint64_t token, size;
	int32_t device, owner;
	uint64_t holders[MAX_PROCESSES / 64];
} MemoryRow;

typedef struct {
	uint64_t magic, next_token;
	pthread_mutex_t lock; /* Robust: the process that holds it may be killed. */
	ProcessRow processes[MAX_PROCESSES];
	MemoryRow memory[MAX_MEMORY];
	EventRow events[MAX_EVENTS];
} Registry;

#endif
