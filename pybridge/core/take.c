/* take.c: waiting for messages and taking them.
 *
 * One of several consumers iterates over copies. If it slept while its loop variable named a slot,
 * that could be the very slot which the producer must have next: the others drain the ring, and
 * then all wait for ever. A single consumer that has taken every message waits for the slot which
 * the producer must have next, and sees when it holds that itself. */
#include "core.h"

/* Look is the argument of look_data. */
typedef struct {
	ConsumerObject *c;
	gr_pos at;
	bool scoped, blocked;
} Look;

/* Takes the first message that the consumer requeued for itself. On an overwrite ring it counts
 * those that were overwritten since. */
static bool take_again(ConsumerObject *c, gr_pos *at) {
	while (c->nagain) {
		*at = c->again[0];
		memmove(c->again, c->again + 1, --c->nagain * sizeof *c->again);
		if (c->c.discipline != GR_OVERWRITE || gr_intact(c->c.r, *at)) return true;
		gr_count_lost(&c->c, 1); /* It was overwritten since. */
	}
	return false;
}

/* Looks for a message; see gr_look. A view of a scoped iteration that blocks the producers ends the
 * wait. */
static bool look_data(void *arg, bool final) {
	Look *l = arg;
	if (take_again(l->c, &l->at) || gr_try_take(&l->c->c, !final, &l->at)) return true;
	if (l->scoped && final) l->blocked = scoped_blocks(l->c);
	return l->blocked;
}

/* Takes a message if one is ready. */
bool consumer_take(ConsumerObject *c, gr_pos *at) {
	if (__builtin_expect(c->nagain != 0, 0)) return take_again(c, at);
	return gr_try_take(&c->c, true, at);
}

/* Requeues the message at at. A single or broadcast consumer hands it out again itself, the
 * smallest number first. Returns 0, or -1 with MemoryError. */
int consumer_requeue(ConsumerObject *c, gr_pos at) {
	if (c->c.discipline == GR_MULTI) {
		gr_requeue(&c->c, at);
		return 0;
	}
	gr_pos *grown = PyMem_Realloc(c->again, (c->nagain + 1) * sizeof *grown);
	if (!grown) {
		PyErr_NoMemory();
		return -1;
	}
	c->again = grown;
	size_t i = c->nagain++;
	uint64_t n = gr_number(c->c.r, at);
	for (; i && gr_number(c->c.r, c->again[i - 1]) > n; i--) c->again[i] = c->again[i - 1];
	c->again[i] = at;
	if (c->c.discipline == GR_SINGLE)
		gr_count_redelivery(
			gr_slot(c->c.r, at.idx)); /* Else other consumers read the same header. */
	return 0;
}

/* Raises Voided for a message that was void when its view was dropped and no caller was left to be
 * told. Returns 0, or -1 with the exception. */
int consumer_voided(ConsumerObject *c) {
	if (!c->seat || !c->seat->voided) return 0;
	PyErr_Format(core_hooks.Voided,
		"the producer died before the payload of message %llu had arrived: the bytes that were read are not to be used",
		(unsigned long long)c->seat->voided - 1);
	c->seat->voided = 0;
	return -1;
}

/* Releases iterated messages that are no longer in use. */
void consumer_release_unused(ConsumerObject *c) {
	Py_CLEAR(c->copied);
	if (c->scoped && !c->busy && !core_forked && scoped_end(c))
		PyErr_WriteUnraisable((PyObject *)c); /* The message is still held. */
	while (c->nlag && c->table && Py_REFCNT(c->table[c->lag[0].idx].view) == 1)
		prebuilt_release_oldest(c);
}

/* Returns WAIT_ENDED, or WAIT_RAISED when the ring ended because its memory's owner has gone. */
static wait_outcome consumer_end(const ConsumerObject *c) {
	if (!gr_ended_early(c->c.r)) return WAIT_ENDED;
	PyErr_SetString(core_hooks.ExporterGone,
		"the process that owns the ring's device memory has ended: make the ring anew, or have a program own it that lasts (goring gpu-hold)");
	return WAIT_RAISED;
}

/* Raises Held. */
static wait_outcome held(void) {
	PyErr_SetString(core_hooks.Held,
		"the next message has no slot: it is held by a message or an array of this consumer that is still in use");
	return WAIT_RAISED;
}

