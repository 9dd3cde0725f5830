/* gpu_lease.c: the streams that work on a slot of a GPU ring, and handing it on behind them.
 *
 * A slot is handed on behind its participant's own stream if that could see it, every stream
 * that an importer asked to see it on, and the one that the user names: all are joined into one
 * by events, and that one writes the claim (spec section 11). Driver calls run without the GIL:
 * a full stream makes them wait, for host functions that may need it. */
#include "core.h"

/* makes the lease, whose seat is set, that of a slot for devices */
void lease_on_device(LeaseObject *l, gr_gpu *g, gr_pos at, gr_stream own) {
	l->gpu = g;
	l->own = own;
	l->at = at;
	if (!l->seat) atomic_fetch_add(&g->references, 1); /* a seat keeps it anyway */
}
static bool has_stream(const LeaseObject *l, gr_stream s) {
	for (unsigned i = 0; i < l->nstreams; i++)
		if (l->streams[i] == s) return true;
	return false;
}
/* from here on the slot is handed on behind s, too */
int lease_add_stream(LeaseObject *l, gr_stream s) {
	if (has_stream(l, s)) return 0;
	gr_stream *grown = PyMem_Realloc(l->streams, (l->nstreams + 1) * sizeof *grown);
	if (!grown) return PyErr_NoMemory(), -1;
	l->streams = grown;
	l->streams[l->nstreams++] = s;
	return 0;
}
static int lapped(const LeaseObject *l) {
	PyErr_Format(core_hooks.Lapped, "message %llu was overwritten before it was looked at", (unsigned long long)gr_number(&l->ring->r, l->at));
	return -1;
}
/* what the stream is to wait for before it reads: on an overwrite ring the claim may be of a
 * later message, whose write is not enqueued yet */
static int show_message(LeaseObject *l, gr_stream s) {
	gr_gpu *g = l->gpu;
	const gr_ring *r = &l->ring->r;
	int error;
	uint64_t claimed = gr_gpu_claimed(g, l->at.idx);
	if (r->mode == GR_MODE_OVERWRITE && !gr_intact(r, l->at)) return lapped(l);
	Py_BEGIN_ALLOW_THREADS
	error = gr_gpu_allow_read(g, s, l->at.idx, claimed);
	Py_END_ALLOW_THREADS
	return error ? gpu_failed(g, l->seat->number, error, "make a stream wait for a message") : 0;
}
/* the first stream waits until the slot is free for devices, the others for the first */
static int show_slot(LeaseObject *l, gr_stream s) {
	gr_gpu *g = l->gpu;
	int error;
	Py_BEGIN_ALLOW_THREADS
	error = l->nstreams ? gr_gpu_order(g, l->streams[0], s) : gr_gpu_allow_write(g, s, l->at.idx, gr_number(&l->ring->r, l->at));
	Py_END_ALLOW_THREADS
	return error ? gpu_failed(g, 0, error, "make a stream wait for a slot") : 0;
}
/* what is enqueued on s from here on may touch the slot; 0 or -1 with an exception */
int lease_show(LeaseObject *l, gr_stream s) {
	if (l->writable) {
		if (l->nstreams && l->streams[0] == s) return 0;
		if (show_slot(l, s)) return -1;
	} else if (!has_stream(l, s) && show_message(l, s)) {
		return -1;
	}
	return lease_add_stream(l, s);
}
/* joins the lease's streams into the named one, or one of them; needs no GIL; *on is that one */
int lease_gather(LeaseObject *l, gr_stream named, gr_stream *on) {
	*on = named ? named : l->nstreams == 1 ? l->streams[0] : l->own;
	for (unsigned i = 0; i < l->nstreams; i++) {
		int error = gr_gpu_order(l->gpu, l->streams[i], *on);
		if (error) return error;
	}
	return 0;
}

