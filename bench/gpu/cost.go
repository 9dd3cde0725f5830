package main

import (
	"context"
	"fmt"
	"time"

	"example.com/goring/goring"
	"example.com/goring/layout"
)

// cost prints the processor time of a message, in host memory and on a GPU ring, both participants
// in one goroutine. With a driver that does nothing (null/libcuda.c) the difference is the ring's.
func cost(messages int) error {
	host, err := perMessage(messages)
	if err != nil {
		return err
	}
	gpu, err := perMessage(messages, goring.CUDA(0))
	if err != nil {
		return err
	}
	crossing, err := crossings(messages)
	if err != nil {
		return err
	}
	fmt.Printf("%.1f\t%.1f\t%.1f\n", host, gpu, crossing)
	return nil
}

// perMessage returns the ns to write 64 bytes, read them in place, and release them.
func perMessage(messages int, opts ...goring.Option) (float64, error) {
	r, err := goring.Create("", layout.Bytes(64), append(opts, goring.Slots(64), goring.Timestamps(false))...)
	if err != nil {
		return 0, err
	}
	defer func() { _ = r.Close() }()
	p, err := r.Producer()
	if err != nil {
		return 0, err
	}
	defer func() { _ = p.Close() }()
	c, err := r.Consumer()
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	_, forGPU := r.GPU()
	ctx, b := context.Background(), make([]byte, 64)
	best := 0.0
	for range 5 {
		start := time.Now()
		for range messages {
			if err := p.Write(ctx, b); err != nil {
				return 0, err
			}
			m, err := c.Read(ctx)
			if err != nil {
				return 0, err
			}
			if forGPU {
				_, err = m.DevicePtr(0)
			} else {
				_ = m.Bytes()
			}
			if err != nil {
				return 0, err
			}
			if err := m.Release(); err != nil {
				return 0, err
			}
		}
		if ns := float64(time.Since(start).Nanoseconds()) / float64(messages); best == 0 || ns < best {
			best = ns
		}
	}
	return best, nil
}

// crossings returns the ns of the two crossings into C that a message needs.
func crossings(messages int) (float64, error) {
	r, err := goring.Create("", layout.Bytes(64), goring.CUDA(0), goring.Slots(2))
	if err != nil {
		return 0, err
	}
	defer func() { _ = r.Close() }()
	p, err := r.Producer()
	if err != nil {
		return 0, err
	}
	defer func() { _ = p.Close() }()
	best := 0.0
	for range 5 {
		start := time.Now()
		for range messages {
			_ = r.Synchronize(goring.LegacyStream) // only the crossing, and a lock
		}
		if ns := 2 * float64(time.Since(start).Nanoseconds()) / float64(messages); best == 0 || ns < best {
			best = ns
		}
	}
	return best, nil
}
