package goring

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

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

// wish is what this process wants opened of a ring; own is a description for it.
func (r *Ring) wish(own, ordinal int) cudadrv.Wish { return gpuWish(&r.sb, &r.block, own, ordinal) }

func gpuWish(sb *layout.Superblock, b *layout.GPUBlock, own, ordinal int) cudadrv.Wish {
	w := cudadrv.Wish{
		FD: own, Ordinal: ordinal, Memory: uint32(b.Memory), Sync: uint32(b.Sync),
		Queue: sb.Mode == layout.ModeQueue, Slots: sb.Slots, Stride: sb.DataStride,
		Bytes: b.Allocation, GPUOff: sb.GPUOff, GPUSize: sb.GPUSize, DataOff: sb.DataOff, Handle: b.Handle,
	}
	if sb.Mode == layout.ModeBroadcast {
		w.Lanes = sb.DoneCells()
	}
	return w
}

// export makes the memory of a new ring, whose file has no name yet, and its block.
func export(fd int, sb *layout.Superblock, c *cuda) (g *cudadrv.GPU, b layout.GPUBlock, err error) {
	device, err := cudadrv.At(c.device)
	if err != nil {
		return nil, b, err
	}
	version, _ := cudadrv.Version() // for people
	b = layout.GPUBlock{
		Memory: c.memory, Sync: layout.SyncTimeline, Device: device.UUID, Boot: bootID(),
		Driver: uint32(version), Exporter: uint32(os.Getpid()),
	}
	if c.chosen {
		b.Sync = c.sync
	}
	if b.Memory == layout.MemoryIPC {
		b.Allocation = (sb.Slots*sb.DataStride + layout.GPUAllocation - 1) / layout.GPUAllocation * layout.GPUAllocation
	}
	w := gpuWish(sb, &b, -1, device.Ordinal)
	w.Create = true
	if b.Memory == layout.MemoryIPC {
		if err := cudadrv.Alloc(&w); err != nil {
			return nil, b, noSpace(err)
		}
		if err := probeSharing(w, device, c.prober); err != nil {
			return nil, b, errors.Join(err, cudadrv.Free(w))
		}
		b.Handle = w.Handle
	}
	g, err = openExport(fd, &w)
	if err != nil && !c.chosen { // no timeline here: the host waits
		b.Sync, w.Sync = layout.SyncHost, uint32(layout.SyncHost)
		g, err = openExport(fd, &w)
	}
	if err != nil && w.Allocation != 0 {
		err = errors.Join(err, cudadrv.Free(w))
	}
	return g, b, err
}

func openExport(fd int, w *cudadrv.Wish) (*cudadrv.GPU, error) {
	own, err := shm.Reopen(fd)
	if err != nil {
		return nil, err
	}
	if w.Allocation != 0 {
		if _, err := shm.TryLock(own, layout.LockBase+layout.LockExporter); err != nil {
			_ = unix.Close(own)
			return nil, err
		}
	}
	w.FD = own
	return cudadrv.Open(*w)
}

