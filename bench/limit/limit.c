/* limit.c: measures the limits of this machine by the smallest programs that reach them: a ring of
 * slot words in C, a futex, and memcpy through shared memory. It runs two processes, pinned to the
 * cores of BENCH_NEAR and BENCH_FAR, or 0 and 1. It prints "name value unit".
 *
 *     limit NAME [DIVISOR]
 *
 *     line, lines     ping-pong over one word; over a word and a line for each side
 *     one, batch, rtt a ring of slot words: one by one, 32 at a time, there and back
 *     copyN           N bytes copied in by one process and out by the other
 *     wake, parked    a futex wake that finds nobody; two that end a sleep, there and back */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 1024, PAYLOAD = 32, MIB = 1 << 20, FRAMES = 8 };

typedef struct {
	_Atomic uint64_t word;
	uint64_t sizes, time, tag;
	uint64_t payload[PAYLOAD / 8];
} slot;

typedef struct {
	_Alignas(128) _Atomic uint32_t ready, waiting[2];
	_Alignas(128) _Atomic uint32_t ping;
	_Atomic uint32_t beside; /* Lies on ping's line. */
	_Alignas(128) _Atomic uint32_t pong;
	_Alignas(128) slot ring[2][SLOTS];
	_Alignas(128) _Atomic uint64_t full[FRAMES][16]; /* Each has a line of its own. */
	_Alignas(4096) uint8_t frame[FRAMES][MIB];
} shared;

static shared *m;
static uint64_t count;

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void pin(const char *name, int core) {
	cpu_set_t s;
	if (getenv(name)) core = atoi(getenv(name));
	CPU_ZERO(&s);
	CPU_SET(core, &s);
	sched_setaffinity(0, sizeof s, &s);
}

static inline void relax(void) {
#if defined __x86_64__
	__builtin_ia32_pause();
#endif
}

static inline void await(slot *s, uint64_t word) {
	while (atomic_load_explicit(&s->word, memory_order_acquire) != word) relax();
}

/* Returns the word of message n in a state, 0 free and 1 ready: lap * 2 + state. */
static inline uint64_t word(uint64_t n, int ready) { return n / SLOTS * 2 + (uint64_t)ready; }

static inline slot *at(int ring, uint64_t n) { return &m->ring[ring][n % SLOTS]; }

static inline void put(int ring, uint64_t n) {
	slot *s = at(ring, n);
	await(s, word(n, 0));
	s->sizes = PAYLOAD;
	s->tag = n;
	for (int i = 0; i < PAYLOAD / 8; i++) s->payload[i] = n;
	atomic_store(&s->word, word(n, 1));
	if (atomic_load(&m->waiting[0])) abort(); /* Nothing sleeps here, but a ring must look. */
}

static inline uint64_t get(int ring, uint64_t n) {
	slot *s = at(ring, n);
	await(s, word(n, 1));
	uint64_t v = s->payload[0] + s->payload[PAYLOAD / 8 - 1];
	atomic_store(&s->word, word(n, 0) + 2);
	if (atomic_load(&m->waiting[1])) abort();
	return v;
}

static void one(int child) {
	uint64_t sum = 0;
	for (uint64_t n = 0; n < count; n++) {
		if (child)
			sum += get(0, n);
		else
			put(0, n);
	}
	if (child && sum != count * (count - 1)) exit(1);
}

static void batch(int child) {
	enum { B = 32 };

	for (uint64_t n = 0; n < count; n += B) {
		for (uint64_t k = n; k < n + B; k++) await(at(0, k), word(k, child));
		uint64_t sum = 0;
		for (uint64_t k = n; k < n + B; k++) {
			slot *s = at(0, k);
			if (child)
				sum += s->payload[0] + s->payload[3];
			else {
				s->sizes = PAYLOAD, s->tag = k;
				for (int i = 0; i < PAYLOAD / 8; i++) s->payload[i] = k;
			}
		}
		if (child && sum != 2 * (B * n + B * (B - 1) / 2)) exit(1);
		for (uint64_t k = n; k < n + B - 1; k++)
			atomic_store_explicit(
				&at(0, k)->word, child ? word(k, 0) + 2 : word(k, 1), memory_order_release);
		atomic_store(&at(0, n + B - 1)->word, child ? word(n + B - 1, 0) + 2 : word(n + B - 1, 1));
	}
}

static void rtt(int child) {
	for (uint64_t n = 0; n < count; n++) {
		if (child) {
			get(0, n);
			put(1, n);
		} else {
			put(0, n);
			get(1, n);
		}
	}
}

