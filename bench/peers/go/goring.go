package main

import (
	"context"
	"errors"
	"path/filepath"

	"example.com/goring/goring"
	"example.com/goring/layout"
)

var bg = context.Background()

type goringLink struct {
	p    *goring.Producer
	c    *goring.Consumer
	held goring.Message
	open []*goring.Ring
	lent bool
}

// names returns the names of the rings to the far side and back.
func (j job) names() (there, back string) {
	name := "bench-" + filepath.Base(j.folder)
	return name, name + "-back"
}

func (j job) strategy() goring.Option {
	switch j.wait {
	case "park":
		return goring.Wait(goring.Park)
	case "spin":
		return goring.Wait(goring.Spin)
	}
	return goring.Wait(goring.Adaptive)
}

func farGoring(j job, serve func(link) error) error {
	there, back := j.names()
	in, err := goring.Create(there, layout.Array[uint8](j.size), goring.Slots(j.slots()))
	if err != nil {
		return err
	}
	out, err := goring.Create(back, layout.Array[uint8](j.size), goring.Slots(j.slots()))
	if err != nil {
		return errors.Join(err, in.Unlink())
	}
	l, err := joinBoth(j, in, out)
	if err != nil {
		return errors.Join(err, in.Unlink(), out.Unlink())
	}
	ready()
	return errors.Join(serve(l), in.Unlink(), out.Unlink(), l.close())
}

func nearGoring(j job) (link, error) {
	there, back := j.names()
	out, err := goring.Open(there)
	if err != nil {
		return nil, err
	}
	in, err := goring.Open(back)
	if err != nil {
		return nil, err
	}
	return joinBoth(j, in, out)
}

func joinBoth(j job, in, out *goring.Ring) (*goringLink, error) {
	p, err := out.Producer(j.strategy())
	if err != nil {
		return nil, err
	}
	c, err := in.Consumer(j.strategy())
	return &goringLink{p: p, c: c, open: []*goring.Ring{in, out}}, err
}

func (l *goringLink) send(b []byte) error { return l.p.Write(bg, b) }

func (l *goringLink) recv() ([]byte, error) {
	if l.lent {
		_ = l.held.Release()
	}
	var err error
	l.held, err = l.c.Read(bg)
	l.lent = err == nil
	return l.held.Bytes(), err
}

func (l *goringLink) sendBatch(src [][]byte, n int) error {
	for n > 0 {
		w, err := l.p.ReserveBatch(bg, min(n, 32))
		if err != nil {
			return err
		}
		for k := range w.Len() {
			copy(w.Bytes(k), src[k&7])
		}
		w.Commit(w.Len())
		n -= w.Len()
	}
	return nil
}

func (l *goringLink) recvBatch(each func([]byte) (bool, error)) (more bool, err error) {
	b, err := l.c.ReadBatch(bg, 32)
	if err != nil {
		return false, err
	}
	for k := range b.Len() {
		if more, err = each(b.At(k).Bytes()); err != nil || !more {
			break
		}
	}
	return more, errors.Join(err, b.Release())
}

func (l *goringLink) close() error {
	if l.lent {
		_ = l.held.Release()
	}
	err := errors.Join(l.p.Close(), l.c.Close())
	for _, r := range l.open {
		err = errors.Join(err, r.Close())
	}
	return err
}
