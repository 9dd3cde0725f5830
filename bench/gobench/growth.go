package main

import (
	"errors"
	"fmt"
	"time"

	"example.com/goring/goring"
	"example.com/goring/layout"
)

// grown holds the measurements with a number at the end of their name: they show how the cost grows with it.
var grown = map[string]func(n, divisor int) (value float64, unit string, err error){
	"cast": func(n, divisor int) (float64, string, error) {
		ns, err := broadcast(n, 20000/divisor)
		return ns, "ns", err
	},
	"rings": func(n, divisor int) (float64, string, error) {
		turn, _, err := rings(n, 200000/divisor)
		return turn, "ns", err
	},
	"opens": func(n, _ int) (float64, string, error) {
		_, open, err := rings(n, n)
		return open / 1e3, "us", err
	},
}

// grow returns the measurement of that name with a number, also one between two processes.
func grow(name string) (what string, n int) {
	for k, r := range name {
		if r >= '0' && r <= '9' {
			if _, err := fmt.Sscanf(name[k:], "%d", &n); err == nil {
				return name[:k], n
			}
			break
		}
	}
	return name, 0
}

// slots returns measurement "one" with n slots.
func slots(n int) *bench {
	b := *benches["one"]
	b.slots = n
	return &b
}

// bulk returns measurement "copy" of 64 KiB with n slots.
func bulk(n int) *bench {
	b := size(64 << 10)
	b.slots = n
	return b
}

// size returns measurement "copy" with messages of n bytes.
func size(n int) *bench {
	b := *benches["copy"]
	b.schema = layout.Bytes(n)
	b.count = min(max(2<<30/n, 32), 1000000)
	b.scale = float64(n)
	b.bytes = n
	if n > 8*mib {
		b.slots = 4
	}
	return &b
}

// joinedMost is the limit of joined rings: each seat is an open file, and a process may have some
// thousands.
const joinedMost = 1000

// ended is a ring and, when they are in this process, its two participants.
type ended struct {
	r *goring.Ring
	p *goring.Producer
	c *goring.Consumer
}

func (e ended) close() (err error) {
	if e.p != nil {
		err = errors.Join(e.p.Close(), e.c.Close())
	}
	return errors.Join(err, e.r.Close())
}

func (e *ended) join() (err error) {
	if e.p, err = e.r.Producer(); err != nil {
		return err
	}
	e.c, err = e.r.Consumer()
	return err
}

// rings opens n rings, joins a thousand of them at most, and sends messages through one after the
// other. It returns ns per message and per opened ring.
func rings(n, messages int) (turn, open float64, err error) {
	all := make([]ended, n)
	begun := time.Now()
	for k := range all {
		if all[k].r, err = goring.Create("", layout.Bytes(32), goring.Slots(8)); err != nil {
			return 0, 0, fmt.Errorf("ring %d: %w", k, err)
		}
		defer func() { err = errors.Join(err, all[k].close()) }()
	}
	opened := time.Since(begun)
	joined := all[:min(n, joinedMost)]
	for k := range joined {
		if err := joined[k].join(); err != nil {
			return 0, 0, fmt.Errorf("joining ring %d: %w", k, err)
		}
	}
	var row [32]byte
	begun = time.Now()
	for k := range messages {
		e := joined[k%len(joined)]
		if err := e.p.TryWrite(row[:]); err != nil {
			return 0, 0, err
		}
		m, err := e.c.TryRead()
		if err != nil {
			return 0, 0, err
		}
		_ = m.Release() // cannot fail on a queue
	}
	return float64(time.Since(begun)) / float64(messages), float64(opened) / float64(n), nil
}
