/* ring.c: the mapping, and the seats of this process. */
#include "core.h"

#include <stddef.h>
#include <structmember.h>

static PyObject *refuse(int fault) {
	static const struct { int fault; const char *text; } texts[] = {
		{GR_ERR_TRUNCATED, "the segment is truncated"}, {GR_ERR_BYTE_ORDER, "the segment has the other byte order"},
		{GR_ERR_FOREIGN, "not a goring segment"}, {GR_ERR_VERSION, "the segment has another layout version"},
		{GR_ERR_CHECKSUM, "the superblock's checksum is wrong"}, {GR_ERR_FEATURE, "the segment needs a feature this version lacks"},
		{GR_ERR_GEOMETRY, "the segment's geometry is impossible"}, {GR_ERR_SIZE_DIFFERS, "the file's size is not the segment's"},
		{GR_ERR_RO_FEATURE, "the segment needs a feature to be written that this version lacks"},
		{GR_ERR_INFO, "the info block is damaged"}, {GR_ERR_FILE_TYPE, "not a regular file"},
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (texts[i].fault == fault) return PyErr_Format(core_hooks.CorruptError, "%s", texts[i].text);
	return PyErr_SetFromErrno(PyExc_OSError);
}

static PyObject *ring_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
	static char *names[] = {"fd", NULL};
	int fd;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "i", names, &fd)) return NULL;
	struct stat s;
	if (fstat(fd, &s)) return PyErr_SetFromErrno(PyExc_OSError);
	RingObject *o = (RingObject *)type->tp_alloc(type, 0);
	if (!o) return NULL;
	int fault = gr_inspect_fd(&o->r, fd, (uint64_t)s.st_size);
	if (!fault) fault = gr_map(&o->r, fd);
	if (fault) {
		Py_DECREF(o);
		return refuse(fault);
	}
	return (PyObject *)o;
}
static void ring_dealloc(RingObject *o) {
	gr_unmap(&o->r);
	Py_TYPE(o)->tp_free(o);
}
static PyObject *ring_info_block(RingObject *o, PyObject *unused) {
	(void)unused;
	return PyBytes_FromStringAndSize((char *)o->r.control + o->r.info_off, o->r.info_len);
}
static PyObject *ring_words(RingObject *o, PyObject *unused) {
	(void)unused;
	PyObject *l = PyList_New((Py_ssize_t)o->r.slots);
	for (uint64_t i = 0; l && i < o->r.slots; i++) {
		PyObject *w = PyLong_FromUnsignedLongLong(gr_load(gr_slot(&o->r, i)));
		if (w) PyList_SET_ITEM(l, (Py_ssize_t)i, w);
		else Py_CLEAR(l);
	}
	return l;
}
static PyObject *ring_free(RingObject *o, PyObject *unused) {
	(void)unused;
	const gr_ring *r = &o->r;
	uint64_t n = 0;
	if (r->mode == GR_MODE_QUEUE) {
		for (uint64_t i = 0; i < r->slots; i++) n += gr_word_state(gr_load(gr_slot(r, i))) == GR_FREE;
	} else if (r->mode == GR_MODE_BROADCAST) {
		uint64_t head = atomic_load(gr_word64(r, GR_OFF_HEAD)), used = head - gr_slowest_cursor(r, head);
		n = used < r->slots ? r->slots - used : 0;
	} else {
		n = r->slots;
	}
	return PyLong_FromUnsignedLongLong(n);
}
static PyObject *ring_is_shutdown(RingObject *o, PyObject *unused) {
	(void)unused;
	return PyBool_FromLong(gr_is_shutdown(&o->r));
}
static PyObject *ring_shutdown(RingObject *o, PyObject *unused) {
	(void)unused;
	gr_shutdown(&o->r);
	Py_RETURN_NONE;
}
static PyMethodDef ring_methods[] = {
	{"info_block", (PyCFunction)ring_info_block, METH_NOARGS, "A copy of the info block: one msgpack map."},
	{"words", (PyCFunction)ring_words, METH_NOARGS, "The slot words, one look at each."},
	{"free", (PyCFunction)ring_free, METH_NOARGS, "How many slots are free."},
	{"is_shutdown", (PyCFunction)ring_is_shutdown, METH_NOARGS, "Whether the ring takes no more messages."},
	{"shutdown", (PyCFunction)ring_shutdown, METH_NOARGS, "Take no more messages; consumers drain and end."},
	{0},
};
#define FIELD(name, type, field, doc) {name, type, offsetof(RingObject, r) + offsetof(gr_ring, field), READONLY, doc}
static PyMemberDef ring_members[] = {
	FIELD("slots", T_ULONGLONG, slots, "Messages that the ring holds."),
	FIELD("slot_bytes", T_ULONGLONG, bytes, "Largest payload, bytes."),
	FIELD("max_meta", T_ULONGLONG, max_meta, "Room for metadata per message, bytes."),
	FIELD("kind", T_UBYTE, kind, "Kind of payload, by its number in the layout."),
	FIELD("mode", T_UBYTE, mode, "Mode, by its number in the layout."),
	FIELD("max_producers", T_USHORT, max_producers, "Producers at once."),
	FIELD("max_consumers", T_USHORT, max_consumers, "Consumers at once."),
	FIELD("timestamps", T_BOOL, timestamps, "Whether commits are timestamped."),
	FIELD("inline", T_BOOL, inlined, "Whether payloads lie beside their headers."),
	FIELD("gpu", T_BOOL, gpu, "Whether payloads are for devices."),
	FIELD("mirrored", T_BOOL, mirror, "Whether a batch may cross the wrap in one piece."),
	{0},
};
PyTypeObject RingType = {
	PyVarObject_HEAD_INIT(0, 0).tp_name = "goring._core.Ring", .tp_basicsize = sizeof(RingObject),
	.tp_doc = "Ring(fd): the mapping and private geometry of a segment. The descriptor stays the caller's.",
	.tp_flags = Py_TPFLAGS_DEFAULT, .tp_new = ring_new, .tp_dealloc = (destructor)ring_dealloc,
	.tp_methods = ring_methods, .tp_members = ring_members,
};

