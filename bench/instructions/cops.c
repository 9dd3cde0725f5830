/* cops.c: cops NAME=FD.. runs each operation of the C headers a few times between two marks, on
 * the rings with those descriptors, for count.c. It prints the operations in their order. */
#include "goring/attach.h"

#include <signal.h>
#include <stdlib.h>

enum { ROUNDS = 2, TIMES = 16 }; /* TIMES is the number of slots of a ring. */

static gr_producer p;
static gr_consumer c;
static const uint8_t row[32];
static uint8_t sum;

static void require(bool good, const char *what) {
	if (good) return;
	fprintf(stderr, "cops: %s\n", what);
	exit(1);
}

static void nothing(void) {}

static void put(void) {
	for (int k = 0; k < TIMES; k++) {
		require(!gr_is_shutdown(p.r) && gr_try_reserve(&p, true), "no room");
		memcpy(gr_payload(p.r, p.pos.idx), row, sizeof row);
		gr_publish(&p, sizeof row, 0, 0);
	}
}

static void get(void) {
	for (int k = 0; k < TIMES; k++) {
		gr_pos at;
		require(gr_try_take(&c, true, &at) && gr_sizes_fit(c.r, gr_slot(c.r, at.idx)->sizes),
			"no message");
		sum += *gr_payload(c.r, at.idx);
		require(gr_is_held_any(&c, at), "not held");
		gr_release_any(&c, at, 1);
	}
}

static void put_run(void) {
	gr_pos at = p.pos;
	require(gr_try_reserve(&p, true), "no room");
	require(gr_reserve_run(&p, TIMES) == TIMES, "no room");
	gr_pos x = at;
	for (int k = 0; k < TIMES; k++, x = gr_next(p.r, x)) {
		memcpy(gr_payload(p.r, x.idx), row, sizeof row);
		gr_describe(gr_slot(p.r, x.idx), sizeof row, 0, 0, 0);
	}
	gr_publish_run(&p, TIMES);
}

static void get_run(void) {
	gr_pos at, x;
	require(gr_try_take(&c, true, &at), "no message");
	x = at;
	for (int k = 0; k < TIMES; k++, x = gr_next(c.r, x)) {
		require(!k || gr_take_next(&c), "no message");
		require(gr_sizes_fit(c.r, gr_slot(c.r, x.idx)->sizes), "not sane");
		sum += *gr_payload(c.r, x.idx);
	}
	gr_release_any(&c, at, TIMES);
}

static const struct {
	const char *name;
	void (*run)(void);
} ops[] = {{"write", put}, {"read, release", get}, {"write 16", put_run}, {"read 16", get_run}};

enum { OPS = sizeof ops / sizeof *ops };

typedef struct {
	gr_ring ring;
	gr_producer p;
	gr_consumer c;
	gr_cursor cursor;
	uint64_t early;
} Place;

static void mark(void) { raise(SIGWINCH); }

static void join(Place *x, int fd) {
	int lock;
	struct stat s;
	require(!fstat(fd, &s) && !gr_attach_fd(&x->ring, fd, (uint64_t)s.st_size), "cannot attach");
	gr_producer_start(&x->p, &x->ring, gr_join(&x->ring, fd, true, "cops", &lock));
	unsigned seat = gr_join(&x->ring, fd, false, "cops", &lock);
	gr_cursor_start(&x->cursor, &x->ring, seat, &x->early);
	gr_consumer_start(&x->c, &x->ring, seat, &x->cursor);
}

int main(int argc, char **argv) {
	enum { MOST = 8 };

	static Place places[MOST];
	require(argc > 1 && argc <= MOST, "which rings?");
	puts("nothing");
	for (int k = 1; k < argc; k++) {
		char *fd = strchr(argv[k], '=');
		require(fd, "want NAME=FD");
		join(&places[k], atoi(fd + 1));
		for (int i = 0; i < OPS; i++)
			printf("%.*s: %s\n", (int)(fd - argv[k]), argv[k], ops[i].name);
	}
	fflush(stdout);
	for (int round = 0; round < ROUNDS; round++) {
		mark();
		nothing();
		for (int k = 1; k < argc; k++) {
			p = places[k].p, c = places[k].c;
			for (int i = 0; i < OPS; i++) {
				mark();
				ops[i].run();
			}
			places[k].p = p, places[k].c = c;
		}
	}
	mark();
	_exit(0);
}
