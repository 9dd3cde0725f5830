/* dlpack.c: views as capsules of DLPack 1.0, and of the version before for importers that ask for
 * nothing newer. A capsule holds the slot's lease until its importer is done.
 *
 * Slots in pinned host memory are kDLCUDA, too, not kDLCUDAHost: the capsule has the
 * address that the device has for them, to be used in stream order. kDLCUDAHost would say that
 * the host may read the memory as it gets it, while the payload may still be on its way. */
#include "core.h"

/* Constants and structures as in dlpack.h of DLPack 1.1. */
enum { DL_CUDA = 2, DL_READ_ONLY = 1 };

enum {
	DL_INT = 0,
	DL_UINT = 1,
	DL_FLOAT = 2,
	DL_BFLOAT = 4,
	DL_COMPLEX = 5,
	DL_BOOL = 6,
	DL_FLOAT8_E4M3FN = 10,
	DL_FLOAT8_E5M2 = 12
};

typedef struct {
	int32_t type, id;
} DLDevice;

typedef struct {
	uint8_t code, bits;
	uint16_t lanes;
} DLDataType;

typedef struct {
	void *data;
	DLDevice device;
	int32_t ndim;
	DLDataType dtype;
	int64_t *shape, *strides;
	uint64_t byte_offset;
} DLTensor;

typedef struct DLManagedTensor {
	DLTensor tensor;
	void *manager;
	void (*deleter)(struct DLManagedTensor *);
} DLManagedTensor;

typedef struct DLManagedTensorVersioned {
	struct {
		uint32_t major, minor;
	} version;

	void *manager;
	void (*deleter)(struct DLManagedTensorVersioned *);
	uint64_t flags;
	DLTensor tensor;
} DLManagedTensorVersioned;

/* Managed is a managed tensor of either version, with its shape and strides. */
typedef struct {

	union {
		DLManagedTensor old;
		DLManagedTensorVersioned now;
	};

	int64_t shape[GR_MAX_DIMS], strides[GR_MAX_DIMS];
} Managed;

/* Frees a managed tensor. Importers drop theirs in any thread, without the GIL, even while Python
 * ends. */
static void let_go(Managed *m, void *lease) {
	if (Py_IsInitialized()) {
		PyGILState_STATE state = PyGILState_Ensure();
		Py_DECREF((PyObject *)lease);
		PyMem_Free(m);
		PyGILState_Release(state);
	}
}

static void delete_old(DLManagedTensor *t) { let_go((Managed *)t, t->manager); }

static void delete_now(DLManagedTensorVersioned *t) { let_go((Managed *)t, t->manager); }

/* Frees a capsule that was not imported. */
static void capsule_old(PyObject *c) {
	if (PyCapsule_IsValid(c, "dltensor")) delete_old(PyCapsule_GetPointer(c, "dltensor"));
}

static void capsule_now(PyObject *c) {
	if (PyCapsule_IsValid(c, "dltensor_versioned"))
		delete_now(PyCapsule_GetPointer(c, "dltensor_versioned"));
}

/* kinds are the layout's dtype strings by their beginnings, after the byte order, with the minor
 * version of DLPack that has them. */
static const struct {
	const char *name;
	uint8_t code, minor;
} kinds[] = {
	{"b", DL_BOOL, 0},
	{"i", DL_INT, 0},
	{"u", DL_UINT, 0},
	{"f", DL_FLOAT, 0},
	{"c", DL_COMPLEX, 0},
	{"bfloat16", DL_BFLOAT, 0},
	{"float8_e4m3fn", DL_FLOAT8_E4M3FN, 1},
	{"float8_e5m2", DL_FLOAT8_E5M2, 1},
};

static int dl_type(PyArray_Descr *d, DLDataType *t, long minor) {
#define NAME(code, name, bytes) [code] = name,
	static const char *const names[] = {[0] = "", GR_DTYPES(NAME)};
#undef NAME
	const char *name = names[tensor_code(d)];
	bool named = *name != '<' && *name != '|';
	int code = -1;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if ((named ? !strcmp(name, kinds[i].name)
				   : name[1] == kinds[i].name[0] && !kinds[i].name[1]) &&
			kinds[i].minor <= minor)
			code = kinds[i].code;
	if (code < 0) {
		PyErr_Format(PyExc_BufferError,
			"DLPack%s has no dtype %S: use __cuda_array_interface__ (cupy.asarray)",
			minor ? "" : " 1.0", d);
		return -1;
	}
	*t = (DLDataType){(uint8_t)code, (uint8_t)(8 * PyDataType_ELSIZE(d)), 1};
	return 0;
}

static int fill(const DeviceObject *d, LeaseObject *l, Managed *m, DLTensor *t, long minor) {
	npy_intp step = 1;
	*t = (DLTensor){.data = (void *)(uintptr_t)gr_gpu_slot(l->gpu, l->at.idx),
		.device = {DL_CUDA, l->gpu->device},
		.ndim = d->shape.nd,
		.shape = m->shape,
		.strides = m->strides};
	for (int i = d->shape.nd - 1; i >= 0; i--) {
		m->shape[i] = d->shape.dims[i];
		m->strides[i] = step;
		step *= d->shape.dims[i];
	}
	return dl_type(d->shape.descr, &t->dtype, minor);
}

