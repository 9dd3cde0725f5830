/* core.h: the declarations that the files of the CPython module share.
 *
 * ring     the mapping; every object below holds a reference to it
 * seat     a participant's number and its locked descriptor; left when its last holder is gone
 * lease    the exporter of one or more held messages; its death releases them
 * view     an ndarray or memoryview with a lease as its base, so that the slot is not reused while
 *          the view, or any view of it, exists; on a GPU ring a DeviceArray, which the arrays of
 *          other libraries hold */
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

/* Hidden symbols: calls from file to file need no indirection. */
#pragma GCC visibility push(hidden)

enum { BIG_COPY = 65536 }; /* Bytes from which a copy lets other Python threads run. */

/* wait_outcome is how a wait of Python ended. */
typedef enum {
	WAIT_RAISED = -1,   /* An exception is set. */
	WAIT_TIMED_OUT = 0, /* Nothing was found in time. */
	WAIT_FOUND = 1,     /* The look reported true. */
	WAIT_ENDED = 2,     /* The ring is shut down and empty. */
} wait_outcome;

/* core_hooks_t are the exceptions and callables of the package, set once by configure(). */
typedef struct {
	PyObject *Error, *Full, *Empty, *TooLarge, *SchemaError, *CorruptError, *ForkError, *Closed;
	PyObject *Ended, *Held, *Lapped, *PeerDead, *Unsupported, *CudaError, *WrongDevice;
	PyObject *ExporterGone, *Voided;
	PyObject *encode_meta, *decode_meta, *stream_handle;
	PyArray_Descr *dtypes[GR_DTYPES_END]; /* By tensor code. */
} core_hooks_t;

extern core_hooks_t core_hooks;
extern int core_forked; /* Set in a forked child, which must not touch its parent's slots. */

typedef struct {
	PyObject_HEAD
	gr_ring r;
} RingObject;

typedef struct SeatObject {
	PyObject_HEAD
	RingObject *ring;
	unsigned number;
	int fd;                /* The description with the seat's lock; -1 in a child. */
	_Atomic uint64_t held; /* Messages that leases of this seat still owe. */
	gr_cursor cursor;      /* The releases of a broadcast consumer. */
	gr_gpu *gpu;           /* A reference to a GPU ring's memory, else NULL. */
	gr_stream stream;      /* The participant's own, on a GPU ring. */
	pthread_mutex_t lock;  /* Of the cursor, which moves without the GIL on a GPU ring. */
	uint64_t voided;       /* One more than a void message that no caller knows of, or 0. */
	struct SeatObject *prev, *next; /* All seats of the process. */
} SeatObject;

typedef struct {
	PyObject_HEAD
	RingObject *ring;
	SeatObject *seat;
	uint8_t *data;
	Py_ssize_t bytes;
	gr_pos at;     /* The first message. */
	uint64_t owes; /* Messages from at on that the lease's death releases. */
	bool writable;
	gr_gpu *gpu;        /* The memory of a slot for devices, else NULL. */
	gr_stream own;      /* The stream of its participant. */
	gr_stream *streams; /* The streams that the slot is handed on after. */
	unsigned nstreams;
} LeaseObject;

/* Shape is the dtype and the shape of a participant's payloads in Python. */
typedef struct {
	PyArray_Descr *descr; /* NULL for bytes and tensor rings. */
	int nd;
	npy_intp dims[GR_MAX_DIMS];
} Shape;

typedef struct {
	PyObject_HEAD
	RingObject *ring;
	SeatObject *seat; /* NULL once closed. */
	gr_producer p;
	gr_waiter w;
	Shape shape;
	bool reserved;     /* A slot is reserved. */
	bool busy;         /* A call runs without the GIL. */
	LeaseObject *open; /* The lease of the reserved slot of a GPU ring. */
} ProducerObject;

/* Prebuilt is the view of a slot that iteration hands out again. */
typedef struct {
	LeaseObject *lease;
	PyArrayObject *view;
} Prebuilt;

typedef struct {
	PyObject_HEAD
	RingObject *ring;
	SeatObject *seat; /* NULL once closed. */
	gr_consumer c;
	gr_waiter w;
	Shape shape;
	Prebuilt *table; /* Single and broadcast, fixed kinds: one per slot; else NULL. */
	gr_pos lag[2];   /* Iterated messages that were not released yet. */
	int nlag;
	LeaseObject *copied;         /* The iterated message, taken until the next one is asked for. */
	struct DeviceObject *scoped; /* The view of the last step; see device_iterate.c. */
	gr_pos *again;               /* Messages that the consumer requeued for itself, ascending. */
	size_t nagain;
	int64_t timeout; /* The default of its calls, ns, or -1. */
	bool busy;       /* A call runs without the GIL. */
	bool copies;     /* It hands out nothing that a peer can still change. */
	bool scoping;    /* It is waiting for a step of a scoped iteration. */
} ConsumerObject;

