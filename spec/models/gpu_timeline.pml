/* Streams, cells and reaping (LAYOUT.md section 11), for the models gpu_*.pml.
   They have seats 1..PN, S slots, CELLS cells of which the first S are ready cells, NQ hardware
   queues, and say which slot words a reaper repairs: inline words(d, x).

   A process enqueues on its queue and goes on; the queue carries out one operation after the
   other: a copy and a read in two halves, a wait once its cell has reached the value. Two seats with
   one queue are streams of one process that share it. The queue of a dead process goes on for
   some time and is then torn down, in the middle of a copy if need be: over. Step 1a, the
   grace, waits for that. */

#define WAIT 1                  /* cell, value, - */
#define SET  2                  /* cell, value, - */
#define COPY 3                  /* slot, payload, - */
#define READ 4                  /* slot, payload that is expected, the claim that was awaited */
#define PEEK 5                  /* the same, of a slot that its writer may take back: see seen */
#define TORN 6                  /* a READ or a PEEK that found another payload in its first half */
#define MISS 7
chan Q[NQ] = [QLEN] of { byte, byte, byte, byte };
bit  gone[NQ], over[NQ];        /* its process has ended; the queue is torn down */

byte value[CELLS], claimed[CELLS], voided[CELLS], seat[CELLS];
byte lo[S], hi[S];              /* the payload of a slot */
bit  wr[S]; byte rd[S];         /* ghosts: copies into and reads of a slot under way */
byte payloads, by[IDS];         /* ghosts: payloads so far, all different, and the queue of each writer */
byte seen[NQ];                  /* ghost: the result of a finished PEEK: 1 another payload, 2 the expected one */
byte owes[CELLS];               /* ghost: the queue of the claimant */
bit  dead[NQ];                  /* ghost: ended by death */

bit  used[PN+1], lock[PN+1];    /* seat in use; its kernel lock */
byte strm[PN+1], fresh;         /* the queue of the seat's holder; used queues */

#define reached(c, v) (value[c] >= (v))

proctype Stream(byte q) {
  byte op, x, v, c;
#define finish op = 0; x = 0; v = 0; c = 0
idle:
end:
  if
  :: atomic { Q[q]?op,x,v,c;
       if
       :: op == SET -> assert(v >= value[x]); value[x] = v; finish   /* cells only grow */
       :: op == COPY -> assert(!wr[x] && !rd[x]); wr[x] = 1; lo[x] = v
       :: op == READ -> assert(!wr[x]); rd[x]++; op = (lo[x] == v -> READ : TORN)
       :: op == PEEK -> op = (lo[x] == v -> PEEK : MISS)
       :: op == WAIT && reached(x, v) -> finish
       :: else
       fi }
  :: gone[q] -> goto ended
  fi;
  if
  :: op == COPY -> d_step { assert(wr[x] && !rd[x]); hi[x] = v; wr[x] = 0 }
  :: op == READ || op == TORN ->
       d_step { assert(!wr[x] && rd[x]); rd[x]--;
         /* intact, or known to be void */
         assert((op == READ && hi[x] == v) || (dead[by[v]] && voided[x] >= c)) }
  :: op == PEEK || op == MISS -> seen[q] = (op == PEEK && hi[x] == v -> 2 : 1)
  :: op == WAIT && reached(x, v)
  :: op == 0
  :: gone[q] ->
       if
       :: op == COPY -> wr[x] = 0
       :: op == READ || op == TORN -> rd[x]--
       :: else
       fi; goto ended
  fi;
  atomic { finish }; goto idle;
ended:
  atomic { do :: Q[q]?op,x,v,c :: empty(Q[q]) -> break od; finish; over[q] = 1 }
}

#define enqueue(op, x, v, c) assert(nfull(Q[q])); Q[q]!op,x,v,c

/* the stream waits until the cell has reached its claim, or v if that is smaller */
inline await(cell, x) {
  DO(x, d_step { if :: !reached(cell, claimed[cell]) -> enqueue(WAIT, cell, claimed[cell], 0) :: else fi })
}

