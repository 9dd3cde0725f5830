package shm

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// TryLock takes the write lock on one byte of the file for this open file description. It reports
// false when another description holds it. The kernel drops the lock when the last descriptor of
// the description is closed, also when the process is killed.
func TryLock(fd int, at int64) (bool, error) { return tryLock(fd, at, unix.F_WRLCK) }

// TryShare takes the read lock as TryLock does. Any number of descriptions can hold it at once.
func TryShare(fd int, at int64) (bool, error) { return tryLock(fd, at, unix.F_RDLCK) }

func tryLock(fd int, at int64, kind int16) (bool, error) {
	l := unix.Flock_t{Type: kind, Start: at, Len: 1}
	switch err := unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &l); err {
	case nil:
		return true, nil
	case unix.EAGAIN, unix.EACCES:
		return false, nil
	default:
		return false, fmt.Errorf("lock byte %d: %w", at, err)
	}
}

// Unlock drops the lock that TryLock or TryShare took for this description.
func Unlock(fd int, at int64) error {
	l := unix.Flock_t{Type: unix.F_UNLCK, Start: at, Len: 1}
	if err := unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &l); err != nil {
		return fmt.Errorf("unlock byte %d: %w", at, err)
	}
	return nil
}

// Locked reports whether another description holds a lock, of either kind, on one byte.
func Locked(fd int, at int64) (bool, error) {
	l := unix.Flock_t{Type: unix.F_WRLCK, Start: at, Len: 1}
	if err := unix.FcntlFlock(uintptr(fd), unix.F_OFD_GETLK, &l); err != nil {
		return false, fmt.Errorf("probe lock %d: %w", at, err)
	}
	return l.Type != unix.F_UNLCK, nil
}
