package proto

import (
	"time"

	"example.com/goring/internal/futex"
	"example.com/goring/layout"
)

// Participant is the part of a producer or consumer that both have.
type Participant struct {
	// Ring is the ring that the participant has joined.
	Ring *Ring
	// Owner is the seat in the slot words of discipline Multi, else 0.
	Owner uint64
	// Seat is the seat's number, from 1.
	Seat int
	// Discipline selects the steps of every operation.
	Discipline Discipline
	// Prefetches is true when slots are prefetched ahead of their turn.
	Prefetches bool
	// Pos is the next number to reserve or to look at.
	Pos Position
}

func newParticipant(r *Ring, seat, seats int, prefetch bool) Participant {
	p := Participant{Ring: r, Seat: seat, Discipline: DisciplineOf(r.Mode, seats)}
	if p.Discipline == Multi {
		p.Owner = uint64(seat)
	}
	p.Prefetches = prefetch
	return p
}

// Producer is the protocol state of one producer.
type Producer struct {
	Participant
	data futex.Event
	// gate is the smallest cursor of the consumers of a broadcast ring as last loaded.
	gate uint64
	// storesHead is true in the broadcast modes.
	storesHead bool
	// Time is the commit time of the next message, UnixNano; 0 is the time of its commit.
	Time int64
}

// NewProducer returns the state of the producer that has entered seat. prefetch says whether
// slots ahead of their turn are prefetched, which pays when it keeps a distance to its peer.
func NewProducer(r *Ring, seat int, prefetch bool) Producer {
	p := Producer{Participant: newParticipant(r, seat, r.sb.MaxProducers, prefetch), data: r.Data}
	p.Prefetches = p.Prefetches && p.Discipline != Multi
	p.Pos = r.FirstUnwritten()
	switch p.Discipline {
	case Broadcast, Overwrite:
		h := p.Pos.Number(r.Slots)
		r.head.Store(h) // SYNC head store: a predecessor may have died before it stored head
		p.gate = r.SlowestCursor(h)
		p.storesHead = true
	case Single:
		if r.sb.MaxConsumers == 1 {
			r.clearAfter(p.Pos)
		}
	case Multi:
	}
	return p
}

// Writable reports whether the slot at Pos is FREE in this lap and the ring takes messages. It
// is the whole of reserving for a single producer.
// SYNC release load, shutdown load
func (p *Producer) Writable() bool {
	return p.Ring.shutdown.Load() == 0 && p.Ring.Header(p.Pos.Idx).Word.Load() == FreeWord(p.Pos.Lap)
}

// TryReserve makes the slot at Pos the caller's if no waiting is needed. With hints false it
// ignores the shared hint, which a dead producer may have left wrong.
// SYNC release load
func (p *Producer) TryReserve(hints bool) bool {
	switch p.Discipline {
	case Multi:
		return p.tryReserveMulti(hints)
	case Broadcast:
		return p.passGate()
	case Overwrite:
		p.markWriting(p.Pos, 1)
		return true
	case Single:
	}
	return p.Ring.Header(p.Pos.Idx).Word.Load() == FreeWord(p.Pos.Lap)
}

// tryReserveMulti walks up from the hint and reserves the first FREE slot. A walk is at most two
// laps long: only a peer that breaks the rules makes it longer.
func (p *Producer) tryReserveMulti(hints bool) bool {
	r := p.Ring
	if hints {
		p.Pos = p.Pos.CatchUp(r.putHint.Load(), r.Slots) // SYNC hint load
	} else {
		p.Pos = r.FirstUnwritten()
	}
	for range 2 * r.Slots {
		h := r.Header(p.Pos.Idx)
		w := h.Word.Load() // SYNC release load, reserve load
		switch {
		case w == FreeWord(p.Pos.Lap):
			if h.Word.CompareAndSwap(w, WritingWord(p.Pos.Lap, p.Owner)) { // SYNC reserve store
				r.putHint.Store(p.Pos.Number(r.Slots) + 1) // SYNC hint store: after the CAS, never ahead
				return true
			}
		case WordLap(w) < p.Pos.Lap:
			return false // full
		default: // reserved by another producer, or published already
			p.Pos = p.Pos.Next(r.Slots)
		}
	}
	return false
}

// reserveAt reserves the slot at at, of discipline Multi, if it is FREE.
// SYNC reserve store, hint store
func (p *Producer) reserveAt(at Position) bool {
	if !p.Ring.Header(at.Idx).Word.CompareAndSwap(FreeWord(at.Lap), WritingWord(at.Lap, p.Owner)) {
		return false
	}
	p.Ring.putHint.Store(at.Number(p.Ring.Slots) + 1)
	return true
}

// passGate reports whether every consumer of a broadcast ring has released the slot at Pos.
func (p *Producer) passGate() bool {
	h := p.Pos.Number(p.Ring.Slots)
	if h-p.gate < p.Ring.Slots {
		return true
	}
	p.gate = p.Ring.SlowestCursor(h)
	return h-p.gate < p.Ring.Slots
}

// room returns how many slots from Pos on the gate leaves to the producer, which has passed it.
func (p *Producer) room() uint64 {
	h := p.Pos.Number(p.Ring.Slots)
	p.gate = p.Ring.SlowestCursor(h)
	return p.Ring.Slots - (h - p.gate)
}

