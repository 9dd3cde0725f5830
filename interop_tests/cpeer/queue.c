/* queue.c: runs the steps of producing and consuming, one command each. */
#include "peer.h"

int64_t milliseconds(const char *text) { return strtoll(text, NULL, 10) * 1000000; }

/* Waits for at most ns. Returns 1 when the look succeeded, 0 at the timeout, GR_WAIT_ENDED or
 * GR_WAIT_PEER_DEAD. */
static int wait_for(Peer *p, gr_look look, int64_t ns) {
	if (!ns) return !gr_is_shutdown(&p->ring) ? 0 : look(p, true) ? 1 : GR_WAIT_ENDED;
	if (gr_spin_briefly(&p->w, look, p) || gr_yield(&p->w, look, p)) return 1;
	for (int64_t end = gr_monotonic() + ns, left; (left = end - gr_monotonic()) > 0;) {
		int r = gr_sleep(&p->w, look, p, left < p->w.slice ? left : p->w.slice);
		if (r) return r;
	}
	return 0;
}

/* ---- producer ---- */
static bool look_room(void *arg, bool final) { return gr_try_reserve(&((Peer *)arg)->p, !final); }

int room(Peer *p, int64_t ns) {
	if (gr_is_shutdown(&p->ring)) return GR_WAIT_ENDED;
	if (gr_try_reserve(&p->p, true)) return 1;
	if (ns) gr_slip_pause(&p->w.slip, gr_number(&p->ring, p->p.pos));
	return wait_for(p, look_room, ns);
}

static int no_room(const gr_waiter *w, int r, bool waited) {
	if (r == GR_WAIT_PEER_DEAD) return err("peerdead", "the last consumer, seat %u, died", w->dead);
	if (r == GR_WAIT_ENDED) return err("shutdown", "the ring is shut down");
	return err(waited ? "timeout" : "full", "no slot is free");
}

static int fill(Peer *p, char **args, bool keep);

int do_reserve(Peer *p, char **args) {
	(void)args;
	int r = room(p, 0);
	if (r != 1) return no_room(&p->w, r, false);
	p->reserved = true;
	return ok("seq=%" PRIu64, gr_number(&p->ring, p->p.pos));
}

int do_commit(Peer *p, char **args) {
	if (!p->reserved) return err("misuse", "nothing is reserved");
	return fill(p, args, true);
}

int do_abort(Peer *p, char **args) {
	(void)args;
	if (!p->reserved) return err("misuse", "nothing is reserved");
	gr_abort(&p->p);
	p->reserved = false;
	return done();
}

static int write_within(Peer *p, int64_t ns, char **args) {
	int r = room(p, ns);
	return r == 1 ? fill(p, args, false) : no_room(&p->w, r, ns != 0);
}

int do_write(Peer *p, char **args) { return write_within(p, 0, args); }

int do_put(Peer *p, char **args) { return write_within(p, milliseconds(args[0]), args + 1); }

/* Parses CODE:2x3 into the slot's descriptor. */
static void describe(uint8_t *to, const char *text) {
	char *at;
	uint16_t code = (uint16_t)strtoul(text, &at, 10);
	uint8_t ndim = 0;
	memset(to, 0, GR_TENSOR_SIZE);
	for (at++; *at; at += *at == 'x') {
		uint64_t n = strtoull(at, &at, 10);
		memcpy(to + GR_TENSOR_SHAPE + 8 * ndim++, &n, sizeof n);
	}
	memcpy(to + GR_TENSOR_DTYPE, &code, sizeof code);
	to[GR_TENSOR_NDIM] = ndim;
}

/* Fills the reserved slot from the command's words and publishes it. */
static int fill(Peer *p, char **args, bool keep) {
	gr_ring *r = &p->ring;
	gr_pos at = p->p.pos;
	const char *meta = text_option(args + 1, "meta"), *tensor = text_option(args + 1, "tensor");
	int64_t n = get_hex(args[0], gr_payload(r, at.idx), r->bytes);
	int64_t m = meta ? get_hex(meta, gr_meta(r, at.idx), r->max_meta) : 0;
	if ((uint64_t)n > r->bytes || (uint64_t)m > r->max_meta) {
		if (!keep) gr_abort(&p->p);
		return err("toolarge",
			"%" PRId64 " and %" PRId64 " bytes, slots hold %" PRIu64 " and %" PRIu64, n, m,
			r->bytes, r->max_meta);
	}
	if (tensor) describe(gr_tensor(r, at.idx), tensor);
	gr_publish(&p->p, (uint32_t)n, (uint16_t)m, option(args + 1, "tag", 0));
	p->reserved = false;
	return ok("seq=%" PRIu64, gr_number(r, at));
}

