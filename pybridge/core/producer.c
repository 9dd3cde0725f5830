/* producer.c: writing messages. */
#include "core.h"

/* ---- waiting for room ---- */
static bool look_room(void *arg, bool final) { return gr_try_reserve(arg, !final); }

/* Reserves a slot. */
static wait_outcome room(ProducerObject *p, int64_t timeout) {
	if (__builtin_expect(!p->seat || p->busy || core_forked, 0) && !usable(p->seat, p->busy, "producer")) return WAIT_RAISED;
	if (__builtin_expect(p->reserved, 0)) {
		PyErr_SetString(core_hooks.Error, "a reserved slot is still open: commit or abort it first");
		return WAIT_RAISED;
	}
	bool shut = gr_is_shutdown(p->p.r);
	if (__builtin_expect(!shut && gr_try_reserve(&p->p, true), 1)) return WAIT_FOUND;
	if (timeout && !shut) gr_slip_pause(&p->w.slip, gr_number(p->p.r, p->p.pos));
	wait_outcome r = shut ? WAIT_ENDED : wait_until(&p->w, look_room, &p->p, timeout, &p->busy);
	if (r == WAIT_ENDED) {
		if (gpu_ended_early(p->p.r)) PyErr_SetString(core_hooks.ExporterGone, "the process that owns the ring's device memory has ended: make the ring anew");
		else PyErr_SetString(core_hooks.Ended, "the ring is shut down and takes no more messages");
		return WAIT_RAISED;
	}
	return r;
}
static int room_or_full(ProducerObject *p, int64_t timeout) {
	wait_outcome r = room(p, timeout);
	if (r == WAIT_TIMED_OUT) PyErr_Format(core_hooks.Full, "all %llu slots are taken", (unsigned long long)p->p.r->slots);
	return r == WAIT_FOUND ? 0 : -1;
}
int producer_abort(ProducerObject *p) {
	p->reserved = false;
	if (p->open) device_abort(p);
	gr_abort(&p->p);
	return 0;
}
typedef struct { PyObject *data, *timeout, *meta, *tag; bool cast; gr_stream stream; } WriteArgs;

