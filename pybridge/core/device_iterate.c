/* device_iterate.c: iterating over a GPU ring's queue as one of several consumers.
 *
 * Such a consumer must not sleep while its loop variable names a slot (see take.c). On host rings
 * it iterates over copies; a copy in device memory would be an allocation per message. So the view
 * ends with the next step instead:
 *
 *   - If only the loop variable can still name it (one reference beside the module's, and no
 *     capsule of DLPack on its slot), its slot is handed on before the consumer looks for the next
 *     message, and the view is closed: a later use raises Closed.
 *   - Otherwise the view is in use, and keeps its slot until it is dropped. If that slot turns out
 *     to be the one that the producers must have next, the wait ends with Held at the end of a
 *     slice.
 *   - An importer by __cuda_array_interface__ holds nothing but the view, so that one reference
 *     could be its, and the memory would change under an array in use. Views of such an iteration
 *     therefore refuse that interface; DLPack, which holds the slot by itself, and
 *     Consumer.messages(), where the loop variable is not the view, have no such doubt. */
#include "core.h"

/* Ends the view of the step before. Returns 0, or -1 with an exception. */
int scoped_end(ConsumerObject *c) {
	DeviceObject *d = c->scoped;
	LeaseObject *l = d->lease;
	c->scoped = NULL;
	int bad = 0;
	if (Py_REFCNT(d) <= 2 && Py_REFCNT(l) == 1) {
		d->lease = NULL;
		c->busy = true;
		if (lease_void(l)) c->seat->voided = gr_number(c->c.r, l->at) + 1;
		bad = lease_hand_on(l, NULL);
		c->busy = false;
		if (bad && l->owes)
			d->lease = l; /* still held: by the view */
		else
			Py_DECREF(l);
	}
	Py_DECREF(d);
	return bad;
}

/* Reports whether the producers can go on only when this consumer releases a message. */
bool scoped_blocks(const ConsumerObject *c) {
	const gr_consumer *k = &c->c;
	return k->pos.lap > 0 &&
		gr_load(gr_slot(k->r, k->pos.idx)) == gr_taken_word(k->pos.lap - 1, k->owner);
}
