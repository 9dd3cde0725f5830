package goring

import (
	"testing"
	"unsafe"

	"example.com/goring/internal/config"
	"example.com/goring/internal/proto"
	"example.com/goring/layout"
)

// heapRing is a ring over ordinary memory: the race detector sees it, and the
// test plays peers by touching the words itself.
func heapRing(t *testing.T, plan layout.Plan) *Ring {
	t.Helper()
	if plan.Mode == 0 {
		plan.Mode = layout.ModeQueue
	}
	plan.MaxProducers, plan.MaxConsumers = max(plan.MaxProducers, 1), max(plan.MaxConsumers, 1)
	sb, info, err := plan.Build()
	if err != nil {
		t.Fatal(err)
	}
	mem := make([]uint64, sb.TotalSize/8+8) // room to align to 64
	base := unsafe.Pointer(&mem[0])
	base = unsafe.Add(base, -uintptr(base)&63)
	r := &Ring{name: t.Name(), fd: -1, segment: segment{sb: sb}}
	if r.info, err = sb.ParseInfo(info); err != nil {
		t.Fatal(err)
	}
	r.control.Base = base
	r.proto = proto.NewRing(&r.sb, base, unsafe.Add(base, sb.DataOff), false)
	return r
}

// bytesPlan is a ring of n slots of 16 bytes.
func bytesPlan(n, producers, consumers int) layout.Plan {
	return layout.Plan{Schema: layout.Bytes(16), Slots: n, MaxProducers: producers, MaxConsumers: consumers}
}

// heapProducer and heapConsumer take seat n of a heap ring without a kernel lock.
func (r *Ring) heapProducer(n int, s Strategy) *Producer {
	return newProducer(r, &Seat{ring: r, number: n, fd: -1}, waiting(s))
}

func (r *Ring) heapConsumer(n int, s Strategy) *Consumer {
	return newConsumer(r, &Seat{ring: r, number: r.sb.MaxProducers + n, fd: -1}, waiting(s))
}

// waiting is how participants without a kernel lock wait.
func waiting(s Strategy) *config.Config {
	return &config.Config{Strategy: proto.Strategy(s), Await: true}
}

// states draws the slots' states, one letter each; an aborted slot is an A.
func (r *Ring) states() string {
	b := make([]byte, r.proto.Slots)
	for i := range b {
		w := r.proto.Header(uint64(i)).Word.Load()
		b[i] = "FWRT"[proto.WordState(w)]
		if proto.IsAborted(w) {
			b[i] = 'A'
		}
	}
	return string(b)
}