static int write_args(const ProducerObject *p, PyObject *const *args, Py_ssize_t n, PyObject *names, WriteArgs *w) {
	*w = (WriteArgs){0};
	if (n < 1 || n > 2) {
		PyErr_Format(PyExc_TypeError, "takes the data and a timeout, got %zd positional arguments", n);
		return -1;
	}
	w->data = args[0];
	if (n > 1) w->timeout = args[1];
	for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(names); i++) {
		PyObject *k = PyTuple_GET_ITEM(names, i), *v = args[n + i];
		if (!PyUnicode_CompareWithASCIIString(k, "timeout")) w->timeout = v;
		else if (!PyUnicode_CompareWithASCIIString(k, "meta")) w->meta = v;
		else if (!PyUnicode_CompareWithASCIIString(k, "tag")) w->tag = v;
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
/* tells the shape and dtype of a tensor */
static int describe(ProducerObject *p, const Source *s, uint64_t *bytes) {
	if (!s->code) return 0;
	int nd = s->array ? PyArray_NDIM(s->array) : s->like.nd;
	const npy_intp *dims = s->array ? PyArray_DIMS(s->array) : s->like.dims;
	return tensor_describe(gr_tensor(p->p.r, p->p.pos.idx), s->code, nd, dims, p->p.r->bytes, bytes);
}
static int fill(ProducerObject *p, Source *s, gr_stream on) {
	return p->seat->gpu ? device_write(p, s, on) : source_copy(p, s, gr_payload(p->p.r, p->p.pos.idx));
}
/* Writes one message; WAIT_TIMED_OUT when no slot was free in time. */
static wait_outcome write_one(ProducerObject *p, WriteArgs *a, int64_t timeout) {
	Source s;
	uint64_t tag = 0, bytes;
	uint16_t meta;
	if (a->tag && (tag = PyLong_AsUnsignedLongLong(a->tag)) == UINT64_MAX && PyErr_Occurred()) return WAIT_RAISED;
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
static PyObject *producer_write(ProducerObject *p, PyObject *const *args, Py_ssize_t n, PyObject *names) {
	WriteArgs a = {.data = n ? *args : NULL};
	int64_t timeout = -1;
	if ((n != 1 || names) && (write_args(p, args, n, names, &a) || parse_timeout(a.timeout, &timeout))) return NULL;
	wait_outcome r = write_one(p, &a, timeout);
	if (r == WAIT_TIMED_OUT) return PyErr_Format(core_hooks.Full, "all %llu slots are taken", (unsigned long long)p->p.r->slots);
	if (r == WAIT_RAISED) return NULL;
	Py_RETURN_NONE;
}
static PyObject *producer_try_write(ProducerObject *p, PyObject *const *args, Py_ssize_t n, PyObject *names) {
	WriteArgs a;
	if (write_args(p, args, n, names, &a)) return NULL;
	wait_outcome r = write_one(p, &a, 0);
	return r == WAIT_RAISED ? NULL : PyBool_FromLong(r == WAIT_FOUND);
}

/* ---- batches ---- */
static PyObject *producer_write_batch(ProducerObject *p, PyObject *args, PyObject *kwargs) {
	static char *names[] = {"array", "timeout", NULL};
	PyObject *o, *t = NULL;
	int64_t timeout;
	gr_ring *r = p->p.r;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O", names, &o, &t) || parse_timeout(t, &timeout)) return NULL;
	if (r->gpu) return PyErr_Format(core_hooks.Unsupported, "write_batch on a ring on a GPU: write the messages one by one, which waits for nothing");
	if (!r->fixed) return PyErr_Format(core_hooks.SchemaError, "write_batch is for rings of fixed items; write the messages of this ring one by one");
	PyArrayObject *given = (PyArrayObject *)PyArray_FROM_O(o);
	if (!given) return NULL;
	bool ok = PyArray_NDIM(given) == p->shape.nd + 1 && PyArray_EquivTypes(PyArray_DESCR(given), p->shape.descr) &&
	          same_dims(p->shape.nd, PyArray_DIMS(given) + 1, p->shape.dims);
	PyArrayObject *a = ok ? PyArray_GETCONTIGUOUS(given) : NULL;
	if (!ok) source_mismatch(p, PyArray_DESCR(given), PyArray_NDIM(given), PyArray_DIMS(given));
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
			return PyErr_Format(core_hooks.Full, "all %llu slots are taken", (unsigned long long)r->slots);
		}
		gr_pos at = p->p.pos, x = at;
		uint64_t n = gr_reserve_run(&p->p, gr_longest_run(r, at, rows - done));
		if (r->data_stride == r->bytes) memcpy(gr_payload(r, at.idx), src, n * r->bytes);
		else
			for (uint64_t k = 0; k < n; k++, x = gr_next(r, x)) memcpy(gr_payload(r, x.idx), src + k * r->bytes, r->bytes);
		gr_publish_alike(&p->p, n, (uint32_t)r->bytes);
		src += n * r->bytes;
		done += n;
	}
	Py_DECREF(a);
	return PyLong_FromUnsignedLongLong(done);
}

