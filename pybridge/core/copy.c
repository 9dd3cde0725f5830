/* copy.c: payloads that belong to their receiver. */
#include "core.h"

/* Returns a copy of a view: an ndarray, or a memoryview over bytes. It is writable only when the
 * consumer copies all messages. */
static PyObject *copy_of(const ConsumerObject *c, PyObject *view) {
	if (PyArray_Check(view)) {
		PyObject *copy = PyArray_NewCopy((PyArrayObject *)view, NPY_CORDER);
		if (copy && !c->copies)
			PyArray_CLEARFLAGS(
				(PyArrayObject *)copy, NPY_ARRAY_WRITEABLE); /* As a view in place is. */
		return copy;
	}
	PyObject *bytes = PyBytes_FromObject(view),
			 *copy = bytes ? PyMemoryView_FromObject(bytes) : NULL;
	Py_XDECREF(bytes);
	return copy;
}

/* Returns the copy of a view, which may be NULL, and drops the view. */
PyObject *own_copy(const ConsumerObject *c, PyObject *view) {
	PyObject *copy = view ? copy_of(c, view) : NULL;
	Py_XDECREF(view);
	return copy;
}

/* Returns the copy of a view on n messages of an overwrite ring from at on, and drops the view.
 * Returns NULL without an exception when they were overwritten meanwhile, from the first to the
 * last. */
PyObject *whole_copy(ConsumerObject *c, PyObject *view, gr_pos at, uint64_t n) {
	PyObject *copy = view ? copy_of(c, view) : NULL;
	bool torn = !gr_intact(c->c.r, at);
	Py_XDECREF(view);
	if (!torn) return copy;
	PyErr_Clear(); /* An impossible descriptor was not the message's. */
	Py_XDECREF(copy);
	gr_count_lost(&c->c, n);
	return NULL;
}
