package goring

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/goring/internal/proto"
	"example.com/goring/layout"
)

var bg = context.Background()

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("error %v, want %v", got, want)
	}
}

func wantStates(t *testing.T, r *Ring, want string) {
	t.Helper()
	if got := r.states(); got != want {
		t.Fatalf("slots are %s, want %s", got, want)
	}
}

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Fatalf("%s did not panic", what)
		}
	}()
	f()
}

// sides are the four shapes of a queue: each side alone or shared.
func sides(t *testing.T, slots int, f func(t *testing.T, r *Ring, p *Producer, c *Consumer)) {
	for _, n := range [][2]int{{1, 1}, {1, 3}, {3, 1}, {3, 3}} {
		t.Run(fmt.Sprintf("%dto%d", n[0], n[1]), func(t *testing.T) {
			r := heapRing(t, bytesPlan(slots, n[0], n[1]))
			f(t, r, r.heapProducer(1, Park), r.heapConsumer(1, Park))
		})
	}
}

func read(t *testing.T, c *Consumer) Message {
	t.Helper()
	m, err := c.TryRead()
	check(t, err)
	return m
}

func TestWriteReadRelease(t *testing.T) {
	sides(t, 2, func(t *testing.T, r *Ring, p *Producer, c *Consumer) {
		for i := range 7 {
			check(t, p.TryWrite([]byte{byte(i), 9}))
			m := read(t, c)
			if m.Seq() != uint64(i) || string(m.Bytes()) != string([]byte{byte(i), 9}) {
				t.Fatalf("message %d: got number %d, bytes %v", i, m.Seq(), m.Bytes())
			}
			m.Release()
		}
	})
}

func TestFullAndEmpty(t *testing.T) {
	sides(t, 3, func(t *testing.T, r *Ring, p *Producer, c *Consumer) {
		_, err := c.TryRead()
		wantErr(t, err, ErrEmpty)
		for range 3 {
			check(t, p.TryWrite([]byte("x")))
		}
		wantErr(t, p.TryWrite([]byte("x")), ErrFull)
		ctx, cancel := context.WithTimeout(bg, 10*time.Millisecond)
		defer cancel()
		wantErr(t, p.Write(ctx, []byte("x")), context.DeadlineExceeded)
		read(t, c).Release()
		check(t, p.Write(bg, []byte("x")))
	})
}

func TestReleaseOutOfOrder(t *testing.T) {
	sides(t, 3, func(t *testing.T, r *Ring, p *Producer, c *Consumer) {
		for i := range 3 {
			check(t, p.TryWrite([]byte{byte(i)}))
		}
		a, b, d := read(t, c), read(t, c), read(t, c)
		d.Release()
		b.Release()
		wantErr(t, p.TryWrite([]byte("x")), ErrFull) // slot 0 is still on loan
		if a.Bytes()[0] != 0 {
			t.Fatal("the held message changed")
		}
		a.Release()
		for i := range 3 {
			check(t, p.TryWrite([]byte{byte(10 + i)}))
		}
		for i := range 3 {
			if m := read(t, c); m.Bytes()[0] != byte(10+i) {
				t.Fatalf("got %d, want %d", m.Bytes()[0], 10+i)
			}
		}
	})
}

func TestReleaseTwicePanics(t *testing.T) {
	sides(t, 2, func(t *testing.T, r *Ring, p *Producer, c *Consumer) {
		check(t, p.TryWrite([]byte("x")))
		m := read(t, c)
		m.Release()
		mustPanic(t, "a second Release", func() { _ = m.Release() })
		mustPanic(t, "Requeue after Release", m.Requeue)
	})
}

func TestCommitTwicePanics(t *testing.T) {
	sides(t, 2, func(t *testing.T, r *Ring, p *Producer, c *Consumer) {
		s, err := p.TryReserve()
		check(t, err)
		mustPanic(t, "Reserve while one is open", func() { _, _ = p.TryReserve() })
		s.Commit()
		mustPanic(t, "a second Commit", s.Commit)
		mustPanic(t, "Abort after Commit", s.Abort)
	})
}

