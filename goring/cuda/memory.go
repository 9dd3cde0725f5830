package cuda

import (
	"encoding/hex"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"example.com/goring/internal/cudadrv"
	"example.com/goring/internal/proto"
	"example.com/goring/internal/shm"
	"example.com/goring/layout"
)

// memory is a GPU ring's memory in this process, shared by all handles and participants: an IPC
// handle does not open in the process that exported it, and opens once in every other.
type memory struct {
	*cudadrv.GPU
	name  string
	sb    layout.Superblock
	block layout.GPUBlock
	owner bool // the allocation is this process's

	fd      int         // a description of the segment's file of its own
	control shm.Map     // a mapping of the segment's words of its own
	ring    *proto.Ring // over control

	closing  chan struct{} // ends watch
	watching sync.Mutex    // held while watch uses ring
}

// memories has the memory of every GPU ring in this process, by the ring's UUID, with one
// reference each.
var memories = struct {
	sync.Mutex
	byRing map[[16]byte]*memory
}{byRing: map[[16]byte]*memory{}}

// watchEvery is how often a process reaps the GPU rings that it has joined: while all others wait
// on streams, no other process would notice a death.
const watchEvery = 50 * time.Millisecond

// closingTime is how long the owner of device memory waits for other processes to close it. A test
// makes it short.
var closingTime = 2 * time.Second

// openParams returns how to open the memory of a ring in this process. fd is a description of the
// segment that the opened memory closes.
func openParams(sb *layout.Superblock, b *layout.GPUBlock, fd, ordinal int) cudadrv.OpenParams {
	p := cudadrv.OpenParams{
		FD: fd, Ordinal: ordinal, Memory: uint32(b.Memory), Sync: uint32(b.Sync),
		Queue: sb.Mode == layout.ModeQueue, Slots: sb.Slots, Stride: sb.DataStride,
		Bytes: b.Allocation, GPUOff: sb.GPUOff, GPUSize: sb.GPUSize, DataOff: sb.DataOff, Handle: b.Handle,
	}
	if sb.Mode == layout.ModeBroadcast {
		p.DoneCells = sb.DoneCells()
	}
	return p
}

// register makes g the memory of the ring in segment fd and watches the ring. The caller holds
// the lock of memories.
func register(fd int, name string, sb layout.Superblock, b layout.GPUBlock, g *cudadrv.GPU) (*memory, error) {
	own, err := shm.Reopen(fd)
	if err != nil {
		return nil, err
	}
	m := &memory{GPU: g, name: name, sb: sb, block: b, fd: own, closing: make(chan struct{})}
	size := sb.TotalSize
	if !sb.InDevice() {
		size = sb.DataOff
	}
	if m.control, err = shm.NewMap(own, 0, uintptr(size)); err != nil {
		_ = unix.Close(own)
		return nil, err
	}
	m.ring = proto.NewRing(&m.sb, m.control.Base, nil, false)
	memories.byRing[sb.UUID] = m
	go m.watch()
	return m, nil
}

// watch reaps the dead and checks the owner of the memory for as long as this process uses it.
func (m *memory) watch() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			m.check()
			closeUnused(m)
		case <-m.closing:
			return
		}
	}
}

func (m *memory) check() {
	m.watching.Lock()
	defer m.watching.Unlock()
	select {
	case <-m.closing:
		return
	default:
	}
	// An error means a file system without locks, which joining would have met before.
	_, _ = m.ring.ReapDead(m.fd, 0)
	if m.block.Memory == InDevice && !m.ring.Gone() {
		if alive, err := exporterLives(m.fd); err == nil && !alive {
			m.ring.MarkGone()
		}
	}
}

// closeUnused closes the memory when only the table of memories has a reference.
func closeUnused(m *memory) {
	memories.Lock()
	defer memories.Unlock()
	if memories.byRing[m.sb.UUID] == m && m.References() == 1 {
		delete(memories.byRing, m.sb.UUID)
		m.close()
	}
}

// close gives the memory back. Memory that another process still has open is kept until this
// process ends.
func (m *memory) close() {
	close(m.closing)
	m.watching.Lock()
	defer m.watching.Unlock()
	if m.owner {
		m.ring.MarkGone()
		free, err := shm.TryLock(m.fd, layout.LockBase+layout.LockImporters)
		if !free || err != nil {
			m.Abandon()
		}
	}
	m.GPU.Release()
	_ = m.control.Close()
	_ = unix.Close(m.fd)
}

// unref gives a reference back and closes the memory if it was the last user's.
func (m *memory) unref() {
	m.GPU.Release()
	closeUnused(m)
}

// closeExport ends the ring for other processes and waits for a while until they have closed the
// memory.
func (m *memory) closeExport() {
	m.ring.MarkGone()
	for end := time.Now().Add(closingTime); time.Now().Before(end); time.Sleep(time.Millisecond) {
		open, err := shm.Locked(m.fd, layout.LockBase+layout.LockImporters)
		if m.References() <= 2 && (err != nil || !open) {
			break
		}
	}
	m.unref()
}

// onDriverError returns the error of a step. When it has ended this process's context, it
// completes the claims of the seat, since no reaper would while this process lives.
func (m *memory) onDriverError(seat int, err error) error {
	if err != nil && m.Poison() != nil {
		m.ring.CompleteCells(seat)
	}
	return err
}

// exporterLives reports whether the owner of device memory holds its lock.
func exporterLives(fd int) (bool, error) {
	return shm.Locked(fd, layout.LockBase+layout.LockExporter)
}

// bootID identifies this run of the machine.
var bootID = sync.OnceValue(func() (id [16]byte) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return id
	}
	raw, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(string(b)), "-", ""))
	if err == nil {
		copy(id[:], raw)
	}
	return id
})
