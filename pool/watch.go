package pool

import "time"

// watchForHangs kills workers that hold a request for longer than Config.WorkerTimeout, until the
// pool drains. The words of the request ring tell which seat has taken which message.
func (p *Pool) watchForHangs() {
	limit := p.cfg.WorkerTimeout
	tick := time.NewTicker(min(max(limit/8, time.Millisecond), time.Second))
	defer tick.Stop()
	type loan struct {
		seat   int
		number uint64
	}
	since := map[loan]time.Time{}
	for {
		select {
		case <-tick.C:
		case <-p.draining:
			return
		}
		stats, err := p.requests.Stats()
		if err != nil {
			p.log.Error("the request ring cannot be inspected", "error", err)
			continue
		}
		now, seen := time.Now(), map[loan]time.Time{}
		for _, worker := range stats.Participants {
			for _, n := range worker.Holds {
				l := loan{worker.Seat, n}
				if seen[l] = now; !since[l].IsZero() {
					seen[l] = since[l]
				}
				if now.Sub(seen[l]) > limit {
					p.killSeat(worker.Seat)
				}
			}
		}
		since = seen
	}
}

// killSeat kills the worker that holds the seat, once.
func (p *Pool) killSeat(seat int) {
	for _, w := range p.workers {
		w.mu.Lock()
		run := w.process
		mine := run != nil && run.ready && run.consumer == seat && !run.hung
		if mine {
			run.hung = true
		}
		w.mu.Unlock()
		if mine {
			p.counts.hangs.Add(1)
			p.log.Warn("worker hangs and is killed", "worker", w.name, "limit", p.cfg.WorkerTimeout)
			run.kill()
			return
		}
	}
}
