package pool

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"example.com/goring/goring"
	"example.com/goring/layout"
)

// Result is what a worker's function returned.
type Result struct {
	kind   Kind
	worker string
	tensor layout.TensorDesc
	data   []byte
}

// Kind says what the function returned.
func (r Result) Kind() Kind { return r.kind }

// Worker is the name of the worker that answered.
func (r Result) Worker() string { return r.worker }

// Bytes is the result as it came: an array's elements, bytes, or a value's msgpack.
// In [Pool.Do] it lies in shared memory.
func (r Result) Bytes() []byte { return r.data }

// Tensor describes an array; ErrResult when the function returned something else.
func (r Result) Tensor() (layout.TensorDesc, error) {
	if r.kind != KindArray {
		return layout.TensorDesc{}, fmt.Errorf("an array is asked for, the function returned a %s: %w", r.kind, ErrResult)
	}
	return r.tensor, nil
}

// Decode decodes a value into v, which is a pointer, as msgpack does. Bytes go into a
// *[]byte; for arrays use [Array].
func (r Result) Decode(v any) error {
	switch to, isBytes := v.(*[]byte); {
	case r.kind == KindBytes && isBytes:
		*to = bytes.Clone(r.data)
		return nil
	case r.kind == KindValue:
		return layout.DecodeMeta(bytes.Clone(r.data), v)
	}
	return fmt.Errorf("a %s cannot be decoded into %T: %w", r.kind, v, ErrResult)
}

// Array is a copy of an array's elements in C order, and its shape. The dtype must be
// that of T, else it fails with ErrResult.
func Array[T layout.Scalar](r Result) (elements []T, shape []int, err error) {
	d, err := r.Tensor()
	if err != nil {
		return nil, nil, err
	}
	if want := layout.Array[T](1).DType; d.Code.String() != want {
		return nil, nil, fmt.Errorf("an array of %s is asked for, the function returned %s%v: %w", want, d.Code, d.Dims(), ErrResult)
	}
	size, _ := d.Code.Size()
	elements = make([]T, len(r.data)/size)
	_, err = binary.Decode(r.data, binary.LittleEndian, elements)
	return elements, d.Dims(), err
}

// read is the result that m carries, in place. Python's errors become Go's.
func (p *Pool) read(m goring.Message, r reply) (Result, error) {
	d, err := m.Tensor()
	if err != nil {
		return Result{}, err
	}
	out := Result{kind: r.kind, tensor: d, data: m.Bytes(), worker: p.nameOf(r.worker)}
	switch r.kind {
	case KindArray, KindBytes, KindValue:
		return out, nil
	case kindError:
		e := &RemoteError{Worker: out.worker}
		if err := layout.DecodeMeta(bytes.Clone(out.data), e); err != nil {
			return Result{}, fmt.Errorf("error of worker %s: %w", out.worker, err)
		}
		return Result{}, e
	case kindPoison:
		return Result{}, fmt.Errorf("%d workers died or hung with it: %w", p.cfg.MaxAttempts, ErrPoison)
	}
	return Result{}, fmt.Errorf("worker %s sent a %s: %w", out.worker, r.kind, goring.ErrCorrupt)
}

// own is r with a copy of its bytes.
func (r Result) own() Result {
	r.data = bytes.Clone(r.data)
	return r
}
