/* op.c: running one operation of a stream. */
#include "fakecuda.h"

#define PIECES 8

/* Patience is the state of a wait, which logs one line when it takes long. */
typedef struct {
	int64_t since;
	bool told;
} Patience;

static void poll(Patience *p, const char *what) {
	nap(20);
	if (!p->since) p->since = now_us();
	if (p->told || now_us() - p->since < config.stuck_us) return;
	p->told = true;
	say("STUCK: a stream has waited %d ms for %s", (int)(config.stuck_us / 1000), what);
}

/* Copies. A large copy arrives in pieces, in any order. */
static void copy(Stream *s, const Op *o) {
	const uint8_t *src = o->stage ? o->stage : o->src;
	if (!config.delay_us || o->n < 4096) {
		memmove(o->dst, src, o->n);
		return;
	}
	unsigned order[PIECES];
	const size_t piece = (o->n + PIECES - 1) / PIECES;
	for (unsigned i = 0; i < PIECES; i++) order[i] = i;
	for (unsigned i = PIECES - 1; i > 0; i--) {
		unsigned j = next_random(&s->random) % (i + 1), swap = order[i];
		order[i] = order[j];
		order[j] = swap;
	}
	for (unsigned i = 0; i < PIECES; i++) {
		size_t at = order[i] * piece;
		if (at < o->n) memmove(o->dst + at, src + at, o->n - at < piece ? o->n - at : piece);
		nap((long)(next_random(&s->random) % ((uint64_t)config.delay_us / 4 + 1)));
	}
}

static void record(const Op *o) {
	uint64_t v = atomic_load(&o->event->done);
	while (v < o->value && !atomic_compare_exchange_weak(&o->event->done, &v, o->value)) {
	}
}

static void wait_event(const Op *o) {
	Patience p = {0};
	while (!atomic_load(&poisoned) && atomic_load(&o->event->done) < o->value) {
		if (atomic_load(&o->event->state) == EVENT_DESTROYED ||
			atomic_load(&o->event->token) != o->token) {
			undefined("waiting on an event whose exporter destroyed it");
			return;
		}
		poll(&p, "an event");
	}
}

static bool reached(uint64_t v, const Op *o) {
	const bool narrow = o->kind == OP_WAIT32;
	switch (o->flags) {
	case CU_STREAM_WAIT_VALUE_GEQ:
		return narrow ? (int32_t)((uint32_t)v - (uint32_t)o->value) >= 0
					  : (int64_t)(v - o->value) >= 0;
	case CU_STREAM_WAIT_VALUE_EQ: return v == o->value;
	}
	return v & o->value;
}

static void wait_value(const Op *o) {
	Patience p = {0};
	while (!atomic_load(&poisoned)) {
		uint64_t v = o->kind == OP_WAIT32 ? atomic_load((_Atomic uint32_t *)o->dst)
										  : atomic_load((_Atomic uint64_t *)o->dst);
		if (reached(v, o)) return;
		poll(&p, o->kind == OP_WAIT32 ? "a 32-bit value" : "a 64-bit value");
	}
}

/* Runs an operation; on a dead device it does nothing. */
void op_run(Stream *s, Op *o) {
	for (unsigned i = 0; i < o->ndeps; i++) stream_until(o->deps[i].stream, o->deps[i].seq);
	watch_start(o);
	if (config.delay_us) nap((long)(next_random(&s->random) % (uint64_t)config.delay_us));
	if (atomic_load(&poisoned)) return;
	switch (o->kind) {
	case OP_COPY: copy(s, o); break;
	case OP_SET: memset(o->dst, (int)o->value, o->n); break;
	case OP_RECORD: record(o); break;
	case OP_WAIT_EVENT: wait_event(o); break;
	case OP_WAIT64:
	case OP_WAIT32: wait_value(o); break;
	case OP_WRITE64: atomic_store((_Atomic uint64_t *)o->dst, o->value); break;
	case OP_WRITE32: atomic_store((_Atomic uint32_t *)o->dst, (uint32_t)o->value); break;
	case OP_HOST:
		in_host_function = true;
		o->fn(o->argument);
		in_host_function = false;
		break;
	}
}
