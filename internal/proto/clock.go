package proto

import (
	"time"

	"golang.org/x/sys/unix"
)

// clock ties Go's monotonic clock to CLOCK_MONOTONIC, so that a reading needs no system call.
var clock = func() (c struct {
	at time.Time
	ns int64
}) {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) == nil {
		c.ns = ts.Nano()
	}
	c.at = time.Now()
	return c
}()

// Monotonic returns CLOCK_MONOTONIC in nanoseconds, which all processes of the machine share.
func Monotonic() int64 { return clock.ns + int64(time.Since(clock.at)) }

// Since returns how long ago a Progress word was stored, at least 1 ns, or 0 when it is unknown.
func Since(progress int64) time.Duration {
	if progress <= 0 {
		return 0
	}
	return max(time.Duration(Monotonic()-progress), 1)
}
