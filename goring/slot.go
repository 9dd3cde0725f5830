package goring

import (
	"fmt"

	"example.com/goring/layout"
)

// Slot is a reserved slot. Fill Bytes, then Commit or Abort, once. It is a value
// for one goroutine; it must not be used after Commit, Abort or the producer's
// Close: that panics.
//
// It is small, and what is said about the message is kept in the producer, so that
// nothing on the way to Commit waits for a copy of it.
type Slot struct {
	p  *Producer
	at position
}

// draft is what goes into the header of the message that is being written.
type draft struct {
	sizes uint64 // len | meta_len << 32
	tag   uint64
}

// Bytes is the whole payload of the slot, to be written in place. It may hold
// bytes of an earlier message.
//
// On a GPU ring in device memory it panics, see [Slot.CopyFromHost]; on one in pinned host
// memory ask [Slot.Vacated] first.
func (s *Slot) Bytes() []byte {
	if s.p.s.payload == nil {
		panic(inDevice)
	}
	return s.p.s.data(s.at.idx, s.p.s.bytes)
}

// Seq is the message's number in the ring.
func (s *Slot) Seq() uint64 { return s.at.number(s.p.s.count) }

// SetTag sets the message's correlation id.
func (s *Slot) SetTag(tag uint64) { s.draft("SetTag").tag = tag }

// SetLen says that only the first n bytes are the message. Without it the message
// is as long as the slot. On rings of fixed items n must be the item's size.
func (s *Slot) SetLen(n int) error {
	if err := s.p.fits(n); err != nil {
		return err
	}
	s.setLen("SetLen", uint64(n))
	return nil
}

// setLen leaves the length of the metadata alone.
func (s *Slot) setLen(op string, n uint64) {
	d := s.draft(op)
	d.sizes = d.sizes&^0xffffffff | n
}

// SetMeta attaches v as metadata, encoded as msgpack. It fails with ErrTooLarge
// when that takes more than the ring's MaxMeta bytes.
func (s *Slot) SetMeta(v any) error {
	b, err := layout.EncodeMeta(nil, v)
	if err != nil {
		return fmt.Errorf("metadata of type %T: %w", v, err)
	}
	return s.SetRawMeta(b)
}

// SetRawMeta attaches metadata that is msgpack already.
func (s *Slot) SetRawMeta(b []byte) error {
	if uint64(len(b)) > s.p.s.maxMeta {
		return fmt.Errorf("metadata of %d bytes, ring %q has room for %d (see MaxMeta): %w", len(b), s.p.ring.name, s.p.s.maxMeta, ErrTooLarge)
	}
	d := s.draft("SetRawMeta")
	copy(s.p.s.meta(s.at.idx, uint64(len(b))), b)
	d.sizes = d.sizes&0xffffffff | uint64(len(b))<<32
	return nil
}

// SetTensor says what the payload of a tensor ring's message is: a C-contiguous
// array. It sets the length, too.
func (s *Slot) SetTensor(code layout.DTypeCode, shape ...int) error {
	if s.p.ring.sb.Kind != layout.KindTensor {
		return fmt.Errorf("ring %q carries %s, not tensors: %w", s.p.ring.name, s.p.ring.sb.Kind, ErrSchema)
	}
	d, err := layout.NewTensorDesc(code, shape...)
	if err != nil {
		return err
	}
	n, err := d.Bytes()
	if err != nil {
		return err
	}
	if n > s.p.s.bytes {
		return fmt.Errorf("tensor %s%v of %d bytes, slots of ring %q hold %d: %w", code, shape, n, s.p.ring.name, s.p.s.bytes, ErrTooLarge)
	}
	s.setLen("SetTensor", n)
	d.Put(s.p.s.tensor(s.at.idx))
	return nil
}

// Commit publishes the message. On a GPU ring it is [Slot.CommitOn] the producer's own
// stream; if the driver refuses, the message is aborted and the next Reserve says why.
func (s *Slot) Commit() {
	if s.p.gpu != nil {
		s.commitDevice()
		return
	}
	d := *s.draft("Commit")
	s.p.bars &^= barOpen
	s.p.publish(d)
}

// Abort gives the slot back unpublished. On a ring of several producers the
// number is used up and consumers skip it.
func (s *Slot) Abort() {
	s.draft("Abort")
	p := s.p
	p.bars &^= barOpen
	p.untouch(s.at.idx)
	if p.owner == 0 {
		return
	}
	p.s.header(s.at.idx).word.Store(abortedWord(s.at.lap, p.owner))
	p.committed(s.at.next(p.s.count))
}

// draft is the producer's, whose open reservation s must be. The caller's misuse
// panics; a word that a peer changed is found by the consumer.
func (s *Slot) draft(op string) *draft {
	if s.p.bars&barOpen == 0 || s.at != s.p.pos {
		misuse(op)
	}
	return &s.p.draft
}

// A constant: to panic with it costs Bytes nothing, and with a call it would not be compiled into its caller.
const inDevice = "goring: the payload is in device memory: use DevicePtr, CopyFromHost or CopyToHost"

//go:noinline
func misuse(op string) {
	panic("goring: " + op + " of a slot that is not reserved (twice, or after Close)")
}
