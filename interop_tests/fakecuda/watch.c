/* watch.c: pinned memory is touched when the stream gets there, not at the call.
 *
 * A source that was written in between is reported: its sum at the call and after the copy differ. That
 * is no mistake where something ordered the write: a copy of the device into the same memory, a host
 * function before, or, in memory shared with other processes, a wait before. A target is spoilt as
 * soon as the copy may begin, so that who reads it too early cannot take what lay there for the answer. */
#include "fakecuda.h"

#define SMALLEST_TARGET 64 /* a flag the host polls is left alone */

static uint64_t sum_of(const uint8_t *p, size_t n) {
	uint64_t sum = n, word;
	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&word, p, 8);
		sum = (sum ^ word) * 0x9E3779B97F4A7C15ull;
		sum ^= sum >> 29;
	}
	while (n--) sum = (sum ^ *p++) * 0x100000001B3ull;
	return sum;
}

static bool ordered_writes(const Stream *s, const Pin *source) {
	return atomic_load(&source->pending) || atomic_load(&s->hosts) ||
		(source->shared && atomic_load(&s->waits));
}

static void spoil(const Op *o) {
	if (o->kind != OP_COPY || !o->target || o->n < SMALLEST_TARGET) return;
	bool overlap = !o->stage && o->src < o->dst + o->n && o->dst < o->src + o->n;
	if (!overlap) memset(o->dst, UNWRITTEN, o->n);
}

/* `world` held, before the operation is on the stream */
void watch_queue(Stream *s, Op *o) {
	bool idle = atomic_load(&s->done) == s->queued && !o->ndeps;
	if (o->source && config.check && !ordered_writes(s, o->source)) {
		o->watched = true;
		o->sum = sum_of(o->src, o->n);
		o->writes = atomic_load(&o->source->writes);
	}
	if (!o->target) return;
	atomic_fetch_add(&o->target->writes, 1);
	atomic_fetch_add(&o->target->pending, 1);
	if (config.check && idle && !s->late) spoil(o);
}

void watch_start(Op *o) {
	if (config.check && !atomic_load(&poisoned)) spoil(o);
}

void watch_end(Op *o) {
	if (o->target) atomic_fetch_sub(&o->target->pending, 1);
	if (!o->watched || atomic_load(&poisoned) || atomic_load(&o->source->writes) != o->writes)
		return;
	if (sum_of(o->src, o->n) != o->sum)
		undefined(
			"pinned memory (%zu bytes at %p) was written after the copy from it was queued and before it ran",
			o->n, (void *)(o->source->host + (o->src - o->source->real)));
}
