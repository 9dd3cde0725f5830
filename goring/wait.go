package goring

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"example.com/goring/internal/cpu"
	"example.com/goring/internal/futex"
	"example.com/goring/layout"
)

// Strategy says how a producer or consumer waits.
type Strategy uint8

const (
	// Adaptive spins for a little, yields the core for a little, and sleeps; it
	// spins less while its waits are long. In a fast stream it stays away for up to 2 us, so
	// that its peer gets some messages ahead, which makes both faster. The default.
	Adaptive Strategy = iota
	// Spin never sleeps and looks at once: the lowest latency of each message, at the price of a
	// core and of some of a stream's speed.
	Spin
	// Park sleeps at once: the lowest cost while nothing happens.
	Park
)

var strategyNames = [...]string{"adaptive", "spin", "park"}

// String is the strategy's name: adaptive, spin or park.
func (s Strategy) String() string {
	if int(s) < len(strategyNames) {
		return strategyNames[s]
	}
	return fmt.Sprintf("Strategy(%d)", uint8(s))
}

// ParseStrategy is the inverse of String.
func ParseStrategy(name string) (Strategy, error) {
	for i, n := range strategyNames {
		if n == name {
			return Strategy(i), nil
		}
	}
	return 0, fmt.Errorf("wait strategy %q is none of adaptive, spin, park: %w", name, ErrOption)
}

const (
	// pauses take half a microsecond to four, by the core's make.
	pauses = 40
	// The yielding phase is bounded by about what it costs to be woken, or by twice what the
	// participant worked since its last wait, say to copy a large message: then its peer works
	// as long, and to wake each other would take them as long again. But not beyond spinLong.
	spinMost = 50 * time.Microsecond
	spinLong = 150 * time.Microsecond
	// A peer that must wake somebody for each message is slow for that reason alone, and
	// then the sleeper's waits are never short: both would go on like that for ever. So one
	// in probeEvery sleeps shorter than four such bounds is followed by a wait that yields for
	// two, as long as it takes both to come out of it.
	probeEvery = 8
)

// slice bounds every sleep. It is part of correctness: a peer may die between its commit
// and its wake. A test makes it long to see that nothing else relies on it.
//
// Who gives up on a peer's death sleeps half as long, so as to notice it within a slice;
// who awaits successors, like an idle pool, wakes no more often than it must.
var slice = layout.WaitSliceNS * time.Nanosecond

// waiter is one participant's waiting: where it sleeps, how long it spins.
type waiter struct {
	event    futex.Event
	shutdown *atomic.Uint32
	strategy Strategy
	seat     *Seat         // whose waiter this is
	progress *atomic.Int64 // tells people when it last slept or woke
	peers    *peers        // who can end the wait; nil: await their successors
	slice    time.Duration // how long it sleeps at most before it looks after dead peers
	tended   time.Time     // when it last did
	eager    bool          // looks for a moment before it sleeps
	slip     slip          // keeps a distance to its peer
	budget   time.Duration // of the yielding phase
	ended    time.Time     // when the last wait was over, of those that yielded or slept
	naps     int           // short sleeps until the next probe

	done <-chan struct{} // whose closing wakes the sleeper, see watch
	stop func() bool
	rang chan struct{} // closed when that wake is over
}

// newWaiter is for the holder of seat, who sleeps on e until one of role others wakes it.
func newWaiter(e futex.Event, seat *Seat, how *config, others Role) waiter {
	now := time.Now()
	w := waiter{
		event: e, shutdown: seat.ring.slots.shutdown, strategy: how.strategy,
		seat: seat, progress: seat.ring.seatWords(seat.number).progress, slice: slice, tended: now, ended: now,
		eager: how.strategy != Park,
	}
	if w.eager {
		w.budget = spinMost
	}
	if how.strategy == Adaptive {
		w.slip = newSlip(seat.ring.slots.count)
	}
	if how.peerDeath == FailOnDeath {
		seat.reapOthers() // who died before is nobody this participant waited for
		w.peers = seat.ring.meet(others)
		w.slice /= 2
	}
	return w
}

// wait returns nil when look reports true, ErrShutdown when the ring is shut
// down and look still reports false, a PeerDeadError, or the context's error. look reports
// whether the wait is over; it is called with final set at the end of a slice,
// when it must not trust hints.
func (w *waiter) wait(ctx context.Context, look func(final bool) bool) error {
	if w.strategy == Spin {
		return w.spin(ctx, look)
	}
	if w.eager && w.spinBriefly(look) {
		return nil
	}
	return w.sleep(ctx, look)
}

