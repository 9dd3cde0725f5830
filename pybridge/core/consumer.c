/* consumer.c: taking messages. Iteration hands out prebuilt views and settles a frame
 * when the one after the next is asked for: while __next__ runs, the loop variable
 * still names the previous frame, so one extra reference proves nothing.
 *
 * One of several consumers iterates over copies. If it slept while its loop variable named
 * a slot, that could be the very slot which the producer must have next: the others drain
 * the ring, and then all wait for ever. A consumer alone that has taken everything waits for
 * the slot which the producer must have next, and sees when it holds that itself. */
#include "core.h"

typedef struct { ConsumerObject *c; gr_pos at; bool scoped, blocked; } Look;

static bool take_again(ConsumerObject *c, gr_pos *at) {
	while (c->nagain) {
		*at = c->again[0];
		memmove(c->again, c->again + 1, --c->nagain * sizeof *c->again);
		if (c->c.discipline != GR_OVERWRITE || gr_intact(c->c.r, *at)) return true;
		gr_count_lost(&c->c, 1); /* overwritten since */
	}
	return false;
}
static bool look_data(void *arg, bool final) {
	Look *l = arg;
	if (take_again(l->c, &l->at) || gr_try_take(&l->c->c, !final, &l->at)) return true;
	if (l->scoped && final) l->blocked = scoped_blocks(l->c);
	return l->blocked;
}
bool consumer_take(ConsumerObject *c, gr_pos *at) {
	if (__builtin_expect(c->nagain != 0, 0)) return take_again(c, at);
	return gr_try_take(&c->c, true, at);
}
/* unless shared, the message stays as it is and is handed out again, smallest number first */
int consumer_requeue(ConsumerObject *c, gr_pos at) {
	if (c->c.discipline == GR_MULTI) {
		gr_requeue(&c->c, at);
		return 0;
	}
	gr_pos *grown = PyMem_Realloc(c->again, (c->nagain + 1) * sizeof *grown);
	if (!grown) return PyErr_NoMemory(), -1;
	c->again = grown;
	size_t i = c->nagain++;
	uint64_t n = gr_number(c->c.r, at);
	for (; i && gr_number(c->c.r, c->again[i - 1]) > n; i--) c->again[i] = c->again[i - 1];
	c->again[i] = at;
	if (c->c.discipline == GR_SINGLE) gr_count_redelivery(gr_slot(c->c.r, at.idx)); /* else others read the same header */
	return 0;
}

/* ---- prebuilt views ---- */
static void settle(ConsumerObject *c, gr_pos at) {
	Prebuilt *s = &c->table[at.idx];
	LeaseObject *l = s->lease;
	PyArrayObject *v = s->view;
	if (core_forked) return;
#ifndef Py_GIL_DISABLED
	if (Py_REFCNT(v) == 1 && Py_REFCNT(l) == 2) { /* the table, and the view's base: nobody else looks */
		l->owes = 0;
		seat_owes(c->seat, -1ull);
		seat_release(c->seat, at, 1);
		return;
	}
#endif
	s->lease = NULL; /* the last holder's drop, now or later, anywhere, releases */
	s->view = NULL;
	Py_DECREF(v);
	Py_DECREF(l);
}
static void settle_oldest(ConsumerObject *c) {
	gr_pos at = c->lag[0];
	c->lag[0] = c->lag[1];
	c->nlag--;
	settle(c, at);
}
/* users can change a view's shape or dtype in place: what comes round again must be ours */
static bool intact(const ConsumerObject *c, const Prebuilt *s) {
	PyArrayObject *v = s->view;
	return PyArray_NDIM(v) == c->shape.nd && PyArray_DESCR(v) == c->shape.descr && PyArray_DATA(v) == (void *)s->lease->data &&
	       PyArray_IS_C_CONTIGUOUS(v) && same_dims(c->shape.nd, PyArray_DIMS(v), c->shape.dims);
}
static int prebuild(ConsumerObject *c, uint64_t i) {
	Prebuilt *s = &c->table[i];
	Py_CLEAR(s->view);
	Py_CLEAR(s->lease);
	s->lease = lease_new(c->ring, c->seat, gr_payload(c->c.r, i), (Py_ssize_t)c->c.r->bytes, false);
	if (s->lease) s->view = view_new(&c->shape, s->lease, 0, 0);
	return s->view ? 0 : -1;
}

