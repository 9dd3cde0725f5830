package goring

import (
	"fmt"
	"time"

	"example.com/goring/internal/futex"
	"example.com/goring/internal/shm"
	"example.com/goring/layout"
)

// Reap repairs what dead participants left: their half-written messages are skipped,
// what they had taken goes to others, their seats are free. It returns how many there
// were. Nobody needs to call it, since everybody who waits does the same ten times
// a second or more; a program that sees a peer die can save that time.
func (r *Ring) Reap() (int, error) {
	if err := r.acquire(); err != nil {
		return 0, err
	}
	defer func() { _ = r.release() }()
	r.reaping.Lock()
	defer r.reaping.Unlock()
	return r.reapDead(r.fd, 0)
}

// reapDead reaps every seat in use, but own, whose lock it gets on the description fd,
// which one goroutine uses at a time.
func (r *Ring) reapDead(fd, own int) (reaped int, err error) {
	for n := 1; n <= r.sb.MaxProducers+r.sb.MaxConsumers; n++ {
		if n == own || r.seatWords(n).state.Load() != layout.PartInUse {
			continue
		}
		at := layout.LockBase + int64(n)
		dead, err := shm.TryLock(fd, at)
		if err != nil {
			return reaped, fmt.Errorf("ring %q: %w", r.name, err)
		}
		if !dead {
			continue
		}
		if r.reap(n) {
			reaped++
		}
		if err := shm.Unlock(fd, at); err != nil {
			return reaped, fmt.Errorf("ring %q: %w", r.name, err)
		}
	}
	return reaped, nil
}

// reap repairs what a dead participant left and reports whether there was one. Its
// lock is held. The order of the steps is the spec's: whoever dies in here leaves it
// to be done again.
func (r *Ring) reap(n int) bool {
	seat, s := r.seatWords(n), r.slots
	if seat.state.Load() != layout.PartInUse {
		return false
	}
	if r.sb.GPU() {
		time.Sleep(graceTime)
		r.completeCells(n)
	}
	if s.mode == layout.ModeQueue {
		s.abortWriting(uint64(n))
		s.giveBack(uint64(n))
	}
	s.requeueGen.Add(1)
	s.dataEvent().Broadcast()
	s.roomEvent().Broadcast()
	seat.flags.Store(layout.PartDied)
	seat.state.Store(layout.PartFree)
	s.dataEvent().Broadcast() // who woke before has not seen that the seat is free
	s.roomEvent().Broadcast()
	return true
}

// abortWriting marks what a dead producer was writing as never having been.
func (s *slots) abortWriting(owner uint64) {
	for i := range s.count {
		h := s.header(i)
		w := h.word.Load()
		if wordState(w) == layout.StateWriting && wordOwner(w) == owner {
			h.word.CompareAndSwap(w, abortedWord(wordLap(w), owner))
		}
	}
}

// gateMoved wakes a producer after a consumer's seat has become free, which may have
// been what it waited for.
func (s *slots) gateMoved() {
	if s.mode == layout.ModeBroadcast {
		s.roomEvent().Broadcast()
	}
}

// dataEvent is where consumers sleep.
func (s *slots) dataEvent() futex.Event { return futex.Event{Ev: s.dataEv, Waiting: s.dataWaiting} }

// roomEvent is where producers sleep.
func (s *slots) roomEvent() futex.Event { return futex.Event{Ev: s.roomEv, Waiting: s.roomWaiting} }