#ifdef M_NUMBER                 /* cells numbered by message */
#define next_claim(cell, n) ((n) + 1)
#else
#define next_claim(cell, n) (claimed[cell] + 1)
#endif
/* message n: the cell will report the end of all work enqueued so far */
inline claim(cell, n, x) {
#ifndef M_OPENCLAIM              /* a claim on top of one that is open */
  DO(x, reached(cell, claimed[cell]));
#endif
#ifdef M_CLAIMAFTER             /* the number is taken when its write is already enqueued */
  DO(x, seat[cell] = me);
  DO(x, d_step { enqueue(SET, cell, next_claim(cell, n), 0) });
  DO(x, d_step { claimed[cell] = next_claim(cell, n); owes[cell] = q })
#else
#ifdef M_SEATAFTER              /* the claim names its seat too late */
  DO(x, d_step { claimed[cell] = next_claim(cell, n); owes[cell] = q });
  DO(x, seat[cell] = me);
#else
  DO(x, seat[cell] = me);
  DO(x, d_step { claimed[cell] = next_claim(cell, n); owes[cell] = q });
#endif
#ifndef M_PUBLISHFIRST          /* see gpu_queue.pml */
  DO(x, d_step { enqueue(SET, cell, claimed[cell], 0) })
#endif
#endif
}

/* Leave: all claims have been reached; then the process may end */
inline drain(x) {
  k = 0;
  do
  :: k < CELLS -> DO(x, d_step { (seat[k] != me || reached(k, claimed[k])) -> k++ })
  :: else -> k = 0; break
  od
}
#define leave() atomic { used[me] = 0; lock[me] = 0; gone[q] = !SHARES }

/* the kernel drops the lock; enqueued work goes on for a while */
#define die() lock[me] = 0; gone[q] = 1; dead[q] = 1; k = 0

/* Join takes the lock, once the dead holder is reaped; the caller sets used = 1 */
#define take_seat() !used[me] && !lock[me] -> lock[me] = 1; \
    if :: SHARES -> q = 0 :: else -> q = fresh + SHARED; fresh++ fi; \
    strm[me] = q

/* a reaper; it may die after any step, and the next one repeats all of them */
proctype Doctor(byte me) {
  byte d, c, k, v, f;
  goto start;
died:
  atomic { lock[d] = 0; d = 0; c = 0; k = 0; v = 0; f = 0 };
start:
end:
  atomic {
    if
    :: used[1] && !lock[1] -> d = 1
    :: PN > 1 && used[PN-1] && !lock[PN-1] -> d = PN - 1
    :: used[PN] && !lock[PN] -> d = PN
    fi; lock[d] = 1 };
#ifdef M_WORDSFIRST             /* the words are repaired while the dead one's copies go on */
  words(d, crashR);
#endif
#ifndef M_NOGRACE               /* without 1a */
  DO(crashR, over[strm[d]]);
#endif
  do
  :: k < CELLS ->
#ifdef M_SEATFIRST              /* seat and claim may be of two claims */
       DO(crashR, f = (seat[k] == d));
       DO(crashR, c = claimed[k]);
#else
       DO(crashR, c = claimed[k]);
       DO(crashR, f = (seat[k] == d));
#endif
       if
       :: f ->
            DO(crashR, d_step { v = value[k]; f = v < c });
            if
            :: f ->
                 assert(dead[owes[k]]);
#ifdef M_VALUEFIRST             /* the streams go on before the payload is marked void */
                 DO(crashR, d_step { if :: value[k] == v -> value[k] = c :: else fi });
                 if :: k < S -> DO(crashR, voided[k] = c) :: else fi
#else
                 if :: k < S -> DO(crashR, voided[k] = c) :: else fi;
                 DO(crashR, d_step { if :: value[k] == v -> value[k] = c :: else assert(reached(k, c)) fi })
#endif
            :: else
            fi
       :: else
       fi;
       d_step { k++; c = 0; v = 0; f = 0 }
  :: else -> k = 0; break
  od;
#ifndef M_WORDSFIRST
  words(d, crashR);
#endif
  DO(crashR, used[d] = 0);
  d_step { lock[d] = 0; d = 0 };
  goto start
}
