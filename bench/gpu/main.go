// Gpu measures a GPU ring on this machine's device and prints JSON: the bandwidth of copies from
// device to device through a ring beside bare copies, and the time from a commit until another
// process's stream sees the payload. On the emulated driver it runs, but its figures mean nothing.
//
//	gpu [-mib 16] [-seconds 2]
//	gpu -cost 1000000   with a driver that does nothing, see run.sh
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	"example.com/goring/goring"
	"example.com/goring/goring/cuda"
	"example.com/goring/layout"
)

// figures holds the results.
type figures struct {
	Device        string             `json:"device"`
	Sync          string             `json:"sync"`
	MessageBytes  int                `json:"message_bytes"`
	BareGBs       float64            `json:"bare_gb_s"`
	RingGBs       float64            `json:"ring_gb_s"`
	RingToBare    float64            `json:"ring_to_bare"` // the goal is 0.9
	LatencyMicros map[string]float64 `json:"publish_to_visible_us"`
}

func main() {
	mib := flag.Int("mib", 16, "MiB of a message")
	seconds := flag.Float64("seconds", 2, "for how long each is measured")
	messages := flag.Int("cost", 0, "measure what so many messages cost the processor instead")
	peer := flag.String("peer", "", "the ring to answer on, and its echo")
	flag.Parse()
	var err error
	if *messages > 0 {
		err = cost(*messages)
	} else if *peer != "" {
		err = answer(*peer)
	} else {
		err = measure(*mib<<20, time.Duration(*seconds*float64(time.Second)))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gpu:", err)
		os.Exit(1)
	}
}

func measure(size int, span time.Duration) error {
	f := figures{MessageBytes: size}
	var err error
	if f.BareGBs, f.RingGBs, err = bandwidths(&f, size, span); err != nil {
		return err
	}
	f.RingToBare = f.RingGBs / f.BareGBs
	if f.LatencyMicros, err = latency(span); err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(f)
}

// bandwidths copies one message after another into a slot, bare, and then through the ring.
func bandwidths(f *figures, size int, span time.Duration) (bare, ring float64, err error) {
	r, err := goring.Create("", layout.Bytes(size), cuda.Device(0), goring.Slots(4))
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = r.Close() }()
	info, _ := r.GPU()
	f.Device, f.Sync = info.Device, info.Sync.String()
	source, err := goring.Create("", layout.Bytes(size), cuda.Device(0), goring.Slots(2))
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = source.Close() }()
	b := copier{size: size, span: span}
	if err := b.open(r, source); err != nil {
		return 0, 0, err
	}
	if bare, err = b.bare(); err == nil {
		ring, err = b.throughRing()
	}
	return bare, ring, errors.Join(err, b.close())
}

type copier struct {
	size    int
	span    time.Duration
	ring    *goring.Ring
	p       *cuda.Producer
	c       *cuda.Consumer
	sp      *cuda.Producer
	from    uint64
	out, in cuda.Stream
}

func (b *copier) open(r, source *goring.Ring) (err error) {
	b.ring = r
	if b.p, err = cuda.NewProducer(r); err != nil {
		return err
	}
	if b.c, err = cuda.NewConsumer(r); err != nil {
		return err
	}
	if b.sp, err = cuda.NewProducer(source); err != nil {
		return err
	}
	slot, err := b.sp.Reserve(context.Background()) // never committed: a buffer on the device
	if err != nil {
		return err
	}
	if b.out, err = cuda.NewStream(r); err != nil {
		return err
	}
	if b.in, err = cuda.NewStream(r); err != nil {
		return err
	}
	b.from, err = slot.DevicePtr(b.out)
	return err
}

func (b *copier) close() error { return errors.Join(b.p.Close(), b.c.Close(), b.sp.Close()) }

func (b *copier) bare() (float64, error) {
	slot, err := b.p.Reserve(context.Background())
	if err != nil {
		return 0, err
	}
	defer slot.Abort()
	return b.rate(func() error { return slot.CopyFromDevice(b.from, b.size, b.out) })
}

func (b *copier) throughRing() (float64, error) {
	ctx := context.Background()
	return b.rate(func() error {
		slot, err := b.p.Reserve(ctx)
		if err != nil {
			return err
		}
		if err := slot.CopyFromDevice(b.from, b.size, b.out); err != nil {
			return err
		}
		if err := slot.CommitOn(b.out); err != nil {
			return err
		}
		m, err := b.c.Read(ctx)
		if err != nil {
			return err
		}
		if _, err := m.DevicePtr(b.in); err != nil {
			return err
		}
		return m.ReleaseOn(b.in)
	})
}

// rate returns the GB/s of step, which enqueues the copy of one message.
func (b *copier) rate(step func() error) (float64, error) {
	start, n := time.Now(), 0
	for time.Since(start) < b.span {
		for range 16 {
			if err := step(); err != nil {
				return 0, err
			}
		}
		n += 16
		if err := cuda.Synchronize(b.ring, b.out); err != nil {
			return 0, err
		}
	}
	return float64(n) * float64(b.size) / time.Since(start).Seconds() / 1e9, nil
}

// quantiles returns quantiles of sorted durations, in microseconds.
func quantiles(all []time.Duration) map[string]float64 {
	slices.Sort(all)
	at := func(q float64) float64 { return float64(all[int(q*float64(len(all)-1))].Nanoseconds()) / 1e3 }
	return map[string]float64{"p50": at(0.5), "p99": at(0.99), "p999": at(0.999)}
}
