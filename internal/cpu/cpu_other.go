//go:build !amd64 && !arm64

package cpu

import "unsafe"

// Pause tells the core that this is a spin loop; here there is no such instruction.
func Pause() {}

// Want asks for the cache line at p for reading; here there is no such instruction.
func Want(unsafe.Pointer) {}

// Own asks for cache lines to write to; here there is no such instruction.
func Own(unsafe.Pointer, int) {}
