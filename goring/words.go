package goring

import (
	"cmp"

	"example.com/goring/layout"
)

// The slot words of spec section 5: lap<<8 | owner<<2 | state.

func freeWord(lap uint64) uint64           { return lap << 8 }
func readyWord(lap uint64) uint64          { return lap<<8 | layout.StateReady }
func writingWord(lap, owner uint64) uint64 { return lap<<8 | owner<<2 | layout.StateWriting }
func takenWord(lap, owner uint64) uint64   { return lap<<8 | owner<<2 | layout.StateTaken }
func abortedWord(lap, owner uint64) uint64 { return lap<<8 | owner<<2 | layout.StateReady }

func wordLap(w uint64) uint64    { return w >> 8 }
func wordOwner(w uint64) uint64  { return w >> 2 & 63 }
func wordState(w uint64) uint64  { return w & 3 }
func wordAborted(w uint64) bool  { return wordState(w) == layout.StateReady && wordOwner(w) != 0 }
func wordReadyAny(w uint64) bool { return w&0xff == layout.StateReady }

// position is a message number carried as lap and index, so that the hot path
// never divides.
type position struct{ lap, idx uint64 }

// number is the message number of p in a ring of n slots.
func (p position) number(n uint64) uint64 { return p.lap*n + p.idx }

// next moves p one message on.
func (p position) next(n uint64) position {
	if p.idx++; p.idx == n {
		p.idx = 0
		p.lap++
	}
	return p
}

// behind is plus for a k of at most n.
func (p position) behind(k, n uint64) position {
	if p.idx += k; p.idx >= n {
		p.idx -= n
		p.lap++
	}
	return p
}

// plus moves p k messages on; k is less than n nearly always.
func (p position) plus(k, n uint64) position {
	if p.idx += k; p.idx >= n {
		p.lap += p.idx / n
		p.idx %= n
	}
	return p
}

// catchUp is the larger of p and the position of a shared hint.
func (p position) catchUp(hint, n uint64) position {
	if own := p.number(n); hint > own {
		return p.plus(hint-own, n)
	}
	return p
}

func comparePositions(a, b position) int {
	return cmp.Or(cmp.Compare(a.lap, b.lap), cmp.Compare(a.idx, b.idx))
}

// positionOf is the position of message number x.
func positionOf(x, n uint64) position { return position{x / n, x % n} }

// firstUnreleased is the smallest number over all words, whatever their state:
// where a consumer starts. With one consumer only it changes any number, so the
// minimum is exact although the scan is not atomic; with several it is a lower
// bound to walk up from.
func (s *slots) firstUnreleased() position {
	best := ^uint64(0)
	for i := range s.count {
		best = min(best, wordLap(s.header(i).word.Load())*s.count+i)
	}
	return positionOf(best, s.count)
}

// firstUnwritten is the smallest number that can still be published: where a
// producer starts. A slot that is not FREE counts with its next lap; in the broadcast
// modes a WRITING one with its own, for there a dead producer's number is used again.
func (s *slots) firstUnwritten() position {
	best := ^uint64(0)
	for i := range s.count {
		w := s.header(i).word.Load()
		lap := wordLap(w)
		if st := wordState(w); st != layout.StateFree && (st != layout.StateWriting || s.mode == layout.ModeQueue) {
			lap++
		}
		best = min(best, lap*s.count+i)
	}
	return positionOf(best, s.count)
}

// clearAfter puts READY words behind the producer's start back to FREE, last to
// first: a predecessor that published a batch out of order died in between. Only
// for rings of one producer and one consumer, whose consumer cannot have passed
// the hole at start.
func (s *slots) clearAfter(start position) {
	for k := s.count - 1; k > 0; k-- {
		p := start.plus(k, s.count)
		if h := s.header(p.idx); h.word.Load() == readyWord(p.lap) {
			h.word.Store(freeWord(p.lap))
		}
	}
}