// closed reports, once look has failed, why there is nothing to wait for.
func (w *waiter) closed(ctx context.Context, look func(bool) bool) (done bool, err error) {
	if w.shutdown.Load() != 0 {
		if look(true) { // what was committed before the shutdown still counts
			return true, nil
		}
		return true, ErrShutdown
	}
	if err := ctx.Err(); err != nil {
		return true, err
	}
	if w.peers == nil {
		return false, nil
	}
	if err := w.peers.desertion(); err != nil {
		if look(true) { // what they committed before they died still counts
			return true, nil
		}
		return true, err
	}
	return false, nil
}

// comes looks at the word of the slot at at, and at nothing else, until it has that state
// or a moment has passed: most waits of two busy cores end here, and each look delays the
// peer that is about to store the word. A word that will not come to it is not waited for.
func (s *slots) comes(at position, state uint64) bool {
	h, want := s.header(at.idx), at.lap<<8|state
	if w := h.word.Load(); wordLap(w) > at.lap || wordLap(w) == at.lap && wordAborted(w) {
		return false
	}
	for range pauses {
		if h.word.Load() == want {
			return true
		}
		if state == layout.StateReady {
			s.wantEnd(h)
		}
		cpu.Pause()
	}
	return false
}

func (w *waiter) spin(ctx context.Context, look func(bool) bool) error {
	for n := 1; ; n++ {
		if look(false) {
			return nil
		}
		cpu.Pause()
		if n%1024 == 0 {
			if done, err := w.closed(ctx, look); done {
				return err
			}
			if w.sliceOver() && look(true) {
				return nil
			}
			futex.Yield() // a peer that shares this core must get to run
		}
	}
}

func (w *waiter) spinBriefly(look func(bool) bool) bool {
	for range pauses {
		if look(false) {
			return true
		}
		cpu.Pause()
	}
	if w.budget == 0 {
		return false
	}
	start := time.Now()
	most := w.most(start)
	for now := start; now.Sub(start) < w.budget; now = time.Now() {
		futex.Yield()
		if look(false) {
			w.budget = min(w.budget+w.budget/4+time.Microsecond, most)
			w.ended = now
			return true
		}
	}
	if w.budget /= 2; w.budget < time.Microsecond || w.budget >= most {
		w.budget = 0 // also after a probe that found nothing
	}
	return false
}

// most bounds the yielding phase of a wait that begins now.
func (w *waiter) most(now time.Time) time.Duration {
	return min(max(spinMost, 2*now.Sub(w.ended)), spinLong)
}

func (w *waiter) sleep(ctx context.Context, look func(bool) bool) error {
	w.watch(ctx)
	deadline, limited := ctx.Deadline()
	start := time.Now()
	most := w.most(start)
	for {
		ticket := w.event.Prepare()
		if look(false) {
			break
		}
		if done, err := w.closed(ctx, look); done {
			return err
		}
		d := w.slice
		if limited {
			d = max(min(d, time.Until(deadline)), time.Microsecond)
		}
		w.progress.Store(monotonic())
		w.event.Sleep(ticket, d)
		w.progress.Store(monotonic())
		if look(w.sliceOver()) {
			break
		}
	}
	w.ended = time.Now()
	if w.eager && w.ended.Sub(start) < 4*most {
		if w.naps--; w.naps <= 0 {
			w.naps, w.budget = probeEvery, 2*most
		}
	}
	return nil
}

// sliceOver reports whether a slice has passed since it last did, and then has looked
// after dead peers: the next look trusts no hint.
func (w *waiter) sliceOver() bool {
	now := time.Now()
	if now.Sub(w.tended) < w.slice {
		return false
	}
	w.tended = now
	w.seat.reapOthers()
	return true
}

// watch makes ctx's end wake the sleeper. The registration is kept from wait to
// wait, so that sleeping with the same context again costs nothing.
func (w *waiter) watch(ctx context.Context) {
	done := ctx.Done()
	if w.done == done {
		return
	}
	w.release()
	if done == nil {
		return
	}
	rang := make(chan struct{})
	w.done, w.rang = done, rang
	w.stop = context.AfterFunc(ctx, func() {
		w.event.Broadcast()
		close(rang)
	})
}

// release ends the registration of watch. A wake that has begun is waited for: it
// touches the segment, which the caller may be about to unmap.
func (w *waiter) release() {
	if w.stop != nil && !w.stop() {
		<-w.rang
	}
	w.done, w.stop, w.rang = nil, nil, nil
}
