// Package futex is the kernel's wait-and-wake on a 32-bit word, and the eventcount that goring's
// rings sleep on. The words are shared between processes, so no call here uses
// FUTEX_PRIVATE_FLAG.
package futex

import (
	"sync/atomic"
	"time"
)

// Event is the eventcount of one direction of a ring.
type Event struct {
	// Ev counts wake-ups and is the word that sleepers sleep on.
	Ev *atomic.Uint32
	// Waiting is 1 when a participant may be asleep. It is a flag, since a count would leak when a
	// sleeper dies.
	Waiting *atomic.Uint32
}

// Notify wakes all sleepers if there may be any. The caller has just stored the word that they
// wait for, with a sequentially consistent store: either the sleeper's second look sees that
// store, or this load sees the sleeper's flag.
// SYNC waiting load
func (e Event) Notify() {
	if e.Waiting.Load() != 0 {
		e.wakeWaiters()
	}
}

// wakeWaiters lowers the flag and wakes all sleepers if it was up.
// SYNC waiting load
//
//go:noinline
func (e Event) wakeWaiters() {
	if e.Waiting.Swap(0) != 0 {
		e.WakeAll()
	}
}

// WakeAll wakes all sleepers, whether or not the flag is up.
// SYNC wake store
func (e Event) WakeAll() {
	e.Ev.Add(1)
	Wake(e.Ev)
}

// Prepare announces a sleeper and returns a ticket. The caller looks again at the word that it
// waits for and then either goes on or calls Sleep with the ticket.
// SYNC wake load, waiting store
func (e Event) Prepare() uint32 {
	ticket := e.Ev.Load()
	e.Waiting.Store(1)
	return ticket
}

// Sleep sleeps until the first wake after the ticket was taken, for at most d.
func (e Event) Sleep(ticket uint32, d time.Duration) { Wait(e.Ev, ticket, d) }
