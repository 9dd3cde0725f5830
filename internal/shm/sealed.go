package shm

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// seals is the set of seals of an anonymous segment: no process can change its size or its seals.
const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL

// CreateAnonymous makes a sealed memfd of size bytes, which fill has written, and returns its
// descriptor, which the caller closes. It fails with ErrNoSpace.
func CreateAnonymous(label string, size int64, fill func(fd int) error) (int, error) {
	fd, err := unix.MemfdCreate(label, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return -1, fmt.Errorf("memfd_create: %w", err)
	}
	err = reserve(fd, "memory", size)
	if err == nil {
		err = fill(fd)
	}
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// Sealed reports whether no process can shrink the file of fd, so that no access to its mapping
// can raise SIGBUS.
func Sealed(fd int) bool {
	has, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	return err == nil && has&unix.F_SEAL_SHRINK != 0
}
