/* peers.h: the death of the peers that could end a wait (spec section 3, Peer death). */
#ifndef GORING_PEERS_H
#define GORING_PEERS_H
#include "seat.h"

/* gr_peers are the seats of the other role as one participant has seen them. */
typedef struct {
	unsigned first, last; /* 1 and 0 when successors are awaited. */
	/* Each seat's epoch at the snapshot, less 1 if it was in use: a death counts when the epoch
	 * differs from it. */
	uint32_t known[GR_MAX_PARTICIPANTS + 1];
} gr_peers;

/* Reaps the dead, then notes the holders of the other role's seats. SYNC seat load */
static inline void gr_peers_snapshot(gr_peers *p, gr_ring *r, unsigned seat, int fd) {
	unsigned producers = r->max_producers, all = producers + r->max_consumers;
	bool producer = seat <= producers;
	gr_reap_dead(r, fd, seat);
	p->first = producer ? producers + 1 : 1;
	p->last = producer ? all : producers;
	for (unsigned s = p->first; s <= p->last; s++) {
		uint32_t epoch = atomic_load(gr_seat_epoch(r, s));
		p->known[s] = gr_seat_in_use(r, s) ? epoch - 1 : epoch;
	}
}

/* Returns the seat of a dead peer when no peer lives and at least one has died since the snapshot,
 * else 0. Of several it returns the one that was seen last. It needs no lock: the dead are in use
 * until a participant reaps them, which the waiting one does at the end of each slice.
 * SYNC seat load, progress load */
static inline unsigned gr_peers_dead(const gr_peers *p, const gr_ring *r) {
	int64_t latest = -1;
	unsigned dead = 0;
	for (unsigned s = p->first; s <= p->last; s++) {
		if (gr_seat_in_use(r, s)) return 0;
		bool died = atomic_load(gr_seat_flags(r, s)) & GR_PART_DIED;
		if (!died || atomic_load(gr_seat_epoch(r, s)) == p->known[s]) continue;
		int64_t seen = atomic_load(gr_seat_progress(r, s));
		if (seen < 0) seen = 0;
		if (seen > latest) {
			latest = seen;
			dead = s;
		}
	}
	return dead;
}
#endif
