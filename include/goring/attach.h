/* attach.h: opening, checking and mapping a ring (spec section 10). Not on a hot path. */
#ifndef GORING_ATTACH_H
#define GORING_ATTACH_H
#include "geometry.h"
#include "wait.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Refusals beside those of gr_parse. GR_ERR_SYSTEM leaves the cause in errno. */
enum {
	GR_ERR_NOT_FOUND = 100,
	GR_ERR_FILE_TYPE,
	GR_ERR_OWNER,
	GR_ERR_MODE,
	GR_ERR_INFO,
	GR_ERR_SYSTEM,
};

/* Checks the type, the owner and the mode of a file and returns its size. */
static inline int gr_check_file(int fd, uint64_t *size) {
	struct stat s;
	if (fstat(fd, &s)) return GR_ERR_SYSTEM;
	if (!S_ISREG(s.st_mode)) return GR_ERR_FILE_TYPE;
	if (s.st_uid != geteuid() && s.st_uid != 0) return GR_ERR_OWNER;
	if (s.st_mode & 022) return GR_ERR_MODE;
	*size = (uint64_t)s.st_size;
	return GR_ERR_NONE;
}

/* Returns the bytes from the segment's start that are not a payload area of their own. */
static inline size_t gr_control_size(const gr_ring *r) {
	return r->inlined || r->in_device ? r->total : r->data_off;
}

/* Maps the checked segment of fd. The descriptor stays the caller's. */
static inline int gr_map(gr_ring *r, int fd) {
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), area = r->slots * r->data_stride;
	size_t control = gr_control_size(r);
	uint8_t *c = mmap(NULL, control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), *p = NULL;
	if (c == MAP_FAILED) return GR_ERR_SYSTEM;
	bool mirror = gr_can_mirror(r, page);
	if (!r->inlined && !r->in_device) {
		size_t n = mirror ? 2 * area : area;
		/* The reservation is ours, so MAP_FIXED below replaces no other mapping. */
		p = mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		for (size_t at = 0; p != MAP_FAILED && at < n; at += area)
			if (mmap(p + at, area, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
					(off_t)r->data_off) == MAP_FAILED) {
				munmap(p, n);
				p = MAP_FAILED;
			}
		if (p == MAP_FAILED) {
			munmap(c, control);
			return GR_ERR_SYSTEM;
		}
		if (mirror) madvise(p + area, area, MADV_DONTDUMP); /* A core dump needs each byte once. */
	}
	gr_bind(r, c, p, mirror);
	return GR_ERR_NONE;
}

/* Ends the mappings of gr_map. */
static inline void gr_unmap(gr_ring *r) {
	if (r->control) munmap(r->control, gr_control_size(r));
	if (!r->inlined && r->payload)
		munmap(r->payload, r->slots * r->data_stride * (r->mirror ? 2 : 1));
	r->control = r->payload = NULL;
}

/* Checks the segment of fd. */
static inline int gr_inspect_fd(gr_ring *r, int fd, uint64_t size) {
	uint8_t head[GR_IMMUTABLE_SIZE] = {0};
	if (size >= GR_SUPERBLOCK_SIZE && pread(fd, head, sizeof head, 0) != sizeof head)
		return GR_ERR_SYSTEM;
	int fault = gr_parse(r, head, size);
	if (fault) return fault;
	static uint8_t info[GR_MAX_INFO];
	if (pread(fd, info, r->info_len, (off_t)r->info_off) != (ssize_t)r->info_len)
		return GR_ERR_SYSTEM;
	return gr_crc32c(info, r->info_len) == r->info_crc ? GR_ERR_NONE : GR_ERR_INFO;
}

/* Checks and maps the segment of fd. A GPU ring cannot be joined without a driver of CUDA. */
static inline int gr_attach_fd(gr_ring *r, int fd, uint64_t size) {
	int fault = gr_inspect_fd(r, fd, size);
	if (fault) return fault;
	return r->gpu ? GR_ERR_FEATURE : gr_map(r, fd);
}

/* Opens and attaches to a named ring. The caller closes *fd. */
static inline int gr_attach(gr_ring *r, const char *path, int *fd) {
	uint64_t size = 0;
	*fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (*fd < 0)
		return errno == ENOENT                                    ? GR_ERR_NOT_FOUND
			: errno == ELOOP || errno == EISDIR || errno == ENXIO ? GR_ERR_FILE_TYPE
																  : GR_ERR_SYSTEM;
	int fault = gr_check_file(*fd, &size);
	if (!fault) fault = gr_attach_fd(r, *fd, size);
	if (fault) {
		close(*fd);
		*fd = -1;
	}
	return fault;
}
#endif