// ReserveRun returns how many slots from Pos on are the caller's, at most limit. The first one
// has been reserved; those after it are reserved as far as they are free.
func (p *Producer) ReserveRun(limit uint64) uint64 {
	r := p.Ring
	limit = r.LongestRun(p.Pos, limit)
	switch p.Discipline {
	case Single:
		return max(r.RunOf(p.Pos, limit, layout.StateFree), 1)
	case Broadcast:
		return min(limit, p.room())
	case Overwrite:
		p.markWriting(p.Pos.Next(r.Slots), limit-1)
		return limit
	case Multi:
	}
	n := uint64(1)
	for n < limit && p.reserveAt(p.Pos.Plus(n, r.Slots)) {
		n++
	}
	return n
}

// Publish makes the reserved slot at Pos a message and advances.
//
// A word shares its cache line with the payload of an inline slot. Nothing may stall between the
// first store of the payload and the store of the word: a consumer that polls the word would take
// the line away in between.
func (p *Producer) Publish(sizes Sizes, tag uint64) {
	r, at := p.Ring, p.Pos
	h := r.Header(at.Idx)
	h.Timestamp = p.now()
	h.Sizes = sizes
	h.Tag = tag
	h.Word.Store(ReadyWord(at.Lap)) // SYNC commit store, waiting: ordered before the load of the flag
	p.afterPublish(at.Next(r.Slots))
	if p.Prefetches {
		r.PrefetchSlot(p.Pos)
		if n := sizes.Len(); n >= minPrefetch {
			r.prefetchPayload(p.Pos, n)
		}
	}
}

// afterPublish advances to next once the slots before it were published.
// SYNC waiting load
func (p *Producer) afterPublish(next Position) {
	p.Pos = next
	if p.storesHead || p.data.Waiting.Load() != 0 {
		p.announce()
	}
}

// announce stores head in the broadcast modes and wakes sleeping consumers. It is out of line so
// that afterPublish is inlined. Every message before head is READY when head is stored.
// SYNC head store
//
//go:noinline
func (p *Producer) announce() {
	if p.storesHead {
		p.Ring.head.Store(p.Pos.Number(p.Ring.Slots))
	}
	p.data.Notify()
}

// DescribeRun writes headers of full messages into n slots from Pos on.
func (p *Producer) DescribeRun(n uint64) {
	r := p.Ring
	x := r.runFrom(p.Pos, 0)
	for range n {
		h := r.headerAt(x.off)
		h.Sizes, h.Tag = Sizes(r.Bytes), 0
		x = x.next(r)
	}
}

// PublishRun publishes the first n of the reserved slots from at on and aborts the others.
func (p *Producer) PublishRun(at Position, n, reserved uint64) {
	if n > 0 {
		p.publishRun(at, n)
	}
	if p.Owner == 0 {
		reserved = n // the next message uses the other numbers
	}
	for k := n; k < reserved; k++ {
		x := at.Plus(k, p.Ring.Slots)
		p.Ring.Header(x.Idx).Word.Store(AbortedWord(x.Lap, p.Owner)) // SYNC commit store
	}
	p.afterPublish(p.Pos.Plus(reserved, p.Ring.Slots))
}

// publishRun stores READY into n slots from the first to the last: a producer that dies in
// between leaves no gap. The last store is sequentially consistent, which the load of the waiting
// flag after it needs.
// SYNC commit store
func (p *Producer) publishRun(at Position, n uint64) {
	r := p.Ring
	now := p.now()
	x := r.runFrom(at, layout.StateReady)
	for range n - 1 {
		h := r.headerAt(x.off)
		h.Timestamp = now
		storeRelease(&h.Word, x.word)
		x = x.next(r)
	}
	h := r.headerAt(x.off)
	h.Timestamp = now
	h.Word.Store(x.word)
}

// Abort gives up the reserved slot at Pos. Only discipline Multi uses up the number.
// SYNC commit store
func (p *Producer) Abort() {
	if p.Owner == 0 {
		return
	}
	p.Ring.Header(p.Pos.Idx).Word.Store(AbortedWord(p.Pos.Lap, p.Owner))
	p.afterPublish(p.Pos.Next(p.Ring.Slots))
}

// AbortAll gives up every slot that the producer has reserved.
func (p *Producer) AbortAll() {
	if p.Owner != 0 && p.Ring.GiveBack(p.Owner) {
		p.data.Notify()
	}
}

// Retract frees the slot of a published message that no consumer has taken, and reports whether
// it did. It is for queues of several consumers; elsewhere it reports false.
// SYNC take store, release store
func (r *Ring) Retract(seq uint64) bool {
	if r.Mode != layout.ModeQueue || r.sb.MaxConsumers == 1 {
		return false
	}
	at := PositionOf(seq, r.Slots)
	if !r.Header(at.Idx).Word.CompareAndSwap(ReadyWord(at.Lap), FreeWord(at.Lap+1)) {
		return false
	}
	r.Room.Notify()
	return true
}

// CorruptWord returns the word of the slot at Pos and true when no peer that keeps the rules can
// have stored it there: the only producer expects FREE of this lap, or a word of the lap before.
// SYNC release load
func (p *Producer) CorruptWord() (uint64, bool) {
	w := p.Ring.Header(p.Pos.Idx).Word.Load()
	bad := WordLap(w) > p.Pos.Lap || WordLap(w) == p.Pos.Lap && w != FreeWord(p.Pos.Lap)
	return w, bad && p.Discipline == Single
}

// now returns the commit time for a header, or 0 on rings without timestamps.
func (p *Producer) now() int64 {
	if p.Ring.Timestamps {
		return p.commitTime()
	}
	return 0
}

// commitTime returns Time, once, or the present time. It is out of line so that now is inlined.
//
//go:noinline
func (p *Producer) commitTime() int64 {
	if at := p.Time; at != 0 {
		p.Time = 0
		return at
	}
	return time.Now().UnixNano()
}
