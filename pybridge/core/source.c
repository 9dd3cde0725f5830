/* source.c: the source of one message's bytes. It is checked before a slot is reserved, so that a
 * refused message leaves the ring as it was. */
#include "core.h"

/* Drops the references of a source. */
void source_done(Source *s) {
	if (s->has_buffer) PyBuffer_Release(&s->buffer);
	Py_XDECREF(s->array);
	shape_clear(&s->like);
	Py_XDECREF(s->view);
}

/* Makes bytes or a buffer the source of a bytes message. */
static int source_bytes(ProducerObject *p, Source *s, PyObject *o) {
	if (PyBytes_CheckExact(o)) {
		s->data = PyBytes_AS_STRING(o);
		s->bytes = (uint64_t)PyBytes_GET_SIZE(o);
	} else {
		if (!PyObject_CheckBuffer(o)) {
			PyErr_Format(core_hooks.SchemaError,
				"a bytes ring takes bytes, bytearray, memoryview or arrays, got %.100s",
				Py_TYPE(o)->tp_name);
			return -1;
		}
		if (PyObject_GetBuffer(o, &s->buffer, PyBUF_FULL_RO)) return -1;
		s->has_buffer = true;
		s->data = s->buffer.buf;
		s->bytes = (uint64_t)s->buffer.len;
		if (!PyBuffer_IsContiguous(&s->buffer, 'C')) s->direct = false;
	}
	return s->bytes > p->p.r->bytes ? too_large(p->p.r, s->bytes) : 0;
}

/* Makes an array the source of a message of fixed shape, or of a tensor. */
static int source_array(ProducerObject *p, Source *s, PyObject *o, bool cast) {
	PyArrayObject *a = s->array = PyArray_Check(o) ? (PyArrayObject *)Py_NewRef(o)
												   : (PyArrayObject *)PyArray_FROM_O(o);
	if (!a) return -1;
	bool tensor = !p->p.r->fixed;
	PyArray_Descr *d = PyArray_DESCR(a);
	if (tensor) {
		if (!(s->code = tensor_code(d))) {
			PyErr_Format(core_hooks.SchemaError, "a tensor ring cannot carry dtype %S", d);
			return -1;
		}
		s->bytes = (uint64_t)PyArray_NBYTES(a);
		if (s->bytes > p->p.r->bytes) return too_large(p->p.r, s->bytes);
	} else {
		bool same = d == p->shape.descr || PyArray_EquivTypes(d, p->shape.descr);
		if (!shape_is(&p->shape, PyArray_NDIM(a), PyArray_DIMS(a)) ||
			(!same && (!cast || PyDataType_REFCHK(d))))
			return shape_mismatch(&p->shape, d, PyArray_NDIM(a), PyArray_DIMS(a));
		s->bytes = p->p.r->bytes;
		s->direct = same;
	}
	s->direct = s->direct && PyArray_IS_C_CONTIGUOUS(a);
	s->data = PyArray_DATA(a);
	return 0;
}

/* Makes the source one run of bytes, since a driver copies nothing else. */
static int source_flatten(ProducerObject *p, Source *s) {
	PyObject *flat;
	if (s->array) {
		PyArray_Descr *d = p->p.r->fixed ? p->shape.descr : PyArray_DESCR(s->array);
		Py_INCREF(d); /* stolen */
		flat = PyArray_FromArray(
			s->array, d, NPY_ARRAY_CARRAY | NPY_ARRAY_FORCECAST | NPY_ARRAY_ENSURECOPY);
		if (!flat) return -1;
		Py_SETREF(s->array, (PyArrayObject *)flat);
		s->data = PyArray_DATA(s->array);
	} else {
		if (!(flat = PyBytes_FromStringAndSize(NULL, s->buffer.len))) return -1;
		int bad = PyBuffer_ToContiguous(PyBytes_AS_STRING(flat), &s->buffer, s->buffer.len, 'C');
		PyBuffer_Release(&s->buffer);
		s->has_buffer = !bad &&
			PyObject_GetBuffer(flat, &s->buffer, PyBUF_SIMPLE) == 0; /* The export keeps flat. */
		Py_DECREF(flat);
		if (!s->has_buffer) return -1;
		s->data = s->buffer.buf;
	}
	s->direct = true;
	return 0;
}