int do_writebatch(Peer *p, char **args) {
	gr_ring *r = &p->ring;
	uint64_t done = 0, all = 0;
	while (args[all]) all++;
	while (done < all) {
		int got = room(p, milliseconds("1000"));
		if (got != 1) return no_room(&p->w, got, true);
		gr_pos at = p->p.pos;
		uint64_t n = gr_reserve_run(&p->p, gr_longest_run(r, at, all - done));
		for (uint64_t k = 0; k < n; k++) {
			gr_pos x = gr_plus(r, at, k);
			int64_t bytes = get_hex(args[done + k], gr_payload(r, x.idx), r->bytes);
			gr_describe(gr_slot(r, x.idx), (uint32_t)bytes, 0, 0, gr_now(r));
		}
		gr_publish_run(&p->p, n);
		done += n;
	}
	return ok("n=%" PRIu64, done);
}

/* ---- consumer ---- */
static gr_pos looked; /* The position that look_data took. */

static bool take_again(Peer *p) {
	if (!p->nagain) return false;
	looked = p->again[0];
	memmove(p->again, p->again + 1, --p->nagain * sizeof *p->again);
	return true;
}

static bool look_data(void *arg, bool final) {
	Peer *p = arg;
	return take_again(p) || gr_try_take(&p->c, !final, &looked);
}

static bool tensor_fits(const uint8_t *d, uint64_t len) {
	static const uint8_t sizes[] = {
#define SIZE(code, name, bytes) [code] = bytes,
		GR_DTYPES(SIZE)};
	uint16_t code = gr_u16(d, GR_TENSOR_DTYPE);
	uint64_t n;
	if (!code || code >= sizeof sizes || d[GR_TENSOR_NDIM] > GR_MAX_DIMS) return false;
	n = sizes[code];
	for (int i = 0; i < d[GR_TENSOR_NDIM]; i++)
		if (__builtin_mul_overflow(n, gr_u64(d, GR_TENSOR_SHAPE + 8 * i), &n)) return false;
	return n == len;
}

/* Takes the next message. Returns 1 when it did, 0 at the timeout, GR_WAIT_ENDED,
 * GR_WAIT_PEER_DEAD, HELD, or CORRUPT after releasing the message. */
int data(Peer *p, int64_t ns, gr_pos *at, uint64_t *sizes) {
	gr_ring *r = &p->ring;
	if (!look_data(p, false)) {
		if (gr_holds_every_slot(&p->c)) return HELD;
		if (ns) gr_slip_pause(&p->w.slip, gr_number(r, p->c.pos));
		int got = wait_for(p, look_data, ns);
		if (got != 1) return got;
	}
	*at = looked;
	*sizes = gr_slot(r, at->idx)->sizes;
	uint8_t d[GR_TENSOR_SIZE];
	bool sane = gr_sizes_fit(r, *sizes);
	if (sane && r->kind == GR_KIND_TENSOR)
		sane = tensor_fits(memcpy(d, gr_tensor(r, at->idx), sizeof d), *sizes & 0xffffffff);
	if (sane) return 1;
	gr_release_any(&p->c, *at, 1);
	return CORRUPT;
}

static int no_data(const gr_waiter *w, int r, bool waited) {
	switch (r) {
	case 0: return err(waited ? "timeout" : "empty", "nothing there");
	case GR_WAIT_PEER_DEAD: return err("peerdead", "the last producer, seat %u, died", w->dead);
	case GR_WAIT_ENDED: return err("end", "shut down and empty");
	case HELD: return err("held", "every slot is held");
	}
	return err("corrupt", "message %" PRIu64 " in lap %" PRIu64, looked.idx, looked.lap);
}

