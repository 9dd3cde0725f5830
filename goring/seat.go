package goring

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"example.com/goring/internal/futex"
	"example.com/goring/internal/shm"
	"example.com/goring/layout"
)

// Role is what a participant does.
type Role uint8

const (
	// RoleProducer writes messages.
	RoleProducer Role = 1 + iota
	// RoleConsumer takes messages.
	RoleConsumer
)

// String is producer or consumer.
func (r Role) String() string {
	if r == RoleProducer {
		return "producer"
	}
	return "consumer"
}

// Seat is a participant's place in a ring: a number, and a kernel lock on it that
// says this process lives. The lock is on a file description of the seat's own,
// so that two seats of one process are two to the kernel.
type Seat struct {
	ring   *Ring
	number int
	fd     int
}

// Number is the seat's number, from 1.
func (s *Seat) Number() int { return s.number }

// Join takes a seat for a data plane of another language; Go programs use
// [Ring.Producer] and [Ring.Consumer]. It fails with ErrBusy when none is left.
func (r *Ring) Join(role Role, as string) (*Seat, error) {
	if err := r.acquire(); err != nil {
		return nil, err
	}
	seat, err := r.sit(role, as)
	if err != nil {
		_ = r.release()
		return nil, err
	}
	return seat, nil
}

func (r *Ring) join(role Role, opts []Option) (*Seat, *config, error) {
	c, err := configure(forJoin, opts)
	if err != nil {
		return nil, nil, err
	}
	seat, err := r.Join(role, c.as)
	return seat, c, err
}

func (r *Ring) sit(role Role, as string) (*Seat, error) {
	fd, err := shm.Reopen(r.fd)
	if err != nil {
		return nil, err
	}
	first, last := r.seats(role)
	for n := first; n <= last; n++ {
		ok, err := shm.TryLock(fd, layout.LockBase+int64(n))
		if err != nil {
			_ = unix.Close(fd)
			return nil, err
		}
		if ok {
			r.enter(n, as)
			return &Seat{ring: r, number: n, fd: fd}, nil
		}
	}
	_ = unix.Close(fd)
	return nil, fmt.Errorf("ring %q takes %d %s(s) at once, held by %s: %w", r.name, last-first+1, role, r.holders(first, last), ErrBusy)
}

// seats are the numbers of a role's seats.
func (r *Ring) seats(role Role) (first, last int) {
	if role == RoleProducer {
		return 1, r.sb.MaxProducers
	}
	return r.sb.MaxProducers + 1, r.sb.MaxProducers + r.sb.MaxConsumers
}

func (r *Ring) holders(first, last int) string {
	var who []string
	for n := first; n <= last; n++ {
		e := r.entry(n)
		who = append(who, fmt.Sprintf("%q (pid %d)", e.Name, e.PID))
	}
	return strings.Join(who, ", ")
}

// enter fills seat n's entry; its lock is held.
func (r *Ring) enter(n int, as string) {
	r.reap(n) // the one before may have died here
	base := r.sb.Participant(n)
	r.word32(base + layout.PartEpoch).Add(1)
	layout.PutParticipant(r.participant(n), layout.Participant{
		PID:       uint32(os.Getpid()),
		StartTime: startTime(),
		JoinedNS:  time.Now().UnixNano(),
		Name:      as,
	})
	r.word32(base + layout.PartState).Store(layout.PartInUse) // before the first word is touched
}

// reap repairs what a dead participant left. Its lock is held. The order of the
// steps is the spec's: whoever dies in here leaves it to be done again.
func (r *Ring) reap(n int) {
	state := r.word32(r.sb.Participant(n) + layout.PartState)
	if state.Load() != layout.PartInUse {
		return
	}
	r.slots.abortWriting(uint64(n))
	r.slots.giveBack(uint64(n))
	r.slots.requeueGen.Add(1)
	futex.Event{Ev: r.slots.dataEv, Waiting: r.slots.dataWaiting}.Broadcast()
	futex.Event{Ev: r.slots.roomEv, Waiting: r.slots.roomWaiting}.Broadcast()
	state.Store(layout.PartFree)
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

// Leave gives the seat back. Its owner holds no slot any more.
func (s *Seat) Leave() error {
	if s.fd < 0 {
		return nil
	}
	s.ring.word32(s.ring.sb.Participant(s.number) + layout.PartState).Store(layout.PartFree)
	fd := s.fd
	s.fd = -1
	err := unix.Close(fd) // and with it the lock
	if e := s.ring.release(); err == nil {
		err = e
	}
	return err
}

// Detach hands the locked descriptor to a data plane with a mapping of its own.
// That one leaves by storing state 0 into the entry and closing the descriptor.
func (s *Seat) Detach() int {
	fd := s.fd
	s.fd = -1
	_ = s.ring.release()
	return fd
}

// entry is a copy of seat n's entry.
func (r *Ring) entry(n int) layout.Participant {
	return layout.ParseParticipant(append([]byte(nil), r.participant(n)...))
}

// startTime is this process's start in clock ticks since boot, for diagnosis.
func startTime() uint64 {
	b, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	var ticks uint64
	if len(f) > 19 {
		_, _ = fmt.Sscan(f[19], &ticks)
	}
	return ticks
}
