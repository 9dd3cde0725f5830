/* wait.c: waits of Python: other threads run meanwhile, Ctrl-C ends them, timeouts hold. */
#include "core.h"

/* Reports whether a participant can be used now. It sets an exception if not. */
bool usable(SeatObject *seat, bool busy, const char *what) {
	if (core_forked) {
		PyErr_Format(core_hooks.ForkError,
			"this %s was opened before os.fork(); open the ring inside the child, or start it with the spawn method",
			what);
		return false;
	}
	if (!seat) {
		PyErr_Format(core_hooks.Closed, "the %s is closed", what);
		return false;
	}
	if (busy) {
		PyErr_Format(core_hooks.Error,
			"the %s is waiting in another thread; make one %s for each thread", what, what);
		return false;
	}
	return true;
}

/* Parses a timeout in seconds into ns; None is for ever (-1). Returns 0, or -1 with an exception.
 * */
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

/* Waits for one slice, or spins as long. */
static gr_wait_result step(gr_waiter *w, gr_look look, void *arg, int64_t slice) {
	if (w->strategy != GR_STRATEGY_SPIN) return gr_sleep(w, look, arg, slice);
	for (int i = 0; i < 4096; i++) {
		if (look(arg, false)) return GR_WAIT_DONE;
		gr_pause();
		if (i % 512 == 511) sched_yield(); /* a peer that shares this core must get to run */
	}
	gr_wait_result why = gr_wait_over(w, look, arg);
	if (why != GR_WAIT_NOT_YET) return why;
	return gr_slice_over(w) && look(arg, true) ? GR_WAIT_DONE : GR_WAIT_NOT_YET;
}

/* Raises PeerDead for the peer that died. A peer writes its entry: it is copied, then used.
 * SYNC progress load */
static wait_outcome raise_peer_dead(gr_waiter *w) {
	unsigned seat = w->dead;
	const uint8_t *e = gr_entry(w->r, seat);
	char name[GR_PART_NAME_SIZE];
	memcpy(name, e + GR_PART_NAME, sizeof name); /* A peer writes it: copied, then used. */
	int64_t seen = atomic_load(gr_seat_progress(w->r, seat));
	PyObject *text = PyUnicode_DecodeUTF8(name, (Py_ssize_t)strnlen(name, sizeof name), "replace");
	PyObject *quiet = seen > 0 ? PyFloat_FromDouble((double)(gr_monotonic() - seen) / 1e9)
							   : Py_NewRef(Py_None);
	PyObject *error = NULL;
	if (text && quiet)
		error = PyObject_CallFunction(core_hooks.PeerDead, "sIOIO",
			seat <= w->r->max_producers ? "producer" : "consumer", seat, text,
			gr_u32(e, GR_PART_PID), quiet);
	if (error) PyErr_SetObject(core_hooks.PeerDead, error);
	Py_XDECREF(error);
	Py_XDECREF(text);
	Py_XDECREF(quiet);
	return WAIT_RAISED;
}

/* Waits until look reports true, for at most timeout ns, or for ever when it is negative. *busy is
 * set while other threads run. */
wait_outcome wait_until(gr_waiter *w, gr_look look, void *arg, int64_t timeout, bool *busy) {
	if (timeout == 0) {
		if (look(arg, true)) return WAIT_FOUND;
		if (!gr_is_shutdown(w->r)) return WAIT_TIMED_OUT;
		return look(arg, true) ? WAIT_FOUND : WAIT_ENDED;
	}
	if (gr_spin_briefly(w, look, arg)) return WAIT_FOUND;
	int64_t end = timeout < 0 ? INT64_MAX : gr_monotonic() + timeout;
	gr_wait_result r = GR_WAIT_NOT_YET;
	*busy = true;
	Py_BEGIN_ALLOW_THREADS
	if (w->strategy != GR_STRATEGY_SPIN && gr_yield(w, look, arg)) r = GR_WAIT_DONE;
	Py_END_ALLOW_THREADS
	while (r == GR_WAIT_NOT_YET) {
		int64_t left = end - (timeout < 0 ? 0 : gr_monotonic());
		if (left <= 0) break;
		Py_BEGIN_ALLOW_THREADS
		r = step(w, look, arg, left < w->slice ? left : w->slice);
		Py_END_ALLOW_THREADS
		if (r == GR_WAIT_NOT_YET && PyErr_CheckSignals()) {
			*busy = false;
			return WAIT_RAISED;
		}
	}
	*busy = false;
	switch (r) {
	case GR_WAIT_DONE: return WAIT_FOUND;
	case GR_WAIT_ENDED: return WAIT_ENDED;
	case GR_WAIT_PEER_DEAD: return raise_peer_dead(w);
	case GR_WAIT_NOT_YET: break;
	}
	return WAIT_TIMED_OUT;
}
