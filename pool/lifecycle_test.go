package pool_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/goring/goring"
	"example.com/goring/pool"
)

// alive reports whether a process runs and is no zombie.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(b), ") Z ")
}

// until waits until condition holds.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came to this: %s", what)
		}
	}
}

func stats(t *testing.T, p *pool.Pool) pool.Stats {
	t.Helper()
	s, err := p.Stats()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func allReady(p *pool.Pool) bool {
	s, err := p.Stats()
	for _, w := range s.Workers {
		err = errors.Join(err, map[bool]error{false: errors.New(w.Name)}[w.Ready])
	}
	return err == nil
}

func TestAKilledWorkersRequestGoesToAnother(t *testing.T) {
	p, _ := start(t, "workers:slow")
	answer := make(chan int, 1)
	go func() { answer <- value[int](t, p, "0.5", nil) }()
	victim := 0
	until(t, "a worker has taken it", func() bool { return stats(t, p).Taken == 1 })
	for _, pid := range pids(p) { // the busy one of them is not known: kill both in turn
		victim = pid
		_ = syscall.Kill(pid, syscall.SIGKILL)
		break
	}
	got := <-answer
	if got == victim {
		t.Errorf("the dead worker %d answered", victim)
	}
	until(t, "the dead one is replaced", func() bool { return allReady(p) && stats(t, p).Restarts == 1 })
}

func pids(p *pool.Pool) (all []int) {
	s, _ := p.Stats()
	for _, w := range s.Workers {
		if w.PID != 0 {
			all = append(all, w.PID)
		}
	}
	return all
}

func TestAPoisonousRequestIsGivenUp(t *testing.T) {
	p, _ := start(t, "workers:die", func(c *pool.Config) { c.MaxAttempts = 2 })
	_, err := p.Call(soon(t), []byte("kill"), nil)
	if !errors.Is(err, pool.ErrPoison) || !strings.Contains(err.Error(), "2 workers died") {
		t.Fatalf("%v", err)
	}
	if got := value[int](t, p, "ok", nil); got == 0 {
		t.Error("the pool is not well afterwards")
	}
	if s := stats(t, p); s.Restarts != 2 || s.Poisoned != 1 {
		t.Errorf("%v", s)
	}
}

func TestAHangingWorkerIsReplaced(t *testing.T) {
	p, log := start(t, "workers:slow", func(c *pool.Config) { c.WorkerTimeout, c.MaxAttempts = 300*time.Millisecond, 2 })
	if _, err := p.Call(soon(t), []byte("30"), nil); !errors.Is(err, pool.ErrPoison) {
		t.Fatalf("%v", err)
	}
	if s := stats(t, p); s.Hangs != 2 {
		t.Errorf("%d hangs, want 2", s.Hangs)
	}
	if got := value[int](t, p, "0.05", nil); got == 0 {
		t.Error("the pool is not well afterwards")
	}
	if !strings.Contains(log.String(), "worker hangs and is killed") {
		t.Error("the log does not say so")
	}
}

func TestACallBeyondItsDeadlineFreesItsSlot(t *testing.T) {
	p, _ := start(t, "workers:slow", func(c *pool.Config) { c.Workers, c.Slots = 1, 4 })
	busy, err := p.Submit(soon(t), []byte("0.6"), nil)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the worker is busy", func() bool { return stats(t, p).Taken == 1 })
	cause := errors.New("the visitor has left")
	ctx, cancel := context.WithTimeoutCause(context.Background(), 50*time.Millisecond, cause)
	defer cancel()
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if _, err := p.Call(ctx, []byte("9"), nil); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, cause) {
				t.Errorf("a call beyond its deadline: %v", err)
			}
		})
	}
	all.Wait()
	if s := stats(t, p); s.Waiting != 0 || s.InFlight != 1 || s.Abandoned != 3 {
		t.Errorf("%+v", s)
	}
	if _, err := busy.Wait(soon(t)); err != nil {
		t.Error(err)
	}
	if got := value[int](t, p, "0", nil); got == 0 { // the abandoned requests for 9 s are never run
		t.Error("no answer")
	}
}

