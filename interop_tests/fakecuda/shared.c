/* shared.c: the registry of all processes on one FAKECUDA_DIR, as the kernel module has one.
 *
 * It is a file of rows: processes, device memory with a bit for each process that holds it, and
 * events. /proc tells which processes are dead (gone, a zombie, or another start time). A dead
 * process loses its memory and events, and memory without a holder is free again. A registry
 * without a living process is begun anew. */
#include "fakecuda.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "registry.h"

static Registry *reg;
static int me = -1; /* The row of this process. */

/* Returns the start time of a living process, or 0. */
static uint64_t born(int pid) {
	char path[40], text[1024];
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) return 0;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0) return 0;
	text[n] = 0;
	char *p = strrchr(text, ')'); /* The name before it may contain any byte. */
	if (!p || p[2] == 'Z' || p[2] == 'X') return 0;
	p += 2;
	for (int field = 3; p && field < 22; field++) p = strchr(p + 1, ' ');
	return p ? strtoull(p, NULL, 10) : 0;
}

static bool lives(const ProcessRow *p) { return p->born && born(p->pid) == p->born; }

void shared_lock(void) {
	if (pthread_mutex_lock(&reg->lock) == EOWNERDEAD) pthread_mutex_consistent(&reg->lock);
}

void shared_unlock(void) { pthread_mutex_unlock(&reg->lock); }

static void memory_path(char *path, size_t n, int row, uint64_t token) {
	snprintf(path, n, "%s/mem-%d-%llx", config.dir, row, (unsigned long long)token);
}

static bool held(const MemoryRow *m, int process) {
	return m->holders[process / 64] >> process % 64 & 1;
}

static bool held_by_any(const MemoryRow *m) {
	for (size_t i = 0; i < sizeof m->holders / sizeof *m->holders; i++)
		if (m->holders[i]) return true;
	return false;
}

static void unname(int row) {
	char path[256];
	memory_path(path, sizeof path, row, reg->memory[row].token);
	unlink(path);
	reg->memory[row].owner = NOBODY;
}

/* Removes a process from the holders of memory. With the owner goes the name of its file, so that
 * no process opens it again. The bit is cleared last: if this process is killed before that,
 * another one repeats all of it. */
static void remove_holder(int row, int process) {
	MemoryRow *m = &reg->memory[row];
	if (!held(m, process)) return;
	if (m->owner == process) unname(row);
	atomic_signal_fence(memory_order_seq_cst);
	m->holders[process / 64] &= ~(1ull << process % 64);
	if (!held_by_any(m)) memset(m, 0, sizeof *m);
}

static void remove_process(int process) {
	for (int i = 0; i < MAX_MEMORY; i++)
		if (reg->memory[i].token) remove_holder(i, process);
	for (int i = 0; i < MAX_EVENTS; i++)
		if (reg->events[i].state && reg->events[i].owner == process)
			atomic_store(&reg->events[i].state, EVENT_FREE);
	memset(&reg->processes[process], 0, sizeof reg->processes[process]);
}

static void remove_dead(void) {
	bool found = false;
	for (int i = 0; i < MAX_PROCESSES; i++) {
		if (!reg->processes[i].pid || i == me || lives(&reg->processes[i])) continue;
		remove_process(i);
		found = true;
	}
	/* A process may have been killed while it made or freed a row. */
	for (int i = 0; found && i < MAX_MEMORY; i++)
		if (reg->memory[i].token && !held_by_any(&reg->memory[i])) {
			unname(i);
			memset(&reg->memory[i], 0, sizeof reg->memory[i]);
		}
}

/* ---- joining and leaving ---- */

static void lock_init(pthread_mutex_t *m) {
	pthread_mutexattr_t a;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(m, &a);
	pthread_mutexattr_destroy(&a);
}

static bool registry_unused(void) {
	for (int i = 0; i < MAX_PROCESSES; i++)
		if (lives(&reg->processes[i])) return false;
	return true;
}

/* Opens and locks the file, which the last process to leave may remove meanwhile. */
static int open_registry(char *path, size_t n) {
	snprintf(path, n, "%s/registry", config.dir);
	for (;;) {
		struct stat s;
		mkdir(config.dir, 0700);
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0 && errno == ENOENT) continue; /* The folder was removed. */
		if (fd < 0) return -1;
		if (!flock(fd, LOCK_EX) && !fstat(fd, &s) && s.st_nlink) return fd;
		close(fd);
	}
}

static void close_registry(int fd) {
	flock(fd, LOCK_UN); /* The mapping refers to the file, which would keep the lock. */
	close(fd);
}

