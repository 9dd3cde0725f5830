/* device.c: the Python type of a slot of a GPU ring, an array that other libraries import without a
 * copy. */
#include "core.h"
#include "docs.inc"

#include <stddef.h>
#include <structmember.h>

/* Drops the view's hold on its slot. */
static void device_dealloc(DeviceObject *d) {
	Py_XDECREF(d->lease);
	shape_clear(&d->shape);
	PyObject_Free(d);
}

/* Implements DeviceArray.shape. */
static PyObject *device_shape(DeviceObject *d, void *unused) {
	(void)unused;
	return dims_tuple(d->shape.nd, d->shape.dims);
}

/* Implements DeviceArray.dtype. */
static PyObject *device_dtype(DeviceObject *d, void *unused) {
	(void)unused;
	return Py_NewRef(d->shape.descr);
}

/* Implements DeviceArray.strides. */
static PyObject *device_none(DeviceObject *d, void *unused) {
	(void)d, (void)unused;
	Py_RETURN_NONE;
}

/* Implements DeviceArray.size. */
static PyObject *device_size(DeviceObject *d, void *unused) {
	(void)unused;
	return PyLong_FromSsize_t(device_elements(d));
}

/* Implements DeviceArray.itemsize. */
static PyObject *device_itemsize(DeviceObject *d, void *unused) {
	(void)unused;
	return PyLong_FromSsize_t(PyDataType_ELSIZE(d->shape.descr));
}

/* Implements DeviceArray.nbytes. */
static PyObject *device_nbytes(DeviceObject *d, void *unused) {
	(void)unused;
	return PyLong_FromSsize_t(device_elements(d) * PyDataType_ELSIZE(d->shape.descr));
}

/* Implements DeviceArray.closed. */
static PyObject *device_closed(DeviceObject *d, void *unused) {
	(void)unused;
	return PyBool_FromLong(!d->lease);
}

/* Implements DeviceArray.device. */
static PyObject *device_ordinal(DeviceObject *d, void *unused) {
	(void)unused;
	LeaseObject *l = device_lease(d);
	if (!l) return NULL;
	PyObject *n = PyLong_FromLong(l->gpu->device);
	Py_DECREF(l);
	return n;
}

/* Implements DeviceArray.stream. */
static PyObject *device_stream(DeviceObject *d, void *unused) {
	(void)unused;
	LeaseObject *l = device_lease(d);
	if (!l) return NULL;
	PyObject *n = PyLong_FromVoidPtr(l->own);
	Py_DECREF(l);
	return n;
}

/* Implements DeviceArray.ptr. */
static PyObject *device_ptr(DeviceObject *d, void *unused) {
	(void)unused;
	LeaseObject *l = device_lease(d);
	if (!l) return NULL;
	PyObject *n = lease_show(l, l->own) ? NULL : PyLong_FromUnsignedLongLong(device_address(l));
	Py_DECREF(l);
	return n;
}

/* Implements DeviceArray.readonly. */
static PyObject *device_readonly(DeviceObject *d, void *unused) {
	(void)unused;
	LeaseObject *l = device_lease(d);
	if (!l) return NULL;
	PyObject *b = PyBool_FromLong(!l->writable);
	Py_DECREF(l);
	return b;
}

/* Implements DeviceArray.valid. */
static PyObject *device_valid(DeviceObject *d, void *unused) {
	(void)unused;
	LeaseObject *l = device_lease(d);
	if (!l) return NULL;
	const gr_ring *r = &l->ring->r;
	bool bad = !l->writable &&
		(lease_void(l) || (r->mode == GR_MODE_OVERWRITE && !gr_intact(r, l->at)));
	Py_DECREF(l);
	return PyBool_FromLong(!bad);
}

/* Waits on the host for the payload of a message, or for the work on a slot that is written. */
static int wait_on_host(LeaseObject *l) {
	int error;
	if (!l->writable) return gpu_arrived(l);
	if (lease_show(l, l->own)) return -1;
	Py_BEGIN_ALLOW_THREADS
	error = gr_gpu_synchronize(l->gpu, l->own);
	Py_END_ALLOW_THREADS
	return error ? gpu_failed(l->gpu, 0, error, "wait for a stream") : 0;
}

/* Implements DeviceArray.wait. */
static PyObject *device_wait(DeviceObject *d, PyObject *unused) {
	(void)unused;
	LeaseObject *l = device_lease(d);
	if (!l) return NULL;
	int bad = wait_on_host(l);
	Py_DECREF(l);
	if (bad) return NULL;
	Py_RETURN_NONE;
}

