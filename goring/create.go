package goring

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"example.com/goring/internal/config"
	"example.com/goring/internal/shm"
	"example.com/goring/layout"
)

// Version is the version of this library.
const Version = layout.LibraryVersion

// Create makes a ring that carries schema and attaches to it. It fails with ErrExist when the name
// is taken and leaves no file when it fails. The name "" makes an anonymous ring, which no process
// can truncate and which others reach through its descriptor (see [Ring.FD], [OpenFD],
// [Ring.Send]).
//
// The file has mode 0600 unless [Group] widens it. Nothing is removed until a program calls Unlink.
func Create(name string, schema layout.Schema, opts ...Option) (*Ring, error) {
	c, err := configure(config.ForCreate, opts)
	if err != nil {
		return nil, err
	}
	path := ""
	if name != "" {
		if path, err = segmentPath(c, name); err != nil {
			return nil, err
		}
	}
	c.Plan.Name, c.Plan.Schema = name, schema
	if c.Export != nil {
		if err := c.Export.Plan(&c.Plan); err != nil {
			return nil, fmt.Errorf("create ring %q: %w", name, err)
		}
	}
	c.Plan.CreatedNS = time.Now().UnixNano()
	_, _ = rand.Read(c.Plan.UUID[:])
	sb, info, err := c.Plan.Build()
	if err != nil {
		return nil, fmt.Errorf("create ring %q: %w", name, err)
	}
	r, err := createAttached(name, path, &sb, info, c)
	if err != nil {
		if c.Export != nil {
			c.Export.Discard()
		}
		return nil, fmt.Errorf("create ring %q: %w", name, err)
	}
	return r, nil
}

// createAttached makes the file of a ring and attaches to it. When it fails there is no file, but
// there may be memory of c.Export.
func createAttached(name, path string, sb *layout.Superblock, info []byte, c *config.Config) (*Ring, error) {
	fd, err := createSegment(path, sb, info, c)
	if err != nil {
		return nil, err
	}
	r := &Ring{name: name, path: path, fd: fd}
	err = r.load()
	if err == nil && c.Export != nil {
		r.onClose, err = c.Export.Own(fd, name)
	}
	if err != nil {
		return nil, errors.Join(err, r.Unlink(), r.Close())
	}
	return r, nil
}

// createSegment makes the file of a ring, or a memfd when path is "". The file gets its name when
// all of it has been written.
func createSegment(path string, sb *layout.Superblock, info []byte, c *config.Config) (int, error) {
	fill := func(fd int) error {
		if c.Export != nil {
			if err := c.Export.Fill(fd, sb); err != nil {
				return err
			}
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
	return shm.Create(path, int64(sb.TotalSize), c.Access, fill)
}

// thisProgram returns the creator that a ring names by default.
func thisProgram() layout.Creator {
	host, _ := os.Hostname()
	return layout.Creator{Lang: "go", Version: Version, Program: filepath.Base(os.Args[0]), Host: host, PID: os.Getpid()}
}
