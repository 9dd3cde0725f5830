package cuda

import "example.com/goring/goring"

// Slot is a reserved slot of a GPU ring. Its payload is written on a stream. It also has the
// methods Seq, SetTag, SetLen, SetMeta, SetRawMeta and SetTensor of [goring.Slot], and Bytes, which
// may be written on a ring in pinned host memory after Vacated.
type Slot struct {
	hostSlot
	p        *Producer
	seq, idx uint64
}

// hostSlot is embedded without a public name: its Commit and Abort leave out the claims.
type hostSlot = goring.Slot

// check panics unless s is the open reservation of its producer.
func (s Slot) check(op string) {
	if !s.p.open || s.seq != s.p.seq {
		panic("goring: " + op + " of a slot that is not reserved (twice, or after Close)")
	}
}

// DevicePtr returns the device address of the slot. Work that is enqueued on the stream from here
// on may write to it: the stream waits until the device work of the slot's last readers is done.
// It fails with an [Error].
func (s Slot) DevicePtr(stream Stream) (uint64, error) {
	s.check("DevicePtr")
	if err := s.p.m.AllowWrite(s.p.on(stream), s.idx, s.seq); err != nil {
		return 0, s.p.driverError(err)
	}
	return s.p.m.Slot(s.idx), nil
}

// Vacated waits until the device work of the slot's last readers is done. On a ring in pinned
// host memory Bytes may be written then. It fails with an [Error].
func (s Slot) Vacated() error {
	s.check("Vacated")
	return s.p.driverError(s.p.m.Vacated(s.idx, s.seq))
}

// CopyFromHost copies b to the device, on the stream, and makes it the message. b may
// be used again when it returns. It fails as [goring.Slot.SetLen] does, and with an [Error].
func (s Slot) CopyFromHost(b []byte, stream Stream) error {
	if err := s.SetLen(len(b)); err != nil {
		return err
	}
	return s.p.driverError(s.p.m.CopyIn(s.p.on(stream), s.idx, s.seq, b))
}

// CopyFromDevice copies n bytes of device memory of this process, on the stream, and makes them
// the message. They may change once the stream has done the copy. Errors are those of
// CopyFromHost.
func (s Slot) CopyFromDevice(from uint64, n int, stream Stream) error {
	if err := s.SetLen(n); err != nil {
		return err
	}
	return s.p.driverError(s.p.m.CopyInDevice(s.p.on(stream), s.idx, s.seq, from, uint64(n)))
}

// CommitOn publishes the message after the work that is on the stream so far, without waiting for
// it: the streams of its readers wait. When it fails with an [Error] the slot is still reserved.
func (s Slot) CommitOn(stream Stream) error {
	s.check("CommitOn")
	p := s.p
	if err := p.m.Commit(p.on(stream), s.idx, p.Seat()); err != nil {
		return p.driverError(err)
	}
	s.publish()
	return nil
}

// publish makes the claimed slot a message.
func (s Slot) publish() {
	s.p.open, s.p.touched = false, false
	s.hostSlot.Commit()
}

// Commit is CommitOn the producer's own stream. A message that the driver refuses is aborted, and
// the next Reserve returns the error.
func (s Slot) Commit() {
	if err := s.CommitOn(0); err != nil {
		s.Abort()
		s.p.failed = err
	}
}

// Abort gives the slot back unpublished, after the work that was enqueued for it.
func (s Slot) Abort() {
	s.check("Abort")
	s.p.abandon(s.idx)
	s.hostSlot.Abort()
}
