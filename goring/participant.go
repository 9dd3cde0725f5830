package goring

import (
	"context"
	"fmt"
	"os"

	"example.com/goring/internal/config"
	"example.com/goring/internal/ctxerr"
	"example.com/goring/internal/proto"
)

// participant has the fields that producers and consumers share beside the protocol.
type participant struct {
	ring *Ring
	seat *Seat
	wait proto.Waiter
	// slow is 0 while the slot at the participant's position may be taken after nothing but a look
	// at its word: one comparison on the hot path.
	slow slowPath

	done  <-chan struct{} // its end wakes the sleeper; see watch
	stop  func() bool     // ends the registration of done
	woken chan struct{}   // closed when the wake of done is over
}

// slowPath is a set of reasons not to take the fast path.
type slowPath uint8

const (
	slowDiscipline slowPath = 1 << iota // reserving or taking needs more than a look
	slowOpen                            // a Slot or WriteBatch is open
	slowClosed                          // the participant is closed
)

func newParticipant(r *Ring, seat *Seat, role Role, c *config.Config) participant {
	return participant{
		ring: r, seat: seat,
		wait: proto.NewWaiter(r.proto, proto.Role(role), seat.number, seat.fd, c.Strategy, c.Await),
	}
}

// Seat returns the number of the participant's seat, from 1, as [Ring.Stats] shows it.
func (p *participant) Seat() int { return p.seat.number }

// closed returns os.ErrClosed for a participant of that role that is closed, else nil.
func (p *participant) closed(role Role) error {
	if p.slow&slowClosed == 0 {
		return nil
	}
	return fmt.Errorf("%s of ring %q: %w", role, p.ring.name, os.ErrClosed)
}

// waitFor waits until look reports true. It returns ErrShutdown when the ring ended first, a
// PeerDeadError, or the context's error.
func (p *participant) waitFor(ctx context.Context, look proto.Look) error {
	switch p.wait.Wait(ctx, look, func() { p.watch(ctx) }) {
	case proto.Ended:
		return ErrShutdown
	case proto.Cancelled:
		return ctxerr.Of(ctx)
	case proto.PeerDead:
		return p.ring.peerDead(p.wait.DeadPeer())
	case proto.Done, proto.NotYet:
	}
	return nil
}

// watch makes the end of the context wake the sleeper. The registration is kept from wait to wait,
// so that sleeping with the same context again costs nothing.
func (p *participant) watch(ctx context.Context) {
	done := ctx.Done()
	if p.done == done {
		return
	}
	p.unwatch()
	if done == nil {
		return
	}
	woken := make(chan struct{})
	p.done, p.woken = done, woken
	p.stop = context.AfterFunc(ctx, func() {
		p.wait.Event.WakeAll()
		close(woken)
	})
}

// unwatch ends the registration of watch. It waits for a wake that has begun, which touches the
// segment that the caller may be about to unmap.
func (p *participant) unwatch() {
	if p.stop != nil && !p.stop() {
		<-p.woken
	}
	p.done, p.stop, p.woken = nil, nil, nil
}

// close marks the participant closed. No wait of it touches the segment any more.
func (p *participant) close() {
	p.slow |= slowClosed
	p.unwatch()
}
