package layout

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// gpuPlan returns a plan for a GPU ring of 4 slots of 1000 bytes.
func gpuPlan(m Memory) Plan {
	p := small()
	p.Schema, p.Memory = Bytes(1000), m
	return p
}

func TestGPURingRoundTrip(t *testing.T) {
	for _, mode := range []Mode{ModeQueue, ModeBroadcast, ModeOverwrite} {
		for _, memory := range []Memory{MemoryIPC, MemoryHost} {
			p := gpuPlan(memory)
			p.Mode, p.MaxConsumers = mode, 3
			sb, b := built(t, p)
			got, err := Parse(b, sb.TotalSize)
			if err != nil || got != sb {
				t.Fatalf("%v in %v: parsed %+v (%v)\nwrote  %+v", mode, memory, got, err, sb)
			}
			cells := map[Mode]uint64{ModeQueue: 8, ModeBroadcast: 7, ModeOverwrite: 4}[mode]
			if sb.GPUSize != 640+64*cells || sb.ReadyCell(1) != sb.GPUOff+640+64 || sb.DoneCell(1) != sb.GPUOff+640+5*64 {
				t.Errorf("%v: %d bytes, cells at %d and %d of %d", mode, sb.GPUSize, sb.ReadyCell(1), sb.DoneCell(1), sb.GPUOff)
			}
			device := memory == MemoryIPC
			if !sb.GPU() || sb.InDevice() != device || sb.Inline() || sb.Mirrored(4096) && device || (sb.DataOff == 0) != device || sb.DataStride != 1024 {
				t.Errorf("%v: %+v", memory, sb)
			}
			if device && sb.TotalSize != alignUp(sb.HeaderOff+sb.Slots*sb.HeaderStride, pageAlign) {
				t.Errorf("the segment of a ring in device memory has %d bytes", sb.TotalSize)
			}
		}
	}
}

func TestGPUPlansThatCannotBe(t *testing.T) {
	for value, change := range map[string]func(p *Plan){
		"memory is device-vmm":     func(p *Plan) { p.Memory = MemoryVMM },
		"memory is Memory(9)":      func(p *Plan) { p.Memory = 9 },
		"placement is inline, wan": func(p *Plan) { p.Placement = PlaceInline },
	} {
		p := gpuPlan(MemoryIPC)
		change(&p)
		if _, _, err := p.Build(); !errors.Is(err, ErrPlan) || !strings.Contains(err.Error(), value) {
			t.Errorf("error %v, want one that says %q", err, value)
		}
	}
}

// Each rule of section 11 about the superblock, broken alone.
func TestGPUGeometryNamesTheField(t *testing.T) {
	both := []Memory{MemoryIPC, MemoryHost}
	for _, c := range []struct {
		field    string
		memories []Memory
		change   func(s *Superblock)
	}{
		{"gpu_off is 0", both, func(s *Superblock) { s.GPUOff = 0 }},
		{"gpu_off is 8256", both, func(s *Superblock) { s.GPUOff += 64 }},
		{"gpu_off is 4096", both, func(s *Superblock) { s.GPUOff = 4096 }},
		{"gpu_off is", both, func(s *Superblock) { s.GPUOff = s.HeaderOff + 4096 }},
		{"gpu_off is", both, func(s *Superblock) { s.GPUOff = 1 << 63 }},
		{"gpu_size is 1151", both, func(s *Superblock) { s.GPUSize-- }},
		{"gpu_size is 4097", both, func(s *Superblock) { s.GPUSize = 4097 }},
		{"gpu_size is", both, func(s *Superblock) { s.GPUSize = ^uint64(0) }},
		{"gpu_off is 8192", []Memory{MemoryHost}, func(s *Superblock) { s.Incompat = 0 }},
		{"gpu_size is 1152", []Memory{MemoryHost}, func(s *Superblock) { s.Incompat, s.GPUOff = 0, 0 }},
		{"data_stride is 1088", both, func(s *Superblock) { s.DataStride += 64 }},
		{"data_stride is 768", both, func(s *Superblock) { s.DataStride = 768 }},
		{"data_stride is", both, func(s *Superblock) { s.DataStride = 1 << 62 }},
		{"data_stride is", both, func(s *Superblock) { s.DataStride = ^uint64(255) }},
		{"data_off is 12320", both, func(s *Superblock) { s.DataOff = s.HeaderOff + 32 }},
		{"data_off is 65792", []Memory{MemoryHost}, func(s *Superblock) { s.DataOff += 256 }},
		{"data_stride is", []Memory{MemoryHost}, func(s *Superblock) { s.DataStride = 1 << 20 }},
		{"data_off is 65536", []Memory{MemoryIPC}, func(s *Superblock) { s.DataOff = 65536 }},
	} {
		for _, memory := range c.memories {
			sb, b := built(t, gpuPlan(memory))
			size := sb.TotalSize
			c.change(&sb)
			sb.Encode(b)
			if _, err := Parse(b, size); !errors.Is(err, ErrGeometry) || !strings.Contains(err.Error(), c.field) {
				t.Errorf("%v, %s: error %v", memory, c.field, err)
			}
		}
	}
}

// goodBlock returns a block that fits the ring.
func goodBlock(sb *Superblock) GPUBlock {
	g := GPUBlock{Memory: MemoryHost, Sync: SyncTimeline, Device: [16]byte{1}, Boot: [16]byte{2}, Driver: 12090, Exporter: 7, Handle: [64]byte{3}}
	if sb.InDevice() {
		g.Memory, g.Allocation = MemoryIPC, GPUAllocation
	}
	return g
}

