/* shape.c: the dtypes, shapes and tensor descriptors of payloads. */
#include "core.h"

/* Reports whether dims of nd dimensions are the shape's. */
bool shape_is(const Shape *s, int nd, const npy_intp *dims) {
	return nd == s->nd && same_dims(nd, dims, s->dims);
}

/* Returns the dimensions as a tuple of int. */
PyObject *dims_tuple(int nd, const npy_intp *dims) {
	PyObject *t = PyTuple_New(nd);
	for (int i = 0; t && i < nd; i++) PyTuple_SET_ITEM(t, i, PyLong_FromSsize_t(dims[i]));
	return t;
}

/* Sets the shape from the dtype and the shape tuple of a ring of fixed items; other rings have
 * none. Returns 0, or -1 with an exception. */
int shape_set(Shape *s, const gr_ring *r, PyObject *dtype, PyObject *shape) {
	memset(s, 0, sizeof *s);
	if (!r->fixed) return 0;
	if (!PyArray_DescrCheck(dtype) || !PyTuple_Check(shape) ||
		PyTuple_GET_SIZE(shape) > GR_MAX_DIMS) {
		PyErr_SetString(
			PyExc_TypeError, "rings of fixed items need a numpy.dtype and a shape tuple");
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
		PyErr_Format(core_hooks.SchemaError,
			"items of dtype %S and shape %R are %zd bytes, the ring's are %llu", dtype, shape,
			(Py_ssize_t)bytes, (unsigned long long)r->bytes);
		return -1;
	}
	s->descr = (PyArray_Descr *)Py_NewRef(dtype);
	return 0;
}

/* Drops the reference to the dtype. */
void shape_clear(Shape *s) { Py_CLEAR(s->descr); }

/* Raises SchemaError for an array of that dtype and shape where s is wanted, and returns -1. */
int shape_mismatch(const Shape *s, PyArray_Descr *d, int nd, const npy_intp *dims) {
	PyObject *got = dims_tuple(nd, dims), *want = dims_tuple(s->nd, s->dims);
	if (got && want)
		PyErr_Format(core_hooks.SchemaError,
			"array of dtype %S and shape %R, the ring carries %S and %R (cast=True converts the dtype)",
			d, got, s->descr, want);
	Py_XDECREF(got);
	Py_XDECREF(want);
	return -1;
}

/* Raises TooLarge for a message of that many bytes, and returns -1. */
int too_large(const gr_ring *r, uint64_t bytes) {
	PyErr_Format(core_hooks.TooLarge, "message of %llu bytes, slots hold %llu",
		(unsigned long long)bytes, (unsigned long long)r->bytes);
	return -1;
}

/* Returns the layout's code of a dtype, or 0 when tensors cannot have it. */
int tensor_code(PyArray_Descr *d) {
	for (int code = 1; code < GR_DTYPES_END; code++) {
		PyArray_Descr *k = core_hooks.dtypes[code];
		if (k && (k == d || PyArray_EquivTypes(k, d))) return code;
	}
	return 0;
}

/* Writes the descriptor of a tensor of at most limit bytes and sets its size. Returns 0, or -1 with
 * an exception. */
int tensor_describe(
	uint8_t *out, int code, int nd, const npy_intp *dims, uint64_t limit, uint64_t *bytes) {
	uint64_t n = (uint64_t)PyDataType_ELSIZE(core_hooks.dtypes[code]);
	uint16_t c = (uint16_t)code;
	if (nd > GR_MAX_DIMS) {
		PyErr_Format(
			core_hooks.SchemaError, "%d dimensions, a tensor has at most %d", nd, GR_MAX_DIMS);
		return -1;
	}
	for (int i = 0; i < nd; i++)
		if (dims[i] < 0 || __builtin_mul_overflow(n, (uint64_t)dims[i], &n)) n = UINT64_MAX >> 1;
	if (n > limit) {
		PyErr_Format(core_hooks.TooLarge, "a tensor of %llu bytes does not fit slots of %llu",
			(unsigned long long)n, (unsigned long long)limit);
		return -1;
	}
	memset(out, 0, GR_TENSOR_SIZE);
	memcpy(out + GR_TENSOR_DTYPE, &c, sizeof c);
	out[GR_TENSOR_NDIM] = (uint8_t)nd;
	for (int i = 0; i < nd; i++) memcpy(out + GR_TENSOR_SHAPE + (ptrdiff_t)8 * i, &dims[i], 8);
	*bytes = n;
	return 0;
}

/* Parses a descriptor and reports whether it is that of a tensor of len bytes. descriptor points
 * into the segment: it is copied first. */
bool tensor_parse(const uint8_t *descriptor, uint64_t len, Tensor *t) {
	uint8_t d[GR_TENSOR_SIZE];
	memcpy(d, descriptor, sizeof d);
	t->code = gr_u16(d, GR_TENSOR_DTYPE);
	t->nd = d[GR_TENSOR_NDIM];
	if (t->code < 1 || t->code >= GR_DTYPES_END || !core_hooks.dtypes[t->code] ||
		t->nd > GR_MAX_DIMS)
		return false;
	uint64_t n = (uint64_t)PyDataType_ELSIZE(core_hooks.dtypes[t->code]);
	for (int i = 0; i < t->nd; i++) {
		uint64_t dim = gr_u64(d, GR_TENSOR_SHAPE + 8 * i);
		if (dim >> 62 || __builtin_mul_overflow(n, dim, &n)) return false;
		t->dims[i] = (npy_intp)dim;
	}
	return n == len;
}

/* Parses a descriptor as tensor_parse does. Returns 0, or -1 with CorruptError. */
int tensor_read(const uint8_t *descriptor, uint64_t len, Tensor *t) {
	if (tensor_parse(descriptor, len, t)) return 0;
	PyErr_Format(core_hooks.CorruptError,
		"a tensor message has %llu bytes, which is not what its descriptor says (dtype code %d, %d dimensions)",
		(unsigned long long)len, t->code, t->nd);
	return -1;
}
