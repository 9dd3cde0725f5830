package goring

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// grab makes the slot at pos the caller's if that needs no waiting.
func (p *Producer) grab() bool {
	if p.bars&^barSide != 0 || p.s.shutdown.Load() != 0 {
		return false
	}
	switch p.side {
	case sideShared:
		return p.grabShared(true)
	case sideGated:
		return p.passGate()
	case sideLossy:
		p.overwriting(p.pos, 1)
		return true
	default:
		return p.s.header(p.pos.idx).word.Load() == freeWord(p.pos.lap)
	}
}

// grabShared walks from the hint and reserves the first FREE slot by CAS.
func (p *Producer) grabShared(hints bool) bool {
	if hints {
		p.pos = p.pos.catchUp(p.s.putHint.Load(), p.s.count)
	} else {
		p.pos = p.s.firstUnwritten()
	}
	for range 2 * p.s.count {
		h := p.s.header(p.pos.idx)
		w := h.word.Load()
		switch {
		case w == freeWord(p.pos.lap):
			if h.word.CompareAndSwap(w, writingWord(p.pos.lap, p.owner)) {
				p.s.putHint.Store(p.pos.number(p.s.count) + 1) // after the CAS: never ahead
				return true
			}
		case wordLap(w) < p.pos.lap:
			return false // full
		default: // somebody else's, or done
			p.pos = p.pos.next(p.s.count)
		}
	}
	return false
}

// refusal is why the producer may not reserve at all, or nil.
func (p *Producer) refusal() error {
	switch {
	case p.bars&barClosed != 0:
		return fmt.Errorf("producer of ring %q: %w", p.ring.name, os.ErrClosed)
	case p.bars&barOpen != 0:
		panic("goring: Reserve while a reservation is open: Commit or Abort it first")
	case p.ring.endedEarly():
		return fmt.Errorf("ring %q: %w", p.ring.name, ErrExporterGone)
	case p.s.shutdown.Load() != 0:
		return fmt.Errorf("ring %q: %w", p.ring.name, ErrShutdown)
	case p.failed != nil:
		return p.failed
	}
	return nil
}

func (p *Producer) waitRoom(ctx context.Context) error {
	if err := p.refusal(); err != nil {
		return err
	}
	var corrupt error
	err := p.wait.wait(ctx, func(final bool) bool {
		switch p.side {
		case sideShared:
			return p.grabShared(!final)
		case sideGated:
			return p.passGate()
		}
		w := p.s.header(p.pos.idx).word.Load()
		if wordLap(w) > p.pos.lap || wordLap(w) == p.pos.lap && w != freeWord(p.pos.lap) {
			corrupt = fmt.Errorf("slot %d has word %#x where its only producer expects lap %d: %w", p.pos.idx, w, p.pos.lap, ErrCorrupt)
			return true
		}
		return w == freeWord(p.pos.lap)
	})
	if errors.Is(err, ErrShutdown) {
		// A look that reserved has reserved: only the failing look ends here.
		return p.refusal()
	}
	return errors.Join(err, corrupt)
}
