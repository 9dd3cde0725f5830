package pool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example.com/goring/layout"
)

// worker is one of the pool's places for worker processes, which follow each other in it.
type worker struct {
	p     *Pool
	index int
	name  string

	mu      sync.Mutex
	process *process // the process now; nil while none runs
	last    error    // the reason why the previous process ended
	starts  int      // number of processes started
	failed  int      // number of failures in a row
}

// process is one process of a worker. The worker's mutex guards ready, consumer and hung.
type process struct {
	cmd      *exec.Cmd
	life     *os.File // closing it ends the process's standard input, the sign that the pool is gone
	output   *output
	started  time.Time
	ready    bool          // it takes requests
	consumer int           // its seat in the request ring, once ready
	hung     bool          // it was killed because of Config.WorkerTimeout
	exited   chan struct{} // closed when it has ended and its seats have been reaped
}

func newWorker(p *Pool, index int) *worker {
	return &worker{p: p, index: index, name: fmt.Sprintf("w%d", index)}
}

// nameOf returns the name of the worker with that index, which a worker has sent.
func (p *Pool) nameOf(index int) string {
	if index < len(p.workers) {
		return p.workers[index].name
	}
	return fmt.Sprintf("w%d", index)
}

// supervise starts a process whenever none runs, until the pool drains. It sends the outcome of
// the first start to first.
func (w *worker) supervise(first chan<- error) {
	report := func(err error) {
		if first != nil {
			first <- err
			first = nil
		}
	}
	for !w.p.isDraining() {
		run, err := w.start()
		report(err)
		if err == nil {
			w.p.down.Store(nil)
			err = w.outlive(run)
		}
		if err == nil {
			continue // the process has left as it was told
		}
		w.note(err)
		if !w.pause() {
			return
		}
	}
	report(ErrClosed)
}

// start starts a process and waits until it is ready. It fails with a *StartError.
func (w *worker) start() (*process, error) {
	run, pipe, err := w.spawn()
	if err != nil {
		return nil, &StartError{Worker: w.name, Message: err.Error()}
	}
	defer func() { _ = pipe.Close() }()
	limit := time.AfterFunc(w.p.cfg.StartTimeout, func() { run.kill() })
	s, err := readStatus(pipe)
	late := !limit.Stop()
	if err == nil && s.Ready != nil {
		w.mu.Lock()
		run.ready, run.consumer, w.failed = true, s.Ready.Consumer, 0
		w.mu.Unlock()
		w.p.log.Info("worker is ready", "worker", w.name, "pid", run.cmd.Process.Pid)
		return run, nil
	}
	run.kill()
	<-run.exited
	failure := s.Error
	if failure == nil {
		failure = &StartError{Message: run.cmd.ProcessState.String()}
	}
	switch {
	case late:
		failure.Message = fmt.Sprintf("not ready within %v", w.p.cfg.StartTimeout)
	case err != nil && !errors.Is(err, io.EOF):
		failure.Message = err.Error()
	}
	failure.Worker, failure.Output = w.name, run.output.tail()
	return nil, failure
}

