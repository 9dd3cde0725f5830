/*
 * Broadcast with overwrite on a GPU ring with timeline (LAYOUT.md sections 7 and 11; words and
 * counting alone: overwrite.pml). One producer, seat 1, that waits for no reader; one reader,
 * seat 2, that claims nothing.
 *
 *   cell i     ready[i], claimed by the producer
 *   write n    WRITING(n); await ready; copy; claim ready; READY(n)
 *   read t     READY(t); claimed; still READY(t); await; copy; synchronise; intact iff still READY(t)
 *
 * Every load and store is one step, and the producer may die before each. The steps of one
 * process on words, cells and its queue happen in the order written here; see spec/litmus.
 *
 * Checked: a message reported as intact has its payload, or is void when its producer is dead;
 * a copy into a slot is alone among copies; cells only grow; no process waits for ever.
 *
 * Options (default): S(1) N(3); CRASHP, CRASHC, CRASHR; SHARED both are streams of one process on one
 *   hardware queue, and do not die.
 */
#ifndef S
#define S 1
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
#ifdef SHARED
#undef SHARED
#define SHARED 1
#else
#define SHARED 0
#endif
#define SHARES SHARED
#define PN    2
#define CELLS S
#define NQ    (2-SHARED+CRASHP+CRASHC)
#define QLEN  (3*N+2*SHARED*N)
#define IDS   (N+CRASHP+1)
#define num(w) ((w) >> 2)
#define st(w)  ((w) & 3)
#define FREE(n)    (4*(n))
#define WRITING(n) (4*(n)+1)
#define READY(n)   (4*(n)+2)
#define ready(i) (i)

byte W[S], holds[S];
byte crashP = CRASHP, crashC = CRASHC, crashR = CRASHR;

#define MORTAL (!SHARES)
#define DO(x, ...) if :: d_step { x > 0 && MORTAL -> x-- }; goto died :: __VA_ARGS__ fi
inline words(d, x) { skip }
#include "gpu_timeline.pml"

#define next_of(w) (st(w) == 2 -> num(w) + S : num(w))

proctype Producer(byte me) {
  byte q, h, i, id, k;
  goto start;
died:
  atomic { die(); h = 0; i = 0; id = 0 };
start:
  atomic { take_seat(); used[me] = 1; h = (next_of(W[0]) < next_of(W[S-1]) -> next_of(W[0]) : next_of(W[S-1])) };
next:
  if :: h >= N -> goto out :: else -> i = h % S fi;
#ifndef M_MARKLATE              /* WRITING is stored after the old payload is overwritten */
  DO(crashP, W[i] = WRITING(h));
#endif
  await(ready(i), crashP);
  DO(crashP, d_step { payloads++; id = payloads; by[id] = q; enqueue(COPY, i, id, 0) });
#ifdef M_MARKLATE
  DO(crashP, W[i] = WRITING(h));
#endif
  claim(ready(i), h, crashP);
  DO(crashP, d_step { holds[i] = id; W[i] = READY(h) });
  h++;
  d_step { i = 0; id = 0 };
  goto next;
out:
  drain(crashP);
  leave();
  h = 0
}

proctype Reader(byte me) {
  byte q, t, w, c, id, k; bit f;
  goto start;
died:
  atomic { die(); t = 0; w = 0; c = 0; id = 0; f = 0 };
start:
  atomic { take_seat(); used[me] = 1 };
next:
  if :: t >= N -> goto out :: else fi;
  num(W[t % S]) > t || W[t % S] == READY(t);
  DO(crashC, w = W[t % S]);
  if
  :: w != READY(t) -> t++; w = 0; goto next     /* lapped */
  :: else
  fi;
  DO(crashC, c = claimed[ready(t % S)]);
#ifdef M_NOLOOK                 /* the claim may be of a later message, and not be enqueued yet */
  DO(crashC, d_step { f = 1; id = holds[t % S] });
#else
  DO(crashC, d_step { f = (W[t % S] == w); id = holds[t % S] });
#endif
  if :: f -> f = 0 :: else -> goto lapped fi;
#ifndef M_NOREADYWAIT
  DO(crashC, d_step { if :: !reached(ready(t % S), c) -> enqueue(WAIT, ready(t % S), c, 0) :: else fi });
#endif
  DO(crashC, d_step { enqueue(PEEK, t % S, id, c) });
#ifdef M_NOSYNC                 /* looks before the stream has come so far */
  DO(crashC, f = (W[t % S] == w));
  DO(crashC, seen[q] != 0);
#else
  DO(crashC, seen[q] != 0);
  DO(crashC, f = (W[t % S] == w));
#endif
  d_step {
    assert(!f || seen[q] == 2 || (dead[by[id]] && voided[ready(t % S)] >= c));
    seen[q] = 0; f = 0 };
lapped:
  atomic { t++; w = 0; c = 0; id = 0 };
  goto next;
out:
  leave();
  t = 0
}

init {
  byte k;
  atomic {
    do :: k < S -> W[k] = FREE(k); k++ :: else -> break od;
    k = 0; do :: k < NQ -> run Stream(k); k++ :: else -> break od;
    run Producer(1);
    run Reader(2);
#if CRASHP + CRASHC > 0
    run Doctor(0);
#endif
    k = 0
  }
}
