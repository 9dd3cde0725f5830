package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"example.com/goring/goring"
)

// makeMessages is the make command. It writes messages producer<<40 | 0 .. until the process is
// killed or the ring is shut down. Word 0 of the journal counts those committed.
func (p *peer) makeMessages(args []string) (string, error) {
	o := parse(args)
	var producer int
	if err := o.numbers(map[string]*int{"producer": &producer}); err != nil {
		return "", err
	}
	j, err := openJournal(o["out"])
	if err != nil {
		return "", err
	}
	for n := uint64(0); ; n++ {
		s, err := p.producer.Reserve(context.Background())
		if errors.Is(err, goring.ErrShutdown) {
			return fmt.Sprintf("sent=%d", n), nil
		}
		if err != nil {
			return "", err
		}
		id := uint64(producer)<<40 | n
		if err := s.SetLen(makeBytes(s.Bytes(), id)); err != nil {
			return "", err
		}
		s.SetTag(mix(id))
		s.Commit()
		j.count().Store(n + 1)
	}
}

// takeMessages is the take command. It notes the id of every message in the journal, all ones for
// a torn one, and then releases it.
func (p *peer) takeMessages(args []string) (string, error) {
	j, err := openJournal(parse(args)["out"])
	if err != nil {
		return "", err
	}
	room := int(p.ring.Superblock().SlotBytes)
	for {
		m, err := p.consumer.Read(context.Background())
		if errors.Is(err, io.EOF) {
			return fmt.Sprintf("got=%d", j.count().Load()), nil
		}
		if err != nil {
			return "", err
		}
		id := ^uint64(0)
		if b := m.Bytes(); goodBytes(b, room) && m.Tag() == mix(le.Uint64(b)) {
			id = le.Uint64(b)
		}
		if !j.note(id) {
			return "", errors.New("the journal is full")
		}
		if err := m.Release(); err != nil {
			return "", err
		}
	}
}

// step runs the library's part of one command.
func (p *peer) step(args []string) (string, error) {
	step, ok := map[string]func() error{
		"producer": func() (err error) { p.producer, err = p.ring.Producer(); return err },
		"consumer": func() (err error) { p.consumer, err = p.ring.Consumer(); return err },
		"write":    func() error { return p.producer.TryWrite([]byte{0xaa}) },
		"take":     func() (err error) { p.taken, err = p.consumer.TryRead(); return err },
		"release":  func() error { return p.taken.Release() },
		"requeue":  func() error { p.taken.Requeue(); return nil },
		"abort":    func() error { p.slot.Abort(); return nil },
		"reap":     func() error { _, err := p.ring.Reap(); return err },
		"leave":    func() error { _, err := p.leave(nil); return err },
	}[args[0]]
	if !ok {
		return "", fmt.Errorf("no step %q", args[0])
	}
	if len(args) > 1 { // between two SIGTRAPs, for faults/stepper.c
		defer trap()
		trap()
	}
	return "", step()
}

func trap() { _ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGTRAP) }