/* ---- waiting for data ---- */

/* -1 with an exception when a message was void whose view was dropped: nobody could be told then */
static int voided(ConsumerObject *c) {
	if (!c->seat || !c->seat->voided) return 0;
	PyErr_Format(core_hooks.Voided, "the producer died before the payload of message %llu had arrived: what was read of it is not to be used", (unsigned long long)c->seat->voided - 1);
	c->seat->voided = 0;
	return -1;
}

/* frames that iteration has handed out and nobody holds any more */
void consumer_let_go(ConsumerObject *c) {
	Py_CLEAR(c->copied);
	if (c->scoped && !c->busy && !core_forked && scoped_end(c)) PyErr_WriteUnraisable((PyObject *)c); /* and the message is still held */
	while (c->nlag && c->table && Py_REFCNT(c->table[c->lag[0].idx].view) == 1) settle_oldest(c);
}
/* Returns WAIT_ENDED, or WAIT_RAISED when the ring ended because its memory's owner has gone. */
static wait_outcome consumer_end(const ConsumerObject *c) {
	if (!gpu_ended_early(c->c.r)) return WAIT_ENDED;
	PyErr_SetString(core_hooks.ExporterGone, "the process that owns the ring's device memory has ended: make the ring anew, or have a program own it that lasts (goring gpu-hold)");
	return WAIT_RAISED;
}
static wait_outcome held(void) {
	PyErr_SetString(core_hooks.Held, "the next message has no slot: it is held by a message or an array of this consumer that is still in use");
	return WAIT_RAISED;
}
/* whether the consumer itself holds the slot of its next message. On a GPU ring its cursor moves
 * without the GIL: the shared one is looked at. */
static bool holds_all(const ConsumerObject *c) {
	const gr_consumer *k = &c->c;
	if (k->owner) return atomic_load(&c->seat->held) >= k->r->slots;
	if (c->seat->gpu && k->discipline == GR_BROADCAST) return gr_number(k->r, k->pos) - atomic_load(gr_seat_cursor(k->r, k->seat)) >= k->r->slots;
	return gr_holds_every_slot(k);
}
static wait_outcome data_wait(ConsumerObject *c, int64_t timeout, gr_pos *at) {
	Look look = {c, {0, 0}, c->scoping && timeout != 0, false};
	consumer_let_go(c);
	if (holds_all(c)) return held();
	if (gr_overrun(&c->c)) {
		PyErr_Format(core_hooks.CorruptError, "message %llu was written over although this consumer had not released its slot", (unsigned long long)gr_number(c->c.r, c->c.pos));
		return WAIT_RAISED;
	}
	if (timeout && !c->nagain) gr_slip_pause(&c->w.slip, gr_number(c->c.r, c->c.pos));
	wait_outcome r = wait_until(&c->w, look_data, &look, timeout, &c->busy);
	*at = look.at;
	if (r == WAIT_FOUND && look.blocked) return held();
	return r == WAIT_ENDED ? consumer_end(c) : r;
}
/* whether a message that was taken is none, because its payload never came: then it is released */
static bool is_void(ConsumerObject *c, gr_pos at) {
	if (!gr_cell_void(gr_gpu_ready(c->seat->gpu, at.idx)) || (c->c.discipline == GR_OVERWRITE && !gr_intact(c->c.r, at))) return false;
	c->busy = true;
	if (c->c.discipline != GR_OVERWRITE) seat_release(c->seat, at, 1);
	c->busy = false;
	return true;
}
wait_outcome consumer_data(ConsumerObject *c, int64_t timeout, gr_pos *at, uint64_t *sizes) {
	if (__builtin_expect(!c->seat || c->busy || core_forked, 0) && !usable(c->seat, c->busy, "consumer")) return WAIT_RAISED;
	for (;;) {
		if (!consumer_take(c, at)) {
			wait_outcome r = data_wait(c, timeout, at);
			if (r != WAIT_FOUND) return r;
		}
		*sizes = gr_slot(c->c.r, at->idx)->sizes; /* one load; only this copy is used */
		if (__builtin_expect(gr_sizes_fit(c->c.r, *sizes), 1)) {
			if (__builtin_expect(c->seat->gpu != NULL, 0) && is_void(c, *at)) continue;
			return WAIT_FOUND;
		}
		if (c->c.discipline != GR_OVERWRITE || gr_intact(c->c.r, *at)) break;
		gr_count_lost(&c->c, 1); /* these were not the message's sizes */
	}
	if (!c->seat->gpu || c->c.discipline != GR_OVERWRITE) seat_release(c->seat, *at, 1);
	PyErr_Format(core_hooks.CorruptError, "message %llu claims %llu payload and %llu metadata bytes, slots hold %llu and %llu",
		             (unsigned long long)gr_number(c->c.r, *at), (unsigned long long)gr_sizes_len(*sizes), (unsigned long long)gr_sizes_meta_len(*sizes),
		             (unsigned long long)c->c.r->bytes, (unsigned long long)c->c.r->max_meta);
	return WAIT_RAISED;
}
PyObject *consumer_ended(wait_outcome r) {
	if (r == WAIT_TIMED_OUT) PyErr_SetString(core_hooks.Empty, "no message came in time");
	if (r == WAIT_ENDED) PyErr_SetString(core_hooks.Ended, "the ring is shut down and empty");
	return NULL;
}

