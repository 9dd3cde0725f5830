/* seat.c: the seats of this process. Each is left when its last holder is gone. */
#include "core.h"

/* All seats of the process, for after_fork. The interpreter's lock guards the list. */
static SeatObject *seats;

/* Returns the seat of a participant of this process. It owns fd, which holds the seat's lock, and
 * gpu, a reference to the memory of a GPU ring. stream is the participant's own. */
SeatObject *seat_new(RingObject *ring, unsigned number, int fd, gr_gpu *gpu, gr_stream stream) {
	if (ring->r.gpu != (gpu != NULL))
		return (SeatObject *)PyErr_Format(
			PyExc_ValueError, "a GPU ring needs gpu=, other rings have none");
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

/* Claims the done cell of a held message on the stream and releases the message. A driver's error
 * leaves it held, unless the context is gone. */
static int hand_on_queue(SeatObject *s, gr_pos at, gr_stream on) {
	const gr_ring *r = &s->ring->r;
	uint64_t owner = gr_consumer_owner(r, s->number);
	if (!gr_is_held(r, at, owner)) return 0; /* It was released by hand. */
	int error = gr_gpu_release_slot(s->gpu, on, at.idx, s->number);
	if (error && !atomic_load(&s->gpu->poison)) return error; /* Else no device work is left. */
	gr_release(r, at);
	return error;
}

/* Releases n held messages of a broadcast ring, after a claim of the consumer's cell. A context
 * that is gone must not hold the other participants up: the claim is completed instead. SYNC claim
 * store */
static int hand_on_broadcast(SeatObject *s, gr_pos at, uint64_t n) {
	gr_cursor *k = &s->cursor;
	uint64_t from = gr_number(k->r, at), done = s->number - k->r->max_producers - 1;
	int error = 0;
	pthread_mutex_lock(&s->lock);
	if (gr_cursor_holds(k, from, n) && gr_cursor_advance(k, from, n)) {
		error = gr_gpu_advance(s->gpu, s->stream, done, s->number, k->next);
		if (error) {
			gr_cell *c = gr_gpu_done(s->gpu, done);
			atomic_store(&c->claimed, k->next);
			gr_cell_complete(c, k->next, false);
		}
		gr_cursor_publish(k);
	}
	pthread_mutex_unlock(&s->lock);
	return error;
}

/* Releases n messages from at on after the work on the stream. A driver's error leaves them held,
 * unless the context is gone. It needs no interpreter's lock. The caller of an overwrite ring
 * checks the word once the stream has been synchronised. */
int seat_hand_on(SeatObject *s, gr_pos at, uint64_t n, gr_stream on) {
	int error = 0;
	switch (s->ring->r.mode) {
	case GR_MODE_BROADCAST:
		error = gr_gpu_order(s->gpu, on, s->stream);
		return error && !atomic_load(&s->gpu->poison) ? error : hand_on_broadcast(s, at, n);
	case GR_MODE_QUEUE:
		for (; n > 0 && !error; n--, at = gr_next(&s->ring->r, at))
			error = hand_on_queue(s, at, on);
		return error;
	}
	return gr_gpu_synchronize(s->gpu, on);
}

/* Releases n messages from at on. A word that has moved on, or a message that was released before,
 * stays as it is: views outlive a release by hand. A slot that the driver refuses stays held. */
void seat_release(SeatObject *s, gr_pos at, uint64_t n) {
	const gr_ring *r = &s->ring->r;
	if (__builtin_expect(s->gpu != NULL, 0)) {
		Py_BEGIN_ALLOW_THREADS
		seat_hand_on(s, at, n, s->stream); /* The next step meets the same error. */
		Py_END_ALLOW_THREADS
		return;
	}
	if (r->mode == GR_MODE_QUEUE) {
		gr_release_held(r, at, n, gr_consumer_owner(r, s->number));
		return;
	}
	uint64_t from = gr_number(r, at);
	if (r->mode == GR_MODE_BROADCAST && gr_cursor_holds(&s->cursor, from, n))
		gr_cursor_release(&s->cursor, from, n);
}

/* Waits for the device work that the seat has claimed. */
static void leave_device(SeatObject *s) {
	Py_BEGIN_ALLOW_THREADS
	gr_gpu_drain(s->gpu, s->number);
	Py_END_ALLOW_THREADS
}

/* Leaves the seat. */
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

/* Closes the child's copies of the descriptors, which would keep its parent's locks alive after the
 * parent's death. */
void seats_after_fork(void) {
	for (SeatObject *s = seats; s; s = s->next) {
		if (s->fd >= 0) close(s->fd);
		s->fd = -1;
	}
}

PyTypeObject SeatType = {
	PyVarObject_HEAD_INIT(0, 0).tp_name = "goring._core.Seat",
	.tp_basicsize = sizeof(SeatObject),
	.tp_doc = "A participant's place in a ring, held by a kernel lock.",
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_dealloc = (destructor)seat_dealloc,
};
