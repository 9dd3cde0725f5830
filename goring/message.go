package goring

import (
	"fmt"
	"slices"
	"time"

	"example.com/goring/internal/proto"
	"example.com/goring/layout"
)

// Message is one message on loan from the ring: Bytes points into shared memory
// and is valid until Release, Requeue or the consumer's Close. It is a small
// value; all copies stand for the same loan.
type Message struct {
	c     *Consumer
	at    proto.Position
	sizes proto.Sizes
} // four words: a larger struct does not travel in registers

// Bytes returns the payload, in place. A peer that breaks the rules can still change
// it; copy it before checking it. It panics when the payload is in device
// memory (see package goring/cuda).
func (m Message) Bytes() []byte {
	r := m.c.core.Ring
	if r.InDevice() {
		panic(inDevice)
	}
	return r.Payload(m.at.Idx, r.BoundLen(m.sizes))
}

// Len returns the length of the payload in bytes.
func (m Message) Len() int { return int(m.c.core.Ring.BoundLen(m.sizes)) }

// Seq returns the message's number in the ring, from 0.
func (m Message) Seq() uint64 { return m.at.Number(m.c.core.Ring.Slots) }

// Tag returns the correlation id that the producer set, or 0.
func (m Message) Tag() uint64 { return m.header().Tag }

// Timestamp returns when the message was committed, or the zero time on rings without
// timestamps.
func (m Message) Timestamp() time.Time {
	ns := m.header().Timestamp
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

// Redelivered returns how often the message was requeued before, at most 255.
func (m Message) Redelivered() int { return m.sizes.Redelivered() }

// RawMeta returns a private copy of the metadata's msgpack, or nil when there is none.
func (m Message) RawMeta() []byte {
	r := m.c.core.Ring
	n := min(m.sizes.MetaLen(), r.MaxMeta)
	if n == 0 {
		return nil
	}
	return slices.Clone(r.Meta(m.at.Idx, n))
}

// DecodeMeta decodes the metadata into v, which is left alone when there is none. It returns the
// decoder's error.
func (m Message) DecodeMeta(v any) error {
	b := m.RawMeta()
	if b == nil {
		return nil
	}
	if err := layout.DecodeMeta(b, v); err != nil {
		return fmt.Errorf("metadata of message %d: %w", m.Seq(), err)
	}
	return nil
}

// Tensor describes the payload of a tensor ring's message. It fails with ErrSchema on other
// rings, and with ErrCorrupt when the descriptor does not fit the length of the payload.
func (m Message) Tensor() (layout.TensorDesc, error) {
	if k := m.c.ring.sb.Kind; k != layout.KindTensor {
		return layout.TensorDesc{}, fmt.Errorf("ring %q carries %s, not tensors: %w", m.c.ring.name, k, ErrSchema)
	}
	d, err := layout.ParseTensor(slices.Clone(m.c.core.Ring.Tensor(m.at.Idx)))
	if err != nil {
		return d, fmt.Errorf("message %d: %w: %w", m.Seq(), ErrCorrupt, err)
	}
	n, err := d.Bytes()
	if err != nil || n != uint64(m.Len()) {
		return d, fmt.Errorf("message %d has %d bytes and a descriptor of %d: %w", m.Seq(), m.Len(), n, ErrCorrupt)
	}
	return d, nil
}

// Release gives the slot back to the producers. Releasing twice panics. On overwrite
// rings it fails with ErrLapped when the message was
// overwritten while it was on loan: the bytes that were read are not to be used. On all other
// rings it returns nil.
func (m Message) Release() error {
	switch c := m.c; c.core.Discipline {
	case proto.Single, proto.Multi:
		if c.slow&slowClosed != 0 || c.requeued.has(m.at) || !c.core.Release(m.at) {
			panic("goring: Release" + notHeld)
		}
	case proto.Broadcast:
		if c.slow&slowClosed != 0 || c.requeued.has(m.at) || !c.core.Cursor.Release(m.Seq(), 1) {
			panic("goring: Release" + notHeld)
		}
	case proto.Overwrite:
		if !c.core.Intact(m.at) {
			return fmt.Errorf("message %d of ring %q: %w", m.Seq(), c.ring.name, ErrLapped)
		}
	}
	return nil
}

// tryRelease releases a message of a queue if it is held, and reports whether it was.
func (m Message) tryRelease() bool {
	return m.c.slow&slowClosed == 0 && !m.c.requeued.has(m.at) && m.c.core.Release(m.at)
}

// Valid reports whether the bytes that were read of the message so far are those that were
// written. Only on overwrite rings can it be false.
func (m Message) Valid() bool {
	return m.c.core.Discipline != proto.Overwrite || m.c.core.Intact(m.at)
}

// Requeue gives the message back: a consumer gets it again, with Redelivered one
// higher. On a queue of one consumer and in the broadcast modes that is this consumer itself; the
// latter do not count, since other consumers read the same message. Requeueing twice panics.
func (m Message) Requeue() {
	if !m.Held() {
		panic("goring: Requeue" + notHeld)
	}
	c := m.c
	switch c.core.Discipline {
	case proto.Multi:
		c.core.Requeue(m.at)
		return
	case proto.Single:
		m.header().CountRedelivery()
	case proto.Broadcast, proto.Overwrite:
	}
	c.requeued.push(m.at)
}

// Held reports whether the message is still on loan: not released, not requeued, and its consumer
// not closed.
func (m Message) Held() bool {
	c := m.c
	if c.slow&slowClosed != 0 || c.requeued.has(m.at) {
		return false
	}
	switch c.core.Discipline {
	case proto.Broadcast:
		return c.core.Cursor.Holds(m.Seq())
	case proto.Overwrite:
		return true // Nothing is requeued.
	case proto.Single, proto.Multi:
	}
	return c.core.IsHeld(m.at)
}

const notHeld = " of a message that is not held (released or requeued twice, or after Close)"

func (m Message) header() *proto.Header { return m.c.core.Ring.Header(m.at.Idx) }
