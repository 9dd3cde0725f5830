/*
 * Sleeping and waking (LAYOUT.md section 9), one direction: NP producers commit EACH
 * messages, NC consumers take them and sleep on (ev, waiting) when none is ready.
 *
 *   sleep: e = load ev; store waiting = 1; look again (word, shutdown); FUTEX_WAIT(ev, e, slice)
 *   notify: store word; if load waiting != 0 and exchange(waiting, 0) != 0 { ev += 1; wake all }
 *   shutdown: store shutdown = 1; ev += 1; wake all, whether or not waiting is set
 *
 * Every load, store and exchange is one step. A plain or release store goes through a store
 * buffer, which drains some time later, as on x86; an exchange or a system call drains it
 * first. The look is one step here: slot_queue has walks over many words. A consumer that
 * took a message may be busy with it until all have been taken, so that a message beside
 * a sleeping consumer is an error and not a delay.
 *
 * The slice is for deaths: it ends only where no other step is possible, and only as often as
 * producers die. Without deaths no process may need it.
 *
 * Checked: no deadlock; each message committed before the shutdown is taken, once; no more
 * FUTEX_WAKE calls than times a consumer announced a sleep.
 *
 * Options (default): NP(1) NC(2) EACH(2); CRASHP producers die at any step, for good;
 *   CRASHC consumers die and come back; SHUTANY shutdown at any moment, not only in the end.
 */
#ifndef NP
#define NP 1
#endif
#ifndef NC
#define NC 2
#endif
#ifndef EACH
#define EACH 2
#endif
#ifndef CRASHP
#define CRASHP 0
#endif
#ifndef CRASHC
#define CRASHC 0
#endif
#ifdef M_NOSLICE                /* FUTEX_WAIT without a limit */
#define SLICES 0
#else
#define SLICES CRASHP
#endif
#define T (NP*EACH)
#define NOBODY 9

byte ready[T];                  /* the slot words: 0 FREE, 1 READY, 2 TAKEN */
byte ev, waiting; bit shutdown;
bit  asleep[NC];                /* in the kernel, on ev */
byte crashP = CRASHP, crashC = CRASHC, slices = SLICES;

/* ghosts */
byte committed, taken, ended, gone, announced, wakes, due; bit shut;

#define DO(x, ...) if :: d_step { x > 0 -> x-- }; goto died :: __VA_ARGS__ fi

/* One thread has a plain store pending, to a message's word or to the flag. */
byte pendingWord = NOBODY; bit pendingFlag[NC];
proctype StoreBuffers() {
  byte k;
end: do
  :: d_step { pendingWord != NOBODY -> ready[pendingWord] = 1; pendingWord = NOBODY }
  :: d_step { pendingFlag[0] -> waiting = 1; pendingFlag[0] = 0 }
#if NC > 1
  :: d_step { pendingFlag[1] -> waiting = 1; pendingFlag[1] = 0 }
#endif
  od
}
#define drained() pendingWord == NOBODY

inline wakeAll(x) {
#ifndef M_NOBUMP                /* a sleeper that has looked but is not in the kernel yet sleeps on */
  DO(x, ev++);
#endif
  DO(x, d_step { wakes++; assert(wakes <= announced); k = 0;
#ifdef M_WAKEONE                /* the others sleep beside the second message */
    do :: k < NC && !asleep[k] -> k++ :: else -> break od;
    if :: k < NC -> asleep[k] = 0 :: else fi;
#else
    do :: k < NC -> asleep[k] = 0; k++ :: else -> break od;
#endif
    k = 0 })
}

