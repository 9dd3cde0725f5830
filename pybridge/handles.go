package pybridge

import (
	"fmt"
	"os"
	"sync"

	"example.com/goring/goring"
)

// handles are the attached rings by number. Numbers are never used twice.
type handles struct {
	mu   sync.Mutex
	last int64
	open map[int64]*goring.Ring
}

var rings = handles{open: map[int64]*goring.Ring{}}

func (h *handles) add(r *goring.Ring) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	h.open[h.last] = r
	return h.last
}

func (h *handles) get(n int64) (*goring.Ring, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.open[n]; r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("the ring is closed: %w", os.ErrClosed)
}

func (h *handles) remove(n int64) (*goring.Ring, error) {
	r, err := h.get(n)
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, n)
	return r, err
}

// with replies with the result of f on the ring of a handle.
func with(ring int64, f func(r *goring.Ring) (any, error)) string {
	return reply(func() (any, error) {
		r, err := rings.get(ring)
		if err != nil {
			return nil, err
		}
		return f(r)
	})
}
