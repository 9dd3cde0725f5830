//go:build !amd64 && !arm64

package futex

// Pause tells the core that this is a spin loop; here there is no such instruction.
func Pause() {}