func TestAbortedIsNeverSeen(t *testing.T) {
	sides(t, 2, func(t *testing.T, r *Ring, p *Producer, c *Consumer) {
		for i := range 5 {
			s, err := p.TryReserve()
			check(t, err)
			copy(s.Bytes(), "half")
			s.Abort()
			check(t, p.TryWrite([]byte{byte(i)}))
			m := read(t, c)
			if m.Bytes()[0] != byte(i) {
				t.Fatalf("got %q", m.Bytes())
			}
			m.Release()
		}
	})
}

func TestRequeueComesAgainFirst(t *testing.T) {
	sides(t, 4, func(t *testing.T, r *Ring, p *Producer, c *Consumer) {
		for i := range 3 {
			check(t, p.TryWrite([]byte{byte(i)}))
		}
		a, b := read(t, c), read(t, c)
		b.Requeue()
		mustPanic(t, "Release after Requeue", func() { _ = b.Release() })
		a.Requeue()
		seen := map[byte]int{}
		for range 3 {
			m := read(t, c)
			seen[m.Bytes()[0]] = m.Redelivered()
			m.Release()
		}
		if len(seen) != 3 || seen[0] != 1 || seen[1] != 1 || seen[2] != 0 {
			t.Fatalf("redelivered counts by message: %v", seen)
		}
		_, err := c.TryRead()
		wantErr(t, err, ErrEmpty)
		wantStates(t, r, "FFFF")
	})
}

func TestRedeliveryCountStopsAt255(t *testing.T) {
	sides(t, 2, func(t *testing.T, r *Ring, p *Producer, c *Consumer) {
		check(t, p.TryWrite([]byte("x")))
		for range 300 {
			read(t, c).Requeue()
		}
		if n := read(t, c).Redelivered(); n != 255 {
			t.Fatalf("redelivered %d, want 255", n)
		}
	})
}

func TestHoldingEverySlotIsAnErrorNotAHang(t *testing.T) {
	r := heapRing(t, bytesPlan(2, 1, 1))
	p, c := r.heapProducer(1, Park), r.heapConsumer(1, Park)
	check(t, p.TryWrite([]byte("a")))
	check(t, p.TryWrite([]byte("b")))
	read(t, c)
	read(t, c)
	_, err := c.Read(bg)
	wantErr(t, err, ErrHeld)
}

func TestCloseGivesBackWhatWasTaken(t *testing.T) {
	r := heapRing(t, bytesPlan(4, 1, 2))
	p, c, d := r.heapProducer(1, Park), r.heapConsumer(1, Park), r.heapConsumer(2, Park)
	for i := range 3 {
		check(t, p.TryWrite([]byte{byte(i)}))
	}
	m := read(t, c)
	check(t, c.Close())
	mustPanic(t, "Release after Close", func() { _ = m.Release() })
	got := []byte{}
	for range 3 {
		m := read(t, d)
		got = append(got, m.Bytes()[0])
		m.Release()
	}
	_, err := d.TryRead()
	wantErr(t, err, ErrEmpty)
	if len(got) != 3 {
		t.Fatalf("got %v", got)
	}
	_, err = c.TryRead()
	wantErr(t, err, os.ErrClosed)
}

func TestProducerCloseAbortsItsReservation(t *testing.T) {
	sides(t, 2, func(t *testing.T, r *Ring, p *Producer, c *Consumer) {
		_, err := p.TryReserve()
		check(t, err)
		check(t, p.Close())
		_, err = p.TryReserve()
		wantErr(t, err, os.ErrClosed)
		q := r.heapProducer(1, Park)
		check(t, q.TryWrite([]byte("x")))
		if m := read(t, c); string(m.Bytes()) != "x" {
			t.Fatalf("got %q", m.Bytes())
		}
	})
}

