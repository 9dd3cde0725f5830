/* device_lease.c: the streams that work on a slot of a GPU ring, and handing it on after them.
 *
 * A slot is handed on after its participant's own stream if that could see it, every stream that an
 * importer asked to see it on, and the one that the user names: all are joined into one by events,
 * and that one writes the claim (spec section 11). Driver calls run without the interpreter's lock:
 * a full stream makes them wait, for host functions that may need it. */
#include "core.h"

/* Makes the lease that of a slot for devices. Its seat is set, or it takes a reference to the
 * memory. */
void lease_on_device(LeaseObject *l, gr_gpu *g, gr_pos at, gr_stream own) {
	l->gpu = g;
	l->own = own;
	l->at = at;
	if (!l->seat) atomic_fetch_add(&g->references, 1); /* A seat keeps it anyway. */
}

/* Reports whether the slot is handed on after s. */
static bool has_stream(const LeaseObject *l, gr_stream s) {
	for (unsigned i = 0; i < l->nstreams; i++)
		if (l->streams[i] == s) return true;
	return false;
}

/* Makes the slot be handed on after s, too. Returns 0, or -1 with MemoryError. */
int lease_add_stream(LeaseObject *l, gr_stream s) {
	if (has_stream(l, s)) return 0;
	gr_stream *grown = PyMem_Realloc(l->streams, (l->nstreams + 1) * sizeof *grown);
	if (!grown) {
		PyErr_NoMemory();
		return -1;
	}
	l->streams = grown;
	l->streams[l->nstreams++] = s;
	return 0;
}

/* Raises Lapped and returns -1. */
static int lapped(const LeaseObject *l) {
	PyErr_Format(core_hooks.Lapped, "message %llu was overwritten before it was looked at",
		(unsigned long long)gr_number(&l->ring->r, l->at));
	return -1;
}

/* Makes the stream wait for the payload of a message. On an overwrite ring the claim may be a later
 * message's, of a write that is not enqueued yet. */
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

/* Makes the stream wait until the slot is free for devices: the first one for its last readers, the
 * others for the first. */
static int show_slot(LeaseObject *l, gr_stream s) {
	gr_gpu *g = l->gpu;
	int error;
	Py_BEGIN_ALLOW_THREADS
	error = l->nstreams ? gr_gpu_order(g, l->streams[0], s)
						: gr_gpu_allow_write(g, s, l->at.idx, gr_number(&l->ring->r, l->at));
	Py_END_ALLOW_THREADS
	return error ? gpu_failed(g, 0, error, "make a stream wait for a slot") : 0;
}

/* Lets work that is enqueued on s from here on touch the slot. Returns 0, or -1 with an exception.
 * */
int lease_show(LeaseObject *l, gr_stream s) {
	if (l->writable) {
		if (l->nstreams && l->streams[0] == s) return 0;
		if (show_slot(l, s)) return -1;
	} else if (!has_stream(l, s) && show_message(l, s)) {
		return -1;
	}
	return lease_add_stream(l, s);
}

/* Joins the lease's streams into the named one, or into one of them, and sets *on to it. It needs
 * no interpreter's lock. */
int lease_gather(LeaseObject *l, gr_stream named, gr_stream *on) {
	*on = named ? named : l->nstreams == 1 ? l->streams[0] : l->own;
	for (unsigned i = 0; i < l->nstreams; i++) {
		int error = gr_gpu_order(l->gpu, l->streams[i], *on);
		if (error) return error;
	}
	return 0;
}

/* Reports whether the payload of a message on loan never arrived. */
bool lease_void(const LeaseObject *l) { return gr_cell_void(gr_gpu_ready(l->gpu, l->at.idx)); }

/* Releases a consumer's message. Returns 0, or -1 with an exception: then the message is still
 * held, unless the context is gone. SYNC local load */
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

/* Claims the slot of a message before it is requeued by its word. A message of a single consumer
 * stays with it. SYNC local load */
int lease_claim_back(LeaseObject *l, gr_stream named) {
	gr_stream on;
	int error;
	bool shared = gr_discipline_of(&l->ring->r, l->ring->r.max_consumers) == GR_MULTI;
	if (named && lease_add_stream(l, named)) return -1;
	Py_BEGIN_ALLOW_THREADS
	error = lease_gather(l, l->own, &on);
	if (!error && shared) error = gr_gpu_release_slot(l->gpu, on, l->at.idx, l->seat->number);
	Py_END_ALLOW_THREADS
	return error && !atomic_load(&l->gpu->poison)
		? gpu_failed(l->gpu, l->seat->number, error, "give a message back")
		: 0;
}

/* Releases the message at the lease's death, when no caller is left for an exception: a slot that
 * the driver refuses stays held. */
void lease_drop_device(LeaseObject *l) {
	if (l->owes && !core_forked) {
		PyObject *type, *value, *trace;
		PyErr_Fetch(&type, &value, &trace);
		if (l->ring->r.mode != GR_MODE_OVERWRITE && lease_void(l))
			l->seat->voided = gr_number(&l->ring->r, l->at) + 1;
		if (l->ring->r.mode == GR_MODE_OVERWRITE)
			seat_owes(l->seat, -l->owes);
		else if (lease_hand_on(l, NULL))
			PyErr_WriteUnraisable(NULL);
		PyErr_Restore(type, value, trace);
	}
	PyMem_Free(l->streams);
	if (!l->seat && !core_forked) l->gpu->unreference(l->gpu);
}
