package layout

import (
	"fmt"
	"reflect"
)

// Scalar is a Go type that is one element of an array ring.
type Scalar interface {
	~bool | ~int8 | ~uint8 | ~int16 | ~uint16 | ~int32 | ~uint32 | ~int64 | ~uint64 |
		~float32 | ~float64 | ~complex64 | ~complex128
}

var goTypes = map[reflect.Kind]string{
	reflect.Bool: "|b1", reflect.Int8: "|i1", reflect.Uint8: "|u1", reflect.Int16: "<i2", reflect.Uint16: "<u2",
	reflect.Int32: "<i4", reflect.Uint32: "<u4", reflect.Int64: "<i8", reflect.Uint64: "<u8",
	reflect.Float32: "<f4", reflect.Float64: "<f8", reflect.Complex64: "<c8", reflect.Complex128: "<c16",
}

// Array returns the schema of one C-contiguous array of T. An impossible shape is
// refused when the ring is made; see [Schema.Validate].
func Array[T Scalar](shape ...int) Schema {
	t := reflect.TypeFor[T]()
	return Schema{Kind: KindArray, DType: goTypes[t.Kind()], Shape: shape, ItemSize: int(t.Size())}
}

// StructOf returns the schema of records of T, a struct of numbers and booleans of fixed
// size and arrays of them. A field's name is the Go name or its `goring:"name"` tag;
// fields named _ are padding. It fails with ErrSchema.
func StructOf[T any](shape ...int) (Schema, error) {
	t := reflect.TypeFor[T]()
	if t.Kind() != reflect.Struct {
		return Schema{}, fmt.Errorf("%s is no struct: %w", t, ErrSchema)
	}
	var fields []Field
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Name == "_" && pointerFree(f.Type) {
			continue
		}
		dtype, dims, err := elements(f.Type)
		if err != nil {
			return Schema{}, fmt.Errorf("%s.%s: %w", t, f.Name, err)
		}
		name := f.Name
		if tag := f.Tag.Get("goring"); tag != "" {
			name = tag
		}
		fields = append(fields, Field{Name: name, DType: dtype, Offset: int(f.Offset), Shape: dims})
	}
	return Records(int(t.Size()), fields, shape...)
}

// pointerFree reports whether values of t hold no pointers. Padding must hold none: the garbage
// collector scans a T that is copied out of a segment.
func pointerFree(t reflect.Type) bool {
	switch k := t.Kind(); k {
	case reflect.Array:
		return pointerFree(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if !pointerFree(t.Field(i).Type) {
				return false
			}
		}
		return true
	default:
		return k >= reflect.Bool && k <= reflect.Complex128
	}
}

// elements returns the dtype and shape of a field's type. It fails with ErrSchema.
func elements(t reflect.Type) (dtype string, dims []int, err error) {
	e := t
	for ; e.Kind() == reflect.Array; e = e.Elem() {
		dims = append(dims, e.Len())
	}
	dtype, ok := goTypes[e.Kind()]
	if ok {
		return dtype, dims, nil
	}
	switch e.Kind() {
	case reflect.Int, reflect.Uint, reflect.Uintptr:
		err = fmt.Errorf("%s has another size elsewhere, use int64 or uint64: %w", t, ErrSchema)
	case reflect.Struct:
		err = fmt.Errorf("%s is a struct in a struct, write its fields out: %w", t, ErrSchema)
	default:
		err = fmt.Errorf("%s holds a pointer, which means nothing in another process: %w", t, ErrSchema)
	}
	return "", nil, err
}

// CheckStruct fails with ErrSchema, naming the first field that differs, unless the records of s
// are exactly a T.
func CheckStruct[T any](s Schema) error {
	want, err := StructOf[T](s.Shape...)
	if err != nil {
		return err
	}
	if d := s.Diff(want); d != "" {
		return fmt.Errorf("%s, as %s has it: %w", d, reflect.TypeFor[T](), ErrSchema)
	}
	return nil
}
