/* goring_wait.h: sleeping (spec section 9). Callers with a global lock of their own
 * drop it around gr_yield and gr_sleep. */
#ifndef GORING_WAIT_H
#define GORING_WAIT_H
#include <errno.h>
#include <sched.h>

#include "goring_peers.h"
#include "goring_slip.h"

enum { GR_ADAPTIVE, GR_SPIN, GR_PARK }; /* strategies */
enum { GR_SHUT_DOWN = -1, GR_PEER_DEAD = -2 };  /* why a wait is in vain */
/* The yielding phase is bounded by about what it costs to be woken, or by twice what the
 * participant worked since its last wait, say to copy a large message: then its peer works as
 * long, and to wake each other would take them as long again. But not beyond GR_YIELD_LONG_NS.
 *
 * A peer that must wake somebody for each message is slow for that reason alone, and then the
 * sleeper's waits are never short. So one in GR_PROBE_EVERY sleeps shorter than four such
 * bounds is followed by a wait that yields for two, as long as it takes both to come out of it. */
enum { GR_YIELD_NS = 50000, GR_YIELD_LONG_NS = 150000, GR_PROBE_EVERY = 8, GR_PAUSES = 40 };

typedef struct {
	gr_ring *r;
	uint64_t ev, waiting; /* offsets of the direction's words */
	int strategy;
	int64_t budget; /* of the yielding phase, ns */
	int naps;       /* short sleeps until the next probe */
	int64_t ended;  /* when the last wait was over, of those that yielded or slept */
	unsigned seat;  /* whose waiter this is */
	int fd;         /* and the description with its lock */
	int64_t slice;  /* how long it sleeps at most before it looks after dead peers, ns */
	int64_t tended; /* when it last did */
	gr_peers peers; /* who can end the wait */
	gr_slip slip;   /* keeps a distance to its peer */
} gr_waiter;

/* reports whether the wait is over; final: the end of a slice, when hints are not trusted */
typedef bool (*gr_look)(void *arg, bool final);

/* await: a wait goes on when its last peer has died, for a successor. One that gives up sleeps
 * half as long, so as to notice a death within a slice. */
static inline void gr_waiter_start(gr_waiter *w, gr_ring *r, unsigned seat, int fd, int strategy, bool await) {
	bool producer = seat <= r->max_producers;
	gr_side side = gr_side_of(r, producer ? r->max_producers : r->max_consumers);
	int64_t now = gr_monotonic();
	*w = (gr_waiter){r, producer ? GR_OFF_ROOM_EV : GR_OFF_DATA_EV, producer ? GR_OFF_ROOM_WAITING : GR_OFF_DATA_WAITING,
	                 strategy, strategy == GR_PARK ? 0 : GR_YIELD_NS, 0, now, seat, fd, await ? GR_WAIT_SLICE_NS : GR_WAIT_SLICE_NS / 2, now, {.first = 1}, {0}};
	if (strategy == GR_ADAPTIVE && (side == GR_ALONE || (side == GR_GATED && !producer))) gr_slip_start(&w->slip, r->slots);
	if (!await) gr_meet(&w->peers, r, seat, fd);
}
/* whether a slice has passed since it last did; the dead have been looked after then, and the
 * next look trusts no hint */
static inline bool gr_slice_over(gr_waiter *w) {
	int64_t now = gr_monotonic();
	if (now - w->tended < w->slice) return false;
	w->tended = now;
	gr_reap_dead(w->r, w->fd, w->seat);
	return true;
}
/* half a microsecond to four of pausing; short enough to be done under a lock */
static inline bool gr_spin(gr_waiter *w, gr_look look, void *arg) {
	if (w->strategy == GR_PARK) return false;
	for (int i = 0; i < GR_PAUSES; i++) {
		if (look(arg, false)) return true;
		gr_pause();
	}
	return false;
}
/* bounds the yielding phase of a wait that begins now */
static inline int64_t gr_yield_most(const gr_waiter *w, int64_t now) {
	int64_t most = 2 * (now - w->ended);
	return most < GR_YIELD_NS ? GR_YIELD_NS : most > GR_YIELD_LONG_NS ? GR_YIELD_LONG_NS : most;
}
/* yields the core until the budget is used up; a success earns more, a failure halves it */
static inline bool gr_yield(gr_waiter *w, gr_look look, void *arg) {
	if (!w->budget) return false;
	int64_t start = gr_monotonic(), most = gr_yield_most(w, start);
	for (int64_t now = start; now - start < w->budget; now = gr_monotonic()) {
		sched_yield();
		if (!look(arg, false)) continue;
		w->budget += w->budget / 4 + 1000;
		if (w->budget > most) w->budget = most;
		w->ended = now;
		return true;
	}
	if (w->strategy == GR_ADAPTIVE) {
		w->budget /= 2;
		if (w->budget < 1000 || w->budget >= most) w->budget = 0; /* also after a probe that found nothing */
	}
	return false;
}
/* once a look has failed: GR_SHUT_DOWN, GR_PEER_DEAD, 0 to go on waiting, 1 there after all:
 * what was committed before still counts */
static inline int gr_in_vain(gr_waiter *w, gr_look look, void *arg) {
	int why = gr_is_shutdown(w->r) ? GR_SHUT_DOWN : gr_deserted(&w->peers, w->r) ? GR_PEER_DEAD : 0;
	return why && look(arg, true) ? 1 : why;
}
/* sleeps until woken, for at most ns: 1 there, 0 not yet, else why it is in vain */
static inline int gr_sleep(gr_waiter *w, gr_look look, void *arg, int64_t ns) {
	_Atomic uint32_t *ev = gr_word32(w->r, w->ev);
	uint32_t ticket = atomic_load(ev);
	atomic_store(gr_word32(w->r, w->waiting), 1); /* pairs with gr_notify: it sees the flag, or we see its word */
	atomic_thread_fence(memory_order_seq_cst); /* looks are acquire loads, which may pass a store: LDAPR on arm64 */
	if (look(arg, false)) return 1;
	int over = gr_in_vain(w, look, arg);
	if (over) return over;
	struct timespec t = {ns / 1000000000, ns % 1000000000};
	int64_t before = gr_monotonic();
	atomic_store(gr_seat_progress(w->r, w->seat), before); /* for people */
	/* not FUTEX_PRIVATE: the words are shared between processes. EINTR is a normal return. */
	syscall(SYS_futex, ev, FUTEX_WAIT, ticket, &t, NULL, 0);
	int64_t after = gr_monotonic(), slept = after - before;
	atomic_store(gr_seat_progress(w->r, w->seat), after);
	if (!look(arg, gr_slice_over(w))) return 0;
	int64_t most = gr_yield_most(w, before);
	w->ended = after;
	if (w->strategy == GR_ADAPTIVE && slept < 4 * most && --w->naps <= 0) w->naps = GR_PROBE_EVERY, w->budget = 2 * most;
	return 1;
}
static inline void gr_shutdown(const gr_ring *r) {
	atomic_store(gr_word32(r, GR_OFF_SHUTDOWN), 1);
	gr_call(r, GR_OFF_DATA_EV);
	gr_call(r, GR_OFF_ROOM_EV);
}
#endif
