/* wait.c: waiting as Python wants it: other threads run, Ctrl-C works, timeouts hold. */
#include "fast.h"

/* whether a participant can be used now; an exception is set if not */
int usable(SeatObject *seat, bool busy, const char *what) {
	if (fast_forked) {
		PyErr_Format(fast_hooks.ForkError, "this %s was opened before os.fork(); open the ring inside the child, or start it with the spawn method", what);
		return 0;
	}
	if (!seat) {
		PyErr_Format(fast_hooks.Closed, "the %s is closed", what);
		return 0;
	}
	if (busy) {
		PyErr_Format(fast_hooks.Error, "the %s is waiting in another thread; make one %s for each thread", what, what);
		return 0;
	}
	return 1;
}

/* None: for ever (-1); else seconds */
int parse_timeout(PyObject *o, int64_t *ns) {
	*ns = -1;
	if (!o || o == Py_None) return 0;
	double s = PyFloat_AsDouble(o);
	if (s == -1 && PyErr_Occurred()) return -1;
	if (!(s >= 0)) {
		PyErr_Format(PyExc_ValueError, "timeout is %R, want None or seconds >= 0", o);
		return -1;
	}
	*ns = s > 9e9 ? -1 : (int64_t)(s * 1e9);
	return 0;
}

static int step(gr_waiter *w, gr_look look, void *arg, int64_t slice) {
	if (w->strategy != GR_SPIN) return gr_sleep(w, look, arg, slice);
	for (int i = 0; i < 4096; i++) {
		if (look(arg, false)) return 1;
		gr_pause();
		if (i % 512 == 511) sched_yield(); /* a peer that shares this core must get to run */
	}
	if (gr_is_shutdown(w->r)) return look(arg, true) ? 1 : -1;
	return gr_slice_over(w) && look(arg, true);
}

/* 1 there, 0 timed out, -1 exception set, -2 shut down */
int wait_until(gr_waiter *w, gr_look look, void *arg, int64_t timeout, bool *busy) {
	if (timeout == 0) {
		if (look(arg, true)) return 1;
		return gr_is_shutdown(w->r) ? look(arg, true) ? 1 : -2 : 0;
	}
	if (gr_spin(w, look, arg)) return 1;
	int64_t end = timeout < 0 ? INT64_MAX : gr_monotonic() + timeout;
	int r;
	*busy = true;
	Py_BEGIN_ALLOW_THREADS
	r = w->strategy != GR_SPIN && gr_yield(w, look, arg);
	Py_END_ALLOW_THREADS
	while (!r) {
		int64_t left = end - (timeout < 0 ? 0 : gr_monotonic());
		if (left <= 0) break;
		Py_BEGIN_ALLOW_THREADS
		r = step(w, look, arg, left < GR_SLICE_NS ? left : GR_SLICE_NS);
		Py_END_ALLOW_THREADS
		if (!r && PyErr_CheckSignals()) {
			*busy = false;
			return -1;
		}
	}
	*busy = false;
	return r < 0 ? -2 : r;
}
