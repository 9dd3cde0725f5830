/* producer.c: the Python type of producers. */
#include "core.h"
#include "docs.inc"

/* Implements Producer.reserve. */
static PyObject *producer_reserve(ProducerObject *p, PyObject *args, PyObject *kwargs) {
	static char *names[] = {"timeout", "dtype", "shape", NULL};
	PyObject *t = NULL, *dtype = NULL, *shape = NULL;
	int64_t timeout;
	gr_ring *r = p->p.r;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OOO", names, &t, &dtype, &shape) ||
		parse_timeout(t, &timeout))
		return NULL;
	bool tensor = r->kind == GR_KIND_TENSOR;
	if (tensor != (dtype != NULL && shape != NULL) || (!tensor && (dtype || shape)))
		return PyErr_Format(core_hooks.SchemaError,
			tensor ? "reserve on a tensor ring needs dtype= and shape="
				   : "only tensor rings take dtype= and shape= here");
	PyArray_Dims given = {NULL, 0};
	PyArray_Descr *d = NULL;
	uint8_t descriptor[GR_TENSOR_SIZE];
	uint64_t bytes = r->bytes;
	if (tensor) {
		if (!PyArray_DescrConverter(dtype, &d)) return NULL;
		int code = tensor_code(d), bad = -1;
		if (!code)
			PyErr_Format(core_hooks.SchemaError, "a tensor ring cannot carry dtype %S", d);
		else if (PyArray_IntpConverter(shape, &given))
			bad = tensor_describe(descriptor, code, given.len, given.ptr, r->bytes, &bytes);
		Py_CLEAR(d);
		PyDimMem_FREE(given.ptr);
		if (bad) return NULL;
	}
	if (producer_reserve_slot(p, timeout)) return NULL;
	p->reserved = true;
	uint64_t i = p->p.pos.idx;
	if (tensor) memcpy(gr_tensor(r, i), descriptor, sizeof descriptor);
	LeaseObject *l = lease_new(
		p->ring, NULL, slot_memory(r, p->seat->gpu, i), (Py_ssize_t)bytes, true);
	PyObject *view = NULL, *slot = NULL;
	if (l && p->seat->gpu) {
		lease_on_device(l, p->seat->gpu, p->p.pos, p->seat->stream);
		p->open = (LeaseObject *)Py_NewRef(l);
		view = device_new(r, &p->shape, l, i);
	} else if (l) {
		if (tensor)
			view = (PyObject *)tensor_view(l, gr_tensor(r, i), bytes);
		else if (r->fixed)
			view = (PyObject *)view_new(&p->shape, l, 0, 0);
		else
			view = PyMemoryView_FromObject((PyObject *)l);
	}
	if (view) slot = slot_new(p, l, view);
	if (!slot) producer_abort(p);
	Py_XDECREF(view);
	Py_XDECREF(l);
	return slot;
}

