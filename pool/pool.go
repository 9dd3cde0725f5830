// Package pool feeds Python workers from a Go program at shared-memory speed.
//
// A pool starts Python processes, hands them requests on one ring and takes their
// results from another. A worker may hang, run out of memory or be killed: its
// request goes to another one, and a new worker takes its place. The caller gets
// exactly one answer.
//
//	p, err := pool.New(ctx, pool.Config{Worker: "faces:find", Request: layout.Bytes(1 << 20)})
//	r, err := p.Call(ctx, picture, nil)
//	err = r.Decode(&faces)
//
// The Python side is a function; see goring.worker in the Python package:
//
//	def find(picture): ...
package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"example.com/goring/goring"
	"example.com/goring/internal/ctxerr"
)

// Pool is a set of Python workers. Its methods may be called from any goroutine.
type Pool struct {
	cfg      Config
	log      *slog.Logger
	requests *goring.Ring
	results  *goring.Ring
	producer *goring.Producer
	turn     chan struct{} // the producer is for one goroutine at a time
	consumer *goring.Consumer
	returned chan struct{} // a lent result came back

	calls   calls
	workers []*worker
	counts  counts
	down    atomic.Pointer[StartError] // why no worker can be started, while that is so

	closing  chan struct{} // no new calls
	draining chan struct{} // workers are not replaced any more
	ended    chan struct{} // Close has returned
	close    sync.Once
	failure  error // of Close
	running  sync.WaitGroup
}

// New starts a pool and waits until every worker is ready. When a worker cannot start,
// New stops the others and fails with a [*StartError] that carries Python's own words.
//
// When ctx ends the pool closes as [Pool.Close] does: give it the context of
// signal.NotifyContext, and SIGTERM drains the pool.
func New(ctx context.Context, cfg Config) (*Pool, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("pool of %q: %w", cfg.Worker, err)
	}
	p := &Pool{
		cfg: cfg, log: cfg.Logger,
		turn: make(chan struct{}, 1), returned: make(chan struct{}, 1),
		closing: make(chan struct{}), draining: make(chan struct{}), ended: make(chan struct{}),
	}
	p.calls.init()
	if err := p.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("pool of %q: %w", cfg.Worker, err), p.release())
	}
	p.running.Go(p.collect)
	if err := p.startAll(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("pool of %q: %w", cfg.Worker, err), p.Close())
	}
	if cfg.WorkerTimeout > 0 {
		p.running.Go(p.watchForHangs)
	}
	go func() {
		select {
		case <-ctx.Done():
			_ = p.Close()
		case <-p.closing:
		}
	}()
	return p, nil
}

// open makes the rings and joins them.
func (p *Pool) open() (err error) {
	c := &p.cfg
	request := []goring.Option{goring.Slots(c.Slots), goring.Consumers(max(c.Workers, 2)), goring.MaxMeta(c.MaxMeta)}
	if p.requests, err = goring.Create("", c.Request, request...); err != nil {
		return err
	}
	if p.results, err = goring.Create("", resultSchema(c.ResultBytes), goring.Slots(c.ResultSlots),
		goring.Producers(c.Workers), goring.MaxMeta(resultMeta), goring.Timestamps(false)); err != nil {
		return err
	}
	// Dead workers are replaced: their rings' waits go on.
	patient := []goring.Option{goring.As("pool"), goring.OnPeerDeath(goring.AwaitSuccessor)}
	if p.producer, err = p.requests.Producer(patient...); err != nil {
		return err
	}
	p.consumer, err = p.results.Consumer(patient...)
	return err
}

// startAll starts every worker and waits for the first start of each.
func (p *Pool) startAll(ctx context.Context) error {
	first := make(chan error, p.cfg.Workers)
	for i := range p.cfg.Workers {
		w := newWorker(p, i)
		p.workers = append(p.workers, w)
		p.running.Go(func() { w.supervise(first) })
	}
	for range p.workers {
		select {
		case err := <-first:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctxerr.Of(ctx)
		}
	}
	return nil
}

// Close refuses new calls, waits until those in hand are answered (for at most
// Config.DrainTimeout), ends the workers and gives the memory back. It may be called
// more than once. The error says how many calls were not answered in time; those fail
// with ErrClosed.
func (p *Pool) Close() error {
	p.close.Do(func() {
		defer close(p.ended)
		close(p.closing)
		limit := time.Now().Add(p.cfg.DrainTimeout)
		left := p.calls.drained(limit)
		if left > 0 {
			p.failure = fmt.Errorf("pool of %q: %d calls were not answered within %v: %w", p.cfg.Worker, left, p.cfg.DrainTimeout, ErrClosed)
		}
		close(p.draining)
		_ = p.requests.Shutdown() // workers take what is there, and end
		for _, w := range p.workers {
			w.end(max(time.Until(limit), killAfter))
		}
		_ = p.results.Shutdown() // and the collector
		p.running.Wait()
		p.calls.failAll(ErrClosed)
		p.turn <- struct{}{} // nobody is writing a request any more
		p.calls.using.Wait() // and nobody looks at a result in place
		p.failure = errors.Join(p.failure, p.release())
	})
	<-p.ended
	return p.failure
}

// killAfter is how long a worker that has nothing to do may take to end.
const killAfter = 2 * time.Second

// release gives back what open took.
func (p *Pool) release() error {
	var errs []error
	if p.producer != nil {
		errs = append(errs, p.producer.Close())
	}
	if p.consumer != nil {
		errs = append(errs, p.consumer.Close())
	}
	for _, r := range []*goring.Ring{p.requests, p.results} {
		if r != nil {
			errs = append(errs, r.Close())
		}
	}
	return errors.Join(errs...)
}