/* ---- handing on ---- */
static int hand_on_queue(SeatObject *s, gr_pos at, gr_stream on) {
	const gr_ring *r = &s->ring->r;
	uint64_t owner = gr_consumer_owner(r, s->number);
	if (!gr_is_held(r, at, owner)) return 0; /* as seat_release: it was done by hand */
	int error = gr_gpu_release_slot(s->gpu, on, at.idx, s->number);
	if (error && !atomic_load(&s->gpu->poison)) return error; /* else nothing is under way any more */
	gr_release(r, at);
	return error;
}
static int hand_on_broadcast(SeatObject *s, gr_pos at, uint64_t n) {
	gr_cursor *k = &s->cursor;
	uint64_t from = gr_number(k->r, at), done = s->number - k->r->max_producers - 1;
	int error = 0;
	pthread_mutex_lock(&s->lock);
	if (gr_cursor_holds(k, from, n) && gr_cursor_advance(k, from, n)) {
		error = gr_gpu_advance(s->gpu, s->stream, done, s->number, k->next);
		if (error) { /* a context that is gone must not hold the others up */
			gr_cell *c = gr_gpu_done(s->gpu, done);
			atomic_store(&c->claimed, k->next);
			gr_cell_complete(c, k->next, false);
		}
		gr_cursor_publish(k);
	}
	pthread_mutex_unlock(&s->lock);
	return error;
}
/* gives n messages from at on back behind what is on the stream; a driver's error means that
 * they are still held, unless the context is gone. Needs no GIL. */
int seat_hand_on(SeatObject *s, gr_pos at, uint64_t n, gr_stream on) {
	int error = 0;
	switch (s->ring->r.mode) {
	case GR_MODE_BROADCAST:
		error = gr_gpu_order(s->gpu, on, s->stream);
		return error && !atomic_load(&s->gpu->poison) ? error : hand_on_broadcast(s, at, n);
	case GR_MODE_QUEUE:
		for (; n > 0 && !error; n--, at = gr_next(&s->ring->r, at)) error = hand_on_queue(s, at, on);
		return error;
	}
	return gr_gpu_synchronize(s->gpu, on); /* overwrite: what was read is checked by the word, once it was read */
}
/* whether the payload of a message on loan never came */
bool lease_void(const LeaseObject *l) { return gr_cell_void(gr_gpu_ready(l->gpu, l->at.idx)); }

/* gives a consumer's message back; 0, or -1 with an exception, and then the message is still
 * held unless the context is gone */
int lease_hand_on(LeaseObject *l, gr_stream named) {
	gr_stream on;
	int error;
	Py_BEGIN_ALLOW_THREADS
	error = lease_gather(l, named, &on);
	if (!error || atomic_load(&l->gpu->poison)) error = seat_hand_on(l->seat, l->at, l->owes, on);
	Py_END_ALLOW_THREADS
	if (!error || atomic_load(&l->gpu->poison)) {
		seat_owes(l->seat, -l->owes);
		l->owes = 0;
	}
	return error ? gpu_failed(l->gpu, l->seat->number, error, "hand a slot on") : 0;
}
/* claims the slot of a message that is to be given back by its word */
int lease_claim_back(LeaseObject *l, gr_stream named) {
	gr_stream on;
	int error;
	bool shared = gr_discipline_of(&l->ring->r, l->ring->r.max_consumers) == GR_MULTI; /* else it stays with this consumer */
	if (named && lease_add_stream(l, named)) return -1;
	Py_BEGIN_ALLOW_THREADS
	error = lease_gather(l, l->own, &on);
	if (!error && shared) error = gr_gpu_release_slot(l->gpu, on, l->at.idx, l->seat->number);
	Py_END_ALLOW_THREADS
	return error && !atomic_load(&l->gpu->poison) ? gpu_failed(l->gpu, l->seat->number, error, "give a message back") : 0;
}
/* the same at the lease's death, when there is nobody to tell: what the driver refuses stays held */
void lease_drop_device(LeaseObject *l) {
	if (l->owes && !core_forked) {
		PyObject *type, *value, *trace;
		PyErr_Fetch(&type, &value, &trace);
		if (l->ring->r.mode != GR_MODE_OVERWRITE && lease_void(l)) l->seat->voided = gr_number(&l->ring->r, l->at) + 1;
		if (l->ring->r.mode == GR_MODE_OVERWRITE) seat_owes(l->seat, -l->owes);
		else if (lease_hand_on(l, NULL)) PyErr_WriteUnraisable(NULL);
		PyErr_Restore(type, value, trace);
	}
	PyMem_Free(l->streams);
	if (!l->seat && !core_forked) l->gpu->unreference(l->gpu);
}
