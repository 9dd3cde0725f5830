/* fast.h: what the files of the CPython module share.
 *
 * ring     owns the mapping; everything below holds a reference to it
 * seat     a participant's number and its locked descriptor; left when its last holder is gone
 * lease    exporter of one or more held messages; its death releases them
 * view     ndarray or memoryview whose base is a lease, so the slot is not reused while
 *          anybody can see it, whatever they keep, wherever they drop it; on a GPU ring a
 *          DeviceArray, which the arrays of other libraries hold */
#ifndef GORING_CORE_H
#define GORING_CORE_H
#define PY_SSIZE_T_CLEAN
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL goring_numpy
#ifndef CORE_IMPORTS_NUMPY
#define NO_IMPORT_ARRAY
#endif
#include <Python.h>
#include <numpy/arrayobject.h>
#include <pthread.h>

#include "goring/attach.h"
#include "goring/gpu.h"
#include "goring/wait.h"

/* Within the library, calls from file to file go straight to where they lead. */
#pragma GCC visibility push(hidden)

enum { BIG_COPY = 65536 }; /* bytes from which a copy lets other Python threads run */

/* wait_outcome is how a wait of Python ended. */
typedef enum {
	WAIT_RAISED = -1,   /* An exception is set. */
	WAIT_TIMED_OUT = 0, /* Nothing was found in time. */
	WAIT_FOUND = 1,     /* The look reported true. */
	WAIT_ENDED = 2,     /* The ring is shut down and empty. */
} wait_outcome;

typedef struct { /* set once by configure() */
	PyObject *Error, *Full, *Empty, *TooLarge, *SchemaError, *CorruptError, *ForkError, *Closed, *Ended, *Held, *Lapped, *PeerDead, *Unsupported,
	         *CudaError, *WrongDevice, *ExporterGone, *Voided;
	PyObject *encode_meta, *decode_meta, *stream_handle;
	PyArray_Descr *dtypes[GR_DTYPES_END]; /* By tensor code. */
} core_hooks_t;
extern core_hooks_t core_hooks;
extern int core_forked; /* in a forked child nothing may touch the parent's slots */

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
	gr_gpu *gpu;           /* GPU rings: a reference, else NULL and the rest unused */
	gr_stream stream;      /* the participant's own */
	pthread_mutex_t lock;  /* of the cursor, which moves without the GIL there */
	uint64_t voided;       /* one more than the last message that nobody has been told was void; 0: none */
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
	gr_gpu *gpu;        /* of a slot for devices, else NULL and the rest unused */
	gr_stream own;      /* its participant's */
	gr_stream *streams; /* those whose work the slot is handed on behind */
	unsigned nstreams;
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
	LeaseObject *open; /* GPU rings: of the reserved slot */
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
	struct DeviceObject *scoped; /* GPU rings, shared: what was iterated last, see device_iterate.c */
	gr_pos *again;    /* not shared: requeued messages, ascending */
	size_t nagain;
	int64_t timeout;
	bool busy;
	bool copies; /* hands out nothing that a peer can still change */
	bool scoping; /* is waiting for a step of such an iteration */
} ConsumerObject;

typedef struct { int code, nd; npy_intp dims[GR_MAX_DIMS]; } Tensor;

typedef struct { /* where the bytes of one message come from */
	PyArrayObject *array; /* owned, or NULL */
	Py_buffer buffer;     /* when has_buffer */
	bool has_buffer, direct; /* direct: data and bytes can be copied as they are */
	const void *data;
	uint64_t bytes;
	int code; /* tensor */
	Shape like;           /* of a device array, which has no array */
	gr_deviceptr device;  /* where it is, or 0 */
	gr_stream stream;     /* that it is ready on, or NULL */
	LeaseObject *view;    /* when it is one of ours */
} Source;

typedef struct DeviceObject { /* a view of a slot for devices */
	PyObject_HEAD
	LeaseObject *lease; /* NULL once its slot is the ring's again */
	Shape shape;
	bool scoped;        /* ends with the next step of an iteration, see device_iterate.c */
} DeviceObject;

static inline bool same_dims(int n, const npy_intp *a, const npy_intp *b) {
	for (int i = 0; i < n; i++)
		if (a[i] != b[i]) return false;
	return true;
}
/* where the host finds a slot's payload; NULL in device memory */
static inline uint8_t *slot_memory(const gr_ring *r, const gr_gpu *g, uint64_t slot) {
	if (__builtin_expect(!g, 1)) return gr_payload(r, slot);
	return g->payload ? g->payload + slot * g->stride : NULL;
}
/* counts messages that leases of the seat owe. Leases are made and dropped under the lock of
 * the interpreter, where there is one: a locked instruction costs as much as half a message. */
static inline void seat_owes(SeatObject *s, uint64_t more) {
#ifdef Py_GIL_DISABLED
	atomic_fetch_add(&s->held, more);
#else
	atomic_store_explicit(&s->held, atomic_load_explicit(&s->held, memory_order_relaxed) + more, memory_order_relaxed);
#endif
}

