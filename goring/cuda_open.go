package goring

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"example.com/goring/internal/cudadrv"
	"example.com/goring/internal/shm"
	"example.com/goring/layout"
)

// gpuWish is what this process wants opened of a ring; own is a description for it.
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
	g, err := cudadrv.Open(gpuWish(&r.sb, &r.block, own, device))
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
