/* prebuilt.c: views that iteration makes once per slot and hands out again. A frame is released
 * when the one after the next is asked for: while __next__ runs, the loop variable still names the
 * previous frame, so one extra reference proves nothing. */
#include "core.h"

/* Releases an iterated message, unless its view is still in use: then the view's last holder
 * releases it, at any time and in any thread. */
static void release_frame(ConsumerObject *c, gr_pos at) {
	Prebuilt *s = &c->table[at.idx];
	LeaseObject *l = s->lease;
	PyArrayObject *v = s->view;
	if (core_forked) return;
#ifndef Py_GIL_DISABLED
	if (Py_REFCNT(v) == 1 &&
		Py_REFCNT(l) == 2) { /* The table's, and the view's base: no other holder. */
		l->owes = 0;
		seat_owes(c->seat, -1ull);
		seat_release(c->seat, at, 1);
		return;
	}
#endif
	s->lease = NULL; /* The last holder's drop releases it. */
	s->view = NULL;
	Py_DECREF(v);
	Py_DECREF(l);
}

/* Releases the oldest of the iterated messages. */
void prebuilt_release_oldest(ConsumerObject *c) {
	gr_pos at = c->lag[0];
	c->lag[0] = c->lag[1];
	c->nlag--;
	release_frame(c, at);
}

/* Reports whether a view is as it was made: users can change its shape or dtype in place. */
bool prebuilt_ready(const ConsumerObject *c, const Prebuilt *s) {
	PyArrayObject *v = s->view;
	return v && PyArray_NDIM(v) == c->shape.nd && PyArray_DESCR(v) == c->shape.descr &&
		PyArray_DATA(v) == (void *)s->lease->data && PyArray_IS_C_CONTIGUOUS(v) &&
		same_dims(c->shape.nd, PyArray_DIMS(v), c->shape.dims);
}

/* Makes the view of slot i. Returns 0, or -1 with an exception. */
int prebuild(ConsumerObject *c, uint64_t i) {
	Prebuilt *s = &c->table[i];
	Py_CLEAR(s->view);
	Py_CLEAR(s->lease);
	s->lease = lease_new(c->ring, c->seat, gr_payload(c->c.r, i), (Py_ssize_t)c->c.r->bytes, false);
	if (s->lease) s->view = view_new(&c->shape, s->lease, 0, 0);
	return s->view ? 0 : -1;
}
