/*
 * Queue mode on a GPU ring with timeline (LAYOUT.md section 11; slot words: sections 5 and 6,
 * modelled in slot_queue*.pml). Taking, reserving and waiting for a word are one step
 * here; every step around the cells is one of its own, and a process may die before each.
 *
 *   cell i      ready[i], claimed by the producer that owns slot i
 *   cell S+i    done[i], claimed by the consumer that owns it
 *   producer    await ready, done; copy; claim ready; READY(n)      abort: the same, Aborted
 *   consumer    void: FREE. else await ready; read; claim done; FREE(n+S), or READY(n) again
 *
 * Checked: a copy into a slot is alone in it; a read is of exactly the message's payload, or the
 * message is known to be void when the read has ended, and then its producer is dead; no message
 * of a living producer is void; cells only grow; no stream and no host waits for ever.
 *
 * Options (default): NP(1) NC(1) S(1) N(2); CRASHP, CRASHC, CRASHR deaths of producers, consumers,
 *   the doctor; NACK, ABORT how often; SHARED the first producer and the first consumer are
 *   streams of one process on one hardware queue, and do not die; FIRST of several, the mortal one
 *   gets number 0, and the others the rest, unless there was a death or a nack.
 */
#ifndef NP
#define NP 1
#endif
#ifndef NC
#define NC 1
#endif
#ifndef S
#define S 1
#endif
#ifndef N
#define N 2
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
#ifndef NACK
#define NACK 0
#endif
#ifndef ABORT
#define ABORT 0
#endif
#ifdef SHARED
#undef SHARED
#define SHARED 1
#else
#define SHARED 0
#endif
#ifdef FIRST
#define turn(i, first) ((me == (first)) == (num(W[i]) == 0) || crashP + crashC + nacks < CRASHP + CRASHC + NACK)
#else
#define turn(i, first) true
#endif
#define SHARES (SHARED && (me == 1 || me == NP + 1))
#define PN    (NP+NC)
#define CELLS (2*S)
#define NQ    (PN-SHARED+HEIRSP+HEIRSC)
/* one of several may die, without a successor; a single one has a successor */
#if NP == 1
#define HEIRSP CRASHP
#else
#define HEIRSP 0
#endif
#if NC == 1
#define HEIRSC CRASHC
#else
#define HEIRSC 0
#endif
#define QLEN  (4*(N+NACK+ABORT)*(1+SHARED))
#define IDS   (N+ABORT+CRASHP+1)

#define num(w) ((w) >> 5)
#define own(w) (((w) >> 2) & 7)
#define st(w)  ((w) & 3)
#define FREE(n)      (32*(n))
#define WRITING(p,n) (32*(n)+4*(p)+1)
#define READY(n)     (32*(n)+2)
#define ABORTED(p,n) (32*(n)+4*(p)+2)
#define TAKEN(c,n)   (32*(n)+4*(c)+3)
#define ready(i) (i)
#define done(i)  (S+(i))

byte W[S], holds[S];            /* the word; ghost: the payload of the message in it */
byte written, finished;         /* ghosts: numbers that are READY or Aborted; that are over */
byte crashP = CRASHP, crashC = CRASHC, crashR = CRASHR, nacks = NACK, aborts = ABORT;


#define MORTAL (!SHARES && (me == 0 || me == 1 + SHARED || me == NP + 1 + SHARED))
#define DO(x, ...) if :: d_step { x > 0 && MORTAL -> x-- }; goto died :: __VA_ARGS__ fi

/* step 2 of Reap */
inline words(d, x) {
  do
  :: k < S ->
       DO(x, d_step {
         if
         :: W[k] == WRITING(d, num(W[k])) -> W[k] = ABORTED(d, num(W[k])); written++
         :: W[k] == TAKEN(d, num(W[k])) -> W[k] = READY(num(W[k]))
         :: else
         fi; k++ })
  :: else -> k = 0; break
  od
}

#include "gpu_timeline.pml"

/* a slot to write: of the only producer, the word stays FREE; else it is marked */
#define room(i) (st(W[i]) == 0 && num(W[i]) < N && (NP == 1 || turn(i, 1 + SHARED)))
#if NP == 1
#define reserve(i) n = num(W[i])
#define writes(i) (W[i] == FREE(n))
#else
#define reserve(i) n = num(W[i]); W[i] = WRITING(me, n)
#define writes(i) (W[i] == WRITING(me, n))
#endif

