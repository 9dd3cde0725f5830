package goring

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"example.com/goring/internal/config"
	"example.com/goring/internal/proto"
	"example.com/goring/internal/shm"
	"example.com/goring/layout"
)

// Unlink removes the ring of that name. Processes that are attached go on. A file
// of that name that is no ring is left alone. Options: [Dir].
func Unlink(name string, opts ...Option) error {
	c, err := configure(config.ForFind, opts)
	if err != nil {
		return err
	}
	path, err := segmentPath(c, name)
	if err != nil {
		return err
	}
	fd, err := shm.Open(path, shm.Access{Group: true})
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("ring %q does not exist in %s: %w", name, c.Dir, ErrNotExist)
	}
	if err != nil {
		return fmt.Errorf("unlink ring %q: %w", name, err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := looksLikeRing(fd); err != nil {
		return fmt.Errorf("unlink ring %q: %s is left alone: %w", name, path, err)
	}
	return os.Remove(path)
}

// looksLikeRing returns nil for every file that begins as a ring does, damaged or not.
func looksLikeRing(fd int) error {
	size, err := shm.Size(fd)
	if err != nil {
		return err
	}
	_, err = inspect(fd)
	if errors.Is(err, ErrForeign) || errors.Is(err, ErrTruncated) && size < layout.SuperblockSize {
		return err
	}
	return nil
}

// UnlinkStale removes the ring of that name if no seat in it is held and it was created at
// least age ago, and reports whether it did. Messages that are still in it are lost: a ring
// that is kept for a successor is not stale. A ring in use, a file that is no ring, and a
// damaged one are left alone. Options: [Dir].
func UnlinkStale(name string, age time.Duration, opts ...Option) (bool, error) {
	c, err := configure(config.ForFind, opts)
	if err != nil {
		return false, err
	}
	path, err := segmentPath(c, name)
	if err != nil {
		return false, err
	}
	fd, err := shm.Open(path, shm.Access{Group: true})
	if errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("ring %q does not exist in %s: %w", name, c.Dir, ErrNotExist)
	}
	if err != nil {
		return false, fmt.Errorf("ring %q: %w", name, err)
	}
	defer func() { _ = unix.Close(fd) }()
	seg, err := inspect(fd)
	sb := &seg.sb
	if err != nil {
		return false, fmt.Errorf("ring %q: %s is left alone: %w", name, path, err)
	}
	if time.Since(time.Unix(0, sb.CreatedNS)) < age {
		return false, nil
	}
	// One administrator at a time; the lock goes with the descriptor.
	if ok, err := shm.TryLock(fd, layout.LockBase+layout.LockAdmin); !ok || err != nil {
		return false, err
	}
	if owned, err := shm.Locked(fd, layout.LockBase+layout.LockExporter); owned || err != nil {
		return false, err // a program that holds a GPU ring's memory for others
	}
	for n := 1; n <= sb.MaxProducers+sb.MaxConsumers; n++ {
		if taken, err := shm.Locked(fd, proto.LockOf(n)); taken || err != nil {
			return false, err
		}
	}
	if !shm.SameFile(fd, path) {
		return false, nil // another ring has taken the name
	}
	return true, os.Remove(path)
}
