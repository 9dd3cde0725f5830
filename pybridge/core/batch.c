/* batch.c: taking a run of messages at once. */
#include "core.h"

/* Reports whether a message after the first of a batch can be handed out. If not, the batch ends
 * before it and the message is requeued: the next read reports it. */
static bool fit_for_batch(ConsumerObject *c, gr_pos at, uint64_t *sizes) {
	gr_ring *r = c->c.r;
	Tensor t;
	*sizes = gr_slot(r, at.idx)->sizes; /* Loaded once. */
	if (gr_sizes_fit(r, *sizes) &&
		(r->kind != GR_KIND_TENSOR || tensor_parse(gr_tensor(r, at.idx), gr_sizes_len(*sizes), &t)))
		return true;
	if (consumer_requeue(c, at)) {
		PyErr_Clear();
		seat_release(c->seat, at, 1); /* No memory is left to remember it. */
	}
	return false;
}

/* Appends (tag, redelivered, raw metadata) of the message at at to headers, which may be NULL. */
static int note_header(ConsumerObject *c, PyObject *headers, gr_pos at, uint64_t sizes) {
	if (!headers) return 0;
	Py_ssize_t n = (Py_ssize_t)(gr_sizes_meta_len(sizes));
	PyObject *h = Py_BuildValue("(Kiy#)", (unsigned long long)gr_slot(c->c.r, at.idx)->tag,
		(int)gr_sizes_redelivered(sizes), gr_meta(c->c.r, at.idx), n);
	int bad = !h || PyList_Append(headers, h);
	Py_XDECREF(h);
	return bad;
}

/* Returns a list of views, of a bytes or tensor ring. */
static PyObject *batch_of_views(
	ConsumerObject *c, gr_pos at, uint64_t sizes, uint64_t limit, PyObject *headers) {
	PyObject *list = PyList_New(0);
	while (list) {
		PyObject *m = message_new(c, at, sizes), *v = m ? PyObject_GetAttrString(m, "data") : NULL;
		Py_XDECREF(m);
		if (c->c.discipline == GR_OVERWRITE && m) v = whole_copy(c, v, at, 1);
		if (v ? PyList_Append(list, v) || note_header(c, headers, at, sizes)
			  : PyErr_Occurred() != NULL)
			Py_CLEAR(list);
		Py_XDECREF(v);
		if (!list || --limit == 0 || !consumer_take(c, &at) || !fit_for_batch(c, at, &sizes)) break;
	}
	return list;
}

/* Returns an array of rows, of a ring of fixed items. */
static PyObject *batch_of_rows(
	ConsumerObject *c, gr_pos at, uint64_t sizes, uint64_t limit, PyObject *headers) {
	gr_ring *r = c->c.r;
	uint64_t n = 1, most = gr_longest_run(r, at, limit);
	if (r->inlined && most > r->slots - at.idx) most = r->slots - at.idx;
	gr_pos after = gr_next(r, at);
	if (after.idx != c->c.pos.idx || after.lap != c->c.pos.lap)
		most = 1; /* A requeued message stands alone. */
	bool bad = note_header(c, headers, at, sizes);
	n += gr_take_run(&c->c, most - 1);
	for (uint64_t k = 1; headers && !bad && k < n; k++) {
		gr_pos x = gr_plus(r, at, k);
		bad = note_header(c, headers, x, gr_slot(r, x.idx)->sizes);
	}
	LeaseObject *l = lease_new(c->ring, c->seat, gr_payload(r, at.idx),
		(Py_ssize_t)((n - 1) * r->data_stride + r->bytes), false);
	if (!l) {
		seat_release(c->seat, at, n);
		return NULL;
	}
	lease_owe(l, at, n);
	seat_owes(c->seat, n);
	PyArrayObject *v = bad ? NULL : view_new(&c->shape, l, (npy_intp)n, (npy_intp)r->data_stride);
	Py_DECREF(l);
	if (c->c.discipline == GR_OVERWRITE) return whole_copy(c, (PyObject *)v, at, n);
	return c->copies ? own_copy(c, (PyObject *)v) : (PyObject *)v;
}

/* Implements Consumer.read_batch. */
PyObject *consumer_read_batch(ConsumerObject *c, PyObject *args, PyObject *kwargs) {
	static char *names[] = {"max", "timeout", "headers", NULL};
	long long max;
	PyObject *t = NULL, *headers = NULL;
	int64_t timeout = c->timeout;
	int wanted = 0;
	gr_pos at;
	uint64_t sizes;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "L|Op", names, &max, &t, &wanted) ||
		(t && parse_timeout(t, &timeout)))
		return NULL;
	if (max < 1) return PyErr_Format(PyExc_ValueError, "max is %lld, want 1 or more", max);
	if (c->c.r->gpu)
		return PyErr_Format(core_hooks.Unsupported,
			"read_batch of a ring on a GPU: iterate, or use read() and messages()");
	consumer_release_unused(c);
	for (;;) {
		wait_outcome r = consumer_data(c, timeout, &at, &sizes);
		if (r != WAIT_FOUND) return consumer_ended(r);
		if (wanted && !(headers = PyList_New(0))) return NULL;
		PyObject *batch = c->c.r->fixed ? batch_of_rows(c, at, sizes, (uint64_t)max, headers)
										: batch_of_views(c, at, sizes, (uint64_t)max, headers);
		bool torn = batch ? PyList_Check(batch) && !PyList_GET_SIZE(batch)
						  : !PyErr_Occurred(); /* It was overwritten before it was copied. */
		if (batch && !torn) return wanted ? Py_BuildValue("(NN)", batch, headers) : batch;
		Py_XDECREF(batch);
		Py_XDECREF(headers);
		if (!torn) return NULL;
	}
}