static void futex(_Atomic uint32_t *f, int op, uint32_t v) {
	syscall(SYS_futex, f, op, v, NULL, NULL, 0);
}

static void parked(int child) {
	_Atomic uint32_t *mine = child ? &m->ping : &m->pong, *theirs = child ? &m->pong : &m->ping;
	for (uint32_t n = 1; n <= count; n++) {
		if (!child) {
			atomic_store(theirs, n);
			futex(theirs, FUTEX_WAKE, 1);
		}
		while (atomic_load(mine) != n) futex(mine, FUTEX_WAIT, n - 1);
		if (child) {
			atomic_store(theirs, n);
			futex(theirs, FUTEX_WAKE, 1);
		}
	}
}

static void pingpong(int child, _Atomic uint32_t *there, _Atomic uint32_t *back) {
	_Atomic uint32_t *mine = child ? there : back, *theirs = child ? back : there;
	for (uint32_t n = 1; n <= count; n++) {
		if (!child) atomic_store_explicit(theirs, n, memory_order_release);
		while (atomic_load_explicit(mine, memory_order_acquire) != n) relax();
		if (child) atomic_store_explicit(theirs, n, memory_order_release);
	}
}

static void line(int child) { pingpong(child, &m->ping, &m->beside); }

static void lines(int child) { pingpong(child, &m->ping, &m->pong); }

static void wake(int child) {
	for (uint64_t n = 0; n < count && !child; n++) futex(&m->ping, FUTEX_WAKE, 1);
}

/* Copies frames in by one process and out by the other, and does nothing else. */
static void copy(int child, size_t bytes) {
	uint8_t *own = malloc(bytes);
	memset(own, child + 1, bytes);
	for (uint64_t n = 0; n < count; n++) {
		_Atomic uint64_t *full = m->full[n % FRAMES];
		while (atomic_load_explicit(full, memory_order_acquire) != n / FRAMES * 2 + (uint64_t)child)
			relax();
		if (child)
			memcpy(own, m->frame[n % FRAMES], bytes);
		else
			memcpy(m->frame[n % FRAMES], own, bytes);
		atomic_store(full, n / FRAMES * 2 + 1 + (uint64_t)child);
	}
	if (own[bytes - 1] != 1) exit(1);
	free(own);
}

static void copy64(int child) { copy(child, 64); }

static void copy1k(int child) { copy(child, 1 << 10); }

static void copy64k(int child) { copy(child, 64 << 10); }

static void copy1m(int child) { copy(child, MIB); }

static const struct {
	const char *name, *unit;
	void (*run)(int child);
	uint64_t count;
	double scale;
	int rate;
} benches[] = {
	{"one", "Mmsg/s", one, 3000000, 1e3, 1},
	{"batch", "Mmsg/s", batch, 6400000, 1e3, 1},
	{"rtt", "ns", rtt, 500000, 1, 0},
	{"parked", "us", parked, 10000, 1e-3, 0},
	{"line", "ns", line, 500000, 1, 0},
	{"lines", "ns", lines, 500000, 1, 0},
	{"wake", "ns", wake, 1000000, 1, 0},
	{"copy64", "GB/s", copy64, 3200000, 64, 1},
	{"copy1024", "GB/s", copy1k, 1000000, 1 << 10, 1},
	{"copy65536", "GB/s", copy64k, 32000, 64 << 10, 1},
	{"copy1048576", "GB/s", copy1m, 2048, MIB, 1},
};

int main(int argc, char **argv) {
	m = mmap(
		NULL, sizeof *m, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (m == MAP_FAILED || argc < 2) return fprintf(stderr, "usage: limit NAME [DIVISOR]\n"), 2;
	for (size_t i = 0; i < sizeof benches / sizeof *benches; i++) {
		if (strcmp(argv[1], benches[i].name)) continue;
		count = benches[i].count / (argc > 2 ? strtoull(argv[2], NULL, 10) : 1) / 32 * 32;
		if (!count) count = 32;
		pid_t child = fork();
		if (child)
			pin("BENCH_NEAR", 0);
		else
			pin("BENCH_FAR", 1);
		atomic_fetch_add(&m->ready, 1);
		while (atomic_load(&m->ready) < 2) relax();
		double start = now();
		benches[i].run(!child);
		if (!child) _exit(0);
		int status;
		waitpid(child, &status, 0);
		double ns = now() - start;
		printf("%s\t%.3f\t%s\n", argv[1],
			benches[i].rate ? (double)count * benches[i].scale / ns
							: ns / (double)count * benches[i].scale,
			benches[i].unit);
		return status != 0;
	}
	return fprintf(stderr, "limit: no bench %s\n", argv[1]), 2;
}
