package main

import (
	"fmt"
	"strings"

	"example.com/goring/layout"
)

// constant is one number of the layout under its name in C; Python's name is the
// same.
type constant struct {
	name  string
	value uint64
}

var groups = []struct {
	title  string
	values []constant
}{
	{"version", []constant{{"MAJOR", layout.Major}, {"MINOR", layout.Minor}}},
	{"superblock, immutable part", []constant{
		{"SUPERBLOCK_SIZE", layout.SuperblockSize}, {"IMMUTABLE_SIZE", layout.ImmutableSize},
		{"OFF_MAGIC", layout.OffMagic}, {"OFF_MAJOR", layout.OffMajor}, {"OFF_MINOR", layout.OffMinor},
		{"OFF_SUPERBLOCK_SIZE", layout.OffSuperblockSize}, {"OFF_INCOMPAT", layout.OffIncompat},
		{"OFF_RO_COMPAT", layout.OffROCompat}, {"OFF_COMPAT", layout.OffCompat},
		{"OFF_KIND", layout.OffKind}, {"OFF_MODE", layout.OffMode}, {"OFF_MAX_META", layout.OffMaxMeta},
		{"OFF_SLOTS", layout.OffSlots}, {"OFF_HEADER_OFF", layout.OffHeaderOff}, {"OFF_HEADER_STRIDE", layout.OffHeaderStride},
		{"OFF_DATA_OFF", layout.OffDataOff}, {"OFF_DATA_STRIDE", layout.OffDataStride}, {"OFF_SLOT_BYTES", layout.OffSlotBytes},
		{"OFF_TOTAL_SIZE", layout.OffTotalSize}, {"OFF_PARTICIPANTS_OFF", layout.OffParticipantsOff},
		{"OFF_PARTICIPANT_STRIDE", layout.OffParticipantStride}, {"OFF_MAX_PRODUCERS", layout.OffMaxProducers},
		{"OFF_MAX_CONSUMERS", layout.OffMaxConsumers}, {"OFF_INFO_OFF", layout.OffInfoOff}, {"OFF_INFO_LEN", layout.OffInfoLen},
		{"OFF_INFO_CRC", layout.OffInfoCRC}, {"OFF_CREATED_NS", layout.OffCreatedNS}, {"OFF_UUID", layout.OffUUID},
		{"OFF_GPU_OFF", layout.OffGPUOff}, {"OFF_GPU_SIZE", layout.OffGPUSize}, {"OFF_OPTIONS", layout.OffOptions}, {"OFF_CRC", layout.OffCRC},
	}},
	{"superblock, mutable words", []constant{
		{"OFF_DATA_EV", layout.OffDataEv}, {"OFF_DATA_WAITING", layout.OffDataWaiting},
		{"OFF_ROOM_EV", layout.OffRoomEv}, {"OFF_ROOM_WAITING", layout.OffRoomWaiting},
		{"OFF_PUT_HINT", layout.OffPutHint}, {"OFF_TAKE_HINT", layout.OffTakeHint},
		{"OFF_REQUEUE_GEN", layout.OffRequeueGen}, {"OFF_HEAD", layout.OffHead}, {"OFF_SHUTDOWN", layout.OffShutdown},
	}},
	{"participant's entry", []constant{
		{"PARTICIPANT_SIZE", layout.ParticipantSize}, {"PART_STATE", layout.PartState}, {"PART_EPOCH", layout.PartEpoch},
		{"PART_CURSOR", layout.PartCursor}, {"PART_LOST", layout.PartLost}, {"PART_PROGRESS", layout.PartProgress},
		{"PART_PID", layout.PartPID}, {"PART_FLAGS", layout.PartFlags}, {"PART_START_TIME", layout.PartStartTime},
		{"PART_JOINED", layout.PartJoined}, {"PART_NAME", layout.PartName}, {"PART_NAME_SIZE", layout.PartNameSize},
		{"PART_FREE", layout.PartFree}, {"PART_IN_USE", layout.PartInUse}, {"PART_DIED", layout.PartDied},
	}},
	{"slot header", []constant{
		{"SLOT_HEADER_SIZE", layout.SlotHeaderSize}, {"SLOT_WORD", layout.SlotWord}, {"SLOT_LEN", layout.SlotLen},
		{"SLOT_META_LEN", layout.SlotMetaLen}, {"SLOT_FLAGS", layout.SlotFlags}, {"SLOT_REDELIVERED", layout.SlotRedelivered},
		{"SLOT_TIMESTAMP", layout.SlotTimestamp}, {"SLOT_TAG", layout.SlotTag}, {"SLOT_TENSOR", layout.SlotTensor},
		{"TENSOR_SIZE", layout.TensorSize}, {"TENSOR_DTYPE", layout.TensorDType}, {"TENSOR_NDIM", layout.TensorNDim},
		{"TENSOR_SHAPE", layout.TensorShape}, {"MAX_DIMS", layout.MaxDims},
	}},
	{"states of the slot word", []constant{
		{"FREE", layout.StateFree}, {"WRITING", layout.StateWriting}, {"READY", layout.StateReady}, {"TAKEN", layout.StateTaken},
	}},
	{"kinds and modes", []constant{
		{"KIND_BYTES", uint64(layout.KindBytes)}, {"KIND_ARRAY", uint64(layout.KindArray)},
		{"KIND_STRUCT", uint64(layout.KindStruct)}, {"KIND_TENSOR", uint64(layout.KindTensor)},
		{"MODE_QUEUE", uint64(layout.ModeQueue)}, {"MODE_BROADCAST", uint64(layout.ModeBroadcast)}, {"MODE_OVERWRITE", uint64(layout.ModeOverwrite)},
	}},
	{"GPU block, state, cells", []constant{
		{"GPU_MAGIC", layout.GPUMagic}, {"GPU_VERSION", layout.GPUVersion}, {"GPU_SIZE", layout.GPUBlockSize},
		{"GPU_OFF_VERSION", layout.GPUOffVersion}, {"GPU_OFF_SIZE", layout.GPUOffSize}, {"GPU_OFF_MEMORY", layout.GPUOffMemory},
		{"GPU_OFF_SYNC", layout.GPUOffSync}, {"GPU_OFF_DEVICE", layout.GPUOffDevice}, {"GPU_OFF_BOOT", layout.GPUOffBoot},
		{"GPU_OFF_ALLOCATION", layout.GPUOffAllocation}, {"GPU_OFF_DRIVER", layout.GPUOffDriver},
		{"GPU_OFF_EXPORTER_PID", layout.GPUOffExporter}, {"GPU_OFF_HANDLE", layout.GPUOffHandle},
		{"GPU_OFF_SOCKET", layout.GPUOffSocket}, {"GPU_OFF_CRC", layout.GPUOffCRC},
		{"GPU_OFF_STATE", layout.GPUOffState}, {"GPU_GONE", layout.GPUGone}, {"GPU_EARLY", layout.GPUEarly}, {"GPU_OFF_SCRATCH", layout.GPUOffScratch}, {"GPU_OFF_CELLS", layout.GPUOffCells},
		{"GPU_CELL_SIZE", layout.GPUCellSize}, {"GPU_CELL_VALUE", layout.GPUCellValue},
		{"GPU_CELL_CLAIMED", layout.GPUCellClaimed}, {"GPU_CELL_VOIDED", layout.GPUCellVoided},
		{"GPU_CELL_SEAT", layout.GPUCellSeat}, {"GPU_ALIGN", layout.GPUAlign}, {"GPU_GRACE_NS", layout.GPUGraceNS},
		{"GPU_MEMORY_IPC", uint64(layout.MemoryIPC)}, {"GPU_MEMORY_VMM", uint64(layout.MemoryVMM)}, {"GPU_MEMORY_HOST", uint64(layout.MemoryHost)},
		{"GPU_SYNC_HOST", uint64(layout.SyncHost)}, {"GPU_SYNC_TIMELINE", uint64(layout.SyncTimeline)},
	}},
	{"features, options, locks, limits", []constant{
		{"INCOMPAT_CUDA", layout.IncompatCUDA}, {"KNOWN_INCOMPAT", layout.KnownIncompat}, {"KNOWN_RO_COMPAT", layout.KnownROCompat},
		{"OPTION_TIMESTAMPS", layout.OptionTimestamps}, {"LOCK_BASE", layout.LockBase}, {"LOCK_ADMIN", layout.LockAdmin},
		{"LOCK_IMPORTERS", layout.LockImporters}, {"LOCK_EXPORTER", layout.LockExporter},
		{"MAX_PARTICIPANTS", layout.MaxParticipants}, {"MAX_SLOTS", layout.MaxSlots}, {"MAX_SLOT_BYTES", layout.MaxSlotBytes},
		{"MAX_META_BYTES", layout.MaxMetaBytes}, {"MAX_INFO", layout.MaxInfo}, {"MAX_DEPTH", layout.MaxDepth},
		{"WAIT_SLICE_NS", layout.WaitSliceNS},
	}},
	{"wait strategies and roles", []constant{
		{"STRATEGY_ADAPTIVE", layout.StrategyAdaptive}, {"STRATEGY_SPIN", layout.StrategySpin}, {"STRATEGY_PARK", layout.StrategyPark},
		{"ROLE_PRODUCER", layout.RoleProducer}, {"ROLE_CONSUMER", layout.RoleConsumer},
	}},
	{"results of a pool, and the descriptors of its workers", []constant{
		{"RESULT_ARRAY", layout.ResultArray}, {"RESULT_BYTES", layout.ResultBytes}, {"RESULT_VALUE", layout.ResultValue},
		{"RESULT_ERROR", layout.ResultError}, {"RESULT_POISON", layout.ResultPoison},
		{"FD_REQUESTS", layout.FDRequests}, {"FD_RESULTS", layout.FDResults}, {"FD_STATUS", layout.FDStatus},
	}},
}

