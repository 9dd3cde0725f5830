// Package futex is the kernel's wait-and-wake on a 32-bit word, and the
// eventcount that goring's rings sleep on. The words are shared between
// processes, so no call here uses FUTEX_PRIVATE_FLAG.
package futex

import (
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	opWait   = 0
	opWake   = 1
	everyone = 1<<31 - 1
)

// Wait sleeps while *addr == val, for at most d. It may return early (a signal,
// a spurious wake); the caller looks again.
//
// It enters the kernel through Syscall6, never RawSyscall6: a sleeper that the
// scheduler does not know about would hang the next garbage collection.
func Wait(addr *atomic.Uint32, val uint32, d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(addr)), opWait, uintptr(val),
		uintptr(unsafe.Pointer(&ts)), 0, 0)
}

// WakeAll wakes every sleeper on addr. It does not block, so it skips the
// scheduler's bookkeeping.
func WakeAll(addr *atomic.Uint32) {
	_, _, _ = unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(addr)), opWake, everyone, 0, 0, 0)
}

// Yield offers this core to whoever else wants it.
func Yield() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }

// Event is one direction's eventcount: Ev counts wake-ups and is what sleepers
// sleep on; Waiting is 1 when somebody may be asleep. It is a flag and not a
// count, because a count leaks when a sleeper dies.
type Event struct {
	Ev, Waiting *atomic.Uint32
}

// Notify wakes all sleepers if there may be any. The caller has just stored the
// word they wait for with a sequentially consistent store, which pairs with
// Prepare: either the sleeper's second look sees that store, or this load sees
// the sleeper's flag.
func (e Event) Notify() {
	if e.Waiting.Load() != 0 {
		e.wake()
	}
}

//go:noinline
func (e Event) wake() {
	if e.Waiting.Swap(0) != 0 {
		e.Broadcast()
	}
}

// Broadcast wakes all sleepers whether or not the flag is up.
func (e Event) Broadcast() {
	e.Ev.Add(1)
	WakeAll(e.Ev)
}

// Prepare announces a sleeper. The caller looks again at what it waits for and
// then either goes on or calls Sleep with the returned ticket.
func (e Event) Prepare() uint32 {
	ticket := e.Ev.Load()
	e.Waiting.Store(1)
	return ticket
}

// Sleep sleeps until the next wake after ticket was taken, for at most d.
func (e Event) Sleep(ticket uint32, d time.Duration) { Wait(e.Ev, ticket, d) }
