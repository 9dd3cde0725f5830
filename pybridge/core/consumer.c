/* consumer.c: the Python type of consumers. */
#include "core.h"
#include "docs.inc"

/* Implements Consumer.read. */
static PyObject *consumer_read(
	ConsumerObject *c, PyObject *const *args, Py_ssize_t n, PyObject *names) {
	int64_t timeout = c->timeout;
	gr_pos at;
	uint64_t sizes;
	Py_ssize_t k = names ? PyTuple_GET_SIZE(names) : 0;
	if (n + k > 1 || (k && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "timeout")))
		return PyErr_Format(PyExc_TypeError, "read takes one argument, timeout");
	if (n + k && parse_timeout(args[0], &timeout)) return NULL;
	consumer_release_unused(c);
	if (consumer_voided(c)) return NULL;
	wait_outcome r = consumer_data(c, timeout, &at, &sizes);
	return r == WAIT_FOUND ? message_new(c, at, sizes) : consumer_ended(r);
}

/* Implements Consumer.try_read. */
static PyObject *consumer_try_read(ConsumerObject *c, PyObject *unused) {
	(void)unused;
	gr_pos at;
	uint64_t sizes;
	consumer_release_unused(c);
	if (consumer_voided(c)) return NULL;
	wait_outcome r = consumer_data(c, 0, &at, &sizes);
	if (r == WAIT_FOUND) return message_new(c, at, sizes);
	if (r == WAIT_TIMED_OUT) Py_RETURN_NONE;
	return consumer_ended(r);
}

/* Moves to the newest message. The skipped ones are released. */
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

/* Implements Consumer.latest. */
static PyObject *consumer_latest(ConsumerObject *c, PyObject *args, PyObject *kwargs) {
	static char *names[] = {"timeout", NULL};
	PyObject *t = NULL;
	int64_t timeout = c->timeout;
	gr_pos at;
	uint64_t sizes;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O", names, &t) ||
		(t && parse_timeout(t, &timeout)))
		return NULL;
	if (c->c.r->mode == GR_MODE_QUEUE)
		return PyErr_Format(core_hooks.Error,
			"latest() is for broadcast and overwrite rings; a queue skips nothing");
	if (!usable(c->seat, c->busy, "consumer")) return NULL;
	consumer_release_unused(c);
	if (consumer_voided(c)) return NULL;
	if (!c->nagain) skip_to_newest(c);
	wait_outcome r = consumer_data(c, timeout, &at, &sizes);
	return r == WAIT_FOUND ? message_new(c, at, sizes) : consumer_ended(r);
}

/* Looks for a message without taking it; see gr_look. */
static bool look_ready(void *arg, bool final) {
	ConsumerObject *c = arg;
	gr_consumer *k = &c->c;
	(void) final;
	if (c->nagain) return true;
	if (k->discipline != GR_MULTI) {
		uint64_t w = gr_load(gr_slot(k->r, k->pos.idx));
		return w == gr_ready_word(k->pos.lap) ||
			(k->discipline == GR_SINGLE ? gr_is_aborted(w) : gr_word_lap(w) > k->pos.lap);
	}
	for (uint64_t i = 0; i < k->r->slots; i++)
		if (gr_word_state(gr_load(gr_slot(k->r, i))) == GR_READY) return true;
	return false;
}

/* Implements Consumer.wait. The end of a ring is something to read, too. */
static PyObject *consumer_wait(ConsumerObject *c, PyObject *args, PyObject *kwargs) {
	static char *names[] = {"timeout", NULL};
	PyObject *t = NULL;
	int64_t timeout;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O", names, &t) || parse_timeout(t, &timeout))
		return NULL;
	if (!usable(c->seat, c->busy, "consumer")) return NULL;
	consumer_release_unused(c);
	wait_outcome r = wait_until(&c->w, look_ready, c, timeout, &c->busy);
	if (r == WAIT_RAISED) return NULL;
	return PyBool_FromLong(r != WAIT_TIMED_OUT);
}

/* Makes the consumer of a seat that was joined. */
static PyObject *consumer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
	static char *names[] = {"ring", "seat", "fd", "dtype", "shape", "strategy", "timeout",
		"await_successor", "copy", "gpu", "stream", NULL};
	RingObject *ring;
	unsigned seat;
	int fd, strategy = GR_STRATEGY_ADAPTIVE, await = 0, copies = 0;
	unsigned long long gpu = 0, stream = 0;
	PyObject *dtype = Py_None, *shape = Py_None, *t = NULL;
	int64_t timeout;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!Ii|OOiOppKK", names, &RingType, &ring, &seat,
			&fd, &dtype, &shape, &strategy, &t, &await, &copies, &gpu, &stream) ||
		parse_timeout(t, &timeout))
		return NULL;
	if (seat <= ring->r.max_producers ||
		seat > (unsigned)ring->r.max_producers + ring->r.max_consumers)
		return PyErr_Format(PyExc_ValueError, "seat %u is no consumer's: they are %d to %d", seat,
			ring->r.max_producers + 1, ring->r.max_producers + ring->r.max_consumers);
	ConsumerObject *c = (ConsumerObject *)type->tp_alloc(type, 0);
	if (!c) return NULL;
	gr_discipline d = gr_discipline_of(&ring->r, ring->r.max_consumers);
	bool bad = shape_set(&c->shape, &ring->r, dtype, shape);
	c->copies = copies;
	if (!bad && ring->r.fixed && !copies && !gpu && (d == GR_SINGLE || d == GR_BROADCAST) &&
		!(c->table = PyMem_Calloc(ring->r.slots, sizeof *c->table))) {
		PyErr_NoMemory();
		bad = true;
	}
	if (bad ||
		!(c->seat = seat_new(
			  ring, seat, fd, (gr_gpu *)(uintptr_t)gpu, (gr_stream)(uintptr_t)stream))) {
		Py_DECREF(c);
		return NULL;
	}
	c->ring = (RingObject *)Py_NewRef(ring);
	c->timeout = timeout;
	gr_consumer_start(&c->c, &ring->r, seat, &c->seat->cursor);
	Py_BEGIN_ALLOW_THREADS /* Reaping the dead of a GPU ring takes its time. */
	gr_waiter_start(&c->w, &ring->r, seat, fd, strategy, await);
	Py_END_ALLOW_THREADS
	return (PyObject *)c;
}

