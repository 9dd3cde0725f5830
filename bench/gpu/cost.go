package main

import (
	"context"
	"fmt"
	"time"

	"example.com/goring/goring"
	"example.com/goring/layout"
)

// cost prints what a message of a ring costs the processor, in host memory and for a GPU, both
// sides in one goroutine. With a driver that does nothing (null/libcuda.c) the difference is the ring's.
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

// perMessage is how many ns it takes to write 64 bytes, read them where they are, and release.
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

// crossings is how many ns the two crossings into C take that a message costs.
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
			_ = r.Synchronize(goring.LegacyStream) // nothing but the crossing, and a lock of ours
		}
		if ns := 2 * float64(time.Since(start).Nanoseconds()) / float64(messages); best == 0 || ns < best {
			best = ns
		}
	}
	return best, nil
}