func TestSuccessorsGoOnWhereTheOthersStopped(t *testing.T) {
	sides(t, 3, func(t *testing.T, r *Ring, p *Producer, c *Consumer) {
		for i := range 20 {
			check(t, p.TryWrite([]byte{byte(i)}))
			if i%3 == 0 {
				p = r.heapProducer(1, Park)
			}
			m := read(t, c)
			if m.Bytes()[0] != byte(i) {
				t.Fatalf("got %d, want %d", m.Bytes()[0], i)
			}
			m.Release()
			if i%4 == 0 {
				c = r.heapConsumer(1, Park)
			}
		}
	})
}

func TestUnreleasedMessageComesAgainToASuccessor(t *testing.T) {
	r := heapRing(t, bytesPlan(3, 1, 1))
	p, c := r.heapProducer(1, Park), r.heapConsumer(1, Park)
	for i := range 3 {
		check(t, p.TryWrite([]byte{byte(i)}))
	}
	_, b := read(t, c), read(t, c)
	b.Release() // out of order: 0 is still held when c is gone
	c = r.heapConsumer(1, Park)
	for _, want := range []byte{0, 2} {
		m := read(t, c)
		if m.Bytes()[0] != want {
			t.Fatalf("got %d, want %d", m.Bytes()[0], want)
		}
		m.Release()
	}
}

func TestSuccessorOfAPublisherWhoLeftAHole(t *testing.T) {
	r := heapRing(t, bytesPlan(4, 1, 1))
	r.proto.Header(2).Word.Store(proto.ReadyWord(0)) // a peer published 2 before 0 and died
	r.proto.Header(1).Word.Store(proto.ReadyWord(0))
	p, c := r.heapProducer(1, Park), r.heapConsumer(1, Park)
	wantStates(t, r, "FFFF")
	check(t, p.TryWrite([]byte("a")))
	if m := read(t, c); m.Seq() != 0 {
		t.Fatalf("got number %d", m.Seq())
	}
}

func TestShutdownDrainsThenEnds(t *testing.T) {
	sides(t, 4, func(t *testing.T, r *Ring, p *Producer, c *Consumer) {
		check(t, p.TryWrite([]byte("last")))
		check(t, r.Shutdown())
		wantErr(t, p.TryWrite([]byte("x")), ErrShutdown)
		wantErr(t, p.Write(bg, []byte("x")), ErrShutdown)
		n := 0
		for m, err := range c.Messages(bg) {
			check(t, err)
			n += len(m.Bytes())
		}
		if n != 4 {
			t.Fatalf("%d bytes came, want 4", n)
		}
		_, err := c.Read(bg)
		wantErr(t, err, io.EOF)
		_, err = c.TryRead()
		wantErr(t, err, io.EOF)
	})
}

func TestShutdownWakesSleepers(t *testing.T) {
	sides(t, 2, func(t *testing.T, r *Ring, p *Producer, c *Consumer) {
		done := make(chan error)
		go func() { _, err := c.Read(bg); done <- err }()
		time.Sleep(5 * time.Millisecond)
		check(t, r.Shutdown())
		wantErr(t, <-done, io.EOF)
	})
}

func TestCancelWakesASleeperAtOnce(t *testing.T) {
	for _, strategy := range []Strategy{Adaptive, Spin, Park} {
		t.Run(strategy.String(), func(t *testing.T) {
			r := heapRing(t, bytesPlan(2, 1, 1))
			c := r.heapConsumer(1, strategy)
			for range 20 {
				ctx, cancel := context.WithCancel(bg)
				done := make(chan error)
				go func() { _, err := c.Read(ctx); done <- err }()
				time.Sleep(time.Millisecond)
				cancel()
				wantErr(t, <-done, context.Canceled)
			}
		})
	}
}

