package goring

import (
	"context"
	"fmt"

	"example.com/goring/layout"
)

// WriteBatch is a run of reserved slots, to be filled in place and published
// together. Like a Slot it is used once and by one goroutine.
type WriteBatch struct {
	p  *Producer
	at position
	n  uint64
}

// ReserveBatch waits for a free slot and reserves it and those that are free right
// behind it, at most limit. The run is in one piece of memory (see Data) where the
// ring allows it; elsewhere a run ends at the wrap.
func (p *Producer) ReserveBatch(ctx context.Context, limit int) (WriteBatch, error) {
	if limit < 1 {
		return WriteBatch{}, fmt.Errorf("a batch of %d: want 1 or more: %w", limit, ErrOption)
	}
	if !p.free() && (p.bars != 0 || !p.soon()) {
		if err := p.ring.onlyHost("a batch", "Reserve or Write"); err != nil {
			return WriteBatch{}, err
		}
		if err := p.reserve(ctx); err != nil {
			return WriteBatch{}, err
		}
	}
	p.bars |= barOpen
	b := WriteBatch{p: p, at: p.pos, n: 1}
	most := p.s.longestRun(b.at, uint64(limit))
	switch p.side {
	case sideAlone:
		b.n = max(p.s.runOf(b.at, most, layout.StateFree), 1)
	case sideGated:
		b.n = min(most, p.ahead())
	case sideLossy:
		b.n = most
		p.overwriting(b.at.next(p.s.count), b.n-1)
	default:
		for b.n < most && p.grabNext(b.at.plus(b.n, p.s.count)) {
			b.n++
		}
	}
	b.prepare()
	return b, nil
}

// runOf counts the slots from at on, at most most, whose words have that state (with
// the owner's bits, if any) and the lap they must have. It is one tight loop of independent loads, so
// that their cache misses overlap: most of a batch's time is waiting for those.
func (s *slots) runOf(at position, most, state uint64) uint64 {
	r := s.runFrom(at, state)
	for n := range most {
		if s.headerAt(r.off).word.Load() != r.word {
			return n
		}
		r = r.next(s)
	}
	return most
}

// run is where a loop over slots, one after the other, has come to.
type run struct {
	off  uintptr // of the slot's header
	word uint64  // that goes with its number and the state in question
}

func (s *slots) runFrom(at position, state uint64) run {
	return run{uintptr(at.idx) * s.hStride, at.lap<<8 | state}
}

func (r run) next(s *slots) run {
	if r.off += s.hStride; r.off == s.hEnd {
		r.off, r.word = 0, r.word+1<<8
	}
	return r
}

// longestRun is how many slots from at on one batch may have.
func (s *slots) longestRun(at position, limit uint64) uint64 {
	limit = min(limit, s.count)
	if !s.mirror {
		limit = min(limit, s.count-at.idx)
	}
	return limit
}

// grabNext reserves the slot at on a shared side if it is free.
func (p *Producer) grabNext(at position) bool {
	h := p.s.header(at.idx)
	if !h.word.CompareAndSwap(freeWord(at.lap), writingWord(at.lap, p.owner)) {
		return false
	}
	p.s.putHint.Store(at.number(p.s.count) + 1)
	return true
}

// prepare gives every slot the header of a message as long as the slot.
func (b WriteBatch) prepare() {
	s := b.p.s
	r := s.runFrom(b.at, 0)
	for range b.n {
		h := s.headerAt(r.off)
		h.sizes, h.tag = s.bytes, 0
		r = r.next(s)
	}
}

func (b WriteBatch) header(k uint64) *slotHeader {
	return b.p.s.header(b.at.plus(k, b.p.s.count).idx)
}

// Len is how many slots were reserved.
func (b WriteBatch) Len() int { return int(b.n) }

// Seq is the number of the run's first message.
func (b WriteBatch) Seq() uint64 { return b.at.number(b.p.s.count) }

