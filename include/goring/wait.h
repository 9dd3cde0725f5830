/* wait.h: spinning, yielding, sleeping (spec section 9). Callers with a global lock of their own
 * drop it around gr_yield and gr_sleep. */
#ifndef GORING_WAIT_H
#define GORING_WAIT_H
#include "peers.h"
#include "slip.h"

#include <sched.h>

/* gr_wait_result is how a wait, or a part of one, ended. */
typedef enum {
	GR_WAIT_NOT_YET,   /* It goes on. */
	GR_WAIT_DONE,      /* The look reported true. */
	GR_WAIT_ENDED,     /* The ring is shut down and a final look found nothing. */
	GR_WAIT_PEER_DEAD, /* No peer is left to end the wait; the waiter names the dead one. */
} gr_wait_result;

/* The yielding phase is bounded by about the time of a wake-up, or by twice the time that the
 * participant worked since its last wait, say to copy a large message: then its peer works as
 * long, and waking each other would take as long again.
 *
 * A peer that must wake a sleeper for each message is slow for that reason alone, and then the
 * sleeper's waits are never short. So one in GR_PROBE_EVERY sleeps shorter than four such bounds
 * is followed by a wait that yields for two, as long as it takes both to leave that state. */
enum {
	GR_MIN_YIELD_NS = 50000,
	GR_MAX_YIELD_NS = 150000,
	GR_PROBE_EVERY = 8,
	GR_SPINS = 40, /* Half a microsecond to four of pausing. */
};

/* gr_waiter is the waiting of one participant. */
typedef struct {
	gr_ring *r;
	uint64_t ev, waiting; /* Offsets of the direction's words. */
	int strategy;         /* GR_STRATEGY_ADAPTIVE, GR_STRATEGY_SPIN or GR_STRATEGY_PARK. */
	int64_t budget;       /* Of the yielding phase, ns. */
	int naps;             /* Short sleeps until the next probe. */
	int64_t ended;        /* The end of the last wait that yielded or slept, CLOCK_MONOTONIC ns. */
	unsigned seat;        /* The waiting participant's. */
	int fd;               /* The description with the seat's lock. */
	int64_t slice;        /* The longest sleep, ns. */
	int64_t reaped;       /* The end of the last slice, when dead peers were looked for. */
	unsigned dead;        /* The seat of the peer that died in the last wait. */
	gr_peers peers;
	gr_slip slip;
} gr_waiter;

/* gr_look reports whether a wait is over, and takes or reserves the message or slot that it finds.
 * With final true it must not trust hints. */
typedef bool (*gr_look)(void *arg, bool final);

/* Starts the waiter of the holder of seat. With await its waits go on when the last peer has died.
 * One that gives up sleeps half as long, so as to notice a death within a slice. */
static inline void gr_waiter_start(
	gr_waiter *w, gr_ring *r, unsigned seat, int fd, int strategy, bool await) {
	bool producer = seat <= r->max_producers;
	gr_discipline d = gr_discipline_of(r, producer ? r->max_producers : r->max_consumers);
	*w = (gr_waiter){.r = r, .strategy = strategy, .seat = seat, .fd = fd, .peers = {.first = 1}};
	w->ev = producer ? GR_OFF_ROOM_EV : GR_OFF_DATA_EV;
	w->waiting = producer ? GR_OFF_ROOM_WAITING : GR_OFF_DATA_WAITING;
	w->budget = strategy == GR_STRATEGY_PARK ? 0 : GR_MIN_YIELD_NS;
	w->slice = await ? GR_WAIT_SLICE_NS : GR_WAIT_SLICE_NS / 2;
	w->ended = w->reaped = gr_monotonic();
	bool slips = d == GR_SINGLE || (d == GR_BROADCAST && !producer);
	if (strategy == GR_STRATEGY_ADAPTIVE && slips) gr_slip_start(&w->slip, r->slots);
	if (!await) gr_peers_snapshot(&w->peers, r, seat, fd);
}

/* Reports whether a slice has passed since it last did, and then has reaped dead peers: the next
 * look must not trust hints. */
