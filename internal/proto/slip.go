package proto

import (
	"time"

	"example.com/goring/internal/cpu"
)

// Slip implements temporal slipping (FastForward, PPoPP 2008; spec/PACING.md). When two cores run
// in lockstep, every message bounces one cache line between them, which takes longer than the
// message does. A participant that must wait pauses first, without a look, so that several
// messages or free slots accumulate. Where they do not, because each message is answered before
// the next one is sent or the peer is slow, it tries again after ever more waits.
type Slip struct {
	// target is how many messages should pass from one wait to the next; 0 switches slipping off.
	target uint64
	// maxPauses bounds pauses.
	maxPauses int
	// last is the message number of the last wait.
	last uint64
	// pauses is how long to pause before a wait; 0 while slipping does not pay.
	pauses int
	// skip is how many waits are left until the next trial.
	skip int
	// backoff is how many waits the last trial was put off by.
	backoff int
}

const (
	slipTime   = 2 * time.Microsecond
	slipTarget = 128
	// slipShare is the divisor of the ring's slots that bounds the target: the ring must run
	// neither full nor empty meanwhile.
	slipShare = 4
	// slipMin is the fewest messages of a wait that pay.
	slipMin = 4
	// slipMaxBackoff bounds the waits between two trials.
	slipMaxBackoff = 4095
)

// NewSlip returns the slip of a participant of a ring of that many slots.
func NewSlip(slots uint64) Slip {
	target := min(slipTarget, slots/slipShare)
	if target < slipMin {
		return Slip{}
	}
	return Slip{target: target, maxPauses: cpu.PausesIn(slipTime)}
}

// RoomToPrefetch reports whether the other side is not at work on the slots that a participant
// would prefetch. With fewer than 60 slots it is.
func (s *Slip) RoomToPrefetch() bool { return s.target >= 3*prefetchDistance }

// Slips reports whether the participant pauses before waits at present.
func (s *Slip) Slips() bool { return s.pauses > 0 }

// PausesBefore returns how many pauses to make before the wait for that message number.
func (s *Slip) PausesBefore(number uint64) int {
	passed := number - s.last
	s.last = number
	switch {
	case s.target == 0:
	case s.pauses == 0:
		if s.skip--; s.skip < 0 {
			s.skip, s.pauses = 0, s.maxPauses/2
		}
	case passed < slipMin:
		s.backoff = min(2*s.backoff+1, slipMaxBackoff)
		s.skip, s.pauses = s.backoff, 0
	default:
		s.backoff = 0
		if passed > s.target {
			s.pauses -= s.pauses / 4
		} else if passed < s.target/2 {
			s.pauses = min(2*s.pauses, s.maxPauses)
		}
	}
	return s.pauses
}

// Pause pauses before the wait for that message number, if that pays.
func (s *Slip) Pause(number uint64) {
	for range s.PausesBefore(number) {
		cpu.Pause()
	}
}