/* ---- iteration: NULL without an exception when data() did not return 1 or -1 ---- */
static PyObject *next_prebuilt(ConsumerObject *c, int64_t timeout, wait_outcome *r) {
	gr_pos at;
	uint64_t sizes;
	if (c->nlag == 2) settle_oldest(c);
	if (c->nlag && Py_REFCNT(c->table[c->lag[0].idx].view) == 1) settle_oldest(c);
	if ((*r = consumer_data(c, timeout, &at, &sizes)) != WAIT_FOUND) return NULL;
	Prebuilt *s = &c->table[at.idx];
	if ((!s->view || !intact(c, s)) && prebuild(c, at.idx)) {
		seat_release(c->seat, at, 1);
		return NULL;
	}
	lease_owe(s->lease, at, 1);
	seat_owes(c->seat, 1);
	c->lag[c->nlag++] = at;
	return Py_NewRef(s->view);
}
static PyObject *next_fresh(ConsumerObject *c, int64_t timeout, wait_outcome *r) {
	gr_pos at;
	uint64_t sizes;
	Py_CLEAR(c->copied);
	for (;;) {
		if ((*r = consumer_data(c, timeout, &at, &sizes)) != WAIT_FOUND) return NULL;
		LeaseObject *l = lend(c, at, sizes);
		if (!l) return NULL;
		PyObject *view = payload_view(c, l);
		if (c->c.discipline == GR_OVERWRITE) {
			view = whole_copy(c, view, at, 1);
		} else if (c->copies || c->c.discipline == GR_MULTI) {
			view = own_copy(c, view);
			if (view) c->copied = (LeaseObject *)Py_NewRef(l); /* whoever dies in between has not lost it */
		}
		Py_DECREF(l); /* in place, the view holds it */
		if (view || PyErr_Occurred()) return view;
	}
}
/* on a GPU ring a view in place, always */
static PyObject *next_device(ConsumerObject *c, int64_t timeout, wait_outcome *r) {
	gr_pos at;
	uint64_t sizes;
	*r = WAIT_RAISED;
	if (c->c.discipline == GR_OVERWRITE)
		return PyErr_Format(core_hooks.Unsupported, "iteration over an overwrite ring on a GPU: use read() or latest(), and release() says whether what was read was whole");
	if (c->scoped && !c->busy && scoped_end(c)) return NULL;
	if (voided(c)) return NULL;
	c->scoping = c->c.discipline == GR_MULTI;
	*r = consumer_data(c, timeout, &at, &sizes);
	c->scoping = false;
	if (*r != WAIT_FOUND) return NULL;
	LeaseObject *l = lend(c, at, sizes);
	DeviceObject *view = l ? (DeviceObject *)payload_view(c, l) : NULL;
	Py_XDECREF(l); /* the view holds it */
	if (!view || c->c.discipline != GR_MULTI) return (PyObject *)view;
	view->scoped = true;
	c->scoped = (DeviceObject *)Py_NewRef(view);
	return (PyObject *)view;
}
static PyObject *next_payload(ConsumerObject *c, int64_t timeout, wait_outcome *r) {
	if (c->table && c->seat && !core_forked) return next_prebuilt(c, timeout, r);
	if (c->ring->r.gpu && c->seat && !core_forked) return next_device(c, timeout, r);
	return next_fresh(c, timeout, r);
}
static PyObject *consumer_next(ConsumerObject *c) {
	wait_outcome r;
	PyObject *view = next_payload(c, c->timeout, &r);
	return r == WAIT_TIMED_OUT ? consumer_ended(r) : view;
}
static PyObject *consumer_try_next(ConsumerObject *c, PyObject *unused) {
	(void)unused;
	wait_outcome r;
	PyObject *view = next_payload(c, 0, &r);
	if (r == WAIT_TIMED_OUT) Py_RETURN_NONE;
	return r == WAIT_ENDED ? consumer_ended(r) : view;
}

