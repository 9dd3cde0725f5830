package goring

import (
	"context"
	"fmt"
	"time"

	"example.com/goring/internal/futex"
	"example.com/goring/layout"
)

// Producer writes messages into a ring. It is for one goroutine at a time; make
// more producers for more goroutines (see [Producers]).
type Producer struct {
	ring *Ring
	s    *slots
	seat *Seat
	wait waiter
	data futex.Event // consumers sleep here

	pos        position // the next number to reserve
	side       side
	owner      uint64 // seat number in the words of a shared side, else 0
	gate       uint64 // broadcast: the slowest consumer's cursor when last looked at
	bars       bars
	draft      draft // of the open Slot
	stamped    bool  // the ring wants timestamps
	looksAhead bool  // asks for the lines of slots before their turn, see slots.own

	gpu     *gpuMemory // of a GPU ring, else nil, and the rest unused
	stream  Stream     // the producer's own
	last    Stream     // the open slot's work is on this one,
	touched bool       // if there is any
	failed  error      // what Commit could not say
}

// bars is what keeps a participant from taking the slot at its position by nothing but a
// look at the word: on the hot path one comparison with 0 stands for all of them.
type bars uint8

const (
	barSide bars = 1 << iota // its side of the ring, or a GPU ring, needs more than a look
	barOpen                  // a Slot or WriteBatch is open
	barClosed
	barFailed // see Producer.failed
)

func newProducer(r *Ring, seat *Seat, how *config) *Producer {
	s := r.slots
	p := &Producer{
		ring: r, s: s, seat: seat,
		wait:    newWaiter(s.roomEvent(), seat, how, RoleConsumer),
		data:    s.dataEvent(),
		pos:     s.firstUnwritten(),
		side:    sideOf(s.mode, r.sb.MaxProducers),
		stamped: r.sb.Timestamps(),
		gpu:     seat.memory,
		stream:  how.cuda.stream,
	}
	p.looksAhead = p.side != sideShared && p.gpu == nil && p.wait.slip.apart()
	if p.side != sideAlone || p.gpu != nil {
		p.bars = barSide
	}
	switch {
	case p.side == sideShared:
		p.owner = uint64(seat.Number())
	case p.side != sideAlone:
		h := p.pos.number(s.count)
		s.head.Store(h) // a predecessor may have died before it did; before the first gate
		p.gate = s.slowest(h)
	case r.sb.MaxConsumers == 1:
		s.clearAfter(p.pos)
	}
	return p
}

// side is how a participant and those of its role share a ring. It decides the path of
// every operation.
type side uint8

const (
	sideAlone  side = iota // queue, the only one of its role: stores only
	sideShared             // queue, one of several: compare and swap
	sideGated              // broadcast: cursors
	sideLossy              // broadcast with overwrite
)

func sideOf(mode layout.Mode, seats int) side {
	switch {
	case mode == layout.ModeBroadcast:
		return sideGated
	case mode == layout.ModeOverwrite:
		return sideLossy
	case seats > 1:
		return sideShared
	}
	return sideAlone
}

// Reserve waits for a free slot and lends it to the caller, who fills
// [Slot.Bytes] and then calls Commit or Abort. Only one reservation is open at a
// time. ctx is looked at only when Reserve has to wait.
//
// It fails with ErrShutdown when the ring takes no more messages, os.ErrClosed
// when the producer is closed, ErrPeerDead when it is full and its last consumer has died
// (see [OnPeerDeath]), or the context's error.
func (p *Producer) Reserve(ctx context.Context) (Slot, error) {
	if !p.free() && (p.bars != 0 || !p.soon()) {
		if err := p.reserve(ctx); err != nil {
			return Slot{}, err
		}
	}
	return p.open(), nil
}

// free reports whether the slot at pos is the caller's as it is.
// Pairs with the consumer's release: FREE of this lap means that it has let go.
func (p *Producer) free() bool {
	return p.bars == 0 && p.s.shutdown.Load() == 0 && p.s.header(p.pos.idx).word.Load() == freeWord(p.pos.lap)
}

// soon is free, a moment later.
func (p *Producer) soon() bool {
	if !p.wait.eager || p.s.shutdown.Load() != 0 {
		return false
	}
	p.wait.slip.stayAway(p.pos.number(p.s.count))
	return p.s.comes(p.pos, layout.StateFree)
}

// reserve makes the slot at pos the caller's.
func (p *Producer) reserve(ctx context.Context) error {
	if p.grab() {
		return nil
	}
	return p.waitRoom(ctx)
}

// TryReserve is Reserve that fails with ErrFull instead of waiting.
func (p *Producer) TryReserve() (Slot, error) {
	if err := p.tryReserve(); err != nil {
		return Slot{}, err
	}
	return p.open(), nil
}