proctype Producer(byte me) {
  byte q, i, n, id, k;
  goto start;
died:
  atomic { die(); i = 0; n = 0; id = 0 };
  if :: NP > 1 -> goto away :: else fi;
start:
  atomic { take_seat(); used[me] = 1 };
next:
  if
  :: DO(crashP, d_step { room(0) -> reserve(0) })
  :: S > 1 && room(S-1) -> DO(crashP, d_step { room(S-1) -> i = S - 1; reserve(S-1) })
  :: written == N -> goto out
  fi;
#ifndef M_NOREADYROOM           /* awaits the readers alone: a message without a reader may still be written */
  await(ready(i), crashP);
#endif
#ifndef M_NODONEWAIT
  await(done(i), crashP);
#endif
  DO(crashP, d_step { payloads++; id = payloads; by[id] = q; enqueue(COPY, i, id, 0) });
#ifdef M_CLAIMLATE              /* the word is stored before the claim */
  DO(crashP, d_step { assert(writes(i)); holds[i] = id; written++; W[i] = READY(n) });
  claim(ready(i), n, crashP);
#else
  claim(ready(i), n, crashP);
  if
  :: DO(crashP, d_step { assert(writes(i)); holds[i] = id; written++; W[i] = READY(n) })
  :: DO(crashP, d_step { aborts > 0 -> aborts--; if :: NP > 1 -> W[i] = ABORTED(me, n); written++ :: else fi })
  fi;
#ifdef M_PUBLISHFIRST           /* the word is stored before the write is enqueued */
  DO(crashP, d_step { enqueue(SET, ready(i), claimed[ready(i)], 0) });
#endif
#endif
  d_step { i = 0; n = 0; id = 0 };
  goto next;
out:
#ifndef M_NODRAIN               /* leaves, and ends, while its copies go on */
  drain(crashP);
#endif
  leave();
away: skip
}

/* a message to take: by the only consumer, it stays READY; else it is marked */
#define ripe(i) (st(W[i]) == 2 && (NC == 1 || turn(i, NP + 1 + SHARED)))
#if NC == 1
#define take(i) n = num(W[i])
#define mine(i) (W[i] == READY(n))
#else
#define take(i) n = num(W[i]); W[i] = TAKEN(me, n)
#define mine(i) (W[i] == TAKEN(me, n))
#endif

proctype Consumer(byte me) {
  byte q, i, n, k; bit f;
  goto start;
died:
  atomic { die(); i = 0; n = 0; f = 0 };
  if :: NC > 1 -> goto away :: else fi;
start:
  atomic { take_seat(); used[me] = 1 };
next:
  if
  :: DO(crashC, d_step { ripe(0) -> f = (own(W[0]) != 0); if :: f -> finished++; W[0] = FREE(num(W[0])+S) :: else -> take(0) fi })
  :: S > 1 && ripe(S-1) ->
       DO(crashC, d_step { ripe(S-1) -> f = (own(W[S-1]) != 0);
         if :: f -> finished++; W[S-1] = FREE(num(W[S-1])+S) :: else -> i = S - 1; take(S-1) fi })
  :: finished == N -> goto out
  fi;
  if :: f -> f = 0; goto next :: else fi;
  DO(crashC, f = (voided[ready(i)] == claimed[ready(i)]));
  if :: f -> assert(dead[by[holds[i]]]); f = 0; goto release :: else fi;
#ifndef M_NOREADYWAIT
  await(ready(i), crashC);
#endif
  DO(crashC, d_step { enqueue(READ, i, holds[i], claimed[ready(i)]) });
  claim(done(i), n, crashC);
  if
  :: DO(crashC, d_step { nacks > 0 -> assert(mine(i)); nacks--; W[i] = READY(n) }); goto given
  :: true
  fi;
release:
  DO(crashC, d_step { assert(mine(i)); finished++; W[i] = FREE(n + S) });
given:
#ifdef M_PUBLISHFIRST
  DO(crashC, d_step { if :: !reached(done(i), claimed[done(i)]) -> enqueue(SET, done(i), claimed[done(i)], 0) :: else fi });
#endif
  atomic { i = 0; n = 0 };
  goto next;
out:
  drain(crashC);
  leave();
away: skip
}

init {
  byte k;
  atomic {
    do :: k < S -> W[k] = FREE(k); k++ :: else -> break od;
    k = 0; do :: k < NQ -> run Stream(k); k++ :: else -> break od;
    k = 1; do :: k <= NP -> run Producer(k); k++ :: else -> break od;
    do :: k <= PN -> run Consumer(k); k++ :: else -> break od;
#if CRASHP + CRASHC > 0
    run Doctor(0);
#endif
    k = 0
  }
}
