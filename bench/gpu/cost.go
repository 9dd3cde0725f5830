package main

import (
	"context"
	"fmt"
	"time"

	"example.com/goring/goring"
	"example.com/goring/goring/cuda"
	"example.com/goring/layout"
)

// cost prints what a message of a ring costs the processor, in host memory and for a GPU, both
// sides in one goroutine. With a driver that does nothing (null/libcuda.c) the difference is the ring's.
func cost(messages int) error {
	host, err := perMessage(messages)
	if err != nil {
		return err
	}
	gpu, err := perMessage(messages, cuda.Device(0))
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

// perMessage returns how many ns it takes to write 64 bytes, read them where they are, and release.
func perMessage(messages int, opts ...goring.Option) (float64, error) {
	r, err := goring.Create("", layout.Bytes(64), append(opts, goring.Slots(64), goring.Timestamps(false))...)
	if err != nil {
		return 0, err
	}
	defer func() { _ = r.Close() }()
	if _, ok := r.GPU(); ok {
		return perDeviceMessage(r, messages)
	}
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
	ctx, b := context.Background(), make([]byte, 64)
	return best(messages, func() error {
		if err := p.Write(ctx, b); err != nil {
			return err
		}
		m, err := c.Read(ctx)
		if err != nil {
			return err
		}
		_ = m.Bytes()
		return m.Release()
	})
}

// perDeviceMessage is perMessage on a GPU ring.
func perDeviceMessage(r *goring.Ring, messages int) (float64, error) {
	p, err := cuda.NewProducer(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = p.Close() }()
	c, err := cuda.NewConsumer(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	ctx, b := context.Background(), make([]byte, 64)
	return best(messages, func() error {
		if err := p.Write(ctx, b); err != nil {
			return err
		}
		m, err := c.Read(ctx)
		if err != nil {
			return err
		}
		if _, err := m.DevicePtr(0); err != nil {
			return err
		}
		return m.Release()
	})
}

// best returns how many ns a step takes: the least mean of five runs of that many steps.
func best(steps int, step func() error) (float64, error) {
	least := 0.0
	for range 5 {
		start := time.Now()
		for range steps {
			if err := step(); err != nil {
				return 0, err
			}
		}
		if ns := float64(time.Since(start).Nanoseconds()) / float64(steps); least == 0 || ns < least {
			least = ns
		}
	}
	return least, nil
}

// crossings returns how many ns the two crossings into C take that a message costs.
func crossings(messages int) (float64, error) {
	r, err := goring.Create("", layout.Bytes(64), cuda.Device(0), goring.Slots(2))
	if err != nil {
		return 0, err
	}
	defer func() { _ = r.Close() }()
	p, err := cuda.NewProducer(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = p.Close() }()
	ns, err := best(messages, func() error {
		_ = cuda.Synchronize(r, cuda.LegacyStream) // nothing but the crossing, and a lock of ours
		return nil
	})
	return 2 * ns, err
}
