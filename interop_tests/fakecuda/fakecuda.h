/* fakecuda.h: the declarations that the files of the double share.
 *
 * Two locks: `world` guards the objects of this process (ranges, pinned memory, streams, contexts);
 * shared_lock the registry that all processes on one FAKECUDA_DIR share. The order of locking is
 * world, shared_lock, the mutex of a stream. */
#ifndef FAKECUDA_H
#define FAKECUDA_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"

#define API __attribute__((visibility("default")))
#define MAX_DEVICES 8
#define BLOCK_SIZE (2ull << 20) /* The unit of exports; small allocations share one. */
#define FRESH 0xCD              /* Device memory that was never written. */
#define FREED 0xDD              /* Device memory that was freed while it was imported. */
#define UNWRITTEN 0xEE          /* A pinned target before its copy. */

typedef struct CUstream_st Stream;

/* config.c: the environment, read once. */
typedef struct {
	int devices, delay_us, late_us;
	uint64_t seed, memory;
	int64_t stuck_us;
	bool sticky, abort, leaks, host_pointers, check, no_peer;

	enum { ORDER_SOON, ORDER_LATE, ORDER_MIXED } order;

	char dir[200];
	bool own_dir; /* FAKECUDA_DIR was given. */
} Config;

extern Config config;
void configure(void);
int attribute_override(int attribute, int value);
const char *persona_faults(void);

/* say.c: lines of the log. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void undefined(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* calls.c: the work of every entry point. */
enum { NEEDS_NOTHING, NEEDS_INIT, NEEDS_CONTEXT };

typedef struct {
	char name[40];
	_Atomic uint64_t value;
} Counter;

extern _Atomic int poisoned; /* The sticky error of this process, 0 while its device works. */
extern _Atomic bool initialised;
extern _Atomic bool forked; /* This is a child of fork that cannot use the driver. */
extern _Thread_local bool in_host_function;
CUresult enter(_Atomic(Counter *) *site, const char *symbol, int needs);
void count(const char *figure, uint64_t n);
#define ENTER(needs)                                                                               \
	do {                                                                                           \
		static _Atomic(Counter *) site;                                                            \
		CUresult code_ = enter(&site, __func__, needs);                                            \
		if (code_) return code_;                                                                   \
	} while (0)

/* devices.c: the visible devices. */
extern int device_count;          /* The number of visible devices. */
extern int physical[MAX_DEVICES]; /* The physical device of each visible one. */
#define CHECK_DEVICE(d)                                                                            \
	if ((d) < 0 || (d) >= device_count) return CUDA_ERROR_INVALID_DEVICE
bool devices_find(void);
int device_of(int physical_device);

/* contexts.c: one primary context per device. */
struct CUctx_st {
	int device, references;
	Stream *legacy;
};
extern struct CUctx_st contexts[MAX_DEVICES];
extern pthread_mutex_t world;
CUcontext current(void);

/* shared.c: the registry of all processes. An index and a token name a row of it. */
typedef struct {
	_Atomic uint32_t state;
	int32_t owner;
	_Atomic uint64_t token, recorded, done;
} EventRow;

enum { EVENT_FREE, EVENT_LIVE, EVENT_DESTROYED };

CUresult shared_open(void);
void shared_close(void);
void shared_lock(void);
void shared_unlock(void);
int memory_new(int device, uint64_t size, uint64_t *token);
CUresult memory_hold(int row, uint64_t token, bool orphan, uint64_t *size);
void memory_release(int row, uint64_t token);
int memory_others(int row);
uint64_t memory_used(int device);
uint8_t *memory_map(int row, uint64_t token, uint64_t size, bool create);
EventRow *event_new(void);
int event_index(const EventRow *row);
EventRow *event_at(int index, uint64_t token);

/* space.c: device addresses. */
enum { R_ALLOCATED = 1, R_IMPORTED = 2, R_RESERVED = 4, R_MAPPED = 8 };

#define R_MEMORY (R_ALLOCATED | R_IMPORTED | R_MAPPED)
typedef struct Block Block;
typedef struct Physical Physical;

typedef struct Range {
	int kind, device, references, row;
	uint64_t base, size, token;
	uint8_t *real; /* The bytes, at an address that the program does not learn. */
	bool readable, writable, exported;
	Block *block;
	Physical *physical;
	struct Range *next;
} Range;

extern Range *ranges;
uint64_t reserve(uint64_t size);
void unreserve(uint64_t base, uint64_t size);
Range *range_add(Range r);
void range_drop(Range *r);
Range *range_of(uint64_t address, int kinds);
uint8_t *bytes_at(uint64_t address, size_t n, bool to_write);

/* pinned.c: host memory that the device can access. */
typedef struct Pin {
	uint8_t *host; /* The program's address of it. */
	uint8_t *real; /* The address at which the device's work accesses it. */
	uint64_t device;
	size_t n;
	bool owned, shared, mapped, read_only;
	_Atomic uint64_t writes;  /* The device's writes that were ever queued. */
	_Atomic uint64_t pending; /* Those that are not done yet. */
	struct Pin *next;
} Pin;

extern Pin *pins;
Pin *pin_of_host(const void *p, size_t n);
Pin *pin_of_device(uint64_t address, size_t n);

/* stream.c, op.c: streams and their operations. */
enum {
	OP_COPY = 1,
	OP_SET,
	OP_RECORD,
	OP_WAIT_EVENT,
	OP_WRITE64,
	OP_WAIT64,
	OP_WRITE32,
	OP_WAIT32,
	OP_HOST
};

/* Point is a place in a stream's work: after all operations up to seq. */
typedef struct {
	Stream *stream;
	uint64_t seq;
} Point;

typedef struct Op {
	int kind;
	uint8_t *dst;
	const uint8_t *src;
	size_t n;
	uint64_t value;
	unsigned flags;
	uint8_t *stage; /* A copy of a pageable source, or NULL. */
	EventRow *event;
	uint64_t token;
	CUhostFn fn;
	void *argument;
	Point after; /* The record of this process to wait for, or none. */
	Point *deps;
	unsigned ndeps;
	uint64_t seq;
	int64_t deadline; /* The time until which a late stream holds it, us. */
	Pin *source, *target;
	bool watched;
	uint64_t sum;    /* The sum of the source when the operation was queued. */
	uint64_t writes; /* The source's writes at that time. */
	struct Op *next;
} Op;

struct CUstream_st {
	CUcontext context;
	unsigned flags;
	bool late, closing;
	pthread_mutex_t m;
	pthread_cond_t changed;
	Op *head, *tail; /* The head stays until it is done. */
	uint64_t queued, due, touched;
	_Atomic uint64_t done;
	_Atomic unsigned waits; /* The waits that are not done. */
	_Atomic unsigned hosts; /* The host functions that are not done. */
	uint64_t random;
	Stream *next;
};

extern Stream *streams;
Stream *stream_lock(CUstream handle);
uint64_t stream_put(Stream *s, Op op);
void stream_until(Stream *s, uint64_t seq);
void stream_release(Stream *s, uint64_t seq);
bool streams_touch(const uint8_t *p, size_t n);
void drain(void);
void op_run(Stream *s, Op *o);
CUresult device_error(void);

/* watch.c: pinned memory between the call and the copy. */
void watch_queue(Stream *s, Op *o);
void watch_start(Op *o);
void watch_end(Op *o);

/* events.c: events. */
extern _Atomic int live_events;

/* say.c: the clock and random numbers. */
int64_t now_us(void);
void nap(long us);
uint64_t next_random(uint64_t *state);

#endif