// noSpace makes a device without memory match ErrNoSpace, too.
func noSpace(err error) error {
	var e *cudadrv.Error
	if errors.As(err, &e) && e.OutOfMemory() {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return err
}

// fillGPU makes the memory of a ring whose file fd is, and writes the block.
func fillGPU(fd int, sb *layout.Superblock, c *cuda) (*cudadrv.GPU, error) {
	g, block, err := export(fd, sb, c)
	if err != nil {
		return nil, err
	}
	b := make([]byte, layout.GPUBlockSize)
	block.Encode(b)
	if _, err := unix.Pwrite(fd, b, int64(sb.GPUOff)); err != nil {
		g.Release()
		return nil, fmt.Errorf("write the GPU block: %w", err)
	}
	return g, nil
}

// own makes g, which this process made for the ring, its memory here.
func (r *Ring) own(g *cudadrv.GPU) error {
	memories.Lock()
	defer memories.Unlock()
	m, err := keep(r, g, r.block.Memory == layout.MemoryIPC)
	if err != nil {
		return err
	}
	if m.owner {
		m.Reference()
		r.export = m
	}
	return nil
}

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

// openMemory is the ring's memory in this process, with a reference for the caller. It
// makes the checks of the spec's section 11 in their order.
func (r *Ring) openMemory() (*gpuMemory, error) {
	memories.Lock()
	defer memories.Unlock()
	if m := memories.byRing[r.sb.UUID]; m != nil {
		if r.gone() {
			return nil, fmt.Errorf("ring %q: %w", r.name, ErrExporterGone)
		}
		m.Reference()
		return m, nil
	}
	m, err := r.importMemory()
	if err != nil {
		return nil, fmt.Errorf("ring %q: %w", r.name, err)
	}
	m.Reference()
	return m, nil
}

func (r *Ring) importMemory() (*gpuMemory, error) {
	if err := cudadrv.Ready(); err != nil {
		return nil, err
	}
	b := r.block
	if b.Memory == layout.MemoryVMM {
		return nil, fmt.Errorf("memory shared as a VMM descriptor, which this version lacks: %w", ErrFeature)
	}
	device, err := r.ownDevice()
	if err != nil {
		return nil, err
	}
	own, err := shm.Reopen(r.fd)
	if err != nil {
		return nil, err
	}
	if b.Memory == layout.MemoryIPC {
		if err := r.checkExporter(own); err != nil {
			_ = unix.Close(own)
			return nil, err
		}
	}
	g, err := cudadrv.Open(r.wish(own, device))
	if err != nil {
		return nil, err
	}
	m, err := keep(r, g, false)
	if err != nil {
		g.Release()
	}
	return m, err
}

// ownDevice is the ordinal of the ring's device in this process. Pinned host memory is
// reached by any.
func (r *Ring) ownDevice() (int, error) {
	d, err := cudadrv.Find(r.block.Device)
	if err != nil && r.block.Memory == layout.MemoryHost && errors.Is(err, cudadrv.ErrDevice) {
		return 0, nil
	}
	return d.Ordinal, err
}

// checkExporter makes sure that the memory is there, and says on the description own that
// it is about to be open here.
func (r *Ring) checkExporter(own int) error {
	if here := bootID(); here != r.block.Boot {
		return fmt.Errorf("it was made before this machine was started: %w", ErrExporterGone)
	}
	if ok, err := shm.TryShare(own, layout.LockBase+layout.LockImporters); err != nil {
		return err
	} else if !ok {
		return fmt.Errorf("its owner, pid %d, is closing it: %w", r.block.Exporter, ErrExporterGone)
	}
	if alive, err := r.exporterLives(); err != nil {
		return err
	} else if !alive || r.gone() {
		return fmt.Errorf("its owner, pid %d, has ended; make the ring anew, or have a program own it that lasts (goring gpu-hold): %w", r.block.Exporter, ErrExporterGone)
	}
	return nil
}

func (r *Ring) exporterLives() (bool, error) {
	return shm.Locked(r.fd, layout.LockBase+layout.LockExporter)
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

// graceTime is step 1a of Reap.
const graceTime = layout.GPUGraceNS * time.Nanosecond

// completeCells is step 1b of Reap for seat n. claimed is loaded before seat, the other way
// round from a claim: so both are of the same one, unless it has been reached.
func (r *Ring) completeCells(n int) {
	for i := range r.sb.Slots + r.sb.DoneCells() {
		c := r.cell(r.sb.ReadyCell(i))
		if claimed := c.claimed.Load(); c.seat.Load() == uint32(n) {
			c.complete(claimed, i < r.sb.Slots)
		}
	}
}

// cell is how far the device work of a slot's producer or consumer is (spec section 11).
type cell struct {
	value, claimed, voided *atomic.Uint64
	seat                   *atomic.Uint32
}

func (r *Ring) cell(off uint64) cell {
	return cell{
		value: r.word64(off + layout.GPUCellValue), claimed: r.word64(off + layout.GPUCellClaimed),
		voided: r.word64(off + layout.GPUCellVoided), seat: r.word32(off + layout.GPUCellSeat),
	}
}

// complete fulfils a claim whose writer will not.
func (c cell) complete(claimed uint64, payload bool) {
	seen := c.value.Load()
	if int64(seen-claimed) >= 0 {
		return
	}
	if payload {
		c.voided.Store(claimed) // before the streams go on
	}
	for int64(seen-claimed) < 0 && !c.value.CompareAndSwap(seen, claimed) {
		seen = c.value.Load()
	}
}

// reached reports whether the device has come to target.
func (c cell) reached(target uint64) bool { return int64(c.value.Load()-target) >= 0 }

// isVoid reports whether the payload of a message that is owned never came.
func (c cell) isVoid() bool {
	claimed := c.claimed.Load()
	return claimed != 0 && c.voided.Load() == claimed
}

// hasLane reports whether seat n has a cell of its own: a broadcast consumer's of a GPU ring.
func (r *Ring) hasLane(n int) bool {
	return r.sb.GPU() && r.sb.Mode == layout.ModeBroadcast && n > r.sb.MaxProducers
}

// startLane makes the cell of seat n that of somebody who has come as far as he returns: as
// head, or as his predecessor, who may have read a message that head does not count yet.
func (r *Ring) startLane(n int, head uint64) uint64 {
	c := r.cell(r.sb.DoneCell(uint64(n - r.sb.MaxProducers - 1)))
	at := max(head, c.claimed.Load())
	c.value.Store(at)
	c.claimed.Store(at)
	return at
}

// bootID is of this run of the machine.
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

// NewStream makes a CUDA stream on the device of a GPU ring that somebody in this process has
// joined. The default streams do not wait for it.
func (r *Ring) NewStream() (Stream, error) {
	m, err := r.joinedMemory()
	if err != nil {
		return 0, err
	}
	return m.NewStream()
}

// DestroyStream ends a stream of NewStream once its work is done. No message may be released
// on it any more.
func (r *Ring) DestroyStream(s Stream) error {
	m, err := r.joinedMemory()
	if err != nil {
		return err
	}
	return m.DestroyStream(s)
}

// Synchronize waits until the device has done what is on the stream.
func (r *Ring) Synchronize(s Stream) error {
	m, err := r.joinedMemory()
	if err != nil {
		return err
	}
	return m.Synchronize(s)
}

// joinedMemory is the ring's memory if this process has it open.
func (r *Ring) joinedMemory() (*gpuMemory, error) {
	if !r.sb.GPU() {
		return nil, notOnGPU(r)
	}
	memories.Lock()
	defer memories.Unlock()
	m := memories.byRing[r.sb.UUID]
	if m == nil {
		return nil, fmt.Errorf("ring %q: join it first, that opens its memory: %w", r.name, ErrUnsupported)
	}
	return m, nil
}
