package goring

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/goring/internal/proto"
	"example.com/goring/layout"
)

// Rows of the fault list that need goroutines rather than processes; the others are in
// interop_tests/faults. `make soak` runs them longer.

// soak is n, or that many times more as GORING_SOAK says.
func soak(n int) int {
	factor, err := strconv.ParseFloat(os.Getenv("GORING_SOAK"), 64)
	if err != nil {
		factor = 1
	}
	return int(float64(n) * factor)
}

// shmDir is a rings' folder in shared memory, gone with the test.
func shmDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "goring-faults-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Row 9: of several processes that create a ring at once one wins, and none sees half a ring. Row
// 10: opening it meanwhile gives a whole ring or ErrNotExist.
func TestRow09And10CreatorsRace(t *testing.T) {
	dir, rounds := shmDir(t), soak(300)
	var opened, absent atomic.Int64
	for round := range rounds {
		var won atomic.Int64
		var racing sync.WaitGroup
		for range 4 {
			racing.Go(func() {
				r, err := Create("r", layout.Bytes(8), Dir(dir), Slots(2))
				switch {
				case err == nil:
					won.Add(1)
					_ = r.Close()
				case !errors.Is(err, ErrExist):
					t.Error(err)
				}
			})
			racing.Go(func() {
				r, err := Open("r", Dir(dir))
				switch {
				case err == nil:
					opened.Add(1)
					_ = r.Close()
				case errors.Is(err, ErrNotExist):
					absent.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		racing.Wait()
		if won.Load() != 1 || t.Failed() {
			t.Fatalf("round %d: %d creators won", round, won.Load())
		}
		if err := Unlink("r", Dir(dir)); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d rounds of 4 creators and 4 openers: %d opened it, %d found none, 0 half rings", rounds, opened.Load(), absent.Load())
}

// Row 26: with the slice out of the way, a wake that is lost is a hang.
func TestRow26NoWakeIsLost(t *testing.T) {
	defer func(old time.Duration) { proto.Slice = old }(proto.Slice)
	proto.Slice = time.Hour
	there, back := newRing(t, Slots(2)), newRing(t, Slots(2))
	p, c := produce(t, there), join(t, there, Wait(Park))
	q, d := produce(t, back), join(t, back, Wait(Park))
	n := soak(20_000)
	ctx := within(t, 5*time.Minute)
	done := make(chan error, 1)
	go func() {
		for range n {
			m, err := c.Read(ctx)
			if err == nil {
				_ = m.Release()
				err = q.Write(ctx, number(0))
			}
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for range n {
		if err := p.Write(ctx, number(0)); err != nil {
			t.Fatal(err)
		}
		m, err := d.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		_ = m.Release()
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Logf("%d pairs of parking and waking, 0 lost", n)
}

// Row 28: sleepers do not hold up the garbage collector.
func TestRow28CollectionsWithManySleepers(t *testing.T) {
	const sleepers = 48
	ctx, cancel := context.WithCancel(t.Context())
	var asleep sync.WaitGroup
	r := newRing(t, Producers(1), Consumers(sleepers))
	for range sleepers {
		c := join(t, r, Wait(Park))
		asleep.Go(func() {
			if _, err := c.Read(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	for range soak(50) {
		runtime.GC()
	}
	var stats debug.GCStats
	debug.ReadGCStats(&stats)
	worst := time.Duration(0)
	for _, pause := range stats.Pause {
		worst = max(worst, pause)
	}
	cancel()
	asleep.Wait()
	t.Logf("%d sleepers: longest pause of a collection %v", sleepers, worst)
	if worst > time.Second {
		t.Errorf("a collection paused the program for %v", worst)
	}
}

// Row 29: waits that are given up end soon, and leave no thread behind.
func TestRow29CancelledWaits(t *testing.T) {
	r := newRing(t)
	c := join(t, r, Wait(Park))
	n, late := soak(2000), time.Duration(0)
	if _, err := c.Read(within(t, time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	before := threads(t)
	for k := range n {
		ctx, cancel := context.WithCancel(t.Context())
		var cancelled time.Time
		go func() {
			time.Sleep(time.Duration(k%50) * time.Microsecond)
			cancelled = time.Now()
			cancel()
		}()
		if _, err := c.Read(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		<-ctx.Done()
		late = max(late, time.Since(cancelled))
	}
	after := threads(t)
	t.Logf("%d waits cancelled: at most %v late, %d threads before, %d after", n, late, before, after)
	if late > 5*time.Second || after > before+16 {
		t.Errorf("late by %v, %d threads more", late, after-before)
	}
}

func threads(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// Row 32: opening and closing leaves no descriptor, no mapping and no file.
func TestRow32NothingLeaks(t *testing.T) {
	dir := shmDir(t)
	cycle := func() {
		r, err := Create("r", layout.Array[uint8](4096), Dir(dir), Slots(4), Producers(2), Consumers(2))
		if err != nil {
			t.Fatal(err)
		}
		other, err := Open("r", Dir(dir))
		if err != nil {
			t.Fatal(err)
		}
		p, c := produce(t, r), join(t, other)
		if err := errors.Join(p.Close(), c.Close(), r.Unlink(), r.Close(), other.Close()); err != nil {
			t.Fatal(err)
		}
	}
	cycle()
	fds, maps := openDescriptors(t), mappings(t)
	n := soak(1000)
	for range n {
		cycle()
	}
	if f, m := openDescriptors(t), mappings(t); f != fds || m != maps {
		t.Errorf("%d descriptors and %d mappings of rings more after %d cycles", f-fds, m-maps, n)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	t.Logf("%d cycles of create, open, join, leave, close, unlink: nothing left", n)
}

// mappings are those of rings.
func mappings(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(b), "goring")
}
