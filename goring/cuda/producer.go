package cuda

import (
	"context"

	"example.com/goring/goring"
)

// Producer writes messages into a GPU ring. One goroutine at a time may use it.
type Producer struct {
	base    *goring.Producer
	m       *member
	slots   uint64
	open    bool   // a Slot is reserved
	seq     uint64 // of the reserved Slot
	last    Stream // the stream that the work for the reserved slot is on
	touched bool   // device work for the reserved slot was enqueued
	failed  error  // the error that Commit could not return; every later Reserve does
}

// NewProducer joins a GPU ring as a producer. It fails as [goring.Ring.Producer] does, and with
// goring.ErrUnsupported on a ring in host memory, ErrUnavailable, ErrWrongDevice, ErrForked,
// ErrExporterGone or an [Error]. Options: those of [goring.Ring.Producer], and [OnStream].
func NewProducer(r *goring.Ring, opts ...goring.Option) (*Producer, error) {
	m, opts, err := joining(r, opts)
	if err != nil {
		return nil, err
	}
	p, err := r.Producer(opts...)
	if err != nil {
		return nil, err
	}
	return &Producer{base: p, m: m, slots: r.Superblock().Slots}, nil
}

// Seat returns the number of the producer's seat, from 1.
func (p *Producer) Seat() int { return p.base.Seat() }

// Reserve is [goring.Producer.Reserve]. It also fails with the error of an earlier [Slot.Commit].
func (p *Producer) Reserve(ctx context.Context) (Slot, error) {
	if err := p.refusal(); err != nil {
		return Slot{}, err
	}
	return p.lend(p.base.Reserve(ctx))
}

// TryReserve is Reserve that fails with goring.ErrFull instead of waiting.
func (p *Producer) TryReserve() (Slot, error) {
	if err := p.refusal(); err != nil {
		return Slot{}, err
	}
	return p.lend(p.base.TryReserve())
}

// refusal returns the error that an earlier Commit could not return, or nil. The reasons of the
// ring come first.
func (p *Producer) refusal() error {
	if p.failed == nil {
		return nil
	}
	if err := p.m.config.Checks.Refusal(); err != nil {
		return err
	}
	return p.failed
}

func (p *Producer) lend(s goring.Slot, err error) (Slot, error) {
	if err != nil {
		return Slot{}, err
	}
	p.open, p.seq, p.touched = true, s.Seq(), false
	return Slot{hostSlot: s, p: p, seq: p.seq, idx: p.seq % p.slots}, nil
}

// Write waits for a free slot, copies b to the device and commits, on the producer's own stream. b
// may be used again when it returns. Errors are those of Reserve and [Slot.CopyFromHost].
func (p *Producer) Write(ctx context.Context, b []byte) error {
	return p.write(b, func() (Slot, error) { return p.Reserve(ctx) })
}

// TryWrite is Write that fails with goring.ErrFull instead of waiting.
func (p *Producer) TryWrite(b []byte) error { return p.write(b, p.TryReserve) }

// write reserves a slot, copies b and commits, in one crossing into C. It looks at the size of b
// before it reserves: it neither waits nor uses up a number for a message that cannot be sent.
func (p *Producer) write(b []byte, reserve func() (Slot, error)) error {
	if err := p.m.config.Checks.Size(len(b)); err != nil {
		return err
	}
	s, err := reserve()
	if err != nil {
		return err
	}
	if err = s.SetLen(len(b)); err == nil {
		err = p.driverError(p.m.Write(p.on(0), s.idx, s.seq, p.Seat(), b))
	}
	if err != nil {
		s.Abort()
		return err
	}
	s.publish()
	return nil
}

// Retract is [goring.Producer.Retract].
func (p *Producer) Retract(seq uint64) bool { return p.base.Retract(seq) }

// Close is [goring.Producer.Close]. It waits until the device has done the producer's work.
func (p *Producer) Close() error {
	if p.open {
		p.abandon(p.seq % p.slots)
	}
	return p.base.Close()
}

// on returns the stream that a call means; work for the reserved slot is on it from here on.
func (p *Producer) on(stream Stream) Stream {
	p.touched, p.last = true, p.m.on(stream)
	return p.last
}

// abandon claims the slot for the work that was enqueued for a message that will not be.
func (p *Producer) abandon(idx uint64) {
	p.open = false
	if !p.touched {
		return
	}
	p.touched = false
	if err := p.m.Commit(p.last, idx, p.Seat()); err != nil {
		p.failed = p.driverError(err)
	}
}

func (p *Producer) driverError(err error) error { return p.m.onDriverError(p.Seat(), err) }
