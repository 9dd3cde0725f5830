/*
 * Queue mode of goring (LAYOUT.md sections 3, 5, 6, 9): each role has its discipline.
 *
 *   W[i] = n*32 + owner*4 + state      FREE 0, WRITING 1, READY 2, TAKEN 3
 *   READY with owner != 0 is Aborted: a number without a message.
 *   Seats 1..NP produce, NP+1..NP+NC consume.
 *
 *   NP == 1  store only: private position h; wait for FREE(h), fill, store READY(h)
 *   NP >= 2  walk from the hint, CAS FREE -> WRITING, fill, store READY
 *   NC == 1  store only: private position t; see READY(t), read, store FREE(t+S);
 *            a held message stays READY; requeue hands it out again
 *   NC >= 2  walk from the hint, CAS READY -> TAKEN, read, store FREE(t+S);
 *            requeued messages are found by requeue_gen and a scan
 *
 * Every load, store and CAS of a shared word is one step, and a process may die before
 * each of them. Steps are sequentially consistent. Sleeping and waking are ideal (steps.pml).
 *
 * Checked: a payload is delivered intact, committed, not released before, and not more often
 * than deaths and requeues allow; no producer writes a slot that a consumer reads; every
 * number is published once; in the end all are released and all committed ones were
 * delivered; no deadlock.
 *
 * Options (default)
 *   NP(1) NC(2) S(2) N(3)  producers, consumers, slots, numbers to publish; N+S <= 8
 *   CRASHP CRASHC CRASHR   deaths of producers, consumers, doctor; the last one of a kind
 *                          always has a successor, others have one or not
 *   DOCTOR   a third party reaps every dead seat it finds, up to DOCTOR times, at any moment
 *   HOLD(1)  how many messages a consumer may keep, released in any order (1 or 2)
 *   NACK     how often consumers may requeue a message
 *   LEAVE    how often consumers may leave for good while another one stays
 *   BATCH(1) the single producer publishes up to BATCH messages at once
 *   ABORT    how often a producer may abort one
 *   RETRACT  how often a producer may try to take back a message that was committed
 *   WRONGHINT how often a hint may be overwritten with any number
 *   MEND     a single producer that finds READY words after its position frees them
 *   STANDBY  a second process waits for the seat of each single role
 *   ANYSCAN  the scan for requeued messages takes any READY word, and walks start at
 *            the hint alone (LAYOUT.md: smallest READY below the walk; hint or own position)
 *   ROUNDS   (CRASHP+CRASHC+CRASHR+WRONGHINT)
 * Deliberate mistakes (M_...) are described where they are made; the file cases lists them.
 */
#ifndef NP
#define NP 1
#endif
#ifndef NC
#define NC 2
#endif
#ifndef S
#define S 2
#endif
#ifndef N
#define N 3
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
#ifndef NACK
#define NACK 0
#endif
#ifndef LEAVE
#define LEAVE 0
#endif
#ifndef BATCH
#define BATCH 1
#endif
#ifndef ABORT
#define ABORT 0
#endif
#ifndef RETRACT
#define RETRACT 0
#endif
#ifndef WRONGHINT
#define WRONGHINT 0
#endif
#ifndef ROUNDS
#define ROUNDS (CRASHP+CRASHC+CRASHR+WRONGHINT)
#endif
#define PN (NP+NC)
#define MAXSEATS 4
#define num(w) ((w) >> 5)
#define own(w) (((w) >> 2) & 7)
#define st(w)  ((w) & 3)
#define FREE(n)      (32*(n))
#define WRITING(p,n) (32*(n)+4*(p)+1)
#define READY(n)     (32*(n)+2)
#define ABORTED(p,n) (32*(n)+4*(p)+2)
#define TAKEN(c,n)   (32*(n)+4*(c)+3)
#define max(a,b)     ((a) > (b) -> (a) : (b))

byte W[S], lo[S], hi[S];        /* the slot word and the two halves of the payload */
byte redel[S];                  /* redelivered, which only rings of several consumers count */
byte gen, hintP, hintC;
bit  used[MAXSEATS+1], lock[MAXSEATS+1];        /* seat in use; its kernel lock */
byte crashP = CRASHP, crashC = CRASHC, crashR = CRASHR, rounds = ROUNDS;
byte nacks = NACK, aborts = ABORT, leaves = LEAVE, liveP = NP, liveC = NC;

/* ghosts: committed, released, retracted; slots that a consumer reads; how often delivered,
   numbers that are over, dead consumers */
bit  com[N], rel[N], ret[N], view[S];
#ifdef M_LEAVEHELD
bit  lent[S];
#endif
byte dl[N], done, deadC;

/* Seats of a kind are alike: a single death may as well hit the first one. */
#define MORTAL ((CRASHP > 1 || me <= 1 || me > NP) && (CRASHC > 1 || me <= NP + 1))
#include "steps.pml"
#define sleep() SLEEP(done == N)
#define wakeP(x) wake(1, NP, x)
#define wakeC(x) wake(NP+1, PN, x)