/* Reports whether the slot of the next message is held by this consumer itself. The cursor of a GPU
 * ring moves without the interpreter's lock, so the shared one is loaded. SYNC cursor load */
static bool holds_every_slot(const ConsumerObject *c) {
	const gr_consumer *k = &c->c;
	if (k->owner) return atomic_load(&c->seat->held) >= k->r->slots;
	if (c->seat->gpu && k->discipline == GR_BROADCAST)
		return gr_number(k->r, k->pos) - atomic_load(gr_seat_cursor(k->r, k->seat)) >= k->r->slots;
	return gr_holds_every_slot(k);
}

/* Waits for a message. */
static wait_outcome data_wait(ConsumerObject *c, int64_t timeout, gr_pos *at) {
	Look look = {c, {0, 0}, c->scoping && timeout != 0, false};
	consumer_release_unused(c);
	if (holds_every_slot(c)) return held();
	if (gr_overrun(&c->c)) {
		PyErr_Format(core_hooks.CorruptError,
			"message %llu was written over although this consumer had not released its slot",
			(unsigned long long)gr_number(c->c.r, c->c.pos));
		return WAIT_RAISED;
	}
	if (timeout && !c->nagain) gr_slip_pause(&c->w.slip, gr_number(c->c.r, c->c.pos));
	wait_outcome r = wait_until(&c->w, look_data, &look, timeout, &c->busy);
	*at = look.at;
	if (r == WAIT_FOUND && look.blocked) return held();
	return r == WAIT_ENDED ? consumer_end(c) : r;
}

/* Reports whether the payload of a taken message never arrived, and then has released it. */
static bool skip_void(ConsumerObject *c, gr_pos at) {
	if (!gr_cell_void(gr_gpu_ready(c->seat->gpu, at.idx)) ||
		(c->c.discipline == GR_OVERWRITE && !gr_intact(c->c.r, at)))
		return false;
	c->busy = true;
	if (c->c.discipline != GR_OVERWRITE) seat_release(c->seat, at, 1);
	c->busy = false;
	return true;
}

/* Takes the next message and loads its sizes once; only that copy is used. A message with
 * impossible sizes is released and reported. */
wait_outcome consumer_data(ConsumerObject *c, int64_t timeout, gr_pos *at, uint64_t *sizes) {
	if (__builtin_expect(!c->seat || c->busy || core_forked, 0) &&
		!usable(c->seat, c->busy, "consumer"))
		return WAIT_RAISED;
	for (;;) {
		if (!consumer_take(c, at)) {
			wait_outcome r = data_wait(c, timeout, at);
			if (r != WAIT_FOUND) return r;
		}
		*sizes = gr_slot(c->c.r, at->idx)->sizes; /* Loaded once. */
		if (__builtin_expect(gr_sizes_fit(c->c.r, *sizes), 1)) {
			if (__builtin_expect(c->seat->gpu != NULL, 0) && skip_void(c, *at)) continue;
			return WAIT_FOUND;
		}
		if (c->c.discipline != GR_OVERWRITE || gr_intact(c->c.r, *at)) break;
		gr_count_lost(&c->c, 1); /* The sizes were of another message. */
	}
	if (!c->seat->gpu || c->c.discipline != GR_OVERWRITE) seat_release(c->seat, *at, 1);
	PyErr_Format(core_hooks.CorruptError,
		"message %llu claims %llu payload and %llu metadata bytes, slots hold %llu and %llu",
		(unsigned long long)gr_number(c->c.r, *at), (unsigned long long)gr_sizes_len(*sizes),
		(unsigned long long)gr_sizes_meta_len(*sizes), (unsigned long long)c->c.r->bytes,
		(unsigned long long)c->c.r->max_meta);
	return WAIT_RAISED;
}

/* Raises Empty after a time-out and Ended after the end of the ring. Returns NULL. */
PyObject *consumer_ended(wait_outcome r) {
	if (r == WAIT_TIMED_OUT) PyErr_SetString(core_hooks.Empty, "no message came in time");
	if (r == WAIT_ENDED) PyErr_SetString(core_hooks.Ended, "the ring is shut down and empty");
	return NULL;
}
