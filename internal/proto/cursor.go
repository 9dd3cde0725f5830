package proto

import (
	"sync"
	"sync/atomic"

	"example.com/goring/internal/futex"
	"example.com/goring/layout"
)

// SlowestCursor returns the smallest cursor of the consumers in use, or head when none is below
// it. A producer loads it once a lap when the consumers keep up. A joiner stores cursor, state
// and cursor again, so a seat that is seen in use has a cursor.
// SYNC cursor load, seat load
func (r *Ring) SlowestCursor(head uint64) uint64 {
	slowest := head
	for _, c := range r.consumers {
		if c.State.Load() == layout.PartInUse {
			slowest = min(slowest, c.Cursor.Load())
		}
	}
	return slowest
}

// Cursor has the releases of one consumer of a broadcast ring. The producer loads the shared
// word; messages that were released out of order are remembered here.
type Cursor struct {
	// BeforeStore is called with each new value before it is stored, on GPU rings only.
	BeforeStore func(next uint64)

	shared *atomic.Uint64
	room   futex.Event

	mu    sync.Mutex
	next  uint64              // the smallest number that was not released
	early map[uint64]struct{} // numbers above next that were released
}

// init binds the cursor to its shared word.
// SYNC cursor load
func (c *Cursor) init(r *Ring, shared *atomic.Uint64) {
	c.shared, c.room, c.next, c.early = shared, r.Room, shared.Load(), map[uint64]struct{}{}
}

// Release marks n messages from number from on as released and wakes waiting producers. It
// reports false, and changes nothing, when one of them was released before.
func (c *Cursor) Release(from, n uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.holds(from, n) {
		return false
	}
	if c.advance(from, n) {
		c.publish()
	}
	return true
}

// advance notes that n held messages from number from on are released and reports whether next
// has moved.
func (c *Cursor) advance(from, n uint64) bool {
	if from != c.next {
		for k := range n {
			c.early[from+k] = struct{}{}
		}
		return false
	}
	for c.next += n; len(c.early) > 0; c.next++ {
		if _, ok := c.early[c.next]; !ok {
			break
		}
		delete(c.early, c.next)
	}
	return true
}

// publish stores next into the shared word. The store is ordered before the load of the waiting
// flag.
// SYNC cursor store, waiting load
func (c *Cursor) publish() {
	if c.BeforeStore != nil {
		c.BeforeStore(c.next)
	}
	c.shared.Store(c.next)
	c.room.Notify()
}

// Holds reports whether message number n has not been released.
func (c *Cursor) Holds(n uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.holds(n, 1)
}

func (c *Cursor) holds(from, n uint64) bool {
	if from < c.next {
		return false
	}
	for k := uint64(0); k < n && len(c.early) > 0; k++ {
		if _, released := c.early[from+k]; released {
			return false
		}
	}
	return true
}

// First returns the smallest number that was not released.
func (c *Cursor) First() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.next
}
