/* main.c: runs the command loop, opens rings and joins seats. */
#include "peer.h"

#include <stdarg.h>

int ok(const char *format, ...) {
	va_list v;
	fputs("ok ", stdout);
	va_start(v, format);
	vprintf(format, v);
	va_end(v);
	return 0;
}

int err(const char *class, const char *format, ...) {
	va_list v;
	printf("err %s ", class);
	va_start(v, format);
	vprintf(format, v);
	va_end(v);
	return 0;
}

const char *text_option(char **args, const char *k) {
	size_t n = strlen(k);
	for (; *args; args++)
		if (!strncmp(*args, k, n) && (*args)[n] == '=') return *args + n + 1;
	return NULL;
}

uint64_t option(char **args, const char *k, uint64_t dflt) {
	const char *v = text_option(args, k);
	return v ? strtoull(v, NULL, 10) : dflt;
}

void put_hex(const uint8_t *b, uint64_t n) {
	if (!n) putchar('-');
	for (; n; n--, b++) printf("%02x", *b);
}

/* Returns the number of bytes in the text, and writes them to "to" when they fit in room. */
int64_t get_hex(const char *text, uint8_t *to, uint64_t room) {
	uint64_t n = strcmp(text, "-") ? strlen(text) / 2 : 0;
	for (uint64_t i = 0; i < n && n <= room; i++) {
		char two[3] = {text[2 * i], text[2 * i + 1], 0};
		to[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	return (int64_t)n;
}

static int do_leave(Peer *p, char **args) {
	(void)args;
	if (p->lock < 0) return done();
	if (p->reserved) gr_abort(&p->p);
	gr_leave(&p->ring, p->seat, p->lock);
	p->lock = -1;
	p->produces = p->consumes = p->reserved = false;
	p->nagain = p->nbatch = 0;
	return done();
}

static void close_ring(Peer *p) {
	if (p->fd < 0) return;
	gr_unmap(&p->ring);
	close(p->fd);
	p->fd = -1;
}

static int do_close(Peer *p, char **args) {
	do_leave(p, args);
	close_ring(p);
	return 0;
}

static const char *refusal(int fault) {
	switch (fault) {
	case GR_ERR_NOT_FOUND: return "notexist";
	case GR_ERR_FILE_TYPE: return "filetype";
	case GR_ERR_OWNER: return "owner";
	case GR_ERR_MODE: return "mode";
	case GR_ERR_TRUNCATED:
	case GR_ERR_SIZE_DIFFERS: return "truncated";
	case GR_ERR_FOREIGN: return "foreign";
	case GR_ERR_BYTE_ORDER: return "byteorder";
	case GR_ERR_VERSION: return "version";
	case GR_ERR_CHECKSUM: return "checksum";
	case GR_ERR_FEATURE:
	case GR_ERR_RO_FEATURE: return "feature";
	case GR_ERR_GEOMETRY: return "geometry";
	case GR_ERR_INFO: return "info";
	}
	return "system";
}

/* Continues with the ring that was attached, or reports the cause why it was not. */
static int use(Peer *p, int fault, const gr_ring *ring, int fd) {
	static const char *kinds[] = {"", "bytes", "array", "struct", "tensor"};
	if (fault) return err(refusal(fault), "fault %d", fault);
	if (p->lock >= 0) gr_leave(&p->ring, p->seat, p->lock);
	close_ring(p);
	p->ring = *ring;
	p->fd = fd;
	p->lock = -1;
	return ok("kind=%s slots=%" PRIu64 " slot_bytes=%" PRIu64, kinds[ring->kind], ring->slots,
		ring->bytes);
}

static int do_open(Peer *p, char **args) {
	char path[4096];
	gr_ring ring;
	int fd;
	snprintf(path, sizeof path, "%s/goring.%s", getenv("GORING_DIR"), args[0]);
	int fault = gr_attach(&ring, path, &fd);
	return use(p, fault, &ring, fd);
}

static int do_openfd(Peer *p, char **args) {
	struct stat s;
	gr_ring ring;
	int fd = dup(atoi(args[0]));
	int fault = fstat(fd, &s) ? GR_ERR_SYSTEM : gr_attach_fd(&ring, fd, (uint64_t)s.st_size);
	return use(p, fault, &ring, fd);
}

static int join(Peer *p, char **args, bool producer) {
	const char *death = text_option(args, "death");
	p->seat = gr_join(
		&p->ring, p->fd, producer, args[0] && args[0] != death - 6 ? args[0] : "cpeer", &p->lock);
	if (!p->seat) return err("busy", "no seat left");
	if (producer) {
		gr_producer_start(&p->p, &p->ring, p->seat);
	} else {
		free(p->cursor.early);
		gr_cursor_start(&p->cursor, &p->ring, p->seat, calloc(1, gr_cursor_early_size(&p->ring)));
		gr_consumer_start(&p->c, &p->ring, p->seat, &p->cursor);
	}
	gr_waiter_start(&p->w, &p->ring, p->seat, p->lock, GR_STRATEGY_ADAPTIVE, !death);
	p->produces = producer;
	p->consumes = !producer;
	return ok("seat=%u", p->seat);
}

static int do_producer(Peer *p, char **args) { return join(p, args, true); }

static int do_consumer(Peer *p, char **args) { return join(p, args, false); }

static int do_reap(Peer *p, char **args) {
	(void)args;
	gr_reap_dead(&p->ring, p->fd, 0);
	return done();
}

/* slip SLOTS MOST NUMBER...: prints the pauses before the wait for each number; see slip.py. */
static int do_slip(Peer *p, char **args) {
	(void)p;
	gr_slip s;
	gr_slip_start(&s, strtoull(args[0], NULL, 10));
	s.max_pauses = atoi(args[1]);
	ok("pauses=");
	for (args += 2; *args; args++)
		printf("%d,", gr_slip_pauses_before(&s, strtoull(*args, NULL, 10)));
	return 0;
}

static int do_shutdown(Peer *p, char **args) {
	(void)args;
	gr_shutdown(&p->ring);
	return done();
}

static const struct {
	const char *name;
	Command *run;
} commands[] = {
	{"open", do_open},
	{"openfd", do_openfd},
	{"producer", do_producer},
	{"consumer", do_consumer},
	{"leave", do_leave},
	{"close", do_close},
	{"shutdown", do_shutdown},
	{"reserve", do_reserve},
	{"commit", do_commit},
	{"abort", do_abort},
	{"write", do_write},
	{"put", do_put},
	{"writebatch", do_writebatch},
	{"latest", do_latest},
	{"lost", do_lost},
	{"tryread", do_tryread},
	{"read", do_read},
	{"release", do_release},
	{"requeue", do_requeue},
	{"readbatch", do_readbatch},
	{"releasebatch", do_releasebatch},
	{"produce", do_produce},
	{"consume", do_consume},
	{"make", do_make},
	{"take", do_take},
	{"reap", do_reap},
	{"step", do_step},
	{"slip", do_slip},
};

static Command *find(const char *name) {
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (!strcmp(commands[i].name, name)) return commands[i].run;
	return NULL;
}

int main(void) {
	static Peer peer = {.fd = -1, .lock = -1};
	static char line[LINE];
	static char *words[LINE / 8];
	while (fgets(line, sizeof line, stdin)) {
		size_t n = 0;
		for (char *w = strtok(line, " \n"); w; w = strtok(NULL, " \n")) words[n++] = w;
		words[n] = NULL;
		if (!n) continue;
		Command *run = find(words[0]);
		if (run)
			run(&peer, words + 1);
		else
			err("system", "no command %s", words[0]);
		putchar('\n');
		fflush(stdout);
	}
	return 0;
}
