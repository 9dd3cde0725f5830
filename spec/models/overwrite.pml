/*
 * Broadcast with overwrite (LAYOUT.md section 7, mode 3): one producer that never waits, one
 * reader that writes nothing; more readers are just the same reader again.
 *
 *   W[i] = n*4 + state             FREE 0, WRITING 1, READY 2
 *   write n   store WRITING(n); fence; payload; store READY(n); head = n + 1.  A batch stores
 *             all its WRITING words, first to last, before its payloads, and head once.
 *             Abort: nothing; the number is used by the next message.
 *   start     n = min f(w) over all words; head = n
 *   read t    w1 = READY(t): use the bytes; fence; w2; intact iff w1 == w2, as whole words
 *   lapped    n(w) > t: t' = max(t+1, head-S+1); lost += t'-t
 *   newest    message head-1, if it was not read before
 *
 * Every load and store is one step; the payload is two halves. Without a fence the stores (the
 * loads) on its two sides may happen in any order, as they may on arm64 even with sequentially
 * consistent accesses of the word: M_WNOFENCE, M_RNOFENCE. That a fence keeps them in order is
 * assumed here; spec/litmus shows it.
 *
 * Checked: a message reported as intact is intact, committed, and of its number; numbers
 * only go up; delivered + torn + lost is exactly the numbers between the start and the end; a
 * committed number is never used again; the newest is no older than the newest committed
 * when the reader asked (less messages that a producer has not yet counted into head).
 *
 * Options (default): S(2) N(5); CRASHP producers die at any step, and a successor comes;
 *   BATCH(1); ABORT how often a batch's last message is aborted; LATEST how often the reader
 *   asks for the newest; LATE the reader may join at any time, not only at 0.
 */
#ifndef S
#define S 2
#endif
#ifndef N
#define N 5
#endif
#ifndef CRASHP
#define CRASHP 0
#endif
#ifndef BATCH
#define BATCH 1
#endif
#ifndef ABORT
#define ABORT 0
#endif
#ifndef LATEST
#define LATEST 0
#endif
#define NONE 99
#define num(w) ((w) >> 2)
#define st(w)  ((w) & 3)
#define FREE(n)    (4*(n))
#define WRITING(n) (4*(n)+1)
#define READY(n)   (4*(n)+2)
#define max(a,b)   ((a) > (b) -> (a) : (b))

byte W[S], lo[S], hi[S], head;
byte crashP = CRASHP, aborts = ABORT;
bit  com[N]; byte newest;       /* ghosts: committed numbers, and how many */

#define DO(...) if :: d_step { crashP > 0 -> crashP-- }; goto died :: __VA_ARGS__ fi
#define mark(n) DO(W[(n) % S] = WRITING(n))
#define half(n, part) DO(part[(n) % S] = (n) + 1)

proctype Producer() {
  byte h, e, n, i, f;
  goto start;
died: skip; d_step { h = 0; e = 0; n = 0; i = 0; f = 0 };
start:
#ifdef M_RESUMEHEAD             /* a successor trusts head, which lags */
  h = head;
#else
  h = NONE;
  do
  :: i < S ->
       DO(d_step { f = (st(W[i]) == 2 -> num(W[i]) + S : num(W[i])); if :: f < h -> h = f :: else fi; i++; f = 0 })
  :: else -> i = 0; break
  od;
#ifndef M_NOHEADFIX             /* the message its predecessor had not counted stays uncounted */
  if :: head != h -> DO(head = h) :: else fi;
#endif
#endif
  do
  :: h >= N -> break
  :: h < N ->
       e = h + 1;
#if BATCH > 1
       do :: e < N && e < h + BATCH && e < h + S -> e++ :: break od;
#endif
#ifdef M_HEADFIRST              /* head counts messages before they are READY */
       DO(head = e);
#endif
#ifdef M_WNOFENCE
       if
       :: mark(h); half(h, lo); half(h, hi)
       :: half(h, lo); mark(h); half(h, hi)
       :: half(h, lo); half(h, hi); mark(h)
       :: half(h, hi); mark(h); half(h, lo)
       fi;
#else
#ifndef M_NOMARK                /* no WRITING: the old READY stands over the new bytes */
       n = h; do :: n < e -> mark(n); n++ :: else -> break od;
#endif
       n = h; do :: n < e -> half(n, lo); half(n, hi); n++ :: else -> break od;
#endif
       if :: d_step { aborts > 0 && e > h -> aborts--; e-- } :: true fi;
       n = h;
       do
       :: n < e -> assert(!com[n]); DO(d_step { W[n % S] = READY(n); com[n] = 1; newest = n + 1 }); n++
       :: else -> break
       od;
#ifndef M_HEADFIRST
       if :: e > h -> DO(head = e) :: else fi;
#endif
       h = e
  od
}

inline copy(n) {                /* a, b are the payload, w2 the second look */
#ifdef M_RNOFENCE
  if
  :: a = lo[(n) % S]; b = hi[(n) % S]; w2 = W[(n) % S]
  :: w2 = W[(n) % S]; a = lo[(n) % S]; b = hi[(n) % S]
  :: a = lo[(n) % S]; w2 = W[(n) % S]; b = hi[(n) % S]
  fi
#else
  a = lo[(n) % S]; b = hi[(n) % S]; w2 = W[(n) % S]
#endif
}
#if defined(M_NOSECOND)         /* no second look */
#define whole true
#elif defined(M_STATEONLY)      /* the second look compares states, not words */
#define whole (st(w2) == 2)
#else
#define whole (w1 == w2)
#endif

proctype Reader() {
  byte from, t, w1, w2, a, b, got, torn, lost, skipped, h, before, asks = LATEST;
#ifdef LATE
  t = head; from = t;
#endif
  do
  :: t >= N -> break
  :: t < N && asks > 0 ->       /* the newest, if it was not read before */
       asks--;
       before = newest;
       h = head;
       assert(h <= newest);     /* the message before head is READY */
       if
       :: h > t ->
            assert(h + BATCH >= before);
#ifdef M_SKIPISLOST             /* messages passed over by asking count as lost */
            lost = lost + (h - 1 - t);
#endif
            skipped = skipped + (h - 1 - t);
            t = h - 1
       :: else -> assert(before <= t + BATCH)
       fi;
       h = 0; before = 0
  :: t < N ->
       w1 = W[t % S];
       if
       :: w1 == READY(t) ->
            copy(t);
            d_step {
              if
              :: whole -> assert(a == t + 1 && b == t + 1 && com[t]); got++
              :: else -> assert(num(w2) > t); torn++     /* delivered, and the reader is told */
              fi;
              t++; a = 0; b = 0; w1 = 0; w2 = 0 }
       :: num(w1) > t ->
            w1 = 0;
            h = head;
            d_step {
#ifdef M_NOMAX                  /* head lags: its number may be below t */
              h = (h >= S -> h - S + 1 : 0);
#else
              h = (h > t + S -> h - S + 1 : t + 1);
#endif
              assert(h > t);
#ifdef M_LOSTONE                /* a jump over several counts as one */
              lost++;
#else
              lost = lost + (h - t);
#endif
              t = h; h = 0 }
       :: else ->               /* not ready yet: asleep until the word changes */
            w1 = 0;
            num(W[t % S]) > t || W[t % S] == READY(t) || (asks > 0 && head > t)
       fi
  od;
  assert(t == N && got + torn + lost + skipped == N - from)
}

init { byte i; atomic {
  do :: i < S -> W[i] = FREE(i); i++ :: else -> break od;
  run Producer(); run Reader() } }
