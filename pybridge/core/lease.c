/* lease.c: exporters of slots, and the NumPy views on them. */
#include "core.h"

/* Returns a lease of bytes at data. seat is the seat that will owe messages; it is NULL for a slot
 * that is written, which must not keep the seat of a closed producer. */
LeaseObject *lease_new(
	RingObject *ring, SeatObject *seat, uint8_t *data, Py_ssize_t bytes, bool writable) {
	LeaseObject *l = PyObject_New(LeaseObject, &LeaseType);
	if (!l) return NULL;
	l->ring = (RingObject *)Py_NewRef(ring);
	l->seat = (SeatObject *)Py_XNewRef(seat);
	l->data = data;
	l->bytes = bytes;
	l->writable = writable;
	l->owes = 0;
	l->gpu = NULL;
	l->streams = NULL;
	l->nstreams = 0;
	return l;
}

/* Makes the death of the lease release n messages from at on. */
void lease_owe(LeaseObject *l, gr_pos at, uint64_t n) {
	l->at = at;
	l->owes = n;
}

/* Releases the messages that the lease owes. */
static void lease_dealloc(LeaseObject *l) {
	if (l->gpu) {
		lease_drop_device(l);
	} else if (l->owes && !core_forked) {
		seat_owes(l->seat, -l->owes);
		seat_release(l->seat, l->at, l->owes);
	}
	Py_XDECREF(l->seat);
	Py_DECREF(l->ring);
	PyObject_Free(l);
}

/* Exports the slot through the buffer protocol. */
static int lease_buffer(LeaseObject *l, Py_buffer *b, int flags) {
	return PyBuffer_FillInfo(b, (PyObject *)l, l->data, l->bytes, !l->writable, flags);
}

static PyBufferProcs lease_procs = {(getbufferproc)lease_buffer, NULL};

PyTypeObject LeaseType = {
	PyVarObject_HEAD_INIT(0, 0).tp_name = "goring._core.Lease",
	.tp_basicsize = sizeof(LeaseObject),
	.tp_doc = "Holds slots of a ring for as long as a view or a message refers to them.",
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_dealloc = (destructor)lease_dealloc,
	.tp_as_buffer = &lease_procs,
};

/* Returns an ndarray over the lease, which it holds. */
PyArrayObject *array_over(
	LeaseObject *l, PyArray_Descr *d, int nd, const npy_intp *dims, const npy_intp *strides) {
	int flags = l->writable ? NPY_ARRAY_WRITEABLE : 0;
	Py_INCREF(d); /* stolen */
	PyArrayObject *v = (PyArrayObject *)PyArray_NewFromDescr(
		&PyArray_Type, d, nd, dims, strides, l->data, flags, NULL);
	if (!v) return NULL;
	PyArray_UpdateFlags(v, NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_F_CONTIGUOUS | NPY_ARRAY_ALIGNED);
	if (PyArray_SetBaseObject(v, Py_NewRef(l))) Py_CLEAR(v);
	return v;
}

/* Returns an ndarray of one item, or of rows that are stride bytes apart. */
PyArrayObject *view_new(const Shape *s, LeaseObject *l, npy_intp rows, npy_intp stride) {
	npy_intp dims[GR_MAX_DIMS + 1], strides[GR_MAX_DIMS + 1];
	int nd = 0;
	if (rows) dims[nd++] = rows;
	memcpy(dims + nd, s->dims, sizeof s->dims);
	nd += s->nd;
	npy_intp step = PyDataType_ELSIZE(s->descr);
	for (int i = nd - 1; i >= 0; i--) {
		strides[i] = step;
		step *= dims[i];
	}
	if (rows) strides[0] = stride;
	return array_over(l, s->descr, nd, dims, strides);
}

/* Returns an ndarray of the tensor that the descriptor describes. */
PyArrayObject *tensor_view(LeaseObject *l, const uint8_t *descriptor, uint64_t len) {
	Tensor t;
	return tensor_read(descriptor, len, &t)
		? NULL
		: array_over(l, core_hooks.dtypes[t.code], t.nd, t.dims, NULL);
}
