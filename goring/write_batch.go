package goring

import (
	"context"
	"fmt"

	"example.com/goring/internal/proto"
)

// WriteBatch is a run of reserved slots, to be filled in place and published
// together. Like a Slot it is used once and by one goroutine.
type WriteBatch struct {
	p  *Producer
	at proto.Position
	n  uint64
}

// ReserveBatch waits for a free slot and reserves it and the free ones right
// after it, at most limit. The run is in one piece of memory (see Data) where the
// ring allows it; elsewhere a run ends at the wrap. Errors are those of [Producer.Reserve], and
// ErrOption when limit is less than 1.
func (p *Producer) ReserveBatch(ctx context.Context, limit int) (WriteBatch, error) {
	if limit < 1 {
		return WriteBatch{}, fmt.Errorf("a batch of %d: want 1 or more: %w", limit, ErrOption)
	}
	if !p.writable() && (p.slow != 0 || !p.spinWritable()) {
		if err := p.reserve(ctx); err != nil {
			return WriteBatch{}, err
		}
	}
	p.slow |= slowOpen
	b := WriteBatch{p: p, at: p.core.Pos, n: p.core.ReserveRun(uint64(limit))}
	p.core.DescribeRun(b.n)
	return b, nil
}

// Len returns how many slots were reserved.
func (b WriteBatch) Len() int { return int(b.n) }

// Seq returns the number of the run's first message.
func (b WriteBatch) Seq() uint64 { return b.at.Number(b.p.core.Ring.Slots) }

// Bytes returns the payload of slot k. It panics when the batch has no slot k.
func (b WriteBatch) Bytes(k int) []byte {
	r := b.p.core.Ring
	return r.Payload(b.at.Advance(b.check(k), r.Slots).Idx, r.Bytes)
}

// SetLen sets the length of message k to the first n bytes of its slot. Errors are those of
// [Slot.SetLen]. It panics when the batch has no slot k.
func (b WriteBatch) SetLen(k, n int) error {
	if err := b.p.sizeError(n); err != nil {
		return err
	}
	b.header(b.check(k)).Sizes = proto.NewSizes(uint64(n), 0)
	return nil
}

// SetTag sets the correlation id of message k. It panics when the batch has no slot k.
func (b WriteBatch) SetTag(k int, tag uint64) { b.header(b.check(k)).Tag = tag }

func (b WriteBatch) header(k uint64) *proto.Header {
	r := b.p.core.Ring
	return r.Header(b.at.Advance(k, r.Slots).Idx)
}

// Data returns the payload of all slots in one piece: Len items, one after the other.
// It is nil on rings with payloads that are not back to back.
func (b WriteBatch) Data() []byte { return b.p.core.Ring.Contiguous(b.at, b.n) }

func (b WriteBatch) check(k int) uint64 {
	if uint64(k) >= b.n {
		panic(outside{"slot", k, b.n})
	}
	return uint64(k)
}

// outside is an index that a batch does not have. Its text is made when it is read, which keeps
// the check small enough to be compiled into the caller's loop.
type outside struct {
	kind string
	k    int
	n    uint64
}

// Error returns the index and the length of the batch.
func (o outside) Error() string {
	return fmt.Sprintf("goring: %s %d of a batch of %d", o.kind, o.k, o.n)
}

// Commit publishes the first k slots and gives the others back. It panics when the batch is not
// reserved any more or has fewer slots.
func (b WriteBatch) Commit(k int) {
	p := b.p
	if p.slow&slowOpen == 0 || b.at != p.core.Pos && p.core.Owner == 0 {
		panic("goring: Commit of a batch that is not reserved (twice, or after Close)")
	}
	if k < 0 || uint64(k) > b.n {
		panic(fmt.Sprintf("goring: Commit of %d slots of a batch of %d", k, b.n))
	}
	p.slow &^= slowOpen
	p.core.PublishRun(b.at, uint64(k), b.n)
}

// WriteAll writes b, the bytes of one or more items one after the other, in as few
// batches as there is room for. It is for rings of fixed items; on others, and when b is not a
// whole number of items, it fails with ErrSchema. It returns how many items were committed, which
// is all of them unless there is an error of [Producer.Reserve].
func (p *Producer) WriteAll(ctx context.Context, b []byte) (int, error) {
	r := p.ring
	size := int(r.proto.Bytes)
	if !r.proto.Fixed || len(b)%size != 0 {
		return 0, fmt.Errorf("%d bytes are no whole number of items of ring %q (%s, %d bytes): %w", len(b), r.name, r.sb.Kind, size, ErrSchema)
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
