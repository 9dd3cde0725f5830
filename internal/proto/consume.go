package proto

import (
	"sync/atomic"

	"example.com/goring/internal/futex"
	"example.com/goring/layout"
)

// Consumer is the protocol state of one consumer.
type Consumer struct {
	Participant
	room futex.Event
	// heldBits is the low byte of the words of messages that the consumer holds.
	heldBits uint64
	// gen is requeue_gen at the last scan of discipline Multi that took nothing.
	gen uint64

	// Cursor counts the releases of a consumer of a broadcast ring.
	Cursor Cursor

	seat    Seat          // of this consumer, in the broadcast modes
	lost    atomic.Uint64 // messages missed on an overwrite ring
	fresh   bool          // an overwrite ring: nothing was taken yet
	private atomic.Uint32 // the target of fence
}

// Init makes c the state of the consumer that has entered seat. prefetch is as for [NewProducer].
// SYNC requeue load, cursor load
func (c *Consumer) Init(r *Ring, seat int, prefetch bool) {
	c.Participant = newParticipant(r, seat, r.sb.MaxConsumers, prefetch)
	c.Prefetches = c.Prefetches && c.Discipline == Single
	c.room = r.Room
	c.heldBits = ReadyWord(0)
	switch c.Discipline {
	case Multi:
		c.heldBits = TakenWord(0, c.Owner)
		c.gen = r.requeueGen.Load() - 1 // unequal, so that the first empty walk scans
		c.Pos = r.FirstUnreleased()
	case Single:
		c.Pos = r.FirstUnreleased()
	case Broadcast, Overwrite:
		c.seat = r.Seat(seat)
		c.Cursor.init(r, c.seat.Cursor)
		c.Pos = PositionOf(c.Cursor.next, r.Slots)
		c.fresh = true
	}
}

// Ready reports whether the message at Pos is READY. It is the whole of taking for a single
// consumer. Everything that the producer stored before READY is visible when it reports true.
// SYNC commit load
func (c *Consumer) Ready() bool {
	return c.Ring.Header(c.Pos.Idx).Word.Load() == ReadyWord(c.Pos.Lap)
}

// ReadyAt reports whether the message at at is READY.
// SYNC commit load
func (c *Consumer) ReadyAt(at Position) bool {
	return c.Ring.Header(at.Idx).Word.Load() == ReadyWord(at.Lap)
}

// TryTake takes the next message and returns its position, if one is READY. With hints false it
// ignores the shared hint and the generation of requeued messages.
func (c *Consumer) TryTake(hints bool) (Position, bool) {
	switch c.Discipline {
	case Multi:
		if at, ok := c.walk(hints); ok {
			return at, true
		}
		return c.tryTakeRequeued(hints)
	case Overwrite:
		return c.takeOverwrite()
	case Single, Broadcast:
	}
	at := c.Pos
	if c.Ready() {
		c.Pos = at.Next(c.Ring.Slots)
		return at, true
	}
	if c.Discipline == Broadcast {
		return Position{}, false
	}
	return c.skipDone()
}

// skipDone takes the next message after aborted numbers and after those that a predecessor
// released out of order.
// SYNC commit load, release store
func (c *Consumer) skipDone() (Position, bool) {
	r := c.Ring
	for range 2 * r.Slots {
		at := c.Pos
		h := r.Header(at.Idx)
		switch w := h.Word.Load(); {
		case w == ReadyWord(at.Lap):
			c.Pos = at.Next(r.Slots)
			return at, true
		case WordLap(w) == at.Lap && IsAborted(w):
			h.Word.Store(FreeWord(at.Lap + 1))
			c.room.Notify()
			c.Pos = at.Next(r.Slots)
		case WordLap(w) > at.Lap:
			c.Pos = at.Next(r.Slots)
		default:
			return Position{}, false
		}
	}
	return Position{}, false
}

// tryTakeRequeued takes a requeued message of discipline Multi, where a walk has found nothing.
// SYNC requeue load
func (c *Consumer) tryTakeRequeued(hints bool) (Position, bool) {
	gen := c.Ring.requeueGen.Load() // before the scan: a later requeue causes another scan
	if hints && gen == c.gen {
		return Position{}, false
	}
	// Walk once more: every message requeued before gen was loaded is now below the position
	// where this walk stops.
	if at, ok := c.walk(hints); ok {
		return at, true
	}
	at, ok := c.takeRequeued(c.Pos.Number(c.Ring.Slots))
	if !ok {
		c.gen = gen
	}
	return at, ok
}

