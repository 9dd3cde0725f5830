/*
 * Broadcast (LAYOUT.md sections 3 and 7, mode 2): one producer, seat 1, and NC consumers, seats
 * 2.., each with a cursor of its own; a slow consumer delays the producer, a dead one does not.
 *
 *   W[i] = n*4 + state             FREE 0, READY 2; no FREE after lap 0
 *   gate      h - g < S, g = min(h, cursors of the seats in use), kept until it is used up
 *   commit    payload; store READY(h); head = h + 1; wake consumers. A batch: head once
 *   successor h by scan; head = h; then the first gate
 *   join      lock; reap the seat if its holder died; cursor = head; state = 1; cursor = head
 *   read t    READY(t), by words alone; cursor = smallest number not released; wake producers
 *   leave     state = 0; unlock; wake producers
 *   reap(d)   holding d's lock: wake all; state = 0; wake producers
 *
 * Every load and store is one step. Steps are sequentially consistent, sleeping and waking are
 * ideal (steps.pml), consumers join and leave at any moment.
 *
 * Checked: a consumer gets every message from its join to its leave, once, in order, whole; the
 * producer never writes a slot that a living consumer looks at or has still to read; numbers are
 * published once; in the end all are; no process sleeps for ever.
 *
 * Options (default): NC(1) S(2) N(4); CRASHP, CRASHC, CRASHR deaths of producers, consumers,
 *   the doctor (the last of a kind has a successor; a consumer has one or not);
 *   HOLD(1) messages a consumer keeps, released in any order; BATCH(1);
 *   LATEST how often consumers skip to the newest; DOCTOR a third party reaps, so often;
 *   JOINWAKE a consumer wakes producers when it has joined, which the layout does not demand;
 *   ROUNDS how often time slices run out: default one for each death and, without JOINWAKE, each
 *   join. A producer that loaded a new seat's first cursor is not notified of the second.
 */
#ifndef NC
#define NC 1
#endif
#ifndef S
#define S 2
#endif
#ifndef N
#define N 4
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
#ifndef DOCTOR
#define DOCTOR 0
#endif
#ifndef HOLD
#define HOLD 1
#endif
#ifndef BATCH
#define BATCH 1
#endif
#ifndef LATEST
#define LATEST 0
#endif
#ifndef ROUNDS
#ifdef JOINWAKE
#define ROUNDS (CRASHP+CRASHC+CRASHR)
#else
#define ROUNDS (CRASHP+2*CRASHC+CRASHR+NC)
#endif
#endif
#define PN (NC+1)
#define num(w)   ((w) >> 2)
#define st(w)    ((w) & 3)
#define FREE(n)  (4*(n))
#define READY(n) (4*(n)+2)

byte W[S], lo[S], hi[S], head, cursor[PN+1];
bit  used[PN+1], lock[PN+1];
byte crashP = CRASHP, crashC = CRASHC, crashR = CRASHR, rounds = ROUNDS, asks = LATEST;

byte views[S], published;       /* ghosts: consumers in each slot; published numbers */

#define MORTAL true
#include "steps.pml"
#define wakeP(x) wake(1, 1, x)
#define wakeC(x) wake(2, PN, x)
#define nextfree(w) (st(w) == 0 -> num(w) : num(w) + S)

/* the caller holds d's lock */
inline reap(d, x) {
  wakeC(x);
  wakeP(x);
  DO(x, used[d] = 0);
  wakeP(x)
}

#define gone(d) (used[d] && !lock[d])
inline reapall(x) {
  d = 1;
  do
  :: d <= PN ->
#ifdef M_REAPNOLOCK             /* a guess, such as an old heartbeat, instead of the lock */
       if :: d != me && used[d] -> DO(x, used[d] = 0) :: else fi;
#else
       DO(x, d_step { if :: d != me && gone(d) -> lock[d] = 1; hold = d :: else fi });
       if
       :: hold ->
            DO(x, f = used[d]);
            if :: f -> f = 0; reap(d, x) :: else fi;
            d_step { lock[d] = 0; hold = 0 }
       :: else
       fi;
#endif
       d++
  :: else -> d = 0; break
  od
}

#define dead() lock[me] = 0; ear[me] = DEAF; if :: hold -> lock[hold] = 0 :: else fi; \
               f = 0; k = 0; i = 0; d = 0; hold = 0

inline gate() {                 /* seat by seat: others run in between */
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
  od
}

