package layout

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

type sample struct {
	Time  int64
	Flags [3]uint8
	_     [5]byte
	Price float64 `goring:"px"`
	Grid  [2][3]float32
}

func TestStructOfHasTheOffsetsOfGo(t *testing.T) {
	s, err := StructOf[sample]()
	if err != nil {
		t.Fatal(err)
	}
	var v sample
	want := []Field{
		{"Time", "<i8", int(unsafe.Offsetof(v.Time)), nil},
		{"Flags", "|u1", int(unsafe.Offsetof(v.Flags)), []int{3}},
		{"px", "<f8", int(unsafe.Offsetof(v.Price)), nil},
		{"Grid", "<f4", int(unsafe.Offsetof(v.Grid)), []int{2, 3}},
	}
	if d := s.Diff(Schema{Kind: KindStruct, Fields: want, ItemSize: int(unsafe.Sizeof(v))}); d != "" {
		t.Fatal(d)
	}
	if err := CheckStruct[sample](s); err != nil {
		t.Fatal(err)
	}
}

func TestStructsThatCannotBeShared(t *testing.T) {
	for name, f := range map[string]func(shape ...int) (Schema, error){
		"Name": structOfText, "P": StructOf[struct{ P *int }], "N": StructOf[struct{ N int }],
		"In": StructOf[struct{ In struct{ A int8 } }], "float64": StructOf[float64], "fields": StructOf[struct{}],
	} {
		if _, err := f(); !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), name) && name != "fields" {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// structOfText returns the schema of a struct with a string, which is impossible.
func structOfText(...int) (Schema, error) { return StructOf[struct{ Name string }]() }

func TestCheckStructNamesTheFieldThatDiffers(t *testing.T) {
	s, _ := StructOf[struct {
		A int64
		B float32
	}]()
	for field, err := range map[string]error{
		`"B"`: CheckStruct[struct {
			A int64
			B float64
		}](s),
		`"C"`: CheckStruct[struct {
			A int64
			C float32
		}](s),
		`"D"`: CheckStruct[struct {
			A int64
			B float32
			D int32
		}](s),
	} {
		if !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), field) {
			t.Errorf("error %v does not name %s", err, field)
		}
	}
}

func TestArrayNamesTheElement(t *testing.T) {
	type celsius float32
	for _, c := range []struct{ got, want string }{
		{Array[bool]().DType, "|b1"}, {Array[int16](2).DType, "<i2"}, {Array[celsius](2).DType, "<f4"}, {Array[complex64]().DType, "<c8"},
	} {
		if c.got != c.want {
			t.Errorf("%s, want %s", c.got, c.want)
		}
	}
}

func TestDTypesByName(t *testing.T) {
	for name, size := range map[string]int{
		"|b1": 1, "<f2": 2, "<c16": 16, "bfloat16": 2, "float8_e5m2": 1, "|S7": 7, "|V65535": 65535, "<U3": 12, "<M8[ns]": 8, "<m8[as]": 8,
	} {
		if n, err := DTypeSize(name); err != nil || n != size {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	for _, name := range []string{"", "|O", ">f4", "<f3", "f4", "<U16384", "|S65536", "|S0", "<M8[xs]", "<M8", "|S99999", "float32"} {
		if _, err := DTypeSize(name); !errors.Is(err, ErrSchema) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	for _, c := range Codes() {
		if back, ok := CodeOf(c.String()); !ok || back != c {
			t.Errorf("code %d is %s, which is code %d", c, c, back)
		}
	}
}

func TestSchemasThatCannotBe(t *testing.T) {
	f := func(fields ...Field) Schema { return Schema{Kind: KindStruct, ItemSize: 8, Fields: fields} }
	for _, s := range []Schema{
		{}, {Kind: 9}, Bytes(0), Bytes(-1), Bytes(1 << 32), Tensor(0),
		Array[int32](0), Array[int32](-2), Array[int64](1<<31, 1<<31), Array[int8](1, 1, 1, 1, 1, 1, 1, 1, 1),
		{Kind: KindArray, DType: "<f4", ItemSize: 8},
		f(), f(Field{"a", "<f8", 1, nil}), f(Field{"a", "<f4", -1, nil}), f(Field{"", "<f4", 0, nil}),
		f(Field{"a", "<f4", 0, nil}, Field{"a", "<f4", 4, nil}), f(Field{"a", "<f4", 0, nil}, Field{"b", "<f4", 2, nil}),
		f(Field{"a", "|O", 0, nil}), f(Field{"a", "<f4", 0, []int{3}}), f(Field{"a", "|u1", 9, nil}),
	} {
		if err := s.Validate(); !errors.Is(err, ErrSchema) {
			t.Errorf("%+v: error %v", s, err)
		}
	}
}

func TestInfoRoundTripIsDeterministic(t *testing.T) {
	s, _ := StructOf[sample](2)
	in := Info{Name: "n", Schema: s, Creator: Creator{Lang: "go", PID: 5}, User: map[string]any{"b": "x", "a": int8(1)}}
	a, err := EncodeInfo(in)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if b, _ := EncodeInfo(in); !slices.Equal(a, b) {
			t.Fatal("equal rings have different bytes")
		}
	}
	got, err := DecodeInfo(a)
	if err != nil {
		t.Fatal(err)
	}
	if d := got.Schema.Diff(s); d != "" || got.Creator != in.Creator || got.User["b"] != "x" || got.Name != "n" {
		t.Fatalf("%+v (%s)", got, d)
	}
}

func TestInfoOfAnotherVersionIsRefused(t *testing.T) {
	b, _ := EncodeMeta(nil, map[string]any{"v": 2, "kind": "bytes", "max_bytes": 8})
	if _, err := DecodeInfo(b); !errors.Is(err, ErrInfo) || !strings.Contains(err.Error(), "version 2") {
		t.Fatal(err)
	}
	b, _ = EncodeMeta(nil, map[string]any{"v": 1, "kind": "bytes", "max_bytes": 8, "colour": "red"})
	if _, err := DecodeInfo(b); err != nil {
		t.Fatalf("an unknown key is not ignored: %v", err)
	}
}
