package goring

import (
	"fmt"
	"os"
	"time"

	"example.com/goring/internal/proto"
	"example.com/goring/internal/shm"
	"example.com/goring/layout"
)

// Stats is one look at a ring. Peers run on while it is taken, so the counts are
// each right at some instant, not all at the same.
type Stats struct {
	Slots     uint64 `json:"slots"`
	Published uint64 `json:"published"` // numbers used up so far, aborted ones included
	Released  uint64 `json:"released"`  // numbers before this one are all released; overwrite: overwritten
	Ready     uint64 `json:"ready"`     // messages waiting; broadcast: for the slowest consumer
	Taken     uint64 `json:"taken"`     // messages lent to one of several consumers
	Writing   uint64 `json:"writing"`   // slots reserved by one of several producers
	Free      uint64 `json:"free"`      // slots that can be written without waiting
	Shutdown  bool   `json:"shutdown"`

	Participants []Participant `json:"participants"`
}

// Participant is one seat in use.
type Participant struct {
	Seat      int       `json:"seat"`
	Role      Role      `json:"role"`
	Name      string    `json:"name"`
	PID       int       `json:"pid"`        // for people; a pid means nothing across containers
	StartTime uint64    `json:"start_time"` // of its process, clock ticks since boot as in /proc; 0 unknown
	Joined    time.Time `json:"joined"`     // when it took the seat
	Alive     bool      `json:"alive"`      // whether the kernel has its lock, right across containers and zombies
	// Quiet is the time since the participant last joined, fell asleep or woke; 0 when unknown. A
	// participant that spins, or never has to wait, is quiet, too.
	Quiet time.Duration `json:"quiet_ns"`

	Holds  []uint64 `json:"holds"`  // numbers of the messages it is writing or has taken, where words say so
	Cursor uint64   `json:"cursor"` // broadcast modes, consumers: next number it will read
	Lag    uint64   `json:"lag"`    // broadcast modes, consumers: messages published and not read
	Lost   uint64   `json:"lost"`   // overwrite, consumers: messages it was too slow for
}

// Stats loads every slot word once. It fails with os.ErrClosed after Close, and on a file system
// without locks.
func (r *Ring) Stats() (Stats, error) {
	if err := r.acquire(); err != nil {
		return Stats{}, err
	}
	defer func() { _ = r.release() }()
	c := r.proto.Count()
	st := Stats{
		Slots: r.proto.Slots, Published: c.Published, Released: c.Released,
		Ready: c.Ready, Taken: c.Taken, Writing: c.Writing, Free: c.Free, Shutdown: r.proto.IsShutdown(),
		Participants: []Participant{}, // JSON has a list, not null
	}
	for n := 1; n <= r.proto.Seats(); n++ {
		if !r.proto.Seat(n).InUse() {
			continue
		}
		p, err := r.participantStats(n, c.Published)
		if err != nil {
			return st, fmt.Errorf("ring %q: %w", r.name, err)
		}
		p.Holds = append([]uint64{}, c.Holds[n]...)
		st.Participants = append(st.Participants, p)
	}
	return st, nil
}

// participantStats describes the holder of seat n of a ring that has published so many numbers.
// SYNC progress load, cursor load
func (r *Ring) participantStats(n int, published uint64) (Participant, error) {
	// No seat is locked on the ring's own description, so every holder is seen.
	alive, err := shm.Locked(r.fd, proto.LockOf(n))
	if err != nil {
		return Participant{}, err
	}
	e, seat := r.proto.Entry(n), r.proto.Seat(n)
	p := Participant{
		Seat: n, Role: RoleProducer, Name: e.Name, PID: int(e.PID), StartTime: e.StartTime,
		Joined: time.Unix(0, e.JoinedNS), Alive: alive, Quiet: proto.Since(seat.Progress.Load()),
	}
	if n > r.sb.MaxProducers {
		p.Role = RoleConsumer
	}
	if p.Role == RoleConsumer && r.sb.Mode != layout.ModeQueue {
		p.Cursor, p.Lost = seat.Cursor.Load(), seat.Lost.Load()
		p.Lag = published - min(p.Cursor, published)
	}
	return p, nil
}

// String returns a line for people.
func (p Participant) String() string {
	state := "alive"
	if !p.Alive {
		state = "dead"
	}
	if p.PID == os.Getpid() {
		state += ", this process"
	}
	return fmt.Sprintf("%s %d %q pid %d (%s)", p.Role, p.Seat, p.Name, p.PID, state)
}

// MarshalText returns the role's name, which is how JSON has it.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText sets the role to the one of that name. It fails with ErrOption.
func (r *Role) UnmarshalText(name []byte) (err error) {
	*r, err = ParseRole(string(name))
	return err
}
