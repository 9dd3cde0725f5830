/* payload.c: taking a message on loan, and the view of its payload. */
#include "core.h"

/* Returns a lease of the taken message at at, which is released when the lease dies. */
LeaseObject *lend(ConsumerObject *c, gr_pos at, uint64_t sizes) {
	LeaseObject *l = lease_new(c->ring, c->seat, slot_memory(c->c.r, c->seat->gpu, at.idx),
		(Py_ssize_t)gr_sizes_len(sizes), false);
	if (!l) {
		seat_release(c->seat, at, 1);
		return NULL;
	}
	if (c->seat->gpu) lease_on_device(l, c->seat->gpu, at, c->seat->stream);
	lease_owe(l, at, 1);
	seat_owes(c->seat, 1);
	return l;
}

/* Returns the view of a message's payload, in place. */
PyObject *payload_view(ConsumerObject *c, LeaseObject *l) {
	gr_ring *r = c->c.r;
	if (l->gpu) return lease_show(l, l->own) ? NULL : device_new(r, &c->shape, l, l->at.idx);
	if (r->fixed) return (PyObject *)view_new(&c->shape, l, 0, 0);
	if (r->kind == GR_KIND_TENSOR)
		return (PyObject *)tensor_view(l, gr_tensor(r, l->at.idx), (uint64_t)l->bytes);
	return PyMemoryView_FromObject((PyObject *)l);
}
