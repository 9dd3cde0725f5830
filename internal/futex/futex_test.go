package futex

import (
	"sync/atomic"
	"testing"
	"time"
)

func newEvent() Event { return Event{new(atomic.Uint32), new(atomic.Uint32)} }

func TestWaitReturnsAtOnceWhenTheWordDiffers(t *testing.T) {
	var w atomic.Uint32
	w.Store(2)
	start := time.Now()
	Wait(&w, 1, 10*time.Second)
	if d := time.Since(start); d > 5*time.Second {
		t.Fatalf("slept %v on a word that had changed", d)
	}
}

func TestSleepEndsWithItsSlice(t *testing.T) {
	e := newEvent()
	start := time.Now()
	e.Sleep(e.Prepare(), 5*time.Millisecond)
	if d := time.Since(start); d < 4*time.Millisecond {
		t.Fatalf("returned after %v, before the slice of 5ms ended, with nobody to wake it", d)
	}
}

func TestNotifyWithoutSleeperTouchesNothing(t *testing.T) {
	e := newEvent()
	e.Notify()
	if v := e.Ev.Load(); v != 0 {
		t.Fatalf("ev = %d, want 0: a wake was sent to nobody", v)
	}
}

func TestNotifyAfterPrepareMakesTheTicketStale(t *testing.T) {
	e := newEvent()
	ticket := e.Prepare()
	e.Notify()
	if e.Waiting.Load() != 0 {
		t.Fatal("the waiting flag stayed up")
	}
	start := time.Now()
	e.Sleep(ticket, 10*time.Second)
	if d := time.Since(start); d > 5*time.Second {
		t.Fatalf("a wake between Prepare and Sleep was lost for %v", d)
	}
}

// One side stores and notifies, the other prepares, looks and sleeps. Its slices
// are so long that only a lost wake-up makes it sleep through one.
func TestNoWakeUpIsLost(t *testing.T) {
	const slice = 5 * time.Second
	var word atomic.Uint64
	ping, pong := newEvent(), newEvent()
	await := func(e Event, want uint64) {
		for word.Load() < want {
			ticket := e.Prepare()
			if word.Load() >= want {
				return
			}
			start := time.Now()
			e.Sleep(ticket, slice)
			if time.Since(start) >= slice {
				t.Errorf("slept for %v beside a wake-up for %d", slice, want)
			}
		}
	}
	const rounds = 20000
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := uint64(0); i < rounds; i++ {
			await(ping, 2*i+1)
			word.Store(2*i + 2)
			pong.Notify()
		}
	}()
	for i := uint64(0); i < rounds; i++ {
		word.Store(2*i + 1)
		ping.Notify()
		await(pong, 2*i+2)
	}
	<-done
}