func TestBatchesOfEverySizeAcrossTheWrap(t *testing.T) {
	sides(t, 5, func(t *testing.T, r *Ring, p *Producer, c *Consumer) {
		sent, got := 0, 0
		for size := 1; sent < 200; size = size%7 + 1 {
			w, err := p.ReserveBatch(bg, size)
			check(t, err)
			for k := range w.Len() {
				binary.LittleEndian.PutUint32(w.Bytes(k), uint32(sent+k))
				check(t, w.SetLen(k, 4))
				w.SetTag(k, uint64(sent+k))
			}
			w.Commit(w.Len())
			sent += w.Len()
			for got < sent {
				b, err := c.ReadBatch(bg, size)
				check(t, err)
				for k := range b.Len() {
					m := b.At(k)
					if v := binary.LittleEndian.Uint32(m.Bytes()); int(v) != got || m.Tag() != uint64(got) {
						t.Fatalf("message %d: value %d, tag %d", got, v, m.Tag())
					}
					got++
				}
				b.Release()
			}
		}
		wantStates(t, r, "FFFFF")
	})
}

func TestCommitOfPartOfABatch(t *testing.T) {
	sides(t, 4, func(t *testing.T, r *Ring, p *Producer, c *Consumer) {
		w, err := p.ReserveBatch(bg, 4)
		check(t, err)
		copy(w.Bytes(0), "a")
		check(t, w.SetLen(0, 1))
		w.Commit(1)
		mustPanic(t, "a second Commit", func() { w.Commit(1) })
		for _, want := range []string{"a", "b"} {
			m := read(t, c)
			if string(m.Bytes()) != want {
				t.Fatalf("got %q, want %q", m.Bytes(), want)
			}
			m.Release()
			check(t, p.TryWrite([]byte("b")))
		}
	})
}

func TestCorruptSizesAreAnErrorAndTheRingGoesOn(t *testing.T) {
	sides(t, 3, func(t *testing.T, r *Ring, p *Producer, c *Consumer) {
		for _, sizes := range []uint64{17, 0xffffffff, 1 << 32, 0xffff << 32} {
			check(t, p.TryWrite([]byte("x")))
			r.proto.Header(c.core.Pos.Idx).Sizes = proto.Sizes(sizes)
			_, err := c.TryRead()
			wantErr(t, err, ErrCorrupt)
			check(t, p.TryWrite([]byte("ok")))
			m := read(t, c)
			if string(m.Bytes()) != "ok" {
				t.Fatalf("got %q", m.Bytes())
			}
			m.Release()
		}
	})
}

func TestAWildHintDelaysButDoesNotHarm(t *testing.T) {
	r := heapRing(t, bytesPlan(3, 2, 2))
	p, c := r.heapProducer(1, Park), r.heapConsumer(1, Park)
	for i := range 8 {
		r.proto.Word64(layout.OffPutHint).Store(1 << 40)
		check(t, p.Write(bg, []byte{byte(i)}))
		r.proto.Word64(layout.OffTakeHint).Store(1<<63 + 12345)
		m, err := c.Read(bg)
		check(t, err)
		if m.Bytes()[0] != byte(i) {
			t.Fatalf("got %d, want %d", m.Bytes()[0], i)
		}
		m.Release()
	}
}

func TestWildWordsNeverHangAWalk(t *testing.T) {
	for _, w := range []uint64{1<<63 | 2, ^uint64(0), 7<<8 | 63<<2 | 2, 1<<8 | 1} {
		sides(t, 3, func(t *testing.T, r *Ring, p *Producer, c *Consumer) {
			for i := range uint64(3) {
				r.proto.Header(i).Word.Store(w)
			}
			ctx, cancel := context.WithTimeout(bg, 150*time.Millisecond)
			defer cancel()
			_ = p.Write(ctx, []byte("x"))
			_, _ = c.Read(ctx)
		})
	}
}

func TestSizesOutsideTheSlotAreRefused(t *testing.T) {
	r := heapRing(t, bytesPlan(2, 1, 1))
	p := r.heapProducer(1, Park)
	wantErr(t, p.TryWrite(make([]byte, 17)), ErrTooLarge)
	s, err := p.TryReserve()
	check(t, err)
	wantErr(t, s.SetLen(17), ErrTooLarge)
	wantErr(t, s.SetMeta("no room"), ErrTooLarge)
	wantErr(t, s.SetTensor(1, 2), ErrSchema)
	f := heapRing(t, layout.Plan{Schema: layout.Array[float32](2, 2), Slots: 2})
	wantErr(t, f.heapProducer(1, Park).TryWrite(make([]byte, 12)), ErrSchema)
}

