/* Part of slot_queue.pml: consumers of discipline single and multi. */

/* store FREE(n+S) over a word of message n; the word is looked at first (misuse) */
#define freed(n, old) d_step { assert(W[(n) % S] == old && !rel[n]); rel[n] = 1; done++; \
                               view[(n) % S] = 0; W[(n) % S] = FREE((n) + S) }

/* message n reaches the user */
#define delivered(n) d_step { assert(lo[(n) % S] == (n) + 1 && hi[(n) % S] == (n) + 1); dl[n]++; \
                              assert(com[n] && !rel[n] && dl[n] <= 1 + deadC + NACK - nacks); \
                              assert(NC == 1 || dl[n] <= 1 + redel[(n) % S]) }

/* where a scan puts a consumer: the smallest n of all words */
#ifdef M_CSCANREADY             /* the smallest READY, if there is one */
#define oldest(w) (st(w) == 2 -> num(w) : LAST + num(w))
#else
#define oldest(w) num(w)
#endif

#define finished() atomic { k = 0; \
  do :: k < N -> assert(rel[k] && (!com[k] || ret[k] || dl[k] >= 1)); k++ :: else -> break od; k = 0; \
  ear[me] = DEAF; used[me] = 0; lock[me] = 0 }

#if NC == 1
#define holds(n) ((a != NONE && a % S == (n) % S) || (b != NONE && b % S == (n) % S))

/* a and b are held messages, still READY; qa and qb: requeued, to be handed out again */
proctype ConsumerOne(byte me) {
  byte t, a = NONE, b = NONE, w, f, k, i, d, hold; bit qa, qb, chg;
  goto start;
died:
  atomic { dead(); deadC++; t = 0; qa = 0; qb = 0;
    if :: a != NONE -> view[a % S] = 0 :: else fi;
    if :: b != NONE -> view[b % S] = 0 :: else fi;
    a = NONE; b = NONE };
start:
#ifdef M_SCANUNLOCKED
  scan(t, oldest, crashC);
  join(crashC);
#else
  join(crashC);
  scan(t, oldest, crashC);
#endif
next:
  if
  :: a != NONE && !qa ->
       if
       :: DO(crashC, freed(a, READY(a))); a = NONE; wakeP(crashC)
       :: d_step { nacks > 0 -> nacks--; qa = 1 }
       fi; goto next
  :: b != NONE && !qb ->
       if
       :: DO(crashC, freed(b, READY(b))); b = NONE; wakeP(crashC)
       :: d_step { nacks > 0 -> nacks--; qb = 1 }
       fi; goto next
#ifdef M_REQLOST                /* "READY again" and no private list: the position is past it */
  :: qa && t < N -> d_step { view[a % S] = 0; a = NONE; qa = 0 }; goto next
  :: qb && t < N -> d_step { view[b % S] = 0; b = NONE; qb = 0 }; goto next
#else
  :: qa && (!qb || a < b) -> qa = 0; DO(crashC, delivered(a)); goto next
  :: qb && (!qa || b < a) -> qb = 0; DO(crashC, delivered(b)); goto next
#endif
  :: !qa && !qb && t < N && (a == NONE || (HOLD > 1 && b == NONE))
  :: t >= N && a == NONE && b == NONE -> goto leave
#ifdef M_LEAVEHELD              /* leaves its seat while its user still reads a message */
  :: d_step { a != NONE && leaves > 0 -> leaves--; lent[a % S] = 1; ear[me] = DEAF; used[me] = 0; lock[me] = 0 }; goto out
#endif
  fi;
  look();
#ifdef M_RELOOK                 /* no private position: looks from the oldest word each time */
  scan(t, oldest, crashC);
#endif
  DO(crashC, w = W[t % S]);
  if
#ifndef M_NOSKIP                /* a predecessor released t out of order */
  :: num(w) > t -> w = 0; t++
#endif
#ifdef M_NOOWNER                /* state alone: an aborted message looks READY */
  :: num(w) == t && st(w) == 2 ->
#else
  :: num(w) == t && st(w) == 2 && own(w) != 0 ->
       DO(crashC, freed(t, w));
       w = 0; t++;
#ifndef M_ABNOWAKE              /* no message was delivered, so no producer is woken */
       wakeP(crashC)
#endif
  :: w == READY(t) ->
#endif
       w = 0; view[t % S] = 1; ear[me] = DEAF;
       if :: a == NONE -> a = t :: else -> b = t fi;
       t++;
       DO(crashC, delivered(t - 1))
  :: num(w) < t -> assert(holds(t)); w = 0      /* waits for itself: an error to the caller */
  :: else -> w = 0; sleep()
  fi;
  goto next;
slice:
  awake();
  reapall(crashC);
  goto next;
leave:
  finished();
out: atomic { t = 0; a = NONE; b = NONE }
}

#else

