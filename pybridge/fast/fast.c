#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#include <numpy/arrayobject.h>

static struct PyModuleDef module = {
	PyModuleDef_HEAD_INIT, .m_name = "goring._fast", .m_size = -1,
};

PyMODINIT_FUNC PyInit__fast(void)
{
	import_array();
	return PyModule_Create(&module);
}