static int lend(Peer *p, int64_t ns) {
	gr_pos at;
	uint64_t sizes;
	int r = data(p, ns, &at, &sizes);
	if (r != 1) return no_data(&p->w, r, ns != 0);
	gr_header *h = gr_slot(&p->ring, at.idx);
	ok("seq=%" PRIu64 " data=", gr_number(&p->ring, at));
	put_hex(gr_payload(&p->ring, at.idx), sizes & 0xffffffff);
	printf(" tag=%" PRIu64 " meta=", h->tag);
	put_hex(gr_meta(&p->ring, at.idx), sizes >> 32 & 0xffff);
	printf(" again=%" PRIu64 " ts=%" PRId64, sizes >> 56, h->timestamp);
	if (p->ring.kind == GR_KIND_TENSOR) {
		const uint8_t *d = gr_tensor(&p->ring, at.idx);
		printf(" tensor=%u:", gr_u16(d, GR_TENSOR_DTYPE));
		for (int i = 0; i < d[GR_TENSOR_NDIM]; i++)
			printf("%s%" PRIu64, i ? "x" : "", gr_u64(d, GR_TENSOR_SHAPE + 8 * i));
	}
	return 0;
}

int do_tryread(Peer *p, char **args) { return (void)args, lend(p, 0); }

int do_read(Peer *p, char **args) { return lend(p, milliseconds(args[0])); }

int do_latest(Peer *p, char **args) {
	if (!p->nagain) gr_skip_to_newest(&p->c);
	return lend(p, milliseconds(args[0]));
}

int do_lost(Peer *p, char **args) { return (void)args, ok("lost=%" PRIu64, p->c.lost); }

/* Sets *at to the position of message args[0]. Returns false when its word says it is not held. */
static bool held(Peer *p, char **args, gr_pos *at) {
	*at = gr_position_of(&p->ring, strtoull(args[0], NULL, 10));
	for (size_t i = 0; i < p->nagain; i++)
		if (gr_number(&p->ring, p->again[i]) == gr_number(&p->ring, *at)) return false;
	return gr_is_held_any(&p->c, *at);
}

int do_release(Peer *p, char **args) {
	gr_pos at;
	if (!held(p, args, &at))
		return err(p->c.discipline == GR_OVERWRITE ? "lapped" : "misuse", "message %s is not held",
			args[0]);
	gr_release_any(&p->c, at, 1);
	return done();
}

/* Requeues a held message. Under GR_SINGLE it stays READY and is read again, lowest first. */
void requeue(Peer *p, gr_pos at) {
	if (p->c.discipline == GR_MULTI) {
		gr_requeue(&p->c, at);
		return;
	}
	size_t i = p->nagain++;
	for (; i && gr_number(&p->ring, p->again[i - 1]) > gr_number(&p->ring, at); i--)
		p->again[i] = p->again[i - 1];
	p->again[i] = at;
	if (p->c.discipline == GR_SINGLE) gr_count_redelivery(gr_slot(&p->ring, at.idx));
}

int do_requeue(Peer *p, char **args) {
	gr_pos at;
	if (!held(p, args, &at)) return err("misuse", "message %s is not held", args[0]);
	requeue(p, at);
	return done();
}

int do_readbatch(Peer *p, char **args) {
	gr_ring *r = &p->ring;
	gr_pos at;
	uint64_t sizes, n = 1;
	int got = data(p, milliseconds("1"), &at, &sizes);
	if (got != 1) return no_data(&p->w, got, true);
	gr_pos after = gr_next(r, at);
	uint64_t most = gr_longest_run(r, at, strtoull(args[0], NULL, 10));
	/* A requeued message is no part of a run. */
	if (gr_number(r, after) != gr_number(r, p->c.pos)) most = 1;
	while (n < most && gr_sizes_fit(r, gr_slot(r, p->c.pos.idx)->sizes) && gr_take_next(&p->c)) n++;
	p->batch = at;
	p->nbatch = n;
	ok("seq=%" PRIu64 " n=%" PRIu64 " data=", gr_number(r, at), n);
	for (uint64_t k = 0; k < n; k++, at = gr_next(r, at)) {
		if (k) putchar(',');
		put_hex(gr_payload(r, at.idx), r->bytes);
	}
	return 0;
}

int do_releasebatch(Peer *p, char **args) {
	(void)args;
	if (!p->nbatch) return err("misuse", "no batch is held");
	gr_release_any(&p->c, p->batch, p->nbatch);
	p->nbatch = 0;
	return done();
}