/* Returns the ndarray that copy_to_host copies into. */
static PyArrayObject *target(const DeviceObject *d, PyObject *out) {
	if (out == Py_None) {
		Py_INCREF(d->shape.descr); /* stolen */
		return (PyArrayObject *)PyArray_NewFromDescr(
			&PyArray_Type, d->shape.descr, d->shape.nd, d->shape.dims, NULL, NULL, 0, NULL);
	}
	if (!PyArray_Check(out))
		return (PyArrayObject *)PyErr_Format(
			PyExc_TypeError, "out is %R, want a numpy.ndarray", out);
	PyArrayObject *a = (PyArrayObject *)out;
	if (!shape_is(&d->shape, PyArray_NDIM(a), PyArray_DIMS(a)) ||
		!PyArray_EquivTypes(PyArray_DESCR(a), d->shape.descr) || !PyArray_ISCARRAY(a))
		return (PyArrayObject *)PyErr_Format(PyExc_ValueError,
			"out must be writable, C-contiguous, and of the payload's dtype %S and shape",
			d->shape.descr);
	return (PyArrayObject *)Py_NewRef(out);
}

/* Copies the payload to host memory and waits for it. */
static int copy_out(DeviceObject *d, LeaseObject *l, PyArrayObject *a, gr_stream on) {
	gr_gpu *g = l->gpu;
	int error;
	if (lease_show(l, on)) return -1; /* so there is nothing claimed to wait for below */
	Py_BEGIN_ALLOW_THREADS
	error = gr_gpu_copy_out(g, on, l->at.idx, 0, PyArray_DATA(a),
		(size_t)(device_elements(d) * PyDataType_ELSIZE(d->shape.descr)));
	Py_END_ALLOW_THREADS
	if (!error && !l->writable && lease_void(l)) error = GR_GPU_VOIDED;
	if (error)
		return gpu_failed(g, l->seat ? l->seat->number : 0, error, "copy a payload to the host");
	if (l->ring->r.mode != GR_MODE_OVERWRITE || l->writable || gr_intact(&l->ring->r, l->at))
		return 0;
	PyErr_Format(core_hooks.Lapped, "message %llu was overwritten while it was copied",
		(unsigned long long)gr_number(&l->ring->r, l->at));
	return -1;
}

/* Implements DeviceArray.copy_to_host. */
static PyObject *device_copy_to_host(DeviceObject *d, PyObject *args, PyObject *kwargs) {
	static char *names[] = {"out", "stream", NULL};
	PyObject *out = Py_None, *named = NULL;
	gr_stream on;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO", names, &out, &named) ||
		parse_stream(named, &on))
		return NULL;
	LeaseObject *l = device_lease(d);
	PyArrayObject *a = l ? target(d, out) : NULL;
	if (a && copy_out(d, l, a, on ? on : l->own)) Py_CLEAR(a);
	Py_XDECREF(l);
	return (PyObject *)a;
}

/* Raises TypeError for host code that takes the view for memory of its own. */
static PyObject *not_here(DeviceObject *d) {
	bool pinned = d->lease && d->lease->gpu->payload;
	PyErr_SetString(PyExc_TypeError,
		pinned
			? "a view of a slot for devices is no host array: numpy.asarray(view) is one, once the payload has arrived"
			: "the payload is in device memory, out of reach for the host: use cupy.asarray(view), torch.from_dlpack(view) or numba.cuda.as_cuda_array(view), "
			  "or view.copy_to_host() for a numpy.ndarray");
	return NULL;
}

/* Refuses bytes(). */
static PyObject *device_refuse(DeviceObject *d, PyObject *unused) {
	(void)unused;
	return not_here(d);
}

/* Refuses iteration. */
static PyObject *device_iter(DeviceObject *d) { return not_here(d); }

/* Refuses subscripts. */
static PyObject *device_item(DeviceObject *d, PyObject *unused) {
	(void)unused;
	return not_here(d);
}

/* Refuses the buffer protocol. */
static int device_buffer(DeviceObject *d, Py_buffer *b, int unused) {
	(void)unused;
	b->obj = NULL;
	not_here(d);
	return -1;
}

/* Implements DeviceArray.__array__: of pinned host memory a view in place, after the device's work.
 * */
static PyObject *device_array(DeviceObject *d, PyObject *args, PyObject *kwargs) {
	static char *names[] = {"dtype", "copy", NULL};
	PyObject *dtype = Py_None, *copy = Py_None;
	PyArray_Descr *wanted = NULL;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO", names, &dtype, &copy)) return NULL;
	LeaseObject *l = device_lease(d);
	if (!l) return NULL;
	PyObject *a = NULL;
	if (!l->gpu->payload)
		not_here(d);
	else if (!wait_on_host(l))
		a = (PyObject *)array_over(l, d->shape.descr, d->shape.nd, d->shape.dims, NULL);
	Py_DECREF(l);
	if (!a || (dtype == Py_None && copy != Py_True)) return a;
	if (dtype != Py_None && !PyArray_DescrConverter(dtype, &wanted)) Py_CLEAR(a);
	int flags = copy == Py_True ? NPY_ARRAY_ENSURECOPY
		: copy == Py_False      ? NPY_ARRAY_ENSURENOCOPY
								: 0;
	if (a) Py_SETREF(a, PyArray_FromArray((PyArrayObject *)a, wanted, flags));
	return a;
}