proctype Producer(byte me) {
  byte h, e, n, g, f, k, i, d, hold;
  goto start;
died: atomic { dead(); h = 0; e = 0; n = 0; g = 0 };
start:
  atomic { lock[me] == 0 -> lock[me] = 1 };
  if :: used[me] -> reap(me, crashP) :: else fi;
  DO(crashP, used[me] = 1);
#ifdef M_HEADPOS                /* the position from head instead of from the words */
  DO(crashP, h = head);
#else
  scan(h, nextfree, crashP);
#ifndef M_NOHEADFIX             /* a joiner trusts the head that a dead producer left */
  DO(crashP, head = h);
#endif
#endif
  gate();
next:
  if :: h >= N -> goto leave :: else fi;
  if
  :: h - g < S
  :: else ->
       look();
       gate();
       if :: h - g < S :: else -> SLEEP(false) fi
  fi;
  awake();
  e = h + 1;
#if BATCH > 1
  do :: e < N && e < h + BATCH && e - g < S -> e++ :: break od;
#endif
#ifdef M_HEADFIRST              /* head, and with it a joiner, is ahead of the words */
  DO(crashP, head = e);
#endif
  n = h;
  do
  :: n < e ->
       assert(!views[n % S]); DO(crashP, lo[n % S] = n + 1);
       assert(!views[n % S]); DO(crashP, hi[n % S] = n + 1);
       n++
  :: else -> break
  od;
#ifdef M_BATCHREV               /* words from the last to the first */
  do
  :: n > h -> n--; DO(crashP, d_step { assert(num(W[n % S]) <= n); W[n % S] = READY(n); published = e })
  :: else -> break
  od;
#else
  n = h;
  do
  :: n < e -> DO(crashP, d_step { assert(n == published); W[n % S] = READY(n); published = n + 1 }); n++
  :: else -> break
  od;
#endif
#ifndef M_HEADFIRST
  DO(crashP, head = e);
#endif
  h = e; e = 0; n = 0;
#ifndef M_COMMITNOWAKE
  wakeC(crashP);
#endif
  goto next;
slice:
  awake();
  reapall(crashP);
  goto next;
leave:
  atomic { ear[me] = DEAF; used[me] = 0; lock[me] = 0; h = 0; g = 0 }
}

/* t is the next number, c the smallest not released; after c, c+1 may have been released early */
proctype Consumer(byte me) {
  byte t, c, f, k, i, d, hold; bit early;
  goto start;
died:
  atomic { dead();
    if :: t > c -> views[c % S]-- :: else fi;
    if :: t > c + 1 && !early -> views[(c+1) % S]-- :: else fi;
    t = 0; c = 0; early = 0 };
start:
  if :: true :: true -> goto out fi;            /* never joins, or never again */
  atomic { lock[me] == 0 -> lock[me] = 1 };
  if :: used[me] -> reap(me, crashC) :: else fi;
  DO(crashC, d_step { t = head; c = t });
  DO(crashC, cursor[me] = t);
  DO(crashC, used[me] = 1);
#ifndef M_NOREREAD              /* a producer that did not see the seat has gone on */
  DO(crashC, d_step { t = head; c = t });
  DO(crashC, cursor[me] = t);
#endif
#if defined(JOINWAKE) && !defined(M_JOINSILENT)
  wakeP(crashC);
#endif
next:
  if
  :: t == c -> goto leave                       /* leaves before the end */
  :: t == c && asks > 0 ->
       DO(crashC, d_step { asks--; f = head });
       if
       :: f > t + 1 -> t = f - 1; c = t; f = 0; DO(crashC, cursor[me] = c); wakeP(crashC)
       :: else -> f = 0
       fi;
       goto next
  :: t - c < HOLD && t - c < S && !early && t < N
  :: t - c == 2 && !early -> d_step { early = 1; views[(c+1) % S]-- };
#ifdef M_CURSORNEWEST           /* the cursor follows the newest release */
       DO(crashC, cursor[me] = t);
#endif
       goto next
  :: t > c ->
release: skip;
       d_step { assert(lo[c % S] == c + 1 && hi[c % S] == c + 1 && W[c % S] == READY(c));
                views[c % S]--; c = (early -> c + 2 : c + 1); early = 0 };
       DO(crashC, cursor[me] = c);
#ifndef M_RELEASENOWAKE
       wakeP(crashC);
#endif
       goto next
  fi;
  look();
  DO(crashC, f = W[t % S]);
  assert(num(f) <= t);                          /* a message was overwritten before it was read */
  if
  :: f == READY(t) -> d_step { f = 0; views[t % S]++; ear[me] = DEAF; t++ }
  :: else ->
       f = 0;
       if :: t > c -> goto release :: else fi;
       SLEEP(false)
  fi;
  goto next;
slice:
  awake();
  reapall(crashC);
  goto next;
leave:
  ear[me] = DEAF;
  DO(crashC, used[me] = 0);
  DO(crashC, lock[me] = 0);
#ifndef M_LEAVENOWAKE
  wakeP(crashC);
#endif
out: skip; d_step { t = 0; c = 0 }
}

proctype Doctor(byte me) {
  byte f, k, i, d, hold, left = DOCTOR;
  goto start;
died: atomic { dead() };
start:
  do
  :: left > 0 -> left--;
end:   gone(1) || gone(2) || gone(PN) -> reapall(crashR)
  :: break
  od
}

init {
  byte k;
  atomic {
    do :: k < S -> W[k] = FREE(k); k++ :: else -> break od;
    run Producer(1);
    k = 2; do :: k <= PN -> run Consumer(k); k++ :: else -> break od;
#if DOCTOR > 0
    run Doctor(0);
#endif
    k = 0
  }
}
