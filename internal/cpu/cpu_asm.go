//go:build amd64 || arm64

package cpu

import "unsafe"

// Pause tells the core that this is a spin loop.
func Pause()

// Want asks for the cache line at p for reading, and does not wait for it.
//
//go:noescape
func Want(p unsafe.Pointer)

// Own asks for so many cache lines from p on for writing, one at least, and does not wait for
// them.
//
//go:noescape
func Own(p unsafe.Pointer, lines int)
