package pool

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// A bucket is a sixteenth of a power of two wide, which makes quantiles exact to 6 %.
const (
	steps   = 16 // buckets per power of two
	buckets = steps * 60
)

// latency counts durations. Any goroutine may add to it.
type latency [buckets]atomic.Uint64

// add counts d.
func (l *latency) add(d time.Duration) { l[bucketOf(d)].Add(1) }

// histogram returns a copy of the counts.
func (l *latency) histogram() Histogram {
	h := Histogram{counts: make([]uint64, buckets)}
	for i := range l {
		h.counts[i] = l[i].Load()
		h.total += h.counts[i]
	}
	return h
}

// Histogram is the distribution of the calls' durations.
type Histogram struct {
	counts []uint64
	total  uint64
}

// Count returns the number of durations counted.
func (h Histogram) Count() uint64 { return h.total }

// Quantile returns the duration that the fraction q (0 to 1) of all did not exceed, rounded up
// by at most 6 %. It returns 0 when none was counted.
func (h Histogram) Quantile(q float64) time.Duration {
	rank := uint64(q * float64(h.total))
	seen := uint64(0)
	for i, n := range h.counts {
		if seen += n; n > 0 && seen >= max(rank, 1) {
			return bucketEnd(i)
		}
	}
	return 0
}

// bucketOf returns d's bucket. Each of the first 16 buckets is one nanosecond wide.
func bucketOf(d time.Duration) int {
	n := uint64(max(d, 0))
	if n < steps {
		return int(n)
	}
	power := bits.Len64(n) - 5 // makes n >> power 16 to 31
	return power*steps + int(n>>power)
}

// bucketEnd returns the longest duration of a bucket.
func bucketEnd(i int) time.Duration {
	if i < 2*steps {
		return time.Duration(i)
	}
	power := i/steps - 1
	return time.Duration(uint64(i%steps+steps+1)<<power - 1)
}
