package goring

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"example.com/goring/internal/config"
	"example.com/goring/internal/shm"
	"example.com/goring/layout"
)

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
	c, err := configure(config.ForFind, opts)
	if err != nil {
		return nil, err
	}
	files, err := os.ReadDir(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("list rings: %w", err)
	}
	var all []Entry
	for _, f := range files {
		name, ok := strings.CutPrefix(f.Name(), filePrefix)
		if !ok || !nameRule.MatchString(name) {
			continue
		}
		e := Entry{Name: name, Path: filepath.Join(c.Dir, f.Name())}
		e.inspect()
		all = append(all, e)
	}
	return all, nil
}

// inspect fills the entry from the file, or sets its error.
func (e *Entry) inspect() {
	fd, err := shm.Open(e.Path, shm.Access{Group: true})
	if err != nil {
		e.Err = err
		return
	}
	defer func() { _ = unix.Close(fd) }()
	seg, err := inspect(fd)
	e.Err, e.Info, e.Slots, e.Size = err, seg.info, seg.sb.Slots, seg.sb.TotalSize
}