CUresult shared_open(void) {
	char path[256];
	int fd = open_registry(path, sizeof path);
	if (fd < 0) return CUDA_ERROR_OPERATING_SYSTEM;
	bool ok = !ftruncate(fd, sizeof *reg) &&
		(reg = mmap(NULL, sizeof *reg, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) != MAP_FAILED;
	if (ok) {
		if (reg->magic != REGISTRY_MAGIC || registry_unused()) {
			for (int i = 0; reg->magic == REGISTRY_MAGIC && i < MAX_PROCESSES; i++)
				remove_process(i);
			uint64_t token = reg->next_token;
			memset(reg, 0, sizeof *reg);
			lock_init(&reg->lock);
			reg->next_token = token;
			reg->magic = REGISTRY_MAGIC;
		}
		shared_lock();
		remove_dead();
		for (me = 0; me < MAX_PROCESSES && reg->processes[me].pid; me++) {
		}
		ok = me < MAX_PROCESSES;
		if (ok) reg->processes[me] = (ProcessRow){.pid = getpid(), .born = born(getpid())};
		shared_unlock();
	}
	close_registry(fd);
	return ok ? CUDA_SUCCESS : CUDA_ERROR_OPERATING_SYSTEM;
}

/* Removes this process at its exit; the last one removes the registry. */
void shared_close(void) {
	char path[256];
	int fd = open_registry(path, sizeof path);
	if (fd < 0) return;
	shared_lock();
	remove_process(me);
	shared_unlock();
	if (registry_unused()) {
		unlink(path);
		if (!config.own_dir) rmdir(config.dir);
	}
	close_registry(fd);
}

/* ---- memory ---- */

static uint64_t used_locked(int device) {
	uint64_t sum = 0;
	for (int i = 0; i < MAX_MEMORY; i++)
		if (reg->memory[i].token && reg->memory[i].device == device) sum += reg->memory[i].size;
	return sum;
}

uint64_t memory_used(int device) {
	shared_lock();
	remove_dead();
	uint64_t used = used_locked(device);
	shared_unlock();
	return used;
}

static uint64_t fresh_token(void) {
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return ++reg->next_token ^ (uint64_t)t.tv_nsec << 32;
}

/* Returns the row of new memory, or a negative number when there is no room. */
int memory_new(int device, uint64_t size, uint64_t *token) {
	int row = -1;
	shared_lock();
	remove_dead();
	if (used_locked(device) + size <= config.memory)
		for (row = 0; row < MAX_MEMORY && reg->memory[row].token; row++) {
		}
	if (row == MAX_MEMORY) row = -1;
	if (row >= 0) {
		MemoryRow *m = &reg->memory[row];
		*m = (MemoryRow){
			.token = *token = fresh_token(), .size = size, .device = device, .owner = me};
		m->holders[me / 64] |= 1ull << me % 64;
	}
	shared_unlock();
	return row;
}

/* Makes this process a holder of memory. After its owner freed it or ended, only memory named by a
 * file descriptor (orphan) can still be opened. */
CUresult memory_hold(int row, uint64_t token, bool orphan, uint64_t *size) {
	CUresult code = CUDA_ERROR_INVALID_HANDLE;
	if (row < 0 || row >= MAX_MEMORY) return code;
	shared_lock();
	remove_dead();
	MemoryRow *m = &reg->memory[row];
	if (m->token == token && (orphan || m->owner != NOBODY)) {
		m->holders[me / 64] |= 1ull << me % 64;
		*size = m->size;
		code = CUDA_SUCCESS;
	}
	shared_unlock();
	return code;
}

void memory_release(int row, uint64_t token) {
	shared_lock();
	if (reg->memory[row].token == token) remove_holder(row, me);
	shared_unlock();
}

/* Returns the number of other living processes that hold the memory. */
int memory_others(int row) {
	int n = 0;
	shared_lock();
	remove_dead();
	for (int i = 0; i < MAX_PROCESSES; i++) n += i != me && held(&reg->memory[row], i);
	shared_unlock();
	return n;
}

uint8_t *memory_map(int row, uint64_t token, uint64_t size, bool create) {
	char path[256];
	memory_path(path, sizeof path, row, token);
	int fd = open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT | O_EXCL : 0), 0600);
	if (fd < 0) return NULL;
	uint8_t *p = MAP_FAILED;
	/* The allocation makes a full file system an error here, not a signal later. */
	if (!create || !posix_fallocate(fd, 0, (off_t)size))
		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

/* ---- events ---- */

EventRow *event_new(void) {
	shared_lock();
	remove_dead();
	int i = 0;
	while (i < MAX_EVENTS && atomic_load(&reg->events[i].state)) i++;
	EventRow *e = i < MAX_EVENTS ? &reg->events[i] : NULL;
	if (e) {
		e->owner = me;
		atomic_store(&e->recorded, 0);
		atomic_store(&e->done, 0);
		atomic_store(&e->token, fresh_token());
		atomic_store(&e->state, EVENT_LIVE);
	}
	shared_unlock();
	return e;
}

int event_index(const EventRow *row) { return (int)(row - reg->events); }

EventRow *event_at(int index, uint64_t token) {
	if (index < 0 || index >= MAX_EVENTS) return NULL;
	shared_lock();
	remove_dead();
	EventRow *e = &reg->events[index];
	bool live = atomic_load(&e->state) == EVENT_LIVE && atomic_load(&e->token) == token;
	shared_unlock();
	return live ? e : NULL;
}