typedef struct {
	int code, nd;
	npy_intp dims[GR_MAX_DIMS];
} Tensor;

/* Source is the place that the bytes of one message are copied from. */
typedef struct {
	PyArrayObject *array; /* Owned, or NULL. */
	Py_buffer buffer;     /* Valid when has_buffer is set. */
	bool has_buffer;
	bool direct; /* data and bytes can be copied as they are. */
	const void *data;
	uint64_t bytes;
	int code;            /* The dtype's code, of a tensor. */
	Shape like;          /* The shape of a device array, which has no array. */
	gr_deviceptr device; /* The address of a device array, or 0. */
	gr_stream stream;    /* The stream that it is ready on, or NULL. */
	LeaseObject *view;   /* The lease, when it is a view of this module. */
} Source;

/* DeviceObject is a view of a slot for devices. */
typedef struct DeviceObject {
	PyObject_HEAD
	LeaseObject *lease; /* NULL once its slot is the ring's again. */
	Shape shape;
	bool scoped; /* It ends with the next step of an iteration; see device_iterate.c. */
} DeviceObject;

/* Reports whether the first n dimensions are the same. */
static inline bool same_dims(int n, const npy_intp *a, const npy_intp *b) {
	for (int i = 0; i < n; i++)
		if (a[i] != b[i]) return false;
	return true;
}

/* Returns the host's address of a slot's payload, or NULL in device memory. */
static inline uint8_t *slot_memory(const gr_ring *r, const gr_gpu *g, uint64_t slot) {
	if (__builtin_expect(!g, 1)) return gr_payload(r, slot);
	return g->payload ? g->payload + slot * g->stride : NULL;
}

/* Counts messages that leases of the seat owe. Leases are made and dropped under the interpreter's
 * lock, where there is one: a locked instruction costs as much as half a message. */
static inline void seat_owes(SeatObject *s, uint64_t more) {
#ifdef Py_GIL_DISABLED
	atomic_fetch_add(&s->held, more);
#else
	atomic_store_explicit(&s->held, atomic_load_explicit(&s->held, memory_order_relaxed) + more,
		memory_order_relaxed);
#endif
}

extern PyTypeObject RingType, SeatType, LeaseType, ProducerType, SlotType, ConsumerType,
	MessageType;
extern PyTypeObject DeviceType;

/* The functions of each file, from the lowest layer to the highest: a file uses functions of files
 * above it in this list only. A test holds that. */

/* shape.c */
bool shape_is(const Shape *s, int nd, const npy_intp *dims);
PyObject *dims_tuple(int nd, const npy_intp *dims);
int shape_set(Shape *s, const gr_ring *r, PyObject *dtype, PyObject *shape);
void shape_clear(Shape *s);
int shape_mismatch(const Shape *s, PyArray_Descr *d, int nd, const npy_intp *dims);
int too_large(const gr_ring *r, uint64_t bytes);
int tensor_code(PyArray_Descr *d);
int tensor_describe(
	uint8_t *out, int code, int nd, const npy_intp *dims, uint64_t limit, uint64_t *bytes);
bool tensor_parse(const uint8_t *descriptor, uint64_t len, Tensor *t);
int tensor_read(const uint8_t *descriptor, uint64_t len, Tensor *t);
/* gpu.c */
int gpu_failed(gr_gpu *g, unsigned seat, int error, const char *what);
int parse_stream(PyObject *o, gr_stream *s);
int parse_stream_of(const gr_gpu *gpu, PyObject *o, gr_stream *s);
int gpu_arrived(LeaseObject *l);
/* wait.c */
bool usable(SeatObject *seat, bool busy, const char *what);
int parse_timeout(PyObject *o, int64_t *ns);
wait_outcome wait_until(gr_waiter *w, gr_look look, void *arg, int64_t timeout, bool *busy);
/* seat.c */
SeatObject *seat_new(RingObject *ring, unsigned number, int fd, gr_gpu *gpu, gr_stream stream);
int seat_hand_on(SeatObject *s, gr_pos at, uint64_t n, gr_stream on);
void seat_release(SeatObject *s, gr_pos at, uint64_t n);
void seats_after_fork(void);
/* device_lease.c */
void lease_on_device(LeaseObject *l, gr_gpu *g, gr_pos at, gr_stream own);
int lease_add_stream(LeaseObject *l, gr_stream s);
int lease_show(LeaseObject *l, gr_stream s);
int lease_gather(LeaseObject *l, gr_stream named, gr_stream *on);
bool lease_void(const LeaseObject *l);
int lease_hand_on(LeaseObject *l, gr_stream named);
int lease_claim_back(LeaseObject *l, gr_stream named);
void lease_drop_device(LeaseObject *l);
/* lease.c */
LeaseObject *lease_new(
	RingObject *ring, SeatObject *seat, uint8_t *data, Py_ssize_t bytes, bool writable);
