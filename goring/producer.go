package goring

import (
	"context"
	"errors"
	"fmt"

	"example.com/goring/internal/config"
	"example.com/goring/internal/proto"
	"example.com/goring/layout"
)

// Producer writes messages into a ring. One goroutine at a time may use it; make
// more producers for more goroutines (see [Producers]).
type Producer struct {
	participant
	core  proto.Producer
	draft draft // of the open Slot
}

// draft is the open Slot and the header of its message.
type draft struct {
	at    proto.Position // noSlot when no Slot is open
	sizes proto.Sizes
	tag   uint64
}

func newProducer(r *Ring, seat *Seat, c *config.Config) *Producer {
	p := &Producer{participant: newParticipant(r, seat, RoleProducer, c)}
	p.draft.at = noSlot
	p.core = proto.NewProducer(r.proto, seat.number, p.wait.Slip.RoomToPrefetch() && !r.sb.GPU())
	if p.core.Discipline != proto.Single {
		p.slow = slowDiscipline
	}
	c.Checks = config.Checks{Refusal: p.refusal, Size: p.sizeError}
	return p
}

// Reserve waits for a free slot and lends it to the caller, to fill
// [Slot.Bytes] and then call Commit or Abort. Only one reservation is open at a
// time. Reserve looks at ctx only when it has to wait.
//
// It fails with ErrShutdown when the ring takes no more messages, os.ErrClosed
// when the producer is closed, ErrPeerDead when the ring is full and its last consumer has died
// (see [OnPeerDeath]), or the context's error.
func (p *Producer) Reserve(ctx context.Context) (Slot, error) {
	if !p.writable() && (p.slow != 0 || !p.spinWritable()) {
		if err := p.reserve(ctx); err != nil {
			return Slot{}, err
		}
	}
	return p.open(), nil
}

// writable reports whether the slot at the producer's position may be written as it is.
func (p *Producer) writable() bool { return p.slow == 0 && p.core.Writable() }

// spinWritable waits for a moment until the slot is FREE and reports whether it is. It takes no
// lock and makes no system call.
func (p *Producer) spinWritable() bool {
	if !p.wait.Eager || p.ring.proto.IsShutdown() {
		return false
	}
	p.wait.Slip.Pause(p.core.Pos.Number(p.ring.proto.Slots))
	return p.ring.proto.SpinForWord(p.core.Pos, layout.StateFree)
}

// reserve makes the slot at the producer's position the caller's.
func (p *Producer) reserve(ctx context.Context) error {
	if p.slow&^slowDiscipline == 0 && !p.core.Ring.IsShutdown() && p.core.TryReserve(true) {
		return nil
	}
	return p.waitRoom(ctx)
}

// TryReserve is Reserve that fails with ErrFull instead of waiting.
func (p *Producer) TryReserve() (Slot, error) {
	if err := p.reserveNow(); err != nil {
		return Slot{}, err
	}
	return p.open(), nil
}

// reserveNow is reserve without waiting.
func (p *Producer) reserveNow() error {
	if p.slow&^slowDiscipline == 0 && !p.core.Ring.IsShutdown() && p.core.TryReserve(true) {
		return nil
	}
	if err := p.refusal(); err != nil {
		return err
	}
	return ErrFull
}

// refusal returns why the producer may not reserve at all, or nil.
func (p *Producer) refusal() error {
	if err := p.closed(RoleProducer); err != nil {
		return err
	}
	switch {
	case p.slow&slowOpen != 0:
		panic("goring: Reserve while a reservation is open: Commit or Abort it first")
	case p.ring.proto.EndedEarly():
		return fmt.Errorf("ring %q: %w", p.ring.name, ErrExporterGone)
	case p.ring.proto.IsShutdown():
		return fmt.Errorf("ring %q: %w", p.ring.name, ErrShutdown)
	}
	return nil
}

