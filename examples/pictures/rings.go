package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"example.com/goring/goring"
	"example.com/goring/layout"
)

// result is a worker's answer. The result ring has it as a structured dtype for Python.
type result struct {
	Frame     uint64
	Height    uint32
	Width     uint32
	CRC       uint32
	Worker    uint32
	Mean      [3]float64
	Sharpness float64
	Histogram [16]uint32
}

// rings holds the two rings of the job.
type rings struct {
	frames  *goring.Ring
	results goring.Typed[result]
}

func makeRings(pictures []picture, workers int) (*rings, error) {
	largest := 0
	for _, p := range pictures {
		largest = max(largest, len(p.rgb))
	}
	// The names carry the pid, so that two demos can run side by side.
	frames, err := goring.Create(fmt.Sprintf("pictures-%d", os.Getpid()), layout.Tensor(largest),
		goring.Slots(8), goring.Consumers(workers), goring.MaxMeta(512))
	if err != nil {
		return nil, err
	}
	results, err := goring.CreateTyped[result](fmt.Sprintf("looks-%d", os.Getpid()), goring.Slots(64), goring.Producers(workers))
	if err != nil {
		return nil, errors.Join(err, frames.Unlink(), frames.Close())
	}
	return &rings{frames, results}, nil
}

func (r *rings) remove() {
	for _, ring := range []*goring.Ring{r.frames, r.results.Ring} {
		if err := errors.Join(ring.Unlink(), ring.Close()); err != nil {
			fmt.Fprintln(os.Stderr, "pictures:", err)
		}
	}
}

// feed puts the whole set on the ring again and again until the time is up.
func (r *rings) feed(ctx context.Context, b *book, howLong time.Duration) error {
	p, err := r.frames.Producer(goring.As("decoder"))
	if err != nil {
		return err
	}
	defer func() { _ = p.Close() }()
	for end := time.Now().Add(howLong); ; {
		for i := range b.pictures {
			if err := put(ctx, p, &b.pictures[i], b.sent(i)); err != nil {
				return err
			}
		}
		if time.Now().After(end) {
			return nil
		}
	}
}

func put(ctx context.Context, p *goring.Producer, pic *picture, frame uint64) error {
	s, err := p.Reserve(ctx)
	if err != nil {
		return err
	}
	copy(s.Bytes(), pic.rgb)
	u1, _ := layout.CodeOf("|u1")
	err = errors.Join(s.SetTensor(u1, pic.height, pic.width, 3), s.SetMeta(map[string]any{"file": pic.file}))
	if err != nil {
		s.Abort()
		return fmt.Errorf("%s: %w", pic.file, err)
	}
	s.SetTag(frame)
	s.Commit()
	return nil
}

// join enters the workers' answers into the book until the ring is shut down.
func (r *rings) join(ctx context.Context, b *book) error {
	c, err := r.results.Consumer(goring.As("joiner"))
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	for m, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		b.answered(m.Value())
	}
	return nil
}
