package layout

import (
	"fmt"

	"example.com/goring/internal/enum"
)

// Memory is the kind of memory that holds the payloads of a GPU ring.
type Memory uint32

// The kinds of memory of a GPU ring.
const (
	MemoryIPC  Memory = 1 // device memory, shared by a legacy IPC handle
	MemoryVMM  Memory = 2 // device memory, shared as a descriptor; not implemented
	MemoryHost Memory = 3 // the segment itself, pinned by each process
)

var memoryNames = []string{MemoryIPC: "device", MemoryVMM: "device-vmm", MemoryHost: "host"}

// String returns device, device-vmm or host.
func (m Memory) String() string { return enum.Name("Memory", memoryNames, uint8(m)) }

// ParseMemory is the inverse of [Memory.String]. It fails with ErrSchema.
func ParseMemory(s string) (Memory, error) {
	i, err := enum.Parse("memory", memoryNames, s, ErrSchema)
	return Memory(i), err
}

// Sync is how the participants of a GPU ring wait for each other's device work.
type Sync uint32

// The kinds of synchronisation of a GPU ring.
const (
	SyncHost     Sync = iota // the host waits for the device before it publishes or releases a slot
	SyncTimeline             // streams wait for cells in the segment
)

var syncNames = []string{SyncHost: "host", SyncTimeline: "timeline"}

// String returns host or timeline.
func (s Sync) String() string { return enum.Name("Sync", syncNames, uint8(s)) }

// ParseSync is the inverse of [Sync.String]. It fails with ErrSchema.
func ParseSync(s string) (Sync, error) {
	i, err := enum.Parse("sync", syncNames, s, ErrSchema)
	return Sync(i), err
}

