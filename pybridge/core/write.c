/* write.c: waiting for room, and writing messages one by one and in batches. */
#include "core.h"

/* Looks for a free slot; see gr_look. */
static bool look_room(void *arg, bool final) { return gr_try_reserve(arg, !final); }

/* Reserves a slot. */
static wait_outcome room(ProducerObject *p, int64_t timeout) {
	if (__builtin_expect(!p->seat || p->busy || core_forked, 0) &&
		!usable(p->seat, p->busy, "producer"))
		return WAIT_RAISED;
	if (__builtin_expect(p->reserved, 0)) {
		PyErr_SetString(
			core_hooks.Error, "a reserved slot is still open: commit or abort it first");
		return WAIT_RAISED;
	}
	bool shut = gr_is_shutdown(p->p.r);
	if (__builtin_expect(!shut && gr_try_reserve(&p->p, true), 1)) return WAIT_FOUND;
	if (timeout && !shut) gr_slip_pause(&p->w.slip, gr_number(p->p.r, p->p.pos));
	wait_outcome r = shut ? WAIT_ENDED : wait_until(&p->w, look_room, &p->p, timeout, &p->busy);
	if (r == WAIT_ENDED) {
		if (gr_ended_early(p->p.r))
			PyErr_SetString(core_hooks.ExporterGone,
				"the process that owns the ring's device memory has ended: make the ring anew");
		else
			PyErr_SetString(core_hooks.Ended, "the ring is shut down and takes no more messages");
		return WAIT_RAISED;
	}
	return r;
}

/* Raises Full. */
static PyObject *full(const ProducerObject *p) {
	return PyErr_Format(
		core_hooks.Full, "all %llu slots are taken", (unsigned long long)p->p.r->slots);
}

/* Reserves a slot. Returns 0, or -1 with Full or another exception. */
int producer_reserve_slot(ProducerObject *p, int64_t timeout) {
	wait_outcome r = room(p, timeout);
	if (r == WAIT_TIMED_OUT) full(p);
	return r == WAIT_FOUND ? 0 : -1;
}

/* Gives up the reserved slot. */
int producer_abort(ProducerObject *p) {
	p->reserved = false;
	if (p->open) device_abort(p);
	gr_abort(&p->p);
	return 0;
}

/* WriteArgs are the parsed arguments of write and try_write. */
typedef struct {
	PyObject *data, *timeout, *meta, *tag;
	bool cast;
	gr_stream stream;
} WriteArgs;

/* Parses the arguments of write and try_write. */
static int write_args(
	const ProducerObject *p, PyObject *const *args, Py_ssize_t n, PyObject *names, WriteArgs *w) {
	*w = (WriteArgs){0};
	if (n < 1 || n > 2) {
		PyErr_Format(
			PyExc_TypeError, "takes the data and a timeout, got %zd positional arguments", n);
		return -1;
	}
	w->data = args[0];
	if (n > 1) w->timeout = args[1];
	for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(names); i++) {
		PyObject *k = PyTuple_GET_ITEM(names, i), *v = args[n + i];
		if (!PyUnicode_CompareWithASCIIString(k, "timeout"))
			w->timeout = v;
		else if (!PyUnicode_CompareWithASCIIString(k, "meta"))
			w->meta = v;
		else if (!PyUnicode_CompareWithASCIIString(k, "tag"))
			w->tag = v;
		else if (!PyUnicode_CompareWithASCIIString(k, "stream")) {
			if (parse_stream_of(p->seat ? p->seat->gpu : NULL, v, &w->stream)) return -1;
		} else if (!PyUnicode_CompareWithASCIIString(k, "cast")) {
			int truth = PyObject_IsTrue(v);
			if (truth < 0) return -1;
			w->cast = truth;
		} else {
			PyErr_Format(PyExc_TypeError, "unexpected keyword argument %R", k);
			return -1;
		}
	}
	return 0;
}

/* Writes the descriptor of a tensor and sets the size of the message. */
static int describe(ProducerObject *p, const Source *s, uint64_t *bytes) {
	if (!s->code) return 0;
	int nd = s->array ? PyArray_NDIM(s->array) : s->like.nd;
	const npy_intp *dims = s->array ? PyArray_DIMS(s->array) : s->like.dims;
	return tensor_describe(
		gr_tensor(p->p.r, p->p.pos.idx), s->code, nd, dims, p->p.r->bytes, bytes);
}

/* Copies the source into the reserved slot. */
static int fill(ProducerObject *p, Source *s, gr_stream on) {
	return p->seat->gpu ? device_write(p, s, on)
						: source_copy(p, s, gr_payload(p->p.r, p->p.pos.idx));
}

