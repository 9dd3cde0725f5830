/* device_source.c: arrays in device memory, of any library, that a message is copied from. Their
 * __cuda_array_interface__ describes them. */
#include "core.h"

/* Returns an entry of an interface, or NULL when it is missing or None. */
static PyObject *entry(PyObject *interface, const char *key) {
	PyObject *v = PyDict_GetItemString(interface, key);
	return v == Py_None ? NULL : v;
}

/* Raises the exception with one object in its text, and returns -1. */
static int refuse(PyObject *exception, const char *text, PyObject *what) {
	PyErr_Format(exception, text, what);
	return -1;
}

/* Sets the shape from the interface's shape. */
static int parse_shape(Shape *s, PyObject *shape) {
	if (!shape || !PyTuple_Check(shape))
		return refuse(core_hooks.SchemaError,
			"__cuda_array_interface__ has the shape %R, want a tuple", shape ? shape : Py_None);
	if (PyTuple_GET_SIZE(shape) > NPY_MAXDIMS || PyTuple_GET_SIZE(shape) > GR_MAX_DIMS)
		return refuse(core_hooks.SchemaError,
			"a device array of shape %R: messages have at most 8 dimensions", shape);
	s->nd = (int)PyTuple_GET_SIZE(shape);
	for (int i = 0; i < s->nd; i++) {
		s->dims[i] = PyLong_AsSsize_t(PyTuple_GET_ITEM(shape, i));
		if (s->dims[i] == -1 && PyErr_Occurred()) return -1;
		if (s->dims[i] < 0)
			return refuse(core_hooks.SchemaError, "a device array of shape %R", shape);
	}
	return 0;
}

/* Returns the array's dtype: like, when it is written as like is. Names such as bfloat16 have no
 * code of their own in typestr, and records are told apart by descr. */
static PyArray_Descr *parse_dtype(PyObject *interface, PyArray_Descr *like) {
	PyObject *typestr = entry(interface, "typestr"), *fields = entry(interface, "descr");
	if (!typestr || !PyUnicode_Check(typestr)) {
		refuse(core_hooks.SchemaError, "__cuda_array_interface__ has the typestr %R, want a str",
			typestr ? typestr : Py_None);
		return NULL;
	}
	bool record = like && PyDataType_HASFIELDS(like);
	PyObject *mine = like && !(record && fields) ? PyObject_GetAttrString((PyObject *)like, "str")
												 : NULL;
	int same = mine ? PyUnicode_Compare(mine, typestr) == 0 : 0;
	Py_XDECREF(mine);
	PyErr_Clear();
	if (same) return (PyArray_Descr *)Py_NewRef(like);
	PyArray_Descr *d = NULL;
	return PyArray_DescrConverter(record && fields ? fields : typestr, &d) ? d : NULL;
}

/* Sets the device address of the array. */
static int parse_data(Source *s, PyObject *interface, uint64_t bytes) {
	PyObject *data = entry(interface, "data");
	if (!data || !PyTuple_Check(data) || PyTuple_GET_SIZE(data) != 2)
		return refuse(core_hooks.SchemaError,
			"__cuda_array_interface__ has the data %R, want a pointer and whether it is read-only",
			data ? data : Py_None);
	s->device = PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(data, 0));
	if (s->device == UINT64_MAX && PyErr_Occurred()) return -1;
	if (!s->device && bytes)
		return refuse(core_hooks.SchemaError, "a device array at %R: it has no memory", data);
	return 0;
}

/* Checks that the array is C-contiguous. */
static int check_contiguous(const Source *s, PyObject *strides) {
	if (!strides) return 0;
	npy_intp step = PyDataType_ELSIZE(s->like.descr);
	bool good = PyTuple_Check(strides) && PyTuple_GET_SIZE(strides) == s->like.nd;
	for (int i = s->like.nd - 1; good && i >= 0; i--) {
		npy_intp stride = PyLong_AsSsize_t(PyTuple_GET_ITEM(strides, i));
		good = stride == step || s->like.dims[i] <= 1 || !s->bytes;
		step *= s->like.dims[i];
	}
	PyErr_Clear();
	return good
		? 0
		: refuse(core_hooks.SchemaError,
			  "a device array with the strides %R is not C-contiguous: copy it first (cupy.ascontiguousarray, tensor.contiguous())",
			  strides);
}

