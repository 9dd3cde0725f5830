package shm

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Map is memory shared with other processes, which may change its bytes at any time.
type Map struct {
	Base unsafe.Pointer
	size uintptr
}

const shared = unix.PROT_READ | unix.PROT_WRITE

// NewMap maps bytes [off, off+size) of fd.
func NewMap(fd int, off int64, size uintptr) (Map, error) {
	p, err := unix.MmapPtr(fd, off, nil, size, shared, unix.MAP_SHARED)
	if err != nil {
		return Map{}, fmt.Errorf("map %d bytes at %d: %w", size, off, err)
	}
	return Map{p, size}, nil
}

// NewMirror maps bytes [off, off+size) of fd twice in a row, so that a run which begins in the
// first half never splits at the end. Both off and size must be multiples of the page size.
//
// It reserves the addresses with PROT_NONE and MAP_NORESERVE first, so that the two MAP_FIXED
// calls replace nothing else.
func NewMirror(fd int, off int64, size uintptr) (Map, error) {
	base, err := unix.MmapPtr(-1, 0, nil, 2*size, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return Map{}, fmt.Errorf("reserve %d bytes of addresses: %w", 2*size, err)
	}
	m := Map{base, 2 * size}
	for half := range uintptr(2) {
		at := unsafe.Add(base, half*size)
		if _, err = unix.MmapPtr(fd, off, at, size, shared, unix.MAP_SHARED|unix.MAP_FIXED); err != nil {
			_ = m.Close()
			return Map{}, fmt.Errorf("map %d bytes at %d: %w", size, off, err)
		}
	}
	// A core dump needs each byte once.
	_ = unix.Madvise(unsafe.Slice((*byte)(unsafe.Add(base, size)), size), unix.MADV_DONTDUMP)
	return m, nil
}

// Bytes returns the mapping as a slice.
func (m Map) Bytes() []byte { return unsafe.Slice((*byte)(m.Base), m.size) }

// Contains reports whether the address lies in the mapping.
func (m Map) Contains(addr uintptr) bool { return addr-uintptr(m.Base) < m.size }

// Close unmaps the memory. No address of it may be used afterwards.
func (m Map) Close() error {
	if m.Base == nil {
		return nil
	}
	return unix.MunmapPtr(m.Base, m.size)
}
