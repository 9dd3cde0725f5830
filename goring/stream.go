package goring

import (
	"context"
	"errors"
	"fmt"
	"io"

	"example.com/goring/internal/proto"
	"example.com/goring/layout"
)

// Writer adapts the producer of a bytes ring to io.Writer. Each Write becomes as
// many messages as it takes slots; readers see one stream. ctx ends a Write that
// waits.
func (p *Producer) Writer(ctx context.Context) (io.Writer, error) {
	if k := p.ring.sb.Kind; k != layout.KindBytes {
		return nil, fmt.Errorf("ring %q carries %s, not bytes: %w", p.ring.name, k, ErrSchema)
	}
	return &streamWriter{ctx, p}, nil
}

type streamWriter struct {
	ctx context.Context
	p   *Producer
}

func (w *streamWriter) Write(b []byte) (n int, err error) {
	for n < len(b) {
		k := min(len(b)-n, int(w.p.ring.proto.Bytes))
		if err := w.p.Write(w.ctx, b[n:n+k]); err != nil {
			return n, err
		}
		n += k
	}
	return n, nil
}

// Reader adapts the consumer of a bytes ring to io.Reader: the payloads of its
// messages one after the other, io.EOF when the ring is shut down and empty. It
// also has WriteTo, with which io.Copy copies nothing twice.
func (c *Consumer) Reader(ctx context.Context) (io.Reader, error) {
	if k := c.ring.sb.Kind; k != layout.KindBytes {
		return nil, fmt.Errorf("ring %q carries %s, not bytes: %w", c.ring.name, k, ErrSchema)
	}
	if c.core.Discipline == proto.Overwrite {
		return nil, fmt.Errorf("a stream over ring %q, whose producer overwrites, would have holes: %w", c.ring.name, ErrUnsupported)
	}
	return &streamReader{ctx: ctx, c: c}, nil
}

type streamReader struct {
	ctx  context.Context
	c    *Consumer
	m    Message
	rest []byte // of m, not read yet
}

func (r *streamReader) Read(b []byte) (int, error) {
	for len(r.rest) == 0 {
		if len(b) == 0 {
			return 0, nil
		}
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copyCached(b, r.rest)
	r.drop(n)
	return n, nil
}

// WriteTo implements io.WriterTo.
func (r *streamReader) WriteTo(w io.Writer) (total int64, err error) {
	for {
		if len(r.rest) == 0 {
			if err := r.next(); errors.Is(err, io.EOF) {
				return total, nil
			} else if err != nil {
				return total, err
			}
			continue
		}
		n, err := w.Write(r.rest)
		total += int64(n)
		r.drop(n)
		if err != nil {
			return total, err
		}
	}
}

// next takes the next message; an empty one is released at once.
func (r *streamReader) next() (err error) {
	if r.m, err = r.c.Read(r.ctx); err != nil {
		return err
	}
	r.rest = r.m.Bytes()
	r.drop(0)
	return nil
}

// drop forgets n bytes and releases the message with its last one.
func (r *streamReader) drop(n int) {
	if r.rest = r.rest[n:]; len(r.rest) == 0 {
		_ = r.m.Release() // nil but on overwrite rings, which have no streams
	}
}
