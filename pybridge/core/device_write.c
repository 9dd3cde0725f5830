/* device_write.c: filling slots of a GPU ring, and handing them to the consumers. */
#include "core.h"

/* Copy is one copy into a slot, and the stream that its source is ready on, or NULL. */
typedef struct {
	const void *from;
	gr_gpu_source source;
	uint64_t bytes;
	gr_stream ready;
} Copy;

/* Returns the copy that a source needs. */
static Copy copy_of(const Source *s) {
	if (s->device)
		return (Copy){(const void *)(uintptr_t)s->device, GR_GPU_FROM_DEVICE, s->bytes, s->stream};
	return (Copy){s->data, GR_GPU_FROM_HOST, s->bytes, NULL};
}

/* Orders the copy after the source's stream. */
static int before(gr_gpu *g, const Copy *c, gr_stream on) {
	return c->ready ? gr_gpu_order(g, c->ready, on) : 0;
}

/* Orders the source's stream after the copy: it may free the source's memory next, or write to it.
 * */
static int after(gr_gpu *g, const Copy *c, gr_stream on) {
	return c->ready ? gr_gpu_order(g, on, c->ready) : 0;
}

/* Copies a message into the reserved slot and claims it for the consumers, on one stream. */
int device_write(ProducerObject *p, Source *s, gr_stream on) {
	gr_gpu *g = p->seat->gpu;
	Copy c = copy_of(s);
	uint64_t i = p->p.pos.idx, h = gr_number(p->p.r, p->p.pos);
	int error;
	if (!on) on = p->seat->stream;
	if (s->view && lease_show(s->view, on)) return -1;
	p->busy = true;
	Py_BEGIN_ALLOW_THREADS
	error = before(g, &c, on);
	if (!error) {
		error = gr_gpu_write(g, on, i, h, p->seat->number, c.from, c.bytes, c.source);
		if (!error)
			error = after(g, &c, on);
		else
			gr_gpu_commit(g, on, i,
				p->seat
					->number); /* For the work that was enqueued. A second error says the same. */
	}
	Py_END_ALLOW_THREADS
	p->busy = false;
	return error ? gpu_failed(g, p->seat->number, error, "write a message") : 0;
}

/* Copies into an open slot, after the work of its other streams. */
int device_fill(ProducerObject *p, Source *s, LeaseObject *l, gr_stream on) {
	gr_gpu *g = p->seat->gpu;
	Copy c = copy_of(s);
	int error;
	if (!on) on = l->own;
	if (s->view && lease_show(s->view, on)) return -1;
	p->busy = true;
	Py_BEGIN_ALLOW_THREADS
	error = l->nstreams ? gr_gpu_order(g, l->streams[0], on) : 0;
	if (!error) error = before(g, &c, on);
	if (!error)
		error = gr_gpu_copy_in(
			g, on, l->at.idx, gr_number(p->p.r, l->at), c.from, c.bytes, c.source);
	if (!error) error = after(g, &c, on);
	Py_END_ALLOW_THREADS
	p->busy = false;
	if (error) return gpu_failed(g, p->seat->number, error, "copy into a slot");
	return lease_add_stream(l, on);
}

/* Claims the open slot on the named stream, or on one of its own. */
static int claim(ProducerObject *p, gr_stream named) {
	LeaseObject *l = p->open;
	gr_stream on;
	int error;
	p->busy = true;
	Py_BEGIN_ALLOW_THREADS
	error = lease_gather(l, named, &on);
	if (!error) error = gr_gpu_commit(l->gpu, on, l->at.idx, p->seat->number);
	Py_END_ALLOW_THREADS
	p->busy = false;
	return error;
}

/* Claims the open slot for the consumers. Returns 0, or -1 with an exception: then the slot is
 * still open. */
int device_commit(ProducerObject *p, gr_stream named) {
	int error = claim(p, named);
	if (error) return gpu_failed(p->seat->gpu, p->seat->number, error, "commit a slot");
	Py_CLEAR(p->open);
	return 0;
}

/* Gives the open slot up. The work that was enqueued for it is claimed, too. SYNC local load */
void device_abort(ProducerObject *p) {
	if (p->open->nstreams && claim(p, NULL) && atomic_load(&p->seat->gpu->poison))
		gr_cells_complete(p->seat->gpu->cells, p->seat->gpu->slots, 0, p->seat->number);
	Py_CLEAR(p->open);
}