proctype Producer(byte first) {
  byte n = first, k; bit r;
  do
  :: n == first + EACH -> break
  :: n < first + EACH && shutdown -> break
  :: n < first + EACH && !shutdown ->
#ifdef M_FLAGFIRST              /* the flag is looked at before the word is stored */
       DO(crashP, r = (waiting != 0));
#endif
#ifdef M_PLAINSTORE             /* a release store: the load of waiting may pass it */
       DO(crashP, d_step { drained() -> pendingWord = n; committed++ });
#else
       DO(crashP, d_step { ready[n] = 1; committed++ });
#endif
       n++;
#ifndef M_FLAGFIRST
       DO(crashP, r = (waiting != 0));
#endif
       if
       :: r ->
#if defined(M_BUMPLATE)         /* the flag is lowered last: one raised meanwhile is erased */
            wakeAll(crashP);
            DO(crashP, waiting = 0)
#elif defined(M_COUNT)          /* sleepers count themselves: the dead never count back */
            wakeAll(crashP)
#else
            DO(crashP, d_step { drained() -> r = (waiting != 0); waiting = 0 });
            if :: r -> wakeAll(crashP) :: else fi
#endif
       :: else
       fi;
       r = 0
  od;
died: skip; d_step { ended++; n = 0; r = 0; k = 0 }
}

/* takes the first ready message, if there is one */
#define take(c) d_step { k = 0; \
  do :: k < T && ready[k] != 1 -> k++ :: else -> break od; \
  if :: k < T -> ready[k] = 2; taken++; got = 1 :: else -> got = 0 fi; k = 0 }

proctype Consumer(byte me) {
  byte e, k; bit got;
  goto next;
died: skip;                     /* the kernel forgets a dead sleeper; the shared words stay */
  d_step { asleep[me] = 0; e = 0; k = 0; got = 0 };
next: skip;
  DO(crashC, take(me));
  if :: got -> goto have :: else fi;
#ifndef M_EVLATE                /* ev is read only after the second look */
  DO(crashC, e = ev);
#endif
#ifdef M_COUNT
  DO(crashC, d_step { waiting++; announced++ });
#elif defined(M_PLAINFLAG)      /* a release store: the second look may pass it */
  DO(crashC, d_step { !pendingFlag[me] -> pendingFlag[me] = 1; announced++ });
#else
  DO(crashC, d_step { waiting = 1; announced++ });
#endif
#ifndef M_NORECHECK             /* no second look */
  DO(crashC, take(me));
#ifdef M_COUNT
  if :: got -> waiting-- :: else fi;
#endif
  if :: got -> goto have :: else fi;
  if
  :: shutdown ->
#ifndef M_ENDATONCE             /* no look after the load of shutdown */
       DO(crashC, take(me));
       if :: got -> goto have :: else fi;
#endif
       goto out
  :: else
  fi;
#endif
#ifdef M_EVLATE
  DO(crashC, e = ev);
#endif
  DO(crashC, d_step { !pendingFlag[me] -> if :: ev == e -> asleep[me] = 1 :: else fi });
  if
  :: !asleep[me]
  :: d_step { crashC > 0 -> crashC-- }; goto died
  :: d_step { timeout && slices > 0 -> slices--; asleep[me] = 0 }
  fi;
#ifdef M_COUNT
  DO(crashC, waiting--);
#endif
  e = 0;
  goto next;
have: skip;
  d_step { got = 0; e = 0 };
  if
  :: true                       /* done with it at once */
  :: true -> shut || (ended == NP && taken == committed)
  fi;
  goto next;
out: skip; d_step { gone++; e = 0; got = 0 }
}

proctype Closer() {
  byte k, none;
#ifndef SHUTANY
  ended == NP && taken == committed && drained();
#endif
  d_step { shut = 1; due = committed; shutdown = 1 };
  DO(none, ev++);
  DO(none, d_step { k = 0; do :: k < NC -> asleep[k] = 0; k++ :: else -> break od; k = 0 });
died: skip;
  gone == NC && ended == NP;
  assert(taken >= due && taken <= committed)
}

init {
  byte k;
  atomic {
    run StoreBuffers();
    run Closer();
    do :: k < NP -> run Producer(k * EACH); k++ :: else -> break od; k = 0;
    do :: k < NC -> run Consumer(k); k++ :: else -> break od
  }
}
