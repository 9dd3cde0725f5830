package goring

import (
	"context"
	"fmt"

	"example.com/goring/internal/proto"
)

// ReadBatch is a run of messages on loan, released together or one by one.
type ReadBatch struct {
	c  *Consumer
	at proto.Position
	n  uint64
}

// ReadBatch waits for a message and takes it and those that are ready right after
// it, at most limit. Errors are those of [Consumer.Read], and ErrOption when limit is less than 1.
func (c *Consumer) ReadBatch(ctx context.Context, limit int) (ReadBatch, error) {
	if limit < 1 {
		return ReadBatch{}, fmt.Errorf("a batch of %d: want 1 or more: %w", limit, ErrOption)
	}
	m, err := c.Read(ctx)
	if err != nil {
		return ReadBatch{}, err
	}
	r := c.core.Ring
	b := ReadBatch{c: c, at: m.at, n: 1}
	if m.at.Next(r.Slots) == c.core.Pos { // a requeued message stands alone
		b.n += c.core.TakeRun(r.LongestRun(b.at, uint64(limit)) - 1)
	}
	return b, nil
}

// Len returns how many messages the batch has.
func (b ReadBatch) Len() int { return int(b.n) }

// Seq returns the number of the run's first message.
func (b ReadBatch) Seq() uint64 { return b.at.Number(b.c.core.Ring.Slots) }

// At returns message k of the batch. It panics when there is none.
func (b ReadBatch) At(k int) Message {
	if uint64(k) >= b.n {
		panic(outside{"message", k, b.n})
	}
	r := b.c.core.Ring
	at := b.at.Advance(uint64(k), r.Slots)
	return Message{b.c, at, r.Header(at.Idx).Sizes}
}

// Data returns the payload of all messages in one piece, on rings of fixed items with
// payloads back to back; else nil.
func (b ReadBatch) Data() []byte {
	if !b.c.core.Ring.Fixed {
		return nil
	}
	return b.c.core.Ring.Contiguous(b.at, b.n)
}

// Release gives all slots of the batch back to the producers. It panics when one of
// its messages is not held any more. On overwrite rings it fails with ErrLapped when the
// producer has begun to overwrite the batch.
func (b ReadBatch) Release() error {
	c := b.c
	switch c.core.Discipline {
	case proto.Overwrite: // the producer overwrites from the first to the last
		return Message{c, b.at, 0}.Release()
	case proto.Broadcast:
		if c.slow&slowClosed != 0 || b.anyRequeued() || !c.core.Cursor.Release(b.Seq(), b.n) {
			panic(notHeldAsAWhole)
		}
	case proto.Single, proto.Multi:
		if c.slow&slowClosed != 0 || !c.core.IsHeldRun(b.at, b.n) || b.anyRequeued() {
			panic(notHeldAsAWhole)
		}
		c.core.ReleaseRun(b.at, b.n)
	}
	return nil
}

const notHeldAsAWhole = "goring: Release of a batch that is not held as a whole (released or requeued before, or after Close)"

// anyRequeued reports whether a message of the batch was requeued on its own.
func (b ReadBatch) anyRequeued() bool {
	if b.c.requeued.empty() {
		return false
	}
	for k := range b.n {
		if b.c.requeued.has(b.at.Plus(k, b.c.core.Ring.Slots)) {
			return true
		}
	}
	return false
}
