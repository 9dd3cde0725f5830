package goring

import (
	"fmt"
	"runtime/debug"
)

// Guard runs f, which uses the ring in this goroutine, and returns f's error. It returns
// ErrTruncated when the ring's file became shorter meanwhile, which would otherwise end the
// process. Only the file of a named ring can be truncated, by a process of the same user; a ring
// from [Receive] cannot. A ring that was truncated is lost, and so are the messages that f was
// using.
//
// It costs about 30 ns per call, not per message: f may be a whole loop.
func (r *Ring) Guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		fault := recover()
		if fault == nil {
			return
		}
		at, ok := fault.(interface{ Addr() uintptr })
		if !ok || !r.control.Contains(at.Addr()) && !r.payload.Contains(at.Addr()) {
			panic(fault)
		}
		err = fmt.Errorf("ring %q: its file became shorter while it was used: %w", r.name, ErrTruncated)
	}()
	return f()
}
