package layout

import "fmt"

// Placement is where payloads lie.
type Placement uint8

// The placements.
const (
	PlaceAuto     Placement = iota // inline when small
	PlaceInline                    // beside the header
	PlaceSeparate                  // in a separate area
)

// Switch is an option that can be left to the size of the messages.
type Switch uint8

// The positions of a Switch.
const (
	SwitchAuto Switch = iota
	On
	Off
)

// Auto is a Plan's MaxMeta that is left to the size of the messages.
const Auto = -1

// Plan is the set of a creator's decisions about a ring; Build turns it into geometry.
type Plan struct {
	Name                       string
	Schema                     Schema
	Mode                       Mode
	Slots                      int
	MaxProducers, MaxConsumers int
	MaxMeta                    int // bytes per message, or Auto
	Placement                  Placement
	Timestamps                 Switch
	Memory                     Memory // memory of a GPU ring, else 0
	Creator                    Creator
	User                       map[string]any
	CreatedNS                  int64
	UUID                       [16]byte
}

// bigMessage is the payload size from which metadata and timestamps cost next to nothing.
const bigMessage = 4096

// Build returns the superblock and info block of the plan. It fails with ErrPlan or ErrSchema; the
// text names the field and its value.
func (p Plan) Build() (s Superblock, info []byte, err error) {
	if err := p.check(); err != nil {
		return s, nil, err
	}
	info, err = EncodeInfo(Info{Name: p.Name, Schema: p.Schema, Creator: p.Creator, User: p.User})
	if err != nil {
		return s, nil, err
	}
	s = Superblock{
		Major: Major, Minor: Minor, Kind: p.Schema.Kind, Mode: p.Mode,
		Slots: uint64(p.Slots), MaxProducers: p.MaxProducers, MaxConsumers: p.MaxConsumers,
		ParticipantsOff: SuperblockSize, CreatedNS: p.CreatedNS, UUID: p.UUID,
		InfoLen: uint32(len(info)), InfoCRC: checksum(info),
	}
	s.SlotBytes, _ = p.Schema.SlotBytes() // checked with the schema
	s.InfoOff = s.Participant(p.MaxProducers + p.MaxConsumers + 1)
	s.HeaderOff = alignUp(s.InfoOff+uint64(len(info)), pageAlign)
	if p.Memory != 0 {
		s.Incompat = IncompatCUDA
		s.GPUOff, s.GPUSize = s.HeaderOff, s.gpuSize()
		s.HeaderOff = alignUp(s.GPUOff+s.GPUSize, pageAlign)
	}
	s.MaxMeta = p.maxMeta(s.SlotBytes)
	if p.Timestamps == On || p.Timestamps == SwitchAuto && s.SlotBytes >= bigMessage {
		s.Options |= OptionTimestamps
	}
	p.place(&s)
	if s.TotalSize >= maxTotal {
		return s, nil, fmt.Errorf("%d slots of %d bytes: %w", p.Slots, s.SlotBytes, ErrPlan)
	}
	return s, info, nil
}

func (p Plan) check() error {
	bad := func(field string, value any, want string) error {
		return fmt.Errorf("%s is %v, want %s: %w", field, value, want, ErrPlan)
	}
	switch {
	case p.Mode < ModeQueue || p.Mode > ModeOverwrite:
		return bad("mode", p.Mode, "queue, broadcast or overwrite")
	case p.Slots < 2 || p.Slots > MaxSlots:
		return bad("slots", p.Slots, "2 to 2147483648")
	case p.MaxProducers < 1:
		return bad("producers", p.MaxProducers, "1 or more")
	case p.Mode != ModeQueue && p.MaxProducers > 1:
		return bad("producers", p.MaxProducers, "1 in mode "+p.Mode.String())
	case p.MaxConsumers < 1:
		return bad("consumers", p.MaxConsumers, "1 or more")
	case p.MaxProducers > MaxParticipants || p.MaxConsumers > MaxParticipants || p.MaxProducers+p.MaxConsumers > MaxParticipants:
		return bad("producers + consumers", p.MaxProducers+p.MaxConsumers, "63 at most")
	case p.MaxMeta < Auto || p.MaxMeta > MaxMetaBytes:
		return bad("max_meta", p.MaxMeta, "0 to 65520")
	case p.Placement > PlaceSeparate:
		return bad("placement", p.Placement, "PlaceAuto, PlaceInline or PlaceSeparate")
	case p.Timestamps > Off:
		return bad("timestamps", p.Timestamps, "SwitchAuto, On or Off")
	case p.Memory != 0 && p.Memory != MemoryIPC && p.Memory != MemoryHost:
		return bad("memory", p.Memory, "device or host")
	case p.Memory != 0 && p.Placement == PlaceInline:
		return bad("placement", "inline", "separate on a ring for a GPU")
	}
	return p.Schema.Validate()
}

func (p Plan) maxMeta(slotBytes uint64) int {
	switch {
	case p.MaxMeta != Auto:
		return int(alignUp(uint64(p.MaxMeta), inlineAlign))
	case slotBytes >= bigMessage:
		return 256
	}
	return 0
}

// inline reports whether payloads lie beside their headers. It decides by size: up to 1 KiB of
// bytes, and up to two cache lines of the other kinds, which are worth reading as one array.
func (p Plan) inline(slotBytes uint64) bool {
	switch {
	case p.Placement != PlaceAuto || p.Memory != 0:
		return p.Placement == PlaceInline
	case p.Schema.Kind == KindBytes:
		return slotBytes <= 1024
	}
	return slotBytes <= 128
}

// place sets the four numbers that place every slot, and the total size.
func (p Plan) place(s *Superblock) {
	head := uint64(s.MetaOff() + s.MaxMeta)
	if p.inline(s.SlotBytes) {
		s.HeaderStride = alignUp(head+s.SlotBytes, headerAlign)
		s.DataOff, s.DataStride = s.HeaderOff+head, s.HeaderStride
		s.TotalSize = alignUp(s.HeaderOff+s.Slots*s.HeaderStride, pageAlign)
		return
	}
	s.HeaderStride = alignUp(head, headerAlign)
	if p.Memory == MemoryIPC {
		s.DataStride = alignUp(s.SlotBytes, GPUStride)
		s.TotalSize = alignUp(s.HeaderOff+s.Slots*s.HeaderStride, pageAlign)
		return
	}
	s.DataOff = alignUp(s.HeaderOff+s.Slots*s.HeaderStride, separateAlign)
	s.DataStride = s.SlotBytes
	switch {
	case p.Memory == MemoryHost:
		s.DataStride = alignUp(s.SlotBytes, GPUStride)
	case p.Schema.Kind == KindBytes || p.Schema.Kind == KindTensor:
		s.DataStride = alignUp(s.SlotBytes, headerAlign)
	}
	s.TotalSize = alignUp(s.DataOff+s.Slots*s.DataStride, separateAlign)
}

func alignUp(n, to uint64) uint64 { return (n + to - 1) / to * to }