/* Returns a capsule. minor is the minor version of DLPack 1 that the importer knows, or -1. */
static PyObject *capsule(const DeviceObject *d, LeaseObject *l, long minor) {
	Managed *m = PyMem_Calloc(1, sizeof *m);
	if (!m) return PyErr_NoMemory();
	PyObject *c = NULL;
	if (minor < 0) {
		m->old.manager = l;
		m->old.deleter = delete_old;
		if (!fill(d, l, m, &m->old.tensor, 0)) c = PyCapsule_New(m, "dltensor", capsule_old);
	} else {
		m->now.version.major = 1;
		m->now.version.minor = minor > 1 ? 1 : (uint32_t)minor;
		m->now.manager = l;
		m->now.deleter = delete_now;
		m->now.flags = l->writable ? 0 : DL_READ_ONLY;
		if (!fill(d, l, m, &m->now.tensor, minor))
			c = PyCapsule_New(m, "dltensor_versioned", capsule_now);
	}
	if (c)
		Py_INCREF(l); /* the deleter's */
	else
		PyMem_Free(m);
	return c;
}

/* ---- the importer's arguments ---- */
static PyObject *refuse(const char *text, PyObject *o) {
	return PyErr_Format(PyExc_BufferError, text, o);
}

/* Parses a stream by the numbers of the array API standard. NULL means that the importer orders its
 * work itself. */
static int importer_stream(PyObject *o, gr_stream *s) {
	*s = (gr_stream)1;
	if (!o || o == Py_None) return 0;
	long long n = PyLong_AsLongLong(o);
	if (n == -1 && PyErr_Occurred()) return -1;
	if (n == 0 || n < -1) {
		PyErr_Format(PyExc_ValueError,
			"stream is %lld: want None or 1 for the legacy default stream, 2 for the thread's, -1 for no synchronisation, or a handle",
			n);
		return -1;
	}
	*s = n == -1 ? NULL : (gr_stream)(uintptr_t)n;
	return 0;
}

static int importer_version(PyObject *o, long *minor) {
	long major;
	*minor = -1;
	if (!o || o == Py_None) return 0;
	if (!PyTuple_Check(o)) {
		PyErr_Format(PyExc_TypeError, "max_version is %R, want a tuple of two integers", o);
		return -1;
	}
	if (!PyArg_ParseTuple(o, "ll", &major, minor)) return -1;
	if (major < 1) *minor = -1;
	if (major > 1) *minor = 1; /* This module has the newest of version 1. */
	return 0;
}

static int right_device(const LeaseObject *l, PyObject *o) {
	int type, id;
	if (!o || o == Py_None) return 0;
	if (!PyTuple_Check(o))
		return PyErr_Format(PyExc_TypeError, "dl_device is %R, want a tuple of two integers", o),
			   -1;
	if (!PyArg_ParseTuple(o, "ii", &type, &id)) return -1;
	if (type == DL_CUDA && id == l->gpu->device) return 0;
	PyErr_Format(PyExc_BufferError,
		"the payload is on device (%d, %d), not %R: view.copy_to_host() is for the host", DL_CUDA,
		l->gpu->device, o);
	return -1;
}

static PyObject *export(const DeviceObject *d, LeaseObject *l, PyObject *stream, PyObject *version,
	PyObject *device, PyObject *copy) {
	gr_stream on;
	long minor;
	if (importer_stream(stream, &on) || importer_version(version, &minor) ||
		right_device(l, device))
		return NULL;
	if (copy == Py_True)
		return refuse(
			"a view is imported in place, not copied (copy=%R): copy what was imported", copy);
	if (minor < 0 && !l->writable)
		return refuse(
			"a message is read-only, which DLPack before 1.0 cannot say (max_version=%R): use an importer that asks for max_version=(1, 0), or __cuda_array_interface__",
			version ? version : Py_None);
	if (on && lease_show(l, on)) return NULL;
	return capsule(d, l, minor);
}

PyObject *device_dlpack(DeviceObject *d, PyObject *args, PyObject *kwargs) {
	static char *names[] = {"stream", "max_version", "dl_device", "copy", NULL};
	PyObject *stream = NULL, *version = NULL, *device = NULL, *copy = NULL;
	if (!PyArg_ParseTupleAndKeywords(
			args, kwargs, "|$OOOO", names, &stream, &version, &device, &copy))
		return NULL;
	LeaseObject *l = device_lease(d);
	if (!l) return NULL;
	PyObject *c = export(d, l, stream, version, device, copy);
	Py_DECREF(l);
	return c;
}

PyObject *device_dlpack_device(DeviceObject *d, PyObject *unused) {
	(void)unused;
	LeaseObject *l = device_lease(d);
	if (!l) return NULL;
	PyObject *t = Py_BuildValue("(ii)", DL_CUDA, l->gpu->device);
	Py_DECREF(l);
	return t;
}