// Bytes is the payload of slot k.
func (b WriteBatch) Bytes(k int) []byte {
	return b.p.s.data(b.at.behind(b.check(k), b.p.s.count).idx, b.p.s.bytes)
}

// SetLen says that only the first n bytes of slot k are its message.
func (b WriteBatch) SetLen(k, n int) error {
	if err := b.p.fits(n); err != nil {
		return err
	}
	b.header(b.check(k)).sizes = uint64(n)
	return nil
}

// SetTag sets the correlation id of slot k.
func (b WriteBatch) SetTag(k int, tag uint64) { b.header(b.check(k)).tag = tag }

// Data is the payload of all slots in one piece: Len items, one after the other.
// It is nil on rings whose payloads are not back to back.
func (b WriteBatch) Data() []byte { return b.p.s.contiguous(b.at, b.n) }

// contiguous is n payloads from at on, if they lie back to back.
func (s *slots) contiguous(at position, n uint64) []byte {
	if uint64(s.dStride) != s.bytes {
		return nil
	}
	return s.run(at.idx, n)
}

func (b WriteBatch) check(k int) uint64 {
	if uint64(k) >= b.n {
		panic(outside{"slot", k, b.n})
	}
	return uint64(k)
}

// outside is an index that a batch does not have. Its text is made when somebody reads it,
// which keeps the check small enough to be compiled into the caller's loop.
type outside struct {
	what string
	k    int
	n    uint64
}

func (o outside) Error() string {
	return fmt.Sprintf("goring: %s %d of a batch of %d", o.what, o.k, o.n)
}

// Commit publishes the first k slots; the rest is given back.
func (b WriteBatch) Commit(k int) {
	p := b.p
	if p.bars&barOpen == 0 || b.at != p.pos && p.owner == 0 {
		panic("goring: Commit of a batch that is not reserved (twice, or after Close)")
	}
	if k < 0 || uint64(k) > b.n {
		panic(fmt.Sprintf("goring: Commit of %d slots of a batch of %d", k, b.n))
	}
	p.bars &^= barOpen
	n := uint64(k)
	if n > 0 {
		b.publish(n)
	}
	if p.owner != 0 {
		for j := n; j < b.n; j++ {
			at := b.at.plus(j, p.s.count)
			p.s.header(at.idx).word.Store(abortedWord(at.lap, p.owner))
		}
		n = b.n
	}
	p.committed(p.pos.plus(n, p.s.count))
}

// publish stores the words from the first to the last: a producer that dies in
// between leaves no hole. The last store is sequentially consistent, as the load
// of the waiting flag behind it needs.
func (b WriteBatch) publish(n uint64) {
	s, now := b.p.s, b.p.stamp()
	r := s.runFrom(b.at, layout.StateReady)
	for range n - 1 {
		h := s.headerAt(r.off)
		h.timestamp = now
		storeRelease(&h.word, r.word)
		r = r.next(s)
	}
	h := s.headerAt(r.off)
	h.timestamp = now
	h.word.Store(r.word)
}

// WriteAll writes b, the bytes of one or more items one after the other, in as few
// batches as there is room for. It is for rings of fixed items. It returns how many
// items were committed, which is all of them unless there is an error.
func (p *Producer) WriteAll(ctx context.Context, b []byte) (int, error) {
	size := int(p.s.bytes)
	if !p.s.fixed || len(b)%size != 0 {
		return 0, fmt.Errorf("%d bytes are no whole number of items of ring %q (%s, %d bytes): %w", len(b), p.ring.name, p.ring.sb.Kind, size, ErrSchema)
	}
	done := 0
	for rest := b; len(rest) > 0; {
		w, err := p.ReserveBatch(ctx, len(rest)/size)
		if err != nil {
			return done, err
		}
		if to := w.Data(); to != nil {
			copyCached(to, rest)
		} else {
			for k := range w.Len() {
				copy(w.Bytes(k), rest[k*size:])
			}
		}
		w.Commit(w.Len())
		done += w.Len()
		rest = rest[w.Len()*size:]
	}
	return done, nil
}
