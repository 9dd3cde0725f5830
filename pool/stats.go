package pool

import (
	"fmt"
	"sync/atomic"
	"time"
)

// Stats is a snapshot of a running pool.
type Stats struct {
	Waiting  int // The requests in the ring that no worker has taken.
	Taken    int // The requests that workers are busy with.
	InFlight int // The calls that wait for an answer.

	Answered  uint64 // The calls answered, with results and with Python's exceptions.
	Raised    uint64 // The exceptions among Answered.
	Poisoned  uint64 // The calls that failed with ErrPoison.
	Abandoned uint64 // The calls given up when their context ended.
	Late      uint64 // The answers for which no call waited any more.
	Restarts  uint64 // The workers replaced because they died or could not start.
	Hangs     uint64 // The workers among Restarts killed because of Config.WorkerTimeout.

	Latency Histogram // The time from the commit of a request to its answer.
	Workers []WorkerStats
}

// WorkerStats is the part of one worker.
type WorkerStats struct {
	Name     string
	PID      int           // The process; 0 while none runs.
	Ready    bool          // The process takes requests.
	Starts   int           // The processes started.
	Requests uint64        // The requests answered.
	Busy     time.Duration // The time spent in the function.
	Last     error         // The reason why the previous process ended.
}

// String returns a line for people.
func (s Stats) String() string {
	return fmt.Sprintf("%d answered (%d raised), %d in flight, %d waiting, %d restarts, latency %v p50 %v p99",
		s.Answered, s.Raised, s.InFlight, s.Waiting, s.Restarts, s.Latency.Quantile(0.5), s.Latency.Quantile(0.99))
}

// counts holds the counters of a pool, named as the fields of [Stats].
type counts struct {
	answered, raised, poisoned, abandoned, late, restarts, hangs atomic.Uint64

	latency latency
	// workers has one element more, for answers with an index that no worker has. busy is in
	// microseconds.
	workers [mostWorkers + 1]struct{ requests, busy atomic.Uint64 }
}

// count counts an answer that took so long.
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

// Stats returns a snapshot of the pool. It fails with goring.ErrClosed after Close.
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

// stats returns the worker's part of the snapshot.
func (w *worker) stats(requests, micros uint64) WorkerStats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := WorkerStats{Name: w.name, Starts: w.starts, Requests: requests, Busy: time.Duration(micros) * time.Microsecond, Last: w.last}
	if w.process != nil {
		s.PID, s.Ready = w.process.cmd.Process.Pid, w.process.ready
	}
	return s
}
