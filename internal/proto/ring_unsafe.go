package proto

import (
	"sync/atomic"
	"unsafe"

	"example.com/goring/internal/cpu"
	"example.com/goring/internal/futex"
	"example.com/goring/layout"
)

// Header overlays the 32 bytes at the start of a slot (spec section 4).
type Header struct {
	// Word is the truth about the slot. Its stores publish the other fields, which belong to the
	// slot's present owner.
	Word atomic.Uint64
	// Sizes are the lengths of the payload and the metadata.
	Sizes Sizes
	// Timestamp is CLOCK_REALTIME at commit in nanoseconds, or 0.
	Timestamp int64
	// Tag is the user's correlation id.
	Tag uint64
}

// Ring is this process's private view of a mapped ring: addresses and geometry, copied at attach
// and never read from the segment again.
type Ring struct {
	control unsafe.Pointer
	headers unsafe.Pointer
	payload unsafe.Pointer // nil when the payloads are in device memory

	headerStride uintptr
	headersSize  uintptr // Slots strides
	dataStride   uintptr
	metaOff      uintptr

	// Slots is how many messages the ring holds.
	Slots uint64
	// Bytes is the payload capacity of a slot.
	Bytes uint64
	// MaxMeta is the metadata capacity of a slot in bytes.
	MaxMeta uint64
	// minBytes is the shortest payload: Bytes on rings of fixed items, else 0.
	minBytes uint64
	// Mode decides how messages are shared out.
	Mode layout.Mode
	// headerLines is how many cache lines a prefetch of a slot header brings.
	headerLines int
	// Fixed is true when every message has exactly Bytes bytes.
	Fixed bool
	// Timestamps is true when producers store the time of every commit.
	Timestamps bool
	// mirror is true when a run of payloads may cross the wrap.
	mirror bool

	shutdown                            *atomic.Uint32
	putHint, takeHint, requeueGen, head *atomic.Uint64

	// Data is where consumers sleep, Room is where producers sleep.
	Data, Room futex.Event

	sb        *layout.Superblock
	seats     []Seat // of all participants, seat n at n-1
	consumers []Seat // those of the consumers
}

// NewRing binds the validated geometry of sb to the memory of the control area and, on separate
// rings, of the payload area.
func NewRing(sb *layout.Superblock, control, payload unsafe.Pointer, mirror bool) *Ring {
	r := &Ring{
		control: control,
		headers: unsafe.Add(control, sb.HeaderOff),
		payload: payload,

		headerStride: uintptr(sb.HeaderStride),
		headersSize:  uintptr(sb.Slots) * uintptr(sb.HeaderStride),
		dataStride:   uintptr(sb.DataStride),
		metaOff:      uintptr(sb.MetaOff()),

		Slots:       sb.Slots,
		Bytes:       sb.SlotBytes,
		MaxMeta:     uint64(sb.MaxMeta),
		Mode:        sb.Mode,
		Fixed:       sb.Kind == layout.KindArray || sb.Kind == layout.KindStruct,
		Timestamps:  sb.Timestamps(),
		headerLines: 1,
		mirror:      mirror,
		sb:          sb,
	}
	r.shutdown = r.Word32(layout.OffShutdown)
	r.putHint, r.takeHint = r.Word64(layout.OffPutHint), r.Word64(layout.OffTakeHint)
	r.requeueGen, r.head = r.Word64(layout.OffRequeueGen), r.Word64(layout.OffHead)
	r.Data = futex.Event{Ev: r.Word32(layout.OffDataEv), Waiting: r.Word32(layout.OffDataWaiting)}
	r.Room = futex.Event{Ev: r.Word32(layout.OffRoomEv), Waiting: r.Word32(layout.OffRoomWaiting)}
	if r.Fixed {
		r.minBytes = r.Bytes
	}
	if r.headerStride == 2*cpu.Line {
		r.headerLines = 2
	}
	if sb.Inline() {
		r.payload = unsafe.Add(control, sb.DataOff)
	}
	for n := 1; n <= sb.MaxProducers+sb.MaxConsumers; n++ {
		r.seats = append(r.seats, r.bindSeat(n))
	}
	r.consumers = r.seats[sb.MaxProducers:]
	return r
}

// Word32 returns the control word at that offset of the segment.
func (r *Ring) Word32(off uint64) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Add(r.control, off))
}

// Word64 returns the control word at that offset of the segment.
func (r *Ring) Word64(off uint64) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Add(r.control, off))
}

// entry returns the 128 bytes of seat n, in place.
func (r *Ring) entry(n int) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(r.control, r.sb.Participant(n))), layout.ParticipantSize)
}

func (r *Ring) bindSeat(n int) Seat {
	base := r.sb.Participant(n)
	return Seat{
		State:    r.Word32(base + layout.PartState),
		Epoch:    r.Word32(base + layout.PartEpoch),
		Flags:    r.Word32(base + layout.PartFlags),
		Cursor:   r.Word64(base + layout.PartCursor),
		Lost:     r.Word64(base + layout.PartLost),
		Progress: (*atomic.Int64)(unsafe.Add(r.control, base+layout.PartProgress)),
	}
}

// Header returns the header of slot i.
func (r *Ring) Header(i uint64) *Header { return r.headerAt(uintptr(i) * r.headerStride) }

