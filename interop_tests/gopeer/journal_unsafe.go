package main

import (
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// journal is a mapped file of words. Words stored before a SIGKILL are in the file after it. Word 0
// counts the others.
type journal struct{ words []uint64 }

// openJournal maps the file at path.
func openJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return &journal{unsafe.Slice((*uint64)(unsafe.Pointer(&b[0])), len(b)/8)}, nil
}

// count returns word 0.
func (j *journal) count() *atomic.Uint64 { return (*atomic.Uint64)(unsafe.Pointer(&j.words[0])) }

// note appends a word and reports whether the journal had room.
func (j *journal) note(word uint64) bool {
	n := j.count().Load()
	if n+1 >= uint64(len(j.words)) {
		return false
	}
	j.words[n+1] = word
	j.count().Store(n + 1)
	return true
}
