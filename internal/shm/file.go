// Package shm makes the files of segments, all or nothing, opens them safely, maps them, and locks
// bytes of them as signs of life.
package shm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// The reasons why a file is refused or cannot be made.
var (
	ErrFileType = errors.New("not a regular file")
	ErrOwner    = errors.New("owned by somebody else")
	ErrMode     = errors.New("writable for others")
	ErrNoSpace  = errors.New("not enough shared memory")
)

// Access selects the users that may write a segment besides its owner.
type Access struct {
	Group bool // The file's group may write.
	GID   int  // The group of a new file; -1 leaves the creator's.
}

// perm returns the mode of a new file.
func (a Access) perm() uint32 {
	if a.Group {
		return 0o660
	}
	return 0o600
}

// Create makes a file of size bytes at path and returns its descriptor, which the caller closes.
// The file gets its name after fill has written it, so a failure leaves nothing. It fails with
// fs.ErrExist when the name is taken, and with ErrNoSpace.
func Create(path string, size int64, access Access, fill func(fd int) error) (int, error) {
	dir := filepath.Dir(path)
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, access.perm())
	if err != nil {
		return -1, &os.PathError{Op: "create an unnamed file in", Path: dir, Err: err}
	}
	err = fillNew(fd, dir, size, access, fill)
	if err == nil {
		err = unix.Linkat(unix.AT_FDCWD, procPath(fd), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
		if err != nil {
			err = &os.PathError{Op: "link", Path: path, Err: err}
		}
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// fillNew sets the group and mode of a new file, reserves its memory and fills it.
func fillNew(fd int, dir string, size int64, access Access, fill func(fd int) error) error {
	if access.Group && access.GID >= 0 {
		if err := unix.Fchown(fd, -1, access.GID); err != nil {
			return fmt.Errorf("give the file to group %d: %w", access.GID, err)
		}
	}
	if err := unix.Fchmod(fd, access.perm()); err != nil { // without the umask, which open has applied
		return fmt.Errorf("set mode %#o: %w", access.perm(), err)
	}
	if err := reserve(fd, dir, size); err != nil {
		return err
	}
	return fill(fd)
}

// reserve allocates the file's pages. A file that is merely long enough would raise SIGBUS at a
// later store if memory had run out. It fails with ErrNoSpace.
func reserve(fd int, dir string, size int64) error {
	err := unix.Fallocate(fd, 0, 0, size)
	for err == unix.EINTR {
		err = unix.Fallocate(fd, 0, 0, size)
	}
	if err == nil {
		return nil
	}
	if err != unix.ENOSPC && err != unix.ENOMEM && err != unix.EFBIG {
		return fmt.Errorf("reserve %s: %w", mib(size), err)
	}
	free := "unknown"
	var st unix.Statfs_t
	if unix.Fstatfs(fd, &st) == nil {
		free = mib(int64(st.Bavail) * st.Bsize)
	}
	return fmt.Errorf("%w: the ring needs %s, %s has %s free; make it smaller, or give the container more (docker: --shm-size, Kubernetes: a memory-backed emptyDir)",
		ErrNoSpace, mib(size), dir, free)
}

func mib(n int64) string { return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + " MiB" }

// Open opens the segment file at path for reading and writing. It fails with ErrFileType,
// ErrOwner or ErrMode when path is no regular file, belongs to another user than this one and
// root, or is writable for more users than access permits.
func Open(path string, access Access) (int, error) {
	// O_NONBLOCK, so that opening a FIFO does not wait for its other end.
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	switch {
	case err == unix.ELOOP:
		return -1, fmt.Errorf("%s is a symbolic link: %w", path, ErrFileType)
	case err == unix.EISDIR:
		return -1, fmt.Errorf("%s is a folder: %w", path, ErrFileType)
	case err == unix.ENXIO:
		return -1, fmt.Errorf("%s is a socket or a device: %w", path, ErrFileType)
	case err != nil:
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	if err := vet(fd, path, access); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// vet checks type, owner and mode of an open file.
func vet(fd int, path string, access Access) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return fmt.Errorf("%s is a FIFO or a device (mode %#o): %w", path, st.Mode, ErrFileType)
	}
	if me := uint32(os.Geteuid()); st.Uid != me && st.Uid != 0 && !access.Group {
		return fmt.Errorf("%s belongs to user %d, this process is user %d (a group's ring is opened with AllowGroup): %w", path, st.Uid, me, ErrOwner)
	}
	if st.Mode&0o002 != 0 || st.Mode&0o020 != 0 && !access.Group {
		return fmt.Errorf("%s has mode %#o; chmod it to 0600 if it is yours (a group's ring is opened with AllowGroup): %w", path, st.Mode&0o777, ErrMode)
	}
	return nil
}

// Reopen returns a new open file description of the same file. Locks belong to the description,
// so a process must not lock through one that it has inherited or received.
func Reopen(fd int) (int, error) {
	n, err := unix.Open(procPath(fd), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "reopen", Path: procPath(fd), Err: err}
	}
	return n, nil
}

// Size returns the length of the file in bytes.
func Size(fd int) (int64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, fmt.Errorf("stat: %w", err)
	}
	return st.Size, nil
}

// SameFile reports whether path still names the file of fd.
func SameFile(fd int, path string) bool {
	var a, b unix.Stat_t
	return unix.Fstat(fd, &a) == nil && unix.Lstat(path, &b) == nil && a.Dev == b.Dev && a.Ino == b.Ino
}

func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
