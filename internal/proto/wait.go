package proto

import (
	"time"

	"example.com/goring/internal/cpu"
	"example.com/goring/internal/futex"
	"example.com/goring/layout"
)

// Strategy is how a participant waits.
type Strategy uint8

// The strategies. Adaptive spins, yields and sleeps; Spin never sleeps; Park sleeps at once.
const (
	Adaptive Strategy = layout.StrategyAdaptive
	Spin     Strategy = layout.StrategySpin
	Park     Strategy = layout.StrategyPark
)

const (
	// spins take half a microsecond to four, by the core's make.
	spins = 40
	// minYield and maxYield bound the yielding phase. It lasts about as long as a wake-up, or
	// twice as long as the participant worked since its last wait, say to copy a large message:
	// then its peer works as long, and waking each other would take as long again.
	minYield = 50 * time.Microsecond
	maxYield = 150 * time.Microsecond
	// probeEvery is how many short sleeps precede a wait that yields for two bounds. A peer that
	// must wake a sleeper for each message is slow for that reason alone, and then the sleeper's
	// waits are never short: the probe is as long as it takes both to leave that state.
	probeEvery = 8
)

// Slice bounds every sleep. It is part of correctness: a peer may die between its commit and its
// wake. A test makes it long to see that nothing else relies on it.
//
// A participant that gives up on a peer's death sleeps half as long, so as to notice it within a
// slice. One that awaits successors, like an idle pool, wakes no more often than it must.
var Slice = layout.WaitSliceNS * time.Nanosecond

// Outcome is how a wait ended.
type Outcome uint8

// The outcomes of a wait.
const (
	// NotYet is the outcome of a wait that goes on.
	NotYet Outcome = iota
	// Done means that look reported true.
	Done
	// Ended means that the ring is shut down and a final look found nothing.
	Ended
	// PeerDead means that no peer is left to end the wait; see [Waiter.DeadPeer].
	PeerDead
	// Cancelled means that the caller's Canceller reported an error.
	Cancelled
)

// Look reports whether a wait is over, and takes a message or reserves a slot. With final true it
// must not trust hints.
type Look func(final bool) bool

// Canceller ends a wait from outside. A context.Context is one.
type Canceller interface {
	Deadline() (deadline time.Time, ok bool)
	Err() error
}

// Waiter is the waiting of one participant.
type Waiter struct {
	// Slip keeps a distance to the peer. Strategies other than Adaptive do not slip.
	Slip Slip
	// Eager is true when a wait looks for a moment before it sleeps.
	Eager bool
	// Event is where the participant sleeps.
	Event futex.Event

	ring     *Ring
	seat     int
	lock     int // the file description that the seat's lock is on
	strategy Strategy
	peers    *Peers        // nil when successors are awaited
	dead     int           // the seat of the peer that died in the last wait
	slice    time.Duration // the longest sleep
	reaped   time.Time     // the end of the last slice
	budget   time.Duration // of the yielding phase
	ended    time.Time     // the end of the last wait that yielded or slept
	naps     int           // short sleeps until the next probe
}

// NewWaiter returns the waiter of the holder of seat, which is locked on the file description lock.
// With await it goes on waiting when its last peer has died; otherwise it reaps the dead now, so
// that only later deaths count.
func NewWaiter(r *Ring, role Role, seat, lock int, strategy Strategy, await bool) Waiter {
	now := time.Now()
	w := Waiter{
		Event: r.Room, Eager: strategy != Park,
		ring: r, seat: seat, lock: lock, strategy: strategy, slice: Slice, reaped: now, ended: now,
	}
	peers := RoleConsumer
	if role == RoleConsumer {
		w.Event, peers = r.Data, RoleProducer
	}
	if w.Eager {
		w.budget = minYield
	}
	if strategy == Adaptive {
		w.Slip = NewSlip(r.Slots)
	}
	if !await {
		w.reapPeers()
		w.peers = r.Snapshot(peers)
		w.slice /= 2
	}
	return w
}

// DeadPeer returns the seat of the peer that died in the last wait; see [Peers.Dead].
func (w *Waiter) DeadPeer() int { return w.dead }

// Wait waits until look reports true, or why it never will. beforeSleep is called once before the
// first sleep, so that the end of the Canceller can be made to wake it.
func (w *Waiter) Wait(c Canceller, look Look, beforeSleep func()) Outcome {
	if w.strategy == Spin {
		return w.spin(c, look)
	}
	if w.Eager && w.spinBriefly(look) {
		return Done
	}
	beforeSleep()
	return w.sleep(c, look)
}