/* Implements repr(). */
static PyObject *device_repr(DeviceObject *d) {
	PyObject *shape = dims_tuple(d->shape.nd, d->shape.dims), *text = NULL;
	if (shape && !d->lease)
		text = PyUnicode_FromFormat("<goring.DeviceArray %S %R, closed>", d->shape.descr, shape);
	else if (shape)
		text = PyUnicode_FromFormat("<goring.DeviceArray %S %R on CUDA device %d>", d->shape.descr,
			shape, d->lease->gpu->device);
	Py_XDECREF(shape);
	return text;
}

static PyMethodDef device_methods[] = {
	{"copy_to_host", (PyCFunction)(void (*)(void))device_copy_to_host, METH_VARARGS | METH_KEYWORDS,
		"copy_to_host($self, out=None, stream=None)\n--\n\n" DOC_DEVICEARRAY_COPY_TO_HOST},
	{"wait", (PyCFunction)device_wait, METH_NOARGS, "wait($self)\n--\n\n" DOC_DEVICEARRAY_WAIT},
	{"__dlpack__", (PyCFunction)(void (*)(void))device_dlpack, METH_VARARGS | METH_KEYWORDS,
		"__dlpack__($self, *, stream=None, max_version=None, dl_device=None, copy=None)\n--\n\n" DOC_DEVICEARRAY_DLPACK},
	{"__dlpack_device__", (PyCFunction)device_dlpack_device, METH_NOARGS,
		"__dlpack_device__($self)\n--\n\n" DOC_DEVICEARRAY_DLPACK_DEVICE},
	{"__array__", (PyCFunction)(void (*)(void))device_array, METH_VARARGS | METH_KEYWORDS,
		"__array__($self, dtype=None, copy=None)\n--\n\n" DOC_DEVICEARRAY_ARRAY},
	{"__bytes__", (PyCFunction)device_refuse, METH_NOARGS, NULL},
	{0},
};

static PyGetSetDef device_fields[] = {
	{"shape", (getter)device_shape, NULL, "Lengths of the dimensions.", NULL},
	{"dtype", (getter)device_dtype, NULL, "numpy.dtype of one element.", NULL},
	{"strides", (getter)device_none, NULL, "None: C-contiguous.", NULL},
	{"size", (getter)device_size, NULL, "How many elements.", NULL},
	{"itemsize", (getter)device_itemsize, NULL, "Bytes of one element.", NULL},
	{"nbytes", (getter)device_nbytes, NULL, "Bytes of the payload.", NULL},
	{"ptr", (getter)device_ptr, NULL,
		"Device address of the payload, for work on the participant's own stream.", NULL},
	{"device", (getter)device_ordinal, NULL, "Ordinal of the device in this process.", NULL},
	{"stream", (getter)device_stream, NULL, "Handle of the participant's own stream.", NULL},
	{"readonly", (getter)device_readonly, NULL,
		"Whether it must not be written to: it is a message.", NULL},
	{"valid", (getter)device_valid, NULL,
		"Whether the bytes read so far are those that were written.", NULL},
	{"closed", (getter)device_closed, NULL, "Whether its slot is the ring's again.", NULL},
	{"__cuda_array_interface__", (getter)device_interface, NULL,
		"Version 3, for the participant's own stream.", NULL},
	{0},
};

static PyMemberDef device_members[] = {
	{"ndim", T_INT, offsetof(DeviceObject, shape) + offsetof(Shape, nd), READONLY,
		"How many dimensions."},
	{0},
};

static PyMappingMethods device_mapping = {.mp_subscript = (binaryfunc)device_item};

static PyBufferProcs device_procs = {(getbufferproc)device_buffer, NULL};

PyTypeObject DeviceType = {
	PyVarObject_HEAD_INIT(0, 0).tp_name = "goring._core.DeviceArray",
	.tp_basicsize = sizeof(DeviceObject),
	.tp_doc =
		"A slot of a GPU ring, for cupy.asarray, torch.from_dlpack, numba.cuda.as_cuda_array and the like. It holds the slot.",
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_dealloc = (destructor)device_dealloc,
	.tp_repr = (reprfunc)device_repr,
	.tp_iter = (getiterfunc)device_iter,
	.tp_as_mapping = &device_mapping,
	.tp_as_buffer = &device_procs,
	.tp_methods = device_methods,
	.tp_getset = device_fields,
	.tp_members = device_members,
};
