package proto

// markWriting stores WRITING into n slots from at on before their bytes change. The load after
// each store is Go's way to a fence: on arm64 a sequentially consistent store alone lets the
// plain stores of the payload pass it.
// SYNC overwrite store, overwrite load
func (p *Producer) markWriting(at Position, n uint64) {
	seat := uint64(p.Seat)
	for range n {
		h := p.Ring.Header(at.Idx)
		h.Word.Store(WritingWord(at.Lap, seat))
		h.Word.Load()
		at = at.Next(p.Ring.Slots)
	}
}

// Intact reports whether the slot of the message at at still has its word. The caller has read
// the message's bytes before: if it reports true, they were whole.
// SYNC overwrite load
func (c *Consumer) Intact(at Position) bool {
	c.fence()
	return c.Ring.Header(at.Idx).Word.Load() == ReadyWord(at.Lap)
}

// fence orders the loads before it before the loads after it. A sequentially consistent store to
// a word of this consumer's own does that on every machine that Go runs on.
// SYNC overwrite load
func (c *Consumer) fence() { c.private.Store(0) }

// maxSkips bounds how often one look of an overwrite consumer is overtaken before it gives up.
const maxSkips = 100

// takeOverwrite takes the next message that has not been overwritten.
// SYNC commit load, progress store
func (c *Consumer) takeOverwrite() (Position, bool) {
	for range maxSkips {
		at := c.Pos
		if c.Ready() {
			c.Pos = at.Next(c.Ring.Slots)
			c.fresh = false
			c.seat.Cursor.Store(c.Pos.Number(c.Ring.Slots))
			return at, true
		}
		if !c.skipOverwritten() {
			break
		}
	}
	return Position{}, false
}

// skipOverwritten advances a consumer past overwritten messages, and reports whether its next
// message was one.
// SYNC overwrite load, head load
func (c *Consumer) skipOverwritten() bool {
	w := c.Ring.Header(c.Pos.Idx).Word.Load()
	if WordLap(w) <= c.Pos.Lap {
		return false
	}
	n, slots := c.Pos.Number(c.Ring.Slots), c.Ring.Slots
	to := n + 1
	if oldest := c.Ring.head.Load() + 1; oldest > slots && oldest-slots > to {
		to = oldest - slots
	}
	c.CountLost(to - n)
	c.Pos = PositionOf(to, slots)
	return true
}

// CountLost counts n messages that this consumer never got.
// SYNC progress store
func (c *Consumer) CountLost(n uint64) { c.seat.Lost.Store(c.lost.Add(n)) }

// Lost returns how many messages this consumer of an overwrite ring never got. Any goroutine may
// call it.
// SYNC progress load
func (c *Consumer) Lost() uint64 { return c.lost.Load() }
