package pool

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"example.com/goring/goring"
	"example.com/goring/layout"
)

// Result is the return value of a worker's function.
type Result struct {
	kind   Kind
	worker string            // the worker's name
	tensor layout.TensorDesc // of KindArray
	data   []byte
}

// Kind returns the kind of the value.
func (r Result) Kind() Kind { return r.kind }

// Worker returns the name of the worker that answered.
func (r Result) Worker() string { return r.worker }

// Bytes returns the encoded value: an array's elements, bytes as they are, or a value's msgpack.
// In [Pool.Do] they are in shared memory.
func (r Result) Bytes() []byte { return r.data }

// Tensor returns dtype and shape of an array. It fails with ErrResult for any other kind.
func (r Result) Tensor() (layout.TensorDesc, error) {
	if r.kind != KindArray {
		return layout.TensorDesc{}, fmt.Errorf("an array is asked for, the function returned a %s: %w", r.kind, ErrResult)
	}
	return r.tensor, nil
}

// Decode decodes a value into the pointer v, as msgpack does, or bytes into a *[]byte. It fails
// with ErrResult for any other kind; for arrays use [Array].
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

// Array returns a copy of an array's elements in C order, and its shape. It fails with ErrResult
// when the result is no array or its dtype is not that of T.
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

// read returns the result in m without copying it. A Python exception becomes a [*RemoteError].
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

// clone returns r with a copy of its bytes.
func (r Result) clone() Result {
	r.data = bytes.Clone(r.data)
	return r
}
