package cuda

import (
	"fmt"
	"os"

	"example.com/goring/goring"
	"example.com/goring/internal/proto"
	"example.com/goring/layout"
)

// Message is one message of a GPU ring on loan. Its payload is read on a stream. It also has the
// methods Seq, Len, Tag, Timestamp, Redelivered, RawMeta, DecodeMeta, Tensor, Valid and Held of
// [goring.Message], and Bytes, which may be read on a ring in pinned host memory after Arrived.
type Message struct {
	hostMessage
	c   *Consumer
	idx uint64
}

// hostMessage is embedded without a public name: its Release and Requeue leave out the claims.
type hostMessage = goring.Message

// DevicePtr returns the device address of the payload. Work that is enqueued on the stream from
// here on reads the message: the stream waits until the payload has arrived. It fails with an
// [Error], with os.ErrClosed after the consumer's Close, and on overwrite rings with
// goring.ErrLapped.
func (m Message) DevicePtr(stream Stream) (uint64, error) {
	claimed, err := m.claimed()
	if err != nil {
		return 0, err
	}
	c := m.c
	if !m.ready().Reached(claimed) {
		if err := c.m.AllowRead(c.m.on(stream), m.idx, claimed); err != nil {
			return 0, c.driverError(err)
		}
	}
	return c.m.Slot(m.idx), nil
}

// CopyToHost copies the payload into b, as much as fits, on the stream; waits for that; and
// returns how many bytes that were. It fails with an [Error], with ErrVoided when the payload
// never arrived, with os.ErrClosed after the consumer's Close, and on overwrite rings with
// goring.ErrLapped.
func (m Message) CopyToHost(b []byte, stream Stream) (int, error) {
	claimed, err := m.claimed()
	if err != nil {
		return 0, err
	}
	c := m.c
	b = b[:min(len(b), m.Len())]
	if err := c.m.CopyOut(c.m.on(stream), m.idx, claimed, b); err != nil {
		return 0, c.driverError(err)
	}
	if m.ready().Void() {
		return 0, m.voided()
	}
	if !m.Valid() {
		return 0, m.lapped()
	}
	return len(b), nil
}

// Arrived waits until the device has done the producer's work for the payload. On a ring in pinned
// host memory Bytes may be read then. Errors are those of CopyToHost.
func (m Message) Arrived() error {
	if _, err := m.claimed(); err != nil {
		return err
	}
	if err := m.c.m.Arrived(m.idx); err != nil {
		return fmt.Errorf("message %d of ring %q: %w", m.Seq(), m.c.ring.Name(), m.c.driverError(err))
	}
	return nil
}

// ReleaseOn gives the slot back to the producers after the work that is on the stream so far,
// without waiting for it: the stream of the slot's next writer waits. It fails with ErrVoided when
// the producer died before the payload had arrived. On overwrite rings it waits for the stream and
// fails with goring.ErrLapped when the message was overwritten. In both cases the bytes that were
// read are not to be used. Releasing twice panics. When it fails with an [Error], the message is
// still held.
func (m Message) ReleaseOn(stream Stream) error {
	m.check("ReleaseOn")
	c := m.c
	void := m.ready().Void()
	if err := m.claimDone(c.m.on(stream)); err != nil {
		return c.driverError(err)
	}
	if err := m.hostMessage.Release(); err != nil {
		return err
	}
	if void {
		return m.voided()
	}
	return nil
}

// claimDone makes the next writer of the slot wait for the work on the stream. In broadcast the
// cursor's next store does that, on the consumer's own stream.
func (m Message) claimDone(stream Stream) error {
	c := m.c
	switch c.sb.Mode {
	case layout.ModeOverwrite:
		return c.m.Synchronize(stream)
	case layout.ModeBroadcast:
		return c.m.Order(stream, c.m.stream)
	case layout.ModeQueue:
	}
	return c.m.ReleaseSlot(stream, m.idx, c.Seat())
}

// Release is ReleaseOn the consumer's own stream.
func (m Message) Release() error { return m.ReleaseOn(0) }

// RequeueOn is [goring.Message.Requeue] after the work that is on the stream so far. When it fails
// with an [Error], the message is still held.
func (m Message) RequeueOn(stream Stream) error {
	m.check("RequeueOn")
	c := m.c
	if c.sb.Mode == layout.ModeQueue && c.sb.MaxConsumers > 1 { // elsewhere it stays with this consumer
		if err := c.m.ReleaseSlot(c.m.on(stream), m.idx, c.Seat()); err != nil {
			return c.driverError(err)
		}
	}
	m.hostMessage.Requeue()
	return nil
}

// Requeue is RequeueOn the consumer's own stream. When the driver refuses, the message is still
// held.
func (m Message) Requeue() { _ = m.RequeueOn(0) }

// check panics unless the message is held.
func (m Message) check(op string) {
	if !m.Held() {
		panic("goring: " + op + " of a message that is not held (released or requeued twice, or after Close)")
	}
}

// ready returns the cell of the payload.
func (m Message) ready() proto.Cell { return m.c.m.ring.ReadyCell(m.idx) }

// claimed returns the claim of the payload's producer. On an overwrite ring that may be the claim
// of a later message, with work that is not enqueued yet: then this message was lapped. The cells
// may be unmapped once the consumer is closed.
func (m Message) claimed() (uint64, error) {
	if m.c.closed {
		return 0, fmt.Errorf("message %d of ring %q, its consumer is closed: %w", m.Seq(), m.c.ring.Name(), os.ErrClosed)
	}
	claimed := m.ready().Claimed()
	if !m.Valid() {
		return 0, m.lapped()
	}
	return claimed, nil
}

func (m Message) voided() error {
	return fmt.Errorf("message %d of ring %q: %w", m.Seq(), m.c.ring.Name(), ErrVoided)
}

func (m Message) lapped() error {
	return fmt.Errorf("message %d of ring %q: %w", m.Seq(), m.c.ring.Name(), goring.ErrLapped)
}
