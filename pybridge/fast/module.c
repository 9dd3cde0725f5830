/* module.c: the module, and what the package tells it once. */
#define FAST_IMPORTS_NUMPY
#include "fast.h"

fast_hooks_t fast_hooks;
int fast_forked;

static int set_dtypes(PyObject *map) {
	PyObject *code, *d;
	Py_ssize_t pos = 0;
	while (PyDict_Next(map, &pos, &code, &d)) {
		long c = PyLong_AsLong(code);
		if (c < 1 || c > 17 || !PyArray_DescrCheck(d)) {
			if (!PyErr_Occurred()) PyErr_Format(PyExc_ValueError, "dtypes: %R: %R", code, d);
			return -1;
		}
		Py_XSETREF(fast_hooks.dtypes[c], (PyArray_Descr *)Py_NewRef(d));
	}
	return 0;
}
static PyObject *configure(PyObject *self, PyObject *args, PyObject *kwargs) {
	(void)self;
	struct { const char *name; PyObject **to; } hooks[] = {
		{"Error", &fast_hooks.Error}, {"Full", &fast_hooks.Full}, {"Empty", &fast_hooks.Empty}, {"TooLarge", &fast_hooks.TooLarge},
		{"SchemaError", &fast_hooks.SchemaError}, {"CorruptError", &fast_hooks.CorruptError}, {"ForkError", &fast_hooks.ForkError},
		{"Closed", &fast_hooks.Closed}, {"Held", &fast_hooks.Held}, {"Lapped", &fast_hooks.Lapped}, {"PeerDead", &fast_hooks.PeerDead},
		{"Unsupported", &fast_hooks.Unsupported}, {"CudaError", &fast_hooks.CudaError}, {"WrongDevice", &fast_hooks.WrongDevice},
		{"ExporterGone", &fast_hooks.ExporterGone}, {"Voided", &fast_hooks.Voided}, {"stream_handle", &fast_hooks.stream_handle},
		{"encode_meta", &fast_hooks.encode_meta}, {"decode_meta", &fast_hooks.decode_meta},
	};
	PyObject *dtypes = kwargs ? PyDict_GetItemString(kwargs, "dtypes") : NULL;
	if (PyTuple_GET_SIZE(args) || !dtypes || !PyDict_Check(dtypes))
		return PyErr_Format(PyExc_TypeError, "configure takes exceptions and callables by name, and dtypes= as a dict");
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
	fast_forked = 1;
	seats_after_fork();
	Py_RETURN_NONE;
}
static PyObject *unreference_gpu(PyObject *self, PyObject *address) {
	(void)self;
	gr_gpu *g = PyLong_AsVoidPtr(address);
	if (PyErr_Occurred()) return NULL;
	if (g && !fast_forked) g->unreference(g);
	Py_RETURN_NONE;
}
static PyMethodDef module_methods[] = {
	{"configure", (PyCFunction)(void (*)(void))configure, METH_VARARGS | METH_KEYWORDS,
	 "configure(**hooks)\n--\n\nSet the exceptions, the metadata codec and the dtypes of tensor codes."},
	{"unreference_gpu", unreference_gpu, METH_O, "unreference_gpu(address)\n--\n\nGive back the memory of a GPU ring that no participant took."},
	{"after_fork", after_fork, METH_NOARGS, "after_fork()\n--\n\nTell the module that this process is a forked child."},
	{0},
};
static struct PyModuleDef module = {
	PyModuleDef_HEAD_INIT, .m_name = "_fast", .m_doc = "The data plane of goring's rings.", .m_size = -1, .m_methods = module_methods,
};
PyMODINIT_FUNC PyInit__fast(void);
PyMODINIT_FUNC PyInit__fast(void) {
	PyTypeObject *types[] = {&RingType, &SeatType, &LeaseType, &ProducerType, &SlotType, &ConsumerType, &MessageType, &DeviceType};
	import_array();
	PyObject *m = PyModule_Create(&module);
	for (size_t i = 0; m && i < sizeof types / sizeof *types; i++)
		if (PyModule_AddType(m, types[i])) Py_CLEAR(m);
	return m;
}
