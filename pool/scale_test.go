//go:build !race

package pool_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/goring/pool"
)

// resident returns a process's private memory in bytes, without shared memory.
func resident(t *testing.T, pid int) (own int) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			if _, err := fmt.Sscan(rest, &own); err != nil {
				t.Fatal(err)
			}
		}
	}
	return own << 10
}

// Ten thousand callers at once are answered, and memory does not grow with the number of requests,
// which GORING_TEST_SCALE sets.
func TestScale(t *testing.T) {
	requests, callers := int64(200_000), 10_000
	if s := os.Getenv("GORING_TEST_SCALE"); s != "" {
		var err error
		if requests, err = strconv.ParseInt(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	p, _ := start(t, "workers:echo", func(c *pool.Config) { c.Workers, c.Slots, c.ResultSlots = 4, 16384, 1024 })
	memory := func() (all int) {
		runtime.GC()
		for _, pid := range append(pids(p), os.Getpid()) {
			all += resident(t, pid)
		}
		return all
	}
	var sent atomic.Int64
	most := 0
	load := func(until int64) {
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				for {
					n := sent.Add(1)
					if n > until {
						return
					}
					want := strconv.FormatInt(n, 10)
					if r, err := p.Call(context.Background(), []byte(want), nil); err != nil || string(r.Bytes()) != want {
						t.Errorf("%s came back as %q, %v", want, r.Bytes(), err)
					}
				}
			})
		}
		done := make(chan struct{})
		go func() { all.Wait(); close(done) }()
		for {
			select {
			case <-done:
				return
			case <-time.After(2 * time.Millisecond):
				most = max(most, stats(t, p).InFlight)
			}
		}
	}
	load(requests / 2)
	sent.Store(requests / 2)
	before, begun := memory(), time.Now()
	load(requests)
	after, took := memory(), time.Since(begun)
	t.Logf("%d requests, %d in flight at most, %.0f a second; memory of the pool and its workers %d MiB before and %d MiB after the second half",
		requests, most, float64(requests/2)/took.Seconds(), before>>20, after>>20)
	if grown := after - before; grown > 32<<20 {
		t.Errorf("memory grew by %d bytes", grown)
	}
	if most < callers/2 {
		t.Errorf("only %d calls were in flight at once", most)
	}
}
