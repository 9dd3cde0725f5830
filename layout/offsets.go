// Package layout implements the byte layout of a goring segment, version 1: offsets, the
// superblock, slot and participant records, dtypes and schemas, and the msgpack of
// the info block. It works on byte slices and makes no system calls. The law is
// spec/LAYOUT.md; the constants here are the one place in code that states its numbers,
// and the C header and the Python constants are generated from them. The comments of the
// declarations are the titles in the generated files.
package layout

//go:generate go run ./gen

// Version of the layout. Readers of an older minor version stay right, those of an older major
// version do not.
const (
	Major = 1
	Minor = 0
)

// Magic begins every segment.
const Magic = "\x89GORING\n"

// Sizes and offsets of the superblock's immutable part.
const (
	SuperblockSize = 4096
	ImmutableSize  = 256

	OffMagic             = 0
	OffMajor             = 8
	OffMinor             = 10
	OffSuperblockSize    = 12
	OffIncompat          = 16
	OffROCompat          = 20
	OffCompat            = 24
	OffKind              = 28
	OffMode              = 29
	OffMaxMeta           = 30
	OffSlots             = 32
	OffHeaderOff         = 40
	OffHeaderStride      = 48
	OffDataOff           = 56
	OffDataStride        = 64
	OffSlotBytes         = 72
	OffTotalSize         = 80
	OffParticipantsOff   = 88
	OffParticipantStride = 96
	OffMaxProducers      = 100
	OffMaxConsumers      = 102
	OffInfoOff           = 104
	OffInfoLen           = 112
	OffInfoCRC           = 116
	OffCreatedNS         = 120
	OffUUID              = 128
	OffGPUOff            = 144
	OffGPUSize           = 152
	OffOptions           = 160
	OffCRC               = 252
)

// Offsets of the mutable words, each on 128 bytes of its own.
const (
	OffDataEv      = 256
	OffDataWaiting = 384
	OffRoomEv      = 512
	OffRoomWaiting = 640
	OffPutHint     = 768
	OffTakeHint    = 896
	OffRequeueGen  = 1024
	OffHead        = 1152
	OffShutdown    = 1280
)

// A participant's entry.
const (
	ParticipantSize = 128

	PartState     = 0
	PartEpoch     = 4
	PartCursor    = 8
	PartLost      = 16
	PartProgress  = 24
	PartPID       = 32
	PartFlags     = 36
	PartStartTime = 40
	PartJoined    = 48
	PartName      = 64
	PartNameSize  = 64

	PartFree  = 0 // values of PartState
	PartInUse = 1

	PartDied = 1 // bit of PartFlags: the last holder was reaped
)

// A slot's header.
const (
	SlotHeaderSize  = 32
	SlotWord        = 0
	SlotLen         = 8
	SlotMetaLen     = 12
	SlotFlags       = 14
	SlotRedelivered = 15
	SlotTimestamp   = 16
	SlotTag         = 24
	SlotTensor      = 32 // offset of the descriptor, on tensor rings
	TensorSize      = 80
	TensorDType     = 0 // offsets inside the descriptor
	TensorNDim      = 2
	TensorShape     = 16
	MaxDims         = 8
)

// States of a slot word, lap<<8 | owner<<2 | state.
const (
	StateFree    = 0
	StateWriting = 1
	StateReady   = 2
	StateTaken   = 3
)

// Liveness locks: the byte at the base plus the seat's number, and bytes for other duties.
const (
	LockBase      = 1 << 62
	LockImporters = 65533 // read lock of each process that has a GPU ring's memory open
	LockExporter  = 65534 // write lock of the owner of a GPU ring's memory
	LockAdmin     = 65535
)

// Feature and option bits.
const (
	IncompatCUDA     = 1 << 0
	KnownIncompat    = IncompatCUDA // the features that this implementation has
	KnownROCompat    = 0
	OptionTimestamps = 1 << 0
)

// The GPU block, and the state and cells after it.
const (
	GPUMagic     = 'G' | 'P'<<8 | 'U'<<16 | 'S'<<24
	GPUVersion   = 1
	GPUBlockSize = 512

	GPUOffVersion    = 4
	GPUOffSize       = 6
	GPUOffMemory     = 8
	GPUOffSync       = 12
	GPUOffDevice     = 16
	GPUOffBoot       = 32
	GPUOffAllocation = 48
	GPUOffDriver     = 56
	GPUOffExporter   = 60
	GPUOffHandle     = 64
	GPUHandleSize    = 64
	GPUOffSocket     = 128
	GPUOffCRC        = 508

	GPUOffState = 512
	GPUGone     = 1 // bit of the state: the memory's owner died or is closing
	GPUEarly    = 2 // bit of the state: it had not shut the ring down before

	// GPUOffScratch is the offset of 64 bytes in which the creator tries whether streams can
	// write to such memory.
	GPUOffScratch = 576

	GPUOffCells    = 640
	GPUCellSize    = 64
	GPUCellValue   = 0
	GPUCellClaimed = 8
	GPUCellVoided  = 16
	GPUCellSeat    = 24

	GPUAlign      = 256     // alignment of a slot's payload
	GPUStride     = 512     // alignment of payloads in new rings
	GPUAllocation = 2 << 20 // unit of device allocations, so that no other memory is in the same block

	// GPUGraceNS is the time in which device work of a dead process may still finish.
	GPUGraceNS = 100_000_000
)

// Limits.
const (
	MaxParticipants = 63
	MaxSlots        = 1 << 31
	MaxSlotBytes    = 1<<32 - 1
	MaxMetaBytes    = 65520
	MaxInfo         = 65536
	MaxDepth        = 16 // levels of nested msgpack

	// WaitSliceNS is the longest sleep of a participant before it looks for dead peers. One
	// that must notice a death within that time sleeps half as long.
	WaitSliceNS = 100_000_000

	maxTotal = 1 << 62

	pageAlign     = 4096
	headerAlign   = 64
	inlineAlign   = 16
	separateAlign = 65536
)
