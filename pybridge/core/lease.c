/* lease.c: exporters of slots, and the views on them. */
#include "core.h"

/* seat: whom it will owe messages; NULL for a slot being written, which must not keep its
 * producer's seat when the producer is closed and the slot still named */
LeaseObject *lease_new(RingObject *ring, SeatObject *seat, uint8_t *data, Py_ssize_t bytes, bool writable) {
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
/* from here on the death of the lease releases n messages from at on */
void lease_owe(LeaseObject *l, gr_pos at, uint64_t n) {
	l->at = at;
	l->owes = n;
}
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
static int lease_buffer(LeaseObject *l, Py_buffer *b, int flags) {
	return PyBuffer_FillInfo(b, (PyObject *)l, l->data, l->bytes, !l->writable, flags);
}
static PyBufferProcs lease_procs = {(getbufferproc)lease_buffer, NULL};
PyTypeObject LeaseType = {
	PyVarObject_HEAD_INIT(0, 0).tp_name = "goring._core.Lease", .tp_basicsize = sizeof(LeaseObject),
	.tp_doc = "Holds slots of a ring for as long as anybody looks at them.",
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, .tp_dealloc = (destructor)lease_dealloc,
	.tp_as_buffer = &lease_procs,
};

/* ---- what payloads look like ---- */
int shape_set(Shape *s, const gr_ring *r, PyObject *dtype, PyObject *shape) {
	memset(s, 0, sizeof *s);
	if (!r->fixed) return 0;
	if (!PyArray_DescrCheck(dtype) || !PyTuple_Check(shape) || PyTuple_GET_SIZE(shape) > GR_MAX_DIMS) {
		PyErr_SetString(PyExc_TypeError, "rings of fixed items need a numpy.dtype and a shape tuple");
		return -1;
	}
	PyArray_Descr *d = (PyArray_Descr *)dtype;
	npy_intp bytes = PyDataType_ELSIZE(d);
	s->nd = (int)PyTuple_GET_SIZE(shape);
	for (int i = 0; i < s->nd; i++) {
		s->dims[i] = PyLong_AsSsize_t(PyTuple_GET_ITEM(shape, i));
		if (s->dims[i] < 1 || __builtin_mul_overflow(bytes, s->dims[i], &bytes)) {
			if (!PyErr_Occurred()) PyErr_Format(PyExc_ValueError, "bad shape %R", shape);
			return -1;
		}
	}
	if (PyDataType_REFCHK(d) || (uint64_t)bytes != r->bytes) {
		PyErr_Format(core_hooks.SchemaError, "items of dtype %S and shape %R are %zd bytes, the ring's are %llu",
		             dtype, shape, (Py_ssize_t)bytes, (unsigned long long)r->bytes);
		return -1;
	}
	s->descr = (PyArray_Descr *)Py_NewRef(dtype);
	return 0;
}
void shape_clear(Shape *s) { Py_CLEAR(s->descr); }

PyArrayObject *array_over(LeaseObject *l, PyArray_Descr *d, int nd, const npy_intp *dims, const npy_intp *strides) {
	int flags = l->writable ? NPY_ARRAY_WRITEABLE : 0;
	Py_INCREF(d); /* stolen */
	PyArrayObject *v = (PyArrayObject *)PyArray_NewFromDescr(&PyArray_Type, d, nd, dims, strides, l->data, flags, NULL);
	if (!v) return NULL;
	PyArray_UpdateFlags(v, NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_F_CONTIGUOUS | NPY_ARRAY_ALIGNED);
	if (PyArray_SetBaseObject(v, Py_NewRef(l))) Py_CLEAR(v);
	return v;
}
/* one item, or rows of them stride bytes apart */
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

/* ---- tensors ---- */
int tensor_code(PyArray_Descr *d) {
	for (int code = 1; code < GR_DTYPES_END; code++) {
		PyArray_Descr *k = core_hooks.dtypes[code];
		if (k && (k == d || PyArray_EquivTypes(k, d))) return code;
	}
	return 0;
}
int tensor_describe(uint8_t *out, int code, int nd, const npy_intp *dims, uint64_t limit, uint64_t *bytes) {
	uint64_t n = (uint64_t)PyDataType_ELSIZE(core_hooks.dtypes[code]);
	uint16_t c = (uint16_t)code;
	if (nd > GR_MAX_DIMS) {
		PyErr_Format(core_hooks.SchemaError, "%d dimensions, a tensor has at most %d", nd, GR_MAX_DIMS);
		return -1;
	}
	for (int i = 0; i < nd; i++)
		if (dims[i] < 0 || __builtin_mul_overflow(n, (uint64_t)dims[i], &n)) n = UINT64_MAX >> 1;
	if (n > limit) {
		PyErr_Format(core_hooks.TooLarge, "a tensor of %llu bytes does not fit slots of %llu", (unsigned long long)n, (unsigned long long)limit);
		return -1;
	}
	memset(out, 0, GR_TENSOR_SIZE);
	memcpy(out + GR_TENSOR_DTYPE, &c, sizeof c);
	out[GR_TENSOR_NDIM] = (uint8_t)nd;
	for (int i = 0; i < nd; i++) memcpy(out + GR_TENSOR_SHAPE + 8 * i, &dims[i], 8);
	*bytes = n;
	return 0;
}
/* descriptor points into the segment and is copied before it is believed */
bool tensor_parse(const uint8_t *descriptor, uint64_t len, Tensor *t) {
	uint8_t d[GR_TENSOR_SIZE];
	memcpy(d, descriptor, sizeof d);
	t->code = gr_u16(d, GR_TENSOR_DTYPE);
	t->nd = d[GR_TENSOR_NDIM];
	if (t->code < 1 || t->code >= GR_DTYPES_END || !core_hooks.dtypes[t->code] || t->nd > GR_MAX_DIMS) return false;
	uint64_t n = (uint64_t)PyDataType_ELSIZE(core_hooks.dtypes[t->code]);
	for (int i = 0; i < t->nd; i++) {
		uint64_t dim = gr_u64(d, GR_TENSOR_SHAPE + 8 * i);
		if (dim >> 62 || __builtin_mul_overflow(n, dim, &n)) return false;
		t->dims[i] = (npy_intp)dim;
	}
	return n == len;
}
/* the same with an exception */
int tensor_read(const uint8_t *descriptor, uint64_t len, Tensor *t) {
	if (tensor_parse(descriptor, len, t)) return 0;
	PyErr_Format(core_hooks.CorruptError, "a tensor message has %llu bytes, which is not what its descriptor says (dtype code %d, %d dimensions)",
	             (unsigned long long)len, t->code, t->nd);
	return -1;
}
PyArrayObject *tensor_view(LeaseObject *l, const uint8_t *descriptor, uint64_t len) {
	Tensor t;
	return tensor_read(descriptor, len, &t) ? NULL : array_over(l, core_hooks.dtypes[t.code], t.nd, t.dims, NULL);
}