/* Checks the object and makes it the source of a message. No slot is reserved yet. Returns 0, or -1
 * with an exception. */
int source_open(ProducerObject *p, Source *s, PyObject *o, bool cast) {
	gr_gpu *gpu = p->seat ? p->seat->gpu : NULL;
	s->array = NULL;
	s->has_buffer = false;
	s->direct = true;
	s->code = 0;
	s->data = NULL;
	s->device = 0;
	s->stream = NULL;
	s->view = NULL;
	s->like.descr = NULL;
	int far = gpu ? device_source(p, s, o) : 0, bad = far < 0;
	if (!far)
		bad = p->p.r->kind == GR_KIND_BYTES ? source_bytes(p, s, o) : source_array(p, s, o, cast);
	if (!bad && s->array && s->direct && (s->bytes >= BIG_COPY || gpu)) {
		/* The export keeps the array's memory in place while other threads run. */
		bad = PyObject_GetBuffer((PyObject *)s->array, &s->buffer, PyBUF_C_CONTIGUOUS);
		if (bad) { /* The buffer protocol lacks some dtypes: copy under the lock. */
			PyErr_Clear();
			bad = 0;
			s->direct = false;
		} else {
			s->has_buffer = true;
		}
	}
	if (!bad && gpu && !s->direct) bad = source_flatten(p, s);
	if (bad) source_done(s);
	return bad;
}

/* Lets NumPy copy an array that is no plain run of bytes. */
static int copy_array(ProducerObject *p, Source *s, uint8_t *to) {
	PyArray_Descr *d = p->p.r->fixed ? p->shape.descr : PyArray_DESCR(s->array);
	Py_INCREF(d); /* stolen */
	PyArrayObject *out = (PyArrayObject *)PyArray_NewFromDescr(&PyArray_Type, d,
		PyArray_NDIM(s->array), PyArray_DIMS(s->array), NULL, to, NPY_ARRAY_WRITEABLE, NULL);
	if (!out) return -1;
	int bad = PyArray_CopyInto(out, s->array);
	Py_DECREF(out);
	return bad;
}

/* Copies the message to a slot. Other Python threads run while a large one is copied. */
int source_copy(ProducerObject *p, Source *s, uint8_t *to) {
	if (!s->direct)
		return s->array ? copy_array(p, s, to)
						: PyBuffer_ToContiguous(to, &s->buffer, s->buffer.len, 'C');
	if (s->bytes < BIG_COPY) {
		memcpy(to, s->data, s->bytes);
		return 0;
	}
	p->busy = true;
	Py_BEGIN_ALLOW_THREADS
	memcpy(to, s->data, s->bytes);
	Py_END_ALLOW_THREADS
	p->busy = false;
	return 0;
}

/* Writes metadata into the reserved slot and sets its length. Returns 0, or -1 with an exception.
 * */
int encode_meta(ProducerObject *p, PyObject *meta, uint16_t *len) {
	*len = 0;
	if (!meta || meta == Py_None) return 0;
	PyObject *b = PyObject_CallOneArg(core_hooks.encode_meta, meta);
	if (!b) return -1;
	Py_ssize_t n = PyBytes_Check(b) ? PyBytes_GET_SIZE(b) : -1;
	int bad = n < 0 || (uint64_t)n > p->p.r->max_meta;
	if (n < 0)
		PyErr_SetString(PyExc_TypeError, "encode_meta must return bytes");
	else if (bad)
		PyErr_Format(core_hooks.TooLarge,
			"metadata of %zd bytes, the ring has room for %llu (max_meta)", n,
			(unsigned long long)p->p.r->max_meta);
	else
		memcpy(gr_meta(p->p.r, p->p.pos.idx), PyBytes_AS_STRING(b), (size_t)n);
	*len = (uint16_t)n;
	Py_DECREF(b);
	return bad ? -1 : 0;
}
