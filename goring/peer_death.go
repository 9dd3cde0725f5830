package goring

import (
	"errors"
	"fmt"
	"time"

	"example.com/goring/internal/config"
	"example.com/goring/internal/enum"
	"example.com/goring/internal/proto"
)

// PeerDeath selects how a wait ends when the last peer that could end it has died.
type PeerDeath uint8

const (
	// FailOnDeath ends the wait with a [PeerDeadError]. The default.
	FailOnDeath PeerDeath = iota
	// AwaitSuccessor goes on waiting: another process will start the peer again.
	AwaitSuccessor
)

var peerDeathNames = []string{FailOnDeath: "fail", AwaitSuccessor: "await"}

// String returns fail or await.
func (d PeerDeath) String() string { return enum.Name("PeerDeath", peerDeathNames, uint8(d)) }

// ParsePeerDeath is the inverse of [PeerDeath.String]. It fails with ErrOption.
func ParsePeerDeath(name string) (PeerDeath, error) {
	i, err := enum.Parse("reaction to a peer's death", peerDeathNames, name, ErrOption)
	return PeerDeath(i), err
}

// OnPeerDeath sets how this participant's waits end when all its peers have died:
// producers wait for consumers, consumers for producers. A peer that has not come yet, or
// that left properly, is waited for either way. [FailOnDeath] without it.
func OnPeerDeath(d PeerDeath) Option {
	return func(c *config.Config) {
		c.Note("OnPeerDeath", config.ForJoin)
		c.Await = d == AwaitSuccessor
	}
}

// ErrPeerDead: the last peer that could end the wait has died. Every message that it had
// committed has been delivered. The error is a [PeerDeadError].
var ErrPeerDead = errors.New("peer is dead")

// PeerDeadError names the dead peer that a wait was for: of several that died, the
// one that was seen last. It matches [ErrPeerDead].
type PeerDeadError struct {
	Ring  string
	Role  Role          // of the dead peer
	Seat  int           // its seat, free for a successor
	Name  string        // its name, see [As]
	PID   int           // for people; a pid means nothing across containers
	Quiet time.Duration // since it last joined, slept or woke; 0 unknown
}

// Error names the dead peer and says how to go on.
func (e *PeerDeadError) Error() string {
	quiet := ""
	if e.Quiet > 0 {
		quiet = fmt.Sprintf(", last seen %v ago", e.Quiet.Round(time.Millisecond))
	}
	return fmt.Sprintf("ring %q: its last %s, %q (seat %d, pid %d%s), died; start another one, or wait for one with OnPeerDeath(AwaitSuccessor): %v",
		e.Ring, e.Role, e.Name, e.Seat, e.PID, quiet, ErrPeerDead)
}

// Unwrap returns ErrPeerDead.
func (e *PeerDeadError) Unwrap() error { return ErrPeerDead }

// peerDead returns the error of a wait that ended with the death of the last holder of a seat.
// SYNC progress load
func (r *Ring) peerDead(seat int) error {
	e := r.proto.Entry(seat)
	role := RoleProducer
	if seat > r.sb.MaxProducers {
		role = RoleConsumer
	}
	quiet := proto.Since(r.proto.Seat(seat).Progress.Load())
	return &PeerDeadError{Ring: r.name, Role: role, Seat: seat, Name: e.Name, PID: int(e.PID), Quiet: quiet}
}
