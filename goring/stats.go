package goring

import (
	"fmt"
	"os"
	"time"

	"example.com/goring/internal/shm"
	"example.com/goring/layout"
)

// Stats is one look at a ring. Peers run on while it is taken, so the counts are
// each right at some instant, not all at the same.
type Stats struct {
	Slots     uint64
	Published uint64 // numbers used up so far, aborted ones included
	Released  uint64 // numbers before this one are all released
	Ready     uint64 // messages waiting
	Taken     uint64 // messages lent to one of several consumers
	Writing   uint64 // slots reserved by one of several producers
	Free      uint64
	Shutdown  bool

	Participants []Participant
}

// Participant is one seat in use.
type Participant struct {
	Seat   int
	Role   Role
	Name   string
	PID    int       // for people; a pid means nothing across containers
	Joined time.Time // when it took the seat
	Alive  bool      // what the kernel says, right across containers and zombies
}

// Stats looks at every slot word once.
func (r *Ring) Stats() (Stats, error) {
	if err := r.acquire(); err != nil {
		return Stats{}, err
	}
	defer func() { _ = r.release() }()
	s := r.slots
	st := Stats{
		Slots:     s.count,
		Published: s.firstUnwritten().number(s.count),
		Released:  s.firstUnreleased().number(s.count),
		Shutdown:  s.shutdown.Load() != 0,
	}
	for i := range s.count {
		switch wordState(s.header(i).word.Load()) {
		case layout.StateFree:
			st.Free++
		case layout.StateWriting:
			st.Writing++
		case layout.StateReady:
			st.Ready++
		case layout.StateTaken:
			st.Taken++
		}
	}
	return st, r.look(&st)
}

// look adds the seats in use.
func (r *Ring) look(st *Stats) error {
	for _, role := range []Role{RoleProducer, RoleConsumer} {
		first, last := r.seats(role)
		for n := first; n <= last; n++ {
			if r.word32(r.sb.Participant(n)+layout.PartState).Load() != layout.PartInUse {
				continue
			}
			// The ring's own description holds no seat, so every holder is seen.
			alive, err := shm.Locked(r.fd, layout.LockBase+int64(n))
			if err != nil {
				return fmt.Errorf("ring %q: %w", r.name, err)
			}
			e := r.entry(n)
			st.Participants = append(st.Participants, Participant{
				Seat: n, Role: role, Name: e.Name, PID: int(e.PID), Joined: time.Unix(0, e.JoinedNS), Alive: alive,
			})
		}
	}
	return nil
}

// String is a line for people.
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
