package pool

import (
	"context"
	"errors"
	"io"
	"runtime"
	"time"

	"example.com/goring/goring"
)

// collect delivers results to their calls until the result ring ends.
func (p *Pool) collect() {
	ctx := context.Background()
	for {
		m, err := p.consumer.TryRead()
		if errors.Is(err, goring.ErrEmpty) {
			// Let the goroutine of the last answer run on this thread: waking another thread for
			// it would cost more than everything else in the answer's delivery.
			runtime.Gosched()
			m, err = p.consumer.Read(ctx)
		}
		switch {
		case err == nil:
			p.deliver(m)
		case errors.Is(err, io.EOF):
			return
		case errors.Is(err, goring.ErrHeld):
			<-p.returned // a Do holds every slot: wait until one of them returns
		default:
			p.log.Error("a result cannot be read", "error", err)
		}
	}
}

// deliver lends m to the call that waits for it. No call waits when it was abandoned, or when this
// is the second answer to a request, after the worker that gave the first has died.
func (p *Pool) deliver(m goring.Message) {
	r, err := readReply(m)
	if err != nil {
		p.log.Error("a result cannot be used", "error", err)
		p.drop(m)
		return
	}
	c := p.calls.claim(m.Tag())
	if c == nil {
		p.counts.late.Add(1)
		p.drop(m)
		return
	}
	p.count(r, time.Since(c.begun))
	c.answer <- answer{message: m, reply: r}
}

// drop releases a result that was not lent.
func (p *Pool) drop(m goring.Message) {
	_ = m.Release() // never fails: the result ring is a queue
}

// returnLent releases a lent result and wakes a collector that waits for a slot.
func (p *Pool) returnLent(m goring.Message) {
	p.drop(m)
	p.calls.using.Done()
	select {
	case p.returned <- struct{}{}:
	default:
	}
}
