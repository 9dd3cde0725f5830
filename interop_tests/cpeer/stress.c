/* stress.c: produces and consumes at full speed, as stress.py describes. */
#include "peer.h"

static const int64_t patience = 30000000000; /* Nanoseconds before a hang is reported. */

/* ---- produce ---- */
typedef struct {
	Peer *p;
	uint64_t id, n, count, batch, abort, aborted;
} Production;

static int one(Production *o) {
	Peer *p = o->p;
	gr_ring *r = &p->ring;
	int got = room(p, patience);
	if (got != 1) return got;
	uint8_t *b = gr_payload(r, p->p.pos.idx);
	if (o->abort && (o->n + o->aborted) % o->abort == o->abort - 1) {
		memset(b, 0xee, r->bytes < 64 ? r->bytes : 64);
		gr_abort(&p->p);
		o->aborted++;
		return 1;
	}
	uint64_t id = o->id + o->n++, len = make_message(r, b, id);
	gr_publish(&p->p, (uint32_t)len, 0, mix(id));
	return 1;
}

static int batch(Production *o) {
	Peer *p = o->p;
	gr_ring *r = &p->ring;
	int got = room(p, patience);
	if (got != 1) return got;
	gr_pos at = p->p.pos;
	uint64_t limit = o->count - o->n < o->batch ? o->count - o->n : o->batch;
	uint64_t n = gr_reserve_run(&p->p, gr_longest_run(r, at, limit));
	for (uint64_t k = 0; k < n; k++, at = gr_next(r, at)) {
		uint64_t id = o->id + o->n++, len = make_message(r, gr_payload(r, at.idx), id);
		gr_describe(gr_slot(r, at.idx), (uint32_t)len, 0, mix(id), gr_now(r));
	}
	gr_publish_run(&p->p, n);
	return 1;
}

int do_produce(Peer *p, char **args) {
	Production o = {p, option(args, "producer", 0) << 40 | option(args, "first", 0), 0,
		option(args, "count", 0), option(args, "batch", 1), option(args, "abort", 0), 0};
	int64_t ms = (int64_t)option(args, "ms", 0), end = gr_monotonic() + ms * 1000000;
	while (o.n < o.count && (!ms || gr_monotonic() < end))
		for (int k = 0; k < 16 && o.n < o.count; k++) {
			int got = o.batch > 1 ? batch(&o) : one(&o);
			if (got != 1)
				return err(got == GR_WAIT_ENDED ? "shutdown" : "timeout",
					"after %" PRIu64 " messages", o.n);
		}
	return ok("sent=%" PRIu64 " aborted=%" PRIu64, o.n, o.aborted);
}

/* ---- consume ---- */
typedef struct {
	gr_pos at;
	uint64_t sizes;
} Held;

enum { MOST_HELD = 64, PRODUCERS = 64 };

typedef struct {
	Peer *p;
	uint64_t producers, span, batch, hold, requeue, stop;
	uint8_t *seen; /* How often each message was counted, [producers][span]. */
	uint8_t *mine; /* The messages this consumer requeued, [producers][span]. */
	int64_t last[PRODUCERS];
	Held held[MOST_HELD];
	uint64_t nheld, got, torn, stray, disorder, requeued, again;
} Consumption;

static uint8_t *mark(Consumption *o, uint64_t id) {
	return &o->mine[(id >> 40) * o->span + (id & ((1ull << 40) - 1))];
}

static bool known(const Consumption *o, uint64_t id) {
	return id >> 40 < o->producers && (id & ((1ull << 40) - 1)) < o->span;
}

static uint64_t id_of(Consumption *o, Held m) {
	return (m.sizes & 0xffffffff) < 8 ? UINT64_MAX : gr_u64(gr_payload(&o->p->ring, m.at.idx), 0);
}

/* Counts disorder: of the messages never requeued a consumer gets each producer's in order. */
static void order(Consumption *o, Held m) {
	uint64_t id = id_of(o, m);
	if (m.sizes >> 56 || !known(o, id) || *mark(o, id)) return;
	int64_t n = (int64_t)(id & ((1ull << 40) - 1)), *last = &o->last[id >> 40];
	if (n <= *last) o->disorder++;
	*last = n;
}

