package goring

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

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

	pos    position // the next number to look at
	owner  uint64   // seat number in the words of a shared side, 0 when alone
	gen    uint64   // requeue_gen of the last scan that took nothing
	closed bool
	again  givenBack // alone: what Requeue gave back
}

func newConsumer(r *Ring, seat *Seat, strategy Strategy) *Consumer {
	s := r.slots
	c := &Consumer{
		ring: r, s: s, seat: seat,
		wait: newWaiter(futex.Event{Ev: s.dataEv, Waiting: s.dataWaiting}, s.shutdown, strategy),
		room: futex.Event{Ev: s.roomEv, Waiting: s.roomWaiting},
		pos:  s.firstUnreleased(),
		gen:  s.requeueGen.Load() - 1, // unequal: the first empty walk scans
	}
	if r.sb.MaxConsumers > 1 {
		c.owner = uint64(seat.Number())
	}
	return c
}

// Read waits for the next message and lends it to the caller until it is
// released. ctx is looked at only when Read has to wait.
//
// It fails with io.EOF when the ring is shut down and empty, ErrHeld when the
// caller holds every slot itself, ErrCorrupt when a peer published a message
// whose sizes cannot be (it is skipped), os.ErrClosed when the consumer is
// closed, or the context's error.
func (c *Consumer) Read(ctx context.Context) (Message, error) {
	at, ok := c.take()
	if !ok {
		var err error
		if at, err = c.waitData(ctx); err != nil {
			return Message{}, err
		}
	}
	return c.open(at)
}

// TryRead is Read that fails with ErrEmpty instead of waiting.
func (c *Consumer) TryRead() (Message, error) {
	at, ok := c.take()
	if !ok {
		if err := c.refusal(); err != nil {
			return Message{}, err
		}
		if c.s.shutdown.Load() == 0 {
			return Message{}, ErrEmpty
		}
		if at, ok = c.takeFinal(); !ok {
			return Message{}, io.EOF
		}
	}
	return c.open(at)
}

// Messages iterates over the messages as they come, each released at the next
// step unless the loop has released or requeued it. It ends without an error when
// the ring is shut down and empty; any other error is yielded once and ends it.
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
			if m.held() {
				m.Release()
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
	if c.closed {
		return nil
	}
	c.closed = true
	c.wait.release()
	if c.owner != 0 && c.s.giveBack(c.owner) {
		c.s.requeued()
	}
	return c.seat.Leave()
}

// take returns the next message's position if it is there.
func (c *Consumer) take() (position, bool) {
	if c.closed {
		return position{}, false
	}
	if c.owner != 0 {
		return c.takeShared(true)
	}
	if at, ok := c.again.pop(); ok {
		return at, true
	}
	at := c.pos
	// Pairs with the producer's commit: what was written before READY is visible.
	if c.s.header(at.idx).word.Load() != readyWord(at.lap) {
		return c.skip()
	}
	c.pos = at.next(c.s.count)
	return at, true
}

// takeFinal is take that trusts no hint.
func (c *Consumer) takeFinal() (position, bool) {
	if c.owner != 0 {
		return c.takeShared(false)
	}
	return c.take()
}

// skip walks over aborted messages and over those that an earlier consumer
// released out of order.
func (c *Consumer) skip() (position, bool) {
	for range 2 * c.s.count {
		at := c.pos
		h := c.s.header(at.idx)
		switch w := h.word.Load(); {
		case w == readyWord(at.lap):
			c.pos = at.next(c.s.count)
			return at, true
		case wordLap(w) == at.lap && wordAborted(w):
			h.word.Store(freeWord(at.lap + 1))
			c.room.Notify()
			c.pos = at.next(c.s.count)
		case wordLap(w) > at.lap:
			c.pos = at.next(c.s.count)
		default:
			return position{}, false
		}
	}
	return position{}, false
}