/* Writes one message; WAIT_TIMED_OUT when no slot was free in time. */
static wait_outcome write_one(ProducerObject *p, WriteArgs *a, int64_t timeout) {
	Source s;
	uint64_t tag = 0, bytes;
	uint16_t meta;
	if (a->tag && (tag = PyLong_AsUnsignedLongLong(a->tag)) == UINT64_MAX && PyErr_Occurred())
		return WAIT_RAISED;
	if (source_open(p, &s, a->data, a->cast)) return WAIT_RAISED;
	wait_outcome r = room(p, timeout);
	if (r == WAIT_FOUND) {
		bytes = s.bytes;
		p->reserved = true;
		if (encode_meta(p, a->meta, &meta) || describe(p, &s, &bytes) || fill(p, &s, a->stream)) {
			producer_abort(p);
			r = WAIT_RAISED;
		} else {
			p->reserved = false;
			gr_publish(&p->p, (uint32_t)bytes, meta, tag);
		}
	}
	source_done(&s);
	return r;
}

/* Implements Producer.write. */
PyObject *producer_write(ProducerObject *p, PyObject *const *args, Py_ssize_t n, PyObject *names) {
	WriteArgs a = {.data = n ? *args : NULL};
	int64_t timeout = -1;
	if ((n != 1 || names) &&
		(write_args(p, args, n, names, &a) || parse_timeout(a.timeout, &timeout)))
		return NULL;
	wait_outcome r = write_one(p, &a, timeout);
	if (r == WAIT_TIMED_OUT) return full(p);
	if (r == WAIT_RAISED) return NULL;
	Py_RETURN_NONE;
}

/* Implements Producer.try_write. */
PyObject *producer_try_write(
	ProducerObject *p, PyObject *const *args, Py_ssize_t n, PyObject *names) {
	WriteArgs a;
	if (write_args(p, args, n, names, &a)) return NULL;
	wait_outcome r = write_one(p, &a, 0);
	return r == WAIT_RAISED ? NULL : PyBool_FromLong(r == WAIT_FOUND);
}

/* Implements Producer.write_batch. */
PyObject *producer_write_batch(ProducerObject *p, PyObject *args, PyObject *kwargs) {
	static char *names[] = {"array", "timeout", NULL};
	PyObject *o, *t = NULL;
	int64_t timeout;
	gr_ring *r = p->p.r;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O", names, &o, &t) ||
		parse_timeout(t, &timeout))
		return NULL;
	if (r->gpu)
		return PyErr_Format(core_hooks.Unsupported,
			"write_batch on a ring on a GPU: write the messages one by one, which waits for nothing");
	if (!r->fixed)
		return PyErr_Format(core_hooks.SchemaError,
			"write_batch is for rings of fixed items; write the messages of this ring one by one");
	PyArrayObject *given = (PyArrayObject *)PyArray_FROM_O(o);
	if (!given) return NULL;
	bool ok = PyArray_NDIM(given) == p->shape.nd + 1 &&
		PyArray_EquivTypes(PyArray_DESCR(given), p->shape.descr) &&
		same_dims(p->shape.nd, PyArray_DIMS(given) + 1, p->shape.dims);
	PyArrayObject *a = ok ? PyArray_GETCONTIGUOUS(given) : NULL;
	if (!ok)
		shape_mismatch(&p->shape, PyArray_DESCR(given), PyArray_NDIM(given), PyArray_DIMS(given));
	Py_DECREF(given);
	if (!a) return NULL;
	uint64_t rows = (uint64_t)PyArray_DIM(a, 0), done = 0;
	const uint8_t *src = PyArray_DATA(a);
	while (done < rows) {
		wait_outcome got = room(p, timeout);
		if (got != WAIT_FOUND) {
			Py_DECREF(a);
			if (got == WAIT_RAISED) return NULL;
			if (done) return PyLong_FromUnsignedLongLong(done);
			return full(p);
		}
		gr_pos at = p->p.pos, x = at;
		uint64_t n = gr_reserve_run(&p->p, gr_longest_run(r, at, rows - done));
		if (r->data_stride == r->bytes)
			memcpy(gr_payload(r, at.idx), src, n * r->bytes);
		else
			for (uint64_t k = 0; k < n; k++, x = gr_next(r, x))
				memcpy(gr_payload(r, x.idx), src + k * r->bytes, r->bytes);
		gr_publish_alike(&p->p, n, (uint32_t)r->bytes);
		src += n * r->bytes;
		done += n;
	}
	Py_DECREF(a);
	return PyLong_FromUnsignedLongLong(done);
}
