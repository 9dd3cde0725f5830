package goring

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/goring/layout"
)

func newBroadcast(t *testing.T, mode layout.Mode, opts ...Option) *Ring {
	t.Helper()
	return newRing(t, append([]Option{Mode(mode)}, opts...)...)
}

// newRing is an anonymous ring of messages of 8 bytes.
func newRing(t *testing.T, opts ...Option) *Ring {
	t.Helper()
	r, err := Create("", layout.Bytes(8), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func join(t *testing.T, r *Ring, opts ...Option) *Consumer {
	t.Helper()
	c, err := r.Consumer(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func produce(t *testing.T, r *Ring) *Producer {
	t.Helper()
	p, err := r.Producer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func number(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

func put(t *testing.T, p *Producer, from, to uint64) {
	t.Helper()
	for n := from; n < to; n++ {
		if err := p.TryWrite(number(n)); err != nil {
			t.Fatalf("write %d: %v", n, err)
		}
	}
}

// expect reads the numbers from up to to, each releasing.
func expect(t *testing.T, c *Consumer, from, to uint64) {
	t.Helper()
	for n := from; n < to; n++ {
		m, err := c.TryRead()
		if err != nil {
			t.Fatalf("read %d: %v", n, err)
		}
		if got := binary.LittleEndian.Uint64(m.Bytes()); got != n || m.Seq() != n {
			t.Fatalf("message %d carries %d, want %d", m.Seq(), got, n)
		}
		if err := m.Release(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEveryConsumerSeesEveryMessage(t *testing.T) {
	r := newBroadcast(t, layout.ModeBroadcast, Slots(3))
	p, a, b := produce(t, r), join(t, r), join(t, r)
	for n := uint64(0); n < 20; n++ {
		put(t, p, n, n+1)
		expect(t, a, n, n+1)
		expect(t, b, n, n+1)
	}
	if _, err := a.TryRead(); !errors.Is(err, ErrEmpty) {
		t.Fatalf("read of an empty ring: %v", err)
	}
}

func TestTheSlowestConsumerHoldsTheProducerUp(t *testing.T) {
	r := newBroadcast(t, layout.ModeBroadcast, Slots(4))
	p, fast, slow := produce(t, r), join(t, r), join(t, r)
	put(t, p, 0, 4)
	expect(t, fast, 0, 4)
	if err := p.TryWrite(number(4)); !errors.Is(err, ErrFull) {
		t.Fatalf("write over a message that is not read: %v", err)
	}
	expect(t, slow, 0, 1)
	put(t, p, 4, 5)
	if err := slow.Close(); err != nil { // its cursor is no part of the gate any more
		t.Fatal(err)
	}
	expect(t, fast, 4, 5)
	put(t, p, 5, 9)
}

func TestWithoutConsumersNobodyWaits(t *testing.T) {
	r := newBroadcast(t, layout.ModeBroadcast, Slots(2))
	p := produce(t, r)
	put(t, p, 0, 100)
	c := join(t, r)
	if _, err := c.TryRead(); !errors.Is(err, ErrEmpty) {
		t.Fatalf("a consumer got a message from before it joined: %v", err)
	}
	put(t, p, 100, 102)
	if err := p.TryWrite(number(102)); !errors.Is(err, ErrFull) {
		t.Fatalf("the new consumer is not waited for: %v", err)
	}
	expect(t, c, 100, 102)
}

func TestReleasesOutOfOrderMoveTheGateOnlyWhenTheFirstGoes(t *testing.T) {
	r := newBroadcast(t, layout.ModeBroadcast, Slots(3), Consumers(1))
	p, c := produce(t, r), join(t, r)
	put(t, p, 0, 3)
	var held []Message
	for range 3 {
		m, err := c.TryRead()
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, m)
	}
	if _, err := c.Read(context.Background()); !errors.Is(err, ErrHeld) {
		t.Fatalf("a consumer waits for what it holds itself: %v", err)
	}
	_ = held[2].Release()
	_ = held[1].Release()
	mustPanic(t, "Release", func() { _ = held[1].Release() })
	if err := p.TryWrite(number(3)); !errors.Is(err, ErrFull) {
		t.Fatalf("the gate opened before message 0 was released: %v", err)
	}
	_ = held[0].Release()
	put(t, p, 3, 6)
	expect(t, c, 3, 6)
	mustPanic(t, "Release", func() { _ = held[0].Release() })
}

func TestRequeuedBroadcastMessageComesAgainToItsConsumerOnly(t *testing.T) {
	r := newBroadcast(t, layout.ModeBroadcast, Slots(4))
	p, a, b := produce(t, r), join(t, r), join(t, r)
	put(t, p, 0, 2)
	m, _ := a.TryRead()
	m.Requeue()
	mustPanic(t, "Release", func() { _ = m.Release() })
	expect(t, a, 0, 2)
	m, err := b.TryRead()
	if err != nil || m.Redelivered() != 0 {
		t.Fatalf("the other consumer's message 0: redelivered %d, %v", m.Redelivered(), err)
	}
}

func TestABatchToManyIsBoundedByTheGate(t *testing.T) {
	r, err := Create("", layout.Array[uint64](512), Mode(layout.ModeBroadcast), Slots(8)) // a page each: mirrored
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	p, c := produce(t, r), join(t, r)
	ctx := context.Background()
	w, err := p.ReserveBatch(ctx, 100)
	if err != nil || w.Len() != 8 {
		t.Fatalf("batch of %d, %v; want all 8 slots", w.Len(), err)
	}
	for k := range w.Len() {
		copy(w.Bytes(k), number(uint64(k)))
	}
	w.Commit(6)
	b, err := c.ReadBatch(ctx, 4)
	if err != nil || b.Len() != 4 {
		t.Fatalf("read a batch of %d, %v; want 4", b.Len(), err)
	}
	if w, err = p.ReserveBatch(ctx, 100); err != nil || w.Len() != 2 {
		t.Fatalf("batch of %d beside 6 unread messages, %v; want 2", w.Len(), err)
	}
	w.Commit(0)
	if err := b.Release(); err != nil {
		t.Fatal(err)
	}
	mustPanic(t, "Release", func() { _ = b.Release() })
	if w, err = p.ReserveBatch(ctx, 100); err != nil || w.Len() != 6 {
		t.Fatalf("batch of %d beside 2 unread messages, %v; want 6", w.Len(), err)
	}
	w.Commit(0)
}

func TestLatestSkips(t *testing.T) {
	for _, mode := range []layout.Mode{layout.ModeBroadcast, layout.ModeOverwrite} {
		r := newBroadcast(t, mode, Slots(4))
		p, c := produce(t, r), join(t, r)
		put(t, p, 0, 4)
		m, err := c.Latest(context.Background())
		if err != nil || m.Seq() != 3 {
			t.Fatalf("%s: latest is message %d, %v; want 3", mode, m.Seq(), err)
		}
		_ = m.Release()
		put(t, p, 4, 6)
		expect(t, c, 4, 5)
		if c.Lost() != 0 {
			t.Errorf("%s: what was skipped counts as lost", mode)
		}
	}
	q, err := Create("", layout.Bytes(8))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = q.Close() }()
	if _, err := join(t, q).Latest(context.Background()); !errors.Is(err, ErrUnsupported) {
		t.Fatalf("latest of a queue: %v", err)
	}
}

func TestOverwriteCountsExactlyWhatWasLost(t *testing.T) {
	r := newBroadcast(t, layout.ModeOverwrite, Slots(4))
	p, c := produce(t, r), join(t, r)
	put(t, p, 0, 2)
	expect(t, c, 0, 1)
	put(t, p, 2, 11) // 1 to 7 are gone or about to be
	expect(t, c, 8, 11)
	if got := c.Lost(); got != 7 {
		t.Fatalf("lost %d, want 7 (1 to 7)", got)
	}
	if s, err := r.Stats(); err != nil || s.Participants[1].Lost != 7 || s.Participants[1].Cursor != 11 {
		t.Fatalf("stats %+v, %v", s.Participants, err)
	}
}

func TestAnOverwrittenViewSaysSo(t *testing.T) {
	r := newBroadcast(t, layout.ModeOverwrite, Slots(2))
	p, c := produce(t, r), join(t, r)
	put(t, p, 0, 2)
	m, err := c.TryRead()
	if err != nil || !m.Valid() {
		t.Fatalf("valid %v, %v", m.Valid(), err)
	}
	s, err := p.TryReserve() // begun is as bad as done
	if err != nil {
		t.Fatal(err)
	}
	if m.Valid() {
		t.Fatal("a message that is being overwritten says it is valid")
	}
	if err := m.Release(); !errors.Is(err, ErrLapped) {
		t.Fatalf("release of an overwritten message: %v", err)
	}
	s.Abort()
	put(t, p, 2, 3) // the aborted number is used again
	expect(t, c, 1, 3)
}

func TestLatestShowsWhatWasThereBeforeOneJoined(t *testing.T) {
	r := newBroadcast(t, layout.ModeOverwrite, Slots(4))
	p := produce(t, r)
	put(t, p, 0, 7)
	c := join(t, r)
	m, err := c.Latest(context.Background())
	if err != nil || m.Seq() != 6 {
		t.Fatalf("latest is message %d, %v; want 6", m.Seq(), err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.Latest(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("latest gave the same message twice: %v", err)
	}
}

func TestASuccessorWritesTheNumberOfAHalfWrittenMessage(t *testing.T) {
	for _, mode := range []layout.Mode{layout.ModeBroadcast, layout.ModeOverwrite} {
		r := newBroadcast(t, mode, Slots(4))
		p, c := produce(t, r), join(t, r)
		put(t, p, 0, 5-uint64(mode)) // 3 or 2 messages: there is room for one more
		if _, err := p.TryReserve(); err != nil {
			t.Fatal(err)
		}
		r.proto.Word64(layout.OffHead).Store(0) // as if it had died before its last store of head, and in the message
		if err := p.seat.Leave(); err != nil {
			t.Fatal(err)
		}
		put(t, produce(t, r), 5-uint64(mode), 6-uint64(mode))
		expect(t, c, 0, 6-uint64(mode))
	}
}

// One producer at full speed, consumers that join and leave: each sees every number
// from its first to its last once and in order.
func TestConsumersComeAndGo(t *testing.T) {
	r := newBroadcast(t, layout.ModeBroadcast, Slots(16), Consumers(8))
	p := produce(t, r)
	ctx, stop := context.WithCancel(context.Background())
	var all, total sync.WaitGroup
	var seen atomic.Int64
	total.Go(func() {
		for n := uint64(0); ctx.Err() == nil; n++ {
			if err := p.Write(ctx, number(n)); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("write: %v", err)
				return
			}
		}
	})
	for range 8 {
		all.Go(func() {
			for range 40 {
				c, err := r.Consumer()
				if err != nil {
					t.Errorf("join: %v", err)
					return
				}
				last := uint64(0)
				for k := range 1 + rand.IntN(200) {
					m, err := c.Read(ctx)
					if err != nil {
						t.Errorf("read: %v", err)
						break
					}
					n := binary.LittleEndian.Uint64(m.Bytes())
					if n != m.Seq() || k > 0 && n != last+1 {
						t.Errorf("message %d carries %d after %d", m.Seq(), n, last)
					}
					last = n
					_ = m.Release()
					seen.Add(1)
				}
				if err := c.Close(); err != nil {
					t.Errorf("leave: %v", err)
				}
			}
		})
	}
	all.Wait()
	stop()
	total.Wait()
	if seen.Load() < 8*40 {
		t.Errorf("only %d messages were seen", seen.Load())
	}
}

// A writer that never waits and readers that are too slow: what is whole is right, and
// what was read plus what was lost is what was written.
func TestOverwrittenMessagesAreNeverTaken(t *testing.T) {
	r, err := Create("", layout.Bytes(512), Mode(layout.ModeOverwrite), Slots(4))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	p := produce(t, r)
	const messages = 200_000
	var all sync.WaitGroup
	for k := range 3 {
		c := join(t, r)
		all.Go(func() {
			var got, torn, copied uint64
			buf := make([]byte, 512)
			for m, err := range c.Messages(context.Background()) {
				if err != nil {
					t.Errorf("read: %v", err)
					return
				}
				n := copy(buf, m.Bytes())
				got++
				if m.Release() != nil {
					torn++
					continue
				}
				copied++
				for _, b := range buf[:n] {
					if b != byte(m.Seq()) {
						t.Errorf("message %d has a byte %d and was called whole", m.Seq(), b)
						return
					}
				}
				if k == 2 && copied%64 == 0 {
					time.Sleep(50 * time.Microsecond)
				}
			}
			if got+c.Lost() != messages {
				t.Errorf("read %d and lost %d of %d", got, c.Lost(), messages)
			}
			t.Logf("reader %d: %d whole, %d torn and said so, %d lost", k, copied, torn, c.Lost())
		})
	}
	for n := range messages {
		s, err := p.TryReserve()
		if err != nil {
			t.Fatal(err)
		}
		b := s.Bytes()
		for i := range b {
			b[i] = byte(n)
		}
		s.Commit()
	}
	if err := r.Shutdown(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
}

func TestBroadcastEndsWithShutdown(t *testing.T) {
	for _, mode := range []layout.Mode{layout.ModeBroadcast, layout.ModeOverwrite} {
		r := newBroadcast(t, mode)
		p, c := produce(t, r), join(t, r)
		put(t, p, 0, 2)
		if err := r.Shutdown(); err != nil {
			t.Fatal(err)
		}
		if err := p.TryWrite(number(2)); !errors.Is(err, ErrShutdown) {
			t.Errorf("%s: write after shutdown: %v", mode, err)
		}
		expect(t, c, 0, 2)
		if _, err := c.Read(context.Background()); err != io.EOF {
			t.Errorf("%s: read at the end: %v", mode, err)
		}
	}
}

func TestOneConsumerTooManyIsRefusedWithTheLimit(t *testing.T) {
	r := newBroadcast(t, layout.ModeBroadcast)
	for range 32 {
		join(t, r)
	}
	if _, err := r.Consumer(); !errors.Is(err, ErrBusy) {
		t.Fatalf("consumer 33: %v", err)
	} else if want := "takes 32 consumer"; !strings.Contains(err.Error(), want) {
		t.Fatalf("%v does not say %q", err, want)
	}
}
