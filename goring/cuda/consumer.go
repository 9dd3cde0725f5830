package cuda

import (
	"context"
	"errors"
	"io"
	"iter"

	"example.com/goring/goring"
	"example.com/goring/layout"
)

// Consumer takes messages from a GPU ring. One goroutine at a time may use it; any goroutine may
// release its messages.
type Consumer struct {
	base   *goring.Consumer
	m      *member
	ring   *goring.Ring
	sb     layout.Superblock
	closed bool
}

// NewConsumer joins a GPU ring as a consumer. Errors and options are those of [NewProducer].
func NewConsumer(r *goring.Ring, opts ...goring.Option) (*Consumer, error) {
	m, opts, err := joining(r, opts)
	if err != nil {
		return nil, err
	}
	c, err := r.Consumer(opts...)
	if err != nil {
		return nil, err
	}
	return &Consumer{base: c, m: m, ring: r, sb: r.Superblock()}, nil
}

// Seat returns the number of the consumer's seat, from 1.
func (c *Consumer) Seat() int { return c.base.Seat() }

// Read is [goring.Consumer.Read]. It skips messages that lost
// their payload with their producer.
func (c *Consumer) Read(ctx context.Context) (Message, error) {
	return c.next(func() (goring.Message, error) { return c.base.Read(ctx) })
}

// TryRead is Read that fails with goring.ErrEmpty instead of waiting.
func (c *Consumer) TryRead() (Message, error) { return c.next(c.base.TryRead) }

// Latest is [goring.Consumer.Latest].
func (c *Consumer) Latest(ctx context.Context) (Message, error) {
	return c.next(func() (goring.Message, error) { return c.base.Latest(ctx) })
}

// next reads messages until one is not void.
func (c *Consumer) next(read func() (goring.Message, error)) (Message, error) {
	for {
		base, err := read()
		if err != nil {
			return Message{}, err
		}
		m := Message{hostMessage: base, c: c, idx: base.Seq() % c.sb.Slots}
		if !m.ready().Void() {
			return m, nil
		}
		if err := m.ReleaseOn(0); err != nil && !errors.Is(err, ErrVoided) {
			return m, nil // the driver's error comes again when the message is used
		}
	}
}

// Messages is [goring.Consumer.Messages].
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
			if m.Held() {
				_ = m.Release() // the loop releases by itself where it wants to know
			}
			if !more {
				return
			}
		}
	}
}

// Lost is [goring.Consumer.Lost].
func (c *Consumer) Lost() uint64 { return c.base.Lost() }

// Close is [goring.Consumer.Close]. It waits until the device has done the consumer's work.
func (c *Consumer) Close() error {
	c.closed = true
	return c.base.Close()
}

func (c *Consumer) driverError(err error) error { return c.m.onDriverError(c.Seat(), err) }