/* ---- in place ---- */
static PyObject *producer_reserve(ProducerObject *p, PyObject *args, PyObject *kwargs) {
	static char *names[] = {"timeout", "dtype", "shape", NULL};
	PyObject *t = NULL, *dtype = NULL, *shape = NULL;
	int64_t timeout;
	gr_ring *r = p->p.r;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OOO", names, &t, &dtype, &shape) || parse_timeout(t, &timeout)) return NULL;
	bool tensor = r->kind == GR_KIND_TENSOR;
	if (tensor != (dtype != NULL && shape != NULL) || (!tensor && (dtype || shape)))
		return PyErr_Format(core_hooks.SchemaError, tensor ? "reserve on a tensor ring needs dtype= and shape=" : "only tensor rings take dtype= and shape= here");
	npy_intp dims[GR_MAX_DIMS];
	PyArray_Dims given = {NULL, 0};
	PyArray_Descr *d = NULL;
	uint8_t descriptor[GR_TENSOR_SIZE];
	uint64_t bytes = r->bytes;
	if (tensor) {
		if (!PyArray_DescrConverter(dtype, &d)) return NULL;
		int code = tensor_code(d), bad = -1;
		if (!code) PyErr_Format(core_hooks.SchemaError, "a tensor ring cannot carry dtype %S", d);
		else if (PyArray_IntpConverter(shape, &given)) bad = tensor_describe(descriptor, code, given.len, given.ptr, r->bytes, &bytes);
		Py_CLEAR(d);
		if (!bad && given.len) memcpy(dims, given.ptr, (size_t)given.len * sizeof *dims);
		PyDimMem_FREE(given.ptr);
		if (bad) return NULL;
	}
	if (room_or_full(p, timeout)) return NULL;
	p->reserved = true;
	uint64_t i = p->p.pos.idx;
	if (tensor) memcpy(gr_tensor(r, i), descriptor, sizeof descriptor);
	LeaseObject *l = lease_new(p->ring, NULL, slot_memory(r, p->seat->gpu, i), (Py_ssize_t)bytes, true);
	PyObject *view = NULL, *slot = NULL;
	if (l && p->seat->gpu) {
		lease_on_device(l, p->seat->gpu, p->p.pos, p->seat->stream);
		p->open = (LeaseObject *)Py_NewRef(l);
		view = device_new(r, &p->shape, l, i);
	} else if (l) {
		if (tensor) view = (PyObject *)tensor_view(l, gr_tensor(r, i), bytes);
		else if (r->fixed) view = (PyObject *)view_new(&p->shape, l, 0, 0);
		else view = PyMemoryView_FromObject((PyObject *)l);
	}
	if (view) slot = slot_new(p, l, view);
	if (!slot) producer_abort(p);
	Py_XDECREF(view);
	Py_XDECREF(l);
	return slot;
}

