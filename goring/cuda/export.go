package cuda

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"example.com/goring/goring"
	"example.com/goring/internal/config"
	"example.com/goring/internal/cudadrv"
	"example.com/goring/internal/shm"
	"example.com/goring/layout"
)

// export makes the memory of a new GPU ring. It is the [config.Exporter] of this package.
type export struct {
	wanted     bool // the option Device was given
	ordinal    int
	memory     layout.Memory // 0: InDevice
	sync       layout.Sync
	syncChosen bool
	prober     []string

	sb    layout.Superblock
	block layout.GPUBlock
	gpu   *cudadrv.GPU // made by Fill, until Own or Discard
}

// exportOf returns the export that the options of one call fill.
func exportOf(c *config.Config) *export {
	e, ok := c.Export.(*export)
	if !ok {
		e = &export{}
		c.Export = e
	}
	return e
}

// Plan places the payloads of the ring.
func (e *export) Plan(plan *layout.Plan) error {
	if !e.wanted {
		return fmt.Errorf("cuda.Memory, cuda.Sync and cuda.ProbeWith go with cuda.Device: %w", goring.ErrOption)
	}
	if plan.Memory = e.memory; plan.Memory == 0 {
		plan.Memory = InDevice
	}
	return nil
}

// Fill makes the memory of the ring in segment fd and writes its block.
func (e *export) Fill(fd int, sb *layout.Superblock) error {
	e.sb = *sb
	if err := e.makeMemory(fd); err != nil {
		return err
	}
	b := make([]byte, layout.GPUBlockSize)
	e.block.Encode(b)
	if _, err := unix.Pwrite(fd, b, int64(sb.GPUOff)); err != nil {
		e.Discard()
		return fmt.Errorf("write the GPU block: %w", err)
	}
	return nil
}

func (e *export) makeMemory(fd int) error {
	device, err := cudadrv.At(e.ordinal)
	if err != nil {
		return err
	}
	version, _ := cudadrv.Version() // for people
	e.block = layout.GPUBlock{
		Memory: InDevice, Sync: Timeline, Device: device.UUID, Boot: bootID(),
		Driver: uint32(version), Exporter: uint32(os.Getpid()),
	}
	if e.memory != 0 {
		e.block.Memory = e.memory
	}
	if e.syncChosen {
		e.block.Sync = e.sync
	}
	if e.block.Memory == InDevice {
		size := e.sb.Slots * e.sb.DataStride
		e.block.Allocation = (size + layout.GPUAllocation - 1) / layout.GPUAllocation * layout.GPUAllocation
	}
	params := openParams(&e.sb, &e.block, -1, device.Ordinal)
	params.Create = true
	if e.block.Memory == InDevice {
		if err := allocate(&params, device, e.prober); err != nil {
			return err
		}
		e.block.Handle = params.Handle
	}
	err = e.open(fd, params)
	if err != nil && params.Allocation != 0 {
		err = errors.Join(err, cudadrv.Free(params))
	}
	return err
}

// allocate makes device memory of which it has seen that other processes can open it.
func allocate(params *cudadrv.OpenParams, device cudadrv.Device, prober []string) error {
	if err := cudadrv.Alloc(params); err != nil {
		return noSpace(err)
	}
	if err := probeSharing(*params, device, prober); err != nil {
		return errors.Join(err, cudadrv.Free(*params))
	}
	return nil
}

// open opens the memory. Where streams cannot wait for values it falls back to HostSync, unless
// the caller chose.
func (e *export) open(fd int, params cudadrv.OpenParams) (err error) {
	e.gpu, err = openExported(fd, params)
	if err != nil && !e.syncChosen {
		e.block.Sync, params.Sync = HostSync, uint32(HostSync)
		e.gpu, err = openExported(fd, params)
	}
	return err
}

// openExported opens memory that this process made, under the exporter's lock if it owns it.
func openExported(fd int, params cudadrv.OpenParams) (*cudadrv.GPU, error) {
	lock, err := shm.Reopen(fd)
	if err != nil {
		return nil, err
	}
	if params.Allocation != 0 {
		if _, err := shm.TryLock(lock, layout.LockBase+layout.LockExporter); err != nil {
			_ = unix.Close(lock)
			return nil, err
		}
	}
	params.FD = lock
	return cudadrv.Open(params)
}

// noSpace makes a device without memory match goring.ErrNoSpace, too.
func noSpace(err error) error {
	var e *cudadrv.Error
	if errors.As(err, &e) && e.OutOfMemory() {
		return fmt.Errorf("%w: %w", goring.ErrNoSpace, err)
	}
	return err
}

// Own makes the new memory that of the ring in this process. The returned function ends the ring
// of an owner of device memory.
func (e *export) Own(fd int, name string) (func(), error) {
	memories.Lock()
	defer memories.Unlock()
	m, err := register(fd, name, e.sb, e.block, e.gpu)
	if err != nil {
		return nil, err
	}
	e.gpu = nil
	if e.block.Memory != InDevice {
		return nil, nil
	}
	m.owner = true
	m.Reference()
	return m.closeExport, nil
}

// Discard frees the memory of a ring that could not be made.
func (e *export) Discard() {
	if e.gpu != nil {
		e.gpu.Release()
		e.gpu = nil
	}
}
