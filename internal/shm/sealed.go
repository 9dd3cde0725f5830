package shm

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// seals are what every anonymous segment has: nobody can shrink or grow it, and nobody can
// add or remove a seal.
const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL

// CreateAnonymous makes a memfd of size bytes that nobody can shrink or grow.
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

// Sealed reports whether no process can shrink the file behind fd, so that touching its
// mapping is safe whoever else has it.
func Sealed(fd int) bool {
	has, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	return err == nil && has&unix.F_SEAL_SHRINK != 0
}
