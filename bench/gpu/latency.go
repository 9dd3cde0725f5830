package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"example.com/goring/goring"
	"example.com/goring/goring/cuda"
	"example.com/goring/layout"
)

// latency measures half of a round trip between two processes: one writes a 64-byte message to the
// device, the other reads it from the device and sends it back.
func latency(span time.Duration) (map[string]float64, error) {
	there := fmt.Sprintf("bench-gpu-%d", os.Getpid())
	back := there + "-back"
	rings := make([]*goring.Ring, 0, 2)
	for _, name := range []string{there, back} {
		r, err := goring.Create(name, layout.Bytes(64), cuda.Device(0), goring.Slots(2))
		if err != nil {
			return nil, err
		}
		defer func() { _, _ = r.Unlink(), r.Close() }()
		rings = append(rings, r)
	}
	other := exec.Command("/proc/self/exe", "-peer", there+","+back)
	other.Stderr = os.Stderr
	if err := other.Start(); err != nil {
		return nil, err
	}
	all, err := ping(rings[0], rings[1], span)
	_ = rings[0].Shutdown()
	if e := other.Wait(); err == nil {
		err = e
	}
	if err != nil {
		return nil, err
	}
	return quantiles(all), nil
}

func ping(there, back *goring.Ring, span time.Duration) (all []time.Duration, err error) {
	p, err := cuda.NewProducer(there, goring.Wait(goring.Spin))
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.Close() }()
	c, err := cuda.NewConsumer(back, goring.Wait(goring.Spin))
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), span+30*time.Second)
	defer cancel()
	b := make([]byte, 64)
	for start := time.Now(); time.Since(start) < span || len(all) == 0; {
		sent := time.Now()
		if err := p.Write(ctx, b); err != nil {
			return nil, err
		}
		if err := take(ctx, c, b); err != nil {
			return nil, err
		}
		all = append(all, time.Since(sent)/2)
	}
	return all, nil
}

// take reads a message from the device.
func take(ctx context.Context, c *cuda.Consumer, b []byte) error {
	m, err := c.Read(ctx)
	if err != nil {
		return err
	}
	if _, err := m.CopyToHost(b, 0); err != nil {
		return err
	}
	return m.Release()
}

// answer sends every message back, until the first ring is shut down.
func answer(names string) error {
	there, back, _ := strings.Cut(names, ",")
	in, err := goring.Open(there)
	if err != nil {
		return err
	}
	out, err := goring.Open(back)
	if err != nil {
		return err
	}
	c, err := cuda.NewConsumer(in, goring.Wait(goring.Spin))
	if err != nil {
		return err
	}
	p, err := cuda.NewProducer(out, goring.Wait(goring.Spin))
	if err != nil {
		return err
	}
	ctx, b := context.Background(), make([]byte, 64)
	for {
		if take(ctx, c, b) != nil { // the ring has ended
			_ = p.Close()
			return c.Close()
		}
		if err := p.Write(ctx, b); err != nil {
			return err
		}
	}
}
