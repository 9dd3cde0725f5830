package layout

import (
	"testing"
	"unsafe"
)

// The records as a C compiler would lay them out: the offsets are those of the tables
// in the spec, and every word that is used atomically is aligned to its size.
type (
	immutableRecord struct {
		magic                                               [8]byte
		major, minor                                        uint16
		superblockSize, incompat, roCompat, compat          uint32
		kind, mode                                          uint8
		maxMeta                                             uint16
		slots, headerOff, headerStride, dataOff, dataStride uint64
		slotBytes, totalSize, participantsOff               uint64
		participantStride                                   uint32
		maxProducers, maxConsumers                          uint16
		infoOff                                             uint64
		infoLen, infoCRC                                    uint32
		createdNS                                           int64
		uuid                                                [16]byte
		gpuOff, gpuSize                                     uint64
		options                                             uint32
		_                                                   [88]byte
		crc                                                 uint32
	}
	participantRecord struct {
		state, epoch uint32
		cursor, lost uint64
		progress     int64
		pid, flags   uint32
		startTime    uint64
		joined       int64
		_            [8]byte
		name         [64]byte
	}
	slotRecord struct {
		word               uint64
		len                uint32
		metaLen            uint16
		flags, redelivered uint8
		timestamp          int64
		tag                uint64
	}
	tensorRecord struct {
		dtype uint16
		ndim  uint8
		_     uint8
		_     uint32
		_     uint64
		shape [8]uint64
	}
)

func TestOffsetsAreThoseOfTheRecords(t *testing.T) {
	var (
		i immutableRecord
		p participantRecord
		s slotRecord
		d tensorRecord
	)
	for name, at := range map[string]struct{ constant, offset uintptr }{
		"magic": {OffMagic, unsafe.Offsetof(i.magic)}, "major": {OffMajor, unsafe.Offsetof(i.major)}, "minor": {OffMinor, unsafe.Offsetof(i.minor)},
		"superblock_size": {OffSuperblockSize, unsafe.Offsetof(i.superblockSize)}, "incompat": {OffIncompat, unsafe.Offsetof(i.incompat)},
		"ro_compat": {OffROCompat, unsafe.Offsetof(i.roCompat)}, "compat": {OffCompat, unsafe.Offsetof(i.compat)},
		"kind": {OffKind, unsafe.Offsetof(i.kind)}, "mode": {OffMode, unsafe.Offsetof(i.mode)}, "max_meta": {OffMaxMeta, unsafe.Offsetof(i.maxMeta)},
		"slots": {OffSlots, unsafe.Offsetof(i.slots)}, "header_off": {OffHeaderOff, unsafe.Offsetof(i.headerOff)},
		"header_stride": {OffHeaderStride, unsafe.Offsetof(i.headerStride)}, "data_off": {OffDataOff, unsafe.Offsetof(i.dataOff)},
		"data_stride": {OffDataStride, unsafe.Offsetof(i.dataStride)}, "slot_bytes": {OffSlotBytes, unsafe.Offsetof(i.slotBytes)},
		"total_size": {OffTotalSize, unsafe.Offsetof(i.totalSize)}, "participants_off": {OffParticipantsOff, unsafe.Offsetof(i.participantsOff)},
		"participant_stride": {OffParticipantStride, unsafe.Offsetof(i.participantStride)}, "max_producers": {OffMaxProducers, unsafe.Offsetof(i.maxProducers)},
		"max_consumers": {OffMaxConsumers, unsafe.Offsetof(i.maxConsumers)}, "info_off": {OffInfoOff, unsafe.Offsetof(i.infoOff)},
		"info_len": {OffInfoLen, unsafe.Offsetof(i.infoLen)}, "info_crc": {OffInfoCRC, unsafe.Offsetof(i.infoCRC)},
		"created_ns": {OffCreatedNS, unsafe.Offsetof(i.createdNS)}, "uuid": {OffUUID, unsafe.Offsetof(i.uuid)},
		"gpu_off": {OffGPUOff, unsafe.Offsetof(i.gpuOff)}, "gpu_size": {OffGPUSize, unsafe.Offsetof(i.gpuSize)},
		"options": {OffOptions, unsafe.Offsetof(i.options)}, "crc": {OffCRC, unsafe.Offsetof(i.crc)}, "immutable": {ImmutableSize, unsafe.Sizeof(i)},

		"state": {PartState, unsafe.Offsetof(p.state)}, "epoch": {PartEpoch, unsafe.Offsetof(p.epoch)}, "cursor": {PartCursor, unsafe.Offsetof(p.cursor)},
		"lost": {PartLost, unsafe.Offsetof(p.lost)}, "progress_ns": {PartProgress, unsafe.Offsetof(p.progress)}, "pid": {PartPID, unsafe.Offsetof(p.pid)},
		"participant's flags": {PartFlags, unsafe.Offsetof(p.flags)}, "start_time": {PartStartTime, unsafe.Offsetof(p.startTime)},
		"joined_ns": {PartJoined, unsafe.Offsetof(p.joined)}, "name": {PartName, unsafe.Offsetof(p.name)},
		"name's size": {PartNameSize, unsafe.Sizeof(p.name)}, "participant": {ParticipantSize, unsafe.Sizeof(p)},

		"word": {SlotWord, unsafe.Offsetof(s.word)}, "len": {SlotLen, unsafe.Offsetof(s.len)}, "meta_len": {SlotMetaLen, unsafe.Offsetof(s.metaLen)},
		"flags": {SlotFlags, unsafe.Offsetof(s.flags)}, "redelivered": {SlotRedelivered, unsafe.Offsetof(s.redelivered)},
		"timestamp_ns": {SlotTimestamp, unsafe.Offsetof(s.timestamp)}, "tag": {SlotTag, unsafe.Offsetof(s.tag)}, "slot header": {SlotHeaderSize, unsafe.Sizeof(s)},

		"dtype": {TensorDType, unsafe.Offsetof(d.dtype)}, "ndim": {TensorNDim, unsafe.Offsetof(d.ndim)}, "shape": {TensorShape, unsafe.Offsetof(d.shape)},
		"descriptor": {TensorSize, unsafe.Sizeof(d)}, "dimensions": {MaxDims, uintptr(len(d.shape))}, "after the header": {SlotTensor, unsafe.Sizeof(s)},
	} {
		if at.constant != at.offset {
			t.Errorf("%s is %d, the record has %d", name, at.constant, at.offset)
		}
	}
}

func TestMutableWordsHave128BytesEach(t *testing.T) {
	last := uintptr(ImmutableSize) - 128
	for _, off := range []uintptr{OffDataEv, OffDataWaiting, OffRoomEv, OffRoomWaiting, OffPutHint, OffTakeHint, OffRequeueGen, OffHead, OffShutdown} {
		if off != last+128 {
			t.Errorf("word at %d follows the one at %d", off, last)
		}
		last = off
	}
	if last+128 > SuperblockSize {
		t.Errorf("words end at %d", last+128)
	}
}
