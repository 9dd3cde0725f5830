package goring

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

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
	memory *gpuMemory // of a GPU ring, opened in this process
}

// Number is the seat's number, from 1.
func (s *Seat) Number() int { return s.number }

// Join takes a seat for a data plane of another language; Go programs use
// [Ring.Producer] and [Ring.Consumer]. It fails with ErrBusy when none is left.
func (r *Ring) Join(role Role, as string) (*Seat, error) {
	if err := r.acquire(); err != nil {
		return nil, err
	}
	var memory *gpuMemory
	var err error
	if r.sb.GPU() {
		memory, err = r.openMemory()
	}
	var seat *Seat
	if err == nil {
		seat, err = r.sit(role, as)
	}
	if err != nil {
		if memory != nil {
			memory.drop()
		}
		_ = r.release()
		return nil, err
	}
	seat.memory = memory
	return seat, nil
}

// GPU is the address of the gr_gpu (internal/cudadrv/gpu.h) of a GPU ring, with a reference
// for the caller; 0 on other rings. It is for a data plane in C.
func (s *Seat) GPU() uintptr {
	if s.memory == nil {
		return 0
	}
	s.memory.Reference()
	return s.memory.Address()
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
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
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
		if time.Since(start) > r.reaperTime() {
			break
		}
	}
	_ = unix.Close(fd)
	return nil, fmt.Errorf("ring %q takes %d %s(s) at once, held by %s: %w", r.name, last-first+1, role, r.holders(first, last), ErrBusy)
}

// reaperTime is how long a seat without a holder may be locked by who reaps it.
func (r *Ring) reaperTime() time.Duration {
	if r.sb.GPU() {
		return 3 * graceTime
	}
	return 5 * time.Millisecond
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

// enter fills seat n's entry; its lock is held. The order of the stores is the spec's.
func (r *Ring) enter(n int, as string) {
	r.reap(n) // the one before may have died here
	seat := r.seatWords(n)
	seat.epoch.Add(1)
	seat.flags.Store(0)
	seat.lost.Store(0)
	r.startCursor(n)
	layout.PutParticipant(r.participant(n), layout.Participant{
		PID:       uint32(os.Getpid()),
		StartTime: startTime(),
		JoinedNS:  time.Now().UnixNano(),
		Name:      as,
	})
	seat.progress.Store(monotonic())
	seat.state.Store(layout.PartInUse) // before the first word is touched
	r.startCursor(n)                   // a producer that did not see the seat yet may have gone on
}

// startCursor puts a consumer's cursor behind the newest message.
func (r *Ring) startCursor(n int) {
	at := r.slots.head.Load()
	if r.hasLane(n) {
		at = r.startLane(n, at)
	}
	r.seatWords(n).cursor.Store(at)
}

// seatWords are the words of a seat that other participants read.
type seatWords struct {
	state, epoch, flags *atomic.Uint32
	cursor, lost        *atomic.Uint64
	progress            *atomic.Int64 // when its holder joined, last fell asleep, last woke
}

func (r *Ring) seatWords(n int) seatWords {
	base := r.sb.Participant(n)
	return seatWords{
		state:  r.word32(base + layout.PartState),
		epoch:  r.word32(base + layout.PartEpoch),
		flags:  r.word32(base + layout.PartFlags),
		cursor: r.word64(base + layout.PartCursor),
		lost:   r.word64(base + layout.PartLost),

		progress: r.wordI64(base + layout.PartProgress),
	}
}

// reapOthers is what everybody who waits does at the end of a slice. An error means a
// file system without locks, which joining would have met before.
func (s *Seat) reapOthers() { _, _ = s.ring.reapDead(s.fd, s.number) }

// Leave gives the seat back. Its owner holds no slot any more.
func (s *Seat) Leave() error {
	if s.fd < 0 {
		return nil
	}
	if s.memory != nil {
		s.memory.Drain(s.number)
	}
	s.ring.seatWords(s.number).state.Store(layout.PartFree)
	fd := s.fd
	s.fd = -1
	err := unix.Close(fd) // and with it the lock
	s.ring.slots.gateMoved()
	s.forgetMemory()
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
	s.forgetMemory()
	_ = s.ring.release()
	return fd
}

func (s *Seat) forgetMemory() {
	if s.memory != nil {
		s.memory.drop()
		s.memory = nil
	}
}

// entry is a copy of seat n's entry.
func (r *Ring) entry(n int) layout.Participant {
	return layout.ParseParticipant(append([]byte(nil), r.participant(n)...))
}

// startTime is this process's start in clock ticks since boot, for diagnosis.
var startTime = sync.OnceValue(func() uint64 {
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
})
