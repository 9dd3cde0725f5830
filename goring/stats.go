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
	Slots     uint64 `json:"slots"`
	Published uint64 `json:"published"` // numbers used up so far, aborted ones included
	Released  uint64 `json:"released"`  // numbers before this one are all released; overwrite: overwritten
	Ready     uint64 `json:"ready"`     // messages waiting; broadcast: for the slowest consumer
	Taken     uint64 `json:"taken"`     // messages lent to one of several consumers
	Writing   uint64 `json:"writing"`   // slots reserved by one of several producers
	Free      uint64 `json:"free"`      // slots that can be written without waiting for anybody
	Shutdown  bool   `json:"shutdown"`

	Participants []Participant `json:"participants"`
}

// Participant is one seat in use.
type Participant struct {
	Seat      int           `json:"seat"`
	Role      Role          `json:"role"`
	Name      string        `json:"name"`
	PID       int           `json:"pid"`        // for people; a pid means nothing across containers
	StartTime uint64        `json:"start_time"` // of its process, clock ticks since boot as in /proc; 0 unknown
	Joined    time.Time     `json:"joined"`     // when it took the seat
	Alive     bool          `json:"alive"`      // according to the kernel, right across containers and zombies
	Quiet     time.Duration `json:"quiet_ns"`   // since it last joined, fell asleep or woke; 0 unknown. One that spins, or never has to wait, is quiet, too

	Holds  []uint64 `json:"holds"`  // numbers of the messages it is writing or has taken, where words say so
	Cursor uint64   `json:"cursor"` // broadcast modes, consumers: next number it will read
	Lag    uint64   `json:"lag"`    // broadcast modes, consumers: messages published and not read
	Lost   uint64   `json:"lost"`   // overwrite, consumers: messages it was too slow for
}

// Stats looks at every slot word once.
func (r *Ring) Stats() (Stats, error) {
	if err := r.acquire(); err != nil {
		return Stats{}, err
	}
	defer func() { _ = r.release() }()
	st := Stats{Slots: r.slots.count, Shutdown: r.slots.shutdown.Load() != 0}
	holds := map[int][]uint64{}
	if r.sb.Mode == layout.ModeQueue {
		r.slots.countWords(&st, holds)
	} else {
		r.slots.countCursors(&st)
	}
	return st, r.look(&st, holds)
}

// countWords counts the states of a queue's words, and what each seat holds.
func (s *slots) countWords(st *Stats, holds map[int][]uint64) {
	st.Published = s.firstUnwritten().number(s.count)
	st.Released = s.firstUnreleased().number(s.count)
	for i := range s.count {
		w := s.header(i).word.Load()
		switch n, owner := wordLap(w)*s.count+i, int(wordOwner(w)); wordState(w) {
		case layout.StateFree:
			st.Free++
		case layout.StateWriting:
			st.Writing++
			holds[owner] = append(holds[owner], n)
		case layout.StateReady:
			st.Ready++
		case layout.StateTaken:
			st.Taken++
			holds[owner] = append(holds[owner], n)
		}
	}
}

// countCursors counts what the slowest consumer of a broadcast ring has to read, or what
// is left of an overwritten one.
func (s *slots) countCursors(st *Stats) {
	st.Published = s.head.Load()
	if s.mode == layout.ModeOverwrite {
		st.Ready = min(st.Published, s.count)
		st.Free = s.count
	} else {
		st.Ready = min(st.Published-s.slowest(st.Published), s.count)
		st.Free = s.count - st.Ready
	}
	st.Released = st.Published - st.Ready
}

// look adds the seats in use.
func (r *Ring) look(st *Stats, holds map[int][]uint64) error {
	for _, role := range []Role{RoleProducer, RoleConsumer} {
		first, last := r.seats(role)
		for n := first; n <= last; n++ {
			seat := r.seatWords(n)
			if seat.state.Load() != layout.PartInUse {
				continue
			}
			// The ring's own description holds no seat, so every holder is seen.
			alive, err := shm.Locked(r.fd, layout.LockBase+int64(n))
			if err != nil {
				return fmt.Errorf("ring %q: %w", r.name, err)
			}
			e := r.entry(n)
			p := Participant{
				Seat: n, Role: role, Name: e.Name, PID: int(e.PID), StartTime: e.StartTime, Joined: time.Unix(0, e.JoinedNS), Alive: alive, Holds: holds[n],
			}
			if seen := seat.progress.Load(); seen > 0 {
				p.Quiet = max(time.Duration(monotonic()-seen), 1)
			}
			if role == RoleConsumer && r.sb.Mode != layout.ModeQueue {
				p.Cursor, p.Lost = seat.cursor.Load(), seat.lost.Load()
				p.Lag = st.Published - min(p.Cursor, st.Published)
			}
			st.Participants = append(st.Participants, p)
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

// MarshalText returns the role's name, which is how JSON has it.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText sets the role to the one of that name. It fails with ErrOption.
func (r *Role) UnmarshalText(name []byte) error {
	for _, role := range []Role{RoleProducer, RoleConsumer} {
		if role.String() == string(name) {
			*r = role
			return nil
		}
	}
	return fmt.Errorf("role %q is neither producer nor consumer: %w", name, ErrOption)
}