func (p *Producer) waitRoom(ctx context.Context) error {
	if err := p.refusal(); err != nil {
		return err
	}
	var corrupt error
	err := p.waitFor(ctx, func(final bool) bool {
		if w, bad := p.core.CorruptWord(); bad {
			corrupt = fmt.Errorf("slot %d has word %#x where its only producer expects lap %d: %w",
				p.core.Pos.Idx, w, p.core.Pos.Lap, ErrCorrupt)
			return true
		}
		return p.core.TryReserve(!final)
	})
	if errors.Is(err, ErrShutdown) {
		return p.refusal()
	}
	return errors.Join(err, corrupt)
}

// Write waits for a free slot, copies b into it and commits. Errors are those of Reserve, and
// ErrTooLarge when b does not fit a slot; on rings of fixed items ErrSchema when b does not have
// exactly the item's bytes.
func (p *Producer) Write(ctx context.Context, b []byte) error {
	if !p.core.Ring.Fits(uint64(len(b))) {
		return p.misfit(len(b))
	}
	if !p.writable() && (p.slow != 0 || !p.spinWritable()) {
		if err := p.reserve(ctx); err != nil {
			return err
		}
	}
	copyCached(p.core.Ring.Payload(p.core.Pos.Idx, uint64(len(b))), b)
	p.core.Publish(proto.NewSizes(uint64(len(b)), 0), 0)
	return nil
}

// TryWrite is Write that fails with ErrFull instead of waiting.
func (p *Producer) TryWrite(b []byte) error {
	if !p.core.Ring.Fits(uint64(len(b))) {
		return p.misfit(len(b))
	}
	if err := p.reserveNow(); err != nil {
		return err
	}
	copyCached(p.core.Ring.Payload(p.core.Pos.Idx, uint64(len(b))), b)
	p.core.Publish(proto.NewSizes(uint64(len(b)), 0), 0)
	return nil
}

// Retract takes back a message that no consumer has taken yet, and reports whether it
// did: the message is then never delivered and its slot is free. seq is [Slot.Seq]. It is for
// queues of several consumers (elsewhere it reports false). Any goroutine may call it.
func (p *Producer) Retract(seq uint64) bool { return p.ring.proto.Retract(seq) }

// Close frees the seat. An open reservation is aborted; committed messages stay in the
// ring. It returns the error of closing the seat's descriptor. Closing twice does nothing.
func (p *Producer) Close() error {
	if p.slow&slowClosed != 0 {
		return nil
	}
	if p.slow&slowOpen != 0 {
		p.closeSlot()
		p.core.AbortAll()
	}
	p.close()
	return p.seat.Leave()
}

// open lends the reserved slot.
func (p *Producer) open() Slot {
	p.slow |= slowOpen
	p.draft = draft{at: p.core.Pos, sizes: proto.Sizes(p.core.Ring.Bytes)}
	return Slot{p: p, at: p.core.Pos}
}

// closeSlot ends the open reservation.
func (p *Producer) closeSlot() {
	p.slow &^= slowOpen
	p.draft.at = noSlot
}

// noSlot is the position of no slot of any ring.
var noSlot = proto.Position{Lap: ^uint64(0)}

// sizeError returns the error of a message of n bytes that does not fit the ring, or nil. The paths
// of every message have its test in them, which takes them a dozen instructions less.
func (p *Producer) sizeError(n int) error {
	if p.core.Ring.Fits(uint64(n)) {
		return nil
	}
	return p.misfit(n)
}

// misfit returns the error of a message of n bytes, which does not fit the ring.
func (p *Producer) misfit(n int) error {
	r := p.ring
	if r.proto.Fixed {
		return fmt.Errorf("ring %q carries %s of %d bytes, got %d bytes: %w", r.name, r.sb.Kind, r.proto.Bytes, n, ErrSchema)
	}
	return fmt.Errorf("message of %d bytes, slots of ring %q hold %d: %w", n, r.name, r.proto.Bytes, ErrTooLarge)
}
