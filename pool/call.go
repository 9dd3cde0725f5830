package pool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"example.com/goring/goring"
	"example.com/goring/internal/ctxerr"
)

// Call sends payload with metadata (msgpack; nil: none) to a worker, waits for the answer and
// returns a copy of it. It fails with
//
//   - the error of ctx when that ends, which matches both ctx.Err() and its cause;
//   - a [*RemoteError] when the function raised an exception;
//   - ErrPoison when the request killed or hung Config.MaxAttempts workers;
//   - ErrClosed when the pool is or gets closed;
//   - goring.ErrFull when all slots are taken and Config.Full is Reject;
//   - goring.ErrTooLarge or goring.ErrSchema when the payload or meta does not fit;
//   - a [*StartError] while no worker can be started.
//
// When ctx ends before a worker has begun with the request, the request is retracted.
func (p *Pool) Call(ctx context.Context, payload []byte, meta any) (Result, error) {
	c, err := p.submit(ctx, copyIn(payload, meta))
	if err != nil {
		return Result{}, err
	}
	return c.copied(ctx)
}

// Do is Call without copies: write fills the request's slot in place, and use reads the result in
// shared memory. The result is valid until use returns, so use must copy the bytes that it keeps.
// Do fails as Call does, and with the errors of write and use.
func (p *Pool) Do(ctx context.Context, write func(*goring.Slot) error, use func(Result) error) error {
	c, err := p.submit(ctx, write)
	if err != nil {
		return err
	}
	return c.wait(ctx, use)
}

// Submit sends a request as Call does and returns without waiting for the answer. It fails as Call
// does before the answer; ctx bounds the wait for a slot alone.
func (p *Pool) Submit(ctx context.Context, payload []byte, meta any) (*Pending, error) {
	c, err := p.submit(ctx, copyIn(payload, meta))
	if err != nil {
		return nil, err
	}
	q := &Pending{call: c, done: make(chan struct{})}
	go func() { // copies the result out of the ring as soon as it has arrived
		defer close(q.done)
		q.result, q.err = c.copied(context.Background())
	}()
	return q, nil
}

// Pending is a call that has been sent. Wait returns its answer.
type Pending struct {
	call   *call
	done   chan struct{}
	result Result
	err    error
}

// Done returns a channel that is closed when the answer has arrived.
func (q *Pending) Done() <-chan struct{} { return q.done }

// Wait waits for the answer and returns it, as often as it is called. It fails as Call does after
// the request was sent. ctx bounds this wait, not the call.
func (q *Pending) Wait(ctx context.Context) (Result, error) {
	select {
	case <-q.done:
		return q.result, q.err
	case <-ctx.Done():
		return Result{}, ctxerr.Of(ctx)
	}
}

// Cancel abandons the call. Wait then fails with context.Canceled, unless the answer had arrived.
func (q *Pending) Cancel() {
	if q.call.abandon() {
		q.call.answer <- answer{err: context.Canceled}
	}
}

// copyIn returns a function that copies payload and meta (nil: none) into a slot.
func copyIn(payload []byte, meta any) func(*goring.Slot) error {
	return func(s *goring.Slot) error {
		if err := s.CopyFrom(payload); err != nil {
			return err
		}
		if meta == nil {
			return nil
		}
		return s.SetMeta(meta)
	}
}

// call is one request that waits for its answer.
type call struct {
	p      *Pool
	tag    uint64      // names the call in [calls], in its request and in its answer
	seq    uint64      // number of the request's message in the request ring
	begun  time.Time   // time just before the commit
	answer chan answer // capacity one, so that the sender never blocks
}

// answer is the message of a result, which must be released, or the error that replaces it.
type answer struct {
	message goring.Message
	reply   reply
	err     error
}

// submit reserves a slot, lets write fill it, and commits it as the request of a new call.
func (p *Pool) submit(ctx context.Context, write func(*goring.Slot) error) (*call, error) {
	select {
	case p.turn <- struct{}{}:
	case <-p.closing:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctxerr.Of(ctx)
	}
	defer func() { <-p.turn }()
	if err := p.refusal(); err != nil {
		return nil, err
	}
	s, err := p.reserve(ctx)
	if err != nil {
		return nil, err
	}
	open := true
	defer func() {
		if open { // write has failed or panicked
			s.Abort()
		}
	}()
	if err := write(&s); err != nil {
		return nil, err
	}
	c := &call{p: p, seq: s.Seq(), begun: time.Now(), answer: make(chan answer, 1)}
	c.tag = p.calls.add(c) // before the commit: the answer may arrive at once
	s.SetTag(c.tag)
	s.Commit()
	open = false
	return c, nil
}