proctype ConsumerMany(byte me) {
  byte t, pos, w, f, k, i, d, hold, g, mine, a = NONE, best = NONE; bit again, chg;
  goto start;
died:
  atomic { dead(); deadC++; t = 0; pos = 0; g = 0; mine = 0; a = NONE; best = NONE; again = 0;
    do
    :: i < S -> if :: st(W[i]) == 3 && own(W[i]) == me -> view[i] = 0 :: else fi; i++
    :: else -> i = 0; break
    od };
  if :: goto start :: d_step { liveC > 1 -> liveC-- }; goto out fi;
start:
  join(crashC);
#ifdef M_NOINITSCAN             /* a new consumer begins with the present requeue_gen */
  mine = gen;
#else
  mine = NONE;
#endif
next:
  if
  :: true
  :: d_step { a == NONE && leaves > 0 && liveC > 1 ->
       leaves--; liveC--; ear[me] = DEAF; used[me] = 0; lock[me] = 0 }; goto out
  fi;
  look();
#ifdef ANYSCAN
  DO(crashC, t = hintC);
#else
  DO(crashC, d_step { t = max(hintC, pos); pos = 0 });
#endif
walk:
  if :: t >= N -> goto nothing :: else fi;
  DO(crashC, w = W[t % S]);
  if
  :: num(w) > t || (num(w) == t && st(w) == 3) -> t++; w = 0; goto walk
  :: num(w) < t || (num(w) == t && st(w) < 2) -> w = 0; goto nothing
  :: num(w) == t && st(w) == 2 && own(w) != 0 ->
       DO(crashC, d_step { f = (W[t % S] == w); if :: f -> freed(t, w) :: else fi; w = 0 });
       if :: f -> f = 0; t++; wakeP(crashC) :: else fi;
       goto walk
  :: w == READY(t)
  fi;
#ifdef M_STORETAKE              /* the single consumer's way: no CAS */
  DO(crashC, d_step { f = 1; W[t % S] = TAKEN(me, t); view[t % S] = 1; w = 0 });
#else
  DO(crashC, d_step { f = (W[t % S] == w);
    if :: f -> W[t % S] = TAKEN(me, t); view[t % S] = 1 :: else fi; w = 0 });
#endif
  if :: f -> f = 0 :: else -> goto walk fi;
  DO(crashC, hintC = t + 1);
  d_step { pos = t + 1; again = 0; g = 0 };
  goto got;

nothing:                        /* the walk stopped at t */
  if
  :: !again ->
#ifdef M_GENAFTER               /* requeue_gen is read after the scan */
       if :: gen == mine -> goto isempty :: else fi;
#else
       DO(crashC, g = gen);
       if :: g == mine -> g = 0; goto isempty :: else fi;
#endif
#if !defined(ANYSCAN) && !defined(M_NOWALK2)    /* M_NOWALK2: no walk after the load of requeue_gen */
       again = 1; goto walk
#endif
  :: else -> again = 0
  fi;
  do
  :: i < S ->
       DO(crashC, w = W[i]);
#ifdef ANYSCAN
       if
       :: st(w) == 2 && num(w) < N ->
            DO(crashC, d_step { f = (W[i] == w);
              if
              :: f && own(w) -> freed(num(w), w)
              :: f && !own(w) -> W[i] = TAKEN(me, num(w)); view[i] = 1
              :: else
              fi });
            if
            :: f && own(w) -> d_step { f = 0; w = 0; i = 0; g = 0 }; wakeP(crashC); goto next
            :: f && !own(w) -> d_step { f = 0; t = num(w); w = 0; i = 0; g = 0 }; goto got
            :: else
            fi
       :: else
       fi;
#else
       if
       :: st(w) == 2 && num(w) < t && num(w) < best ->
            /* no walk passes a slot that is not decided, unless the hint was wrong */
            assert(own(w) == 0 || WRONGHINT);
            if :: own(w) == 0 -> best = num(w) :: else fi
       :: else
       fi;
#endif
       i++; w = 0
  :: else -> i = 0; break
  od;
  if
  :: best == NONE ->
#ifdef M_GENAFTER
       g = gen;
#endif
       d_step { mine = g; g = 0 };
       goto isempty
  :: else
  fi;
  DO(crashC, d_step { f = (W[best % S] == READY(best));
    if :: f -> W[best % S] = TAKEN(me, best); view[best % S] = 1 :: else fi });
#ifdef M_PRIVEARLY              /* requeue_gen counts as known, though the scan found a message */
  mine = g;
#endif
  pos = t;
  if
  :: f -> d_step { f = 0; t = best; best = NONE; g = 0 }
  :: else ->                    /* another consumer was faster: one more message may be READY */
#ifdef M_LOSTDONE               /* the scan counts as one that found none */
       d_step { best = NONE; mine = g; g = 0 }; goto isempty
#else
       d_step { best = NONE; g = 0; t = 0 }; goto next
#endif
  fi;

got:
  awake();
  DO(crashC, delivered(t));
  if
  :: HOLD > 1 && a == NONE -> d_step { a = t; t = 0 }; goto next
  :: HOLD > 1 && a != NONE -> d_step { k = a; a = t; t = k; k = 0 }     /* the older one first */
  :: DO(crashC, d_step { nacks > 0 -> nacks--; assert(W[t % S] == TAKEN(me, t)); redel[t % S]++ });
       DO(crashC, d_step { view[t % S] = 0; W[t % S] = READY(t); t = 0 });
#ifndef M_NACKNOGEN             /* the single consumer's way: READY again, and no count */
       DO(crashC, gen++);
#endif
       wakeC(crashC);
       goto next
  :: true
  fi;
release:
  DO(crashC, freed(t, TAKEN(me, t)));
  t = 0;
  wakeP(crashC);
  goto next;
isempty:
  atomic { pos = t; t = 0 };
  if :: a != NONE -> d_step { t = a; a = NONE }; goto release :: else fi;
  sleep();
slice:
  awake();
  reapall(crashC);
#if WRONGHINT > 0
  look();
#ifndef M_TRUSTHINT             /* the look after a slice trusts the hint like any other */
  scan(t, oldest, crashC);
  goto walk;
#endif
#endif
  goto next;
leave:
  finished();
out: atomic { t = 0; pos = 0; mine = 0; a = NONE }
}
#endif
