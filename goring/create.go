package goring

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"example.com/goring/internal/cudadrv"
	"example.com/goring/internal/shm"
	"example.com/goring/layout"
)

// Version is the version of this library.
const Version = layout.LibraryVersion

const filePrefix = "goring."

var nameRule = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}$`)

// Create makes a ring that carries schema and attaches to it. It fails with
// ErrExist when the name is taken and leaves nothing behind when it fails. The
// name "" makes an anonymous ring, which nobody can truncate and which others reach
// through its descriptor (see [Ring.FD], [OpenFD], [Ring.Send]).
//
// The file has mode 0600 unless [Group] widens it. Nothing is removed until
// somebody calls Unlink.
func Create(name string, schema layout.Schema, opts ...Option) (*Ring, error) {
	c, err := configure(forCreate, opts)
	if err != nil {
		return nil, err
	}
	path := ""
	if name != "" {
		if path, err = c.path(name); err != nil {
			return nil, err
		}
	}
	c.plan.Name, c.plan.Schema = name, schema
	c.plan.CreatedNS = time.Now().UnixNano()
	_, _ = rand.Read(c.plan.UUID[:])
	sb, info, err := c.plan.Build()
	if err != nil {
		return nil, fmt.Errorf("create ring %q: %w", name, err)
	}
	var memory *cudadrv.GPU
	fd, err := createSegment(path, &sb, info, c.access, func(fd int) (err error) {
		if sb.GPU() {
			memory, err = fillGPU(fd, &sb, &c.cuda)
		}
		return err
	})
	var r *Ring
	if err == nil {
		r, err = attach(name, path, fd)
	}
	if memory != nil && err == nil {
		err = r.own(memory)
	}
	if err != nil && memory != nil {
		memory.Release()
	}
	if err != nil {
		return nil, fmt.Errorf("create ring %q: %w", name, err)
	}
	return r, nil
}

func createSegment(path string, sb *layout.Superblock, info []byte, access shm.Access, more func(fd int) error) (int, error) {
	fill := func(fd int) error {
		if err := more(fd); err != nil {
			return err
		}
		head := make([]byte, layout.ImmutableSize)
		sb.Encode(head)
		if _, err := unix.Pwrite(fd, info, int64(sb.InfoOff)); err != nil {
			return fmt.Errorf("write the info block: %w", err)
		}
		if _, err := unix.Pwrite(fd, head, 0); err != nil {
			return fmt.Errorf("write the superblock: %w", err)
		}
		return nil
	}
	if path == "" {
		return shm.CreateAnonymous("goring", int64(sb.TotalSize), fill)
	}
	return shm.Create(path, int64(sb.TotalSize), access, fill)
}

// thisProgram is the creator unless an option says otherwise.
func thisProgram() layout.Creator {
	host, _ := os.Hostname()
	return layout.Creator{Lang: "go", Version: Version, Program: filepath.Base(os.Args[0]), Host: host, PID: os.Getpid()}
}

// Open attaches to the ring of that name. Every way in which a file can be no
// usable ring has its own error; see the list of errors.
// Options: [Dir], [AllowGroup].
func Open(name string, opts ...Option) (*Ring, error) {
	c, err := configure(forOpen, opts)
	if err != nil {
		return nil, err
	}
	path, err := c.path(name)
	if err != nil {
		return nil, err
	}
	fd, err := shm.Open(path, c.access)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("ring %q does not exist in %s (has its creator run?): %w", name, c.dir, ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("ring %q: %w", name, err)
	}
	return attach(name, path, fd)
}

// OpenFD attaches to the ring behind a descriptor that this process created,
// inherited or received. The descriptor stays the caller's. Options: [Sealed].
func OpenFD(fd int, opts ...Option) (*Ring, error) {
	c, err := configure(forOpenFD, opts)
	if err != nil {
		return nil, err
	}
	if err := c.checkSeals(fd); err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	// A description of our own: locks and seats must not be shared with the sender.
	own, err := shm.Reopen(fd)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	r, err := attach("", "", own)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	r.name = r.info.Name
	return r, nil
}

// Unlink removes the ring of that name. Processes that are attached go on. A file
// of that name that is no ring is left alone. Options: [Dir].
func Unlink(name string, opts ...Option) error {
	c, err := configure(forFind, opts)
	if err != nil {
		return err
	}
	path, err := c.path(name)
	if err != nil {
		return err
	}
	fd, err := shm.Open(path, shm.Access{Group: true})
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("ring %q does not exist in %s: %w", name, c.dir, ErrNotExist)
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

// looksLikeRing is nil for every file that begins as a ring does, damaged or not.
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

// path is the file of a named ring.
func (c *config) path(name string) (string, error) {
	if !nameRule.MatchString(name) {
		return "", fmt.Errorf("%q: 1 to 200 of letters, digits, _ . -, not beginning with a dot: %w", name, ErrName)
	}
	return filepath.Join(c.dir, filePrefix+name), nil
}

// Entry is one file of a rings' folder.
type Entry struct {
	Name  string
	Path  string
	Err   error // why it cannot be used, or nil; then the rest is unset
	Info  layout.Info
	Slots uint64
	Size  uint64 // bytes of the segment
}

// List names the rings of the folder, those that cannot be used with the reason.
// Options: [Dir].
func List(opts ...Option) ([]Entry, error) {
	c, err := configure(forFind, opts)
	if err != nil {
		return nil, err
	}
	files, err := os.ReadDir(c.dir)
	if err != nil {
		return nil, fmt.Errorf("list rings: %w", err)
	}
	var all []Entry
	for _, f := range files {
		name, ok := strings.CutPrefix(f.Name(), filePrefix)
		if !ok || !nameRule.MatchString(name) {
			continue
		}
		e := Entry{Name: name, Path: filepath.Join(c.dir, f.Name())}
		e.look()
		all = append(all, e)
	}
	return all, nil
}

func (e *Entry) look() {
	fd, err := shm.Open(e.Path, shm.Access{Group: true})
	if err != nil {
		e.Err = err
		return
	}
	defer func() { _ = unix.Close(fd) }()
	seg, err := inspect(fd)
	e.Err, e.Info, e.Slots, e.Size = err, seg.info, seg.sb.Slots, seg.sb.TotalSize
}