/* ---- life ---- */
static PyObject *producer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
	static char *names[] = {"ring", "seat", "fd", "dtype", "shape", "strategy", "await_successor", "gpu", "stream", NULL};
	RingObject *ring;
	unsigned seat;
	int fd, strategy = GR_STRATEGY_ADAPTIVE, await = 0;
	unsigned long long gpu = 0, stream = 0;
	PyObject *dtype = Py_None, *shape = Py_None;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!Ii|OOipKK", names, &RingType, &ring, &seat, &fd, &dtype, &shape, &strategy, &await, &gpu, &stream)) return NULL;
	if (seat < 1 || seat > ring->r.max_producers) return PyErr_Format(PyExc_ValueError, "seat %u is no producer's: they are 1 to %d", seat, ring->r.max_producers);
	ProducerObject *p = (ProducerObject *)type->tp_alloc(type, 0);
	if (!p) return NULL;
	if (shape_set(&p->shape, &ring->r, dtype, shape) || !(p->seat = seat_new(ring, seat, fd, (gr_gpu *)(uintptr_t)gpu, (gr_stream)(uintptr_t)stream))) {
		Py_DECREF(p);
		return NULL;
	}
	p->ring = (RingObject *)Py_NewRef(ring);
	gr_producer_start(&p->p, &ring->r, seat);
	Py_BEGIN_ALLOW_THREADS /* reaping the dead of a GPU ring takes its time */
	gr_waiter_start(&p->w, &ring->r, seat, fd, strategy, await);
	Py_END_ALLOW_THREADS
	return (PyObject *)p;
}
static PyObject *producer_close(ProducerObject *p, PyObject *unused) {
	(void)unused;
	if (p->busy) return PyErr_Format(core_hooks.Error, "the producer is waiting in another thread");
	if (p->seat && p->reserved && !core_forked) producer_abort(p);
	Py_CLEAR(p->seat);
	Py_RETURN_NONE;
}
static PyObject *producer_closed(ProducerObject *p, void *unused) {
	(void)unused;
	return PyBool_FromLong(!p->seat);
}
static PyObject *producer_number(ProducerObject *p, void *unused) {
	(void)unused;
	return p->seat ? PyLong_FromUnsignedLong(p->seat->number) : Py_NewRef(Py_None);
}
static void producer_dealloc(ProducerObject *p) {
	if (p->seat && p->reserved && !core_forked) producer_abort(p);
	Py_CLEAR(p->open);
	Py_CLEAR(p->seat);
	shape_clear(&p->shape);
	Py_CLEAR(p->ring);
	Py_TYPE(p)->tp_free(p);
}
static PyObject *producer_writable(ProducerObject *p, PyObject *unused) {
	(void)unused;
	if (!usable(p->seat, p->busy, "producer")) return NULL;
	const gr_ring *r = p->p.r;
	if (p->p.discipline == GR_OVERWRITE) Py_RETURN_TRUE;
	if (p->p.discipline != GR_MULTI) return PyBool_FromLong(gr_try_reserve(&p->p, true)); /* which stores nothing here */
	for (uint64_t i = 0; i < r->slots; i++)
		if (gr_word_state(gr_load(gr_slot(r, i))) == GR_FREE) Py_RETURN_TRUE;
	Py_RETURN_FALSE;
}
static PyMethodDef producer_methods[] = {
	{"write", (PyCFunction)(void (*)(void))producer_write, METH_FASTCALL | METH_KEYWORDS,
	 "write($self, data, timeout=None, *, meta=None, tag=0, cast=False, stream=None)\n--\n\nWait for a free slot, copy data into it and publish it."},
	{"try_write", (PyCFunction)(void (*)(void))producer_try_write, METH_FASTCALL | METH_KEYWORDS,
	 "try_write($self, data, *, meta=None, tag=0, cast=False, stream=None)\n--\n\nWrite without waiting; False when the ring is full."},
	{"reserve", (PyCFunction)(void (*)(void))producer_reserve, METH_VARARGS | METH_KEYWORDS,
	 "reserve($self, timeout=None, dtype=None, shape=None)\n--\n\nWait for a free slot and lend it, to be filled in place."},
	{"write_batch", (PyCFunction)(void (*)(void))producer_write_batch, METH_VARARGS | METH_KEYWORDS,
	 "write_batch($self, array, timeout=None)\n--\n\nWrite the rows of an array, one message each; the number of rows written."},
	{"writable", (PyCFunction)producer_writable, METH_NOARGS, "writable($self)\n--\n\nWhether a slot is free."},
	{"close", (PyCFunction)producer_close, METH_NOARGS, "close($self)\n--\n\nGive the seat back. What was published stays in the ring."},
	{0},
};
static PyGetSetDef producer_fields[] = {
	{"closed", (getter)producer_closed, NULL, "Whether close() was called.", NULL},
	{"seat", (getter)producer_number, NULL, "The seat's number, None when closed.", NULL},
	{0},
};
PyTypeObject ProducerType = {
	PyVarObject_HEAD_INIT(0, 0).tp_name = "goring._core.Producer", .tp_basicsize = sizeof(ProducerObject),
	.tp_doc = "Producer(ring, seat, fd, dtype, shape, strategy): writes messages. It owns fd, which holds the seat's lock.",
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, .tp_new = producer_new, .tp_dealloc = (destructor)producer_dealloc,
	.tp_methods = producer_methods, .tp_getset = producer_fields,
};
