/* goring_attach.h: opening a named ring and joining it, for programs in C
 * (spec sections 3 and 10). Nothing here is on a hot path. */
#ifndef GORING_ATTACH_H
#define GORING_ATTACH_H
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "goring_geometry.h"
#include "goring_wait.h"

enum { /* refusals beside those of gr_parse */
	GR_NOT_FOUND = 100, GR_FILE_TYPE, GR_OWNER, GR_MODE, GR_INFO, GR_SYSTEM,
};

static inline int gr_vet(int fd, uint64_t *size) {
	struct stat s;
	if (fstat(fd, &s)) return GR_SYSTEM;
	if (!S_ISREG(s.st_mode)) return GR_FILE_TYPE;
	if (s.st_uid != geteuid() && s.st_uid != 0) return GR_OWNER;
	if (s.st_mode & 022) return GR_MODE;
	*size = (uint64_t)s.st_size;
	return GR_OK;
}
/* bytes from the segment's start that are not a payload area of their own */
static inline size_t gr_control_size(const gr_ring *r) { return r->inlined || r->in_device ? r->total : r->data_off; }
/* maps the checked segment behind fd; the descriptor stays the caller's */
static inline int gr_map(gr_ring *r, int fd) {
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), area = r->slots * r->data_stride;
	size_t control = gr_control_size(r);
	uint8_t *c = mmap(NULL, control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), *p = NULL;
	if (c == MAP_FAILED) return GR_SYSTEM;
	bool mirror = gr_can_mirror(r, page);
	if (!r->inlined && !r->in_device) {
		size_t n = mirror ? 2 * area : area;
		/* the reservation is ours, so MAP_FIXED below can only replace what is ours */
		p = mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		for (size_t at = 0; p != MAP_FAILED && at < n; at += area)
			if (mmap(p + at, area, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, (off_t)r->data_off) == MAP_FAILED) {
				munmap(p, n);
				p = MAP_FAILED;
			}
		if (p == MAP_FAILED) {
			munmap(c, control);
			return GR_SYSTEM;
		}
		if (mirror) madvise(p + area, area, MADV_DONTDUMP); /* a core needs each byte once */
	}
	gr_bind(r, c, p, mirror);
	return GR_OK;
}
static inline void gr_unmap(gr_ring *r) {
	if (r->control) munmap(r->control, gr_control_size(r));
	if (!r->inlined && r->payload) munmap(r->payload, r->slots * r->data_stride * (r->mirror ? 2 : 1));
	r->control = r->payload = NULL;
}
/* checks the segment behind fd */
static inline int gr_inspect_fd(gr_ring *r, int fd, uint64_t size) {
	uint8_t head[GR_IMMUTABLE_SIZE] = {0};
	if (size >= GR_SUPERBLOCK_SIZE && pread(fd, head, sizeof head, 0) != sizeof head) return GR_SYSTEM;
	int fault = gr_parse(r, head, size);
	if (fault) return fault;
	static uint8_t info[GR_MAX_INFO];
	if (pread(fd, info, r->info_len, (off_t)r->info_off) != (ssize_t)r->info_len) return GR_SYSTEM;
	return gr_crc32c(info, r->info_len) == r->info_crc ? GR_OK : GR_INFO;
}
/* checks and maps it; without a driver of CUDA a GPU ring is none to join */
static inline int gr_attach_fd(gr_ring *r, int fd, uint64_t size) {
	int fault = gr_inspect_fd(r, fd, size);
	if (fault) return fault;
	return r->gpu ? GR_FEATURE : gr_map(r, fd);
}
/* opens and attaches; *fd is the caller's to close */
static inline int gr_attach(gr_ring *r, const char *path, int *fd) {
	uint64_t size = 0;
	*fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (*fd < 0) return errno == ENOENT ? GR_NOT_FOUND : errno == ELOOP || errno == EISDIR || errno == ENXIO ? GR_FILE_TYPE : GR_SYSTEM;
	int fault = gr_vet(*fd, &size);
	if (!fault) fault = gr_attach_fd(r, *fd, size);
	if (fault) {
		close(*fd);
		*fd = -1;
	}
	return fault;
}

/* ---- joining ---- */
/* fills the entry of a seat whose lock is ours; the order of the stores is the spec's */
static inline void gr_enter(gr_ring *r, unsigned seat, const char *name) {
	gr_reap(r, seat); /* the one before may have died here */
	uint8_t *e = gr_entry(r, seat);
	_Atomic uint64_t *head = gr_word64(r, GR_OFF_HEAD);
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	int64_t joined = t.tv_sec * 1000000000ll + t.tv_nsec;
	uint32_t pid = (uint32_t)getpid();
	atomic_fetch_add(gr_seat_epoch(r, seat), 1);
	atomic_store(gr_seat_flags(r, seat), 0);
	atomic_store(gr_seat_lost(r, seat), 0);
	atomic_store(gr_seat_cursor(r, seat), atomic_load(head));
	memcpy(e + GR_PART_PID, &pid, sizeof pid);
	memset(e + GR_PART_START_TIME, 0, 8); /* unknown */
	memcpy(e + GR_PART_JOINED, &joined, sizeof joined);
	atomic_store(gr_seat_progress(r, seat), gr_monotonic());
	memset(e + GR_PART_NAME, 0, GR_PART_NAME_SIZE);
	memcpy(e + GR_PART_NAME, name, strnlen(name, GR_PART_NAME_SIZE));
	atomic_store(gr_seat_state(r, seat), GR_PART_IN_USE); /* before the first word is touched */
	atomic_store(gr_seat_cursor(r, seat), atomic_load(head)); /* a producer that did not see the seat yet may have gone on */
}
/* takes a seat of the role; *lock is a description of its own that holds it. 0: all are taken. */
static inline unsigned gr_join(gr_ring *r, int fd, bool producer, const char *name, int *lock) {
	char path[40];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if ((*lock = open(path, O_RDWR | O_CLOEXEC)) < 0) return 0;
	unsigned first = producer ? 1 : r->max_producers + 1u, n = producer ? r->max_producers : r->max_consumers;
	for (int tries = 0; tries < 5; tries++) { /* a reaper may hold the lock of a free seat for an instant */
		for (unsigned seat = first; seat < first + n; seat++)
			if (gr_lock(*lock, seat)) {
				gr_enter(r, seat, name);
				return seat;
			}
		usleep(1000);
	}
	close(*lock);
	*lock = -1;
	return 0;
}
#endif
