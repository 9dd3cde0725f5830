package goring

import (
	"context"
	"testing"
	"time"

	"example.com/goring/internal/shm"
	"example.com/goring/layout"
)

// kill drops a seat's lock as the kernel does when its process dies.
func kill(t *testing.T, s *Seat) {
	t.Helper()
	if err := shm.Unlock(s.fd, layout.LockBase+int64(s.number)); err != nil {
		t.Fatal(err)
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestAWaitingConsumerGetsWhatADeadOneHadTaken(t *testing.T) {
	r := newRing(t, Consumers(2))
	p, dead, c := produce(t, r), join(t, r), join(t, r)
	put(t, p, 0, 2)
	if m, err := dead.TryRead(); err != nil || m.Seq() != 0 {
		t.Fatal(m, err)
	}
	kill(t, dead.seat)
	expect(t, c, 1, 2)
	m, err := c.Read(within(t, 5*time.Second))
	if err != nil || m.Seq() != 0 || m.Redelivered() != 1 {
		t.Fatalf("message %d, redelivered %d, %v; want message 0 again", m.Seq(), m.Redelivered(), err)
	}
	e := r.proto.Seat(dead.seat.number)
	if e.State.Load() != layout.PartFree || e.Flags.Load() != layout.PartDied {
		t.Errorf("the dead one's seat has state %d and flags %d", e.State.Load(), e.Flags.Load())
	}
}

func TestAWaitingConsumerSkipsWhatADeadProducerWasWriting(t *testing.T) {
	r := newRing(t, Producers(2))
	dead, p, c := produce(t, r), produce(t, r), join(t, r)
	if _, err := dead.TryReserve(); err != nil {
		t.Fatal(err)
	}
	put(t, p, 1, 2)
	kill(t, dead.seat)
	if m, err := c.Read(within(t, 5*time.Second)); err != nil || m.Seq() != 1 {
		t.Fatalf("message %d, %v; want 1", m.Seq(), err)
	}
}

func TestAWaitingProducerForgetsADeadBroadcastConsumer(t *testing.T) {
	r := newBroadcast(t, layout.ModeBroadcast, Slots(2))
	p, dead, c := produce(t, r), join(t, r), join(t, r)
	put(t, p, 0, 2)
	expect(t, c, 0, 2)
	kill(t, dead.seat)
	if err := p.Write(within(t, 5*time.Second), number(2)); err != nil {
		t.Fatal(err)
	}
	expect(t, c, 2, 3)
}

func TestReapOnRequest(t *testing.T) {
	r := newRing(t, Consumers(3))
	p, a, b, c := produce(t, r), join(t, r), join(t, r), join(t, r)
	put(t, p, 0, 2)
	for _, dead := range []*Consumer{a, b} {
		if _, err := dead.TryRead(); err != nil {
			t.Fatal(err)
		}
		kill(t, dead.seat)
	}
	if n, err := r.Reap(); n != 2 || err != nil {
		t.Fatalf("reaped %d, %v; want 2", n, err)
	}
	if n, err := r.Reap(); n != 0 || err != nil {
		t.Fatalf("reaped %d, %v the second time", n, err)
	}
	expect(t, c, 0, 2)
}

func TestRetractOrTakenNeverBoth(t *testing.T) {
	r := newRing(t, Slots(4), Consumers(2))
	p, c := produce(t, r), join(t, r)
	put(t, p, 0, 4)
	expect(t, c, 0, 1)
	if !p.Retract(2) || p.Retract(2) || p.Retract(0) {
		t.Fatal("message 2 can be taken back once, message 0 is gone")
	}
	expect(t, c, 1, 2)
	m, err := c.TryRead()
	if err != nil || m.Seq() != 3 || p.Retract(3) {
		t.Fatalf("message %d, %v", m.Seq(), err)
	}
	put(t, p, 4, 7) // three slots are free, one of them by Retract
	_ = m.Release()
	expect(t, c, 4, 7)
	if alone := newRing(t); produce(t, alone).Retract(0) {
		t.Fatal("a message of a ring with one consumer was taken back")
	}
}
