package goring

import "fmt"

// NewStream makes a CUDA stream on the device of a GPU ring that somebody in this process has
// joined. The default streams do not wait for it.
func (r *Ring) NewStream() (Stream, error) {
	m, err := r.joinedMemory()
	if err != nil {
		return 0, err
	}
	return m.NewStream()
}

// DestroyStream ends a stream of NewStream once its work is done. No message may be released
// on it any more.
func (r *Ring) DestroyStream(s Stream) error {
	m, err := r.joinedMemory()
	if err != nil {
		return err
	}
	return m.DestroyStream(s)
}

// Synchronize waits until the device has done what is on the stream.
func (r *Ring) Synchronize(s Stream) error {
	m, err := r.joinedMemory()
	if err != nil {
		return err
	}
	return m.Synchronize(s)
}

// joinedMemory is the ring's memory if this process has it open.
func (r *Ring) joinedMemory() (*gpuMemory, error) {
	if !r.sb.GPU() {
		return nil, notOnGPU(r)
	}
	memories.Lock()
	defer memories.Unlock()
	m := memories.byRing[r.sb.UUID]
	if m == nil {
		return nil, fmt.Errorf("ring %q: join it first, that opens its memory: %w", r.name, ErrUnsupported)
	}
	return m, nil
}