func TestGPUBlockRoundTrip(t *testing.T) {
	for _, memory := range []Memory{MemoryIPC, MemoryHost} {
		sb, _ := built(t, gpuPlan(memory))
		b := slices.Repeat([]byte{0xee}, GPUBlockSize+1)
		want := goodBlock(&sb)
		want.Encode(b)
		got, err := sb.ParseGPU(b)
		if err != nil || got != want || b[GPUBlockSize] != 0xee {
			t.Errorf("%+v reads as %+v (%v)", want, got, err)
		}
	}
}

func TestEveryFlippedBitOfTheGPUBlockIsRefused(t *testing.T) {
	sb, _ := built(t, gpuPlan(MemoryIPC))
	good := make([]byte, GPUBlockSize)
	block := goodBlock(&sb)
	block.Encode(good)
	for bit := range 8 * GPUBlockSize {
		b := slices.Clone(good)
		b[bit/8] ^= 1 << (bit % 8)
		want := ErrChecksum
		switch {
		case bit < 32:
			want = ErrGeometry
		case bit < 48:
			want = ErrVersion
		case bit < 64:
			want = ErrGeometry
		}
		if _, err := sb.ParseGPU(b); !errors.Is(err, want) {
			t.Fatalf("bit %d: error %v, want %v", bit, err, want)
		}
	}
	if _, err := sb.ParseGPU(good[:GPUBlockSize-1]); !errors.Is(err, ErrTruncated) {
		t.Errorf("a block of 511 bytes: %v", err)
	}
}

// A checksum proves that a block is undamaged, not that it fits the ring.
func TestGPUBlocksThatDoNotFit(t *testing.T) {
	for _, c := range []struct {
		memory Memory
		names  string
		change func(g *GPUBlock)
	}{
		{MemoryIPC, "memory of the GPU block is 0", func(g *GPUBlock) { g.Memory = 0 }},
		{MemoryIPC, "memory of the GPU block is 4", func(g *GPUBlock) { g.Memory = 4 }},
		{MemoryIPC, "memory of the GPU block is 3", func(g *GPUBlock) { g.Memory = MemoryHost }},
		{MemoryHost, "memory of the GPU block is 1", func(g *GPUBlock) { g.Memory = MemoryIPC }},
		{MemoryHost, "memory of the GPU block is 2", func(g *GPUBlock) { g.Memory = MemoryVMM }},
		{MemoryIPC, "sync of the GPU block is 2", func(g *GPUBlock) { g.Sync = 2 }},
		{MemoryIPC, "allocation of the GPU block is 0", func(g *GPUBlock) { g.Allocation = 0 }},
		{MemoryIPC, "allocation of the GPU block is 2097153", func(g *GPUBlock) { g.Allocation++ }},
		{MemoryIPC, "allocation of the GPU block is 4611686018427387904", func(g *GPUBlock) { g.Allocation = 1 << 62 }},
		{MemoryHost, "allocation of the GPU block is 2097152", func(g *GPUBlock) { g.Allocation = GPUAllocation }},
	} {
		sb, _ := built(t, gpuPlan(c.memory))
		g := goodBlock(&sb)
		c.change(&g)
		b := make([]byte, GPUBlockSize)
		g.Encode(b)
		if _, err := sb.ParseGPU(b); !errors.Is(err, ErrGeometry) || !strings.Contains(err.Error(), c.names) {
			t.Errorf("%s: error %v", c.names, err)
		}
	}
	sb, _ := built(t, gpuPlan(MemoryIPC))
	sb.Slots = GPUAllocation/sb.DataStride + 1
	b := make([]byte, GPUBlockSize)
	g := goodBlock(&sb)
	g.Encode(b)
	if _, err := sb.ParseGPU(b); !errors.Is(err, ErrGeometry) {
		t.Errorf("one slot more than the allocation has room for: %v", err)
	}
}

func TestGPUNames(t *testing.T) {
	for got, want := range map[string]string{
		MemoryIPC.String(): "device", MemoryVMM.String(): "device-vmm", MemoryHost.String(): "host", Memory(0).String(): "Memory(0)",
		SyncHost.String(): "host", SyncTimeline.String(): "timeline", Sync(5).String(): "Sync(5)",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func FuzzGPUBlock(f *testing.F) {
	for _, v := range vectors(f) {
		if v.GPU != nil {
			seg := golden(f, v.Name)
			var sb Superblock
			sb.decode((*[ImmutableSize]byte)(seg))
			f.Add(seg[sb.GPUOff:][:GPUBlockSize], sb.InDevice(), true)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, device, repair bool) {
		sb, _ := built(t, gpuPlan(MemoryHost))
		if device {
			sb, _ = built(t, gpuPlan(MemoryIPC))
		}
		if repair && len(b) >= GPUBlockSize {
			le.PutUint32(b[GPUOffCRC:], checksum(b[:GPUOffCRC]))
		}
		g, err := sb.ParseGPU(b)
		if err != nil {
			return
		}
		if (g.Memory == MemoryHost) == device || device && g.Allocation < sb.Slots*sb.DataStride {
			t.Fatalf("accepted %+v of a ring with data_off %d", g, sb.DataOff)
		}
		again := make([]byte, GPUBlockSize)
		g.Encode(again)
		if !slices.Equal(again[:GPUOffSocket], b[:GPUOffSocket]) {
			t.Fatalf("% x is written as % x", b, again)
		}
	})
}

func TestDeviceUUID(t *testing.T) {
	u := [16]byte{0xc0, 0xc7, 0xce, 0xd5, 0xdc, 0xe3, 0xea, 0xf1, 0xf8, 0xff, 6, 0xd, 0x14, 0x1b, 0x22, 0x29}
	if got := DeviceUUID(u); got != "GPU-c0c7ced5-dce3-eaf1-f8ff-060d141b2229" {
		t.Error(got)
	}
}