// Write waits for a free slot, copies b into it and commits.
// A message that does not fit is ErrTooLarge; on rings of fixed items it must
// have exactly the item's bytes, else ErrSchema.
func (p *Producer) Write(ctx context.Context, b []byte) error {
	if err := p.fits(len(b)); err != nil {
		return err
	}
	if !p.free() && (p.bars != 0 || !p.soon()) {
		if p.gpu != nil {
			return p.writeDevice(ctx, b)
		}
		if err := p.reserve(ctx); err != nil {
			return err
		}
	}
	copyCached(p.s.data(p.pos.idx, uint64(len(b))), b)
	p.publish(draft{sizes: uint64(len(b))})
	return nil
}

// TryWrite is Write that fails with ErrFull instead of waiting.
func (p *Producer) TryWrite(b []byte) error {
	if err := p.fits(len(b)); err != nil {
		return err
	}
	if err := p.tryReserve(); err != nil {
		return err
	}
	if p.gpu != nil {
		return p.putDevice(b)
	}
	copyCached(p.s.data(p.pos.idx, uint64(len(b))), b)
	p.publish(draft{sizes: uint64(len(b))})
	return nil
}

// tryReserve is reserve without waiting.
func (p *Producer) tryReserve() error {
	if p.free() || p.grab() {
		return nil
	}
	if err := p.refusal(); err != nil {
		return err
	}
	return ErrFull
}

// Retract takes back a message that no consumer has taken yet, and reports whether it
// did: it is then never delivered and its slot is free. seq is [Slot.Seq]. It is for
// queues of several consumers (elsewhere it reports false), and for any goroutine.
func (p *Producer) Retract(seq uint64) bool {
	if p.ring.sb.Mode != layout.ModeQueue || p.ring.sb.MaxConsumers == 1 {
		return false
	}
	at := positionOf(seq, p.s.count)
	if !p.s.header(at.idx).word.CompareAndSwap(readyWord(at.lap), freeWord(at.lap+1)) {
		return false
	}
	p.s.roomEvent().Notify()
	return true
}

// Close gives the seat back. An open reservation is aborted. What was committed
// stays in the ring.
func (p *Producer) Close() error {
	if p.bars&barClosed != 0 {
		return nil
	}
	if p.bars&barOpen != 0 {
		p.abandon()
	}
	p.bars |= barClosed
	p.wait.release()
	return p.seat.Leave()
}

// open hands out the slot that grab or waitRoom made ours.
func (p *Producer) open() Slot {
	p.bars |= barOpen
	p.draft = draft{sizes: p.s.bytes}
	return Slot{p: p, at: p.pos}
}

// publish makes the slot at pos a message. From the first byte of the payload to the store
// of the word nothing may wait: who looks at the word takes the line away in between.
func (p *Producer) publish(d draft) {
	at := p.pos
	h := p.s.header(at.idx)
	h.timestamp = p.stamp()
	h.sizes = d.sizes
	h.tag = d.tag
	// Sequentially consistent: pairs with the consumer's load of the word, and is
	// ordered before the load of the waiting flag in Notify.
	h.word.Store(readyWord(at.lap))
	p.committed(at.next(p.s.count))
	if p.looksAhead {
		p.s.own(p.pos)
		if n := d.sizes & 0xffffffff; n >= ownLeast {
			p.s.ownPayload(p.pos, n)
		}
	}
}

// committed moves on to next after the slots before it were published.
func (p *Producer) committed(next position) {
	p.pos = next
	if p.side >= sideGated || p.data.Waiting.Load() != 0 {
		p.announce()
	}
}

// announce is the rare part of committed, out of its line.
//
//go:noinline
func (p *Producer) announce() {
	if p.side >= sideGated {
		p.s.head.Store(p.pos.number(p.s.count)) // behind the words: what is before head is there
	}
	p.data.Notify()
}

// abandon gives back a reservation whose handle is lost.
func (p *Producer) abandon() {
	p.bars &^= barOpen
	p.untouch(p.pos.idx)
	if p.owner == 0 {
		return // nothing was stored
	}
	for i := range p.s.count {
		h := p.s.header(i)
		if w := h.word.Load(); wordState(w) == layout.StateWriting && wordOwner(w) == p.owner {
			h.word.Store(abortedWord(wordLap(w), p.owner))
		}
	}
	p.data.Notify()
}

// stamp is the commit time that goes into the header.
func (p *Producer) stamp() int64 {
	if p.stamped {
		return unixNano()
	}
	return 0
}

//go:noinline
func unixNano() int64 { return time.Now().UnixNano() } // out of line, so that stamp is not a call

// fits checks the length of one message against the ring.
func (p *Producer) fits(n int) error {
	if p.s.holds(uint64(n)) {
		return nil
	}
	return p.misfit(n)
}

func (p *Producer) misfit(n int) error {
	if p.s.fixed {
		return fmt.Errorf("ring %q carries %s of %d bytes, got %d bytes: %w", p.ring.name, p.ring.sb.Kind, p.s.bytes, n, ErrSchema)
	}
	return fmt.Errorf("message of %d bytes, slots of ring %q hold %d: %w", n, p.ring.name, p.s.bytes, ErrTooLarge)
}

// holds reports whether a message may have n bytes. Smaller than least is huge once least
// is taken off.
func (s *slots) holds(n uint64) bool { return n-s.least <= s.bytes-s.least }
