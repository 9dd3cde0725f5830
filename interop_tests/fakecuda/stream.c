/* stream.c: a stream is a thread that runs its operations in order, some time later.
 *
 * A late stream (FAKECUDA_ORDER) holds an operation until this process synchronises with it or asks
 * whether it is done, or until its deadline, so that two programs which legally wait for one
 * another still go on. Streams that are drained together run youngest first. */
#include "fakecuda.h"

#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

Stream *streams;
static Stream *retired; /* Streams that ended: a Point may still refer to them. */

static bool may_run(const Stream *s, const Op *o) {
	return !s->late || o->seq <= s->due || now_us() >= o->deadline || atomic_load(&poisoned);
}

static void wait_until(Stream *s, int64_t us) {
	struct timespec t = {us / 1000000, us % 1000000 * 1000};
	pthread_cond_timedwait(&s->changed, &s->m, &t);
}

static Op *next_op(Stream *s) {
	pthread_mutex_lock(&s->m);
	for (;;) {
		if (!s->head && s->closing) break;
		if (!s->head)
			pthread_cond_wait(&s->changed, &s->m);
		else if (may_run(s, s->head))
			break;
		else
			wait_until(s, s->head->deadline);
	}
	Op *o = s->head;
	pthread_mutex_unlock(&s->m);
	return o;
}

static void finish(Stream *s, Op *o) {
	watch_end(o);
	if (o->kind == OP_WAIT_EVENT || o->kind == OP_WAIT64 || o->kind == OP_WAIT32)
		atomic_fetch_sub(&s->waits, 1);
	if (o->kind == OP_HOST) atomic_fetch_sub(&s->hosts, 1);
	pthread_mutex_lock(&s->m);
	s->head = o->next;
	if (!s->head) s->tail = NULL;
	atomic_store(&s->done, o->seq);
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->m);
	free(o->stage);
	free(o->deps);
	free(o);
}

static void *work(void *arg) {
	Stream *s = arg;
	prctl(PR_SET_TIMERSLACK, 1); /* Short delays must be short. */
	for (Op *o; (o = next_op(s));) {
		op_run(s, o);
		finish(s, o);
	}
	pthread_mutex_lock(&world);
	Stream **at = &streams;
	while (*at != s) at = &(*at)->next;
	*at = s->next;
	s->next = retired;
	retired = s;
	pthread_mutex_unlock(&world);
	return NULL;
}

/* Makes a stream. The caller holds `world`. */
static Stream *stream_new(CUcontext c, unsigned flags) {
	static uint64_t made;
	Stream *s = calloc(1, sizeof *s);
	if (!s) abort();
	s->context = c;
	s->flags = flags;
	s->random = (config.seed + ++made * 0x9E3779B97F4A7C15ull) | 1;
	s->late = config.order == ORDER_LATE ||
		(config.order == ORDER_MIXED && next_random(&s->random) >> 40 & 1);
	pthread_mutex_init(&s->m, NULL);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &monotonic);
	s->next = streams;
	streams = s;
	sigset_t all, before; /* Signals go to the program's own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_t thread;
	if (pthread_create(&thread, NULL, work, s)) abort();
	pthread_detach(thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return s;
}

/* Returns a stream, with `world` locked, or NULL. 0, 1 and 2 are the default streams; the
 * per-thread one is the legacy one here, which orders more. */
Stream *stream_lock(CUstream handle) {
	pthread_mutex_lock(&world);
	if ((uintptr_t)handle <= 2) {
		CUcontext c = current();
		return c->legacy ? c->legacy : (c->legacy = stream_new(c, 0));
	}
	for (Stream *s = streams; s; s = s->next)
		if (s == handle && !s->closing) return s;
	pthread_mutex_unlock(&world);
	return NULL;
}

/* Adds the dependencies of an operation: the legacy stream and the streams that are not
 * NON_BLOCKING wait for each other. */
static void order(Stream *s, Op *o) {
	Stream *legacy = s->context->legacy;
	unsigned n = 1;
	for (Stream *t = streams; t; t = t->next) n++;
	o->deps = malloc(n * sizeof *o->deps);
	if (!o->deps) abort();
	if (o->after.stream) o->deps[o->ndeps++] = o->after;
	if (s != legacy) {
		if (legacy && !(s->flags & CU_STREAM_NON_BLOCKING))
			o->deps[o->ndeps++] = (Point){legacy, legacy->queued};
		return;
	}
	for (Stream *t = streams; t; t = t->next)
		if (t != s && t->context == s->context && !(t->flags & CU_STREAM_NON_BLOCKING))
			o->deps[o->ndeps++] = (Point){t, t->queued};
}

/* Queues an operation and returns its number. The caller holds `world`. */
uint64_t stream_put(Stream *s, Op op) {
	static uint64_t clock;
	Op *o = malloc(sizeof *o);
	if (!o) abort();
	*o = op;
	order(s, o);
	watch_queue(s, o);
	if (o->kind == OP_WAIT_EVENT || o->kind == OP_WAIT64 || o->kind == OP_WAIT32)
		atomic_fetch_add(&s->waits, 1);
	if (o->kind == OP_HOST) atomic_fetch_add(&s->hosts, 1);
	if (s->late) o->deadline = now_us() + config.late_us;
	s->touched = ++clock;
	pthread_mutex_lock(&s->m);
	uint64_t seq = o->seq = ++s->queued;
	if (s->tail)
		s->tail->next = o;
	else
		s->head = o;
	s->tail = o;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->m);
	return seq;
}

