package goring

import (
	"errors"
	"fmt"
)

// DevicePtr is the device address of the payload. What is enqueued on the stream from here
// on reads what the producer wrote: until that has arrived, the stream waits.
func (m Message) DevicePtr(stream Stream) (uint64, error) {
	c := m.c
	claimed, err := m.claimed()
	if err != nil {
		return 0, err
	}
	if !c.ready(m.at.idx).reached(claimed) { // else nothing is to be waited for
		if err := c.gpu.Look(c.on(stream), m.at.idx, claimed); err != nil {
			return 0, c.blame(err)
		}
	}
	return c.gpu.Slot(m.at.idx), nil
}

// CopyToHost copies the payload into b, as much as fits, on the stream; waits for that; and
// returns how many bytes it was. It is ErrVoided when the payload never came, and on
// overwrite rings ErrLapped when it was overwritten meanwhile.
func (m Message) CopyToHost(b []byte, stream Stream) (int, error) {
	c := m.c
	claimed, err := m.claimed()
	if err != nil {
		return 0, err
	}
	b = b[:min(uint64(len(b)), m.sizes&0xffffffff)]
	if err := c.gpu.CopyOut(c.on(stream), m.at.idx, claimed, b); err != nil {
		return 0, c.blame(err)
	}
	if c.voids(m.at.idx) {
		return 0, fmt.Errorf("message %d of ring %q: %w", m.Seq(), c.ring.name, ErrVoided)
	}
	if !m.Valid() {
		return 0, m.lapped()
	}
	return len(b), nil
}

// Arrived waits until the payload is there: until what the producer enqueued for it is done.
// On a ring in pinned host memory [Message.Bytes] may be read then.
func (m Message) Arrived() error {
	if _, err := m.claimed(); err != nil {
		return err
	}
	if err := m.c.gpu.Arrived(m.at.idx); err != nil {
		return fmt.Errorf("message %d of ring %q: %w", m.Seq(), m.c.ring.name, m.c.blame(err))
	}
	return nil
}

// claimed is what the producer has claimed for the payload. On an overwrite ring that may
// be of a later message, which may not be enqueued yet: then this one was lapped.
func (m Message) claimed() (uint64, error) {
	c := m.c
	if c.gpu == nil {
		return 0, notOnGPU(c.ring)
	}
	claimed := c.ready(m.at.idx).claimed.Load()
	if c.side == sideLossy && !m.whole() {
		return 0, m.lapped()
	}
	return claimed, nil
}

// ReleaseOn gives the slot back to the producers behind what is on the stream so far: it
// does not wait for that, the stream of the slot's next writer does. It is ErrVoided when the
// producer died before the payload had arrived, and on overwrite rings, where it waits for
// the stream, ErrLapped when the message was overwritten: what was read is not to be used.
// Releasing twice panics. When the driver refuses, the message is still held.
func (m Message) ReleaseOn(stream Stream) error {
	c := m.c
	if c.gpu == nil {
		return notOnGPU(c.ring)
	}
	if !m.held() {
		panic("goring: ReleaseOn" + notHeld)
	}
	void := c.voids(m.at.idx)
	if err := m.handOn(c.on(stream)); err != nil {
		return c.blame(err)
	}
	if void {
		return fmt.Errorf("message %d of ring %q: %w", m.Seq(), c.ring.name, ErrVoided)
	}
	return nil
}

func (m Message) handOn(stream Stream) error {
	c := m.c
	switch c.side {
	case sideLossy:
		if err := c.gpu.Synchronize(stream); err != nil {
			return err
		}
		return m.pass()
	case sideGated:
		if err := c.gpu.Order(stream, c.stream); err != nil {
			return err
		}
		return m.pass() // the cursor's advance claims
	}
	if err := c.gpu.HandOn(stream, m.at.idx, c.seat.number); err != nil {
		return err
	}
	m.header().word.Store(freeWord(m.at.lap + 1)) // as in Release
	c.room.Notify()
	return nil
}

// RequeueOn is [Message.Requeue] behind what is on the stream so far.
func (m Message) RequeueOn(stream Stream) error {
	c := m.c
	if c.gpu == nil {
		return notOnGPU(c.ring)
	}
	if !m.held() {
		panic("goring: RequeueOn" + notHeld)
	}
	if c.side == sideShared { // alone, it stays with this consumer
		if err := c.gpu.HandOn(c.on(stream), m.at.idx, c.seat.number); err != nil {
			return c.blame(err)
		}
	}
	m.requeue()
	return nil
}

func (c *Consumer) on(stream Stream) Stream {
	if stream == 0 {
		return c.stream
	}
	return stream
}

// voids reports whether the payload in slot i never came.
func (c *Consumer) voids(i uint64) bool { return c.ready(i).isVoid() }

// ready is the cell of slot i's payload.
func (c *Consumer) ready(i uint64) cell { return c.ring.cell(c.ring.sb.ReadyCell(i)) }

// sift reports whether a message that was just taken is to be handed out. One whose payload
// never came is released.
func (c *Consumer) sift(m Message) bool {
	if !c.voids(m.at.idx) {
		return true
	}
	if err := m.ReleaseOn(0); !errors.Is(err, ErrVoided) && err != nil {
		return true // its user meets the driver's error
	}
	return false
}

// blame is for the error of a step, see [Producer.blame].
func (c *Consumer) blame(err error) error {
	if err != nil && c.gpu.Poison() != nil {
		c.ring.completeCells(c.seat.number)
	}
	return err
}

// advance claims a broadcast consumer's cell before its cursor is stored. A context that is
// gone must not hold the others up: the cell is completed instead.
func (c *Consumer) advance(x uint64) {
	lane := uint64(c.seat.number - c.ring.sb.MaxProducers - 1)
	if err := c.gpu.Advance(c.stream, lane, c.seat.number, x); err != nil {
		cell := c.ring.cell(c.ring.sb.DoneCell(lane))
		cell.claimed.Store(x)
		cell.complete(x, false)
	}
}
