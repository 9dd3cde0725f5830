/*
 * Broadcast on a GPU ring with timeline (LAYOUT.md sections 7 and 11; words, gate and cursors
 * alone: broadcast.pml). One producer, seat 1, and NC consumers, seats 2.. .
 *
 *   cell i       ready[i], claimed by the producer
 *   cell S+k     done cell of consumer k, with numbers: its stream is done with all below
 *   producer     gate; of each consumer await the smaller of claimed and h-S+1; await ready;
 *                copy; claim ready; READY(h); head = h + 1
 *   consumer     await ready; read; claimed = x; enqueue the write of x; cursor = x
 *   join         x = the larger of head and claimed; value = x; claimed = x; cursor = x;
 *                state = 1; the same again
 *
 * Every load and store of a cursor, a seat or a cell is one step, and a process may die before
 * each. Consumers join and leave at any moment, JOINS times in all.
 *
 * Checked: as in gpu_queue.pml.
 *
 * Options (default): NC(1) S(2) N(3) JOINS(1); CRASHP, CRASHC, CRASHR; SHARED the producer and
 *   the first consumer are streams of one process on one hardware queue, and do not die.
 */
#ifndef NC
#define NC 1
#endif
#ifndef S
#define S 2
#endif
#ifndef N
#define N 3
#endif
#ifndef JOINS
#define JOINS 1
#endif
#ifndef CRASHP
#define CRASHP 0
#endif
#ifndef CRASHC
#define CRASHC 0
#endif
#ifndef CRASHR
#define CRASHR 0
#endif
#ifdef SHARED
#undef SHARED
#define SHARED 1
#else
#define SHARED 0
#endif
#define SHARES (SHARED && me <= 2)
#define PN    (NC+1)
#define CELLS (S+NC)
#if SHARED
#define NQ    (1+JOINS)
#else
#define NQ    (1+CRASHP+JOINS)
#endif
#define QLEN  ((4+2*SHARED)*N)
#define IDS   (N+CRASHP+1)
#define READY(n) ((n) + 1)      /* no message in the slot yet: 0 */
#define ready(i) (i)
#define done_cell(p)  (S + (p) - 2)
#define min(a,b) ((a) < (b) -> (a) : (b))

byte W[S], holds[S], head, cursor[PN+1], joins = JOINS;
byte crashP = CRASHP, crashC = CRASHC, crashR = CRASHR;

#define MORTAL (!SHARES && me <= 2)
#define DO(x, ...) if :: d_step { x > 0 && MORTAL -> x-- }; goto died :: __VA_ARGS__ fi
inline words(d, x) { skip }
#include "gpu_timeline.pml"

#define blocks(p) (p <= PN && used[p % (PN+1)] && cursor[p % (PN+1)] + S <= h)

proctype Producer(byte me) {
  byte q, h, g, i, id, k; bit f;
  goto start;
died:
  atomic { die(); h = 0; g = 0; i = 0; id = 0; f = 0 };
start:
  atomic { take_seat(); used[me] = 1 };
  DO(crashP, d_step { h = (W[0] > W[S-1] -> W[0] : W[S-1]) });
  DO(crashP, head = h);
next:
  if :: h >= N -> goto out :: else fi;
gate:
  DO(crashP, !blocks(2) && !blocks(3));         /* asleep until it may look again */
  g = h; i = 2;
  do
  :: i <= PN ->
       DO(crashP, f = used[i]);
       if
       :: f -> DO(crashP, d_step { if :: cursor[i] < g -> g = cursor[i] :: else fi; f = 0 })
       :: else
       fi;
       i++
  :: else -> i = 0; break
  od;
  if :: h - g < S -> g = 0 :: else -> g = 0; goto gate fi;
#ifndef M_NODONEWAIT
  if
  :: h + 1 > S ->
       k = 2;
       do
       :: k <= PN ->
#if defined(M_WAITCLAIMED)      /* all claims of a consumer: the write may not be enqueued yet */
            DO(crashP, id = claimed[done_cell(k)]);
#elif defined(M_WAITTARGET)     /* h-S+1 of every seat, in use or not */
            id = h + 1 - S;
#else
            DO(crashP, id = min(claimed[done_cell(k)], h + 1 - S));
#endif
            DO(crashP, d_step { if :: !reached(done_cell(k), id) -> enqueue(WAIT, done_cell(k), id, 0) :: else fi; k++; id = 0 })
       :: else -> k = 0; break
       od
  :: else
  fi;
#endif
  i = h % S;
  await(ready(i), crashP);
  DO(crashP, d_step { payloads++; id = payloads; by[id] = q; enqueue(COPY, i, id, 0) });
  claim(ready(i), h, crashP);
  DO(crashP, d_step { holds[i] = id; W[i] = READY(h) });
  h++;
  DO(crashP, head = h);
  d_step { i = 0; id = 0 };
  goto next;
out:
  drain(crashP);
  leave();
  h = 0
}

