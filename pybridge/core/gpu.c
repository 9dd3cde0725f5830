/* gpu.c: the driver's errors and streams in Python. */
#include "core.h"

/* Raises the exception of a device step's error, and returns -1. When the context is gone it
 * completes the claims of the seat, since no reaper does while this process lives. SYNC local load
 * */
int gpu_failed(gr_gpu *g, unsigned seat, int error, const char *what) {
	if (seat && atomic_load(&g->poison))
		gr_cells_complete(g->cells, g->slots, g->queue ? g->slots : g->done_cells, seat);
	if (error == GR_GPU_VOIDED) {
		PyErr_Format(core_hooks.Voided,
			"the producer died before the message's payload had arrived: the bytes that were read are not to be used");
		return -1;
	}
	const char *name = NULL, *text = NULL;
	if (error > 0) {
		g->cuda->error_name(error, &name);
		g->cuda->error_string(error, &text);
	}
	PyObject *message = PyUnicode_FromFormat("%s: %s (%d, %s)%s", what, name ? name : "an error",
		error, text ? text : "which the driver has no words for",
		gr_gpu_sticky(error) ? "; this process can use CUDA no more, start another one" : "");
	PyObject *e = message
		? PyObject_CallFunction(core_hooks.CudaError, "Nis", message, error, name ? name : "")
		: NULL;
	if (e) PyErr_SetObject(core_hooks.CudaError, e);
	Py_XDECREF(e);
	return -1;
}

/* Parses the handle of a CUDA stream. None gives NULL, the participant's own. CUDA writes its
 * legacy default stream 0 or 1. */
int parse_stream(PyObject *o, gr_stream *s) {
	*s = NULL;
	if (!o || o == Py_None) return 0;
	PyObject *handle = PyLong_CheckExact(o) ? Py_NewRef(o)
											: PyObject_CallOneArg(core_hooks.stream_handle, o);
	if (!handle) return -1;
	unsigned long long n = PyLong_AsUnsignedLongLong(handle);
	Py_DECREF(handle);
	if (n == UINT64_MAX && PyErr_Occurred()) {
		if (PyErr_ExceptionMatches(PyExc_OverflowError))
			PyErr_Format(PyExc_ValueError, "stream is %R, want the handle of a CUDA stream", o);
		return -1;
	}
	*s = (gr_stream)(uintptr_t)(n ? n : 1);
	return 0;
}

/* Parses a stream, which makes sense only on GPU rings. */
int parse_stream_of(const gr_gpu *gpu, PyObject *o, gr_stream *s) {
	if (gpu || !o || o == Py_None) return parse_stream(o, s);
	PyErr_SetString(
		core_hooks.Unsupported, "stream= is for rings on a GPU; this one is in host memory");
	return -1;
}

/* Waits on the host until the payload of a consumer's slot has arrived. Other threads run, and
 * Ctrl-C ends it. Returns 0, or -1 with an exception. SYNC local load */
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