const header = "Generated by `go generate ./layout` from package layout; do not edit."

// Files are the generated files by path from the top of the repository.
func Files() map[string]string {
	return map[string]string{
		"include/goring/layout.h":           cHeader(),
		"pybridge/python/goring/_layout.py": python(),
	}
}

func cHeader() string {
	var b strings.Builder
	fmt.Fprintf(&b, "/* %s */\n#ifndef GORING_LAYOUT_H\n#define GORING_LAYOUT_H\n", header)
	b.WriteString("\n/* the first eight bytes of a segment */\n")
	fmt.Fprintf(&b, "#define GR_MAGIC %s\n", cString(layout.Magic))
	for _, g := range groups {
		fmt.Fprintf(&b, "\n/* %s */\n", g.title)
		for _, c := range g.values {
			suffix := ""
			if c.value > 1<<31-1 {
				suffix = "ull"
			}
			fmt.Fprintf(&b, "#define GR_%s %d%s\n", c.name, c.value, suffix)
		}
	}
	b.WriteString("\n/* dtype codes of the tensor descriptor: X(code, name, bytes) */\n#define GR_DTYPES(X)")
	for _, c := range layout.Codes() {
		size, _ := c.Size()
		fmt.Fprintf(&b, " \\\n\tX(%d, %q, %d)", c, c, size)
	}
	fmt.Fprintf(&b, "\n#define GR_DTYPES_END %d /* one more than the largest code */\n\n#endif\n", dtypesEnd())
	return b.String()
}

