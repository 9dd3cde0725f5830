package goring

import (
	"context"
	"fmt"

	"example.com/goring/layout"
)

// overwriting marks n slots from at on as being written, before their bytes change.
// The load behind the last store is Go's way to a fence: on arm64 a sequentially
// consistent store alone lets the plain stores of the payload pass it.
func (p *Producer) overwriting(at position, n uint64) {
	seat := uint64(p.seat.Number())
	for range n {
		h := p.s.header(at.idx)
		h.word.Store(writingWord(at.lap, seat))
		h.word.Load()
		at = at.next(p.s.count)
	}
}

// overtaken moves on a consumer whose next message was overwritten, and reports
// whether it was.
func (c *Consumer) overtaken() bool {
	w := c.s.header(c.pos.idx).word.Load()
	if wordLap(w) <= c.pos.lap {
		return false
	}
	t, s := c.pos.number(c.s.count), c.s.count
	to := t + 1
	if oldest := c.s.head.Load() + 1; oldest > s && oldest-s > to {
		to = oldest - s
	}
	c.miss(to - t)
	c.pos = positionOf(to, s)
	return true
}

// miss counts messages that this consumer never got.
func (c *Consumer) miss(n uint64) { c.words.lost.Store(c.lost.Add(n)) }

// takeLossy takes the next message that has not been overwritten.
func (c *Consumer) takeLossy() (position, bool) {
	for at, ok := c.again.pop(); ok; at, ok = c.again.pop() {
		if c.s.header(at.idx).word.Load() == readyWord(at.lap) {
			return at, true
		}
		c.miss(1)
	}
	for range lapsInARow {
		at := c.pos
		if c.s.header(at.idx).word.Load() == readyWord(at.lap) {
			c.pos = at.next(c.s.count)
			c.fresh = false
			c.words.cursor.Store(c.pos.number(c.s.count))
			return at, true
		}
		if !c.overtaken() {
			break
		}
	}
	return position{}, false
}

// lapsInARow is how often one look is overtaken before it gives up for now.
const lapsInARow = 100

// Lost is how many messages this consumer of an overwrite ring was too slow for and
// never got. It may be asked from any goroutine. On other rings it is 0.
func (c *Consumer) Lost() uint64 { return c.lost.Load() }

// fence orders the loads before it before the loads behind it: a sequentially
// consistent store to a word of our own does that on every machine Go runs on.
func (c *Consumer) fence() { c.private.Store(0) }

// whole reports whether the slot still has the word it was taken with. Its bytes were
// read before.
func (m Message) whole() bool {
	m.c.fence()
	return m.header().word.Load() == m.word()
}

// Latest skips to the newest message, waiting for one that this consumer has not had
// yet. It is for the broadcast modes: where the producer waits for consumers, what is
// skipped is released; where it does not, a message that was there before the consumer
// joined counts as new. Errors are those of Read, and ErrUnsupported on queues.
func (c *Consumer) Latest(ctx context.Context) (Message, error) {
	if c.s.mode == layout.ModeQueue {
		return Message{}, fmt.Errorf("Latest on ring %q, a queue skips nothing: %w", c.ring.name, ErrUnsupported)
	}
	c.skipToNewest()
	return c.Read(ctx)
}

// skipToNewest moves pos to the newest message if it is one that was not read.
func (c *Consumer) skipToNewest() {
	head := c.s.head.Load()
	newest := head - 1
	switch {
	case c.bars&barClosed != 0 || head == 0 || c.again.n.Load() != 0:
	case c.side == sideLossy && (c.fresh || newest >= c.pos.number(c.s.count)):
		c.pos = positionOf(newest, c.s.count)
	case c.side == sideGated && newest > c.pos.number(c.s.count) && newest-c.cur.first() < c.s.count:
		for t := c.pos.number(c.s.count); t < newest; t++ {
			c.cur.release(t, 1)
		}
		c.pos = positionOf(newest, c.s.count)
		c.room.Notify()
	}
}
