package goring

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"example.com/goring/internal/config"
	"example.com/goring/internal/proto"
	"example.com/goring/layout"
)

// Consumer takes messages from a ring. One goroutine at a time may use it; any
// goroutine may release the messages that it hands out, in any order.
type Consumer struct {
	participant
	core     proto.Consumer
	requeued requeuedList
}

func newConsumer(r *Ring, seat *Seat, c *config.Config) *Consumer {
	k := &Consumer{participant: newParticipant(r, seat, RoleConsumer, c)}
	k.core.Init(r.proto, seat.number, k.wait.Slip.RoomToPrefetch())
	if k.core.Discipline == proto.Multi || k.core.Discipline == proto.Overwrite {
		k.slow = slowDiscipline
	}
	if c.Member != nil && k.core.Discipline == proto.Broadcast {
		k.core.Cursor.BeforeStore = func(next uint64) { c.Member.BeforeCursor(seat.number, next) }
	}
	return k
}

// Read waits for the next message and lends it to the caller until it is
// released. Read looks at ctx only when it has to wait.
//
// It fails with io.EOF when the ring is shut down and empty, ErrHeld when the
// caller holds every slot itself, ErrCorrupt when a peer published a message
// with impossible sizes (it is skipped), ErrPeerDead when the ring is empty and its last
// producer has died (see [OnPeerDeath]), os.ErrClosed when the consumer is closed, or
// the context's error.
func (c *Consumer) Read(ctx context.Context) (Message, error) {
	for {
		at, ok := c.core.Pos, false
		if c.ready() {
			c.advance(at.Next(c.core.Ring.Slots))
		} else if c.slow == 0 && c.spinReady() {
			// While it does not slip, the consumer is one message away from the producer, which
			// is writing the lines that a prefetch would take.
			if c.core.Pos = at.Next(c.core.Ring.Slots); c.wait.Slip.Slips() {
				c.advance(c.core.Pos)
			}
		} else if at, ok = c.take(true); !ok {
			var err error
			if at, err = c.waitData(ctx); err != nil {
				return Message{}, err
			}
		}
		m := c.lend(at)
		if c.core.Ring.SizesFit(m.sizes) {
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
		at, ok := c.take(true)
		if !ok {
			if err := c.refusal(); err != nil {
				return Message{}, err
			}
			if !c.ring.proto.IsShutdown() {
				return Message{}, ErrEmpty
			}
			if at, ok = c.take(false); !ok {
				return Message{}, c.end()
			}
		}
		m := c.lend(at)
		if c.core.Ring.SizesFit(m.sizes) {
			return m, nil
		}
		if err := c.reject(m); err != errTorn {
			return Message{}, err
		}
	}
}

// Messages iterates over the messages as they come. Each is released at the next
// step unless the loop has released or requeued it. The iteration ends without an error when
// the ring is shut down and empty; any other error is yielded once and ends it. On an
// overwrite ring ask [Message.Valid] after reading.
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
			if c.core.Discipline <= proto.Multi {
				m.tryRelease()
			} else if m.Held() {
				_ = m.Release() // on overwrite rings the loop asks Valid or releases by itself
			}
			if !more {
				return
			}
		}
	}
}

// Close frees the seat. Messages that are still held are requeued: other consumers,
// or the next one, get them. It returns the error of closing the seat's descriptor. Closing twice
// does nothing.
func (c *Consumer) Close() error {
	if c.slow&slowClosed != 0 {
		return nil
	}
	c.close()
	c.core.GiveBackAll()
	return c.seat.Leave()
}

// Lost returns how many messages this consumer of an overwrite ring was too slow for and
// never got. Any goroutine may call it. On other rings it is 0.
func (c *Consumer) Lost() uint64 { return c.core.Lost() }

