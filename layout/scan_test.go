package layout

import (
	"bytes"
	"errors"
	"testing"
)

// hostile are inputs that crash or mislead decoders.
var hostile = map[string][]byte{
	"empty":               {},
	"array32 of 4 G":      {0xdd, 0xff, 0xff, 0xff, 0xff},
	"map32 of 4 G":        {0xdf, 0xff, 0xff, 0xff, 0xff},
	"array16":             {0xdc, 0xff, 0xff},
	"bin32 of 4 G":        {0xc6, 0xff, 0xff, 0xff, 0xff, 1},
	"str8 too long":       {0xd9, 5, 'a'},
	"ext32":               {0xc9, 0xff, 0xff, 0xff, 0xff, 1},
	"deep":                bytes.Repeat([]byte{0x91}, 5<<20),
	"17 deep":             append(bytes.Repeat([]byte{0x91}, 17), 1),
	"trailing bytes":      {1, 2},
	"cut integer":         {0xcf, 1, 2},
	"cut length":          {0xda, 1},
	"c1":                  {0xc1},
	"c1 inside":           {0x91, 0xc1},
	"map without value":   {0x81, 0xa1, 'k'},
	"nested declarations": bytes.Repeat([]byte{0xdc, 0xff, 0xff}, 20),
}

func TestHostileMsgpackIsRefused(t *testing.T) {
	for name, b := range hostile {
		if err := Scan(b, MaxDepth); !errors.Is(err, ErrMsgpack) {
			t.Errorf("%s: error %v", name, err)
		}
		var v any
		if err := DecodeMeta(b, &v); err == nil {
			t.Errorf("%s was decoded as %v", name, v)
		}
		var ints []int64
		if err := DecodeMeta(b, &ints); err == nil {
			t.Errorf("%s was decoded as %v", name, ints)
		}
	}
}

func TestScanTakesEveryKindOfValue(t *testing.T) {
	for _, b := range [][]byte{
		{0}, {0x7f}, {0xe0}, {0xc0}, {0xc2}, {0xc3}, {0x80}, {0x90}, {0xa0}, {0xa1, 'x'}, {0x81, 0xa1, 'k', 1}, {0x92, 1, 0x91, 2},
		{0xc4, 1, 9}, {0xc5, 0, 1, 9}, {0xc6, 0, 0, 0, 1, 9}, {0xc7, 1, 5, 9}, {0xc8, 0, 1, 5, 9}, {0xc9, 0, 0, 0, 1, 5, 9},
		{0xca, 1, 2, 3, 4}, {0xcb, 1, 2, 3, 4, 5, 6, 7, 8}, {0xcc, 1}, {0xcd, 1, 2}, {0xce, 1, 2, 3, 4}, {0xcf, 1, 2, 3, 4, 5, 6, 7, 8},
		{0xd0, 1}, {0xd1, 1, 2}, {0xd2, 1, 2, 3, 4}, {0xd3, 1, 2, 3, 4, 5, 6, 7, 8},
		{0xd4, 1, 2}, {0xd5, 1, 2, 3}, append([]byte{0xd8}, make([]byte, 17)...),
		{0xd9, 1, 'x'}, {0xda, 0, 1, 'x'}, {0xdb, 0, 0, 0, 1, 'x'}, {0xdc, 0, 1, 7}, {0xdd, 0, 0, 0, 1, 7}, {0xde, 0, 1, 7, 7}, {0xdf, 0, 0, 0, 1, 7, 7},
		append(bytes.Repeat([]byte{0x91}, 16), 1),
	} {
		if err := Scan(b, MaxDepth); err != nil {
			t.Errorf("% x: %v", b, err)
		}
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	b, _ := EncodeMeta(nil, map[string]any{"seq": 1, "shape": []int{1, 2, 3}, "tags": []string{"a", "b"}})
	if n := testing.AllocsPerRun(100, func() { _ = Scan(b, MaxDepth) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzScan(f *testing.F) {
	for _, b := range hostile {
		f.Add(b[:min(len(b), 100)])
	}
	f.Add([]byte{0x82, 0xa1, 'k', 1, 0xa1, 'l', 0x92, 1, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		var v any
		_ = DecodeMeta(b, &v) // must neither crash nor run out of memory
	})
}

func FuzzInfo(f *testing.F) {
	for _, v := range vectors(f) {
		seg := golden(f, v.Name)
		var sb Superblock
		sb.decode((*[ImmutableSize]byte)(seg))
		f.Add(seg[sb.InfoOff:][:sb.InfoLen])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := DecodeInfo(b)
		if err != nil {
			return
		}
		if _, err := EncodeInfo(in); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(golden(f, v.Name)[:ImmutableSize], uint64(65536), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, size uint64, repair bool) {
		if repair && len(b) >= ImmutableSize {
			le.PutUint32(b[OffCRC:], checksum(b[:OffCRC]))
		}
		sb, err := Parse(b, size)
		if err != nil {
			return
		}
		// Everything that was accepted must lie inside the file.
		last := sb.HeaderOff + sb.Slots*sb.HeaderStride
		if !sb.Inline() && !sb.InDevice() {
			last = sb.DataOff + sb.Slots*sb.DataStride
		}
		if last > size || sb.InfoOff+uint64(sb.InfoLen) > sb.HeaderOff || sb.DataStride < sb.SlotBytes {
			t.Fatalf("accepted %+v in %d bytes", sb, size)
		}
		if sb.GPU() && (sb.GPUOff < sb.InfoOff+uint64(sb.InfoLen) || max(sb.DoneCell(sb.DoneCells()), sb.GPUOff+sb.GPUSize) > sb.HeaderOff || sb.Inline()) {
			t.Fatalf("accepted %+v for a GPU", sb)
		}
	})
}

func FuzzTensor(f *testing.F) {
	f.Add(make([]byte, TensorSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < TensorSize {
			return
		}
		d, err := ParseTensor(b)
		if err != nil {
			return
		}
		if n, err := d.Bytes(); err != nil || n > MaxSlotBytes || len(d.Dims()) != d.NDim {
			t.Fatalf("accepted %+v of %d bytes (%v)", d, n, err)
		}
	})
}

func FuzzSchema(f *testing.F) {
	f.Add("a", "<f4", 0, 3, 12)
	f.Add("b", "|O", -1, -1, 1<<40)
	f.Fuzz(func(t *testing.T, name, dtype string, offset, dim, itemSize int) {
		s := Schema{Kind: KindStruct, ItemSize: itemSize, Fields: []Field{{name, dtype, offset, []int{dim}}}}
		if s.Validate() != nil {
			return
		}
		if size, err := s.Fields[0].size(); err != nil || offset < 0 || uint64(offset)+size > uint64(itemSize) {
			t.Fatalf("accepted %+v", s)
		}
	})
}