// spawn starts a process and returns the pipe with its status line.
func (w *worker) spawn() (run *process, statusLine *os.File, err error) {
	var open []*os.File
	defer func() {
		for _, f := range open { // the child's ends; on failure, both ends
			_ = f.Close()
		}
	}()
	pipe := func() (r, out *os.File) {
		if err == nil {
			r, out, err = os.Pipe()
		}
		if err == nil {
			open = append(open, r, out)
		}
		return r, out
	}
	stdin, life := pipe()
	statusLine, statusEnd := pipe()
	printed, printEnd := pipe()
	if err != nil {
		return nil, nil, err
	}
	var rings [2]*os.File
	for i, fd := range []int{w.p.requests.FD(), w.p.results.FD()} {
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return nil, nil, err
		}
		rings[i] = os.NewFile(uintptr(dup), "ring")
		open = append(open, rings[i])
	}
	c := &w.p.cfg
	cmd := exec.Command(c.Python, "-m", "goring.worker", c.Worker, "--pool", options{
		Name: w.name, Index: w.index, MaxAttempts: c.MaxAttempts, Batch: c.Batch, BatchWait: c.BatchWait.Seconds(),
		MaxRequests: c.MaxRequests, MaxMemory: c.MaxMemory,
	}.String())
	cmd.Dir, cmd.Env = c.Dir, append(os.Environ(), c.Env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, printEnd, printEnd
	cmd.ExtraFiles = []*os.File{
		layout.FDRequests - firstExtra: rings[0], layout.FDResults - firstExtra: rings[1], layout.FDStatus - firstExtra: statusEnd,
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // keeps the terminal's signals from it
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	open = []*os.File{stdin, statusEnd, printEnd, rings[0], rings[1]}
	run = &process{cmd: cmd, life: life, output: newOutput(w.p.log, w.name), started: time.Now(), exited: make(chan struct{})}
	w.mu.Lock()
	w.process = run
	w.starts++
	w.mu.Unlock()
	go run.output.forward(printed)
	go w.reap(run)
	return run, statusLine, nil
}

// reap waits for the end of a process, then reaps its seats in both rings.
func (w *worker) reap(run *process) {
	_ = run.cmd.Wait()
	run.output.wait()
	_ = run.life.Close()
	for _, ring := range []interface{ Reap() (int, error) }{w.p.requests, w.p.results} {
		if _, err := ring.Reap(); err != nil {
			w.p.log.Error("cannot reap a worker's seat", "worker", w.name, "error", err)
		}
	}
	w.mu.Lock()
	w.process = nil
	w.mu.Unlock()
	close(run.exited)
}

// outlive waits for the end of a ready process. It returns nil when the process left as it was
// told, otherwise how it ended.
func (w *worker) outlive(run *process) error {
	<-run.exited
	state := run.cmd.ProcessState
	if state.Success() || w.p.isDraining() {
		w.p.log.Info("worker has left", "worker", w.name, "after", time.Since(run.started).Round(time.Millisecond))
		return nil
	}
	if time.Since(run.started) > longestBackOff {
		w.mu.Lock()
		w.failed = 0
		w.mu.Unlock()
	}
	return fmt.Errorf("worker %s died: %s", w.name, state)
}

// note records and logs why a process ended or did not start. When no worker is left that can be
// started, it fails all waiting calls.
func (w *worker) note(err error) {
	w.mu.Lock()
	w.last = err
	w.failed++
	failed := w.failed
	w.mu.Unlock()
	w.p.counts.restarts.Add(1)
	w.p.log.Warn("worker is replaced", "worker", w.name, "error", err)
	var cannot *StartError
	if errors.As(err, &cannot) && failed >= startsBeforeDown && w.p.ready() == 0 {
		w.p.down.Store(cannot)
		w.p.calls.failAll(fmt.Errorf("no worker is running: %w", cannot))
	}
}

// startsBeforeDown is the number of failed starts in a row after which calls fail.
const startsBeforeDown = 3

// pause waits before the next start, twice as long each time and not at all the first time. It
// reports false when the pool drains.
func (w *worker) pause() bool {
	w.mu.Lock()
	failed := w.failed
	w.mu.Unlock()
	if failed <= 1 {
		return !w.p.isDraining()
	}
	select {
	case <-time.After(min(firstBackOff<<min(failed-2, 10), longestBackOff)):
		return true
	case <-w.p.draining:
		return false
	}
}

// end waits until the process has left the rings, which are shut down, and kills it after d.
func (w *worker) end(d time.Duration) {
	w.mu.Lock()
	run := w.process
	w.mu.Unlock()
	if run == nil {
		return
	}
	select {
	case <-run.exited:
		return
	case <-time.After(d):
	}
	w.p.log.Warn("worker did not end", "worker", w.name, "within", d)
	run.kill()
	<-run.exited
}

// kill kills a process and its process group.
func (r *process) kill() {
	if r.cmd.Process.Kill() == nil { // not waited for yet, so the pid is not reused
		_ = unix.Kill(-r.cmd.Process.Pid, unix.SIGKILL)
	}
}

// ready returns how many workers take requests now.
func (p *Pool) ready() (n int) {
	for _, w := range p.workers {
		w.mu.Lock()
		if w.process != nil && w.process.ready {
			n++
		}
		w.mu.Unlock()
	}
	return n
}

// isDraining reports whether Close has stopped the replacement of workers.
func (p *Pool) isDraining() bool {
	select {
	case <-p.draining:
		return true
	default:
		return false
	}
}
