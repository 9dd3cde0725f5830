package proto

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"example.com/goring/internal/procfs"
	"example.com/goring/internal/shm"
	"example.com/goring/layout"
)

// Seat is the control words of one seat (spec section 3).
type Seat struct {
	// State is layout.PartFree or layout.PartInUse.
	State *atomic.Uint32
	// Epoch grows by one at every join.
	Epoch *atomic.Uint32
	// Flags has layout.PartDied when the last holder was reaped.
	Flags *atomic.Uint32
	// Cursor is the next number that a consumer of the broadcast modes will read.
	Cursor *atomic.Uint64
	// Lost is how many messages a consumer of an overwrite ring missed.
	Lost *atomic.Uint64
	// Progress is CLOCK_MONOTONIC when the holder joined, last fell asleep or last woke, in
	// nanoseconds; 0 when unknown.
	Progress *atomic.Int64
}

// InUse reports whether the seat has a holder, living or dead.
// SYNC seat load
func (s Seat) InUse() bool { return s.State.Load() == layout.PartInUse }

// Seat returns the control words of seat n.
func (r *Ring) Seat(n int) Seat { return r.seats[n-1] }

// Seats returns how many seats there are of both roles.
func (r *Ring) Seats() int { return len(r.seats) }

// Entry returns a copy of the diagnosis fields of seat n. A peer writes them.
func (r *Ring) Entry(n int) layout.Participant {
	return layout.ParseParticipant(append([]byte(nil), r.entry(n)...))
}

// Role is the part that a participant plays.
type Role uint8

// The roles.
const (
	RoleProducer Role = layout.RoleProducer
	RoleConsumer Role = layout.RoleConsumer
)

// SeatsOf returns the first and the last seat of a role.
func (r *Ring) SeatsOf(role Role) (first, last int) {
	if role == RoleProducer {
		return 1, r.sb.MaxProducers
	}
	return r.sb.MaxProducers + 1, r.sb.MaxProducers + r.sb.MaxConsumers
}

// LockOf returns the byte of the segment's file that the holder of seat n has locked.
func LockOf(n int) int64 { return layout.LockBase + int64(n) }

// Join takes a free seat of the role and returns its number, or 0 when none is left. It locks the
// seat on the file description lock, which no other seat uses. name is for people.
func (r *Ring) Join(role Role, lock int, name string) (int, error) {
	first, last := r.SeatsOf(role)
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		for n := first; n <= last; n++ {
			ok, err := shm.TryLock(lock, LockOf(n))
			if err != nil {
				return 0, err
			}
			if ok {
				r.enter(n, name)
				return n, nil
			}
		}
		if time.Since(start) > r.reaperTime() {
			return 0, nil
		}
	}
}

// reaperTime bounds how long a reaper holds the lock of a seat that it frees.
func (r *Ring) reaperTime() time.Duration {
	if r.sb.GPU() {
		return 3 * graceTime
	}
	return 5 * time.Millisecond
}

// enter fills the entry of seat n under its lock, which the caller holds. The order of the stores
// is that of the spec's Join.
// SYNC seat store, progress store
func (r *Ring) enter(n int, name string) {
	r.reap(n) // the last holder may have died in this seat
	seat := r.Seat(n)
	seat.Epoch.Add(1)
	seat.Flags.Store(0)
	seat.Lost.Store(0)
	r.startCursor(n)
	layout.PutParticipant(r.entry(n), layout.Participant{
		PID:       uint32(os.Getpid()),
		StartTime: startTime(),
		JoinedNS:  time.Now().UnixNano(),
		Name:      name,
	})
	seat.Progress.Store(Monotonic())
	seat.State.Store(layout.PartInUse) // before the first word is touched
	r.startCursor(n)                   // a producer that did not see the seat may have gone on
}

// startTime is this process's start in clock ticks since boot, for diagnosis; 0 when unknown.
var startTime = sync.OnceValue(func() uint64 {
	p, err := procfs.Read(os.Getpid())
	if err != nil {
		return 0
	}
	return p.StartTime
})

// startCursor sets the cursor of seat n to head.
// SYNC cursor store, head load
func (r *Ring) startCursor(n int) {
	at := r.head.Load()
	if r.hasDoneCell(n) {
		at = r.startDoneCell(n, at)
	}
	r.Seat(n).Cursor.Store(at)
}

// Leave frees seat n and calls unlock, which must drop the lock. The holder owns no slot. A
// broadcast producer may have waited for this seat.
// SYNC seat store
func (r *Ring) Leave(n int, unlock func() error) error {
	r.Seat(n).State.Store(layout.PartFree)
	err := unlock()
	if r.Mode == layout.ModeBroadcast {
		r.Room.WakeAll()
	}
	return err
}

// GiveBack aborts the numbers that a seat of a queue has reserved and makes the messages that it
// has taken READY again. It reports whether there were any. The holder has ended, or calls it.
// SYNC reserve load, take load, commit store
func (r *Ring) GiveBack(owner uint64) (found bool) {
	for i := range r.Slots {
		h := r.Header(i)
		w := h.Word.Load()
		if WordOwner(w) != owner {
			continue
		}
		switch WordState(w) {
		case layout.StateWriting:
			found = h.Word.CompareAndSwap(w, AbortedWord(WordLap(w), owner)) || found
		case layout.StateTaken:
			h.CountRedelivery() // the slot is still its owner's: the CAS publishes the count
			found = h.Word.CompareAndSwap(w, ReadyWord(WordLap(w))) || found
		}
	}
	return found
}

// reap repairs the slots of a dead holder of seat n, and reports whether there was one. The caller
// holds the seat's lock. The order of the steps is that of the spec's Reap: a reaper that dies in
// between leaves the whole to be done again.
// SYNC seat store, seat load, requeue store
func (r *Ring) reap(n int) bool {
	seat := r.Seat(n)
	if !seat.InUse() {
		return false
	}
	if r.sb.GPU() {
		time.Sleep(graceTime)
		r.CompleteCells(n)
	}
	if r.Mode == layout.ModeQueue {
		r.GiveBack(uint64(n))
	}
	r.requeueGen.Add(1)
	r.Data.WakeAll()
	r.Room.WakeAll()
	seat.Flags.Store(layout.PartDied)
	seat.State.Store(layout.PartFree)
	r.Data.WakeAll() // a participant that woke before has not seen that the seat is free
	r.Room.WakeAll()
	return true
}

// ReapDead reaps every seat in use, except own, that it can lock on the file description fd. One
// goroutine at a time uses that description. It returns how many it reaped.
func (r *Ring) ReapDead(fd, own int) (reaped int, err error) {
	for n := 1; n <= r.Seats(); n++ {
		if n == own || !r.Seat(n).InUse() {
			continue
		}
		dead, err := shm.TryLock(fd, LockOf(n))
		if err != nil {
			return reaped, fmt.Errorf("reap seat %d: %w", n, err)
		}
		if !dead {
			continue
		}
		if r.reap(n) {
			reaped++
		}
		if err := shm.Unlock(fd, LockOf(n)); err != nil {
			return reaped, fmt.Errorf("reap seat %d: %w", n, err)
		}
	}
	return reaped, nil
}