/* The caller holds d's lock. */
inline reap(d, x) {
#ifdef M_CLEARFIRST             /* the seat is free before its words are repaired */
  DO(x, used[d] = 0);
#endif
  do
  :: i < S ->                   /* d's words change only under d's lock: the others in one go */
       DO(x, d_step {
         do :: i < S && !(own(W[i]) == d && (st(W[i]) & 1)) -> i++ :: else -> break od;
         if :: i < S -> w = W[i] :: else fi });
       if
       :: i == S -> i = 0; break
       :: i < S && st(w) == 1 ->
#ifdef M_UNDO                   /* a dead producer's slot is FREE again, but the hint is past it */
            DO(x, d_step { if :: W[i] == w -> W[i] = FREE(num(w)); chg = 1 :: else fi })
#else
            DO(x, d_step { if :: W[i] == w -> W[i] = ABORTED(d, num(w)); chg = 1 :: else fi })
#endif
       :: i < S && st(w) == 3 ->
#ifdef M_GENFIRST               /* requeue_gen before the word */
            DO(x, gen++);
#endif
#ifndef M_REDELAFTER            /* redelivered after the word, when the next consumer may have it */
            DO(x, redel[i]++);
#endif
            DO(x, d_step { if :: W[i] == w -> W[i] = READY(num(w)); chg = 1 :: else fi });
#ifdef M_REDELAFTER
            DO(x, redel[i]++)
#endif
       fi;
       i++; w = 0
  :: else -> i = 0; break
  od;
#if NC > 1                      /* a single consumer does not load requeue_gen */
#ifdef M_BUMPIF                 /* requeue_gen only if this reaper changed a word itself */
  if :: chg -> DO(x, gen++) :: else fi;
#else
#ifndef M_GENFIRST
  DO(x, gen++);
#endif
#endif
#endif
  chg = 0;
  wakeC(x);
  wakeP(x);
#ifndef M_CLEARFIRST
  DO(x, used[d] = 0)
#endif
}

/* try the lock of every other seat in use */
#define gone(p) (used[p] && !lock[p])
inline reapall(x) {
  d = 1;
  do
  :: d <= PN ->
       DO(x, d_step {
         do :: d <= PN && !(d != me && gone(d)) -> d++ :: else -> break od;
         if :: d <= PN -> lock[d] = 1; hold = d :: else fi });
       if
       :: hold ->
            DO(x, f = used[d]);
            if :: f -> f = 0; reap(d, x) :: else fi;
            d_step { lock[d] = 0; hold = 0 }
       :: else
       fi;
       d++
  :: else -> d = 0; break
  od
}

inline join(x) {
  d_step { lock[me] == 0 -> lock[me] = 1 };
#ifndef M_JOINNOREAP            /* the successor does not reap its own seat */
  if :: used[me] -> reap(me, x) :: else fi;
#endif
  DO(x, used[me] = 1)
}

/* a dead process: the kernel drops its locks */
#define dead() lock[me] = 0; ear[me] = DEAF; if :: hold -> lock[hold] = 0 :: else fi; \
               w = 0; f = 0; k = 0; i = 0; d = 0; hold = 0; chg = 0

#include "slot_queue_producers.pml"
#include "slot_queue_consumers.pml"

/* Another thread of a producer takes back a committed message: any of them, at any moment, and
   may die before it has woken a sleeper. */
proctype Retractor(byte me) {
  byte n, k, left = RETRACT; bit f;
  do
  :: left > 0 ->
       left--;
end:   if
       :: com[0] -> n = 0
       :: N > 1 && com[1 % N] -> n = 1
       :: N > 2 && com[2 % N] -> n = 2
       fi;
#ifdef M_RETRACTSTORE           /* a look and a store instead of a CAS */
       f = (W[n % S] == READY(n));
#endif
       d_step {
#ifndef M_RETRACTSTORE
         f = (W[n % S] == READY(n));
#endif
         if
         :: f ->
              assert(!view[n % S] && !rel[n]);
              rel[n] = 1; ret[n] = 1; done++;
#ifdef M_RETRACTSAME            /* the number is FREE once more: no producer will use it again */
              W[n % S] = FREE(n)
#else
              W[n % S] = FREE(n + S)
#endif
         :: else
         fi
       };
#ifndef M_RETRACTNOWAKE         /* a slot is free now, but producers sleep on */
       if
       :: f -> wakeP(crashR)
       :: else
       fi;
#endif
died:  skip; d_step { n = 0; f = 0 }
  :: break
  od
}

proctype Hinter() {
  byte left = WRONGHINT;
  do
  :: left > 0 ->
       left--;
       if
       :: hintP = 0 :: hintP = 1 :: hintP = 2
       :: hintC = 0 :: hintC = 1 :: hintC = 2
       fi
  :: break
  od
}

proctype Doctor(byte me) {
  byte w, f, k, i, d, hold, left = DOCTOR; bit chg;
  goto start;
died: atomic { dead() };
start:
  do
  :: left > 0 -> left--;
end:   gone(1) || gone(2) || gone(3) || gone(4) -> reapall(crashR)
  :: break
  od
}

init {
  byte k;
  atomic {
    do :: k < S -> W[k] = FREE(k); k++ :: else -> break od;
#if NP == 1
    run ProducerOne(1);
#ifdef STANDBY
    run ProducerOne(1);
#endif
    k = 2;
#else
    k = 1; do :: k <= NP -> run ProducerMany(k); k++ :: else -> break od;
#endif
#if NC == 1
    run ConsumerOne(k);
#ifdef STANDBY
    run ConsumerOne(k);
#endif
#else
    do :: k <= PN -> run ConsumerMany(k); k++ :: else -> break od;
#endif
#if DOCTOR > 0
    run Doctor(0);
#endif
#if RETRACT > 0 && (NC > 1 || defined(M_RETRACTONE))    /* M_RETRACTONE: with a consumer that does no CAS */
    run Retractor(0);
#endif
#if WRONGHINT > 0
    run Hinter();
#endif
    k = 0
  }
}
