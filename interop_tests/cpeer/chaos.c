/* chaos.c: the commands make and take, with journals that outlive a SIGKILL (faults/chaos.py), and
 * step. */
#include "peer.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

typedef struct {
	_Atomic uint64_t *count;
	uint64_t *words, room;
} Journal; /* Word 0 counts the words after it. */

static bool open_journal(Journal *j, const char *path) {
	struct stat s;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &s)) return false;
	void *m = mmap(NULL, (size_t)s.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (m == MAP_FAILED) return false;
	*j = (Journal){m, m, (uint64_t)s.st_size / 8};
	return true;
}

static bool note(Journal *j, uint64_t word) {
	uint64_t n = atomic_load(j->count);
	if (n + 1 >= j->room) return false;
	j->words[n + 1] = word;
	atomic_store(j->count, n + 1);
	return true;
}

int do_make(Peer *p, char **args) {
	Journal j;
	uint64_t producer = option(args, "producer", 0) << 40;
	if (!open_journal(&j, text_option(args, "out"))) return err("system", "no journal");
	for (uint64_t n = 0;; n++) {
		int got = room(p, INT64_MAX / 2);
		if (got == GR_WAIT_ENDED) return ok("sent=%" PRIu64, n);
		if (got != 1) return err("system", "no room");
		uint64_t id = producer | n,
				 len = make_message(&p->ring, gr_payload(&p->ring, p->p.pos.idx), id);
		gr_publish(&p->p, (uint32_t)len, 0, mix(id));
		atomic_store(j.count, n + 1);
	}
}

int do_take(Peer *p, char **args) {
	Journal j;
	if (!open_journal(&j, text_option(args, "out"))) return err("system", "no journal");
	for (;;) {
		gr_pos at;
		uint64_t sizes;
		int got = data(p, INT64_MAX / 2, &at, &sizes);
		if (got == GR_WAIT_ENDED) return ok("got=%" PRIu64, atomic_load(j.count));
		if (got != 1) return err("system", "no data, %d", got);
		const uint8_t *b = gr_payload(&p->ring, at.idx);
		bool good = good_message(&p->ring, b, sizes & 0xffffffff) &&
			gr_slot(&p->ring, at.idx)->tag == mix(gr_u64(b, 0));
		if (!note(&j, good ? gr_u64(b, 0) : UINT64_MAX))
			return err("system", "the journal is full");
		gr_release_any(&p->c, at, 1);
	}
}

/* step OP runs the library's part of one command; step OP marked runs it between two SIGTRAPs, for
 * faults/stepper.c. */
static gr_pos taken;

static void step_producer(Peer *p) { p->seat = gr_join(&p->ring, p->fd, true, "x", &p->lock); }

static void step_consumer(Peer *p) { p->seat = gr_join(&p->ring, p->fd, false, "x", &p->lock); }

static void step_write(Peer *p) {
	if (!gr_try_reserve(&p->p, true)) return;
	memset(gr_payload(&p->ring, p->p.pos.idx), 0xaa, 1);
	gr_publish(&p->p, 1, 0, 0);
}

static void step_abort(Peer *p) {
	gr_abort(&p->p);
	p->reserved = false;
}

static void step_take(Peer *p) { gr_try_take(&p->c, true, &taken); }

static void step_release(Peer *p) { gr_release_any(&p->c, taken, 1); }

static void step_requeue(Peer *p) { requeue(p, taken); }

static void step_reap(Peer *p) { gr_reap_dead(&p->ring, p->fd, 0); }

static void step_leave(Peer *p) {
	gr_leave(&p->ring, p->seat, p->lock);
	p->lock = -1;
}

static const struct {
	const char *name;
	void (*run)(Peer *);
} steps[] = {
	{"producer", step_producer},
	{"consumer", step_consumer},
	{"write", step_write},
	{"abort", step_abort},
	{"take", step_take},
	{"release", step_release},
	{"requeue", step_requeue},
	{"reap", step_reap},
	{"leave", step_leave},
};

int do_step(Peer *p, char **args) {
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		if (strcmp(steps[i].name, args[0])) continue;
		if (args[1]) raise(SIGTRAP);
		steps[i].run(p);
		if (args[1]) raise(SIGTRAP);
		return done();
	}
	return err("system", "no step %s", args[0]);
}
