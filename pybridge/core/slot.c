/* slot.c: a reserved slot, to be filled in place. */
#include "core.h"
#include "docs.inc"

/* SlotObject is a reserved slot. */
typedef struct {
	PyObject_HEAD
	ProducerObject *p; /* NULL once committed or aborted. */
	LeaseObject *lease;
	PyObject *view;
	uint64_t tag, seq, filled; /* filled: bytes of the message, unless commit gets a length. */
	uint16_t meta;
} SlotObject;

/* Returns the reserved slot of a producer. */
PyObject *slot_new(ProducerObject *p, LeaseObject *l, PyObject *view) {
	SlotObject *s = PyObject_New(SlotObject, &SlotType);
	if (!s) return NULL;
	s->p = (ProducerObject *)Py_NewRef(p);
	s->lease = (LeaseObject *)Py_NewRef(l);
	s->view = Py_NewRef(view);
	s->tag = s->meta = 0;
	s->filled = (uint64_t)l->bytes;
	s->seq = gr_number(p->p.r, p->p.pos);
	return (PyObject *)s;
}

/* Reports whether the slot is still reserved. It raises Closed if not. */
static bool slot_open(SlotObject *s) {
	if (s->p && s->p->seat && s->p->reserved) return true;
	PyErr_SetString(core_hooks.Closed, "the slot was committed or aborted already");
	return false;
}

/* Ends the write access of the view that was handed out: the slot is the ring's again. */
static void slot_detach(SlotObject *s) {
	if (Py_IS_TYPE(s->view, &DeviceType))
		Py_CLEAR(((DeviceObject *)s->view)->lease);
	else if (PyArray_Check(s->view))
		PyArray_CLEARFLAGS((PyArrayObject *)s->view, NPY_ARRAY_WRITEABLE);
	else
		Py_XDECREF(
			PyObject_CallMethod(s->view, "release", NULL)); /* Refused while an export is open. */
	PyErr_Clear();
	Py_CLEAR(s->p);
}

/* Implements Slot.commit. */
static PyObject *slot_commit(SlotObject *s, PyObject *args, PyObject *kwargs) {
	static char *names[] = {"length", "stream", NULL};
	PyObject *o = Py_None, *named = NULL;
	gr_stream on;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO", names, &o, &named) || !slot_open(s) ||
		parse_stream_of(s->lease->gpu, named, &on))
		return NULL;
	uint64_t n = s->filled;
	if (o != Py_None) {
		n = PyLong_AsUnsignedLongLong(o);
		if (n == UINT64_MAX && PyErr_Occurred()) return NULL;
		if (s->p->p.r->kind != GR_KIND_BYTES && n != (uint64_t)s->lease->bytes)
			return PyErr_Format(core_hooks.SchemaError,
				"length %llu: only messages of bytes rings can be shorter than their slot",
				(unsigned long long)n);
		if (n > (uint64_t)s->lease->bytes)
			return PyErr_Format(core_hooks.TooLarge, "length %llu, the slot holds %zd",
				(unsigned long long)n, s->lease->bytes);
	}
	ProducerObject *p = s->p;
	if (p->open && device_commit(p, on)) return NULL;
	p->reserved = false;
	gr_publish(&p->p, (uint32_t)n, s->meta, s->tag);
	slot_detach(s);
	Py_RETURN_NONE;
}

/* Compares a source with the descriptor that was written when its slot was reserved. Returns 0, or
 * -1 with SchemaError. */
static int reserved_differs(SlotObject *s, const Source *src) {
	gr_ring *r = s->p->p.r;
	Tensor t;
	int nd = src->array ? PyArray_NDIM(src->array) : src->like.nd;
	const npy_intp *dims = src->array ? PyArray_DIMS(src->array) : src->like.dims;
	Shape want = {.nd = -1};
	if (!tensor_parse(gr_tensor(r, s->p->p.pos.idx), (uint64_t)s->lease->bytes, &t))
		t.code = 0; /* A peer overwrote it. */
	want.nd = t.code ? t.nd : -1;
	memcpy(want.dims, t.dims, sizeof t.dims);
	if (t.code == src->code && shape_is(&want, nd, dims)) return 0;
	PyErr_Format(core_hooks.SchemaError,
		"the array has another dtype or shape than the slot was reserved for");
	return -1;
}

/* Implements Slot.abort. */
static PyObject *slot_abort(SlotObject *s, PyObject *unused) {
	(void)unused;
	if (!slot_open(s)) return NULL;
	producer_abort(s->p);
	slot_detach(s);
	Py_RETURN_NONE;
}