/* ---- seats ---- */
static SeatObject *seats; /* under the GIL */

/* gpu: a reference to the memory of a GPU ring, which is the seat's from here, and the participant's stream */
SeatObject *seat_new(RingObject *ring, unsigned number, int fd, gr_gpu *gpu, gr_stream stream) {
	if (ring->r.gpu != (gpu != NULL)) return (SeatObject *)PyErr_Format(PyExc_ValueError, "a GPU ring needs gpu=, other rings have none");
	SeatObject *s = PyObject_New(SeatObject, &SeatType);
	if (!s) return NULL;
	s->ring = (RingObject *)Py_NewRef(ring);
	s->number = number;
	s->fd = fd;
	atomic_init(&s->held, 0);
	memset(&s->cursor, 0, sizeof s->cursor);
	s->stream = stream;
	s->voided = 0;
	pthread_mutex_init(&s->lock, NULL);
	if (ring->r.mode == GR_MODE_BROADCAST && number > ring->r.max_producers) {
		uint64_t *early = PyMem_Calloc(1, gr_cursor_early_size(&ring->r));
		if (!early) {
			Py_DECREF(ring);
			PyObject_Free(s);
			PyErr_NoMemory();
			return NULL;
		}
		gr_cursor_start(&s->cursor, &ring->r, number, early);
	}
	s->gpu = gpu;
	s->prev = NULL;
	s->next = seats;
	if (seats) seats->prev = s;
	seats = s;
	return s;
}
/* gives n messages from at on back to the producers. A word that has moved on, or a message
 * that was released before, is left alone: views outlive what was done by hand. */
void seat_release(SeatObject *s, gr_pos at, uint64_t n) {
	const gr_ring *r = &s->ring->r;
	if (__builtin_expect(s->gpu != NULL, 0)) {
		Py_BEGIN_ALLOW_THREADS
		seat_hand_on(s, at, n, s->stream); /* what the driver refuses stays held; the next step meets the same error */
		Py_END_ALLOW_THREADS
		return;
	}
	if (r->mode == GR_MODE_QUEUE) {
		gr_release_held(r, at, n, gr_consumer_owner(r, s->number));
		return;
	}
	uint64_t from = gr_number(r, at);
	if (r->mode == GR_MODE_BROADCAST && gr_cursor_holds(&s->cursor, from, n)) gr_cursor_release(&s->cursor, from, n);
}
/* waits for the device work that the seat has promised to others */
static void leave_device(SeatObject *s) {
	Py_BEGIN_ALLOW_THREADS
	gr_gpu_drain(s->gpu, s->number);
	Py_END_ALLOW_THREADS
}
static void seat_dealloc(SeatObject *s) {
	*(s->prev ? &s->prev->next : &seats) = s->next;
	if (s->next) s->next->prev = s->prev;
	if (s->gpu && !core_forked) leave_device(s);
	if (s->fd >= 0 && !core_forked) gr_leave(&s->ring->r, s->number, s->fd);
	if (s->gpu && !core_forked) s->gpu->unreference(s->gpu);
	pthread_mutex_destroy(&s->lock);
	PyMem_Free(s->cursor.early);
	Py_DECREF(s->ring);
	PyObject_Free(s);
}
/* a child's copies of the descriptors would keep its parent's locks alive after the parent's death */
void seats_after_fork(void) {
	for (SeatObject *s = seats; s; s = s->next) {
		if (s->fd >= 0) close(s->fd);
		s->fd = -1;
	}
}
PyTypeObject SeatType = {
	PyVarObject_HEAD_INIT(0, 0).tp_name = "goring._core.Seat", .tp_basicsize = sizeof(SeatObject),
	.tp_doc = "A participant's place in a ring, held by a kernel lock.",
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, .tp_dealloc = (destructor)seat_dealloc,
};
