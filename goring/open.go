package goring

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"

	"example.com/goring/internal/config"
	"example.com/goring/internal/shm"
)

// Open attaches to the ring of that name. Every way in which a file can be no
// usable ring has its own error; see the list of errors.
// Options: [Dir], [AllowGroup].
func Open(name string, opts ...Option) (*Ring, error) {
	c, err := configure(config.ForOpen, opts)
	if err != nil {
		return nil, err
	}
	path, err := segmentPath(c, name)
	if err != nil {
		return nil, err
	}
	fd, err := shm.Open(path, c.Access)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("ring %q does not exist in %s (has its creator run?): %w", name, c.Dir, ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("ring %q: %w", name, err)
	}
	return attach(name, path, fd)
}

// OpenFD attaches to the ring of a descriptor that this process created,
// inherited or received. The descriptor stays the caller's. Options: [Sealed].
func OpenFD(fd int, opts ...Option) (*Ring, error) {
	c, err := configure(config.ForOpenFD, opts)
	if err != nil {
		return nil, err
	}
	if err := checkSeals(c, fd); err != nil {
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

const filePrefix = "goring."

var nameRule = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}$`)

// segmentPath returns the file of a named ring.
func segmentPath(c *config.Config, name string) (string, error) {
	if !nameRule.MatchString(name) {
		return "", fmt.Errorf("%q: 1 to 200 of letters, digits, _ . -, not beginning with a dot: %w", name, ErrName)
	}
	return filepath.Join(c.Dir, filePrefix+name), nil
}
