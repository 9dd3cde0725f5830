package layout

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the golden segments anew")

const vectorsDir = "../spec/vectors"

// vector is one entry of spec/vectors/index.json: the contents of a golden segment.
type vector struct {
	Name, About string
	Ring        vectorRing
	Slots       []vectorSlot
	Seats       []vectorSeat
	Words       map[string]uint64
	Superblock  map[string]uint32
	GPU         *vectorGPU
	Refused     string
}

type vectorRing struct {
	Kind, DType          string
	Shape                []int
	Fields               []Field
	ItemSize             int
	MaxBytes             int `json:"max_bytes"`
	Slots                int
	Producers, Consumers int
	MaxMeta              *int `json:"max_meta"`
	Timestamps           *bool
	User                 map[string]any
	Mode, Memory         string
}

type vectorSlot struct {
	Index, Lap, Owner, Len     uint64
	State, Payload, Fill, Meta string
	Tag                        uint64
	TimestampNS                int64 `json:"timestamp_ns"`
	Redelivered                byte
	Tensor                     *struct {
		DType int
		Shape []int
	}
}

// vectorGPU is the GPU area of a vector; Block holds the fields of the block that are wrong.
type vectorGPU struct {
	Sync, Device, Boot, Handle string
	Allocation                 uint64
	Driver, State              uint32
	Exporter                   uint32 `json:"exporter_pid"`
	Block                      map[string]uint64
	Cells                      []struct {
		Ready, Done            *uint64
		Value, Claimed, Voided uint64
		Seat                   uint32
	}
}

type vectorSeat struct {
	Seat      int
	Epoch     uint32
	PID       uint32
	StartTime uint64 `json:"start_time"`
	JoinedNS  int64  `json:"joined_ns"`
	Name      string
}