static inline bool gr_slice_over(gr_waiter *w) {
	int64_t now = gr_monotonic();
	if (now - w->reaped < w->slice) return false;
	w->reaped = now;
	gr_reap_dead(w->r, w->fd, w->seat);
	return true;
}

/* Looks and pauses for a moment, short enough to be done under a lock. */
static inline bool gr_spin_briefly(gr_waiter *w, gr_look look, void *arg) {
	if (w->strategy == GR_STRATEGY_PARK) return false;
	for (int i = 0; i < GR_SPINS; i++) {
		if (look(arg, false)) return true;
		gr_pause();
	}
	return false;
}

/* Bounds the yielding phase of a wait that begins now. */
static inline int64_t gr_yield_limit(const gr_waiter *w, int64_t now) {
	int64_t limit = 2 * (now - w->ended);
	if (limit < GR_MIN_YIELD_NS) return GR_MIN_YIELD_NS;
	return limit > GR_MAX_YIELD_NS ? GR_MAX_YIELD_NS : limit;
}

/* Looks and yields the core until the budget is used up. A success earns more, a failure halves
 * it. */
static inline bool gr_yield(gr_waiter *w, gr_look look, void *arg) {
	if (!w->budget) return false;
	int64_t start = gr_monotonic(), limit = gr_yield_limit(w, start);
	for (int64_t now = start; now - start < w->budget; now = gr_monotonic()) {
		sched_yield();
		if (!look(arg, false)) continue;
		w->budget += w->budget / 4 + 1000;
		if (w->budget > limit) w->budget = limit;
		w->ended = now;
		return true;
	}
	if (w->strategy == GR_STRATEGY_ADAPTIVE) {
		w->budget /= 2;
		if (w->budget < 1000 || w->budget >= limit)
			w->budget = 0; /* Also after a probe that found nothing. */
	}
	return false;
}

/* Returns why a wait must end after a look has failed, or GR_WAIT_NOT_YET. It looks once more after
 * a shutdown or a death, since messages committed before must still be delivered. */
static inline gr_wait_result gr_wait_over(gr_waiter *w, gr_look look, void *arg) {
	gr_wait_result why = GR_WAIT_NOT_YET;
	if (gr_is_shutdown(w->r))
		why = GR_WAIT_ENDED;
	else if ((w->dead = gr_peers_dead(&w->peers, w->r)))
		why = GR_WAIT_PEER_DEAD;
	return why != GR_WAIT_NOT_YET && look(arg, true) ? GR_WAIT_DONE : why;
}

/* Sleeps until woken, for at most ns. The flag is stored before the look, and a peer loads it after
 * it has stored the word: one of the two sees the other. The fence is needed because looks are
 * acquire loads, which may pass a store (LDAPR on arm64).
 * SYNC wake load, waiting store, progress store */
static inline gr_wait_result gr_sleep(gr_waiter *w, gr_look look, void *arg, int64_t ns) {
	_Atomic uint32_t *ev = gr_word32(w->r, w->ev);
	uint32_t ticket = atomic_load(ev);
	atomic_store(gr_word32(w->r, w->waiting), 1);
	atomic_thread_fence(memory_order_seq_cst);
	if (look(arg, false)) return GR_WAIT_DONE;
	gr_wait_result why = gr_wait_over(w, look, arg);
	if (why != GR_WAIT_NOT_YET) return why;
	struct timespec t = {ns / 1000000000, ns % 1000000000};
	int64_t before = gr_monotonic();
	atomic_store(gr_seat_progress(w->r, w->seat), before);
	/* Not FUTEX_PRIVATE: the words are shared between processes. EINTR is a normal return. */
	syscall(SYS_futex, ev, FUTEX_WAIT, ticket, &t, NULL, 0);
	int64_t after = gr_monotonic();
	atomic_store(gr_seat_progress(w->r, w->seat), after);
	if (!look(arg, gr_slice_over(w))) return GR_WAIT_NOT_YET;
	int64_t limit = gr_yield_limit(w, before);
	w->ended = after;
	if (w->strategy == GR_STRATEGY_ADAPTIVE && after - before < 4 * limit && --w->naps <= 0) {
		w->naps = GR_PROBE_EVERY;
		w->budget = 2 * limit;
	}
	return GR_WAIT_DONE;
}
#endif
