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
	turn     chan struct{} // a lock of producer that can be waited for with a context
	consumer *goring.Consumer
	returned chan struct{} // signalled when a lent result has been released

	calls   calls
	workers []*worker
	counts  counts
	down    atomic.Pointer[StartError] // the reason why no worker can be started; nil when one can

	closing  chan struct{} // closed when new calls are refused
	draining chan struct{} // closed when workers are no longer replaced
	ended    chan struct{} // closed when Close is done
	close    sync.Once
	failure  error          // result of Close, valid when ended is closed
	running  sync.WaitGroup // the collector, the supervisors and the watch
}

// New starts a pool and waits until every worker is ready. It fails with ErrConfig for a bad
// field of cfg, with a [*StartError] that carries Python's error when a worker cannot start, and
// with the error of ctx when that ends first.
//
// When ctx ends later, the pool closes as [Pool.Close] does: with the context of
// signal.NotifyContext, SIGTERM drains the pool.
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

// open creates the rings and joins them.
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
	// Dead workers are replaced, so their death ends no wait.
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

// Close refuses new calls, waits at most Config.DrainTimeout until those in flight are answered,
// ends the workers and releases the memory. Calls not answered in time fail with ErrClosed, and
// Close fails with ErrClosed and their number. Further calls of Close wait and return the same.
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
		_ = p.requests.Shutdown() // workers answer the requests that wait, and end
		for _, w := range p.workers {
			w.end(max(time.Until(limit), killAfter))
		}
		_ = p.results.Shutdown() // ends the collector
		p.running.Wait()
		p.calls.failAll(ErrClosed)
		p.turn <- struct{}{} // no request is being written any more
		p.calls.using.Wait() // no result is being read in place any more
		p.failure = errors.Join(p.failure, p.release())
	})
	<-p.ended
	return p.failure
}

// killAfter is the least time that a worker is given to end.
const killAfter = 2 * time.Second

// release leaves and closes the rings that open has joined.
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
