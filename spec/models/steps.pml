/* Steps, deaths and an ideal eventcount, for models that have seats 1..PN; eventcount.pml has the
   real eventcount. A process that uses them has its seat in me, a byte k for counting, and the
   labels died, next, slice and leave. MORTAL tells which of several like processes may die. */

/* One step of a process, or its death instead: death costs no step of its own. */
#define DO(x, ...) if :: d_step { x > 0 && MORTAL -> x-- }; goto died :: __VA_ARGS__ fi

/* A look begins by listening, a wake calls all listeners; a process asleep waits to be called.
   Slices run out only where no other step is possible, all together, rounds times. */
byte ear[PN+1]; bit expired[PN+1];
#define DEAF   0                /* will look before it sleeps: a wake makes no difference */
#define LISTEN 1                /* has begun its look */
#define CALLED 2
#define look()  atomic { ear[me] = LISTEN; expired[me] = 0 }
#define awake() atomic { ear[me] = DEAF; expired[me] = 0 }
#define SLEEP(over) \
  if \
  :: ear[me] == CALLED -> goto next \
  :: expired[me] -> goto slice \
  :: d_step { timeout && rounds > 0 && !(over) -> rounds--; k = 1; \
       do :: k <= PN -> expired[k] = 1; k++ :: else -> break od; k = 0 }; goto slice \
  :: over -> goto leave \
  fi

inline wake(first, last, x) {
  DO(x, d_step { k = first;
    do :: k <= last -> if :: ear[k] == LISTEN -> ear[k] = CALLED :: else fi; k++ :: else -> break od; k = 0 })
}

/* p = min of least(w) over all words, one load per slot */
#define NONE 99                 /* no number */
#define LAST 50                 /* a scan takes n + LAST only where there is no n */
#define scan(p, least, x) \
  p = NONE; \
  do \
  :: i < S -> DO(x, d_step { f = least(W[i]); if :: f < p -> p = f :: else fi; i++; f = 0 }) \
  :: else -> i = 0; break \
  od; \
  p = p % LAST