// TestStress runs every shape with small rings: numbered messages, each must come
// exactly once, in order per producer, and whole.
func TestStress(t *testing.T) {
	total := 30000
	if testing.Short() {
		total = 3000
	}
	for _, n := range [][3]int{{1, 1, 2}, {1, 1, 64}, {1, 3, 2}, {1, 3, 10}, {3, 1, 2}, {3, 1, 10}, {3, 3, 2}, {3, 3, 10}} {
		t.Run(fmt.Sprintf("%dto%d-%dslots", n[0], n[1], n[2]), func(t *testing.T) {
			stress(t, n[0], n[1], n[2], total)
		})
	}
}

func stress(t *testing.T, producers, consumers, slots, total int) {
	r := heapRing(t, bytesPlan(slots, producers, consumers))
	each := total / producers
	seen := make([]atomic.Uint32, producers*each)
	var pw, cw sync.WaitGroup
	for i := range producers {
		p := r.heapProducer(i+1, Strategy(i%3))
		pw.Go(func() {
			for k := range each {
				if k%97 == 5 {
					s, err := p.Reserve(bg)
					if err != nil {
						t.Error(err)
						return
					}
					s.Abort()
				}
				var b [16]byte
				binary.LittleEndian.PutUint64(b[:], uint64(i*each+k))
				binary.LittleEndian.PutUint64(b[8:], ^uint64(i*each+k))
				if err := p.Write(bg, b[:]); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range consumers {
		c := r.heapConsumer(i+1, Strategy(i%3))
		cw.Go(func() {
			n := 0
			for m, err := range c.Messages(bg) {
				if err != nil {
					t.Error(err)
					return
				}
				v := binary.LittleEndian.Uint64(m.Bytes())
				if v >= uint64(len(seen)) || binary.LittleEndian.Uint64(m.Bytes()[8:]) != ^v {
					t.Errorf("torn message %x", m.Bytes())
					return
				}
				if n++; n%53 == 0 && m.Redelivered() == 0 {
					m.Requeue()
					continue
				}
				seen[v].Add(1)
			}
		})
	}
	pw.Wait()
	check(t, r.Shutdown())
	cw.Wait()
	for i := range seen {
		if n := seen[i].Load(); n != 1 {
			t.Fatalf("message %d came %d times", i, n)
		}
	}
}

// Messages longer than the pieces they are copied in arrive whole.
func TestLongMessages(t *testing.T) {
	const size = 3*cachedCopy + 5
	r, _ := tempRing(t, "long", layout.Bytes(size), Slots(2))
	p, err := r.Producer()
	check(t, err)
	c, err := r.Consumer()
	check(t, err)
	want := make([]byte, size)
	for i := range want {
		want[i] = byte(i * 31 >> 4)
	}
	check(t, p.Write(t.Context(), want[:1]))
	m, err := c.Read(t.Context())
	check(t, err)
	check(t, m.Release())
	s, err := p.Reserve(t.Context())
	check(t, err)
	wantErr(t, s.CopyFrom(make([]byte, size+1)), ErrTooLarge)
	check(t, s.CopyFrom(want))
	s.Commit()
	check(t, p.Write(t.Context(), want))
	for range 2 {
		checkLong(t, c, want)
	}
}

func checkLong(t *testing.T, c *Consumer, want []byte) {
	t.Helper()
	m, err := c.Read(t.Context())
	check(t, err)
	got := make([]byte, len(want))
	if n := m.CopyTo(got); n != len(want) || !bytes.Equal(got, want) {
		t.Errorf("%d of %d bytes arrived, or others", n, len(want))
	}
	if n := m.CopyTo(got[:7]); n != 7 {
		t.Errorf("%d bytes fit into 7", n)
	}
	check(t, m.Release())
}
