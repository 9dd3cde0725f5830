/* watch.c: pinned memory is accessed when the stream runs the copy, not at the call.
 *
 * A source that was written in between is reported: its sums at the call and after the copy differ.
 * That is no mistake where the write is ordered: by a copy of the device into the same memory, by a
 * host function before, or, in memory shared with other processes, by a wait before. A target is
 * filled with UNWRITTEN as soon as the copy may begin, so that a program which reads it too early
 * finds no old data. */
#include "fakecuda.h"

#define SMALLEST_TARGET 64 /* Smaller ones, such as flags that the host polls, stay as they are. */

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

static void mark_unwritten(const Op *o) {
	if (o->kind != OP_COPY || !o->target || o->n < SMALLEST_TARGET) return;
	bool overlap = !o->stage && o->src < o->dst + o->n && o->dst < o->src + o->n;
	if (!overlap) memset(o->dst, UNWRITTEN, o->n);
}

/* Notes an operation before it is queued. The caller holds `world`. */
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
	if (config.check && idle && !s->late) mark_unwritten(o);
}

void watch_start(Op *o) {
	if (config.check && !atomic_load(&poisoned)) mark_unwritten(o);
}

void watch_end(Op *o) {
	if (o->target) atomic_fetch_sub(&o->target->pending, 1);
	if (!o->watched || atomic_load(&poisoned) || atomic_load(&o->source->writes) != o->writes)
		return;
	if (sum_of(o->src, o->n) != o->sum)
		undefined(
			"pinned memory (%zu bytes at %p) was written after the copy from it was queued and before "
			"it ran",
			o->n, (void *)(o->source->host + (o->src - o->source->real)));
}
