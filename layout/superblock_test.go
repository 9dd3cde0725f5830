package layout

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// small is a plan for a ring of 4 slots of 8 bytes.
func small() Plan {
	return Plan{Name: "x", Schema: Bytes(8), Mode: ModeQueue, Slots: 4, MaxProducers: 1, MaxConsumers: 1, MaxMeta: Auto}
}

func built(t testing.TB, p Plan) (Superblock, []byte) {
	t.Helper()
	sb, _, err := p.Build()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, ImmutableSize)
	sb.Encode(b)
	return sb, b
}

func TestEncodeParseRoundTrip(t *testing.T) {
	for _, p := range []Placement{PlaceInline, PlaceSeparate} {
		plan := small()
		plan.Placement = p
		plan.Timestamps = On
		plan.UUID = [16]byte{1, 2, 3}
		plan.CreatedNS = -5
		sb, b := built(t, plan)
		got, err := Parse(b, sb.TotalSize)
		if err != nil {
			t.Fatal(err)
		}
		if got != sb {
			t.Fatalf("parsed %+v\nwrote  %+v", got, sb)
		}
		if sb.Inline() != (p == PlaceInline) {
			t.Fatalf("placement %d gave inline %v", p, sb.Inline())
		}
	}
}

func TestEveryFlippedBitIsRefused(t *testing.T) {
	sb, good := built(t, small())
	for bit := range 8 * ImmutableSize {
		b := slices.Clone(good)
		b[bit/8] ^= 1 << (bit % 8)
		_, err := Parse(b, sb.TotalSize)
		want := ErrChecksum
		switch {
		case bit < 64:
			want = ErrForeign
		case bit < 80:
			want = ErrVersion
		}
		if !errors.Is(err, want) {
			t.Fatalf("bit %d: error %v, want %v", bit, err, want)
		}
	}
}

func TestParseRefusesInOrder(t *testing.T) {
	sb, good := built(t, small())
	reversed := slices.Clone(good)
	slices.Reverse(reversed[:8])
	for _, c := range []struct {
		name string
		b    []byte
		size uint64
		want error
	}{
		{"empty", nil, 0, ErrTruncated},
		{"short", good, 4095, ErrTruncated},
		{"zero", make([]byte, ImmutableSize), sb.TotalSize, ErrForeign},
		{"reversed", reversed, sb.TotalSize, ErrByteOrder},
		{"cut", good, sb.TotalSize - 4096, ErrTruncated},
		{"long", good, sb.TotalSize + 4096, ErrTruncated},
	} {
		if _, err := Parse(c.b, c.size); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.want)
		}
	}
}

// A checksum proves that a superblock is undamaged, not that its numbers are possible.
func TestImpossibleGeometryNamesTheField(t *testing.T) {
	huge := uint64(1) << 61
	for field, change := range map[string]func(s *Superblock){
		"kind":                          func(s *Superblock) { s.Kind = 9 },
		"mode":                          func(s *Superblock) { s.Mode = 0 },
		"max_meta":                      func(s *Superblock) { s.MaxMeta = 8 },
		"slots":                         func(s *Superblock) { s.Slots = 1 },
		"slots is 2147483649":           func(s *Superblock) { s.Slots = MaxSlots + 1 },
		"slot_bytes":                    func(s *Superblock) { s.SlotBytes = 0 },
		"slot_bytes is 33":              func(s *Superblock) { s.SlotBytes = 33 },
		"total_size":                    func(s *Superblock) { s.TotalSize = 1 << 62 },
		"max_producers":                 func(s *Superblock) { s.MaxProducers = 0 },
		"max_consumers":                 func(s *Superblock) { s.MaxConsumers = 0 },
		"max_producers + max_consumers": func(s *Superblock) { s.MaxConsumers = 63 },
		"info_len":                      func(s *Superblock) { s.InfoLen = 0 },
		"participants_off":              func(s *Superblock) { s.ParticipantsOff = 4000 },
		"info_off":                      func(s *Superblock) { s.InfoOff = 4096 },
		"header_off":                    func(s *Superblock) { s.HeaderOff = 4096 },
		"header_stride":                 func(s *Superblock) { s.HeaderStride = 96 },
		"header_stride is 23058":        func(s *Superblock) { s.HeaderStride = huge },
		"data_off":                      func(s *Superblock) { s.DataOff += 4 },
		"data_stride":                   func(s *Superblock) { s.DataStride += 64 },
		"data_off is 4096":              func(s *Superblock) { s.DataOff = 4096 },
		"gpu_off":                       func(s *Superblock) { s.GPUOff = 8192 },
	} {
		sb, b := built(t, small())
		size := sb.TotalSize
		change(&sb)
		sb.Encode(b)
		_, err := Parse(b, size)
		if !errors.Is(err, ErrGeometry) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: error %v", field, err)
		}
	}
}