// takeShared takes the first READY message that a walk finds; where the walk ends it
// looks for messages that were given back behind the hint.
func (c *Consumer) takeShared(hints bool) (position, bool) {
	if at, ok := c.walk(hints); ok {
		return at, true
	}
	gen := c.s.requeueGen.Load() // before the scan: a later requeue makes us look again
	if hints && gen == c.gen {
		return position{}, false
	}
	// Walk once more: whatever was given back before gen was loaded is now behind the
	// place where this walk stops.
	if at, ok := c.walk(hints); ok {
		return at, true
	}
	at, ok := c.takeBehind(c.pos.number(c.s.count))
	if !ok {
		c.gen = gen
	}
	return at, ok
}

// walk goes up from the hint and takes the first READY message by CAS.
func (c *Consumer) walk(hints bool) (position, bool) {
	if hints {
		c.pos = c.pos.catchUp(c.s.takeHint.Load(), c.s.count)
	} else {
		c.pos = c.s.firstUnreleased()
	}
	for range 2 * c.s.count {
		at := c.pos
		h := c.s.header(at.idx)
		w := h.word.Load()
		switch {
		case w == readyWord(at.lap):
			if !h.word.CompareAndSwap(w, takenWord(at.lap, c.owner)) {
				continue
			}
			c.pos = at.next(c.s.count)
			c.s.takeHint.Store(c.pos.number(c.s.count)) // after the CAS: never ahead
			return at, true
		case wordLap(w) == at.lap && wordAborted(w):
			if h.word.CompareAndSwap(w, freeWord(at.lap+1)) {
				c.room.Notify()
			}
		case wordLap(w) > at.lap || wordLap(w) == at.lap && wordState(w) == layout.StateTaken:
		default:
			return position{}, false
		}
		c.pos = at.next(c.s.count)
	}
	return position{}, false
}

// takeBehind scans for the smallest READY message before number stop. From there on
// lie fresh messages: the scan is not atomic and could take a later one of them
// before an earlier one, or pass the WRITING slot of a slow producer.
func (c *Consumer) takeBehind(stop uint64) (position, bool) {
	for {
		best, word := stop, uint64(0)
		for i := range c.s.count {
			w := c.s.header(i).word.Load()
			if n := wordLap(w)*c.s.count + i; wordReadyAny(w) && n < best {
				best, word = n, w
			}
		}
		if best == stop {
			return position{}, false
		}
		at := positionOf(best, c.s.count)
		if c.s.header(at.idx).word.CompareAndSwap(word, takenWord(at.lap, c.owner)) {
			return at, true
		}
	}
}

func (c *Consumer) refusal() error {
	if c.closed {
		return fmt.Errorf("consumer of ring %q: %w", c.ring.name, os.ErrClosed)
	}
	if c.owner == 0 {
		// A message of the lap before at the place of the next one: we hold it.
		if w := c.s.header(c.pos.idx).word.Load(); w == readyWord(c.pos.lap-1) && c.pos.lap > 0 {
			return fmt.Errorf("ring %q has %d slots: %w", c.ring.name, c.s.count, ErrHeld)
		}
	}
	return nil
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
		err = io.EOF
	}
	return at, err
}

// open bounds the sizes of the message at at, which is ours, and hands it out.
func (c *Consumer) open(at position) (Message, error) {
	m := c.message(at, c.s.header(at.idx).sizes) // one load; only this copy is used
	if !c.sane(m.sizes) {
		m.Release()
		return Message{}, fmt.Errorf("message %d of ring %q claims %d payload and %d metadata bytes, slots hold %d and %d: %w",
			m.Seq(), c.ring.name, m.sizes&0xffffffff, m.sizes>>32&0xffff, c.s.bytes, c.s.maxMeta, ErrCorrupt)
	}
	return m, nil
}

// message is the loan of the message at at with the given sizes.
func (c *Consumer) message(at position, sizes uint64) Message {
	m := Message{c: c, at: at, word: readyWord(at.lap), sizes: sizes}
	if c.owner != 0 {
		m.word = takenWord(at.lap, c.owner)
	}
	return m
}

// sane reports whether a peer's sizes are within the slot.
func (c *Consumer) sane(sizes uint64) bool {
	n := sizes & 0xffffffff
	return n <= c.s.bytes && (!c.s.fixed || n == c.s.bytes) && sizes>>32&0xffff <= c.s.maxMeta
}
