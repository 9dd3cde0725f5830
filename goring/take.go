package goring

import "example.com/goring/layout"

// take returns the next message's position if it is there.
func (c *Consumer) take() (position, bool) {
	at := c.pos
	switch {
	case c.there():
		c.pos = at.next(c.s.count)
		return at, true
	case c.bars&barClosed != 0:
		return position{}, false
	case c.side == sideShared:
		if at, ok := c.walk(true); ok {
			return at, true
		}
		return c.takeGivenBack(true)
	case c.side == sideLossy:
		return c.takeLossy()
	}
	if at, ok := c.again.pop(); ok {
		return at, true
	}
	if c.side == sideGated {
		return position{}, false
	}
	return c.skip()
}

// takeFinal is take that trusts no hint.
func (c *Consumer) takeFinal() (position, bool) {
	if c.side == sideShared {
		if at, ok := c.walk(false); ok {
			return at, true
		}
		return c.takeGivenBack(false)
	}
	return c.take()
}

// skip walks over aborted messages and over those that an earlier consumer
// released out of order.
func (c *Consumer) skip() (position, bool) {
	for range 2 * c.s.count {
		at := c.pos
		h := c.s.header(at.idx)
		switch w := h.word.Load(); {
		case w == readyWord(at.lap):
			c.pos = at.next(c.s.count)
			return at, true
		case wordLap(w) == at.lap && wordAborted(w):
			h.word.Store(freeWord(at.lap + 1))
			c.room.Notify()
			c.pos = at.next(c.s.count)
		case wordLap(w) > at.lap:
			c.pos = at.next(c.s.count)
		default:
			return position{}, false
		}
	}
	return position{}, false
}

// takeGivenBack looks, where a walk has ended, for messages that were given back behind the
// hint.
func (c *Consumer) takeGivenBack(hints bool) (position, bool) {
	gen := c.s.requeueGen.Load() // before the scan: a later requeue makes us look again
	if hints && gen == c.gen {
		return position{}, false
	}
	// Walk once more: whatever was given back before gen was loaded is now behind the
	// place where this walk stops.
	if at, ok := c.walk(hints); ok {
		return at, true
	}
	at, ok := c.takeBehind(c.pos.number(c.s.count))
	if !ok {
		c.gen = gen
	}
	return at, ok
}

// walk goes up from the hint and takes the first READY message by CAS.
func (c *Consumer) walk(hints bool) (position, bool) {
	if hints {
		c.pos = c.pos.catchUp(c.s.takeHint.Load(), c.s.count)
	} else {
		c.pos = c.s.firstUnreleased()
	}
	for range 2 * c.s.count {
		at := c.pos
		h := c.s.header(at.idx)
		w := h.word.Load()
		switch {
		case w == readyWord(at.lap):
			if !h.word.CompareAndSwap(w, takenWord(at.lap, c.owner)) {
				continue
			}
			c.pos = at.next(c.s.count)
			c.s.takeHint.Store(c.pos.number(c.s.count)) // after the CAS: never ahead
			return at, true
		case wordLap(w) == at.lap && wordAborted(w):
			if h.word.CompareAndSwap(w, freeWord(at.lap+1)) {
				c.room.Notify()
			}
		case wordLap(w) > at.lap || wordLap(w) == at.lap && wordState(w) == layout.StateTaken:
		default:
			return position{}, false
		}
		c.pos = at.next(c.s.count)
	}
	return position{}, false
}

// takeBehind scans for the smallest READY message before number stop. From there on
// lie fresh messages: the scan is not atomic and could take a later one of them
// before an earlier one, or pass the WRITING slot of a slow producer.
func (c *Consumer) takeBehind(stop uint64) (position, bool) {
	for {
		best, word := stop, uint64(0)
		for i := range c.s.count {
			w := c.s.header(i).word.Load()
			if n := wordLap(w)*c.s.count + i; wordReadyAny(w) && n < best {
				best, word = n, w
			}
		}
		if best == stop {
			return position{}, false
		}
		at := positionOf(best, c.s.count)
		if c.s.header(at.idx).word.CompareAndSwap(word, takenWord(at.lap, c.owner)) {
			return at, true
		}
	}
}