void lease_owe(LeaseObject *l, gr_pos at, uint64_t n);
PyArrayObject *array_over(
	LeaseObject *l, PyArray_Descr *d, int nd, const npy_intp *dims, const npy_intp *strides);
PyArrayObject *view_new(const Shape *s, LeaseObject *l, npy_intp rows, npy_intp stride);
PyArrayObject *tensor_view(LeaseObject *l, const uint8_t *descriptor, uint64_t len);
/* device_view.c */
PyObject *device_new(const gr_ring *r, const Shape *like, LeaseObject *l, uint64_t slot);
LeaseObject *device_lease(DeviceObject *d);
npy_intp device_elements(const DeviceObject *d);
gr_deviceptr device_address(const LeaseObject *l);
/* payload.c */
LeaseObject *lend(ConsumerObject *c, gr_pos at, uint64_t sizes);
PyObject *payload_view(ConsumerObject *c, LeaseObject *l);
/* copy.c */
PyObject *own_copy(const ConsumerObject *c, PyObject *view);
PyObject *whole_copy(ConsumerObject *c, PyObject *view, gr_pos at, uint64_t n);
/* device_source.c */
int device_source(ProducerObject *p, Source *s, PyObject *o);
/* source.c */
void source_done(Source *s);
int source_open(ProducerObject *p, Source *s, PyObject *o, bool cast);
int source_copy(ProducerObject *p, Source *s, uint8_t *to);
int encode_meta(ProducerObject *p, PyObject *meta, uint16_t *len);
/* device_write.c */
int device_write(ProducerObject *p, Source *s, gr_stream on);
int device_fill(ProducerObject *p, Source *s, LeaseObject *l, gr_stream on);
int device_commit(ProducerObject *p, gr_stream named);
void device_abort(ProducerObject *p);
/* write.c */
int producer_reserve_slot(ProducerObject *p, int64_t timeout);
int producer_abort(ProducerObject *p);
PyObject *producer_write(ProducerObject *p, PyObject *const *args, Py_ssize_t n, PyObject *names);
PyObject *producer_try_write(
	ProducerObject *p, PyObject *const *args, Py_ssize_t n, PyObject *names);
PyObject *producer_write_batch(ProducerObject *p, PyObject *args, PyObject *kwargs);
/* prebuilt.c */
void prebuilt_release_oldest(ConsumerObject *c);
bool prebuilt_ready(const ConsumerObject *c, const Prebuilt *s);
int prebuild(ConsumerObject *c, uint64_t i);
/* device_iterate.c */
int scoped_end(ConsumerObject *c);
bool scoped_blocks(const ConsumerObject *c);
/* take.c */
bool consumer_take(ConsumerObject *c, gr_pos *at);
int consumer_requeue(ConsumerObject *c, gr_pos at);
int consumer_voided(ConsumerObject *c);
void consumer_release_unused(ConsumerObject *c);
wait_outcome consumer_data(ConsumerObject *c, int64_t timeout, gr_pos *at, uint64_t *sizes);
PyObject *consumer_ended(wait_outcome r);
/* message.c */
PyObject *message_new(ConsumerObject *c, gr_pos at, uint64_t sizes);
/* slot.c */
PyObject *slot_new(ProducerObject *p, LeaseObject *l, PyObject *view);
/* batch.c */
PyObject *consumer_read_batch(ConsumerObject *c, PyObject *args, PyObject *kwargs);
/* iterate.c */
PyObject *consumer_next(ConsumerObject *c);
PyObject *consumer_try_next(ConsumerObject *c, PyObject *unused);
/* dlpack.c */
PyObject *device_dlpack(DeviceObject *d, PyObject *args, PyObject *kwargs);
PyObject *device_dlpack_device(DeviceObject *d, PyObject *unused);
/* interface.c */
PyObject *device_interface(DeviceObject *d, void *unused);
#pragma GCC visibility pop
#endif