// walk goes up from the hint and takes the first READY message.
// SYNC commit load, take load, hint load
func (c *Consumer) walk(hints bool) (Position, bool) {
	r := c.Ring
	if hints {
		c.Pos = c.Pos.CatchUp(r.takeHint.Load(), r.Slots)
	} else {
		c.Pos = r.FirstUnreleased()
	}
	for range 2 * r.Slots {
		at := c.Pos
		h := r.Header(at.Idx)
		w := h.Word.Load()
		switch {
		case w == ReadyWord(at.Lap):
			if !h.Word.CompareAndSwap(w, TakenWord(at.Lap, c.Owner)) { // SYNC take store
				continue
			}
			c.Pos = at.Next(r.Slots)
			r.takeHint.Store(c.Pos.Number(r.Slots)) // SYNC hint store: after the CAS, never ahead
			return at, true
		case WordLap(w) == at.Lap && IsAborted(w):
			if h.Word.CompareAndSwap(w, FreeWord(at.Lap+1)) { // SYNC release store
				c.room.Notify()
			}
		case WordLap(w) > at.Lap || WordLap(w) == at.Lap && WordState(w) == layout.StateTaken:
		default:
			return Position{}, false
		}
		c.Pos = at.Next(r.Slots)
	}
	return Position{}, false
}

// takeRequeued takes the smallest READY message below number stop. Messages from stop on are
// fresh: a scan, which is not atomic, could take a later one of them before an earlier one, or
// pass the WRITING slot of a slow producer.
// SYNC commit load, take store
func (c *Consumer) takeRequeued(stop uint64) (Position, bool) {
	r := c.Ring
	for {
		first, word := stop, uint64(0)
		for i := range r.Slots {
			w := r.Header(i).Word.Load()
			if n := WordLap(w)*r.Slots + i; isReady(w) && n < first {
				first, word = n, w
			}
		}
		if first == stop {
			return Position{}, false
		}
		at := PositionOf(first, r.Slots)
		if r.Header(at.Idx).Word.CompareAndSwap(word, TakenWord(at.Lap, c.Owner)) {
			return at, true
		}
	}
}

// TakeRun takes messages from Pos on, at most limit, that are READY and have sizes that fit, and
// returns how many. The next read reports a message with sizes that do not fit.
func (c *Consumer) TakeRun(limit uint64) uint64 {
	if c.Owner == 0 {
		n := c.readyRun(c.Pos, limit)
		c.Pos = c.Pos.Plus(n, c.Ring.Slots)
		return n
	}
	n := uint64(0)
	for n < limit && c.takeNext() {
		n++
	}
	return n
}

// readyRun counts the messages from at on, at most limit, that are READY with sizes that fit.
// SYNC commit load
func (c *Consumer) readyRun(at Position, limit uint64) uint64 {
	r := c.Ring
	x := r.runFrom(at, layout.StateReady)
	for n := range limit {
		h := r.headerAt(x.off)
		if h.Word.Load() != x.word {
			return n
		}
		// Most messages are full and have no metadata.
		if sizes := h.Sizes; uint64(sizes) != r.Bytes && !r.SizesFit(sizes) {
			return n
		}
		x = x.next(r)
	}
	return limit
}

// takeNext takes the message at Pos, of discipline Multi, if it is READY and its sizes fit.
// SYNC take store, commit load, hint store
func (c *Consumer) takeNext() bool {
	r, at := c.Ring, c.Pos
	h := r.Header(at.Idx)
	if !h.Word.CompareAndSwap(ReadyWord(at.Lap), TakenWord(at.Lap, c.Owner)) {
		return false
	}
	c.Pos = at.Next(r.Slots)
	r.takeHint.Store(c.Pos.Number(r.Slots))
	if !r.SizesFit(h.Sizes) {
		c.Requeue(at)
		return false
	}
	return true
}

// HeldWord returns the word of the slot at at while the consumer holds its message.
func (c *Consumer) HeldWord(at Position) uint64 { return at.Lap<<8 | c.heldBits }