// refusal returns the error of a call made now, nil when the pool takes calls.
func (p *Pool) refusal() error {
	select {
	case <-p.closing:
		return ErrClosed
	default:
	}
	if down := p.down.Load(); down != nil {
		return fmt.Errorf("no worker is running: %w", down)
	}
	return nil
}

// reserve reserves a request slot as Config.Full says.
func (p *Pool) reserve(ctx context.Context) (goring.Slot, error) {
	if p.cfg.Full == Reject {
		return p.producer.TryReserve()
	}
	s, err := p.producer.Reserve(ctx)
	if errors.Is(err, goring.ErrShutdown) {
		err = ErrClosed
	}
	return s, err
}

// copied waits for the answer and returns a copy of it.
func (c *call) copied(ctx context.Context) (r Result, err error) {
	err = c.wait(ctx, func(lent Result) error {
		r = lent.clone()
		return nil
	})
	return r, err
}

// wait waits for the answer and lends it to use. When ctx ends first it abandons the call.
func (c *call) wait(ctx context.Context, use func(Result) error) error {
	select {
	case a := <-c.answer:
		return c.take(a, use)
	case <-ctx.Done():
	}
	if !c.abandon() { // the answer is being sent
		return c.take(<-c.answer, use)
	}
	return ctxerr.Of(ctx)
}

// abandon removes the call, retracts its request if no worker has begun with it, and reports
// whether it did. It reports false when the call has been answered.
func (c *call) abandon() bool {
	if c.p.calls.claim(c.tag) == nil {
		return false
	}
	defer c.p.calls.using.Done()
	c.p.producer.Retract(c.seq)
	c.p.counts.abandoned.Add(1)
	return true
}

// take lends the answer to use and then releases its message.
func (c *call) take(a answer, use func(Result) error) error {
	if a.err != nil {
		return a.err
	}
	defer c.p.returnLent(a.message)
	r, err := c.p.read(a.message, a.reply)
	if err != nil {
		return err
	}
	return use(r)
}

// calls holds the calls that wait for an answer.
type calls struct {
	mu   sync.Mutex
	idle sync.Cond        // signalled when no call is left
	all  map[uint64]*call // by tag
	next uint64           // the last tag given

	// using counts the claimed calls that still need the rings.
	using sync.WaitGroup
}

// init makes k ready for use.
func (k *calls) init() {
	k.all = map[uint64]*call{}
	k.idle.L = &k.mu
}

// add registers c and returns its tag.
func (k *calls) add(c *call) (tag uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next++
	k.all[k.next] = c
	return k.next
}

// claim removes a call and returns it; nil when it no longer waits. The caller answers or abandons
// the call, and must call using.Done when it no longer needs the rings.
func (k *calls) claim(tag uint64) *call {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.all[tag]
	if c == nil {
		return nil
	}
	delete(k.all, tag)
	k.using.Add(1)
	if len(k.all) == 0 {
		k.idle.Broadcast()
	}
	return c
}

// failAll answers every waiting call with err and retracts its request.
func (k *calls) failAll(err error) {
	k.mu.Lock()
	all := k.all
	k.all = map[uint64]*call{}
	k.idle.Broadcast()
	k.mu.Unlock()
	for _, c := range all {
		c.p.producer.Retract(c.seq)
		c.answer <- answer{err: err}
	}
}

// count returns how many calls wait.
func (k *calls) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.all)
}

// drained waits until no call is left, at most until limit, and returns how many are left.
func (k *calls) drained(limit time.Time) int {
	wake := time.AfterFunc(time.Until(limit), func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.idle.Broadcast()
	})
	defer wake.Stop()
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.all) > 0 && time.Now().Before(limit) {
		k.idle.Wait()
	}
	return len(k.all)
}