// waitOver returns why a wait must end after a look has failed, or NotYet. It looks once more after
// a shutdown or a death, since messages committed before must still be delivered.
func (w *Waiter) waitOver(c Canceller, look Look) Outcome {
	why := NotYet
	switch {
	case w.ring.IsShutdown():
		why = Ended
	case c.Err() != nil:
		return Cancelled
	case w.peers != nil:
		if w.dead = w.peers.Dead(); w.dead != 0 {
			why = PeerDead
		}
	}
	if why != NotYet && look(true) {
		return Done
	}
	return why
}

// SpinForWord spins until the slot at at has that state in its lap, and reports whether it did.
// Most waits of two busy cores end here. It looks at the word alone, since each look delays the
// peer that is about to store it, and it does not wait for a word that cannot come.
// SYNC commit load, release load
func (r *Ring) SpinForWord(at Position, state uint64) bool {
	h, want := r.Header(at.Idx), at.Lap<<8|state
	if w := h.Word.Load(); WordLap(w) > at.Lap || WordLap(w) == at.Lap && IsAborted(w) {
		return false
	}
	for range spins {
		if h.Word.Load() == want {
			return true
		}
		if state == layout.StateReady {
			r.prefetchTail(h)
		}
		cpu.Pause()
	}
	return false
}

func (w *Waiter) spin(c Canceller, look Look) Outcome {
	for n := 1; ; n++ {
		if look(false) {
			return Done
		}
		cpu.Pause()
		if n%1024 == 0 {
			if why := w.waitOver(c, look); why != NotYet {
				return why
			}
			if w.sliceOver() && look(true) {
				return Done
			}
			futex.Yield() // a peer that shares this core must get to run
		}
	}
}

// spinBriefly looks and pauses, then looks and yields the core until the budget is used up. A
// success earns a larger budget, a failure halves it.
func (w *Waiter) spinBriefly(look Look) bool {
	for range spins {
		if look(false) {
			return true
		}
		cpu.Pause()
	}
	if w.budget == 0 {
		return false
	}
	start := time.Now()
	limit := w.yieldLimit(start)
	for now := start; now.Sub(start) < w.budget; now = time.Now() {
		futex.Yield()
		if look(false) {
			w.budget = min(w.budget+w.budget/4+time.Microsecond, limit)
			w.ended = now
			return true
		}
	}
	if w.budget /= 2; w.budget < time.Microsecond || w.budget >= limit {
		w.budget = 0 // also after a probe that found nothing
	}
	return false
}

// yieldLimit bounds the yielding phase of a wait that begins now.
func (w *Waiter) yieldLimit(now time.Time) time.Duration {
	return min(max(minYield, 2*now.Sub(w.ended)), maxYield)
}

// sleep sleeps slice by slice. The waiting flag is stored before the look, and a peer loads it
// after it has stored the word: one of the two sees the other.
// SYNC waiting store, wake load, progress store
func (w *Waiter) sleep(c Canceller, look Look) Outcome {
	deadline, limited := c.Deadline()
	progress := w.ring.Seat(w.seat).Progress
	start := time.Now()
	limit := w.yieldLimit(start)
	for {
		ticket := w.Event.Prepare()
		if look(false) {
			break
		}
		if why := w.waitOver(c, look); why != NotYet {
			if why == Done {
				break
			}
			return why
		}
		d := w.slice
		if limited {
			d = max(min(d, time.Until(deadline)), time.Microsecond)
		}
		progress.Store(Monotonic())
		w.Event.Sleep(ticket, d)
		progress.Store(Monotonic())
		if look(w.sliceOver()) {
			break
		}
	}
	w.ended = time.Now()
	if w.Eager && w.ended.Sub(start) < 4*limit {
		if w.naps--; w.naps <= 0 {
			w.naps, w.budget = probeEvery, 2*limit
		}
	}
	return Done
}

// sliceOver reports whether a slice has passed since it last did, and then has reaped dead peers:
// the next look must not trust hints.
func (w *Waiter) sliceOver() bool {
	now := time.Now()
	if now.Sub(w.reaped) < w.slice {
		return false
	}
	w.reaped = now
	w.reapPeers()
	return true
}

// reapPeers reaps every dead participant. An error means a file system without locks, which
// joining would have met before.
func (w *Waiter) reapPeers() { _, _ = w.ring.ReapDead(w.lock, w.seat) }
