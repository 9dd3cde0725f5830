//go:build !amd64 && !arm64

package cpu

import "unsafe"

// Pause does nothing: this processor has no instruction for spin loops here.
func Pause() {}

// Prefetch does nothing on this processor.
func Prefetch(unsafe.Pointer) {}

// PrefetchW does nothing on this processor.
func PrefetchW(unsafe.Pointer, int) {}
