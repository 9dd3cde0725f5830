package goring

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"sync/atomic"

	"example.com/goring/internal/futex"
	"example.com/goring/layout"
)

// Consumer takes messages from a ring. It is for one goroutine at a time; the
// messages it hands out may be released in any order and by any goroutine.
type Consumer struct {
	ring *Ring
	s    *slots
	seat *Seat
	wait waiter
	room futex.Event // producers sleep here

	pos        position // the next number to look at
	side       side
	owner      uint64 // seat number in the words of a shared side, else 0
	lent       uint64 // low byte of the words of messages on loan
	gen        uint64 // shared: requeue_gen of the last scan that took nothing
	bars       bars
	looksAhead bool      // asks for the lines of slots before their turn, see slots.own
	again      givenBack // not shared: what Requeue gave back

	cur     cursor        // broadcast: what was released
	words   seatWords     // broadcast modes: this seat's
	lost    atomic.Uint64 // overwrite: messages missed
	fresh   bool          // overwrite: nothing was read yet
	private atomic.Uint32 // overwrite: see fence

	gpu    *gpuMemory // of a GPU ring, else nil
	stream Stream     // its own, on such a ring
}

func newConsumer(r *Ring, seat *Seat, how *config) *Consumer {
	s := r.slots
	c := &Consumer{
		ring: r, s: s, seat: seat,
		wait: newWaiter(s.dataEvent(), seat, how, RoleProducer),
		room: s.roomEvent(),
		side: sideOf(s.mode, r.sb.MaxConsumers),
		lent: readyWord(0),

		gpu: seat.memory, stream: how.cuda.stream,
	}
	switch c.side {
	case sideShared:
		c.bars = barSide
		c.owner = uint64(seat.Number())
		c.lent = takenWord(0, c.owner)
		c.gen = s.requeueGen.Load() - 1 // unequal: the first empty walk scans
		c.pos = s.firstUnreleased()
	case sideAlone:
		c.pos = s.firstUnreleased()
		c.looksAhead = c.wait.slip.apart()
	default:
		c.words = r.seatWords(seat.Number())
		c.cur = cursor{shared: c.words.cursor, next: c.words.cursor.Load(), early: map[uint64]struct{}{}}
		if c.gpu != nil && c.side == sideGated {
			c.cur.advance = c.advance
		}
		c.pos = positionOf(c.cur.next, s.count)
		c.fresh = true
	}
	if c.side == sideLossy {
		c.bars = barSide
	}
	return c
}

// Read waits for the next message and lends it to the caller until it is
// released. ctx is looked at only when Read has to wait.
//
// It fails with io.EOF when the ring is shut down and empty, ErrHeld when the
// caller holds every slot itself, ErrCorrupt when a peer published a message
// whose sizes cannot be (it is skipped), ErrPeerDead when it is empty and its last
// producer has died (see [OnPeerDeath]), os.ErrClosed when the consumer is closed, or
// the context's error.
func (c *Consumer) Read(ctx context.Context) (Message, error) {
	for {
		at, ok := c.pos, false
		if c.there() {
			c.moveOn(at.next(c.s.count))
		} else if c.bars == 0 && c.soon() {
			if c.pos = at.next(c.s.count); c.wait.slip.pauses > 0 {
				c.moveOn(c.pos) // else in step with the producer, which needs the lines ahead itself
			}
		} else if at, ok = c.take(); !ok {
			var err error
			if at, err = c.waitData(ctx); err != nil {
				return Message{}, err
			}
		}
		m := c.loan(at)
		if c.sane(m.sizes) {
			if c.gpu != nil && !c.sift(m) {
				continue
			}
			return m, nil
		}
		if err := c.reject(m); err != errTorn {
			return Message{}, err
		}
	}
}

// TryRead is Read that fails with ErrEmpty instead of waiting.
func (c *Consumer) TryRead() (Message, error) {
	for {
		at, ok := c.take()
		if !ok {
			if err := c.refusal(); err != nil {
				return Message{}, err
			}
			if c.s.shutdown.Load() == 0 {
				return Message{}, ErrEmpty
			}
			if at, ok = c.takeFinal(); !ok {
				return Message{}, c.end()
			}
		}
		m := c.loan(at)
		if c.sane(m.sizes) {
			if c.gpu != nil && !c.sift(m) {
				continue
			}
			return m, nil
		}
		if err := c.reject(m); err != errTorn {
			return Message{}, err
		}
	}
}

