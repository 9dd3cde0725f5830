package goring

import (
	"fmt"
	"slices"
	"time"

	"example.com/goring/layout"
)

// Message is one message on loan from the ring: Bytes points into shared memory
// and is valid until Release, Requeue or the consumer's Close. It is a small
// value; all copies stand for the same loan.
type Message struct {
	c     *Consumer
	at    position
	word  uint64 // the slot's word while the message is on loan
	sizes uint64
}

// Bytes is the payload, in place. A peer that breaks the rules can still change
// it; copy it before checking what must not change.
func (m Message) Bytes() []byte { return m.c.s.data(m.at.idx, m.sizes&0xffffffff) }

// Seq is the message's number in the ring, from 0.
func (m Message) Seq() uint64 { return m.at.number(m.c.s.count) }

// Tag is the correlation id that the producer set, or 0.
func (m Message) Tag() uint64 { return m.header().tag }

// Timestamp is when the message was committed; the zero time on rings without
// timestamps.
func (m Message) Timestamp() time.Time {
	ns := m.header().timestamp
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

// Redelivered is how often the message was given back before, at most 255.
func (m Message) Redelivered() int { return int(m.sizes >> 56) }

// RawMeta is a private copy of the metadata's msgpack, nil when there is none.
func (m Message) RawMeta() []byte {
	n := m.sizes >> 32 & 0xffff
	if n == 0 {
		return nil
	}
	return slices.Clone(m.c.s.meta(m.at.idx, n))
}

// DecodeMeta decodes the metadata into v, which is left alone when there is none.
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

// Tensor describes the payload of a tensor ring's message. The descriptor has
// been checked against the length of the payload.
func (m Message) Tensor() (layout.TensorDesc, error) {
	if k := m.c.ring.sb.Kind; k != layout.KindTensor {
		return layout.TensorDesc{}, fmt.Errorf("ring %q carries %s, not tensors: %w", m.c.ring.name, k, ErrSchema)
	}
	d, err := layout.ParseTensor(slices.Clone(m.c.s.tensor(m.at.idx)))
	if err != nil {
		return d, fmt.Errorf("message %d: %w: %w", m.Seq(), ErrCorrupt, err)
	}
	n, err := d.Bytes()
	if err != nil || n != m.sizes&0xffffffff {
		return d, fmt.Errorf("message %d has %d bytes and a descriptor of %d: %w", m.Seq(), m.sizes&0xffffffff, n, ErrCorrupt)
	}
	return d, nil
}

// Release gives the slot back to the producers. Releasing twice panics.
func (m Message) Release() {
	m.check("Release")
	// Sequentially consistent: pairs with the producer's load of FREE, and is
	// ordered before the load of the waiting flag in Notify.
	m.header().word.Store(freeWord(m.at.lap + 1))
	m.c.room.Notify()
}

// Requeue gives the message back: a consumer (this one, when it is alone) gets it
// again, with Redelivered one higher.
func (m Message) Requeue() {
	m.check("Requeue")
	c := m.c
	m.header().countRedelivery()
	if c.owner != 0 {
		m.header().word.Store(readyWord(m.at.lap))
		c.s.requeued()
		return
	}
	c.again.push(m.at)
}

// held reports whether the loan is still open.
func (m Message) held() bool {
	return !m.c.closed && m.header().word.Load() == m.word && !m.c.again.has(m.at)
}

func (m Message) check(op string) {
	if m.c == nil || !m.held() {
		panic("goring: " + op + " of a message that is not held (released or requeued twice, or after Close)")
	}
}

func (m Message) header() *slotHeader { return m.c.s.header(m.at.idx) }
