/* events.c: events. A wait is for the latest record at the time of the call; without one there is
 * no wait. */
#include "ipc.h"

#include <unistd.h>

struct CUevent_st {
	unsigned flags;
	bool imported;
	EventRow *row, local;
	Point last; /* The latest record of this process. */
	struct CUevent_st *next;
};
static struct CUevent_st *events; /* Guarded by `world`. */
_Atomic int live_events;

static CUevent add(unsigned flags, EventRow *row, bool imported) {
	CUevent e = calloc(1, sizeof *e);
	if (!e) abort();
	e->flags = flags;
	e->imported = imported;
	e->row = row ? row : &e->local;
	if (!row) atomic_store(&e->local.state, EVENT_LIVE);
	e->next = events;
	atomic_fetch_add(&live_events, 1);
	return events = e;
}

/* Reports whether the event exists. The caller holds `world`. */
static bool known(CUevent e) {
	for (CUevent k = events; k; k = k->next)
		if (k == e) return true;
	return false;
}

static bool event_lock(CUevent e) {
	pthread_mutex_lock(&world);
	if (known(e)) return true;
	pthread_mutex_unlock(&world);
	return false;
}

static bool destroyed(CUevent e, const char *call) {
	if (!e->imported || atomic_load(&e->row->state) == EVENT_LIVE) return false;
	undefined("%s on an event whose exporter destroyed it", call);
	return true;
}

API CUresult cuEventCreate(CUevent *e, unsigned flags) {
	ENTER(NEEDS_CONTEXT);
	const bool shared = flags & CU_EVENT_INTERPROCESS;
	if (!e || flags > 7 || (shared && !(flags & CU_EVENT_DISABLE_TIMING)))
		return CUDA_ERROR_INVALID_VALUE;
	EventRow *row = shared ? event_new() : NULL;
	if (shared && !row) return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&world);
	*e = add(flags, row, false);
	pthread_mutex_unlock(&world);
	return CUDA_SUCCESS;
}

API CUresult cuEventRecord(CUevent e, CUstream stream) {
	ENTER(NEEDS_CONTEXT);
	Stream *s = stream_lock(stream);
	if (!s) return CUDA_ERROR_INVALID_HANDLE;
	bool ok = known(e) && !destroyed(e, __func__);
	if (ok) {
		uint64_t n = atomic_fetch_add(&e->row->recorded, 1) + 1;
		e->last = (Point){s, stream_put(s, (Op){.kind = OP_RECORD, .event = e->row, .value = n})};
	}
	pthread_mutex_unlock(&world);
	return ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

API CUresult cuStreamWaitEvent(CUstream stream, CUevent e, unsigned flags) {
	ENTER(NEEDS_CONTEXT);
	if (flags > 1) return CUDA_ERROR_INVALID_VALUE;
	Stream *s = stream_lock(stream);
	if (!s) return CUDA_ERROR_INVALID_HANDLE;
	bool ok = known(e) && !destroyed(e, __func__);
	uint64_t n = ok ? atomic_load(&e->row->recorded) : 0;
	if (n) {
		Op o = {.kind = OP_WAIT_EVENT,
			.event = e->row,
			.token = atomic_load(&e->row->token),
			.value = n};
		if (e->last.stream != s) o.after = e->last;
		stream_put(s, o);
	}
	pthread_mutex_unlock(&world);
	return ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

API CUresult cuEventQuery(CUevent e) {
	ENTER(NEEDS_CONTEXT);
	if (!event_lock(e)) return CUDA_ERROR_INVALID_HANDLE;
	bool done = atomic_load(&e->row->done) >= atomic_load(&e->row->recorded);
	if (e->last.stream) stream_release(e->last.stream, e->last.seq);
	pthread_mutex_unlock(&world);
	return done ? device_error() : CUDA_ERROR_NOT_READY;
}

API CUresult cuEventSynchronize(CUevent e) {
	ENTER(NEEDS_CONTEXT);
	if (!event_lock(e)) return CUDA_ERROR_INVALID_HANDLE;
	EventRow *row = e->row;
	uint64_t n = atomic_load(&row->recorded), token = atomic_load(&row->token);
	Point last = e->last;
	pthread_mutex_unlock(&world);
	if (last.stream) stream_until(last.stream, last.seq);
	while (!atomic_load(&poisoned) && atomic_load(&row->done) < n) {
		if (atomic_load(&row->state) != EVENT_LIVE || atomic_load(&row->token) != token) {
			undefined("%s on an event whose exporter destroyed it", __func__);
			return CUDA_ERROR_INVALID_HANDLE;
		}
		nap(20);
	}
	return device_error();
}

/* Returns at once; the event's memory stays, since queued work may still refer to it. */
API CUresult cuEventDestroy_v2(CUevent e) {
	ENTER(NEEDS_CONTEXT);
	if (!event_lock(e)) return CUDA_ERROR_INVALID_HANDLE;
	static struct CUevent_st *retired;
	struct CUevent_st **at = &events;
	while (*at != e) at = &(*at)->next;
	*at = e->next;
	e->next = retired;
	retired = e;
	if (!e->imported && e->row != &e->local) atomic_store(&e->row->state, EVENT_DESTROYED);
	atomic_fetch_sub(&live_events, 1);
	pthread_mutex_unlock(&world);
	return CUDA_SUCCESS;
}

API CUresult cuIpcGetEventHandle(CUipcEventHandle *h, CUevent e) {
	ENTER(NEEDS_CONTEXT);
	if (!h) return CUDA_ERROR_INVALID_VALUE;
	if (!event_lock(e)) return CUDA_ERROR_INVALID_HANDLE;
	bool ok = e->flags & CU_EVENT_INTERPROCESS && !e->imported;
	if (ok)
		handle_write(h,
			(Handle){.row = event_index(e->row),
				.token = atomic_load(&e->row->token),
				.kind = HANDLE_EVENT});
	pthread_mutex_unlock(&world);
	return ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

API CUresult cuIpcOpenEventHandle(CUevent *e, CUipcEventHandle bytes) {
	ENTER(NEEDS_CONTEXT);
	Handle h;
	if (!e) return CUDA_ERROR_INVALID_VALUE;
	if (!handle_read(&h, &bytes, HANDLE_EVENT)) return CUDA_ERROR_INVALID_HANDLE;
	if (h.pid == getpid()) return CUDA_ERROR_INVALID_CONTEXT;
	EventRow *row = event_at(h.row, h.token);
	if (!row) return CUDA_ERROR_INVALID_HANDLE;
	pthread_mutex_lock(&world);
	*e = add(CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS, row, true);
	pthread_mutex_unlock(&world);
	return CUDA_SUCCESS;
}
