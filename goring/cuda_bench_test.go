//go:build !race && cgo

package goring

import (
	"testing"

	"example.com/goring/layout"
)

// The parts of what a message of a GPU ring costs; `bench/gpu/run.sh` runs the whole with a
// driver whose calls cost nothing.
func BenchmarkGPUCrossing(b *testing.B) {
	r, err := Create("", layout.Bytes(64), CUDA(0), Slots(4))
	if err != nil {
		b.Skip(err)
	}
	defer func() { _ = r.Close() }()
	p, err := r.Producer()
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	for b.Loop() {
		_ = p.gpu.Poison()
	}
}