/* cursor and cell of a joiner: head may be below the number that its predecessor reached */
inline start_done_cell() {
#if defined(M_SETBACK) || defined(M_KEEPVALUE)
  DO(crashC, t = head);
#else
  DO(crashC, d_step { t = head; if :: t < claimed[done_cell(me)] -> t = claimed[done_cell(me)] :: else fi });
#endif
#if defined(M_DONECLAIMFIRST)   /* claimed before value: a death in between leaves it open for ever */
  DO(crashC, claimed[done_cell(me)] = t);
  DO(crashC, value[done_cell(me)] = t)
#elif defined(M_SETBACK)        /* the cell goes back to head: a death in between leaves the old claim open */
  DO(crashC, value[done_cell(me)] = t);
  DO(crashC, claimed[done_cell(me)] = t)
#elif defined(M_KEEPVALUE)      /* the cell keeps a value above its reader's work */
  DO(crashC, d_step { if :: t > value[done_cell(me)] -> value[done_cell(me)] = t :: else fi });
  DO(crashC, claimed[done_cell(me)] = t)
#else
  DO(crashC, d_step { assert(t >= value[done_cell(me)]); value[done_cell(me)] = t });
  DO(crashC, claimed[done_cell(me)] = t)
#endif
  ;
  DO(crashC, cursor[me] = t)
}

proctype Consumer(byte me) {
  byte q, t, k; bit f;
  goto start;
died:
  atomic { die(); t = 0; f = 0 };
start:
  if :: d_step { joins > 0 -> joins-- } :: true -> goto away fi;
  atomic { take_seat() };
  start_done_cell();
  DO(crashC, used[me] = 1);
  start_done_cell();
next:
  if
  :: goto out                   /* leaves before the end */
  :: W[t % S] >= READY(t)
  fi;
  DO(crashC, assert(W[t % S] == READY(t)));
  DO(crashC, f = (voided[ready(t % S)] == claimed[ready(t % S)]));
  if
  :: f -> assert(dead[by[holds[t % S]]]); f = 0
  :: else ->
       await(ready(t % S), crashC);
       DO(crashC, d_step { enqueue(READ, t % S, holds[t % S], claimed[ready(t % S)]) })
  fi;
  t++;
#ifdef M_CURSORFIRST            /* the producer may go on without the claim to wait for */
  DO(crashC, cursor[me] = t);
#endif
  DO(crashC, seat[done_cell(me)] = me);
  DO(crashC, d_step { claimed[done_cell(me)] = t; owes[done_cell(me)] = q });
#ifdef M_UNJOINED               /* written by a stream that does not wait for the one that reads */
  DO(crashC, value[done_cell(me)] = t);
#else
  DO(crashC, d_step { enqueue(SET, done_cell(me), t, 0) });
#endif
  DO(crashC, cursor[me] = t);
  goto next;
out:
#ifndef M_NODRAIN
  drain(crashC);
#endif
  leave();
  t = 0;
  goto start;
away: skip
}

init {
  byte k;
  atomic {
    k = 0; do :: k < NQ -> run Stream(k); k++ :: else -> break od;
    run Producer(1);
    k = 2; do :: k <= PN -> run Consumer(k); k++ :: else -> break od;
#if CRASHP + CRASHC > 0
    run Doctor(0);
#endif
    k = 0
  }
}