extern PyTypeObject RingType, SeatType, LeaseType, ProducerType, SlotType, ConsumerType, MessageType, DeviceType;

/* ring.c */
SeatObject *seat_new(RingObject *ring, unsigned number, int fd, gr_gpu *gpu, gr_stream stream);
void seat_release(SeatObject *s, gr_pos at, uint64_t n);
void seats_after_fork(void);
/* lease.c */
LeaseObject *lease_new(RingObject *ring, SeatObject *seat, uint8_t *data, Py_ssize_t bytes, bool writable);
void lease_owe(LeaseObject *l, gr_pos at, uint64_t n);
bool shape_is(const Shape *s, int nd, const npy_intp *dims);
int shape_set(Shape *s, const gr_ring *r, PyObject *dtype, PyObject *shape);
void shape_clear(Shape *s);
PyArrayObject *array_over(LeaseObject *l, PyArray_Descr *d, int nd, const npy_intp *dims, const npy_intp *strides);
PyArrayObject *view_new(const Shape *s, LeaseObject *l, npy_intp rows, npy_intp stride);
bool tensor_parse(const uint8_t *descriptor, uint64_t len, Tensor *t);
int tensor_read(const uint8_t *descriptor, uint64_t len, Tensor *t);
PyArrayObject *tensor_view(LeaseObject *l, const uint8_t *descriptor, uint64_t len);
int tensor_code(PyArray_Descr *d);
int tensor_describe(uint8_t *out, int code, int nd, const npy_intp *dims, uint64_t limit, uint64_t *bytes);
/* wait.c */
bool usable(SeatObject *seat, bool busy, const char *what);
int parse_timeout(PyObject *o, int64_t *ns);
wait_outcome wait_until(gr_waiter *w, gr_look look, void *arg, int64_t timeout, bool *busy);
/* slot.c */
PyObject *slot_new(ProducerObject *p, LeaseObject *l, PyObject *view);
/* source.c */
int source_open(ProducerObject *p, Source *s, PyObject *o, bool cast);
int source_copy(ProducerObject *p, Source *s, uint8_t *to);
PyObject *dims_tuple(int nd, const npy_intp *dims);
int source_mismatch(ProducerObject *p, PyArray_Descr *d, int nd, const npy_intp *dims);
int source_too_large(ProducerObject *p, uint64_t bytes);
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
wait_outcome consumer_data(ConsumerObject *c, int64_t timeout, gr_pos *at, uint64_t *sizes);
PyObject *consumer_ended(wait_outcome r);
/* copy.c */
PyObject *own_copy(const ConsumerObject *c, PyObject *view);
PyObject *whole_copy(ConsumerObject *c, PyObject *view, gr_pos at, uint64_t n);
/* batch.c */
PyObject *consumer_read_batch(ConsumerObject *c, PyObject *args, PyObject *kwargs);
/* producer.c */
int producer_abort(ProducerObject *p);
/* gpu.c */
int gpu_failed(gr_gpu *g, unsigned seat, int error, const char *what);
int parse_stream(PyObject *o, gr_stream *s);
int parse_stream_of(const gr_gpu *gpu, PyObject *o, gr_stream *s);
bool gpu_ended_early(const gr_ring *r);
int gpu_arrived(LeaseObject *l);
/* gpu_lease.c */
void lease_on_device(LeaseObject *l, gr_gpu *g, gr_pos at, gr_stream own);
int lease_show(LeaseObject *l, gr_stream s);
int lease_add_stream(LeaseObject *l, gr_stream s);
int lease_gather(LeaseObject *l, gr_stream named, gr_stream *on);
int lease_hand_on(LeaseObject *l, gr_stream named);
int lease_claim_back(LeaseObject *l, gr_stream named);
void lease_drop_device(LeaseObject *l);
int seat_hand_on(SeatObject *s, gr_pos at, uint64_t n, gr_stream on);
bool lease_void(const LeaseObject *l);
/* gpu_write.c */
int device_write(ProducerObject *p, Source *s, gr_stream on);
int device_fill(ProducerObject *p, Source *s, LeaseObject *l, gr_stream on);
int device_commit(ProducerObject *p, gr_stream named);
void device_abort(ProducerObject *p);
/* device.c */
PyObject *device_new(const gr_ring *r, const Shape *shape, LeaseObject *l, uint64_t slot);
LeaseObject *device_lease(DeviceObject *d);
/* device_source.c */
int device_source(ProducerObject *p, Source *s, PyObject *o);
/* dlpack.c */
PyObject *device_dlpack(DeviceObject *d, PyObject *args, PyObject *kwargs);
PyObject *device_dlpack_device(DeviceObject *d, PyObject *unused);
/* device_iterate.c */
int scoped_end(ConsumerObject *c);
bool scoped_blocks(const ConsumerObject *c);
#pragma GCC visibility pop
#endif
