/* module.c: the module, and the hooks that the package sets once. */
#define CORE_IMPORTS_NUMPY
#include "core.h"

core_hooks_t core_hooks;
int core_forked;

static int set_dtypes(PyObject *map) {
	PyObject *code, *d;
	Py_ssize_t pos = 0;
	while (PyDict_Next(map, &pos, &code, &d)) {
		long c = PyLong_AsLong(code);
		if (c < 1 || c >= GR_DTYPES_END || !PyArray_DescrCheck(d)) {
			if (!PyErr_Occurred()) PyErr_Format(PyExc_ValueError, "dtypes: %R: %R", code, d);
			return -1;
		}
		Py_XSETREF(core_hooks.dtypes[c], (PyArray_Descr *)Py_NewRef(d));
	}
	return 0;
}

static PyObject *configure(PyObject *self, PyObject *args, PyObject *kwargs) {
	(void)self;

	struct {
		const char *name;
		PyObject **to;
	} hooks[] = {
		{"Error", &core_hooks.Error},
		{"Full", &core_hooks.Full},
		{"Empty", &core_hooks.Empty},
		{"TooLarge", &core_hooks.TooLarge},
		{"SchemaError", &core_hooks.SchemaError},
		{"CorruptError", &core_hooks.CorruptError},
		{"ForkError", &core_hooks.ForkError},
		{"Closed", &core_hooks.Closed},
		{"Ended", &core_hooks.Ended},
		{"Held", &core_hooks.Held},
		{"Lapped", &core_hooks.Lapped},
		{"PeerDead", &core_hooks.PeerDead},
		{"Unsupported", &core_hooks.Unsupported},
		{"CudaError", &core_hooks.CudaError},
		{"WrongDevice", &core_hooks.WrongDevice},
		{"ExporterGone", &core_hooks.ExporterGone},
		{"Voided", &core_hooks.Voided},
		{"stream_handle", &core_hooks.stream_handle},
		{"encode_meta", &core_hooks.encode_meta},
		{"decode_meta", &core_hooks.decode_meta},
	};

	PyObject *dtypes = kwargs ? PyDict_GetItemString(kwargs, "dtypes") : NULL;
	if (PyTuple_GET_SIZE(args) || !dtypes || !PyDict_Check(dtypes))
		return PyErr_Format(PyExc_TypeError,
			"configure takes exceptions and callables by name, and dtypes= as a dict");
	for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++) {
		PyObject *v = PyDict_GetItemString(kwargs, hooks[i].name);
		if (!v) return PyErr_Format(PyExc_TypeError, "configure needs %s=", hooks[i].name);
		Py_XSETREF(*hooks[i].to, Py_NewRef(v));
	}
	if (set_dtypes(dtypes)) return NULL;
	Py_RETURN_NONE;
}

static PyObject *after_fork(PyObject *self, PyObject *unused) {
	(void)self, (void)unused;
	core_forked = 1;
	seats_after_fork();
	Py_RETURN_NONE;
}

static PyObject *unreference_gpu(PyObject *self, PyObject *address) {
	(void)self;
	gr_gpu *g = PyLong_AsVoidPtr(address);
	if (PyErr_Occurred()) return NULL;
	if (g && !core_forked) g->unreference(g);
	Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {
	{"configure", (PyCFunction)(void (*)(void))configure, METH_VARARGS | METH_KEYWORDS,
		"configure(**hooks)\n--\n\nSet the exceptions, the metadata codec and the dtypes of tensor codes."},
	{"unreference_gpu", unreference_gpu, METH_O,
		"unreference_gpu(address)\n--\n\nGive back the memory of a GPU ring that no participant took."},
	{"after_fork", after_fork, METH_NOARGS,
		"after_fork()\n--\n\nTell the module that this process is a forked child."},
	{0},
};
static struct PyModuleDef module = {
	PyModuleDef_HEAD_INIT,
	.m_name = "_core",
	.m_doc = "The data plane of goring's rings.",
	.m_size = -1,
	.m_methods = module_methods,
};
PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC PyInit__core(void) {
	PyTypeObject *types[] = {&RingType, &SeatType, &LeaseType, &ProducerType, &SlotType,
		&ConsumerType, &MessageType, &DeviceType};
	import_array();
	PyObject *m = PyModule_Create(&module);
	for (size_t i = 0; m && i < sizeof types / sizeof *types; i++)
		if (PyModule_AddType(m, types[i])) Py_CLEAR(m);
	return m;
}
