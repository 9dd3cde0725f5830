package goring

import (
	"sync"
	"sync/atomic"

	"example.com/goring/layout"
)

// slowest is the smallest cursor of the consumers in use, or head when none is behind.
// It is loaded once for a whole lap when the consumers keep up.
func (s *slots) slowest(head uint64) uint64 {
	g := head
	for _, c := range s.readers {
		// Pairs with the joiner's stores: cursor, state, cursor.
		if c.state.Load() == layout.PartInUse {
			g = min(g, c.cursor.Load())
		}
	}
	return g
}

// passGate reports whether the slowest consumer of a broadcast ring has let go of the
// slot at pos.
func (p *Producer) passGate() bool {
	h := p.pos.number(p.s.count)
	if h-p.gate < p.s.count {
		return true
	}
	p.gate = p.s.slowest(h)
	return h-p.gate < p.s.count
}

// ahead is how many slots from pos on the gate lets the producer have; it has passed.
func (p *Producer) ahead() uint64 {
	h := p.pos.number(p.s.count)
	p.gate = p.s.slowest(h)
	return p.s.count - (h - p.gate)
}

// cursor is what one consumer of a broadcast ring has released. The producer reads the
// shared word; what was released before its turn is remembered here.
type cursor struct {
	shared *atomic.Uint64 // pairs with the producer's load in slowest

	advance func(next uint64) // before the word, on GPU rings

	mu    sync.Mutex
	next  uint64              // smallest number not released
	early map[uint64]struct{} // released behind next
}

// release marks the n messages from number from on as released. It reports false when
// one of them was before.
func (c *cursor) release(from, n uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.holdsAll(from, n) {
		return false
	}
	if from != c.next {
		for k := range n {
			c.early[from+k] = struct{}{}
		}
		return true
	}
	c.next += n
	for len(c.early) > 0 {
		if _, ok := c.early[c.next]; !ok {
			break
		}
		delete(c.early, c.next)
		c.next++
	}
	if c.advance != nil {
		c.advance(c.next)
	}
	c.shared.Store(c.next) // sequentially consistent: before the load of the waiting flag
	return true
}

// holds reports whether number n has not been released.
func (c *cursor) holds(n uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.holdsAll(n, 1)
}

func (c *cursor) holdsAll(from, n uint64) bool {
	if from < c.next {
		return false
	}
	for k := uint64(0); k < n && len(c.early) > 0; k++ {
		if _, gone := c.early[from+k]; gone {
			return false
		}
	}
	return true
}

// first is the smallest number not released.
func (c *cursor) first() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.next
}
