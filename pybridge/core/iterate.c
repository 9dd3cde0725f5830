/* iterate.c: iteration over the payloads of messages. The functions return NULL without an
 * exception unless the message was taken. */
#include "core.h"

/* Returns a prebuilt view of the next message. */
static PyObject *next_prebuilt(ConsumerObject *c, int64_t timeout, wait_outcome *r) {
	gr_pos at;
	uint64_t sizes;
	if (c->nlag == 2) prebuilt_release_oldest(c);
	if (c->nlag && Py_REFCNT(c->table[c->lag[0].idx].view) == 1) prebuilt_release_oldest(c);
	if ((*r = consumer_data(c, timeout, &at, &sizes)) != WAIT_FOUND) return NULL;
	Prebuilt *s = &c->table[at.idx];
	if (!prebuilt_ready(c, s) && prebuild(c, at.idx)) {
		seat_release(c->seat, at, 1);
		return NULL;
	}
	lease_owe(s->lease, at, 1);
	seat_owes(c->seat, 1);
	c->lag[c->nlag++] = at;
	return Py_NewRef(s->view);
}

/* Returns a new view, or a copy, of the next message. */
static PyObject *next_fresh(ConsumerObject *c, int64_t timeout, wait_outcome *r) {
	gr_pos at;
	uint64_t sizes;
	Py_CLEAR(c->copied);
	for (;;) {
		if ((*r = consumer_data(c, timeout, &at, &sizes)) != WAIT_FOUND) return NULL;
		LeaseObject *l = lend(c, at, sizes);
		if (!l) return NULL;
		PyObject *view = payload_view(c, l);
		if (c->c.discipline == GR_OVERWRITE) {
			view = whole_copy(c, view, at, 1);
		} else if (c->copies || c->c.discipline == GR_MULTI) {
			view = own_copy(c, view);
			if (view)
				c->copied = (LeaseObject *)Py_NewRef(
					l); /* A death in between does not lose the message. */
		}
		Py_DECREF(l); /* A view in place holds it. */
		if (view || PyErr_Occurred()) return view;
	}
}

/* Returns a view in place of the next message of a GPU ring. */
static PyObject *next_device(ConsumerObject *c, int64_t timeout, wait_outcome *r) {
	gr_pos at;
	uint64_t sizes;
	*r = WAIT_RAISED;
	if (c->c.discipline == GR_OVERWRITE)
		return PyErr_Format(core_hooks.Unsupported,
			"iteration over an overwrite ring on a GPU: use read() or latest(), and release() says whether the message was overwritten");
	if (c->scoped && !c->busy && scoped_end(c)) return NULL;
	if (consumer_voided(c)) return NULL;
	c->scoping = c->c.discipline == GR_MULTI;
	*r = consumer_data(c, timeout, &at, &sizes);
	c->scoping = false;
	if (*r != WAIT_FOUND) return NULL;
	LeaseObject *l = lend(c, at, sizes);
	DeviceObject *view = l ? (DeviceObject *)payload_view(c, l) : NULL;
	Py_XDECREF(l); /* The view holds it. */
	if (!view || c->c.discipline != GR_MULTI) return (PyObject *)view;
	view->scoped = true;
	c->scoped = (DeviceObject *)Py_NewRef(view);
	return (PyObject *)view;
}

/* Returns the next payload. */
static PyObject *next_payload(ConsumerObject *c, int64_t timeout, wait_outcome *r) {
	if (c->table && c->seat && !core_forked) return next_prebuilt(c, timeout, r);
	if (c->ring->r.gpu && c->seat && !core_forked) return next_device(c, timeout, r);
	return next_fresh(c, timeout, r);
}

/* Implements iteration. */
PyObject *consumer_next(ConsumerObject *c) {
	wait_outcome r;
	PyObject *view = next_payload(c, c->timeout, &r);
	return r == WAIT_TIMED_OUT ? consumer_ended(r) : view;
}

/* Implements Consumer.try_next. */
PyObject *consumer_try_next(ConsumerObject *c, PyObject *unused) {
	(void)unused;
	wait_outcome r;
	PyObject *view = next_payload(c, 0, &r);
	if (r == WAIT_TIMED_OUT) Py_RETURN_NONE;
	return r == WAIT_ENDED ? consumer_ended(r) : view;
}
