// Package cpu gives names to instructions of the processor that Go has none for.
package cpu

import (
	"sync"
	"time"
)

// Line is the size of a cache line in bytes, on most machines.
const Line = 64

// PausesIn returns about how many pauses take d. One takes 10 to 100 ns, by the core's make.
func PausesIn(d time.Duration) int { return int(d / pauseTime()) }

// pauseTime is how long a pause takes: the least of several tries, since the kernel may take the
// core away during one.
var pauseTime = sync.OnceValue(func() time.Duration {
	const tries, pauses = 5, 64
	best := time.Hour
	for range tries {
		start := time.Now()
		for range pauses {
			Pause()
		}
		best = min(best, time.Since(start))
	}
	return max(best/pauses, 1)
})
