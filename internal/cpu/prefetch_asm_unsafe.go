//go:build amd64 || arm64

package cpu

import "unsafe"

// Pause tells the core that this is a spin loop (PAUSE, YIELD).
func Pause()

// Prefetch brings the cache line at p for reading and does not wait for it (PREFETCHT0, PRFM).
//
//go:noescape
func Prefetch(p unsafe.Pointer)

// PrefetchW brings that many cache lines from p on, at least one, for writing and does not wait
// for them (PREFETCHW, PRFM PST).
//
//go:noescape
func PrefetchW(p unsafe.Pointer, lines int)