// dtypesEnd returns one more than the largest dtype code.
func dtypesEnd() int {
	codes := layout.Codes()
	return int(codes[len(codes)-1]) + 1
}

// cString returns s as a C string literal of hex and printable bytes.
func cString(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, "\\%03o", c)
	}
	return `"` + b.String() + `"`
}

func python() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\"\"\"%s\"\"\"\n\nfrom typing import Final\n\n", header)
	fmt.Fprintf(&b, "MAGIC: Final = b\"%s\"\n", pyBytes(layout.Magic))
	for _, g := range groups {
		fmt.Fprintf(&b, "\n# %s\n", g.title)
		for _, c := range g.values {
			fmt.Fprintf(&b, "%s: Final = %d\n", c.name, c.value)
		}
	}
	b.WriteString("\n# dtype codes of the tensor descriptor: code -> (name, bytes)\nDTYPES: Final = {\n")
	for _, c := range layout.Codes() {
		size, _ := c.Size()
		fmt.Fprintf(&b, "    %d: (%q, %d),\n", c, c, size)
	}
	b.WriteString("}\n\n# codes of the control plane's errors\n")
	for _, c := range layout.ErrorCodes() {
		fmt.Fprintf(&b, "CODE_%s: Final = %q\n", strings.ToUpper(strings.ReplaceAll(string(c), "-", "_")), c)
	}
	return b.String()
}

func pyBytes(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "\\x%02x", c)
		}
	}
	return b.String()
}