/* ---- one by one ---- */
static PyObject *consumer_read(ConsumerObject *c, PyObject *const *args, Py_ssize_t n, PyObject *names) {
	int64_t timeout = c->timeout;
	gr_pos at;
	uint64_t sizes;
	Py_ssize_t k = names ? PyTuple_GET_SIZE(names) : 0;
	if (n + k > 1 || (k && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "timeout")))
		return PyErr_Format(PyExc_TypeError, "read takes one argument, timeout");
	if (n + k && parse_timeout(args[0], &timeout)) return NULL;
	consumer_let_go(c);
	if (voided(c)) return NULL;
	wait_outcome r = consumer_data(c, timeout, &at, &sizes);
	return r == WAIT_FOUND ? message_new(c, at, sizes) : consumer_ended(r);
}
static PyObject *consumer_try_read(ConsumerObject *c, PyObject *unused) {
	(void)unused;
	gr_pos at;
	uint64_t sizes;
	consumer_let_go(c);
	if (voided(c)) return NULL;
	wait_outcome r = consumer_data(c, 0, &at, &sizes);
	if (r == WAIT_FOUND) return message_new(c, at, sizes);
	if (r == WAIT_TIMED_OUT) Py_RETURN_NONE;
	return consumer_ended(r);
}

/* ---- the newest ---- */
static void skip_to_newest(ConsumerObject *c) {
	uint64_t n = c->seat->gpu && c->c.discipline == GR_BROADCAST ? gr_skippable(&c->c) : 0;
	if (!n) {
		gr_skip_to_newest(&c->c);
		return;
	}
	gr_pos from = c->c.pos;
	c->c.pos = gr_plus(c->c.r, from, n);
	c->busy = true;
	seat_release(c->seat, from, n);
	c->busy = false;
}
static PyObject *consumer_latest(ConsumerObject *c, PyObject *args, PyObject *kwargs) {
	static char *names[] = {"timeout", NULL};
	PyObject *t = NULL;
	int64_t timeout = c->timeout;
	gr_pos at;
	uint64_t sizes;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O", names, &t) || (t && parse_timeout(t, &timeout))) return NULL;
	if (c->c.r->mode == GR_MODE_QUEUE) return PyErr_Format(core_hooks.Error, "latest() is for broadcast and overwrite rings; a queue skips nothing");
	if (!usable(c->seat, c->busy, "consumer")) return NULL;
	consumer_let_go(c);
	if (voided(c)) return NULL;
	if (!c->nagain) skip_to_newest(c);
	wait_outcome r = consumer_data(c, timeout, &at, &sizes);
	return r == WAIT_FOUND ? message_new(c, at, sizes) : consumer_ended(r);
}