// Messages iterates over the messages as they come, each released at the next
// step unless the loop has released or requeued it. It ends without an error when
// the ring is shut down and empty; any other error is yielded once and ends it. On an
// overwrite ring ask [Message.Valid] once what is needed has been read.
func (c *Consumer) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for {
			m, err := c.Read(ctx)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Message{}, err)
				return
			}
			more := yield(m, nil)
			if c.side <= sideShared {
				m.free()
			} else if m.held() {
				_ = m.Release() // on overwrite rings the loop asks Valid or releases itself
			}
			if !more {
				return
			}
		}
	}
}

// Close gives the seat back. Messages that are still held are given back to the
// ring: other consumers, or the next one, get them.
func (c *Consumer) Close() error {
	if c.bars&barClosed != 0 {
		return nil
	}
	c.bars |= barClosed
	c.wait.release()
	if c.owner != 0 && c.s.giveBack(c.owner) {
		c.s.requeued()
	}
	return c.seat.Leave()
}

func (c *Consumer) refusal() error {
	if c.bars&barClosed != 0 {
		return fmt.Errorf("consumer of ring %q: %w", c.ring.name, os.ErrClosed)
	}
	if c.holdsAll() {
		return fmt.Errorf("ring %q has %d slots: %w", c.ring.name, c.s.count, ErrHeld)
	}
	if w := c.s.header(c.pos.idx).word.Load(); c.side == sideGated && wordLap(w) > c.pos.lap {
		return fmt.Errorf("slot %d has word %#x, its message %d was not released: %w", c.pos.idx, w, c.pos.number(c.s.count), ErrCorrupt)
	}
	return nil
}

// holdsAll reports whether the consumer itself holds the slot of its next message.
func (c *Consumer) holdsAll() bool {
	switch c.side {
	case sideAlone: // a message of the lap before is at the place of the next one
		return c.pos.lap > 0 && c.s.header(c.pos.idx).word.Load() == readyWord(c.pos.lap-1)
	case sideGated:
		return c.pos.number(c.s.count)-c.cur.first() >= c.s.count
	}
	return false
}

// there reports whether the message at pos is the caller's as it is.
// Pairs with the producer's commit: what was written before READY is visible.
func (c *Consumer) there() bool {
	return c.bars == 0 && c.again.n.Load() == 0 && c.s.header(c.pos.idx).word.Load() == readyWord(c.pos.lap)
}

// moveOn makes next the place to look at.
func (c *Consumer) moveOn(next position) {
	c.pos = next
	if c.looksAhead {
		c.s.own(next)
	}
}

// soon is there, a moment later.
func (c *Consumer) soon() bool {
	if !c.wait.eager || c.again.n.Load() != 0 {
		return false
	}
	c.wait.slip.stayAway(c.pos.number(c.s.count))
	return c.s.comes(c.pos, layout.StateReady)
}

func (c *Consumer) waitData(ctx context.Context) (at position, err error) {
	if err := c.refusal(); err != nil {
		return at, err
	}
	err = c.wait.wait(ctx, func(final bool) (ok bool) {
		if final {
			at, ok = c.takeFinal()
		} else {
			at, ok = c.take()
		}
		return ok
	})
	if errors.Is(err, ErrShutdown) {
		err = c.end()
	}
	return at, err
}

// end is what a consumer meets behind the last message.
func (c *Consumer) end() error {
	if c.ring.endedEarly() {
		return fmt.Errorf("ring %q: %w", c.ring.name, ErrExporterGone)
	}
	return io.EOF
}

// loan is the message at at, which is ours. Its sizes were loaded once; only this copy
// is used, once it is sane.
func (c *Consumer) loan(at position) Message { return Message{c, at, c.s.header(at.idx).sizes} }

// reject releases a message whose sizes cannot be, and says so.
func (c *Consumer) reject(m Message) error {
	if m.Release() != nil { // these were not the message's sizes
		c.miss(1)
		return errTorn
	}
	return fmt.Errorf("message %d of ring %q claims %d payload and %d metadata bytes, slots hold %d and %d: %w",
		m.Seq(), c.ring.name, m.sizes&0xffffffff, m.sizes>>32&0xffff, c.s.bytes, c.s.maxMeta, ErrCorrupt)
}

// errTorn is for a message that was overwritten before it could be handed out.
var errTorn = errors.New("torn")

// sane reports whether a peer's sizes are within the slot.
func (c *Consumer) sane(sizes uint64) bool {
	return c.s.holds(sizes&0xffffffff) && sizes>>32&0xffff <= c.s.maxMeta
}