/* Lets a late stream run its operations up to seq. */
void stream_release(Stream *s, uint64_t seq) {
	pthread_mutex_lock(&s->m);
	if (s->due < seq) {
		s->due = seq;
		pthread_cond_broadcast(&s->changed);
	}
	pthread_mutex_unlock(&s->m);
}

/* Waits until the operations up to seq are done. */
void stream_until(Stream *s, uint64_t seq) {
	stream_release(s, seq);
	pthread_mutex_lock(&s->m);
	while (atomic_load(&s->done) < seq) pthread_cond_wait(&s->changed, &s->m);
	pthread_mutex_unlock(&s->m);
}

/* Waits until all streams of the process are done. The caller does not hold `world`. */
void drain(void) {
	for (;;) {
		Stream *youngest = NULL;
		pthread_mutex_lock(&world);
		for (Stream *s = streams; s; s = s->next)
			if (atomic_load(&s->done) < s->queued && (!youngest || s->touched > youngest->touched))
				youngest = s;
		uint64_t seq = youngest ? youngest->queued : 0;
		pthread_mutex_unlock(&world);
		if (!youngest) return;
		stream_until(youngest, seq);
	}
}

/* Reports whether an operation that is not done accesses the bytes. The caller holds `world`. */
bool streams_touch(const uint8_t *p, size_t n) {
	bool found = false;
	for (Stream *s = streams; s && !found; s = s->next) {
		pthread_mutex_lock(&s->m);
		for (Op *o = s->head; o && !found; o = o->next)
			found = (o->dst && o->dst >= p && o->dst < p + n) ||
				(o->src && o->src >= p && o->src < p + n);
		pthread_mutex_unlock(&s->m);
	}
	return found;
}

API CUresult cuStreamCreateWithPriority(CUstream *stream, unsigned flags, int priority) {
	ENTER(NEEDS_CONTEXT);
	(void)priority;
	if (!stream || flags > CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&world);
	*stream = stream_new(current(), flags);
	pthread_mutex_unlock(&world);
	return CUDA_SUCCESS;
}

API CUresult cuStreamCreate(CUstream *stream, unsigned flags) {
	ENTER(NEEDS_CONTEXT);
	if (!stream || flags > CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&world);
	*stream = stream_new(current(), flags);
	pthread_mutex_unlock(&world);
	return CUDA_SUCCESS;
}

/* Returns at once; the stream ends when its work is done. */
API CUresult cuStreamDestroy_v2(CUstream handle) {
	ENTER(NEEDS_CONTEXT);
	Stream *s = (uintptr_t)handle > 2 ? stream_lock(handle) : NULL;
	if (!s) return CUDA_ERROR_INVALID_HANDLE;
	pthread_mutex_lock(&s->m);
	s->closing = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->m);
	pthread_mutex_unlock(&world);
	return CUDA_SUCCESS;
}

API CUresult cuStreamSynchronize(CUstream handle) {
	ENTER(NEEDS_CONTEXT);
	Stream *s = stream_lock(handle);
	if (!s) return CUDA_ERROR_INVALID_HANDLE;
	uint64_t seq = s->queued;
	pthread_mutex_unlock(&world);
	stream_until(s, seq);
	return device_error();
}

API CUresult cuStreamQuery(CUstream handle) {
	ENTER(NEEDS_CONTEXT);
	Stream *s = stream_lock(handle);
	if (!s) return CUDA_ERROR_INVALID_HANDLE;
	bool done = atomic_load(&s->done) >= s->queued;
	stream_release(s, s->queued);
	pthread_mutex_unlock(&world);
	return done ? device_error() : CUDA_ERROR_NOT_READY;
}

API CUresult cuStreamGetCtx(CUstream handle, CUcontext *c) {
	ENTER(NEEDS_CONTEXT);
	Stream *s = c ? stream_lock(handle) : NULL;
	if (!s) return c ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
	*c = s->context;
	pthread_mutex_unlock(&world);
	return CUDA_SUCCESS;
}

API CUresult cuStreamGetPriority(CUstream handle, int *priority) {
	ENTER(NEEDS_CONTEXT);
	Stream *s = priority ? stream_lock(handle) : NULL;
	if (!s) return priority ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
	*priority = 0;
	pthread_mutex_unlock(&world);
	return CUDA_SUCCESS;
}

API CUresult cuStreamGetFlags(CUstream handle, unsigned *flags) {
	ENTER(NEEDS_CONTEXT);
	Stream *s = flags ? stream_lock(handle) : NULL;
	if (!s) return flags ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
	*flags = s->flags;
	pthread_mutex_unlock(&world);
	return CUDA_SUCCESS;
}
