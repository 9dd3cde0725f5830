/* goring_peers.h: whether anybody is left who could end a wait (spec section 3, Peer death). */
#ifndef GORING_PEERS_H
#define GORING_PEERS_H

#include "goring_seat.h"

typedef struct { /* the seats of the other role, as one participant sees them */
	unsigned first, last; /* 1, 0: await successors */
	/* each seat's epoch at the start, if its holder was gone by then: that death is not our affair */
	uint32_t known[GR_MAX_PARTICIPANTS + 1];
	unsigned dead; /* of those that died, the one that was seen last; set by gr_deserted */
} gr_peers;

/* notes who sits on the other side of the holder of seat, after reaping who died before */
static inline void gr_meet(gr_peers *p, gr_ring *r, unsigned seat, int fd) {
	unsigned producers = r->max_producers, all = producers + r->max_consumers;
	bool produces = seat <= producers;
	gr_reap_dead(r, fd, seat);
	p->first = produces ? producers + 1 : 1;
	p->last = produces ? all : producers;
	for (unsigned s = p->first; s <= p->last; s++) {
		uint32_t epoch = atomic_load(gr_seat_epoch(r, s));
		p->known[s] = atomic_load(gr_seat_state(r, s)) == GR_PART_IN_USE ? epoch - 1 : epoch;
	}
}
/* no peer lives and at least one has died. The seats are believed: the dead count as living
 * until somebody has reaped them. */
static inline bool gr_deserted(gr_peers *p, const gr_ring *r) {
	int64_t seen = -1;
	for (unsigned s = p->first; s <= p->last; s++) {
		if (atomic_load(gr_seat_state(r, s)) == GR_PART_IN_USE) return false;
		if (!(atomic_load(gr_seat_flags(r, s)) & GR_PART_DIED) || atomic_load(gr_seat_epoch(r, s)) == p->known[s]) continue;
		int64_t at = atomic_load(gr_seat_progress(r, s));
		if (at < 0) at = 0;
		if (at <= seen) continue;
		seen = at;
		p->dead = s;
	}
	return seen >= 0;
}
#endif
