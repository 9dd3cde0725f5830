package goring

import (
	"slices"
	"sync"
	"sync/atomic"

	"example.com/goring/internal/proto"
)

// requeuedList has the messages that a consumer requeued for itself: positions, ascending,
// that are still READY. Any goroutine may add to it. Consumers of discipline Multi have none.
type requeuedList struct {
	n    atomic.Int32 // len(list), nearly always 0: then pop takes no lock
	mu   sync.Mutex
	list []proto.Position
}

func (l *requeuedList) empty() bool { return l.n.Load() == 0 }

func (l *requeuedList) push(p proto.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, _ := slices.BinarySearchFunc(l.list, p, proto.Position.Compare)
	l.list = slices.Insert(l.list, i, p)
	l.n.Store(int32(len(l.list)))
}

// pop removes and returns the smallest position.
func (l *requeuedList) pop() (p proto.Position, ok bool) {
	if l.empty() {
		return p, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p = l.list[0]
	l.list = slices.Delete(l.list, 0, 1)
	l.n.Store(int32(len(l.list)))
	return p, true
}

func (l *requeuedList) has(p proto.Position) bool { return !l.empty() && l.search(p) }

func (l *requeuedList) search(p proto.Position) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, found := slices.BinarySearchFunc(l.list, p, proto.Position.Compare)
	return found
}
