package goring

import (
	"slices"
	"sync"
	"sync/atomic"

	"example.com/goring/layout"
)

// givenBack lists what the only consumer of a ring gave back: positions whose
// words are still READY, ascending. It is filled from any goroutine.
type givenBack struct {
	n    atomic.Int32 // len(list): nearly always 0, and then pop takes no lock
	mu   sync.Mutex
	list []position
}

func (g *givenBack) push(p position) {
	g.mu.Lock()
	defer g.mu.Unlock()
	i, _ := slices.BinarySearchFunc(g.list, p, comparePositions)
	g.list = slices.Insert(g.list, i, p)
	g.n.Store(int32(len(g.list)))
}

func (g *givenBack) pop() (p position, ok bool) {
	if g.n.Load() == 0 {
		return p, false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	p = g.list[0]
	g.list = slices.Delete(g.list, 0, 1)
	g.n.Store(int32(len(g.list)))
	return p, true
}

func (g *givenBack) has(p position) bool {
	if g.n.Load() == 0 {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	_, found := slices.BinarySearchFunc(g.list, p, comparePositions)
	return found
}

// giveBack returns what owner has TAKEN to READY and reports whether there was any.
func (s *slots) giveBack(owner uint64) (any bool) {
	for i := range s.count {
		h := s.header(i)
		w := h.word.Load()
		if wordState(w) != layout.StateTaken || wordOwner(w) != owner {
			continue
		}
		h.countRedelivery() // the slot is still its owner's, so this is published by the CAS
		any = h.word.CompareAndSwap(w, readyWord(wordLap(w))) || any
	}
	return any
}

// requeued tells every consumer that a message is behind the hints. The words
// were stored before: a consumer that sees the new generation finds them.
func (s *slots) requeued() {
	s.requeueGen.Add(1)
	s.dataEvent().Notify()
}

// countRedelivery adds one to the header's count, which stops at 255.
func (h *slotHeader) countRedelivery() {
	if h.sizes>>56 != 255 {
		h.sizes += 1 << 56
	}
}