/* Checks that the memory is on the ring's device: a kernel of another one would fault, or crawl. */
static int check_device(const gr_gpu *gpu, gr_deviceptr p) {
	gr_gpu *g = (gr_gpu *)gpu;
	int ordinal = -1, error = gr_gpu_enter(g);
	if (!error)
		error = gr_gpu_leave(g, g->cuda->pointer_attribute(&ordinal, GR_CUDA_POINTER_DEVICE, p));
	if (error == 1) { /* CUDA_ERROR_INVALID_VALUE: the driver does not know the address. */
		PyErr_Format(core_hooks.SchemaError, "address %p is no device memory of this process",
			(void *)(uintptr_t)p);
		return -1;
	}
	if (error) return gpu_failed(g, 0, error, "look at a device array");
	if (ordinal == g->device) return 0;
	PyErr_Format(core_hooks.WrongDevice,
		"the array is on device %d, the ring on device %d of this process: copy it there first",
		ordinal, g->device);
	return -1;
}

/* Checks the array against the ring and sets the size of the message. */
static int fits(ProducerObject *p, Source *s) {
	const gr_ring *r = p->p.r;
	s->bytes = (uint64_t)PyDataType_ELSIZE(s->like.descr);
	for (int i = 0; i < s->like.nd; i++)
		if (__builtin_mul_overflow(s->bytes, (uint64_t)s->like.dims[i], &s->bytes))
			s->bytes = UINT64_MAX >> 1;
	if (r->fixed &&
		(!shape_is(&p->shape, s->like.nd, s->like.dims) ||
			!PyArray_EquivTypes(s->like.descr, p->shape.descr)))
		return shape_mismatch(&p->shape, s->like.descr, s->like.nd, s->like.dims);
	if (r->kind == GR_KIND_TENSOR && !(s->code = tensor_code(s->like.descr)))
		return refuse(core_hooks.SchemaError, "a tensor ring cannot carry dtype %S",
			(PyObject *)s->like.descr);
	return s->bytes > r->bytes ? too_large(r, s->bytes) : 0;
}

/* Parses and checks an interface. */
static int parse_interface(ProducerObject *p, Source *s, PyObject *interface) {
	if (!PyDict_Check(interface))
		return refuse(
			core_hooks.SchemaError, "__cuda_array_interface__ is %R, want a dict", interface);
	if (entry(interface, "mask"))
		return refuse(core_hooks.SchemaError, "a device array with the mask %R: a message has none",
			entry(interface, "mask"));
	if (parse_shape(&s->like, entry(interface, "shape")) ||
		!(s->like.descr = parse_dtype(interface, p->shape.descr)) || fits(p, s) ||
		parse_data(s, interface, s->bytes) || check_contiguous(s, entry(interface, "strides")))
		return -1;
	if (s->bytes && check_device(p->seat->gpu, s->device)) return -1;
	return parse_stream(entry(interface, "stream"), &s->stream);
}

/* Takes a view of this module, which needs no interface: its lease is told the reading stream. */
static int parse_view(ProducerObject *p, Source *s, DeviceObject *d) {
	if (!(s->view = device_lease(d))) return -1;
	s->like = d->shape;
	Py_INCREF(s->like.descr);
	s->device = gr_gpu_slot(s->view->gpu, s->view->at.idx);
	if (fits(p, s)) return -1;
	return s->bytes ? check_device(p->seat->gpu, s->device) : 0;
}

/* Makes an array in device memory the source of a message. Returns 1, 0 when o is no such array, or
 * -1 with an exception. */
int device_source(ProducerObject *p, Source *s, PyObject *o) {
	PyObject *interface = NULL;
	if (PyArray_Check(o) || PyBytes_Check(o)) return 0;
	if (Py_IS_TYPE(o, &DeviceType)) return parse_view(p, s, (DeviceObject *)o) ? -1 : 1;
	if (!(interface = PyObject_GetAttrString(o, "__cuda_array_interface__"))) {
		if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return -1;
		PyErr_Clear();
		return 0;
	}
	int bad = parse_interface(p, s, interface);
	Py_DECREF(interface);
	return bad ? -1 : 1;
}
