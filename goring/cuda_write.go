package goring

import (
	"context"
	"fmt"
)

// DevicePtr is the device address of the slot. What is enqueued on the stream from here on
// may write to it: until its last reader's device work is done, the stream waits.
func (s *Slot) DevicePtr(stream Stream) (uint64, error) {
	p := s.p
	s.draft("DevicePtr")
	if p.gpu == nil {
		return 0, notOnGPU(p.ring)
	}
	if err := p.gpu.OpenSlot(p.on(stream), s.at.idx, s.Seq()); err != nil {
		return 0, p.blame(err)
	}
	return p.gpu.Slot(s.at.idx), nil
}

// Vacated waits until the device work of the slot's last readers is done. On a ring in pinned
// host memory [Slot.Bytes] may be written then.
func (s *Slot) Vacated() error {
	s.draft("Vacated")
	if s.p.gpu == nil {
		return notOnGPU(s.p.ring)
	}
	return s.p.blame(s.p.gpu.Vacated(s.at.idx, s.Seq()))
}

// CopyFromHost copies b to the device, on the stream, and says that it is the message. b may
// be used again when it returns.
func (s *Slot) CopyFromHost(b []byte, stream Stream) error {
	p := s.p
	if p.gpu == nil {
		return notOnGPU(p.ring)
	}
	if err := s.SetLen(len(b)); err != nil {
		return err
	}
	return p.blame(p.gpu.CopyIn(p.on(stream), s.at.idx, s.Seq(), b))
}

// CopyFromDevice copies n bytes of device memory of this process, on the stream, and says that
// they are the message. They may change once the stream has come so far.
func (s *Slot) CopyFromDevice(from uint64, n int, stream Stream) error {
	p := s.p
	if p.gpu == nil {
		return notOnGPU(p.ring)
	}
	if err := s.SetLen(n); err != nil {
		return err
	}
	return p.blame(p.gpu.CopyInDevice(p.on(stream), s.at.idx, s.Seq(), from, uint64(n)))
}

// CommitOn publishes the message behind what is on the stream so far: it does not wait for
// that, the streams of its readers do. When it fails the slot is still reserved.
func (s *Slot) CommitOn(stream Stream) error {
	d := *s.draft("CommitOn")
	p := s.p
	if p.gpu == nil {
		return notOnGPU(p.ring)
	}
	if err := p.gpu.Commit(p.on(stream), s.at.idx, p.seat.number); err != nil {
		return p.blame(err)
	}
	p.touched = false
	p.bars &^= barOpen
	p.publish(d)
	return nil
}

// commitDevice is Commit on a GPU ring: a message that the driver refuses is aborted, and
// the next Reserve says why.
func (s *Slot) commitDevice() {
	if err := s.CommitOn(0); err != nil {
		s.p.fail(err)
		s.Abort()
	}
}

// on is the stream that a call means; work on it is this slot's from here on.
func (p *Producer) on(stream Stream) Stream {
	if stream == 0 {
		stream = p.stream
	}
	p.touched, p.last = true, stream
	return stream
}

// untouch hands the slot on behind what was enqueued for a message that will not be.
func (p *Producer) untouch(i uint64) {
	if p.gpu == nil || !p.touched {
		return
	}
	p.touched = false
	if err := p.gpu.Commit(p.last, i, p.seat.number); err != nil {
		p.fail(p.blame(err))
	}
}

// fail makes the producer refuse from now on: what was to say so had no way to.
func (p *Producer) fail(err error) { p.failed, p.bars = err, p.bars|barFailed }

// blame completes what this producer has claimed when its context is gone: nobody else
// would, as long as it lives.
func (p *Producer) blame(err error) error {
	if err != nil && p.gpu.Poison() != nil {
		p.ring.completeCells(p.seat.number)
	}
	return err
}

// writeDevice is Write on a GPU ring, one crossing into C.
func (p *Producer) writeDevice(ctx context.Context, b []byte) error {
	if err := p.reserve(ctx); err != nil {
		return err
	}
	return p.putDevice(b)
}

// putDevice is put on a GPU ring.
func (p *Producer) putDevice(b []byte) error {
	s := p.open()
	if err := p.gpu.Write(p.on(0), s.at.idx, s.Seq(), p.seat.number, b); err != nil {
		err = p.blame(err)
		s.Abort()
		return err
	}
	p.touched = false
	p.bars &^= barOpen
	p.publish(draft{sizes: uint64(len(b))})
	return nil
}

func notOnGPU(r *Ring) error {
	return fmt.Errorf("ring %q is in host memory; a ring for a GPU is made with the option CUDA: %w", r.name, ErrUnsupported)
}

// onlyHost is what operations answer that need payloads in host memory, nil on host rings.
func (r *Ring) onlyHost(operation, instead string) error {
	if !r.sb.GPU() {
		return nil
	}
	return fmt.Errorf("%s on ring %q, which is for a GPU; use %s: %w", operation, r.name, instead, ErrUnsupported)
}
