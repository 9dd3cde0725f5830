package goring

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"example.com/goring/internal/config"
	"example.com/goring/internal/enum"
	"example.com/goring/internal/proto"
	"example.com/goring/internal/shm"
)

// Role is the part that a participant plays.
type Role uint8

const (
	// RoleProducer writes messages.
	RoleProducer = Role(proto.RoleProducer)
	// RoleConsumer takes messages.
	RoleConsumer = Role(proto.RoleConsumer)
)

var roleNames = []string{RoleProducer: "producer", RoleConsumer: "consumer"}

// String returns producer or consumer.
func (r Role) String() string { return enum.Name("Role", roleNames, uint8(r)) }

// ParseRole is the inverse of [Role.String]. It fails with ErrOption.
func ParseRole(name string) (Role, error) {
	i, err := enum.Parse("role", roleNames, name, ErrOption)
	return Role(i), err
}

// Seat is a participant's place in a ring: a number, and a kernel lock on it that
// shows that this process lives. The lock is on a file description of the seat's own,
// so that two seats of one process are two to the kernel.
type Seat struct {
	ring   *Ring
	number int
	fd     int           // -1 after Leave and Detach
	member config.Member // of a GPU ring, else nil
}

// Number returns the seat's number, from 1.
func (s *Seat) Number() int { return s.number }

// Join takes a seat for a data plane of another language; Go programs use
// [Ring.Producer] and [Ring.Consumer]. It fails with ErrBusy when none is left. Options: [As].
func (r *Ring) Join(role Role, opts ...Option) (*Seat, error) {
	seat, _, err := r.join(role, opts)
	return seat, err
}

func (r *Ring) join(role Role, opts []Option) (*Seat, *config.Config, error) {
	c, err := configure(config.ForJoin, opts)
	if err != nil {
		return nil, nil, err
	}
	if r.sb.GPU() && c.Admit == nil {
		return nil, nil, fmt.Errorf("ring %q has its payloads in GPU memory; join it with package goring/cuda: %w", r.name, ErrFeature)
	}
	if err := r.acquire(); err != nil {
		return nil, nil, err
	}
	seat, err := r.admit(role, c)
	if err != nil {
		_ = r.release()
		return nil, nil, err
	}
	return seat, c, nil
}

// admit opens the memory of a GPU ring for the participant, then takes its seat. The caller has
// acquired the ring for it.
func (r *Ring) admit(role Role, c *config.Config) (*Seat, error) {
	if c.Admit == nil {
		return r.takeSeat(role, c)
	}
	var err error
	if c.Member, err = c.Admit(r.fd, r.block); err != nil {
		return nil, err
	}
	seat, err := r.takeSeat(role, c)
	if err != nil {
		c.Member.Leave()
	}
	return seat, err
}

// takeSeat joins the ring.
func (r *Ring) takeSeat(role Role, c *config.Config) (*Seat, error) {
	fd, err := shm.Reopen(r.fd)
	if err != nil {
		return nil, err
	}
	n, err := r.proto.Join(proto.Role(role), fd, c.Name)
	if err == nil && n == 0 {
		first, last := r.proto.SeatsOf(proto.Role(role))
		err = fmt.Errorf("ring %q takes %d %s(s) at once, held by %s: %w", r.name, last-first+1, role, r.holders(first, last), ErrBusy)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &Seat{ring: r, number: n, fd: fd, member: c.Member}, nil
}

// holders names the holders of the seats from first to last.
func (r *Ring) holders(first, last int) string {
	var names []string
	for n := first; n <= last; n++ {
		e := r.proto.Entry(n)
		names = append(names, fmt.Sprintf("%q (pid %d)", e.Name, e.PID))
	}
	return strings.Join(names, ", ")
}

// Leave frees the seat. Its holder owns no slot any more. It returns the error of closing the
// seat's descriptor. Leaving twice does nothing.
func (s *Seat) Leave() error {
	if s.fd < 0 {
		return nil
	}
	if s.member != nil {
		s.member.Drain(s.number)
	}
	fd := s.fd
	s.fd = -1
	err := s.ring.proto.Leave(s.number, func() error { return unix.Close(fd) })
	s.leaveMemory()
	if e := s.ring.release(); err == nil {
		err = e
	}
	return err
}

// Detach hands the locked descriptor to a data plane that has its own mapping, which leaves by
// storing state 0 into the entry and closing the descriptor.
func (s *Seat) Detach() int {
	fd := s.fd
	s.fd = -1
	s.leaveMemory()
	_ = s.ring.release()
	return fd
}

func (s *Seat) leaveMemory() {
	if s.member != nil {
		s.member.Leave()
		s.member = nil
	}
}