func TestGeometryThatOverflowsIsRefused(t *testing.T) {
	plan := small()
	plan.Placement = PlaceSeparate
	for i, change := range []func(s *Superblock){
		func(s *Superblock) { s.DataStride = 1 << 63 },
		func(s *Superblock) { s.DataOff = ^uint64(65535) },
		func(s *Superblock) { s.InfoOff = ^uint64(7) },
		func(s *Superblock) { s.HeaderOff = ^uint64(4095) },
		func(s *Superblock) { s.ParticipantsOff = ^uint64(127) },
		func(s *Superblock) { s.HeaderStride = 1 << 62 },
	} {
		sb, b := built(t, plan)
		size := sb.TotalSize
		change(&sb)
		sb.Encode(b)
		if _, err := Parse(b, size); !errors.Is(err, ErrGeometry) {
			t.Errorf("%d: error %v", i, err)
		}
	}
}

func TestUnknownFeatures(t *testing.T) {
	for _, c := range []struct {
		change func(s *Superblock)
		want   error
	}{
		{func(s *Superblock) { s.Incompat = 1 << 31 }, ErrFeature},
		{func(s *Superblock) { s.Incompat = IncompatCUDA }, ErrGeometry}, // known, but there is no GPU block
		{func(s *Superblock) { s.ROCompat = 2 }, nil},
		{func(s *Superblock) { s.Compat = 1 << 31 }, nil},
		{func(s *Superblock) { s.Minor = 65535 }, nil},
		{func(s *Superblock) { s.Major = 2 }, ErrVersion},
	} {
		sb, b := built(t, small())
		c.change(&sb)
		sb.Encode(b)
		if _, err := Parse(b, sb.TotalSize); !errors.Is(err, c.want) {
			t.Errorf("%+v: error %v, want %v", sb, err, c.want)
		}
	}
}

func TestPlansThatCannotBe(t *testing.T) {
	for value, change := range map[string]func(p *Plan){
		"slots is 1,":        func(p *Plan) { p.Slots = 1 },
		"slots is -3,":       func(p *Plan) { p.Slots = -3 },
		"producers is 0,":    func(p *Plan) { p.MaxProducers = 0 },
		"consumers is 0,":    func(p *Plan) { p.MaxConsumers = 0 },
		"is 64,":             func(p *Plan) { p.MaxProducers, p.MaxConsumers = 32, 32 },
		"max_meta is 70000,": func(p *Plan) { p.MaxMeta = 70000 },
		"max_meta is -2,":    func(p *Plan) { p.MaxMeta = -2 },
		"mode is mode(7),":   func(p *Plan) { p.Mode = 7 },
		"producers is 2,":    func(p *Plan) { p.Mode, p.MaxProducers = ModeBroadcast, 2 },
		"placement is 3,":    func(p *Plan) { p.Placement = 3 },
		"timestamps is 3,":   func(p *Plan) { p.Timestamps = 3 },
	} {
		p := small()
		change(&p)
		if _, _, err := p.Build(); !errors.Is(err, ErrPlan) || !strings.Contains(err.Error(), value) {
			t.Errorf("error %v, want one that says %q", err, value)
		}
	}
	p := small()
	p.User = map[string]any{"big": strings.Repeat("x", MaxInfo)}
	if _, _, err := p.Build(); !errors.Is(err, ErrPlan) {
		t.Errorf("info block too large: %v", err)
	}
}

