package goring

import (
	"fmt"
	"time"

	"example.com/goring/internal/proto"
	"example.com/goring/layout"
)

// Slot is a reserved slot. Fill Bytes, then call Commit or Abort, once. One goroutine at a time
// may use it. Using it after Commit, Abort or the producer's Close panics.
//
// It is a small value: the header of its message is kept in the producer, so that no step on the
// way to Commit waits for a copy of it.
type Slot struct {
	p  *Producer
	at proto.Position
}

// Bytes returns the whole payload of the slot, to be written in place. It may hold
// bytes of an earlier message. It panics when the payload is in device memory (see package
// goring/cuda).
func (s Slot) Bytes() []byte {
	r := s.p.core.Ring
	if r.InDevice() {
		panic(inDevice)
	}
	return r.Payload(s.at.Idx, r.Bytes)
}

// Seq returns the message's number in the ring, from 0.
func (s Slot) Seq() uint64 { return s.at.Number(s.p.core.Ring.Slots) }

// SetTag sets the message's correlation id.
func (s Slot) SetTag(tag uint64) { s.draft("SetTag").tag = tag }

// SetTimestamp sets the time that the message carries, instead of the time of Commit. It is for
// messages that come from another ring. It fails with ErrUnsupported on rings without timestamps.
func (s Slot) SetTimestamp(t time.Time) error {
	if !s.p.ring.proto.Timestamps {
		return fmt.Errorf("ring %q has no timestamps (see Timestamps): %w", s.p.ring.name, ErrUnsupported)
	}
	s.draft("SetTimestamp")
	s.p.core.Time = t.UnixNano()
	return nil
}

// SetLen sets the message's length to the first n bytes of the slot. Without it the message
// is as long as the slot. It fails with ErrTooLarge when the slot has fewer bytes, and on rings
// of fixed items with ErrSchema when n is not the item's size.
func (s Slot) SetLen(n int) error {
	if err := s.p.sizeError(n); err != nil {
		return err
	}
	s.setLen("SetLen", uint64(n))
	return nil
}

// setLen leaves the length of the metadata alone.
func (s Slot) setLen(op string, n uint64) {
	d := s.draft(op)
	d.sizes = d.sizes.WithLen(n)
}

// SetMeta attaches v as metadata, encoded as msgpack. It fails with ErrTooLarge
// when that takes more than the ring's MaxMeta bytes, and with the encoder's error.
func (s Slot) SetMeta(v any) error {
	b, err := layout.EncodeMeta(nil, v)
	if err != nil {
		return fmt.Errorf("metadata of type %T: %w", v, err)
	}
	return s.SetRawMeta(b)
}

// SetRawMeta attaches metadata that is msgpack already. It fails with ErrTooLarge like SetMeta.
func (s Slot) SetRawMeta(b []byte) error {
	r := s.p.ring
	if uint64(len(b)) > r.proto.MaxMeta {
		return fmt.Errorf("metadata of %d bytes, ring %q has room for %d (see MaxMeta): %w", len(b), r.name, r.proto.MaxMeta, ErrTooLarge)
	}
	d := s.draft("SetRawMeta")
	copy(r.proto.Meta(s.at.Idx, uint64(len(b))), b)
	d.sizes = d.sizes.WithMetaLen(uint64(len(b)))
	return nil
}

// SetTensor describes the payload of a tensor ring's message, a C-contiguous array, and sets its
// length. It fails with ErrSchema on other rings, and with ErrTooLarge when the array does not
// fit the slot.
func (s Slot) SetTensor(code layout.DTypeCode, shape ...int) error {
	r := s.p.ring
	if r.sb.Kind != layout.KindTensor {
		return fmt.Errorf("ring %q carries %s, not tensors: %w", r.name, r.sb.Kind, ErrSchema)
	}
	d, err := layout.NewTensorDesc(code, shape...)
	if err != nil {
		return err
	}
	n, err := d.Bytes()
	if err != nil {
		return err
	}
	if n > r.proto.Bytes {
		return fmt.Errorf("tensor %s%v of %d bytes, slots of ring %q hold %d: %w", code, shape, n, r.name, r.proto.Bytes, ErrTooLarge)
	}
	s.setLen("SetTensor", n)
	d.Put(r.proto.Tensor(s.at.Idx))
	return nil
}

// Commit publishes the message.
func (s Slot) Commit() {
	d := s.draft("Commit")
	s.p.closeSlot()
	s.p.core.Publish(d.sizes, d.tag)
}

// Abort gives the slot back unpublished. On a ring of several producers the
// number is used up and consumers skip it.
func (s Slot) Abort() {
	s.draft("Abort")
	s.p.closeSlot()
	s.p.core.Time = 0
	s.p.core.Abort()
}

// draft returns the draft of the producer. s must be its open reservation: misuse by the caller
// panics. A consumer reports a word that a peer has changed.
func (s Slot) draft(op string) *draft {
	d := &s.p.draft
	if s.at != d.at {
		misuse(op)
	}
	return d
}

// inDevice is a constant so that Bytes, which panics with it, is compiled into its caller.
const inDevice = "goring: the payload is in device memory: use DevicePtr, CopyFromHost or CopyToHost of package goring/cuda"

//go:noinline
func misuse(op string) {
	panic("goring: " + op + " of a slot that is not reserved (twice, or after Close)")
}