/* Drops every message and leaves the seat, now or when the last lease goes. */
static void close_consumer(ConsumerObject *c) {
	Py_CLEAR(c->copied);
	Py_CLEAR(c->scoped);
	while (c->nlag) prebuilt_release_oldest(c);
	for (uint64_t i = 0; c->table && c->ring && i < c->ring->r.slots; i++) {
		Py_CLEAR(c->table[i].view);
		Py_CLEAR(c->table[i].lease);
	}
	PyMem_Free(c->table);
	PyMem_Free(c->again);
	c->table = NULL;
	c->again = NULL;
	c->nagain = 0;
	Py_CLEAR(c->seat);
}

/* Implements Consumer.close. */
static PyObject *consumer_close(ConsumerObject *c, PyObject *unused) {
	(void)unused;
	if (c->busy) return PyErr_Format(core_hooks.Error, "the consumer is waiting in another thread");
	close_consumer(c);
	Py_RETURN_NONE;
}

/* Closes the consumer. */
static void consumer_dealloc(ConsumerObject *c) {
	close_consumer(c);
	shape_clear(&c->shape);
	Py_CLEAR(c->ring);
	Py_TYPE(c)->tp_free(c);
}

/* Implements Consumer.closed. */
static PyObject *consumer_closed(ConsumerObject *c, void *unused) {
	(void)unused;
	return PyBool_FromLong(!c->seat);
}

/* Implements Consumer.seat. */
static PyObject *consumer_number(ConsumerObject *c, void *unused) {
	(void)unused;
	return c->seat ? PyLong_FromUnsignedLong(c->seat->number) : Py_NewRef(Py_None);
}

/* Implements Consumer.lost. */
static PyObject *consumer_lost(ConsumerObject *c, void *unused) {
	(void)unused;
	return PyLong_FromUnsignedLongLong(c->c.lost);
}

static PyMethodDef consumer_methods[] = {
	{"read", (PyCFunction)(void (*)(void))consumer_read, METH_FASTCALL | METH_KEYWORDS,
		"read($self, timeout=None)\n--\n\n" DOC_CONSUMER_READ},
	{"try_read", (PyCFunction)consumer_try_read, METH_NOARGS,
		"try_read($self)\n--\n\n" DOC_CONSUMER_TRY_READ},
	{"try_next", (PyCFunction)consumer_try_next, METH_NOARGS,
		"try_next($self)\n--\n\n" DOC_CONSUMER_TRY_NEXT},
	{"read_batch", (PyCFunction)(void (*)(void))consumer_read_batch, METH_VARARGS | METH_KEYWORDS,
		"read_batch($self, max, timeout=None, headers=False)\n--\n\n" DOC_CONSUMER_READ_BATCH},
	{"latest", (PyCFunction)(void (*)(void))consumer_latest, METH_VARARGS | METH_KEYWORDS,
		"latest($self, timeout=None)\n--\n\n" DOC_CONSUMER_LATEST},
	{"wait", (PyCFunction)(void (*)(void))consumer_wait, METH_VARARGS | METH_KEYWORDS,
		"wait($self, timeout=None)\n--\n\n" DOC_CONSUMER_WAIT},
	{"close", (PyCFunction)consumer_close, METH_NOARGS, "close($self)\n--\n\n" DOC_CONSUMER_CLOSE},
	{0},
};

static PyGetSetDef consumer_fields[] = {
	{"closed", (getter)consumer_closed, NULL, "Whether close() was called.", NULL},
	{"seat", (getter)consumer_number, NULL, "The seat's number, None when closed.", NULL},
	{"lost", (getter)consumer_lost, NULL,
		"Messages of an overwrite ring that this consumer was too slow for.", NULL},
	{0},
};

PyTypeObject ConsumerType = {
	PyVarObject_HEAD_INIT(0, 0).tp_name = "goring._core.Consumer",
	.tp_basicsize = sizeof(ConsumerObject),
	.tp_doc =
		"Consumer(ring, seat, fd, dtype, shape, strategy, timeout): takes messages. It owns fd, which holds the seat's lock.",
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
	.tp_new = consumer_new,
	.tp_dealloc = (destructor)consumer_dealloc,
	.tp_iter = PyObject_SelfIter,
	.tp_iternext = (iternextfunc)consumer_next,
	.tp_methods = consumer_methods,
	.tp_getset = consumer_fields,
};