/* ---- waiting without taking, for event loops ---- */
static bool look_ready(void *arg, bool final) {
	ConsumerObject *c = arg;
	gr_consumer *k = &c->c;
	(void)final;
	if (c->nagain) return true;
	if (k->discipline != GR_MULTI) {
		uint64_t w = gr_load(gr_slot(k->r, k->pos.idx));
		return w == gr_ready_word(k->pos.lap) || (k->discipline == GR_SINGLE ? gr_is_aborted(w) : gr_word_lap(w) > k->pos.lap);
	}
	for (uint64_t i = 0; i < k->r->slots; i++)
		if (gr_word_state(gr_load(gr_slot(k->r, i))) == GR_READY) return true;
	return false;
}
static PyObject *consumer_wait(ConsumerObject *c, PyObject *args, PyObject *kwargs) {
	static char *names[] = {"timeout", NULL};
	PyObject *t = NULL;
	int64_t timeout;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O", names, &t) || parse_timeout(t, &timeout)) return NULL;
	if (!usable(c->seat, c->busy, "consumer")) return NULL;
	consumer_let_go(c);
	wait_outcome r = wait_until(&c->w, look_ready, c, timeout, &c->busy);
	if (r == WAIT_RAISED) return NULL;
	return PyBool_FromLong(r != WAIT_TIMED_OUT); /* The end of a ring is something to read, too. */
}

