package cuda

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"example.com/goring/goring"
	"example.com/goring/internal/config"
	"example.com/goring/internal/cudadrv"
	"example.com/goring/internal/shm"
	"example.com/goring/layout"
)

// member is one participant's use of a GPU ring's memory. It is the [config.Member] of this
// package.
type member struct {
	*memory                // set by admit
	config  *config.Config // of the call that joins
	stream  Stream         // the participant's own
	left    bool           // the reference to memory was given back
}

// BeforeCursor claims the done cell of a broadcast consumer before its cursor is stored. A context
// that is gone must not hold the other participants up: the claim is completed instead.
func (m *member) BeforeCursor(seat int, next uint64) {
	cell, k := m.ring.DoneCell(seat)
	if err := m.Advance(m.stream, k, seat, next); err != nil {
		cell.Claim(next)
	}
}

// Leave gives the reference of the participant back.
func (m *member) Leave() {
	m.left = true
	m.unref()
}

// on returns the stream that a call means.
func (m *member) on(stream Stream) Stream {
	if stream == 0 {
		return m.stream
	}
	return stream
}

// joining returns a participant-to-be of r, and opts with the option that admits it.
func joining(r *goring.Ring, opts []goring.Option) (*member, []goring.Option, error) {
	if sb := r.Superblock(); !sb.GPU() {
		return nil, nil, notOnGPU(r)
	}
	m := &member{}
	join := func(c *config.Config) {
		m.config = c
		c.Admit = func(fd int, b layout.GPUBlock) (config.Member, error) { return m, m.admit(r, fd, b) }
	}
	return m, append(slices.Clone(opts), join), nil
}

// admit opens the memory of r, in segment fd with block b.
func (m *member) admit(r *goring.Ring, fd int, b layout.GPUBlock) (err error) {
	if m.stream = Stream(m.config.Stream); m.stream == 0 {
		m.stream = LegacyStream
	}
	m.memory, err = openMemory(r, fd, b)
	return err
}

// Seat is the seat of a data plane of another language; see [goring.Seat].
type Seat struct {
	*goring.Seat
	m *member
}

// Join is [goring.Ring.Join] for a GPU ring. Errors are those of [NewProducer].
func Join(r *goring.Ring, role goring.Role, opts ...goring.Option) (Seat, error) {
	m, opts, err := joining(r, opts)
	if err != nil {
		return Seat{}, err
	}
	seat, err := r.Join(role, opts...)
	if err != nil {
		return Seat{}, err
	}
	return Seat{seat, m}, nil
}

// GPU returns the address of the gr_gpu (include/goring/gpu.h) of the ring, with a reference for
// the caller. After Leave and Detach it is 0.
func (s Seat) GPU() uintptr {
	if s.m.left {
		return 0
	}
	s.m.Reference()
	return s.m.Address()
}

// openMemory returns the ring's memory in this process, with a reference for the caller.
func openMemory(r *goring.Ring, fd int, b layout.GPUBlock) (*memory, error) {
	memories.Lock()
	defer memories.Unlock()
	m := memories.byRing[r.Superblock().UUID]
	if m != nil && m.ring.Gone() {
		return nil, fmt.Errorf("ring %q: %w", r.Name(), ErrExporterGone)
	}
	if m == nil {
		var err error
		if m, err = importMemory(r, fd, b); err != nil {
			return nil, fmt.Errorf("ring %q: %w", r.Name(), err)
		}
	}
	m.Reference()
	return m, nil
}

// importMemory opens the memory of a ring that another process made. It makes the checks of
// section 11 of the spec in their order.
func importMemory(r *goring.Ring, fd int, b layout.GPUBlock) (*memory, error) {
	if err := cudadrv.Ready(); err != nil {
		return nil, err
	}
	sb := r.Superblock()
	if b.Memory == layout.MemoryVMM {
		return nil, fmt.Errorf("memory shared as a VMM descriptor, which this version lacks: %w", goring.ErrFeature)
	}
	ordinal, err := ordinalOf(&b)
	if err != nil {
		return nil, err
	}
	lock, err := shm.Reopen(fd)
	if err != nil {
		return nil, err
	}
	if b.Memory == InDevice {
		if err := checkExporter(r, &b, lock); err != nil {
			_ = unix.Close(lock)
			return nil, err
		}
	}
	g, err := cudadrv.Open(openParams(&sb, &b, lock, ordinal))
	if err != nil {
		return nil, err
	}
	m, err := register(fd, r.Name(), sb, b, g)
	if err != nil {
		g.Release()
	}
	return m, err
}

// ordinalOf returns the ordinal of the ring's device in this process. Any device reaches pinned
// host memory.
func ordinalOf(b *layout.GPUBlock) (int, error) {
	d, err := cudadrv.Find(b.Device)
	if err != nil && b.Memory == InHost && errors.Is(err, cudadrv.ErrDevice) {
		return 0, nil
	}
	return d.Ordinal, err
}

// checkExporter returns an error unless the owner of the memory lives. It takes the importers'
// lock on the description lock first, so that the owner does not free the memory from here on.
func checkExporter(r *goring.Ring, b *layout.GPUBlock, lock int) error {
	if bootID() != b.Boot {
		return fmt.Errorf("it was made before this machine was started: %w", ErrExporterGone)
	}
	if ok, err := shm.TryShare(lock, layout.LockBase+layout.LockImporters); err != nil {
		return err
	} else if !ok {
		return fmt.Errorf("its owner, pid %d, is closing it: %w", b.Exporter, ErrExporterGone)
	}
	lives, err := exporterLives(lock)
	if err != nil {
		return err
	}
	if info, _ := r.GPU(); info.Gone || !lives {
		return fmt.Errorf("its owner, pid %d, has ended; make the ring anew, or have a program own it that lasts (goring gpu-hold): %w", b.Exporter, ErrExporterGone)
	}
	return nil
}
