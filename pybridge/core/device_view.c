/* device_view.c: making the view of a slot for devices, and using it for one call. */
#include "core.h"

/* Returns the view of a slot for devices. like is the shape of the ring's payloads; a tensor's
 * descriptor is in the slot. */
PyObject *device_new(const gr_ring *r, const Shape *like, LeaseObject *l, uint64_t slot) {
	Shape s = *like;
	Tensor t;
	if (r->kind == GR_KIND_TENSOR) {
		if (tensor_read(gr_tensor(r, slot), (uint64_t)l->bytes, &t)) return NULL;
		s = (Shape){.descr = core_hooks.dtypes[t.code], .nd = t.nd};
		memcpy(s.dims, t.dims, sizeof t.dims);
	}
	if (r->kind == GR_KIND_BYTES)
		s = (Shape){.descr = PyArray_DescrFromType(NPY_UINT8), .nd = 1, .dims = {l->bytes}};
	else
		Py_INCREF(s.descr);
	DeviceObject *d = PyObject_New(DeviceObject, &DeviceType);
	if (!d) {
		shape_clear(&s);
		return NULL;
	}
	d->lease = (LeaseObject *)Py_NewRef(l);
	d->shape = s;
	d->scoped = false;
	return (PyObject *)d;
}

/* Returns a reference to the lease for the time of one call, during which other threads may run. */
LeaseObject *device_lease(DeviceObject *d) {
	if (core_forked) {
		PyErr_SetString(core_hooks.ForkError,
			"this view was made before os.fork(), which CUDA does not survive; open the ring inside the child, or start it with the spawn method");
		return NULL;
	}
	if (!d->lease) {
		PyErr_SetString(core_hooks.Closed,
			"the view's slot is the ring's again: it was committed, aborted, or iterated past");
		return NULL;
	}
	return (LeaseObject *)Py_NewRef(d->lease);
}

/* Returns the number of elements. */
npy_intp device_elements(const DeviceObject *d) {
	npy_intp n = 1;
	for (int i = 0; i < d->shape.nd; i++) n *= d->shape.dims[i];
	return n;
}

/* Returns the device address of the slot. */
gr_deviceptr device_address(const LeaseObject *l) { return gr_gpu_slot(l->gpu, l->at.idx); }
