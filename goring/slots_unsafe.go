package goring

import (
	"sync/atomic"
	"unsafe"

	"example.com/goring/internal/cpu"
	"example.com/goring/layout"
)

// slotHeader overlays the 32 bytes at the start of a slot (spec section 4).
// word is the truth about the slot; the other fields belong to the slot's
// present owner and are published by its next store of word.
type slotHeader struct {
	word      atomic.Uint64
	sizes     uint64 // len | meta_len << 32 | flags << 48 | redelivered << 56
	timestamp int64
	tag       uint64
}

// slots is one side's private view of a mapped ring: addresses and geometry,
// copied at attach and never read from the segment again.
type slots struct {
	headers unsafe.Pointer
	payload unsafe.Pointer
	hStride uintptr
	hEnd    uintptr // the headers' length: count strides
	dStride uintptr
	count   uint64 // slots in the ring
	bytes   uint64 // payload capacity of a slot
	metaOff uintptr
	maxMeta uint64
	least   uint64 // and the fewest bytes of a message: as many on rings of fixed items
	mode    layout.Mode
	lines   int  // that are asked for with a word, see own
	fixed   bool // every message has exactly bytes bytes
	mirror  bool // a run of payloads may cross the wrap

	shutdown, dataEv, dataWaiting, roomEv, roomWaiting *atomic.Uint32
	putHint, takeHint, requeueGen, head                *atomic.Uint64

	readers []seatWords // of the consumers, for the gate of a broadcast ring
}

// newSlots binds the geometry in sb, which has been validated, to the memory of
// the control area and, for separate rings, of the payload area.
func newSlots(sb *layout.Superblock, control, payload unsafe.Pointer, mirror bool) *slots {
	s := &slots{
		headers: unsafe.Add(control, sb.HeaderOff),
		payload: payload,
		hStride: uintptr(sb.HeaderStride),
		hEnd:    uintptr(sb.Slots) * uintptr(sb.HeaderStride),
		dStride: uintptr(sb.DataStride),
		count:   sb.Slots,
		bytes:   sb.SlotBytes,
		metaOff: uintptr(sb.MetaOff()),
		maxMeta: uint64(sb.MaxMeta),
		mode:    sb.Mode,
		fixed:   sb.Kind == layout.KindArray || sb.Kind == layout.KindStruct,
		mirror:  mirror,

		shutdown:    (*atomic.Uint32)(unsafe.Add(control, layout.OffShutdown)),
		dataEv:      (*atomic.Uint32)(unsafe.Add(control, layout.OffDataEv)),
		dataWaiting: (*atomic.Uint32)(unsafe.Add(control, layout.OffDataWaiting)),
		roomEv:      (*atomic.Uint32)(unsafe.Add(control, layout.OffRoomEv)),
		roomWaiting: (*atomic.Uint32)(unsafe.Add(control, layout.OffRoomWaiting)),
		putHint:     (*atomic.Uint64)(unsafe.Add(control, layout.OffPutHint)),
		takeHint:    (*atomic.Uint64)(unsafe.Add(control, layout.OffTakeHint)),
		requeueGen:  (*atomic.Uint64)(unsafe.Add(control, layout.OffRequeueGen)),
		head:        (*atomic.Uint64)(unsafe.Add(control, layout.OffHead)),
	}
	if s.fixed {
		s.least = s.bytes
	}
	if s.lines = 1; s.hStride == 2*cpu.Line {
		s.lines = 2
	}
	if sb.Inline() {
		s.payload = unsafe.Add(control, sb.DataOff)
	}
	return s
}

func (s *slots) header(i uint64) *slotHeader { return s.headerAt(uintptr(i) * s.hStride) }

// headerAt is the header off bytes behind the first one. Loops over a run of slots add to it
// where header would multiply.
func (s *slots) headerAt(off uintptr) *slotHeader {
	return (*slotHeader)(unsafe.Add(s.headers, off))
}

// wantEnd asks for the line behind the word's, on which a small message ends, so that it
// comes along with the word. A larger one is better left alone while it is written.
func (s *slots) wantEnd(h *slotHeader) {
	if s.lines == 2 {
		cpu.Want(unsafe.Add(unsafe.Pointer(h), cpu.Line))
	}
}

const (
	// lookAhead is how many slots before its turn a slot's word is asked for.
	lookAhead = 5
	// ownLeast and ownMost bound what is asked for of a payload, in bytes: a short one is as
	// soon fetched as asked for, and of a long copy the processor sees what comes.
	ownLeast = 512
	ownMost  = 1024
)

// own asks for the line of the word that comes lookAhead slots behind at, to write to it: who reads a word will store one there, and to fetch a line once, with the right to
// write, takes half as long as to fetch it and to ask for that right later. All of a slot of
// two lines comes along. It is of use to participants that are some slots apart, see slip.
func (s *slots) own(at position) {
	cpu.Own(unsafe.Pointer(s.header(at.behind(lookAhead, s.count).idx)), s.lines)
}

// ownPayload asks for the first n bytes of the payload of the slot behind at, to write to
// them. It will be about as long as the one before, of n bytes.
func (s *slots) ownPayload(at position, n uint64) {
	cpu.Own(unsafe.Add(s.payload, uintptr(at.next(s.count).idx)*s.dStride), int(min(n, ownMost)/cpu.Line))
}

// data is the first n bytes of slot i's payload; n has been bounded by the caller.
func (s *slots) data(i, n uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(s.payload, uintptr(i)*s.dStride)), n)
}

// run is the payload of n slots from i on, in one piece.
func (s *slots) run(i, n uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(s.payload, uintptr(i)*s.dStride)), uintptr(n)*s.dStride)
}

// meta is the first n bytes of slot i's metadata area; n has been bounded.
func (s *slots) meta(i, n uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(s.headers, uintptr(i)*s.hStride+s.metaOff)), n)
}

// tensor is slot i's tensor descriptor.
func (s *slots) tensor(i uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(s.headers, uintptr(i)*s.hStride+layout.SlotTensor)), layout.TensorSize)
}
