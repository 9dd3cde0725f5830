/* calls.c: the work of every entry point: it counts the call, and may make it fail.
 *
 * The counters are a file calls-PID in FAKECUDA_DIR, records of 40 bytes of name and 8 of value, so
 * that they remain readable when the process was killed. */
#include "fakecuda.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_COUNTERS 256
#define MAX_FAULTS 32

_Atomic int poisoned;
_Atomic bool initialised;
_Thread_local bool in_host_function;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t naming = PTHREAD_MUTEX_INITIALIZER;
static Counter *counters;
_Atomic bool forked;

/* The faults to inject. */
static struct {
	char symbol[48];
	uint64_t nth; /* The call that fails, from 1; 0 for every call. */
	int code;
	_Atomic uint64_t seen;
} faults[MAX_FAULTS];

static int nfaults;
static uint64_t dies_after;
static int dies_of;
static _Atomic uint64_t calls;

#define COUNTERS_SIZE (MAX_COUNTERS * sizeof(Counter))

/* Maps the counters at place, or anywhere when it is NULL. */
static void open_counters(void *place) {
	char path[256];
	int fd = -1;
	if (config.own_dir) {
		mkdir(config.dir, 0700);
		snprintf(path, sizeof path, "%s/calls-%d", config.dir, getpid());
		fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (fd >= 0 && ftruncate(fd, COUNTERS_SIZE)) {
			close(fd);
			fd = -1;
		}
	}
	int flags = (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED) | (place ? MAP_FIXED : 0);
	counters = mmap(place, COUNTERS_SIZE, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (counters == MAP_FAILED) abort();
	if (fd >= 0) close(fd);
}

static Counter *counter(const char *name) {
	pthread_mutex_lock(&naming);
	Counter *c = counters;
	while (*c->name && strcmp(c->name, name)) c++;
	if (c == counters + MAX_COUNTERS - 1) abort();
	if (!*c->name) snprintf(c->name, sizeof c->name, "%s", name);
	pthread_mutex_unlock(&naming);
	return c;
}

void count(const char *figure, uint64_t n) { atomic_fetch_add(&counter(figure)->value, n); }

static void parse_faults(const char *text) {
	while (text && *text && nfaults < MAX_FAULTS) {
		unsigned long long nth;
		if (sscanf(text, "%47[^:]:%llu:%d", faults[nfaults].symbol, &nth, &faults[nfaults].code) ==
			3)
			faults[nfaults++].nth = nth;
		text = strchr(text, ';');
		if (text) text++;
	}
}

static void on_signal(int number) {
	(void)number;
	atomic_store(&poisoned, dies_of);
}

/* Parses FAKECUDA_DIE: "calls:N[:CODE]" or "signal:N[:CODE]". */
static void parse_death(const char *text) {
	char how[8];
	unsigned long long n;
	dies_of = CUDA_ERROR_LAUNCH_FAILED;
	if (!text || sscanf(text, "%7[^:]:%llu:%d", how, &n, &dies_of) < 2) return;
	if (!strcmp(how, "calls")) dies_after = n;
	if (strcmp(how, "signal")) return;
	/* Go's runtime requires these flags. */
	struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_RESTART};
	sigaction((int)n, &a, NULL);
}

/* Gives a child of fork its own counters, under the names and at the places of its parent's. Only a
 * child of a process that has not initialised the driver may use it. */
static void in_child(void) {
	static Counter names[MAX_COUNTERS];
	if (atomic_load(&initialised)) {
		atomic_store(&forked, true);
		return;
	}
	memcpy(names, counters, COUNTERS_SIZE);
	open_counters(counters);
	for (size_t i = 0; i < MAX_COUNTERS; i++)
		memcpy(counters[i].name, names[i].name, sizeof names[i].name);
}

static void start(void) {
	configure();
	open_counters(NULL);
	parse_faults(getenv("FAKECUDA_FAIL"));
	parse_faults(persona_faults());
	parse_death(getenv("FAKECUDA_DIE"));
	pthread_atfork(NULL, NULL, in_child);
}

static int injected(const char *symbol) {
	int code = 0;
	for (int i = 0; i < nfaults; i++) {
		if (strcmp(faults[i].symbol, symbol)) continue;
		uint64_t seen = atomic_fetch_add(&faults[i].seen, 1) + 1;
		if (!faults[i].nth || faults[i].nth == seen) code = faults[i].code;
	}
	if (code >= 700 && code < 800 && config.sticky) atomic_store(&poisoned, code);
	return code;
}

/* Counts a call and returns the code that it fails with, or 0 to go on: 3 in a child of fork, 800
 * in a host function, 201 in a thread without a context. */
CUresult enter(_Atomic(Counter *) *site, const char *symbol, int needs) {
	pthread_once(&once, start);
	if (atomic_load(&forked)) return CUDA_ERROR_NOT_INITIALIZED;
	Counter *c = atomic_load_explicit(site, memory_order_acquire);
	if (!c) atomic_store_explicit(site, c = counter(symbol), memory_order_release);
	atomic_fetch_add(&c->value, 1);
	if (dies_after && atomic_fetch_add(&calls, 1) >= dies_after) atomic_store(&poisoned, dies_of);
	int code = atomic_load(&poisoned);
	if (!code) code = injected(symbol);
	if (code) return (CUresult)code;
	if (needs >= NEEDS_INIT && !atomic_load(&initialised)) return CUDA_ERROR_NOT_INITIALIZED;
	if (in_host_function) return CUDA_ERROR_NOT_PERMITTED;
	return needs >= NEEDS_CONTEXT && !current() ? CUDA_ERROR_INVALID_CONTEXT : CUDA_SUCCESS;
}

/* Returns the sticky error of a device that died while the caller waited, or 0. */
CUresult device_error(void) { return (CUresult)atomic_load(&poisoned); }

/* Returns a counter, for tests in the same process. */
API uint64_t fakecuda_counter(const char *name) {
	pthread_once(&once, start);
	return atomic_load(&counter(name)->value);
}

/* Makes every later call fail with the code, for tests in the same process. */
API void fakecuda_die(int code) {
	pthread_once(&once, start);
	atomic_store(&poisoned, code);
}
