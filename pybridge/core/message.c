/* message.c: one message on loan. */
#include "core.h"
#include "docs.inc"

/* MessageObject is one message on loan. */
typedef struct {
	PyObject_HEAD
	ConsumerObject *c;
	LeaseObject *lease; /* NULL once released or requeued. */
	PyObject *view;     /* Made at the first use. */
	uint64_t sizes, tag;
	int64_t timestamp;
	gr_pos at;
} MessageObject;

/* Returns the taken message at at. */
PyObject *message_new(ConsumerObject *c, gr_pos at, uint64_t sizes) {
	gr_header *h = gr_slot(c->c.r, at.idx);
	LeaseObject *l = lend(c, at, sizes);
	MessageObject *m = l ? PyObject_New(MessageObject, &MessageType) : NULL;
	if (!m) {
		Py_XDECREF(l);
		return NULL;
	}
	m->c = (ConsumerObject *)Py_NewRef(c);
	m->lease = l;
	m->view = NULL;
	m->sizes = sizes;
	m->tag = h->tag;
	m->timestamp = h->timestamp;
	m->at = at;
	return (PyObject *)m;
}

/* Raises Lapped. */
static PyObject *lapped(MessageObject *m) {
	return PyErr_Format(core_hooks.Lapped,
		"message %llu was overwritten while it was read: the bytes that were read are not to be used",
		(unsigned long long)gr_number(m->c->c.r, m->at));
}

/* Reports whether the message is on loan. It raises Closed if not. */
static bool on_loan(MessageObject *m) {
	if (m->lease) return true;
	PyErr_SetString(core_hooks.Closed, "the message was released or requeued already");
	return false;
}

/* Implements Message.array and Message.data. */
static PyObject *message_view(MessageObject *m, void *unused) {
	(void)unused;
	if (!on_loan(m)) return NULL;
	if (!m->view) {
		m->view = payload_view(m->c, m->lease);
		if (m->c->copies) m->view = own_copy(m->c, m->view);
	}
	return Py_XNewRef(m->view);
}

/* Reports whether the bytes that were read so far are those that were written. Only overwrite rings
 * change them. */
static bool whole(MessageObject *m) {
	return m->c->c.discipline != GR_OVERWRITE || gr_intact(m->c->c.r, m->at);
}

/* Releases the slot now, unless other views hold it: then after the named stream, too, when they
 * drop it. An overwrite ring has no slot to hold, only work to wait for. When the driver refuses,
 * the message is still on loan. */
static int message_hand_on(MessageObject *m, gr_stream named) {
	LeaseObject *l = m->lease;
	if (m->view && Py_REFCNT(m->view) == 1) Py_CLEAR(m->view);
	if (named && lease_add_stream(l, named)) return -1;
	if (m->c->c.discipline != GR_OVERWRITE && (m->view || Py_REFCNT(l) > 1)) return 0;
	m->lease = NULL; /* Other threads may run meanwhile. */
	int bad = lease_hand_on(l, named);
	if (l->owes)
		m->lease = l;
	else
		Py_DECREF(l);
	return bad;
}

/* Releases a message of a GPU ring. */
static PyObject *release_device(MessageObject *m, gr_stream named) {
	bool overwrite = m->c->c.discipline == GR_OVERWRITE, voided = lease_void(m->lease);
	if (message_hand_on(m, named)) return NULL;
	voided = voided && whole(m);
	Py_CLEAR(m->view);
	Py_CLEAR(m->lease);
	if (overwrite && !whole(m)) return lapped(m);
	if (voided) return gpu_failed(NULL, 0, GR_GPU_VOIDED, ""), NULL;
	Py_RETURN_NONE;
}

/* Releases a message. The slot is free once no view holds it: now, as a rule. */
static PyObject *release_host(MessageObject *m) {
	bool torn = !whole(m);
	Py_CLEAR(m->view);
	Py_CLEAR(m->lease);
	if (torn) return lapped(m);
	Py_RETURN_NONE;
}

/* Parses the argument stream. */
static int stream_argument(
	MessageObject *m, PyObject *const *args, Py_ssize_t n, PyObject *names, gr_stream *s) {
	*s = NULL;
	if (!n && !names) return 0;
	Py_ssize_t k = names ? PyTuple_GET_SIZE(names) : 0;
	if (n + k > 1 ||
		(k && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "stream"))) {
		PyErr_SetString(PyExc_TypeError, "takes one argument, stream");
		return -1;
	}
	return parse_stream_of(m->lease->gpu, n + k ? args[0] : NULL, s);
}

/* Implements Message.release. */
static PyObject *message_release(
	MessageObject *m, PyObject *const *args, Py_ssize_t n, PyObject *names) {
	gr_stream named;
	if (!on_loan(m) || stream_argument(m, args, n, names, &named)) return NULL;
	return m->lease->gpu && !core_forked ? release_device(m, named) : release_host(m);
}

/* Implements Message.requeue. */
static PyObject *message_requeue(
	MessageObject *m, PyObject *const *args, Py_ssize_t n, PyObject *names) {
	gr_stream named;
	if (!on_loan(m) || stream_argument(m, args, n, names, &named) ||
		!usable(m->c->seat, m->c->busy, "consumer"))
		return NULL;
	if (m->view && Py_REFCNT(m->view) == 1) Py_CLEAR(m->view);
	if (m->view || Py_REFCNT(m->lease) > 1)
		return PyErr_Format(core_hooks.Held,
			"arrays of message %llu are still in use: drop them before requeue()",
			(unsigned long long)gr_number(m->c->c.r, m->at));
	if (m->lease->gpu && lease_claim_back(m->lease, named)) return NULL;
	if (consumer_requeue(m->c, m->at)) return NULL;
	m->lease->owes = 0;
	seat_owes(m->c->seat, -1ull);
	Py_CLEAR(m->lease);
	Py_RETURN_NONE;
}

