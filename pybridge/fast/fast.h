/* fast.h: what the files of the CPython module share.
 *
 * ring     owns the mapping; everything below holds a reference to it
 * seat     a participant's number and its locked descriptor; left when its last holder is gone
 * lease    exporter of one or more held messages; its death releases them
 * view     ndarray or memoryview whose base is a lease, so the slot is not reused while
 *          anybody can see it, whatever they keep, wherever they drop it */
#ifndef GORING_FAST_H
#define GORING_FAST_H
#define PY_SSIZE_T_CLEAN
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL goring_numpy
#ifndef FAST_IMPORTS_NUMPY
#define NO_IMPORT_ARRAY
#endif
#include <Python.h>
#include <numpy/arrayobject.h>

#include "goring_attach.h"

enum { BIG_COPY = 65536 }; /* bytes from which a copy lets other Python threads run */

typedef struct { /* set once by configure() */
	PyObject *Error, *Full, *Empty, *TooLarge, *SchemaError, *CorruptError, *ForkError, *Closed, *Held, *Lapped, *PeerDead;
	PyObject *encode_meta, *decode_meta;
	PyArray_Descr *dtypes[18]; /* by tensor code */
} fast_hooks_t;
extern fast_hooks_t fast_hooks;
extern int fast_forked; /* in a forked child nothing may touch the parent's slots */

typedef struct {
	PyObject_HEAD
	gr_ring r;
} RingObject;

typedef struct SeatObject {
	PyObject_HEAD
	RingObject *ring;
	unsigned number;
	int fd;
	_Atomic uint64_t held; /* messages that leases of this seat still owe */
	gr_cursor cursor;      /* broadcast consumers: what was released */
	struct SeatObject *prev, *next; /* all seats of the process, for after_fork */
} SeatObject;

typedef struct {
	PyObject_HEAD
	RingObject *ring;
	SeatObject *seat;
	uint8_t *data;
	Py_ssize_t bytes;
	gr_pos at;
	uint64_t owes; /* messages from at on that its death releases */
	bool writable;
} LeaseObject;

typedef struct { /* what a participant's payloads look like in Python */
	PyArray_Descr *descr; /* NULL for bytes and tensor rings */
	int nd;
	npy_intp dims[GR_MAX_DIMS];
} Shape;

typedef struct {
	PyObject_HEAD
	RingObject *ring;
	SeatObject *seat;
	gr_producer p;
	gr_waiter w;
	Shape shape;
	bool reserved, busy;
} ProducerObject;

typedef struct { LeaseObject *lease; PyArrayObject *view; } Prebuilt;

typedef struct {
	PyObject_HEAD
	RingObject *ring;
	SeatObject *seat;
	gr_consumer c;
	gr_waiter w;
	Shape shape;
	Prebuilt *table;  /* alone and broadcast, fixed kinds: one per slot */
	gr_pos lag[2];    /* iterated, not settled yet */
	int nlag;
	LeaseObject *copied; /* shared, or copies: the message whose copy was iterated, taken until the next is asked for */
	gr_pos *again;    /* not shared: requeued messages, ascending */
	size_t nagain;
	int64_t timeout;
	bool busy;
	bool copies; /* hands out nothing that a peer can still change */
} ConsumerObject;

typedef struct { int code, nd; npy_intp dims[GR_MAX_DIMS]; } Tensor;

typedef struct { /* where the bytes of one message come from */
	PyArrayObject *array; /* owned, or NULL */
	Py_buffer buffer;     /* when has_buffer */
	bool has_buffer, direct; /* direct: data and bytes can be copied as they are */
	const void *data;
	uint64_t bytes;
	int code; /* tensor */
} Source;

extern PyTypeObject RingType, SeatType, LeaseType, ProducerType, SlotType, ConsumerType, MessageType;

/* ring.c */
SeatObject *seat_new(RingObject *ring, unsigned number, int fd);
void seat_release(SeatObject *s, gr_pos at, uint64_t n);
void seats_after_fork(void);
/* lease.c */
LeaseObject *lease_new(RingObject *ring, SeatObject *seat, uint8_t *data, Py_ssize_t bytes, bool writable);
void lease_owe(LeaseObject *l, gr_pos at, uint64_t n);
int shape_set(Shape *s, const gr_ring *r, PyObject *dtype, PyObject *shape);
void shape_clear(Shape *s);
PyArrayObject *view_new(const Shape *s, LeaseObject *l, npy_intp rows, npy_intp stride);
bool tensor_parse(const uint8_t *descriptor, uint64_t len, Tensor *t);
PyArrayObject *tensor_view(LeaseObject *l, const uint8_t *descriptor, uint64_t len);
int tensor_code(PyArray_Descr *d);
int tensor_describe(uint8_t *out, int code, int nd, const npy_intp *dims, uint64_t limit, uint64_t *bytes);
/* wait.c */
int usable(SeatObject *seat, bool busy, const char *what);
int parse_timeout(PyObject *o, int64_t *ns);
int wait_until(gr_waiter *w, gr_look look, void *arg, int64_t timeout, bool *busy);
/* slot.c */
PyObject *slot_new(ProducerObject *p, LeaseObject *l, PyObject *view);
/* source.c */
int source_open(ProducerObject *p, Source *s, PyObject *o, bool cast);
int source_copy(ProducerObject *p, Source *s, uint8_t *to);
int source_mismatch(ProducerObject *p, PyArrayObject *a);
void source_done(Source *s);
int encode_meta(ProducerObject *p, PyObject *meta, uint16_t *len);
/* message.c */
PyObject *message_new(ConsumerObject *c, gr_pos at, uint64_t sizes);
LeaseObject *lend(ConsumerObject *c, gr_pos at, uint64_t sizes);
PyObject *payload_view(ConsumerObject *c, LeaseObject *l);
/* consumer.c */
int consumer_requeue(ConsumerObject *c, gr_pos at);
bool consumer_take(ConsumerObject *c, gr_pos *at);
void consumer_let_go(ConsumerObject *c);
int consumer_data(ConsumerObject *c, int64_t timeout, gr_pos *at, uint64_t *sizes);
PyObject *consumer_ended(int r);
/* copy.c */
PyObject *own_copy(const ConsumerObject *c, PyObject *view);
PyObject *whole_copy(ConsumerObject *c, PyObject *view, gr_pos at, uint64_t n);
/* batch.c */
PyObject *consumer_read_batch(ConsumerObject *c, PyObject *args, PyObject *kwargs);
/* producer.c */
int producer_abort(ProducerObject *p);
#endif
