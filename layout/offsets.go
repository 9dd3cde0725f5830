// Package layout is the byte layout of a goring segment, version 1: offsets, the
// superblock, slot and participant records, dtypes and schemas, and the msgpack of
// the info block. It works on byte slices and makes no system calls. The law is
// spec/LAYOUT.md; the constants here are the one place in code where its numbers
// stand, and the C header and the Python constants are generated from them.
package layout

//go:generate go run ./gen

// Version of the layout. A minor version keeps old readers right, a major one does not.
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
	SlotTensor      = 32 // the descriptor, on tensor rings
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

// Liveness locks: byte LockBase+seat, and and beside it those of other duties.
const (
	LockBase      = 1 << 62
	LockImporters = 65533 // shared by those who have a GPU ring's memory open
	LockExporter  = 65534 // of who owns it
	LockAdmin     = 65535
)

// Feature and option bits.
const (
	IncompatCUDA     = 1 << 0
	KnownIncompat    = IncompatCUDA // what this implementation can use
	KnownROCompat    = 0
	OptionTimestamps = 1 << 0
)

// The GPU block, and the state and cells behind it.
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
	GPUGone     = 1 // bits of the state: the memory's owner died or is closing,
	GPUEarly    = 2 // and had not shut the ring down before

	// GPUOffScratch is 64 bytes in which the creator tries whether streams write to such memory.
	GPUOffScratch = 576

	GPUOffCells    = 640
	GPUCellSize    = 64
	GPUCellValue   = 0
	GPUCellClaimed = 8
	GPUCellVoided  = 16
	GPUCellSeat    = 24

	GPUAlign      = 256     // of the payload of a slot
	GPUStride     = 512     // what new rings round it up to
	GPUAllocation = 2 << 20 // of device allocations: nobody else's memory in the same block

	// GPUGraceNS is how long what a dead process had enqueued may go on.
	GPUGraceNS = 100_000_000
)

// Limits.
const (
	MaxParticipants = 63
	MaxSlots        = 1 << 31
	MaxSlotBytes    = 1<<32 - 1
	MaxMetaBytes    = 65520
	MaxInfo         = 65536
	MaxDepth        = 16 // of nested msgpack

	// WaitSliceNS is how long a participant may sleep before it looks after dead peers. One
	// that is to notice a death within that time sleeps half as long.
	WaitSliceNS = 100_000_000

	maxTotal = 1 << 62

	pageAlign     = 4096
	headerAlign   = 64
	inlineAlign   = 16
	separateAlign = 65536
)
