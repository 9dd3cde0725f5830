//go:build !race && cgo

package cuda

import (
	"testing"

	"example.com/goring/goring"
	"example.com/goring/layout"
)

// The parts of what a message of a GPU ring costs; `bench/gpu/run.sh` runs the whole with a
// driver with calls that cost nothing.
func BenchmarkGPUCrossing(b *testing.B) {
	r, err := goring.Create("", layout.Bytes(64), Device(0), goring.Slots(4))
	if err != nil {
		b.Skip(err)
	}
	defer func() { _ = r.Close() }()
	p, err := NewProducer(r)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	for b.Loop() {
		_ = p.m.Poison()
	}
}