/* Makes the producer of a seat that was joined. */
static PyObject *producer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
	static char *names[] = {"ring", "seat", "fd", "dtype", "shape", "strategy", "await_successor",
		"gpu", "stream", NULL};
	RingObject *ring;
	unsigned seat;
	int fd, strategy = GR_STRATEGY_ADAPTIVE, await = 0;
	unsigned long long gpu = 0, stream = 0;
	PyObject *dtype = Py_None, *shape = Py_None;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!Ii|OOipKK", names, &RingType, &ring, &seat,
			&fd, &dtype, &shape, &strategy, &await, &gpu, &stream))
		return NULL;
	if (seat < 1 || seat > ring->r.max_producers)
		return PyErr_Format(PyExc_ValueError, "seat %u is no producer's: they are 1 to %d", seat,
			ring->r.max_producers);
	ProducerObject *p = (ProducerObject *)type->tp_alloc(type, 0);
	if (!p) return NULL;
	if (shape_set(&p->shape, &ring->r, dtype, shape) ||
		!(p->seat = seat_new(
			  ring, seat, fd, (gr_gpu *)(uintptr_t)gpu, (gr_stream)(uintptr_t)stream))) {
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

/* Implements Producer.close. */
static PyObject *producer_close(ProducerObject *p, PyObject *unused) {
	(void)unused;
	if (p->busy) return PyErr_Format(core_hooks.Error, "the producer is waiting in another thread");
	if (p->seat && p->reserved && !core_forked) producer_abort(p);
	Py_CLEAR(p->seat);
	Py_RETURN_NONE;
}

/* Implements Producer.closed. */
static PyObject *producer_closed(ProducerObject *p, void *unused) {
	(void)unused;
	return PyBool_FromLong(!p->seat);
}

/* Implements Producer.seat. */
static PyObject *producer_number(ProducerObject *p, void *unused) {
	(void)unused;
	return p->seat ? PyLong_FromUnsignedLong(p->seat->number) : Py_NewRef(Py_None);
}

/* Closes the producer. */
static void producer_dealloc(ProducerObject *p) {
	if (p->seat && p->reserved && !core_forked) producer_abort(p);
	Py_CLEAR(p->open);
	Py_CLEAR(p->seat);
	shape_clear(&p->shape);
	Py_CLEAR(p->ring);
	Py_TYPE(p)->tp_free(p);
}

/* Implements Producer.writable. A reservation without compare and swap stores nothing. */
static PyObject *producer_writable(ProducerObject *p, PyObject *unused) {
	(void)unused;
	if (!usable(p->seat, p->busy, "producer")) return NULL;
	const gr_ring *r = p->p.r;
	if (p->p.discipline == GR_OVERWRITE) Py_RETURN_TRUE;
	if (p->p.discipline != GR_MULTI)
		return PyBool_FromLong(gr_try_reserve(&p->p, true)); /* which stores nothing here */
	for (uint64_t i = 0; i < r->slots; i++)
		if (gr_word_state(gr_load(gr_slot(r, i))) == GR_FREE) Py_RETURN_TRUE;
	Py_RETURN_FALSE;
}

static PyMethodDef producer_methods[] = {
	{"write", (PyCFunction)(void (*)(void))producer_write, METH_FASTCALL | METH_KEYWORDS,
		"write($self, data, timeout=None, *, meta=None, tag=0, cast=False, stream=None)\n--\n\n" DOC_PRODUCER_WRITE},
	{"try_write", (PyCFunction)(void (*)(void))producer_try_write, METH_FASTCALL | METH_KEYWORDS,
		"try_write($self, data, *, meta=None, tag=0, cast=False, stream=None)\n--\n\n" DOC_PRODUCER_TRY_WRITE},
	{"reserve", (PyCFunction)(void (*)(void))producer_reserve, METH_VARARGS | METH_KEYWORDS,
		"reserve($self, timeout=None, dtype=None, shape=None)\n--\n\n" DOC_PRODUCER_RESERVE},
	{"write_batch", (PyCFunction)(void (*)(void))producer_write_batch, METH_VARARGS | METH_KEYWORDS,
		"write_batch($self, array, timeout=None)\n--\n\n" DOC_PRODUCER_WRITE_BATCH},
	{"writable", (PyCFunction)producer_writable, METH_NOARGS,
		"writable($self)\n--\n\n" DOC_PRODUCER_WRITABLE},
	{"close", (PyCFunction)producer_close, METH_NOARGS, "close($self)\n--\n\n" DOC_PRODUCER_CLOSE},
	{0},
};

static PyGetSetDef producer_fields[] = {
	{"closed", (getter)producer_closed, NULL, "Whether close() was called.", NULL},
	{"seat", (getter)producer_number, NULL, "The seat's number, None when closed.", NULL},
	{0},
};

PyTypeObject ProducerType = {
	PyVarObject_HEAD_INIT(0, 0).tp_name = "goring._core.Producer",
	.tp_basicsize = sizeof(ProducerObject),
	.tp_doc =
		"Producer(ring, seat, fd, dtype, shape, strategy): writes messages. It owns fd, which holds the seat's lock.",
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
	.tp_new = producer_new,
	.tp_dealloc = (destructor)producer_dealloc,
	.tp_methods = producer_methods,
	.tp_getset = producer_fields,
};