func vectors(t testing.TB) []vector {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(vectorsDir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func (v vectorRing) plan(t testing.TB) Plan {
	t.Helper()
	kind, err := ParseKind(v.Kind)
	if err != nil {
		t.Fatal(err)
	}
	s := Schema{Kind: kind, DType: v.DType, Shape: v.Shape, Fields: v.Fields, ItemSize: v.ItemSize, MaxBytes: v.MaxBytes}
	if kind == KindArray {
		s.ItemSize, _ = DTypeSize(v.DType)
	}
	mode, err := ParseMode(cmp.Or(v.Mode, "queue"))
	if err != nil {
		t.Fatal(err)
	}
	memories := map[string]Memory{"": 0, "device": MemoryIPC, "pinned": MemoryHost}
	p := Plan{Name: "golden", Schema: s, Mode: mode, Memory: memories[v.Memory], Slots: v.Slots, MaxProducers: max(v.Producers, 1), MaxConsumers: max(v.Consumers, 1),
		MaxMeta: Auto, User: v.User, CreatedNS: 1700000000000000000, Creator: Creator{Lang: "spec", Version: "1.0", Program: "golden", Host: "-", PID: 1}}
	copy(p.UUID[:], "goring-golden-v1")
	if v.MaxMeta != nil {
		p.MaxMeta = *v.MaxMeta
	}
	if v.Timestamps != nil && *v.Timestamps {
		p.Timestamps = On
	}
	return p
}

var stateByName = map[string]uint64{"FREE": StateFree, "WRITING": StateWriting, "READY": StateReady, "TAKEN": StateTaken}

// segment returns the whole golden segment.
func (v vector) segment(t testing.TB) []byte {
	t.Helper()
	sb, info, err := v.Ring.plan(t).Build()
	if err != nil {
		t.Fatal(err)
	}
	for field, value := range v.Superblock {
		switch field {
		case "major":
			sb.Major = uint16(value)
		case "minor":
			sb.Minor = uint16(value)
		case "incompat":
			sb.Incompat = value
		case "compat":
			sb.Compat = value
		default:
			t.Fatalf("superblock field %q", field)
		}
	}
	seg := make([]byte, sb.TotalSize)
	sb.Encode(seg)
	copy(seg[sb.InfoOff:], info)
	offsets := map[string]int{"put_hint": OffPutHint, "take_hint": OffTakeHint, "requeue_gen": OffRequeueGen, "head": OffHead, "shutdown": OffShutdown}
	for word, value := range v.Words {
		le.PutUint64(seg[offsets[word]:], value)
	}
	if v.GPU != nil {
		v.GPU.put(t, &sb, v.Ring.plan(t).Memory, seg)
	}
	for _, s := range v.Seats {
		e := seg[sb.Participant(s.Seat):][:ParticipantSize]
		le.PutUint32(e[PartState:], PartInUse)
		le.PutUint32(e[PartEpoch:], s.Epoch)
		PutParticipant(e, Participant{PID: s.PID, StartTime: s.StartTime, JoinedNS: s.JoinedNS, Name: s.Name})
	}
	for _, s := range v.Slots {
		s.put(t, &sb, seg)
	}
	return seg
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// block returns the GPU block as it should be.
func (g *vectorGPU) block(t testing.TB, memory Memory) GPUBlock {
	t.Helper()
	b := GPUBlock{Memory: memory, Allocation: g.Allocation, Driver: g.Driver, Exporter: g.Exporter}
	if g.Sync == "timeline" {
		b.Sync = SyncTimeline
	}
	copy(b.Device[:], unhex(t, g.Device))
	copy(b.Boot[:], unhex(t, g.Boot))
	copy(b.Handle[:], unhex(t, g.Handle))
	return b
}

func (g *vectorGPU) put(t testing.TB, sb *Superblock, memory Memory, seg []byte) {
	t.Helper()
	b := seg[sb.GPUOff:]
	block := g.block(t, memory)
	block.Encode(b)
	crc := uint32(0)
	for field, value := range g.Block {
		switch field {
		case "magic":
			le.PutUint32(b, uint32(value))
		case "version":
			le.PutUint16(b[GPUOffVersion:], uint16(value))
		case "memory":
			le.PutUint32(b[GPUOffMemory:], uint32(value))
		case "crc":
			crc = uint32(value)
		default:
			t.Fatalf("field %q of the GPU block", field)
		}
	}
	if crc == 0 {
		crc = checksum(b[:GPUOffCRC])
	}
	le.PutUint32(b[GPUOffCRC:], crc)
	le.PutUint32(b[GPUOffState:], g.State)
	for _, c := range g.Cells {
		at := uint64(0)
		if c.Ready != nil {
			at = sb.ReadyCell(*c.Ready)
		} else {
			at = sb.DoneCell(*c.Done)
		}
		le.PutUint64(seg[at+GPUCellValue:], c.Value)
		le.PutUint64(seg[at+GPUCellClaimed:], c.Claimed)
		le.PutUint64(seg[at+GPUCellVoided:], c.Voided)
		le.PutUint32(seg[at+GPUCellSeat:], c.Seat)
	}
}

func (s vectorSlot) put(t testing.TB, sb *Superblock, seg []byte) {
	t.Helper()
	h := seg[sb.HeaderOff+s.Index*sb.HeaderStride:]
	payload, meta := unhex(t, s.Payload), unhex(t, s.Meta)
	if s.Fill != "" {
		payload = bytes.Repeat(unhex(t, s.Fill), int(sb.SlotBytes)/4)
	}
	le.PutUint64(h[SlotWord:], s.Lap<<8|s.Owner<<2|stateByName[s.State])
	le.PutUint32(h[SlotLen:], uint32(max(uint64(len(payload)), s.Len)))
	le.PutUint16(h[SlotMetaLen:], uint16(len(meta)))
	h[SlotRedelivered] = s.Redelivered
	le.PutUint64(h[SlotTimestamp:], uint64(s.TimestampNS))
	le.PutUint64(h[SlotTag:], s.Tag)
	copy(h[sb.MetaOff():], meta)
	if s.Tensor != nil {
		d, err := NewTensorDesc(DTypeCode(s.Tensor.DType), s.Tensor.Shape...)
		if err != nil {
			t.Fatal(err)
		}
		d.Put(h[SlotTensor:])
	}
	if !sb.InDevice() {
		copy(seg[sb.DataOff+s.Index*sb.DataStride:], payload)
	}
}

func golden(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join(vectorsDir, name+".bin.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGoldenSegmentsAreWhatWeWrite(t *testing.T) {
	for _, v := range vectors(t) {
		seg := v.segment(t)
		if *update {
			var b bytes.Buffer
			z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
			_, err := z.Write(seg)
			if err := errors.Join(err, z.Close(), os.WriteFile(filepath.Join(vectorsDir, v.Name+".bin.gz"), b.Bytes(), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(seg, golden(t, v.Name)) {
			t.Errorf("%s: the golden segment differs from what this code writes; layout v1 does not change", v.Name)
		}
	}
}

func TestGoldenSegmentsAreReadAsSaid(t *testing.T) {
	refusals := map[string]error{"": nil, "version": ErrVersion, "feature": ErrFeature, "checksum": ErrChecksum, "geometry": ErrGeometry}
	for _, v := range vectors(t) {
		seg := golden(t, v.Name)
		sb, err := Parse(seg, uint64(len(seg)))
		if v.GPU != nil && err == nil {
			var block GPUBlock
			if block, err = sb.ParseGPU(seg[sb.GPUOff:]); err == nil && block != v.GPU.block(t, block.Memory) {
				t.Errorf("%s: the GPU block reads as %+v", v.Name, block)
			}
		}
		if !errors.Is(err, refusals[v.Refused]) {
			t.Errorf("%s: error %v, want %v", v.Name, err, refusals[v.Refused])
		}
		if err != nil {
			continue
		}
		in, err := sb.ParseInfo(seg[sb.InfoOff:][:sb.InfoLen])
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if d := in.Schema.Diff(v.Ring.plan(t).Schema); d != "" {
			t.Errorf("%s: %s", v.Name, d)
		}
		for _, s := range v.Seats {
			p := ParseParticipant(seg[sb.Participant(s.Seat):][:ParticipantSize])
			if p.Name != s.Name || p.PID != s.PID {
				t.Errorf("%s: seat %d reads as %+v", v.Name, s.Seat, p)
			}
		}
	}
}
