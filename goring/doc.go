// Package goring is a zero-copy, lock-free ring of messages in shared memory that
// Go and Python programs attach to by name.
//
// A ring describes itself: the type of its messages, its slots, how many
// producers and consumers may join. One process creates it, others open it, and
// either end may be Go or Python:
//
//	r, err := goring.Create("frames", layout.Array[uint8](1080, 1920, 3))
//	p, err := r.Producer()
//	s, err := p.Reserve(ctx)   // a slot, in place
//	render(s.Bytes())
//	s.Commit()
//
// The bytes and the protocol are in spec/LAYOUT.md. No step takes a lock: a process
// that is killed at any instant leaves a ring that its successor goes on with.
//
// Rings with payloads in the memory of a GPU are made and joined with package goring/cuda;
// this package needs neither cgo nor a driver.
package goring
