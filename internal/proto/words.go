package proto

import (
	"cmp"

	"example.com/goring/layout"
)

// A slot word is lap<<8 | owner<<2 | state.

// FreeWord returns the word of a slot that may be written in this lap.
func FreeWord(lap uint64) uint64 { return lap << 8 }

// ReadyWord returns the word of a published message.
func ReadyWord(lap uint64) uint64 { return lap<<8 | layout.StateReady }

// WritingWord returns the word of a slot that the producer in seat owner has reserved.
func WritingWord(lap, owner uint64) uint64 { return lap<<8 | owner<<2 | layout.StateWriting }

// TakenWord returns the word of a message that the consumer in seat owner has taken.
func TakenWord(lap, owner uint64) uint64 { return lap<<8 | owner<<2 | layout.StateTaken }

// AbortedWord returns the word of a number that seat owner reserved and did not publish.
func AbortedWord(lap, owner uint64) uint64 { return lap<<8 | owner<<2 | layout.StateReady }

// WordLap returns the lap of a word.
func WordLap(w uint64) uint64 { return w >> 8 }

// WordOwner returns the seat in a word, or 0.
func WordOwner(w uint64) uint64 { return w >> 2 & 63 }

// WordState returns the state of a word: one of layout.StateFree to layout.StateTaken.
func WordState(w uint64) uint64 { return w & 3 }

// IsAborted reports whether a word is AbortedWord of some seat.
func IsAborted(w uint64) bool { return WordState(w) == layout.StateReady && WordOwner(w) != 0 }

// isReady reports whether a word is ReadyWord of some lap.
func isReady(w uint64) bool { return w&0xff == layout.StateReady }

// Sizes is the second word of a slot header: len | meta_len<<32 | flags<<48 | redelivered<<56.
// A peer writes it, so it is loaded once, checked with [Ring.SizesFit], and only the copy is used.
type Sizes uint64

// NewSizes returns the sizes of a new message with n payload and meta metadata bytes.
func NewSizes(n, meta uint64) Sizes { return Sizes(n | meta<<32) }

// Len returns the payload's length in bytes.
func (s Sizes) Len() uint64 { return uint64(s) & 0xffffffff }

// MetaLen returns the metadata's length in bytes.
func (s Sizes) MetaLen() uint64 { return uint64(s) >> 32 & 0xffff }

// Redelivered returns how often the message was requeued, at most 255.
func (s Sizes) Redelivered() int { return int(s >> 56) }

// WithLen returns s with a payload of n bytes.
func (s Sizes) WithLen(n uint64) Sizes { return s&^0xffffffff | Sizes(n) }

// WithMetaLen returns the sizes of a new message with the payload of s and n metadata bytes.
func (s Sizes) WithMetaLen(n uint64) Sizes { return NewSizes(s.Len(), n) }

// Position is a message number carried as lap and slot index, so that no step divides.
type Position struct{ Lap, Idx uint64 }

// PositionOf returns the position of message number x in a ring of n slots.
func PositionOf(x, n uint64) Position { return Position{x / n, x % n} }

// Number returns the message number of p in a ring of n slots.
func (p Position) Number(n uint64) uint64 { return p.Lap*n + p.Idx }

// Next returns the position one message after p.
func (p Position) Next(n uint64) Position {
	if p.Idx++; p.Idx == n {
		p.Idx = 0
		p.Lap++
	}
	return p
}

// Advance returns the position k messages after p, for k <= n. It does not divide.
func (p Position) Advance(k, n uint64) Position {
	if p.Idx += k; p.Idx >= n {
		p.Idx -= n
		p.Lap++
	}
	return p
}

// Plus returns the position k messages after p, for any k. It divides when k leaves the lap.
func (p Position) Plus(k, n uint64) Position {
	if p.Idx += k; p.Idx >= n {
		p.Lap += p.Idx / n
		p.Idx %= n
	}
	return p
}

// CatchUp returns the larger of p and the position of a shared hint.
func (p Position) CatchUp(hint, n uint64) Position {
	if own := p.Number(n); hint > own {
		return p.Plus(hint-own, n)
	}
	return p
}

// Compare returns -1, 0 or 1 as p is before, at or after q.
func (p Position) Compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Lap, q.Lap), cmp.Compare(p.Idx, q.Idx))
}

// Discipline is how the participants of one role share a ring. It selects the steps of every
// operation of that role (spec sections 6 and 7).
type Discipline uint8

const (
	// Single is a queue with one seat of the role: plain stores, no read-modify-write.
	Single Discipline = iota
	// Multi is a queue with several seats of the role: compare-and-swap from a shared hint.
	Multi
	// Broadcast delivers every message to every consumer; cursors gate the producer.
	Broadcast
	// Overwrite is Broadcast without a gate: the producer waits for no consumer.
	Overwrite
)

// DisciplineOf returns the discipline of a role with that many seats.
func DisciplineOf(mode layout.Mode, seats int) Discipline {
	switch mode {
	case layout.ModeBroadcast:
		return Broadcast
	case layout.ModeOverwrite:
		return Overwrite
	case layout.ModeQueue:
	}
	if seats > 1 {
		return Multi
	}
	return Single
}

// FirstUnreleased returns the smallest number over all words, whatever their state: the
// position where a consumer starts. It is exact when one consumer changes the numbers, and a
// lower bound to walk up from when several do.
// SYNC release load
func (r *Ring) FirstUnreleased() Position {
	first := ^uint64(0)
	for i := range r.Slots {
		first = min(first, WordLap(r.Header(i).Word.Load())*r.Slots+i)
	}
	return PositionOf(first, r.Slots)
}

// FirstUnwritten returns the smallest number that can still be published: the position where a
// producer starts. A slot that is not FREE counts with its next lap. A WRITING slot of the
// broadcast modes counts with its own, since a dead producer's number is published there again.
// SYNC commit load, reserve load
func (r *Ring) FirstUnwritten() Position {
	first := ^uint64(0)
	for i := range r.Slots {
		w := r.Header(i).Word.Load()
		lap := WordLap(w)
		if st := WordState(w); st != layout.StateFree && (st != layout.StateWriting || r.Mode == layout.ModeQueue) {
			lap++
		}
		first = min(first, lap*r.Slots+i)
	}
	return PositionOf(first, r.Slots)
}

// clearAfter stores FREE into the READY slots after start, from the last to the first: a
// predecessor died between the stores of a batch that it published out of order. It is for rings of
// one producer and one consumer: the consumer cannot have passed the gap yet.
// SYNC commit load, release store
func (r *Ring) clearAfter(start Position) {
	for k := r.Slots - 1; k > 0; k-- {
		p := start.Plus(k, r.Slots)
		if h := r.Header(p.Idx); h.Word.Load() == ReadyWord(p.Lap) {
			h.Word.Store(FreeWord(p.Lap))
		}
	}
}
