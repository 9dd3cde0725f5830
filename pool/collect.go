package pool

import (
	"context"
	"errors"
	"io"
	"runtime"
	"time"

	"example.com/goring/goring"
)

// collect hands results to those who wait for them, until the result ring ends.
func (p *Pool) collect() {
	ctx := context.Background()
	for {
		m, err := p.consumer.TryRead()
		if errors.Is(err, goring.ErrEmpty) {
			// Whom the last answer was for runs here and now: waking another thread for it
			// would cost more than the rest of its way.
			runtime.Gosched()
			m, err = p.consumer.Read(ctx)
		}
		switch {
		case err == nil:
			p.deliver(m)
		case errors.Is(err, io.EOF):
			return
		case errors.Is(err, goring.ErrHeld):
			<-p.returned // every slot is lent to a Do: wait for one of them
		default:
			p.log.Error("a result cannot be read", "error", err)
		}
	}
}

// deliver lends m to its caller. Nobody waits for the answer of a call that was given
// up, or for the second one of a request whose first worker died after it had answered.
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

// drop gives back a result that was not lent.
func (p *Pool) drop(m goring.Message) {
	_ = m.Release() // nil: the result ring is a queue
}

// giveBack gives back a lent result.
func (p *Pool) giveBack(m goring.Message) {
	p.drop(m)
	p.calls.using.Done()
	select {
	case p.returned <- struct{}{}:
	default:
	}
}
