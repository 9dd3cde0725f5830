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

// Wait sleeps while *addr == val, for at most d. It may return early after a signal or a spurious
// wake; the caller looks again.
//
// It enters the kernel through Syscall6, never RawSyscall6: a sleeper that the scheduler does not
// know about would block the next garbage collection.
func Wait(addr *atomic.Uint32, val uint32, d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(addr)), opWait, uintptr(val),
		uintptr(unsafe.Pointer(&ts)), 0, 0)
}

// Wake wakes every sleeper on addr. It does not block, so it skips the scheduler's bookkeeping.
func Wake(addr *atomic.Uint32) {
	_, _, _ = unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(addr)), opWake, everyone, 0, 0, 0)
}

// Yield offers this core to other threads that are ready to run.
func Yield() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
