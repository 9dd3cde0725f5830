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

// worker is one place in the pool, and the process that fills it now.
type worker struct {
	p     *Pool
	index int
	name  string

	mu      sync.Mutex
	process *process // nil while none runs
	last    error    // why the one before ended
	starts  int
	failed  int // starts in a row that did not become ready
}

// process is one run of a worker.
type process struct {
	cmd      *exec.Cmd
	life     *os.File // its standard input; closing it tells the worker that we are gone
	output   *output
	started  time.Time
	ready    bool
	consumer int           // its seat in the request ring, once ready
	hung     bool          // it was killed for that
	exited   chan struct{} // closed when it has ended and its seats are free
}

func newWorker(p *Pool, index int) *worker {
	return &worker{p: p, index: index, name: fmt.Sprintf("w%d", index)}
}

func (p *Pool) nameOf(index int) string {
	if index < len(p.workers) {
		return p.workers[index].name
	}
	return fmt.Sprintf("w%d", index)
}

// supervise keeps the place filled until the pool drains. The outcome of the first
// start goes to first.
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
			continue // it left because it was told to
		}
		w.note(err)
		if !w.pause() {
			return
		}
	}
	report(ErrClosed)
}

// start starts a process and waits until it is ready. Its error is a *StartError.
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

// spawn starts a process. The pipe is its status line.
func (w *worker) spawn() (run *process, statusLine *os.File, err error) {
	var open []*os.File
	defer func() {
		for _, f := range open { // the child's ends, and everything when it did not start
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
		own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return nil, nil, err
		}
		rings[i] = os.NewFile(uintptr(own), "ring")
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
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the terminal's signals are for us
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

// reap waits for the end of a process, and then frees what it held in the rings.
func (w *worker) reap(run *process) {
	_ = run.cmd.Wait()
	run.output.wait()
	_ = run.life.Close()
	for _, ring := range []interface{ Reap() (int, error) }{w.p.requests, w.p.results} {
		if _, err := ring.Reap(); err != nil {
			w.p.log.Error("what a worker left cannot be repaired", "worker", w.name, "error", err)
		}
	}
	w.mu.Lock()
	w.process = nil
	w.mu.Unlock()
	close(run.exited)
}

// outlive waits for the end of a ready process; the error says why it ended if it was
// not meant to.
func (w *worker) outlive(run *process) error {
	<-run.exited
	state := run.cmd.ProcessState
	if state.Success() || w.p.isDraining() {
		w.p.log.Info("worker has left", "worker", w.name, "after", time.Since(run.started).Round(time.Millisecond))
		return nil
	}
	if time.Since(run.started) > longestBackup {
		w.mu.Lock()
		w.failed = 0
		w.mu.Unlock()
	}
	return fmt.Errorf("worker %s died: %s", w.name, state)
}

// note remembers and logs why a process ended or did not start. When nobody else runs,
// those who wait for an answer are told.
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

// startsBeforeDown is how many starts in a row must fail before calls are told so.
const startsBeforeDown = 3

// pause waits before the next start, longer each time; false when the pool drains. The
// first replacement comes at once.
func (w *worker) pause() bool {
	w.mu.Lock()
	failed := w.failed
	w.mu.Unlock()
	if failed <= 1 {
		return !w.p.isDraining()
	}
	select {
	case <-time.After(min(firstBackOff<<min(failed-2, 10), longestBackup)):
		return true
	case <-w.p.draining:
		return false
	}
}

// end waits for the process to leave a ring that is shut down, and kills it when that
// takes longer than d.
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

// kill ends a process, and what it has started itself.
func (r *process) kill() {
	if r.cmd.Process.Kill() == nil { // it is not waited for yet: its number is still its own
		_ = unix.Kill(-r.cmd.Process.Pid, unix.SIGKILL)
	}
}

// ready is how many workers take requests now.
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

func (p *Pool) isDraining() bool {
	select {
	case <-p.draining:
		return true
	default:
		return false
	}
}