/* Implements Slot.copy_from. */
static PyObject *slot_copy_from(SlotObject *s, PyObject *args, PyObject *kwargs) {
	static char *names[] = {"array", "stream", "cast", NULL};
	PyObject *o, *named = NULL;
	int cast = 0;
	gr_stream on;
	Source src;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$Op", names, &o, &named, &cast) ||
		!slot_open(s) || parse_stream_of(s->lease->gpu, named, &on))
		return NULL;
	ProducerObject *p = (ProducerObject *)Py_NewRef(s->p);
	int bad = source_open(p, &src, o, cast);
	if (!bad) {
		bad = !slot_open(s) ||
			(src.code && reserved_differs(s, &src)); /* The array's own code has run. */
		if (!bad)
			bad = p->open ? device_fill(p, &src, s->lease, on)
						  : source_copy(p, &src, s->lease->data);
		if (!bad) s->filled = src.bytes;
		source_done(&src);
	}
	Py_DECREF(p);
	if (bad) return NULL;
	Py_RETURN_NONE;
}

/* Enters the with block. */
static PyObject *slot_enter(SlotObject *s, PyObject *unused) {
	(void)unused;
	return slot_open(s) ? Py_NewRef(s) : NULL;
}

/* Commits at the end of the with block, or aborts when it raised. */
static PyObject *slot_exit(SlotObject *s, PyObject *args) {
	PyObject *type = PyTuple_GET_SIZE(args) ? PyTuple_GET_ITEM(args, 0) : Py_None;
	if (!s->p) Py_RETURN_NONE; /* Committed or aborted inside the block. */
	if (type != Py_None) return slot_abort(s, NULL);
	PyObject *none = PyTuple_New(0), *r = none ? slot_commit(s, none, NULL) : NULL;
	Py_XDECREF(none);
	return r;
}

/* Aborts a slot that was dropped. */
static void slot_dealloc(SlotObject *s) {
	if (s->p && s->p->seat && s->p->reserved && !core_forked) producer_abort(s->p);
	Py_CLEAR(s->p);
	Py_DECREF(s->view);
	Py_DECREF(s->lease);
	PyObject_Free(s);
}

/* Implements Slot.array and Slot.data. */
static PyObject *slot_view(SlotObject *s, void *unused) {
	(void)unused;
	return slot_open(s) ? Py_NewRef(s->view) : NULL;
}

/* Returns the tag. */
static PyObject *slot_get_tag(SlotObject *s, void *unused) {
	(void)unused;
	return PyLong_FromUnsignedLongLong(s->tag);
}

/* Sets the tag. */
static int slot_set_tag(SlotObject *s, PyObject *v, void *unused) {
	(void)unused;
	if (!v || !slot_open(s)) {
		if (!v) PyErr_SetString(PyExc_AttributeError, "tag cannot be deleted");
		return -1;
	}
	uint64_t tag = PyLong_AsUnsignedLongLong(v);
	if (tag == UINT64_MAX && PyErr_Occurred()) return -1;
	s->tag = tag;
	return 0;
}

/* Sets the metadata. */
static int slot_set_meta(SlotObject *s, PyObject *v, void *unused) {
	(void)unused;
	return slot_open(s) ? encode_meta(s->p, v, &s->meta) : -1;
}

/* Implements Slot.seq. */
static PyObject *slot_get_seq(SlotObject *s, void *unused) {
	(void)unused;
	return PyLong_FromUnsignedLongLong(s->seq);
}

static PyMethodDef slot_methods[] = {
	{"commit", (PyCFunction)(void (*)(void))slot_commit, METH_VARARGS | METH_KEYWORDS,
		"commit($self, length=None, stream=None)\n--\n\n" DOC_SLOT_COMMIT},
	{"copy_from", (PyCFunction)(void (*)(void))slot_copy_from, METH_VARARGS | METH_KEYWORDS,
		"copy_from($self, array, *, stream=None, cast=False)\n--\n\n" DOC_SLOT_COPY_FROM},
	{"abort", (PyCFunction)slot_abort, METH_NOARGS, "abort($self)\n--\n\n" DOC_SLOT_ABORT},
	{"__enter__", (PyCFunction)slot_enter, METH_NOARGS, NULL},
	{"__exit__", (PyCFunction)slot_exit, METH_VARARGS, "Commit, or abort when the block raised."},
	{0},
};

static PyGetSetDef slot_fields[] = {
	{"array", (getter)slot_view, NULL,
		"The payload as a writable ndarray; a memoryview on bytes rings.", NULL},
	{"data", (getter)slot_view, NULL, "The same as array.", NULL},
	{"tag", (getter)slot_get_tag, (setter)slot_set_tag,
		"The message's correlation id, 0 to 2**64 - 1.", NULL},
	{"meta", NULL, (setter)slot_set_meta, "Set the message's metadata, encoded as msgpack.", NULL},
	{"seq", (getter)slot_get_seq, NULL, "The message's number in the ring.", NULL},
	{0},
};

PyTypeObject SlotType = {
	PyVarObject_HEAD_INIT(0, 0).tp_name = "goring._core.Slot",
	.tp_basicsize = sizeof(SlotObject),
	.tp_doc =
		"A reserved slot. Fill array in place; leaving the with block commits, an exception aborts.",
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_dealloc = (destructor)slot_dealloc,
	.tp_methods = slot_methods,
	.tp_getset = slot_fields,
};