// headerAt returns the header off bytes after the first one. A loop over a run of slots adds to
// the offset where Header would multiply.
func (r *Ring) headerAt(off uintptr) *Header { return (*Header)(unsafe.Add(r.headers, off)) }

// InDevice reports whether the payloads are in device memory, out of the host's reach.
func (r *Ring) InDevice() bool { return r.payload == nil }

// Payload returns the first n bytes of slot i's payload. The caller has bounded n.
func (r *Ring) Payload(i, n uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(r.payload, uintptr(i)*r.dataStride)), n)
}

// Meta returns the first n bytes of slot i's metadata area. The caller has bounded n.
func (r *Ring) Meta(i, n uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(r.headers, uintptr(i)*r.headerStride+r.metaOff)), n)
}

// Tensor returns the tensor descriptor of slot i.
func (r *Ring) Tensor(i uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(r.headers, uintptr(i)*r.headerStride+layout.SlotTensor)), layout.TensorSize)
}

// Contiguous returns the payloads of n slots from at on as one piece of memory, or nil when they
// do not lie back to back.
func (r *Ring) Contiguous(at Position, n uint64) []byte {
	if uint64(r.dataStride) != r.Bytes {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Add(r.payload, uintptr(at.Idx)*r.dataStride)), uintptr(n)*r.dataStride)
}

// Fits reports whether a message may have n bytes. A length below minBytes becomes huge when
// minBytes is subtracted from it, so one comparison checks both bounds.
func (r *Ring) Fits(n uint64) bool { return n-r.minBytes <= r.Bytes-r.minBytes }

// SizesFit reports whether a peer's sizes lie within a slot.
func (r *Ring) SizesFit(s Sizes) bool { return r.Fits(s.Len()) && s.MetaLen() <= r.MaxMeta }

// BoundLen returns the payload length of s, forced into the bounds of a slot.
func (r *Ring) BoundLen(s Sizes) uint64 { return min(max(s.Len(), r.minBytes), r.Bytes) }

// LongestRun returns how many slots from at on one batch may have.
func (r *Ring) LongestRun(at Position, limit uint64) uint64 {
	limit = min(limit, r.Slots)
	if !r.mirror {
		limit = min(limit, r.Slots-at.Idx)
	}
	return limit
}

const (
	// prefetchDistance is how many slots ahead of its turn a slot's header is prefetched.
	prefetchDistance = 5
	// minPrefetch and maxPrefetch bound the prefetch of a payload in bytes. Fetching a shorter one
	// takes as long as asking for it; the hardware prefetcher recognises a longer copy by itself.
	minPrefetch = 512
	maxPrefetch = 1024
)

// prefetchTail prefetches the second line of a two-line slot, on which a small message ends. A
// larger message is better left alone while it is written.
func (r *Ring) prefetchTail(h *Header) {
	if r.headerLines == 2 {
		cpu.Prefetch(unsafe.Add(unsafe.Pointer(h), cpu.Line))
	}
}

// PrefetchSlot prefetches, for writing, the header prefetchDistance slots after at. The reader of
// a word stores one there next, and one fetch with the right to write takes half as long as a
// read miss followed by an upgrade.
func (r *Ring) PrefetchSlot(at Position) {
	cpu.PrefetchW(unsafe.Pointer(r.Header(at.Advance(prefetchDistance, r.Slots).Idx)), r.headerLines)
}

// prefetchPayload prefetches, for writing, the payload of the slot after at. Its message is
// expected to be about as long as the one before, which had n bytes.
func (r *Ring) prefetchPayload(at Position, n uint64) {
	cpu.PrefetchW(unsafe.Add(r.payload, uintptr(at.Next(r.Slots).Idx)*r.dataStride), int(min(n, maxPrefetch)/cpu.Line))
}

// run is the place that a loop over consecutive slots has reached.
type run struct {
	off  uintptr // of the slot's header, in bytes after the first one
	word uint64  // with the slot's lap and the state in question
}

func (r *Ring) runFrom(at Position, state uint64) run {
	return run{uintptr(at.Idx) * r.headerStride, at.Lap<<8 | state}
}

func (x run) next(r *Ring) run {
	if x.off += r.headerStride; x.off == r.headersSize {
		x.off, x.word = 0, x.word+1<<8
	}
	return x
}

// RunOf counts the slots from at on, at most limit, that have that state (with the bits of an
// owner, if any) in the lap of their number. It is one tight loop of independent loads, so
// that their cache misses overlap: most of a batch's time is waiting for those.
// SYNC commit load, release load
func (r *Ring) RunOf(at Position, limit, state uint64) uint64 {
	x := r.runFrom(at, state)
	for n := range limit {
		if r.headerAt(x.off).Word.Load() != x.word {
			return n
		}
		x = x.next(r)
	}
	return limit
}

// Head returns one more than the newest published number of a broadcast ring.
// SYNC head load
func (r *Ring) Head() uint64 { return r.head.Load() }

// IsShutdown reports whether the ring takes no more messages.
// SYNC shutdown load
func (r *Ring) IsShutdown() bool { return r.shutdown.Load() != 0 }

// Shutdown ends the ring for producers and wakes every participant.
// SYNC shutdown store
func (r *Ring) Shutdown() {
	r.shutdown.Store(1)
	r.Data.WakeAll()
	r.Room.WakeAll()
}
