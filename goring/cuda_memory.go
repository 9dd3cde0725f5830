package goring

import (
	"sync"
	"sync/atomic"
	"time"

	"example.com/goring/internal/cudadrv"
	"example.com/goring/internal/shm"
	"example.com/goring/layout"
)

// gpuMemory is a GPU ring's memory as this process has it, shared by all its handles and
// participants: a handle does not open in the process that exported it, and opens once in
// every other.
type gpuMemory struct {
	*cudadrv.GPU
	ring  *Ring // a handle of its own, to look after the ring
	owner bool  // the allocation is this process's

	closing chan struct{} // ends tend
	tending sync.Mutex    // held while tend looks at ring
}

// memories are those of this process by ring. Each has one reference from here.
var memories = struct {
	sync.Mutex
	byRing map[[16]byte]*gpuMemory
}{byRing: map[[16]byte]*gpuMemory{}}

// tendEvery is how often a process looks after the GPU rings that it has joined: while all
// others wait on streams, nobody else would see that somebody died.
const tendEvery = 50 * time.Millisecond

// closingTime is how long the owner of device memory waits for those who have it open.
var closingTime = 2 * time.Second

// keep makes g the memory of ring r in this process, and looks after it.
func keep(r *Ring, g *cudadrv.GPU, owner bool) (*gpuMemory, error) {
	own, err := shm.Reopen(r.fd)
	if err != nil {
		return nil, err
	}
	handle, err := attach(r.name, r.path, own)
	if err != nil {
		return nil, err
	}
	m := &gpuMemory{GPU: g, ring: handle, owner: owner, closing: make(chan struct{})}
	memories.byRing[r.sb.UUID] = m
	go m.tend()
	return m, nil
}

// gpuState is the state behind the block.
func (r *Ring) gpuState() *atomic.Uint32 { return r.word32(r.sb.GPUOff + layout.GPUOffState) }

// gone reports whether the memory's owner died or is closing.
func (r *Ring) gone() bool { return r.gpuState().Load()&layout.GPUGone != 0 }

// endedEarly reports whether that is why the ring takes no more messages.
func (r *Ring) endedEarly() bool {
	return r.sb.GPU() && r.gpuState().Load()&layout.GPUEarly != 0
}

// markGone says that the memory's owner is gone and ends the ring.
func (r *Ring) markGone() {
	bits := uint32(layout.GPUGone)
	if r.slots.shutdown.Load() == 0 {
		bits |= layout.GPUEarly
	}
	if r.gpuState().Or(bits)&layout.GPUGone == 0 {
		_ = r.Shutdown() // only a closed handle refuses
	}
}

// tend looks after the ring for as long as somebody in this process uses its memory.
func (m *gpuMemory) tend() {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			m.look()
			forget(m)
		case <-m.closing:
			return
		}
	}
}

func (m *gpuMemory) look() {
	m.tending.Lock()
	defer m.tending.Unlock()
	select {
	case <-m.closing:
		return
	default:
	}
	_, _ = m.ring.Reap() // an error means a file system without locks, which joining would have met
	if m.ring.block.Memory == layout.MemoryIPC && !m.ring.gone() {
		if alive, err := m.ring.exporterLives(); err == nil && !alive {
			m.ring.markGone()
		}
	}
}

// forget closes the memory when nobody but the table has it.
func forget(m *gpuMemory) {
	memories.Lock()
	defer memories.Unlock()
	if memories.byRing[m.ring.sb.UUID] == m && m.References() == 1 {
		delete(memories.byRing, m.ring.sb.UUID)
		m.close()
	}
}

// close gives the memory back, or keeps it if another process still has it open.
func (m *gpuMemory) close() {
	close(m.closing)
	m.tending.Lock()
	defer m.tending.Unlock()
	if m.owner {
		m.ring.markGone()
		free, err := shm.TryLock(m.ring.fd, layout.LockBase+layout.LockImporters)
		if !free || err != nil {
			m.Abandon()
		}
	}
	m.GPU.Release()
	_ = m.ring.Close()
}

// drop gives a reference back and closes the memory if it was the last user's.
func (m *gpuMemory) drop() {
	m.GPU.Release()
	forget(m)
}

// closeExport ends the ring for others and waits a little until they have let go.
func (m *gpuMemory) closeExport() {
	m.ring.markGone()
	for end := time.Now().Add(closingTime); time.Now().Before(end); time.Sleep(time.Millisecond) {
		open, err := shm.Locked(m.ring.fd, layout.LockBase+layout.LockImporters)
		if m.References() <= 2 && (err != nil || !open) {
			break
		}
	}
	m.drop()
}
