package cuda

import (
	"fmt"

	"example.com/goring/goring"
)

// NewStream makes a CUDA stream on the device of a GPU ring that this process has joined. The
// default streams do not wait for it. It fails with goring.ErrUnsupported on other rings, and
// with an [Error].
func NewStream(r *goring.Ring) (Stream, error) {
	m, err := joinedMemory(r)
	if err != nil {
		return 0, err
	}
	return m.NewStream()
}

// DestroyStream ends a stream of NewStream once its work is done. No message may be released
// on it any more. Errors are those of NewStream.
func DestroyStream(r *goring.Ring, s Stream) error {
	m, err := joinedMemory(r)
	if err != nil {
		return err
	}
	return m.DestroyStream(s)
}

// Synchronize waits until the device has done the work on the stream. Errors are those of
// NewStream.
func Synchronize(r *goring.Ring, s Stream) error {
	m, err := joinedMemory(r)
	if err != nil {
		return err
	}
	return m.Synchronize(s)
}

// joinedMemory returns the ring's memory if this process has it open.
func joinedMemory(r *goring.Ring) (*memory, error) {
	sb := r.Superblock()
	if !sb.GPU() {
		return nil, notOnGPU(r)
	}
	memories.Lock()
	defer memories.Unlock()
	m := memories.byRing[sb.UUID]
	if m == nil {
		return nil, fmt.Errorf("ring %q: join it first, that opens its memory: %w", r.Name(), goring.ErrUnsupported)
	}
	return m, nil
}
