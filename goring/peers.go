package goring

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"example.com/goring/layout"
)

// PeerDeath says what becomes of a wait when the last peer that could end it has died.
type PeerDeath uint8

const (
	// FailOnDeath ends the wait with a [PeerDeadError]. The default.
	FailOnDeath PeerDeath = iota
	// AwaitSuccessor goes on waiting: somebody else will start the peer again.
	AwaitSuccessor
)

// OnPeerDeath sets what this participant's waits do when all its peers have died:
// producers wait for consumers, consumers for producers. A ring whose peer has not come
// yet, or has left properly, is waited for either way. [FailOnDeath] without it.
func OnPeerDeath(d PeerDeath) Option {
	return func(c *config) { c.note("OnPeerDeath", forJoin); c.peerDeath = d }
}

// ErrPeerDead: the last peer that could end the wait has died. Everything that it had
// committed has been delivered. The error is a [PeerDeadError].
var ErrPeerDead = errors.New("peer is dead")

// PeerDeadError names the peer that a wait was given up for: of several that died, the
// one that was seen last. It matches [ErrPeerDead].
type PeerDeadError struct {
	Ring  string
	Role  Role          // of the dead peer
	Seat  int           // its seat, free for a successor
	Name  string        // as it named itself, see [As]
	PID   int           // for people; a pid means nothing across containers
	Quiet time.Duration // since it last joined, slept or woke; 0 unknown
}

// Error says who died and what to do.
func (e *PeerDeadError) Error() string {
	quiet := ""
	if e.Quiet > 0 {
		quiet = fmt.Sprintf(", last seen %v ago", e.Quiet.Round(time.Millisecond))
	}
	return fmt.Sprintf("ring %q: its last %s, %q (seat %d, pid %d%s), died; start another one, or wait for one with OnPeerDeath(AwaitSuccessor): %v",
		e.Ring, e.Role, e.Name, e.Seat, e.PID, quiet, ErrPeerDead)
}

// Unwrap is ErrPeerDead.
func (e *PeerDeadError) Unwrap() error { return ErrPeerDead }

// peers are the seats of the other role, as one participant sees them.
type peers struct {
	ring  *Ring
	role  Role
	first int
	words []seatWords
	// known is each seat's epoch when this participant joined, if its holder was gone by
	// then: that death is not this participant's affair.
	known []uint32
}

// meet notes who sits on the other side. The dead have been reaped.
func (r *Ring) meet(other Role) *peers {
	first, last := r.seats(other)
	p := &peers{ring: r, role: other, first: first}
	for n := first; n <= last; n++ {
		w := r.seatWords(n)
		known := w.epoch.Load()
		if w.state.Load() == layout.PartInUse {
			known-- // its death will be
		}
		p.words, p.known = append(p.words, w), append(p.known, known)
	}
	return p
}

// desertion is a PeerDeadError when no peer lives and at least one has died, else nil.
// It believes the seats: the dead count as living until somebody has reaped them, which
// this participant does itself at the end of each slice.
func (p *peers) desertion() error {
	var dead *PeerDeadError
	for i, w := range p.words {
		if w.state.Load() == layout.PartInUse {
			return nil
		}
		if w.flags.Load()&layout.PartDied == 0 || w.epoch.Load() == p.known[i] {
			continue
		}
		if e := p.obituary(i); dead == nil || e.Quiet < dead.Quiet {
			dead = e
		}
	}
	if dead == nil {
		return nil
	}
	return dead
}

func (p *peers) obituary(i int) *PeerDeadError {
	e := p.ring.entry(p.first + i)
	dead := &PeerDeadError{Ring: p.ring.name, Role: p.role, Seat: p.first + i, Name: e.Name, PID: int(e.PID)}
	if seen := p.words[i].progress.Load(); seen > 0 {
		dead.Quiet = max(time.Duration(monotonic()-seen), 1)
	}
	return dead
}

// clock ties Go's monotonic clock to CLOCK_MONOTONIC, without a system call per look.
var clock = func() (c struct {
	at time.Time
	ns int64
}) {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) == nil {
		c.ns = ts.Nano()
	}
	c.at = time.Now()
	return c
}()

// monotonic is CLOCK_MONOTONIC in nanoseconds.
func monotonic() int64 { return clock.ns + int64(time.Since(clock.at)) }
