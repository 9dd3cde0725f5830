/* gpu.c: what the driver's errors, streams and ends of waiting are in Python. */
#include "core.h"

/* raises what a device step answered, and returns -1. A context that is gone completes what
 * its participant has claimed: nobody else would, as long as it lives. */
int gpu_failed(gr_gpu *g, unsigned seat, int error, const char *what) {
	if (seat && atomic_load(&g->poison)) gr_cells_complete(g->cells, g->slots, g->queue ? g->slots : g->done_cells, seat);
	if (error == GR_GPU_VOIDED) {
		PyErr_Format(core_hooks.Voided, "the producer died before the message's payload had arrived: what was read of it is not to be used");
		return -1;
	}
	const char *name = NULL, *text = NULL;
	if (error > 0) {
		g->cuda->error_name(error, &name);
		g->cuda->error_string(error, &text);
	}
	PyObject *message = PyUnicode_FromFormat("%s: %s (%d, %s)%s", what, name ? name : "an error", error, text ? text : "which the driver has no words for",
	                                         gr_gpu_sticky(error) ? "; this process can use CUDA no more, start another one" : "");
	PyObject *e = message ? PyObject_CallFunction(core_hooks.CudaError, "Nis", message, error, name ? name : "") : NULL;
	if (e) PyErr_SetObject(core_hooks.CudaError, e);
	Py_XDECREF(e);
	return -1;
}

/* the handle of a CUDA stream: NULL for None, which means the participant's own. 0 is the legacy
 * default stream to CUDA, too, which has the handle 1 as well. */
int parse_stream(PyObject *o, gr_stream *s) {
	*s = NULL;
	if (!o || o == Py_None) return 0;
	PyObject *handle = PyLong_CheckExact(o) ? Py_NewRef(o) : PyObject_CallOneArg(core_hooks.stream_handle, o);
	if (!handle) return -1;
	unsigned long long n = PyLong_AsUnsignedLongLong(handle);
	Py_DECREF(handle);
	if (n == UINT64_MAX && PyErr_Occurred()) {
		if (PyErr_ExceptionMatches(PyExc_OverflowError)) PyErr_Format(PyExc_ValueError, "stream is %R, want the handle of a CUDA stream", o);
		return -1;
	}
	*s = (gr_stream)(uintptr_t)(n ? n : 1);
	return 0;
}
/* the same where it makes sense only on GPU rings */
int parse_stream_of(const gr_gpu *gpu, PyObject *o, gr_stream *s) {
	if (gpu || !o || o == Py_None) return parse_stream(o, s);
	PyErr_SetString(core_hooks.Unsupported, "stream= is for rings on a GPU; this one is in host memory");
	return -1;
}
/* whether waits on the ring ended because the owner of its device memory is gone */
bool gpu_ended_early(const gr_ring *r) {
	return r->gpu && atomic_load(gr_word32(r, r->gpu_off + GR_GPU_OFF_STATE)) & GR_GPU_EARLY;
}
/* waits on the host until the payload of a consumer's slot is there; 0 or -1 with an exception.
 * Others run, and Ctrl-C is heard. */
int gpu_arrived(LeaseObject *l) {
	gr_gpu *g = l->gpu;
	gr_cell *c = gr_gpu_ready(g, l->at.idx);
	uint64_t claimed = gr_gpu_claimed(g, l->at.idx);
	while (!gr_cell_reached(c, claimed)) {
		struct timespec pause = {0, 50000};
		int poison = atomic_load(&g->poison);
		if (poison) return gpu_failed(g, 0, poison, "wait for the payload");
		Py_BEGIN_ALLOW_THREADS
		nanosleep(&pause, NULL);
		Py_END_ALLOW_THREADS
		if (PyErr_CheckSignals()) return -1;
	}
	return gr_cell_void(c) ? gpu_failed(g, 0, GR_GPU_VOIDED, "") : 0;
}