/* Enters the with block. */
static PyObject *message_enter(MessageObject *m, PyObject *unused) {
	(void)unused;
	return on_loan(m) ? Py_NewRef(m) : NULL;
}

/* Releases the message at the end of the with block, unless the block has. */
static PyObject *message_exit(MessageObject *m, PyObject *args) {
	if (m->lease && PyTuple_GET_SIZE(args) && PyTuple_GET_ITEM(args, 0) == Py_None)
		return message_release(m, NULL, 0, NULL);
	Py_CLEAR(m->view);
	Py_CLEAR(m->lease);
	Py_RETURN_NONE;
}

/* Drops the loan. */
static void message_dealloc(MessageObject *m) {
	Py_CLEAR(m->view);
	Py_CLEAR(m->lease);
	Py_DECREF(m->c);
	PyObject_Free(m);
}

/* Implements Message.raw_meta. */
static PyObject *message_raw_meta(MessageObject *m, void *unused) {
	(void)unused;
	uint64_t n = gr_sizes_meta_len(m->sizes);
	if (!on_loan(m)) return NULL;
	if (!n) Py_RETURN_NONE;
	return PyBytes_FromStringAndSize((char *)gr_meta(m->c->c.r, m->at.idx), (Py_ssize_t)n);
}

/* Implements Message.meta. */
static PyObject *message_meta(MessageObject *m, void *unused) {
	PyObject *b = message_raw_meta(m, unused);
	if (!b || b == Py_None) return b;
	PyObject *v = PyObject_CallOneArg(core_hooks.decode_meta, b);
	Py_DECREF(b);
	return v;
}

/* Implements Message.seq. */
static PyObject *message_seq(MessageObject *m, void *unused) {
	(void)unused;
	return PyLong_FromUnsignedLongLong(gr_number(m->c->c.r, m->at));
}

/* Implements Message.tag. */
static PyObject *message_tag(MessageObject *m, void *unused) {
	(void)unused;
	return PyLong_FromUnsignedLongLong(m->tag);
}

/* Implements Message.timestamp_ns. */
static PyObject *message_timestamp(MessageObject *m, void *unused) {
	(void)unused;
	return PyLong_FromLongLong(m->timestamp);
}

/* Implements Message.valid. */
static PyObject *message_valid(MessageObject *m, void *unused) {
	(void)unused;
	return PyBool_FromLong(whole(m) && !(m->lease && m->lease->gpu && lease_void(m->lease)));
}

/* Implements Message.redelivered. */
static PyObject *message_redelivered(MessageObject *m, void *unused) {
	(void)unused;
	return PyLong_FromUnsignedLong(gr_sizes_redelivered(m->sizes));
}

static PyMethodDef message_methods[] = {
	{"release", (PyCFunction)(void (*)(void))message_release, METH_FASTCALL | METH_KEYWORDS,
		"release($self, stream=None)\n--\n\n" DOC_MESSAGE_RELEASE},
	{"requeue", (PyCFunction)(void (*)(void))message_requeue, METH_FASTCALL | METH_KEYWORDS,
		"requeue($self, stream=None)\n--\n\n" DOC_MESSAGE_REQUEUE},
	{"__enter__", (PyCFunction)message_enter, METH_NOARGS, NULL},
	{"__exit__", (PyCFunction)message_exit, METH_VARARGS,
		"Release, unless done; Lapped does not hide an exception of the block."},
	{0},
};

static PyGetSetDef message_fields[] = {
	{"array", (getter)message_view, NULL,
		"The payload in place: a read-only ndarray; a memoryview on bytes rings.", NULL},
	{"data", (getter)message_view, NULL, "The same as array.", NULL},
	{"meta", (getter)message_meta, NULL, "The metadata, decoded; None when there is none.", NULL},
	{"raw_meta", (getter)message_raw_meta, NULL, "The metadata's msgpack, None when there is none.",
		NULL},
	{"valid", (getter)message_valid, NULL,
		"Whether the bytes read so far are those that were written; False only on overwrite and GPU rings.",
		NULL},
	{"seq", (getter)message_seq, NULL, "The message's number in the ring, from 0.", NULL},
	{"tag", (getter)message_tag, NULL, "The correlation id that the producer set, or 0.", NULL},
	{"timestamp_ns", (getter)message_timestamp, NULL,
		"CLOCK_REALTIME at commit in ns; 0 on rings without timestamps.", NULL},
	{"redelivered", (getter)message_redelivered, NULL,
		"How often the message was requeued before, at most 255.", NULL},
	{0},
};

PyTypeObject MessageType = {
	PyVarObject_HEAD_INIT(0, 0).tp_name = "goring._core.Message",
	.tp_basicsize = sizeof(MessageObject),
	.tp_doc = "One message on loan; leaving the with block releases it.",
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_dealloc = (destructor)message_dealloc,
	.tp_methods = message_methods,
	.tp_getset = message_fields,
};