/* ---- life ---- */
static PyObject *consumer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
	static char *names[] = {"ring", "seat", "fd", "dtype", "shape", "strategy", "timeout", "await_successor", "copy", "gpu", "stream", NULL};
	RingObject *ring;
	unsigned seat;
	int fd, strategy = GR_STRATEGY_ADAPTIVE, await = 0, copies = 0;
	unsigned long long gpu = 0, stream = 0;
	PyObject *dtype = Py_None, *shape = Py_None, *t = NULL;
	int64_t timeout;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!Ii|OOiOppKK", names, &RingType, &ring, &seat, &fd, &dtype, &shape, &strategy, &t, &await, &copies, &gpu, &stream) ||
	    parse_timeout(t, &timeout))
		return NULL;
	if (seat <= ring->r.max_producers || seat > (unsigned)ring->r.max_producers + ring->r.max_consumers)
		return PyErr_Format(PyExc_ValueError, "seat %u is no consumer's: they are %d to %d", seat, ring->r.max_producers + 1, ring->r.max_producers + ring->r.max_consumers);
	ConsumerObject *c = (ConsumerObject *)type->tp_alloc(type, 0);
	if (!c) return NULL;
	gr_discipline d = gr_discipline_of(&ring->r, ring->r.max_consumers);
	bool bad = shape_set(&c->shape, &ring->r, dtype, shape);
	c->copies = copies;
	if (!bad && ring->r.fixed && !copies && !gpu && (d == GR_SINGLE || d == GR_BROADCAST) && !(c->table = PyMem_Calloc(ring->r.slots, sizeof *c->table))) bad = (PyErr_NoMemory(), true);
	if (bad || !(c->seat = seat_new(ring, seat, fd, (gr_gpu *)(uintptr_t)gpu, (gr_stream)(uintptr_t)stream))) {
		Py_DECREF(c);
		return NULL;
	}
	c->ring = (RingObject *)Py_NewRef(ring);
	c->timeout = timeout;
	gr_consumer_start(&c->c, &ring->r, seat, &c->seat->cursor);
	Py_BEGIN_ALLOW_THREADS /* reaping the dead of a GPU ring takes its time */
	gr_waiter_start(&c->w, &ring->r, seat, fd, strategy, await);
	Py_END_ALLOW_THREADS
	return (PyObject *)c;
}
static void shut(ConsumerObject *c) {
	Py_CLEAR(c->copied);
	Py_CLEAR(c->scoped);
	while (c->nlag) settle_oldest(c);
	for (uint64_t i = 0; c->table && c->ring && i < c->ring->r.slots; i++) {
		Py_CLEAR(c->table[i].view);
		Py_CLEAR(c->table[i].lease);
	}
	PyMem_Free(c->table);
	PyMem_Free(c->again);
	c->table = NULL;
	c->again = NULL;
	c->nagain = 0;
	Py_CLEAR(c->seat); /* left now, or when the last lease goes */
}
static PyObject *consumer_close(ConsumerObject *c, PyObject *unused) {
	(void)unused;
	if (c->busy) return PyErr_Format(core_hooks.Error, "the consumer is waiting in another thread");
	shut(c);
	Py_RETURN_NONE;
}
static void consumer_dealloc(ConsumerObject *c) {
	shut(c);
	shape_clear(&c->shape);
	Py_CLEAR(c->ring);
	Py_TYPE(c)->tp_free(c);
}
static PyObject *consumer_closed(ConsumerObject *c, void *unused) {
	(void)unused;
	return PyBool_FromLong(!c->seat);
}
static PyObject *consumer_number(ConsumerObject *c, void *unused) {
	(void)unused;
	return c->seat ? PyLong_FromUnsignedLong(c->seat->number) : Py_NewRef(Py_None);
}
static PyObject *consumer_lost(ConsumerObject *c, void *unused) {
	(void)unused;
	return PyLong_FromUnsignedLongLong(c->c.lost);
}
static PyMethodDef consumer_methods[] = {
	{"read", (PyCFunction)(void (*)(void))consumer_read, METH_FASTCALL | METH_KEYWORDS,
	 "read($self, timeout=None)\n--\n\nWait for the next message and take it."},
	{"try_read", (PyCFunction)consumer_try_read, METH_NOARGS, "try_read($self)\n--\n\nThe next message, or None when there is none."},
	{"try_next", (PyCFunction)consumer_try_next, METH_NOARGS, "try_next($self)\n--\n\nWhat iteration would give next, or None when there is nothing."},
	{"read_batch", (PyCFunction)(void (*)(void))consumer_read_batch, METH_VARARGS | METH_KEYWORDS,
	 "read_batch($self, max, timeout=None, headers=False)\n--\n\nWait for a message and take it and those right behind it: an array of rows,\n"
	 "on bytes and tensor rings a list of views; with headers=True a tuple of that and their headers."},
	{"latest", (PyCFunction)(void (*)(void))consumer_latest, METH_VARARGS | METH_KEYWORDS,
	 "latest($self, timeout=None)\n--\n\nSkip to the newest message, waiting for one that was not read before."},
	{"wait", (PyCFunction)(void (*)(void))consumer_wait, METH_VARARGS | METH_KEYWORDS,
	 "wait($self, timeout=None)\n--\n\nWait until there is something to read or the ring has ended, without taking it."},
	{"close", (PyCFunction)consumer_close, METH_NOARGS,
	 "close($self)\n--\n\nGive the seat back, at the latest when the last view is dropped."},
	{0},
};
static PyGetSetDef consumer_fields[] = {
	{"closed", (getter)consumer_closed, NULL, "Whether close() was called.", NULL},
	{"seat", (getter)consumer_number, NULL, "The seat's number, None when closed.", NULL},
	{"lost", (getter)consumer_lost, NULL, "Messages of an overwrite ring that this consumer was too slow for.", NULL},
	{0},
};
PyTypeObject ConsumerType = {
	PyVarObject_HEAD_INIT(0, 0).tp_name = "goring._core.Consumer", .tp_basicsize = sizeof(ConsumerObject),
	.tp_doc = "Consumer(ring, seat, fd, dtype, shape, strategy, timeout): takes messages. It owns fd, which holds the seat's lock.",
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, .tp_new = consumer_new, .tp_dealloc = (destructor)consumer_dealloc,
	.tp_iter = PyObject_SelfIter, .tp_iternext = (iternextfunc)consumer_next,
	.tp_methods = consumer_methods, .tp_getset = consumer_fields,
};