func TestPlacementBySize(t *testing.T) {
	for _, c := range []struct {
		s      Schema
		inline bool
	}{
		{Bytes(1024), true}, {Bytes(1025), false}, {Array[float32](32), true}, {Array[float32](33), false}, {Tensor(128), true}, {Tensor(129), false},
	} {
		p := small()
		p.Schema = c.s
		if sb, _ := built(t, p); sb.Inline() != c.inline {
			t.Errorf("%+v: inline %v", c.s, sb.Inline())
		}
	}
}

func TestSlotsNeverCrossWhatTheyMustNot(t *testing.T) {
	for _, kind := range []Schema{Bytes(1), Bytes(777), Array[uint8](3), Tensor(5000), Array[complex128](7)} {
		for _, place := range []Placement{PlaceInline, PlaceSeparate} {
			for _, meta := range []int{0, 1, 100} {
				p := small()
				p.Schema, p.Placement, p.MaxMeta, p.Slots = kind, place, meta, 10
				sb, b := built(t, p)
				if _, err := Parse(b, sb.TotalSize); err != nil {
					t.Fatalf("%+v: %v", p, err)
				}
				if sb.HeaderOff%headerAlign != 0 || sb.HeaderStride%headerAlign != 0 || sb.DataOff%inlineAlign != 0 {
					t.Fatalf("%+v is misaligned", sb)
				}
			}
		}
	}
}

func TestParticipantRoundTripLeavesControlWordsAlone(t *testing.T) {
	b := make([]byte, ParticipantSize)
	for i := range 32 {
		b[i] = 0xee
	}
	want := Participant{PID: 7, StartTime: 1 << 40, JoinedNS: -1, Name: strings.Repeat("é", 40)}
	PutParticipant(b, want)
	got := ParseParticipant(b)
	if got.PID != 7 || got.StartTime != 1<<40 || got.JoinedNS != -1 || got.Name != strings.Repeat("é", 32) {
		t.Fatalf("%+v", got)
	}
	for i := range 32 {
		if b[i] != 0xee {
			t.Fatalf("control byte %d was touched", i)
		}
	}
	PutParticipant(b, Participant{Name: "a"})
	if n := ParseParticipant(b).Name; n != "a" {
		t.Fatalf("name %q after a longer one", n)
	}
}

func TestTensorDescriptors(t *testing.T) {
	f4, _ := CodeOf("<f4")
	b := make([]byte, TensorSize)
	for _, shape := range [][]int{{}, {3}, {2, 0, 5}, {1, 2, 3, 4, 5, 6, 7, 8}} {
		d, err := NewTensorDesc(f4, shape...)
		if err != nil {
			t.Fatal(err)
		}
		d.Put(b)
		got, err := ParseTensor(b)
		if err != nil || got != d || fmt.Sprint(got.Dims()) != fmt.Sprint(shape) {
			t.Fatalf("shape %v reads as %v (%v)", shape, got.Dims(), err)
		}
	}
	for _, bad := range []func(b []byte){
		func(b []byte) { b[TensorDType] = 0 },
		func(b []byte) { b[TensorDType] = 99 },
		func(b []byte) { b[TensorNDim] = 9 },
		func(b []byte) { b[TensorShape+7] = 0x80 },
		func(b []byte) { b[TensorShape+4] = 1 },
	} {
		d, _ := NewTensorDesc(f4, 2)
		d.Put(b)
		bad(b)
		if _, err := ParseTensor(b); !errors.Is(err, ErrTensor) {
			t.Errorf("% x: error %v", b[:24], err)
		}
	}
	for _, shape := range [][]int{{-1}, {1, 1, 1, 1, 1, 1, 1, 1, 1}, {1 << 40}} {
		if _, err := NewTensorDesc(f4, shape...); !errors.Is(err, ErrTensor) {
			t.Errorf("shape %v: error %v", shape, err)
		}
	}
}
