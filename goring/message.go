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
	sizes uint64
} // four words: a larger struct does not travel in registers

// word is what the slot's word is while the message is on loan.
func (m Message) word() uint64 { return m.at.lap<<8 | m.c.lent }

// Bytes is the payload, in place. A peer that breaks the rules can still change
// it; copy it before checking what must not change.
//
// On a GPU ring in device memory it panics, see [Message.CopyToHost]; on one in pinned host
// memory ask [Message.Arrived] first.
func (m Message) Bytes() []byte {
	if m.c.s.payload == nil {
		panic(inDevice)
	}
	return m.c.s.data(m.at.idx, m.size())
}

// size is the length of the payload. It is a message's of a batch that was sane when the
// batch was taken, but a peer writes what it does not own: it is kept within the slot.
func (m Message) size() uint64 { return min(max(m.sizes&0xffffffff, m.c.s.least), m.c.s.bytes) }

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
	n := min(m.sizes>>32&0xffff, m.c.s.maxMeta) // as size
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
	if err != nil || n != m.size() {
		return d, fmt.Errorf("message %d has %d bytes and a descriptor of %d: %w", m.Seq(), m.size(), n, ErrCorrupt)
	}
	return d, nil
}

// Release gives the slot back to the producers. Releasing twice panics. On overwrite
// rings, whose producer waits for nobody, it is ErrLapped when the message was
// overwritten while it was on loan: what was read of it is not to be used. On all other
// rings it is nil.
//
// On GPU rings it is [Message.ReleaseOn] the consumer's own stream.
func (m Message) Release() error {
	c := m.c
	if c.gpu != nil {
		return m.ReleaseOn(0)
	}
	if c.side >= sideGated {
		return m.pass()
	}
	if !m.free() {
		panic("goring: Release" + notHeld)
	}
	return nil
}

// free gives the slot of a queue's message back, if the message is held.
func (m Message) free() bool {
	c, h := m.c, m.header()
	if c.bars&barClosed != 0 || h.word.Load() != m.word() || c.again.n.Load() != 0 && c.again.has(m.at) {
		return false
	}
	// Sequentially consistent: pairs with the producer's load of FREE, and is
	// ordered before the load of the waiting flag in Notify.
	h.word.Store(freeWord(m.at.lap + 1))
	c.room.Notify()
	return true
}

// pass is Release where every consumer reads every message.
func (m Message) pass() error {
	c := m.c
	if c.side == sideLossy {
		if !m.whole() {
			return m.lapped()
		}
		return nil
	}
	if c.bars&barClosed != 0 || c.again.has(m.at) || !c.cur.release(m.Seq(), 1) {
		panic("goring: Release" + notHeld)
	}
	c.room.Notify()
	return nil
}

func (m Message) lapped() error {
	return fmt.Errorf("message %d of ring %q: %w", m.Seq(), m.c.ring.name, ErrLapped)
}

// Valid reports whether what has been read of the message so far is what was written.
// Only on overwrite rings can it be false.
func (m Message) Valid() bool { return m.c.side != sideLossy || m.whole() }

// Requeue gives the message back: a consumer gets it again, with Redelivered one
// higher. Alone, and in the broadcast modes, that is this consumer itself; the latter
// do not count, since others read the same message.
func (m Message) Requeue() {
	if !m.held() {
		panic("goring: Requeue" + notHeld)
	}
	if m.c.gpu != nil {
		_ = m.RequeueOn(0) // when the driver refuses, the message is still held
		return
	}
	m.requeue()
}

func (m Message) requeue() {
	c := m.c
	switch c.side {
	case sideShared:
		m.header().countRedelivery()
		m.header().word.Store(readyWord(m.at.lap))
		c.s.requeued()
		return
	case sideAlone:
		m.header().countRedelivery()
	}
	c.again.push(m.at)
}

// held reports whether the loan is still open.
func (m Message) held() bool {
	c := m.c
	if c.bars&barClosed != 0 || c.again.n.Load() != 0 && c.again.has(m.at) {
		return false
	}
	switch c.side {
	case sideGated:
		return c.cur.holds(m.Seq())
	case sideLossy:
		return true // there is nothing to give back
	default:
		return m.header().word.Load() == m.word()
	}
}

const notHeld = " of a message that is not held (released or requeued twice, or after Close)"

func (m Message) header() *slotHeader { return m.c.s.header(m.at.idx) }
