/* Part of slot_queue.pml: producers of discipline single and multi. */

#ifdef M_LEAVEHELD
#define seen(n) (view[(n) % S] || lent[(n) % S])
#else
#define seen(n) view[(n) % S]
#endif
#define fill(n) \
  assert(!seen(n)); DO(crashP, lo[(n) % S] = (n) + 1); \
  assert(!seen(n)); DO(crashP, d_step { hi[(n) % S] = (n) + 1; redel[(n) % S] = 0 })
#define publish(n, old) d_step { assert(W[(n) % S] == old && !com[n]); W[(n) % S] = READY(n); com[n] = 1 }
#define abandon(n) d_step { aborts > 0 -> aborts--; W[(n) % S] = ABORTED(me, n) }

/* f(w) of LAYOUT.md section 6 */
#ifdef M_PSCANTAKEN             /* the way of 1:1 rings: only READY counts as used, TAKEN does not */
#define nextfree(w) (st(w) == 2 -> num(w) + S : num(w))
#else
#ifdef M_PSCANFREE              /* the smallest FREE slot, if there is one */
#define nextfree(w) (st(w) == 0 -> num(w) : LAST + num(w) + S)
#else
#define nextfree(w) (st(w) == 0 -> num(w) : num(w) + S)
#endif
#endif

#if NP == 1

proctype ProducerOne(byte me) {
  byte h, e, n, w, f, k, i, d, hold; bit chg;
  goto start;
died: atomic { dead(); h = 0; e = 0; n = 0 };
start:
#ifdef M_SCANUNLOCKED           /* the position is read before the seat is owned */
  scan(h, nextfree, crashP);
  join(crashP);
#else
  join(crashP);
  scan(h, nextfree, crashP);
#endif
#ifdef MEND
  n = h + S - 1;
  do
  :: n > h ->
       DO(crashP, w = W[n % S]);
       if :: w == READY(n) -> DO(crashP, d_step { W[n % S] = FREE(n); com[n] = 0 }) :: else fi;
       w = 0; n--
  :: else -> n = 0; break
  od;
#endif
next:
  if :: h >= N -> goto leave :: else fi;
  look();
  DO(crashP, w = W[h % S]);
  if
  :: w == FREE(h) -> w = 0
  :: else ->
       assert(num(w) + S == h && st(w) >= 2);   /* h is exact: message h-S is not released yet */
       w = 0;
       sleep()
  fi;
  awake();
  e = h + 1;
#if BATCH > 1
  do
  :: e < N && e < h + BATCH ->
       DO(crashP, w = W[e % S]);
       if :: w == FREE(e) -> w = 0; e++ :: else -> w = 0; break fi
  :: break
  od;
#endif
  n = h;
  do :: n < e -> fill(n); n++ :: else -> break od;
#ifdef M_BATCHREV               /* words from the last to the first */
  do :: n > h -> n--; DO(crashP, publish(n, FREE(n))) :: else -> break od;
#else
  n = h;
  do
  :: n < e ->
       if
       :: DO(crashP, publish(n, FREE(n)))
       :: d_step { n + 1 == e && n > h && aborts > 0 -> aborts--; e-- }; break  /* the last: no store */
#ifdef M_ABORTHOLE              /* no store either where later ones follow */
       :: d_step { n + 1 < e && aborts > 0 -> aborts-- }
#else
       :: n + 1 < e && aborts > 0 -> DO(crashP, abandon(n))
#endif
       fi;
       n++
  :: else -> break
  od;
#endif
  h = e; e = 0; n = 0;
  wakeC(crashP);
  goto next;
slice:
  awake();
  reapall(crashP);
  goto next;
leave:
  atomic { ear[me] = DEAF; used[me] = 0; lock[me] = 0; h = 0; e = 0; n = 0 }
}

#else

proctype ProducerMany(byte me) {
  byte h, pos, w, f, k, i, d, hold; bit chg;
  goto start;
died:
  atomic { dead(); h = 0; pos = 0 };
  if :: goto start :: d_step { liveP > 1 -> liveP-- }; goto out fi;
start:
  join(crashP);
next:
  look();
#ifdef ANYSCAN
  DO(crashP, h = hintP);
#else
  DO(crashP, d_step { h = max(hintP, pos); pos = 0 });
#endif
walk:
#if WRONGHINT > 0               /* one more to send at all times: full, until all is done */
  if :: h >= N -> d_step { pos = h; h = 0 }; sleep() :: else fi;
#else
  if :: h >= N -> goto leave :: else fi;
#endif
  DO(crashP, w = W[h % S]);
  if
  :: num(w) > h || (num(w) == h && st(w) != 0) -> h++; w = 0; goto walk
  :: num(w) < h -> d_step { w = 0; pos = h; h = 0 }; sleep()
  :: else
  fi;
#ifdef M_STORERESERVE           /* the single producer's way: no CAS, no WRITING */
  w = 0;
#else
  DO(crashP, d_step { f = (W[h % S] == w); if :: f -> W[h % S] = WRITING(me, h) :: else fi; w = 0 });
  if :: f -> f = 0 :: else -> goto walk fi;
#endif
  awake();
  DO(crashP, hintP = h + 1);
  fill(h);
#ifdef M_STORERESERVE
  DO(crashP, publish(h, FREE(h)));
#else
  if
  :: DO(crashP, publish(h, WRITING(me, h)))
  :: DO(crashP, abandon(h))
  fi;
#endif
  d_step { pos = h + 1; h = 0 };
  wakeC(crashP);
  goto next;
slice:
  awake();
  reapall(crashP);
#if WRONGHINT > 0
  look();
#ifndef M_TRUSTHINT
  scan(h, nextfree, crashP);
  goto walk;
#endif
#endif
  goto next;
leave:
  atomic { ear[me] = DEAF; used[me] = 0; lock[me] = 0 };
out: atomic { h = 0; pos = 0 }
}
#endif
