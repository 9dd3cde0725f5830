package pool

import (
	"fmt"
	"sync/atomic"
	"time"
)

// Stats is one look at a pool while it runs on.
type Stats struct {
	Waiting  int // requests in the ring that no worker has taken
	Taken    int // requests that workers are busy with
	InFlight int // calls that wait for an answer, wherever it is

	Answered  uint64 // calls answered, by results and by Python's exceptions
	Raised    uint64 // of these, exceptions
	Poisoned  uint64 // calls that failed with ErrPoison
	Abandoned uint64 // calls whose caller gave up first
	Late      uint64 // answers that nobody waited for any more
	Restarts  uint64 // workers replaced because they died or could not start
	Hangs     uint64 // of these, killed because of Config.WorkerTimeout

	Latency Histogram // from the commit of a request to its answer
	Workers []WorkerStats
}

// WorkerStats is one worker's part.
type WorkerStats struct {
	Name     string
	PID      int // 0 while none runs
	Ready    bool
	Starts   int
	Requests uint64        // answered
	Busy     time.Duration // in the function
	Last     error         // why the process before ended
}

// String is a line for people.
func (s Stats) String() string {
	return fmt.Sprintf("%d answered (%d raised), %d in flight, %d waiting, %d restarts, latency %v p50 %v p99",
		s.Answered, s.Raised, s.InFlight, s.Waiting, s.Restarts, s.Latency.Quantile(0.5), s.Latency.Quantile(0.99))
}

// counts are what the parts of a pool count as they go.
type counts struct {
	answered, raised, poisoned, abandoned, late, restarts, hangs atomic.Uint64

	latency latency
	workers [mostWorkers + 1]struct{ requests, busy atomic.Uint64 } // the last: a worker that is none
}

// count notes an answer.
func (p *Pool) count(r reply, took time.Duration) {
	k := &p.counts
	k.answered.Add(1)
	switch r.kind {
	case kindError:
		k.raised.Add(1)
	case kindPoison:
		k.poisoned.Add(1)
	}
	k.latency.add(took)
	w := &k.workers[r.worker]
	w.requests.Add(1)
	w.busy.Add(r.micros)
}

// Stats looks at the pool.
func (p *Pool) Stats() (Stats, error) {
	ring, err := p.requests.Stats()
	if err != nil {
		return Stats{}, err
	}
	k := &p.counts
	s := Stats{
		Waiting: int(ring.Ready), Taken: int(ring.Taken), InFlight: p.calls.count(),
		Answered: k.answered.Load(), Raised: k.raised.Load(), Poisoned: k.poisoned.Load(), Abandoned: k.abandoned.Load(),
		Late: k.late.Load(), Restarts: k.restarts.Load(), Hangs: k.hangs.Load(),
		Latency: k.latency.histogram(),
	}
	for i, w := range p.workers {
		s.Workers = append(s.Workers, w.stats(k.workers[i].requests.Load(), k.workers[i].busy.Load()))
	}
	return s, nil
}

func (w *worker) stats(requests, micros uint64) WorkerStats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := WorkerStats{Name: w.name, Starts: w.starts, Requests: requests, Busy: time.Duration(micros) * time.Microsecond, Last: w.last}
	if w.process != nil {
		s.PID, s.Ready = w.process.cmd.Process.Pid, w.process.ready
	}
	return s
}
