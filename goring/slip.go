package goring

import (
	"time"

	"example.com/goring/internal/cpu"
)

// slip keeps a participant from treading on its peer's heels (spec section 9). Whoever is
// faster catches up, and from then on the two pass a line of memory to and fro for every
// message, which takes longer than the message does. So who must wait stays away for a
// moment first, without a look, and comes back to several messages, or free slots. Where it
// does not find several, because each message is answered before the next one is sent, or
// the peer is slow, it tries again after ever more waits.
type slip struct {
	enough uint64 // messages from one wait to the next; 0: never stays away
	most   int    // pauses
	last   uint64 // the number that was waited for last
	pauses int    // to stay away; 0: that does not pay at present
	skip   int    // waits until it is tried again,
	gap    int    // and how many those were
}

const (
	slipMost   = 2 * time.Microsecond
	slipEnough = 128
	slipPart   = 4    // of the ring's slots: it must run neither full nor empty meanwhile
	slipFew    = 4    // fewer messages do not pay
	slipRarely = 4095 // waits between two trials, at most
)

// newSlip is for a ring of so many slots.
func newSlip(slots uint64) slip {
	enough := min(slipEnough, slots/slipPart)
	if enough < slipFew {
		return slip{}
	}
	return slip{enough: enough, most: cpu.PausesIn(slipMost)}
}

// apart reports whether there is room to look ahead: with fewer slots than 60 the other side
// is at work there.
func (s *slip) apart() bool { return s.enough >= 3*lookAhead }

// before is how many pauses to stay away before the wait for the message of that number.
func (s *slip) before(number uint64) int {
	got := number - s.last
	s.last = number
	switch {
	case s.enough == 0:
	case s.pauses == 0:
		if s.skip--; s.skip < 0 {
			s.skip, s.pauses = 0, s.most/2
		}
	case got < slipFew:
		s.gap = min(2*s.gap+1, slipRarely)
		s.skip, s.pauses = s.gap, 0
	default:
		s.gap = 0
		if got > s.enough {
			s.pauses -= s.pauses / 4
		} else if got < s.enough/2 {
			s.pauses = min(2*s.pauses, s.most)
		}
	}
	return s.pauses
}

// stayAway pauses before the wait for the message of that number, if that pays.
func (s *slip) stayAway(number uint64) {
	for range s.before(number) {
		cpu.Pause()
	}
}
