/* copy.c: payloads that are the receiver's own. */
#include "core.h"

static PyObject *copy_of(const ConsumerObject *c, PyObject *view) {
	if (PyArray_Check(view)) {
		PyObject *copy = PyArray_NewCopy((PyArrayObject *)view, NPY_CORDER);
		if (copy && !c->copies) PyArray_CLEARFLAGS((PyArrayObject *)copy, NPY_ARRAY_WRITEABLE); /* as a view in place is */
		return copy;
	}
	PyObject *bytes = PyBytes_FromObject(view), *copy = bytes ? PyMemoryView_FromObject(bytes) : NULL;
	Py_XDECREF(bytes);
	return copy;
}
/* the copy of a view, or NULL; takes the view, which may be NULL */
PyObject *own_copy(const ConsumerObject *c, PyObject *view) {
	PyObject *copy = view ? copy_of(c, view) : NULL;
	Py_XDECREF(view);
	return copy;
}
/* the same of a view on an overwrite ring's n messages from at on; NULL without an exception
 * when they were overwritten meanwhile, from the first to the last */
PyObject *whole_copy(ConsumerObject *c, PyObject *view, gr_pos at, uint64_t n) {
	PyObject *copy = view ? copy_of(c, view) : NULL;
	bool torn = !gr_intact(c->c.r, at);
	Py_XDECREF(view);
	if (!torn) return copy;
	PyErr_Clear(); /* a descriptor that made no sense was not the message's */
	Py_XDECREF(copy);
	gr_count_lost(&c->c, n);
	return NULL;
}
