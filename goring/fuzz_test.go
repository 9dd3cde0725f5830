package goring

import (
	"context"
	"errors"
	"io"
	"testing"
	"unsafe"

	"example.com/goring/layout"
)

// hostileRings are the shapes that FuzzHostileSegment tries; the first byte picks one.
var hostileRings = []layout.Plan{
	{Schema: layout.Bytes(40), Slots: 3, MaxProducers: 1, MaxConsumers: 1},
	{Schema: layout.Bytes(40), Slots: 3, MaxProducers: 2, MaxConsumers: 2, MaxMeta: 16},
	{Schema: layout.Array[uint32](4), Slots: 4, MaxProducers: 1, MaxConsumers: 1, Placement: layout.PlaceSeparate},
	{Schema: layout.Tensor(64), Slots: 3, MaxProducers: 1, MaxConsumers: 2},
	{Schema: layout.Bytes(40), Slots: 3, MaxProducers: 1, MaxConsumers: 2, Mode: layout.ModeBroadcast},
	{Schema: layout.Tensor(64), Slots: 3, MaxProducers: 1, MaxConsumers: 2, Mode: layout.ModeOverwrite},
}

// FuzzHostileSegment lets a peer write what it likes behind the immutable part, before and
// between the operations. They may return errors and nonsense; they may not panic, read
// outside the segment, or go on for ever.
func FuzzHostileSegment(f *testing.F) {
	for i := range hostileRings {
		f.Add([]byte{byte(i), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
		f.Add([]byte{byte(i), 0x20, 2, 1, 0x20, 0, 1, 0x21, 0x82, 3, 0x23, 5, 9, 1, 2, 3})
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) < 2 || len(program) > 256 {
			return
		}
		r := heapRing(t, hostileRings[int(program[0])%len(hostileRings)])
		h := hostile{t: t, r: r, segment: heapBytes(r), program: program[1:]}
		h.scribbles(8) // what was there before anybody joined
		h.p, h.c = r.heapProducer(1, Park), r.heapConsumer(1, Park)
		for len(h.program) > 0 {
			h.step()
		}
	})
}

// heapBytes is a heap ring's segment.
func heapBytes(r *Ring) []byte {
	return unsafe.Slice((*byte)(r.control.Base), r.sb.TotalSize)
}

// over is a context of a wait that is to end at once.
var over = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

type hostile struct {
	t       *testing.T
	r       *Ring
	segment []byte
	program []byte
	p       *Producer
	c       *Consumer
	held    []Message
}

// next is the program's next byte.
func (h *hostile) next() byte {
	if len(h.program) == 0 {
		return 0
	}
	b := h.program[0]
	h.program = h.program[1:]
	return b
}

// scribbles makes up to n strikes at words that participants look at.
func (h *hostile) scribbles(n int) {
	for range int(h.next()) % (n + 1) {
		h.scribble()
	}
}

func (h *hostile) scribble() {
	where, what := h.next(), h.next()
	sb := h.r.sb
	places := []uint64{
		sb.HeaderOff, sb.HeaderOff + 8, sb.HeaderOff + 32, layout.OffPutHint, layout.OffTakeHint,
		layout.OffRequeueGen, layout.OffHead, sb.Participant(1), sb.Participant(sb.MaxProducers+1) + layout.PartCursor,
	}
	at := places[int(where)%len(places)]
	if at >= sb.HeaderOff {
		at += uint64(where) / 16 % sb.Slots * sb.HeaderStride
	}
	values := []uint64{
		uint64(what) >> 3 & 3, uint64(what>>4)<<8 | uint64(what&3), uint64(what>>4)<<8 | 1<<2 | uint64(what&3),
		^uint64(0), 1 << 63, 1<<32 - 1, uint64(what), uint64(what) << 32,
	}
	*(*uint64)(unsafe.Pointer(&h.segment[at])) = values[what%8]
}

// step is one operation or one strike. The caller keeps to the rules: what panics is not
// its misuse.
func (h *hostile) step() {
	switch h.next() % 10 {
	case 0, 1:
		h.scribble()
	case 2:
		h.read(h.c.TryRead())
	case 3:
		if h.r.sb.Mode != layout.ModeQueue {
			h.read(h.c.Latest(over))
		}
	case 4:
		h.batch()
	case 5:
		h.release(func(m Message) { _ = m.Release() })
	case 6:
		h.release(Message.Requeue)
	case 7:
		_ = h.p.TryWrite(make([]byte, h.r.sb.SlotBytes))
	case 8:
		h.p.Retract(uint64(h.next()))
	case 9:
		h.r.proto.Count()
		if h.r.sb.Mode == layout.ModeQueue {
			h.r.proto.GiveBack(uint64(h.next() & 63))
			h.r.proto.GiveBack(uint64(h.next() & 63))
		}
	}
}

func (h *hostile) read(m Message, err error) {
	if err != nil {
		for _, known := range []error{ErrEmpty, ErrHeld, ErrCorrupt, io.EOF, context.Canceled} {
			if errors.Is(err, known) {
				return
			}
		}
		h.t.Fatal(err)
	}
	if uint64(len(m.Bytes())) > h.r.sb.SlotBytes || len(m.RawMeta()) > h.r.sb.MaxMeta {
		h.t.Fatalf("a message of %d bytes, slots hold %d", len(m.Bytes()), h.r.sb.SlotBytes)
	}
	if h.r.sb.Kind == layout.KindTensor {
		if d, err := m.Tensor(); err == nil {
			if n, err := d.Bytes(); err != nil || n != uint64(len(m.Bytes())) {
				h.t.Fatalf("a tensor %+v of %d bytes", d, len(m.Bytes()))
			}
		}
	}
	h.held = append(h.held, m)
}

func (h *hostile) batch() {
	b, err := h.c.ReadBatch(over, 3)
	if err != nil {
		return
	}
	whole := true
	for k := range b.Len() {
		if uint64(len(b.At(k).Bytes())) > h.r.sb.SlotBytes {
			h.t.Fatalf("a message of %d bytes, slots hold %d", len(b.At(k).Bytes()), h.r.sb.SlotBytes)
		}
		whole = whole && b.At(k).Held()
	}
	if whole {
		_ = b.Release()
	}
}

// release ends a loan, if the peer has not made it look ended already: to release what is
// not held is misuse, which panics.
func (h *hostile) release(end func(Message)) {
	if len(h.held) == 0 {
		return
	}
	m := h.held[0]
	h.held = h.held[1:]
	if m.Held() {
		end(m)
	}
}
