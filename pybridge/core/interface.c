/* interface.c: views as __cuda_array_interface__, version 3. */
#include "core.h"

/* Returns the stream that an importer must be ordered after: None once every stream may read the
 * payload. */
static PyObject *awaited(const LeaseObject *l) {
	const gr_gpu *g = l->gpu;
	bool there = !gr_gpu_timeline(g) ||
		gr_cell_reached(gr_gpu_ready(g, l->at.idx), gr_gpu_claimed(g, l->at.idx));
	if (there && !l->writable && l->ring->r.mode != GR_MODE_OVERWRITE) Py_RETURN_NONE;
	return PyLong_FromVoidPtr(l->own);
}

/* Returns the __cuda_array_interface__ of a view. */
static PyObject *interface_of(const DeviceObject *d, const LeaseObject *l) {
	PyArray_Descr *dtype = d->shape.descr;
	PyObject *data = Py_BuildValue("(KN)",
		device_elements(d) ? (unsigned long long)device_address(l) : 0,
		PyBool_FromLong(!l->writable));
	PyObject *i = data ? Py_BuildValue("{s:N,s:N,s:N,s:O,s:i,s:N}", "shape",
							 dims_tuple(d->shape.nd, d->shape.dims), "typestr",
							 PyObject_GetAttrString((PyObject *)dtype, "str"), "data", data,
							 "strides", Py_None, "version", 3, "stream", awaited(l))
					   : NULL;
	if (!i || !PyDataType_HASFIELDS(dtype)) return i;
	PyObject *fields = PyObject_GetAttrString((PyObject *)dtype, "descr");
	if (!fields || PyDict_SetItemString(i, "descr", fields)) Py_CLEAR(i);
	Py_XDECREF(fields);
	return i;
}

/* Implements DeviceArray.__cuda_array_interface__. */
PyObject *device_interface(DeviceObject *d, void *unused) {
	(void)unused;
	LeaseObject *l = device_lease(d);
	if (!l) return NULL;
	PyObject *i = NULL;
	if (d->scoped)
		PyErr_SetString(core_hooks.Unsupported,
			"a view from iterating over a queue with several consumers ends with the next step, and an importer by __cuda_array_interface__ would not know: "
			"use DLPack (cupy.from_dlpack, torch.from_dlpack), or iterate over Consumer.messages()");
	else if (!lease_show(l, l->own))
		i = interface_of(d, l);
	Py_DECREF(l);
	return i;
}
