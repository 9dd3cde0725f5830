package goring

import (
	"context"
	"fmt"

	"example.com/goring/layout"
)

// ReadBatch is a run of messages on loan, released together or one by one.
type ReadBatch struct {
	c  *Consumer
	at position
	n  uint64
}

// ReadBatch waits for a message and takes it and those that are there right behind
// it, at most limit.
func (c *Consumer) ReadBatch(ctx context.Context, limit int) (ReadBatch, error) {
	if limit < 1 {
		return ReadBatch{}, fmt.Errorf("a batch of %d: want 1 or more: %w", limit, ErrOption)
	}
	if err := c.ring.onlyHost("a batch", "Read"); err != nil {
		return ReadBatch{}, err
	}
	m, err := c.Read(ctx)
	if err != nil {
		return ReadBatch{}, err
	}
	b := ReadBatch{c: c, at: m.at, n: 1}
	if m.at.next(c.s.count) != c.pos {
		return b, nil // a given-back message stands alone
	}
	most := c.s.longestRun(b.at, uint64(limit))
	if c.owner != 0 {
		for b.n < most && c.takeNext() {
			b.n++
		}
		return b, nil
	}
	// The first was taken above. A message whose sizes cannot be ends the run: the next
	// read reports it.
	b.n = max(c.saneRun(b.at, most), 1)
	c.pos = b.at.plus(b.n, c.s.count)
	return b, nil
}

// saneRun counts the messages from at on, at most most, that are there and whose sizes can be.
func (c *Consumer) saneRun(at position, most uint64) uint64 {
	s := c.s
	r := s.runFrom(at, layout.StateReady)
	for n := range most {
		h := s.headerAt(r.off)
		if h.word.Load() != r.word {
			return n
		}
		if sizes := h.sizes; sizes != s.bytes && !c.sane(sizes) { // most are full and have no metadata
			return n
		}
		r = r.next(s)
	}
	return most
}

// takeNext takes the message at pos of a shared side if it is there and its sizes can be.
func (c *Consumer) takeNext() bool {
	at := c.pos
	h := c.s.header(at.idx)
	if !h.word.CompareAndSwap(readyWord(at.lap), takenWord(at.lap, c.owner)) {
		return false
	}
	c.s.takeHint.Store(at.number(c.s.count) + 1)
	c.pos = at.next(c.s.count)
	if !c.sane(h.sizes) {
		Message{c, at, 0}.Requeue() // the run ends before it; the next read reports it
		return false
	}
	return true
}

// Len is how many messages the batch has.
func (b ReadBatch) Len() int { return int(b.n) }

// Seq is the number of the run's first message.
func (b ReadBatch) Seq() uint64 { return b.at.number(b.c.s.count) }

// At is message k of the batch.
func (b ReadBatch) At(k int) Message {
	if uint64(k) >= b.n {
		panic(outside{"message", k, b.n})
	}
	at := b.at.behind(uint64(k), b.c.s.count)
	return Message{b.c, at, b.c.s.header(at.idx).sizes}
}

// Data is the payload of all messages in one piece, on rings of fixed items whose
// payloads lie back to back; else nil.
func (b ReadBatch) Data() []byte {
	if !b.c.s.fixed {
		return nil
	}
	return b.c.s.contiguous(b.at, b.n)
}

// Release gives all slots of the batch back to the producers. It panics when one of
// its messages is not held any more. On overwrite rings it is ErrLapped when the
// producer has begun to overwrite the batch.
func (b ReadBatch) Release() error {
	s := b.c.s
	switch b.c.side {
	case sideGated:
		if b.c.bars&barClosed != 0 || b.c.again.n.Load() != 0 && b.givenBack() || !b.c.cur.release(b.Seq(), b.n) {
			panic(notHeldAsAWhole)
		}
		b.c.room.Notify()
		return nil
	case sideLossy: // the producer overwrites from the first to the last
		return Message{b.c, b.at, 0}.Release()
	}
	if b.c.bars&barClosed != 0 || s.runOf(b.at, b.n, b.c.lent) != b.n || b.c.again.n.Load() != 0 && b.givenBack() {
		panic(notHeldAsAWhole)
	}
	r := s.runFrom(position{b.at.lap + 1, b.at.idx}, layout.StateFree)
	for range b.n - 1 {
		storeRelease(&s.headerAt(r.off).word, r.word)
		r = r.next(s)
	}
	s.headerAt(r.off).word.Store(r.word) // sequentially consistent, see Message.Release
	b.c.room.Notify()
	return nil
}

const notHeldAsAWhole = "goring: Release of a batch that is not held as a whole (released or requeued before, or after Close)"

// givenBack reports whether a message of the batch was requeued on its own.
func (b ReadBatch) givenBack() bool {
	for k := range b.n {
		if b.c.again.has(b.at.plus(k, b.c.s.count)) {
			return true
		}
	}
	return false
}