// Latest skips to the newest message, waiting for one that this consumer has not had
// yet. It is for the broadcast modes. Where the producer waits for consumers, the skipped messages
// are released; on overwrite rings a message that was there before the consumer joined counts as
// new. Errors are those of Read, and ErrUnsupported on queues.
func (c *Consumer) Latest(ctx context.Context) (Message, error) {
	if c.ring.sb.Mode == layout.ModeQueue {
		return Message{}, fmt.Errorf("Latest on ring %q, a queue skips nothing: %w", c.ring.name, ErrUnsupported)
	}
	if c.slow&slowClosed == 0 && c.requeued.empty() {
		c.core.SkipToNewest()
	}
	return c.Read(ctx)
}

// refusal returns why the consumer may not wait at all, or nil.
func (c *Consumer) refusal() error {
	if err := c.closed(RoleConsumer); err != nil {
		return err
	}
	if c.core.HoldsEverySlot() {
		return fmt.Errorf("ring %q has %d slots: %w", c.ring.name, c.ring.proto.Slots, ErrHeld)
	}
	if w, bad := c.core.Overrun(); bad {
		return fmt.Errorf("slot %d has word %#x, its message %d was not released: %w",
			c.core.Pos.Idx, w, c.core.Pos.Number(c.ring.proto.Slots), ErrCorrupt)
	}
	return nil
}

// ready reports whether the message at the consumer's position may be taken as it is.
func (c *Consumer) ready() bool { return c.slow == 0 && c.requeued.empty() && c.core.Ready() }

// advance makes next the position to look at.
func (c *Consumer) advance(next proto.Position) {
	c.core.Pos = next
	if c.core.Prefetches {
		c.core.Ring.PrefetchSlot(next)
	}
}

// spinReady waits for a moment until the message is READY and reports whether it is.
func (c *Consumer) spinReady() bool {
	if !c.wait.Eager || !c.requeued.empty() {
		return false
	}
	c.wait.Slip.Pause(c.core.Pos.Number(c.core.Ring.Slots))
	return c.core.Ring.SpinForWord(c.core.Pos, layout.StateReady)
}

// take takes the next message, if there is one: a requeued one first.
func (c *Consumer) take(hints bool) (proto.Position, bool) {
	if c.slow&slowClosed != 0 {
		return proto.Position{}, false
	}
	if !c.requeued.empty() {
		if at, ok := c.takeRequeued(); ok {
			return at, true
		}
	}
	return c.core.TryTake(hints)
}

// takeRequeued takes the first message that this consumer requeued for itself. On an overwrite ring
// it counts those that were overwritten since.
func (c *Consumer) takeRequeued() (at proto.Position, ok bool) {
	for at, ok = c.requeued.pop(); ok; at, ok = c.requeued.pop() {
		if c.core.Discipline != proto.Overwrite || c.core.ReadyAt(at) {
			break
		}
		c.core.CountLost(1)
	}
	return at, ok
}

func (c *Consumer) waitData(ctx context.Context) (at proto.Position, err error) {
	if err := c.refusal(); err != nil {
		return at, err
	}
	err = c.waitFor(ctx, func(final bool) (ok bool) {
		at, ok = c.take(!final)
		return ok
	})
	if errors.Is(err, ErrShutdown) {
		err = c.end()
	}
	return at, err
}

// end returns the error after the last message of a ring.
func (c *Consumer) end() error {
	if c.ring.proto.EndedEarly() {
		return fmt.Errorf("ring %q: %w", c.ring.name, ErrExporterGone)
	}
	return io.EOF
}

// errTorn is the error of a message that was overwritten before it could be handed out.
var errTorn = errors.New("torn")

// lend returns the taken message at at. A peer controls its sizes: they are loaded once, here, and
// only this copy is checked and used.
func (c *Consumer) lend(at proto.Position) Message {
	return Message{c, at, c.core.Ring.Header(at.Idx).Sizes}
}

// reject releases a message with sizes that do not fit, and returns the error.
func (c *Consumer) reject(m Message) error {
	if m.Release() != nil { // the sizes were of another message
		c.core.CountLost(1)
		return errTorn
	}
	r := c.ring.proto
	return fmt.Errorf("message %d of ring %q claims %d payload and %d metadata bytes, slots hold %d and %d: %w",
		m.Seq(), c.ring.name, m.sizes.Len(), m.sizes.MetaLen(), r.Bytes, r.MaxMeta, ErrCorrupt)
}