// IsHeld reports whether the consumer of a queue holds the message at at. A word that differs is
// misuse by the caller or by a peer.
// SYNC commit load, take load
func (c *Consumer) IsHeld(at Position) bool {
	return c.Ring.Header(at.Idx).Word.Load() == c.HeldWord(at)
}

// IsHeldRun reports whether the consumer of a queue holds all n messages from at on.
func (c *Consumer) IsHeldRun(at Position, n uint64) bool {
	return c.Ring.RunOf(at, n, c.heldBits) == n
}

// Release frees the slot of the message at at of a queue, if the consumer holds it, and reports
// whether it did. The store is ordered before the load of the waiting flag.
// SYNC commit load, take load, release store, waiting load
func (c *Consumer) Release(at Position) bool {
	h := c.Ring.Header(at.Idx)
	if h.Word.Load() != c.HeldWord(at) {
		return false
	}
	h.Word.Store(FreeWord(at.Lap + 1))
	c.room.Notify()
	return true
}

// ReleaseRun frees the slots of n held messages of a queue from at on.
// SYNC release store
func (c *Consumer) ReleaseRun(at Position, n uint64) {
	r := c.Ring
	x := r.runFrom(Position{at.Lap + 1, at.Idx}, layout.StateFree)
	for range n - 1 {
		storeRelease(&r.headerAt(x.off).Word, x.word)
		x = x.next(r)
	}
	r.headerAt(x.off).Word.Store(x.word) // sequentially consistent, as in Release
	c.room.Notify()
}

// Requeue makes a held message of discipline Multi READY again, for any consumer.
// SYNC commit store
func (c *Consumer) Requeue(at Position) {
	h := c.Ring.Header(at.Idx)
	h.CountRedelivery()
	h.Word.Store(ReadyWord(at.Lap))
	c.Ring.NotifyRequeued()
}

// NotifyRequeued tells all consumers that a message is READY below the hints. Its word was stored
// before: a consumer that loads the new generation finds it.
// SYNC requeue store
func (r *Ring) NotifyRequeued() {
	r.requeueGen.Add(1)
	r.Data.Notify()
}

// CountRedelivery adds one to the header's count, which saturates at 255. The caller owns the
// slot; its next store of the word publishes the count.
func (h *Header) CountRedelivery() {
	if h.Sizes.Redelivered() != 255 {
		h.Sizes += 1 << 56
	}
}

// HoldsEverySlot reports whether the slot of the next message is held by this consumer itself, so
// that no producer can fill it.
// SYNC commit load
func (c *Consumer) HoldsEverySlot() bool {
	switch c.Discipline {
	case Single: // the slot still has the message of the lap before
		return c.Pos.Lap > 0 && c.Ring.Header(c.Pos.Idx).Word.Load() == ReadyWord(c.Pos.Lap-1)
	case Broadcast:
		return c.Pos.Number(c.Ring.Slots)-c.Cursor.First() >= c.Ring.Slots
	case Multi, Overwrite:
	}
	return false
}

// Overrun returns the word of the slot at Pos and true when a broadcast producer has overwritten
// a message that this consumer had not released, which breaks the rules.
// SYNC commit load
func (c *Consumer) Overrun() (uint64, bool) {
	w := c.Ring.Header(c.Pos.Idx).Word.Load()
	return w, c.Discipline == Broadcast && WordLap(w) > c.Pos.Lap
}

// GiveBackAll requeues every message that the consumer holds.
func (c *Consumer) GiveBackAll() {
	if c.Owner != 0 && c.Ring.GiveBack(c.Owner) {
		c.Ring.NotifyRequeued()
	}
}

// SkipToNewest moves Pos to the newest message of a broadcast ring, if that one was not read, and
// releases those before it.
func (c *Consumer) SkipToNewest() {
	head := c.Ring.Head()
	newest, next := head-1, c.Pos.Number(c.Ring.Slots)
	switch {
	case head == 0:
	case c.Discipline == Overwrite && (c.fresh || newest >= next):
		c.Pos = PositionOf(newest, c.Ring.Slots)
	case c.Discipline == Broadcast && newest > next && newest-c.Cursor.First() < c.Ring.Slots:
		c.Cursor.Release(next, newest-next)
		c.Pos = PositionOf(newest, c.Ring.Slots)
	}
}
