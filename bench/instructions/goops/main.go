// Goops does each operation of the Go side a few times between two marks, for count.c, and prints
// the names of the operations of one round, a line each.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"example.com/goring/goring"
	"example.com/goring/layout"
)

const (
	rounds = 2
	times  = 16 // as many as a ring has slots
)

var bg = context.Background()

// op is times operations on messages.
type op struct {
	name string
	run  func() error
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "goops:", err)
		os.Exit(1)
	}
}

func init() { runtime.LockOSThread() } // count.c counts the first thread

func run() error {
	ops := []op{{"nothing", func() error { return nil }}}
	for _, r := range []struct {
		name    string
		options []goring.Option
	}{
		{"alone", nil},
		{"ahead", []goring.Option{goring.Slots(64)}}, // enough slots that it prefetches
		{"shared", []goring.Option{goring.Producers(2), goring.Consumers(2)}},
		{"broadcast", []goring.Option{goring.Mode(layout.ModeBroadcast), goring.Consumers(2)}},
		{"overwrite", []goring.Option{goring.Mode(layout.ModeOverwrite), goring.Consumers(2)}},
	} {
		more, err := operations(r.name, r.options)
		if err != nil {
			return err
		}
		ops = append(ops, more...)
	}
	var names strings.Builder
	for _, o := range ops {
		fmt.Fprintln(&names, o.name)
	}
	fmt.Print(names.String())
	for range rounds {
		for _, o := range ops {
			mark()
			if err := o.run(); err != nil {
				return fmt.Errorf("%s: %w", o.name, err)
			}
		}
	}
	mark()
	return nil
}

func mark() { _ = unix.Tgkill(unix.Getpid(), unix.Gettid(), unix.SIGWINCH) }

// operations returns the operations on one ring, in an order that leaves it empty.
func operations(name string, options []goring.Option) ([]op, error) {
	r, err := goring.Create("", layout.Bytes(32), append([]goring.Option{goring.Slots(times)}, options...)...)
	if err != nil {
		return nil, err
	}
	p, err := r.Producer()
	if err != nil {
		return nil, err
	}
	c, err := r.Consumer()
	if err != nil {
		return nil, err
	}
	row := make([]byte, 32)
	ops := []op{
		{"Write", func() (err error) {
			for range times {
				if e := p.Write(bg, row); e != nil {
					err = e
				}
			}
			return err
		}},
		{"Read, Release", func() (err error) {
			for range times {
				m, e := c.Read(bg)
				if e != nil {
					return e
				}
				if e := m.Release(); e != nil {
					err = e
				}
			}
			return err
		}},
		{"Reserve, Commit", func() error {
			for range times {
				s, err := p.Reserve(bg)
				if err != nil {
					return err
				}
				s.Bytes()[0] = 1
				s.Commit()
			}
			return nil
		}},
		{"Messages", func() error {
			n := 0
			for _, err := range c.Messages(bg) {
				if err != nil {
					return err
				}
				if n++; n == times {
					break
				}
			}
			return nil
		}},
		{"ReserveBatch, Commit", func() error {
			w, err := p.ReserveBatch(bg, times)
			if err != nil {
				return err
			}
			for k := range w.Len() {
				w.Bytes(k)[0] = 1
			}
			w.Commit(w.Len())
			return nil
		}},
		{"ReadBatch, Release", func() error {
			b, err := c.ReadBatch(bg, times)
			if err != nil {
				return err
			}
			for k := range b.Len() {
				row[0] += b.At(k).Bytes()[0]
			}
			return b.Release()
		}},
	}
	for k := range ops {
		ops[k].name = name + ": " + ops[k].name
	}
	return ops, nil
}
