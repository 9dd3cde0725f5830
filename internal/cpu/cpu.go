// Package cpu is instructions of the processor that Go has no names for.
package cpu

import (
	"sync"
	"time"
)

// Line is the bytes of a cache line, on most machines.
const Line = 64

// PausesIn is about how many pauses take d: a pause takes 10 to 100 ns, by the core's make.
func PausesIn(d time.Duration) int { return int(d / pauseTime()) }

// pauseTime is how long a pause takes: the least of several tries, for the core may be taken
// away in the middle of one.
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
