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
	int over = gr_in_vain(w, look, arg);
	return over ? over : gr_slice_over(w) && look(arg, true);
}

/* raises PeerDead for the peer that was seen last */
static int mourn(gr_waiter *w) {
	unsigned seat = w->peers.dead;
	const uint8_t *e = gr_entry(w->r, seat);
	char name[GR_PART_NAME_SIZE];
	memcpy(name, e + GR_PART_NAME, sizeof name); /* somebody else's memory: copied, then used */
	int64_t seen = atomic_load(gr_seat_progress(w->r, seat));
	PyObject *text = PyUnicode_DecodeUTF8(name, (Py_ssize_t)strnlen(name, sizeof name), "replace");
	PyObject *quiet = seen > 0 ? PyFloat_FromDouble((double)(gr_monotonic() - seen) / 1e9) : Py_NewRef(Py_None);
	PyObject *error = NULL;
	if (text && quiet)
		error = PyObject_CallFunction(fast_hooks.PeerDead, "sIOIO", seat <= w->r->max_producers ? "producer" : "consumer", seat, text,
		                              gr_u32(e, GR_PART_PID), quiet);
	if (error) PyErr_SetObject(fast_hooks.PeerDead, error);
	Py_XDECREF(error);
	Py_XDECREF(text);
	Py_XDECREF(quiet);
	return -1;
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
		r = step(w, look, arg, left < w->slice ? left : w->slice);
		Py_END_ALLOW_THREADS
		if (!r && PyErr_CheckSignals()) {
			*busy = false;
			return -1;
		}
	}
	*busy = false;
	if (r == GR_PEER_DEAD) return mourn(w);
	return r == GR_SHUT_DOWN ? -2 : r;
}
