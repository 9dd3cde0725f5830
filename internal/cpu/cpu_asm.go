//go:build amd64 || arm64

package cpu

import "unsafe"

// Pause tells the core that this is a spin loop.
func Pause()

// Want asks for the cache line at p for reading, and does not wait for it.
//
//go:noescape
func Want(p unsafe.Pointer)

// Own asks for the cache line at p for writing, and does not wait for it.
//
//go:noescape
func Own(p unsafe.Pointer)

// OwnTwo asks for the line at p and for the one behind it.
//
//go:noescape
func OwnTwo(p unsafe.Pointer)
