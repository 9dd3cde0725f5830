package layout

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// Schema describes a ring's payloads. It is made with [Bytes], [Array],
// [ArrayOf], [StructOf], [Records] or [Tensor].
type Schema struct {
	Kind     Kind
	DType    string  // array: the dtype string
	Shape    []int   // array, struct: dimensions, none for a scalar or one record
	Fields   []Field // struct
	ItemSize int     // array, struct: bytes of one element
	MaxBytes int     // bytes, tensor: largest payload
}

// Field is one field of a record.
type Field struct {
	Name   string
	DType  string
	Offset int   // bytes from the start of the record
	Shape  []int // none for a scalar
}

// Bytes returns the schema of any bytes, up to limit per message.
func Bytes(limit int) Schema { return Schema{Kind: KindBytes, MaxBytes: limit} }

// Tensor returns the schema of arrays that bring their dtype and shape, up to limit
// bytes each.
func Tensor(limit int) Schema { return Schema{Kind: KindTensor, MaxBytes: limit} }

// ArrayOf returns the schema of one C-contiguous array of a NumPy dtype string. It fails with
// ErrSchema.
func ArrayOf(dtype string, shape ...int) (Schema, error) {
	size, err := DTypeSize(dtype)
	if err != nil {
		return Schema{}, err
	}
	s := Schema{Kind: KindArray, DType: dtype, Shape: shape, ItemSize: size}
	return s, s.Validate()
}

// Records returns the schema of one record, or a fixed shape of them. It fails with ErrSchema.
func Records(itemSize int, fields []Field, shape ...int) (Schema, error) {
	s := Schema{Kind: KindStruct, Fields: fields, ItemSize: itemSize, Shape: shape}
	return s, s.Validate()
}

// SlotBytes returns the size of the largest payload, in bytes. It fails with ErrSchema.
func (s Schema) SlotBytes() (uint64, error) {
	if s.Kind == KindBytes || s.Kind == KindTensor {
		if s.MaxBytes < 1 || uint64(s.MaxBytes) > MaxSlotBytes {
			return 0, fmt.Errorf("max_bytes is %d, want 1 to %d: %w", s.MaxBytes, uint64(MaxSlotBytes), ErrSchema)
		}
		return uint64(s.MaxBytes), nil
	}
	if s.ItemSize < 1 {
		return 0, fmt.Errorf("itemsize is %d: %w", s.ItemSize, ErrSchema)
	}
	return product(s.ItemSize, s.Shape)
}

// product returns the size of an array in bytes. It fails with ErrSchema above MaxSlotBytes.
func product(itemSize int, shape []int) (uint64, error) {
	if len(shape) > MaxDims {
		return 0, fmt.Errorf("shape %v has %d dimensions, at most %d: %w", shape, len(shape), MaxDims, ErrSchema)
	}
	n := uint64(itemSize)
	if n > MaxSlotBytes {
		return 0, fmt.Errorf("itemsize is %d, at most %d: %w", itemSize, uint64(MaxSlotBytes), ErrSchema)
	}
	for _, d := range shape {
		if d < 1 {
			return 0, fmt.Errorf("shape %v: every dimension is at least 1: %w", shape, ErrSchema)
		}
		hi, lo := bits.Mul64(n, uint64(d))
		if hi != 0 || lo > MaxSlotBytes {
			return 0, fmt.Errorf("shape %v of %d-byte items exceeds %d bytes: %w", shape, itemSize, uint64(MaxSlotBytes), ErrSchema)
		}
		n = lo
	}
	return n, nil
}

// Validate fails with ErrSchema, naming the fault, unless a ring can carry the schema.
func (s Schema) Validate() error {
	if s.Kind < KindBytes || s.Kind > KindTensor {
		return fmt.Errorf("%s: %w", s.Kind, ErrSchema)
	}
	if _, err := s.SlotBytes(); err != nil {
		return err
	}
	switch s.Kind {
	case KindArray:
		size, err := DTypeSize(s.DType)
		if err == nil && size != s.ItemSize {
			err = fmt.Errorf("itemsize is %d, dtype %s has %d: %w", s.ItemSize, s.DType, size, ErrSchema)
		}
		return err
	case KindStruct:
		return s.validateFields()
	}
	return nil
}

func (s Schema) validateFields() error {
	if len(s.Fields) == 0 {
		return fmt.Errorf("a record without fields: %w", ErrSchema)
	}
	names := map[string]bool{}
	end := 0
	for _, f := range slices.SortedFunc(slices.Values(s.Fields), byOffset) {
		size, err := f.size()
		switch {
		case err != nil:
			return fmt.Errorf("field %q: %w", f.Name, err)
		case f.Name == "" || names[f.Name] || !utf8.ValidString(f.Name):
			return fmt.Errorf("field name %q is empty, used twice or not UTF-8: %w", f.Name, ErrSchema)
		case f.Offset < end:
			return fmt.Errorf("field %q at offset %d overlaps the one before, which ends at %d: %w", f.Name, f.Offset, end, ErrSchema)
		case f.Offset > s.ItemSize || size > uint64(s.ItemSize-f.Offset):
			return fmt.Errorf("field %q at offset %d with %d bytes does not fit a record of %d: %w", f.Name, f.Offset, size, s.ItemSize, ErrSchema)
		}
		names[f.Name] = true
		end = f.Offset + int(size)
	}
	return nil
}

func byOffset(a, b Field) int { return cmp.Compare(a.Offset, b.Offset) }

func (f Field) size() (uint64, error) {
	if f.Offset < 0 {
		return 0, fmt.Errorf("offset %d: %w", f.Offset, ErrSchema)
	}
	size, err := DTypeSize(f.DType)
	if err != nil {
		return 0, err
	}
	return product(size, f.Shape)
}

// Diff returns the first difference between s and want as text, "" when they are equal.
func (s Schema) Diff(want Schema) string {
	switch {
	case s.Kind != want.Kind:
		return fmt.Sprintf("kind is %s, not %s", s.Kind, want.Kind)
	case s.DType != want.DType:
		return fmt.Sprintf("dtype is %s, not %s", s.DType, want.DType)
	case !slices.Equal(s.Shape, want.Shape):
		return fmt.Sprintf("shape is %v, not %v", s.Shape, want.Shape)
	case s.MaxBytes != want.MaxBytes:
		return fmt.Sprintf("max_bytes is %d, not %d", s.MaxBytes, want.MaxBytes)
	}
	for i, f := range want.Fields {
		if i >= len(s.Fields) {
			return fmt.Sprintf("field %q is missing", f.Name)
		}
		if d := s.Fields[i].diff(f); d != "" {
			return d
		}
	}
	if len(s.Fields) > len(want.Fields) {
		return fmt.Sprintf("field %q is unknown here", s.Fields[len(want.Fields)].Name)
	}
	if s.ItemSize != want.ItemSize {
		return fmt.Sprintf("itemsize is %d, not %d", s.ItemSize, want.ItemSize)
	}
	return ""
}

func (f Field) diff(want Field) string {
	if f.Name != want.Name || f.DType != want.DType || f.Offset != want.Offset || !slices.Equal(f.Shape, want.Shape) {
		return fmt.Sprintf("field %q is %s%v at offset %d, not %q %s%v at offset %d",
			f.Name, f.DType, f.Shape, f.Offset, want.Name, want.DType, want.Shape, want.Offset)
	}
	return ""
}
