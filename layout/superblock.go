package layout

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"
)

// Superblock is the immutable part of a segment's first page. An attacher parses
// a private copy once and uses only these numbers afterwards.
type Superblock struct {
	Major, Minor               uint16
	Incompat, ROCompat, Compat uint32

	Kind    Kind
	Mode    Mode
	MaxMeta int // bytes of metadata that a message may carry

	Slots           uint64
	HeaderOff       uint64 // slot i's header is at HeaderOff + i*HeaderStride
	HeaderStride    uint64
	DataOff         uint64 // slot i's payload is at DataOff + i*DataStride
	DataStride      uint64
	SlotBytes       uint64 // bytes of the largest payload
	TotalSize       uint64 // bytes of the segment
	ParticipantsOff uint64

	MaxProducers, MaxConsumers int

	InfoOff          uint64
	InfoLen, InfoCRC uint32
	CreatedNS        int64
	UUID             [16]byte
	GPUOff, GPUSize  uint64
	Options          uint32
}

var (
	le         = binary.LittleEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// words64 pairs the 64-bit fields with their offsets.
func (s *Superblock) words64() map[int]*uint64 {
	return map[int]*uint64{
		OffSlots: &s.Slots, OffHeaderOff: &s.HeaderOff, OffHeaderStride: &s.HeaderStride,
		OffDataOff: &s.DataOff, OffDataStride: &s.DataStride, OffSlotBytes: &s.SlotBytes,
		OffTotalSize: &s.TotalSize, OffParticipantsOff: &s.ParticipantsOff, OffInfoOff: &s.InfoOff,
		OffGPUOff: &s.GPUOff, OffGPUSize: &s.GPUSize,
	}
}

func (s *Superblock) words32() map[int]*uint32 {
	return map[int]*uint32{
		OffIncompat: &s.Incompat, OffROCompat: &s.ROCompat, OffCompat: &s.Compat,
		OffInfoLen: &s.InfoLen, OffInfoCRC: &s.InfoCRC, OffOptions: &s.Options,
	}
}

// Encode writes the immutable part and its checksum into dst[:ImmutableSize].
func (s *Superblock) Encode(dst []byte) {
	dst = dst[:ImmutableSize]
	clear(dst)
	copy(dst, Magic)
	le.PutUint16(dst[OffMajor:], s.Major)
	le.PutUint16(dst[OffMinor:], s.Minor)
	le.PutUint32(dst[OffSuperblockSize:], SuperblockSize)
	dst[OffKind], dst[OffMode] = byte(s.Kind), byte(s.Mode)
	le.PutUint16(dst[OffMaxMeta:], uint16(s.MaxMeta))
	le.PutUint32(dst[OffParticipantStride:], ParticipantSize)
	le.PutUint16(dst[OffMaxProducers:], uint16(s.MaxProducers))
	le.PutUint16(dst[OffMaxConsumers:], uint16(s.MaxConsumers))
	le.PutUint64(dst[OffCreatedNS:], uint64(s.CreatedNS))
	copy(dst[OffUUID:], s.UUID[:])
	for off, v := range s.words64() {
		le.PutUint64(dst[off:], *v)
	}
	for off, v := range s.words32() {
		le.PutUint32(dst[off:], *v)
	}
	le.PutUint32(dst[OffCRC:], checksum(dst[:OffCRC]))
}

// Parse checks and decodes the immutable part in b; size must be the length of the file that b
// comes from. b may be shared memory: it is copied once. The checks are
// numbers 6 to 12 of the spec's list, each with its own error.
func Parse(b []byte, size uint64) (s Superblock, err error) {
	if size < SuperblockSize || len(b) < ImmutableSize {
		return s, fmt.Errorf("%d bytes, a superblock has %d: %w", size, SuperblockSize, ErrTruncated)
	}
	var h [ImmutableSize]byte
	copy(h[:], b)
	if err := identify(&h); err != nil {
		return s, err
	}
	s.decode(&h)
	if unknown := s.Incompat &^ KnownIncompat; unknown != 0 {
		return s, fmt.Errorf("feature bits %#x: %w", unknown, ErrFeature)
	}
	if err := s.validate(&h); err != nil {
		return s, err
	}
	if s.TotalSize != size {
		return s, fmt.Errorf("file of %d bytes, the segment has %d: %w", size, s.TotalSize, ErrTruncated)
	}
	return s, nil
}

// identify fails unless the bytes are an undamaged superblock of this version.
func identify(h *[ImmutableSize]byte) error {
	magic, ours := le.Uint64(h[:]), le.Uint64([]byte(Magic))
	switch {
	case magic == bits.ReverseBytes64(ours):
		return ErrByteOrder
	case magic == 0:
		return fmt.Errorf("magic is 0 (half-made?): %w", ErrForeign)
	case magic != ours:
		return fmt.Errorf("magic is % x: %w", h[:8], ErrForeign)
	}
	if major := le.Uint16(h[OffMajor:]); major != Major {
		return fmt.Errorf("segment has layout %d.%d, this library %d.%d: %w",
			major, le.Uint16(h[OffMinor:]), Major, Minor, ErrVersion)
	}
	if got, want := checksum(h[:OffCRC]), le.Uint32(h[OffCRC:]); got != want {
		return fmt.Errorf("CRC32C %08x, recorded %08x: %w", got, want, ErrChecksum)
	}
	return nil
}

func (s *Superblock) decode(h *[ImmutableSize]byte) {
	s.Major, s.Minor = le.Uint16(h[OffMajor:]), le.Uint16(h[OffMinor:])
	s.Kind, s.Mode = Kind(h[OffKind]), Mode(h[OffMode])
	s.MaxMeta = int(le.Uint16(h[OffMaxMeta:]))
	s.MaxProducers, s.MaxConsumers = int(le.Uint16(h[OffMaxProducers:])), int(le.Uint16(h[OffMaxConsumers:]))
	s.CreatedNS = int64(le.Uint64(h[OffCreatedNS:]))
	copy(s.UUID[:], h[OffUUID:])
	for off, v := range s.words64() {
		*v = le.Uint64(h[off:])
	}
	for off, v := range s.words32() {
		*v = le.Uint32(h[off:])
	}
}

// rule is a condition that a superblock must meet.
type rule struct {
	ok    bool
	field string
	value uint64
}

// validate checks every limit and the order of the areas. Sums cannot overflow:
// each number is bounded before it enters one.
func (s *Superblock) validate(h *[ImmutableSize]byte) error {
	if err := firstBroken([]rule{
		{le.Uint32(h[OffSuperblockSize:]) == SuperblockSize, "superblock_size", uint64(le.Uint32(h[OffSuperblockSize:]))},
		{s.Kind >= KindBytes && s.Kind <= KindTensor, "kind", uint64(s.Kind)},
		{s.Mode >= ModeQueue && s.Mode <= ModeOverwrite, "mode", uint64(s.Mode)},
		{s.MaxMeta%inlineAlign == 0, "max_meta", uint64(s.MaxMeta)},
		{s.Slots >= 2 && s.Slots <= MaxSlots, "slots", s.Slots},
		{s.SlotBytes >= 1 && s.SlotBytes <= MaxSlotBytes, "slot_bytes", s.SlotBytes},
		{s.TotalSize < maxTotal && s.TotalSize%pageAlign == 0, "total_size", s.TotalSize},
		{le.Uint32(h[OffParticipantStride:]) == ParticipantSize, "participant_stride", uint64(le.Uint32(h[OffParticipantStride:]))},
		{s.MaxProducers >= 1 && (s.Mode == ModeQueue || s.MaxProducers == 1), "max_producers", uint64(s.MaxProducers)},
		{s.MaxConsumers >= 1, "max_consumers", uint64(s.MaxConsumers)},
		{s.MaxProducers+s.MaxConsumers <= MaxParticipants, "max_producers + max_consumers", uint64(s.MaxProducers + s.MaxConsumers)},
		{s.InfoLen >= 1 && s.InfoLen <= MaxInfo, "info_len", uint64(s.InfoLen)},
	}); err != nil {
		return err
	}
	return s.validateAreas()
}

func (s *Superblock) validateAreas() error {
	inside := func(off uint64) bool { return off <= s.TotalSize }
	meta := uint64(s.MetaOff() + s.MaxMeta)
	participantsEnd := s.ParticipantsOff + uint64(s.MaxProducers+s.MaxConsumers)*ParticipantSize
	headersEnd, headersFit := area(s.HeaderOff, s.Slots, s.HeaderStride, s.TotalSize)
	rules := []rule{
		{s.ParticipantsOff%ParticipantSize == 0 && s.ParticipantsOff >= SuperblockSize && inside(s.ParticipantsOff), "participants_off", s.ParticipantsOff},
		{s.InfoOff%8 == 0 && s.InfoOff >= participantsEnd && inside(s.InfoOff), "info_off", s.InfoOff},
		{s.HeaderOff%pageAlign == 0 && s.HeaderOff >= s.InfoOff+uint64(s.InfoLen) && inside(s.HeaderOff), "header_off", s.HeaderOff},
		{s.HeaderStride%headerAlign == 0 && s.HeaderStride >= meta, "header_stride", s.HeaderStride},
		{headersFit, "header_stride", s.HeaderStride},
		{inside(s.DataOff) && s.DataOff >= s.HeaderOff || s.InDevice(), "data_off", s.DataOff},
	}
	if err := cmp.Or(firstBroken(rules), s.validateGPU()); err != nil {
		return err
	}
	if s.Inline() {
		if s.GPU() {
			return fmt.Errorf("data_off is %d, of an inline ring for a GPU: %w", s.DataOff, ErrGeometry)
		}
		in := s.DataOff - s.HeaderOff
		return firstBroken([]rule{
			{in%inlineAlign == 0 && in >= meta, "data_off", s.DataOff},
			{s.DataStride == s.HeaderStride, "data_stride", s.DataStride},
			{in+s.SlotBytes <= s.HeaderStride, "slot_bytes", s.SlotBytes},
		})
	}
	limit := s.TotalSize
	if s.InDevice() {
		limit, headersEnd = maxTotal, 0
	}
	_, dataFit := area(s.DataOff, s.Slots, s.DataStride, limit)
	return firstBroken([]rule{
		{s.DataOff%separateAlign == 0 && s.DataOff >= headersEnd, "data_off", s.DataOff},
		{s.DataStride >= s.SlotBytes && dataFit, "data_stride", s.DataStride},
	})
}

func firstBroken(rules []rule) error {
	for _, r := range rules {
		if !r.ok {
			return fmt.Errorf("%s is %d: %w", r.field, r.value, ErrGeometry)
		}
	}
	return nil
}

// area returns the end of n records of stride bytes from off on, and whether it is within total.
func area(off, n, stride, total uint64) (end uint64, ok bool) {
	hi, size := bits.Mul64(n, stride)
	end, carry := bits.Add64(off, size, 0)
	return end, hi == 0 && carry == 0 && end <= total
}

// Inline reports whether payloads lie beside their headers.
func (s *Superblock) Inline() bool { return s.DataOff-s.HeaderOff < s.HeaderStride }

// Timestamps reports whether producers note the time of every commit.
func (s *Superblock) Timestamps() bool { return s.Options&OptionTimestamps != 0 }

// MetaOff returns the offset of a message's metadata, in bytes from its slot header.
func (s *Superblock) MetaOff() int { return metaOff(s.Kind) }

func metaOff(k Kind) int {
	if k == KindTensor {
		return SlotTensor + TensorSize
	}
	return SlotHeaderSize
}

// Mirrored reports whether the payload area can be mapped twice in a row.
func (s *Superblock) Mirrored(pageSize int) bool {
	return !s.Inline() && !s.InDevice() && s.Slots*s.DataStride%uint64(pageSize) == 0 && s.DataOff%uint64(pageSize) == 0
}

// Participant returns the offset of seat n's entry; n counts from 1.
func (s *Superblock) Participant(n int) uint64 {
	return s.ParticipantsOff + uint64(n-1)*ParticipantSize
}

// ParseInfo checks and decodes the info block; b must be a private copy. It fails with ErrInfo.
func (s *Superblock) ParseInfo(b []byte) (Info, error) {
	if got := checksum(b); got != s.InfoCRC {
		return Info{}, fmt.Errorf("CRC32C %08x, recorded %08x: %w", got, s.InfoCRC, ErrInfo)
	}
	in, err := DecodeInfo(b)
	if err != nil {
		return in, err
	}
	if in.Schema.Kind != s.Kind {
		return in, fmt.Errorf("info says %s, the superblock %s: %w", in.Schema.Kind, s.Kind, ErrInfo)
	}
	if n, err := in.Schema.SlotBytes(); err != nil || n != s.SlotBytes {
		return in, fmt.Errorf("info says items of %d bytes, the superblock %d: %w", n, s.SlotBytes, ErrInfo)
	}
	return in, nil
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }
