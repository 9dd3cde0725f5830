/* ring.c: the mapping of a segment. */
#include "core.h"

#include <stddef.h>
#include <structmember.h>

/* Raises the exception of a refusal of gr_inspect_fd or gr_map. */
static PyObject *refuse(int fault) {
	static const struct {
		int fault;
		const char *text;
	} texts[] = {
		{GR_ERR_TRUNCATED, "the segment is truncated"},
		{GR_ERR_BYTE_ORDER, "the segment has the other byte order"},
		{GR_ERR_FOREIGN, "not a goring segment"},
		{GR_ERR_VERSION, "the segment has another layout version"},
		{GR_ERR_CHECKSUM, "the superblock's checksum is wrong"},
		{GR_ERR_FEATURE, "the segment needs a feature this version lacks"},
		{GR_ERR_GEOMETRY, "the segment's geometry is impossible"},
		{GR_ERR_SIZE_DIFFERS, "the file's size is not the segment's"},
		{GR_ERR_RO_FEATURE, "the segment needs a feature to be written that this version lacks"},
		{GR_ERR_INFO, "the info block is damaged"},
		{GR_ERR_FILE_TYPE, "not a regular file"},
	};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (texts[i].fault == fault)
			return PyErr_Format(core_hooks.CorruptError, "%s", texts[i].text);
	return PyErr_SetFromErrno(PyExc_OSError);
}

/* Maps the segment of a descriptor after checking it. */
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

/* Ends the mapping. */
static void ring_dealloc(RingObject *o) {
	gr_unmap(&o->r);
	Py_TYPE(o)->tp_free(o);
}

/* Returns a copy of the info block. */
static PyObject *ring_info_block(RingObject *o, PyObject *unused) {
	(void)unused;
	return PyBytes_FromStringAndSize((char *)o->r.control + o->r.info_off, o->r.info_len);
}

/* Returns the slot words as a list. */
static PyObject *ring_words(RingObject *o, PyObject *unused) {
	(void)unused;
	PyObject *l = PyList_New((Py_ssize_t)o->r.slots);
	for (uint64_t i = 0; l && i < o->r.slots; i++) {
		PyObject *w = PyLong_FromUnsignedLongLong(gr_load(gr_slot(&o->r, i)));
		if (w)
			PyList_SET_ITEM(l, (Py_ssize_t)i, w);
		else
			Py_CLEAR(l);
	}
	return l;
}

/* Returns how many slots are free. SYNC head load */
static PyObject *ring_free(RingObject *o, PyObject *unused) {
	(void)unused;
	const gr_ring *r = &o->r;
	uint64_t n = 0;
	if (r->mode == GR_MODE_QUEUE) {
		for (uint64_t i = 0; i < r->slots; i++)
			n += gr_word_state(gr_load(gr_slot(r, i))) == GR_FREE;
	} else if (r->mode == GR_MODE_BROADCAST) {
		uint64_t head = atomic_load(gr_word64(r, GR_OFF_HEAD)),
				 used = head - gr_slowest_cursor(r, head);
		n = used < r->slots ? r->slots - used : 0;
	} else {
		n = r->slots;
	}
	return PyLong_FromUnsignedLongLong(n);
}

/* Reports whether the ring takes no more messages. */
static PyObject *ring_is_shutdown(RingObject *o, PyObject *unused) {
	(void)unused;
	return PyBool_FromLong(gr_is_shutdown(&o->r));
}

/* Ends the ring for producers. */
static PyObject *ring_shutdown(RingObject *o, PyObject *unused) {
	(void)unused;
	gr_shutdown(&o->r);
	Py_RETURN_NONE;
}

static PyMethodDef ring_methods[] = {
	{"info_block", (PyCFunction)ring_info_block, METH_NOARGS,
		"A copy of the info block: one msgpack map."},
	{"words", (PyCFunction)ring_words, METH_NOARGS, "The slot words, one look at each."},
	{"free", (PyCFunction)ring_free, METH_NOARGS, "How many slots are free."},
	{"is_shutdown", (PyCFunction)ring_is_shutdown, METH_NOARGS,
		"Whether the ring takes no more messages."},
	{"shutdown", (PyCFunction)ring_shutdown, METH_NOARGS,
		"Take no more messages; consumers drain and end."},
	{0},
};

#define FIELD(name, type, field, doc)                                                              \
	{name, type, offsetof(RingObject, r) + offsetof(gr_ring, field), READONLY, doc}
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
	PyVarObject_HEAD_INIT(0, 0).tp_name = "goring._core.Ring",
	.tp_basicsize = sizeof(RingObject),
	.tp_doc =
		"Ring(fd): the mapping and private geometry of a segment. The descriptor stays the caller's.",
	.tp_flags = Py_TPFLAGS_DEFAULT,
	.tp_new = ring_new,
	.tp_dealloc = (destructor)ring_dealloc,
	.tp_methods = ring_methods,
	.tp_members = ring_members,
};