static void count(Consumption *o, Held m) {
	gr_ring *r = &o->p->ring;
	uint64_t id = id_of(o, m);
	bool good = good_message(r, gr_payload(r, m.at.idx), m.sizes & 0xffffffff);
	/* A producer in bulk sets no tags. */
	if (!r->fixed && gr_slot(r, m.at.idx)->tag != mix(id)) good = false;
	if (!good)
		o->torn++;
	else if (!known(o, id))
		o->stray++;
	else {
		uint8_t *seen = &o->seen[(id >> 40) * o->span + (id & ((1ull << 40) - 1))];
		o->got++;
		o->again += m.sizes >> 56;
		if (*seen < 255) ++*seen;
	}
}

/* Counts and releases held message k. */
static void finish(Consumption *o, uint64_t k) {
	Held m = o->held[k];
	memmove(o->held + k, o->held + k + 1, (--o->nheld - k) * sizeof *o->held);
	count(o, m);
	gr_release_any(&o->p->c, m.at, 1);
}

static void take_one(Consumption *o, Held m) {
	order(o, m);
	uint64_t id = id_of(o, m);
	if (o->requeue && known(o, id) && !*mark(o, id) && mix(id) % o->requeue == 0) {
		*mark(o, id) = 1;
		o->requeued++;
		requeue(o->p, m.at);
		return;
	}
	o->held[o->nheld++] = m;
	if (o->nheld > o->hold) finish(o, o->got * 7 % o->nheld);
}

static void take_batch(Consumption *o, Held m) {
	Peer *p = o->p;
	gr_ring *r = &p->ring;
	gr_pos at = m.at;
	uint64_t most = gr_longest_run(r, at, o->batch), n = 1;
	if (gr_number(r, gr_next(r, at)) != gr_number(r, p->c.pos)) most = 1;
	while (n < most && gr_take_next(&p->c)) n++;
	for (uint64_t k = 0; k < n; k++, at = gr_next(r, at)) {
		Held x = {at, gr_slot(r, at.idx)->sizes};
		order(o, x);
		count(o, x);
	}
	gr_release_any(&o->p->c, m.at, n);
}

int do_consume(Peer *p, char **args) {
	Consumption o = {.p = p,
		.producers = option(args, "producers", 1),
		.span = option(args, "span", 0),
		.batch = option(args, "batch", 1),
		.hold = option(args, "hold", 0),
		.requeue = option(args, "requeue", 0),
		.stop = option(args, "stop", 0)};
	o.seen = calloc(2, o.producers * o.span);
	o.mine = o.seen + o.producers * o.span;
	memset(o.last, 0xff, sizeof o.last);
	int got = 1;
	while (!o.stop || o.got < o.stop) {
		Held m;
		got = data(p, 0, &m.at, &m.sizes);
		if (got == 0 || got == HELD) {
			/* The others may wait for a message that this consumer holds. */
			while (o.nheld) finish(&o, 0);
			got = data(p, patience, &m.at, &m.sizes);
		}
		if (got != 1) break;
		if (o.batch > 1)
			take_batch(&o, m);
		else
			take_one(&o, m);
	}
	/* Leaving requeues the messages that are held at a stop. */
	while (got == GR_WAIT_ENDED && o.nheld) finish(&o, 0);
	FILE *f = fopen(text_option(args, "out"), "wb");
	if (!f || fwrite(o.seen, o.producers, o.span, f) != o.span || fclose(f)) got = FAILED;
	free(o.seen);
	if (got != 1 && got != GR_WAIT_ENDED)
		return err(got == 0      ? "timeout"
				: got == HELD    ? "held"
				: got == CORRUPT ? "corrupt"
								 : "system",
			"after %" PRIu64 " messages", o.got);
	return ok("got=%" PRIu64 " torn=%" PRIu64 " stray=%" PRIu64 " disorder=%" PRIu64
			  " requeued=%" PRIu64 " again=%" PRIu64,
		o.got, o.torn, o.stray, o.disorder, o.requeued, o.again);
}