func TestAFullPoolRejectsOrWaits(t *testing.T) {
	p, _ := start(t, "workers:slow", func(c *pool.Config) { c.Workers, c.Slots, c.Full = 1, 2, pool.Reject })
	var first []*pool.Pending
	for range 2 {
		q, err := p.Submit(soon(t), []byte("0.3"), nil)
		if err != nil {
			t.Fatal(err)
		}
		first = append(first, q)
	}
	if _, err := p.Call(soon(t), []byte("0"), nil); !errors.Is(err, goring.ErrFull) {
		t.Errorf("a full pool: %v", err)
	}
	for _, q := range first {
		if _, err := q.Wait(soon(t)); err != nil {
			t.Error(err)
		}
	}
	if got := value[int](t, p, "0", nil); got == 0 {
		t.Error("no answer")
	}
}

func TestACanceledSubmission(t *testing.T) {
	p, _ := start(t, "workers:slow")
	q, err := p.Submit(soon(t), []byte("0.2"), nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Cancel()
	q.Cancel()
	if _, err := q.Wait(soon(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestCloseAnswersWhatIsInHand(t *testing.T) {
	p, _ := start(t, "workers:slow", func(c *pool.Config) { c.Workers = 1 })
	var pending []*pool.Pending
	for range 3 {
		q, err := p.Submit(soon(t), []byte("0.1"), nil)
		if err != nil {
			t.Fatal(err)
		}
		pending = append(pending, q)
	}
	was := pids(p)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for _, q := range pending {
		if _, err := q.Wait(soon(t)); err != nil {
			t.Errorf("in hand when the pool was closed: %v", err)
		}
	}
	if _, err := p.Call(soon(t), []byte("0"), nil); !errors.Is(err, pool.ErrClosed) {
		t.Errorf("a call of a closed pool: %v", err)
	}
	for _, pid := range was {
		if alive(pid) {
			t.Errorf("worker %d is still there", pid)
		}
	}
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	log := &logs{}
	c := config(t, "workers:slow", log)
	c.DrainTimeout = 200 * time.Millisecond
	p, err := pool.New(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	q, err := p.Submit(soon(t), []byte("60"), nil)
	if err != nil {
		t.Fatal(err)
	}
	was := pids(p)
	begun := time.Now()
	if err := p.Close(); !errors.Is(err, pool.ErrClosed) || !strings.Contains(err.Error(), "1 calls were not answered") {
		t.Errorf("close: %v", err)
	}
	if _, err := q.Wait(soon(t)); !errors.Is(err, pool.ErrClosed) {
		t.Errorf("the call that was not answered: %v", err)
	}
	if took := time.Since(begun); took > 6*time.Second {
		t.Errorf("it took %v", took)
	}
	for _, pid := range was {
		if alive(pid) {
			t.Errorf("worker %d is still there", pid)
		}
	}
}

func TestTheEndOfTheContextClosesThePool(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	p, err := pool.New(ctx, config(t, "workers:echo", &logs{}))
	if err != nil {
		t.Fatal(err)
	}
	was := pids(p)
	cancel()
	until(t, "the workers have ended", func() bool { return !alive(was[0]) && !alive(was[1]) })
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestWorkersAreRecycled(t *testing.T) {
	p, _ := start(t, "workers:pid", func(c *pool.Config) { c.Workers, c.MaxRequests = 1, 5 })
	seen := map[int]int{}
	for range 15 {
		seen[value[int](t, p, "x", nil)]++
	}
	if len(seen) != 3 {
		t.Errorf("processes and their requests: %v, want 3 of 5 each", seen)
	}
	if s := stats(t, p); s.Restarts != 0 {
		t.Errorf("leaving when told to counts as %d restarts", s.Restarts)
	}
}

func TestAWorkerThatUsesTooMuchMemoryIsReplaced(t *testing.T) {
	p, _ := start(t, "workers:hog", func(c *pool.Config) { c.Workers, c.MaxMemory = 1, 400<<20 })
	first := value[int](t, p, "x", nil)
	until(t, "another process answers", func() bool {
		time.Sleep(50 * time.Millisecond)
		return value[int](t, p, "x", nil) != first
	})
}

func TestSIGTERMLetsAWorkerFinishItsRequest(t *testing.T) {
	p, _ := start(t, "workers:slow", func(c *pool.Config) { c.Workers = 1 })
	was := pids(p)[0]
	answer := make(chan int, 1)
	go func() { answer <- value[int](t, p, "0.4", nil) }()
	until(t, "the worker is busy", func() bool { return stats(t, p).Taken == 1 })
	_ = syscall.Kill(was, syscall.SIGTERM)
	if got := <-answer; got != was {
		t.Errorf("process %d answered, not %d", got, was)
	}
	until(t, "it has left and is replaced", func() bool { return !alive(was) && allReady(p) })
}

func TestWithoutAnyWorkerCallsFailAndLaterRecover(t *testing.T) {
	dir := t.TempDir()
	module := filepath.Join(dir, "fragile.py")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(module, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("import os\ndef f(x):\n    os._exit(9)\n")
	p, _ := start(t, "fragile:f", func(c *pool.Config) { c.Dir, c.Workers, c.MaxAttempts = dir, 1, 10 })
	write("raise RuntimeError('gone')\n")
	_, err := p.Call(soon(t), []byte("x"), nil)
	var e *pool.StartError
	if !errors.As(err, &e) || !strings.Contains(err.Error(), "no worker is running: worker w0 cannot start: RuntimeError: gone") {
		t.Fatalf("%v", err)
	}
	write("def f(x):\n    return 5\n")
	until(t, "a worker runs again", func() bool {
		_, err := p.Call(soon(t), []byte("x"), nil)
		return err == nil
	})
}

// Workers are killed at random under load. Every call gets its own answer, and a request runs
// twice only when its worker was killed.
func TestRandomKills(t *testing.T) {
	span := 10 * time.Second
	if s := os.Getenv("GORING_TEST_KILLS"); s != "" {
		var err error
		if span, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	executed := filepath.Join(t.TempDir(), "executed")
	p, _ := start(t, "workers:noted", func(c *pool.Config) {
		c.Env = append(c.Env, "EXECUTED="+executed)
		c.Workers, c.MaxAttempts = 3, 255
	})
	ctx, cancel := context.WithTimeout(context.Background(), span)
	defer cancel()
	var callers sync.WaitGroup
	var calls atomic.Int64
	for i := range 8 {
		callers.Go(func() {
			for k := 0; ctx.Err() == nil; k++ {
				id := fmt.Sprintf("%d-%d", i, k)
				if got := value[[]byte](t, p, id, nil); string(got) != id {
					t.Errorf("%s was answered with %s", id, got)
				}
				calls.Add(1)
			}
		})
	}
	killed := map[int]bool{}
	for ctx.Err() == nil {
		time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
		w := stats(t, p).Workers[rand.IntN(3)]
		if w.Ready && syscall.Kill(w.PID, syscall.SIGKILL) == nil {
			killed[w.PID] = true
		}
	}
	callers.Wait()
	twice := checkExecutions(t, executed, int(calls.Load()), killed)
	t.Logf("%v: %d calls answered once each, %d workers killed, %d requests executed again, %v", span, calls.Load(), len(killed), twice, stats(t, p))
}

// checkExecutions reads which process executed which request, and returns how many requests ran
// more than once.
func checkExecutions(t *testing.T, path string, calls int, killed map[int]bool) (twice int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	by := map[string][]int{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		id, pid, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.Atoi(pid)
		if err != nil {
			t.Fatal(err)
		}
		by[id] = append(by[id], n)
	}
	if len(by) != calls {
		t.Errorf("%d requests were executed, %d answered", len(by), calls)
	}
	for id, all := range by {
		if len(all) > 1 {
			twice++
		}
		for _, pid := range all[:len(all)-1] {
			if !killed[pid] {
				t.Errorf("%s was executed by %v; %d was not killed", id, all, pid)
			}
		}
	}
	return twice
}
