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

// Call sends payload with metadata (msgpack; nil: none) to a worker and waits for its
// answer, which is copied. The error is the caller's context's, a [*RemoteError] when
// the function raised, ErrPoison, ErrClosed, goring.ErrFull with Config.Full Reject,
// goring.ErrTooLarge or goring.ErrSchema for a payload that does not fit, or a
// [*StartError] while no worker can be started.
//
// A caller whose context ends takes its request back if no worker has begun with it.
func (p *Pool) Call(ctx context.Context, payload []byte, meta any) (Result, error) {
	c, err := p.submit(ctx, copyIn(payload, meta))
	if err != nil {
		return Result{}, err
	}
	return c.copied(ctx)
}

// Do is Call in place at both ends: write fills the request's slot, and use looks at
// the result where the worker left it. What use keeps it has to copy. The slot is
// given back when use returns.
func (p *Pool) Do(ctx context.Context, write func(*goring.Slot) error, use func(Result) error) error {
	c, err := p.submit(ctx, write)
	if err != nil {
		return err
	}
	return c.wait(ctx, use)
}

// Submit is Call that does not wait for the answer; ctx bounds the wait for a slot.
func (p *Pool) Submit(ctx context.Context, payload []byte, meta any) (*Pending, error) {
	c, err := p.submit(ctx, copyIn(payload, meta))
	if err != nil {
		return nil, err
	}
	q := &Pending{call: c, done: make(chan struct{})}
	go func() { // takes the result out of the ring as soon as it is there
		defer close(q.done)
		q.result, q.err = c.copied(context.Background())
	}()
	return q, nil
}

// Pending is a call whose answer was not waited for.
type Pending struct {
	call   *call
	done   chan struct{}
	result Result
	err    error
}

// Done is closed when the answer is there.
func (q *Pending) Done() <-chan struct{} { return q.done }

// Wait waits for the answer, again if need be: ctx bounds this wait, not the call.
func (q *Pending) Wait(ctx context.Context) (Result, error) {
	select {
	case <-q.done:
		return q.result, q.err
	case <-ctx.Done():
		return Result{}, ctxerr.Of(ctx)
	}
}

// Cancel gives the call up; Wait then fails with context.Canceled, unless the answer
// was there before.
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

// call is one request on its way.
type call struct {
	p      *Pool
	tag    uint64
	seq    uint64 // its number in the request ring
	begun  time.Time
	answer chan answer // of room for one
}

// answer is a message to be released, or why there is none.
type answer struct {
	message goring.Message
	reply   reply
	err     error
}

// submit puts a request into the ring.
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
		if open { // write failed, or panicked
			s.Abort()
		}
	}()
	if err := write(&s); err != nil {
		return nil, err
	}
	c := &call{p: p, seq: s.Seq(), begun: time.Now(), answer: make(chan answer, 1)}
	c.tag = p.calls.add(c) // before the commit: the answer may come at once
	s.SetTag(c.tag)
	s.Commit()
	open = false
	return c, nil
}

// refusal is why no call is taken now.
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

// copied waits for the answer and copies it.
func (c *call) copied(ctx context.Context) (r Result, err error) {
	err = c.wait(ctx, func(lent Result) error {
		r = lent.own()
		return nil
	})
	return r, err
}

// wait waits for the answer and lends it to use.
func (c *call) wait(ctx context.Context, use func(Result) error) error {
	select {
	case a := <-c.answer:
		return c.take(a, use)
	case <-ctx.Done():
	}
	if !c.abandon() { // the answer is on its way to us
		return c.take(<-c.answer, use)
	}
	return ctxerr.Of(ctx)
}

// abandon gives the call up, and its slot if no worker has begun with it. It reports
// false when the answer is there.
func (c *call) abandon() bool {
	if c.p.calls.claim(c.tag) == nil {
		return false
	}
	defer c.p.calls.using.Done()
	c.p.producer.Retract(c.seq)
	c.p.counts.abandoned.Add(1)
	return true
}

// take lends the answer to use and gives its slot back.
func (c *call) take(a answer, use func(Result) error) error {
	if a.err != nil {
		return a.err
	}
	defer c.p.giveBack(a.message)
	r, err := c.p.read(a.message, a.reply)
	if err != nil {
		return err
	}
	return use(r)
}

// calls are those that wait for an answer, by tag.
type calls struct {
	mu   sync.Mutex
	idle sync.Cond // no call is left
	all  map[uint64]*call
	next uint64

	using sync.WaitGroup // who claimed a call and still needs the rings
}

func (k *calls) init() {
	k.all = map[uint64]*call{}
	k.idle.L = &k.mu
}

func (k *calls) add(c *call) (tag uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next++
	k.all[k.next] = c
	return k.next
}

// claim takes a call out for who answers it or gives it up, and says using.Done when the
// rings are not needed any more. It is nil when the call is not waiting any more.
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

// failAll answers every waiting call with err, and takes its request back.
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

func (k *calls) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.all)
}

// drained waits until no call is left and returns how many are at the limit.
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