// DeviceUUID returns a device's UUID as nvidia-smi and CUDA_VISIBLE_DEVICES write it.
func DeviceUUID(u [16]byte) string {
	return fmt.Sprintf("GPU-%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// GPUBlock is the immutable part of the GPU area, which only GPU rings have.
type GPUBlock struct {
	Memory     Memory
	Sync       Sync
	Device     [16]byte // UUID
	Boot       [16]byte // boot id
	Allocation uint64   // bytes of device memory
	Driver     uint32
	Exporter   uint32 // pid of the creator as it saw it, for messages
	Handle     [GPUHandleSize]byte
}

// Encode writes the block and its checksum into dst[:GPUBlockSize].
func (g *GPUBlock) Encode(dst []byte) {
	dst = dst[:GPUBlockSize]
	clear(dst)
	le.PutUint32(dst, GPUMagic)
	le.PutUint16(dst[GPUOffVersion:], GPUVersion)
	le.PutUint16(dst[GPUOffSize:], GPUBlockSize)
	le.PutUint32(dst[GPUOffMemory:], uint32(g.Memory))
	le.PutUint32(dst[GPUOffSync:], uint32(g.Sync))
	copy(dst[GPUOffDevice:], g.Device[:])
	copy(dst[GPUOffBoot:], g.Boot[:])
	le.PutUint64(dst[GPUOffAllocation:], g.Allocation)
	le.PutUint32(dst[GPUOffDriver:], g.Driver)
	le.PutUint32(dst[GPUOffExporter:], g.Exporter)
	copy(dst[GPUOffHandle:], g.Handle[:])
	le.PutUint32(dst[GPUOffCRC:], checksum(dst[:GPUOffCRC]))
}

// ParseGPU checks and decodes the GPU block of the ring of s; b must be a private copy. It fails
// with ErrTruncated, ErrGeometry, ErrVersion or ErrChecksum.
func (s *Superblock) ParseGPU(b []byte) (g GPUBlock, err error) {
	if len(b) < GPUBlockSize {
		return g, fmt.Errorf("%d bytes, a GPU block has %d: %w", len(b), GPUBlockSize, ErrTruncated)
	}
	if le.Uint32(b) != GPUMagic {
		return g, fmt.Errorf("magic of the GPU block is % x: %w", b[:4], ErrGeometry)
	}
	if v := le.Uint16(b[GPUOffVersion:]); v != GPUVersion {
		return g, fmt.Errorf("GPU block of version %d, this library knows %d: %w", v, GPUVersion, ErrVersion)
	}
	if n := le.Uint16(b[GPUOffSize:]); n != GPUBlockSize {
		return g, fmt.Errorf("size of the GPU block is %d: %w", n, ErrGeometry)
	}
	if got, want := checksum(b[:GPUOffCRC]), le.Uint32(b[GPUOffCRC:]); got != want {
		return g, fmt.Errorf("GPU block: CRC32C %08x, recorded %08x: %w", got, want, ErrChecksum)
	}
	g = GPUBlock{
		Memory: Memory(le.Uint32(b[GPUOffMemory:])), Sync: Sync(le.Uint32(b[GPUOffSync:])),
		Device: [16]byte(b[GPUOffDevice:]), Boot: [16]byte(b[GPUOffBoot:]),
		Allocation: le.Uint64(b[GPUOffAllocation:]), Driver: le.Uint32(b[GPUOffDriver:]),
		Exporter: le.Uint32(b[GPUOffExporter:]), Handle: [GPUHandleSize]byte(b[GPUOffHandle:]),
	}
	inDevice := s.DataOff == 0
	return g, firstBroken([]rule{
		{g.Memory >= MemoryIPC && g.Memory <= MemoryHost && inDevice == (g.Memory != MemoryHost), "memory of the GPU block", uint64(g.Memory)},
		{g.Sync <= SyncTimeline, "sync of the GPU block", uint64(g.Sync)},
		{g.Allocation%GPUAllocation == 0 && g.Allocation>>62 == 0, "allocation of the GPU block", g.Allocation},
		{!inDevice || g.Allocation >= s.Slots*s.DataStride, "allocation of the GPU block", g.Allocation},
		{inDevice || g.Allocation == 0, "allocation of the GPU block", g.Allocation},
	})
}

// GPU reports whether it is a GPU ring.
func (s *Superblock) GPU() bool { return s.Incompat&IncompatCUDA != 0 }

// InDevice reports whether the payloads are in device memory, not in the segment.
func (s *Superblock) InDevice() bool { return s.GPU() && s.DataOff == 0 }

// DoneCells returns the number of cells that the consumers of a GPU ring write.
func (s *Superblock) DoneCells() uint64 {
	switch s.Mode {
	case ModeQueue:
		return s.Slots
	case ModeBroadcast:
		return uint64(s.MaxConsumers)
	case ModeOverwrite: // no producer waits for a consumer
	}
	return 0
}

// ReadyCell returns the offset of the cell that slot i's producer writes.
func (s *Superblock) ReadyCell(i uint64) uint64 { return s.GPUOff + GPUOffCells + i*GPUCellSize }

// DoneCell returns the offset of done cell k: a slot's in a queue, a consumer's in broadcast.
func (s *Superblock) DoneCell(k uint64) uint64 { return s.ReadyCell(s.Slots + k) }

// gpuSize returns the bytes of block, state and cells.
func (s *Superblock) gpuSize() uint64 {
	return GPUOffCells + GPUCellSize*(s.Slots+s.DoneCells())
}

// validateGPU checks the GPU area; the areas before it must have been checked.
func (s *Superblock) validateGPU() error {
	if !s.GPU() {
		return firstBroken([]rule{{s.GPUOff == 0, "gpu_off", s.GPUOff}, {s.GPUSize == 0, "gpu_size", s.GPUSize}})
	}
	infoEnd := s.InfoOff + uint64(s.InfoLen)
	return firstBroken([]rule{
		{s.GPUOff%pageAlign == 0 && s.GPUOff >= infoEnd && s.GPUOff <= s.HeaderOff, "gpu_off", s.GPUOff},
		{s.GPUSize >= s.gpuSize() && s.GPUSize <= s.HeaderOff-s.GPUOff, "gpu_size", s.GPUSize},
		{s.DataStride%GPUAlign == 0, "data_stride", s.DataStride},
	})
}
