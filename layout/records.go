package layout

import (
	"bytes"
	"fmt"
	"math/bits"
	"strings"
)

// Participant is the diagnosis part of a seat's entry. State, epoch, cursor and
// lost are control words and not part of it.
type Participant struct {
	PID       uint32
	StartTime uint64 // clock ticks since boot
	JoinedNS  int64
	Name      string // its first PartNameSize bytes are kept
}

// PutParticipant writes p into an entry and leaves its control words unchanged.
func PutParticipant(b []byte, p Participant) {
	le.PutUint32(b[PartPID:], p.PID)
	le.PutUint32(b[PartFlags:], 0)
	le.PutUint64(b[PartStartTime:], p.StartTime)
	le.PutUint64(b[PartJoined:], uint64(p.JoinedNS))
	name := b[PartName : PartName+PartNameSize]
	clear(name)
	short := p.Name[:min(len(p.Name), PartNameSize)]
	copy(name, strings.ToValidUTF8(short, "")) // a cut may have split a letter
}

// ParseParticipant returns the decoded entry; b must be a private copy.
func ParseParticipant(b []byte) Participant {
	name, _, _ := bytes.Cut(b[PartName:PartName+PartNameSize], []byte{0})
	return Participant{
		PID:       le.Uint32(b[PartPID:]),
		StartTime: le.Uint64(b[PartStartTime:]),
		JoinedNS:  int64(le.Uint64(b[PartJoined:])),
		Name:      string(bytes.ToValidUTF8(name, []byte("?"))),
	}
}

// maxDim bounds the dimensions of an array without elements, so that they are ints.
const maxDim = 1<<62 - 1

// TensorDesc describes the payload of a tensor ring's message: a C-contiguous array of NDim
// dimensions.
type TensorDesc struct {
	Code  DTypeCode
	NDim  int
	Shape [MaxDims]uint64 // dimensions from NDim on are 0
}

// NewTensorDesc returns the descriptor of an array. A shape of no dimensions is a scalar. It fails
// with ErrTensor.
func NewTensorDesc(code DTypeCode, shape ...int) (TensorDesc, error) {
	d := TensorDesc{Code: code, NDim: len(shape)}
	if len(shape) > MaxDims {
		return d, fmt.Errorf("%d dimensions, at most %d: %w", len(shape), MaxDims, ErrTensor)
	}
	for i, n := range shape {
		if n < 0 {
			return d, fmt.Errorf("shape %v: %w", shape, ErrTensor)
		}
		d.Shape[i] = uint64(n)
	}
	_, err := d.Bytes()
	return d, err
}

// Dims returns the shape as a slice.
func (d TensorDesc) Dims() []int {
	dims := make([]int, d.NDim)
	for i := range dims {
		dims[i] = int(d.Shape[i])
	}
	return dims
}

// Bytes returns the size of the array, at most MaxSlotBytes. It fails with ErrTensor.
func (d TensorDesc) Bytes() (uint64, error) {
	size, ok := d.Code.Size()
	if !ok {
		return 0, fmt.Errorf("dtype code %d: %w", d.Code, ErrTensor)
	}
	n := uint64(size)
	tooLarge := false
	for _, dim := range d.Shape[:d.NDim] {
		var hi uint64
		hi, n = bits.Mul64(n, dim)
		tooLarge = tooLarge || hi != 0 || dim > maxDim
	}
	if tooLarge || n > MaxSlotBytes {
		return 0, fmt.Errorf("shape %v of %s is more than %d bytes: %w", d.Shape[:d.NDim], d.Code, uint64(MaxSlotBytes), ErrTensor)
	}
	return n, nil
}

// Put writes the descriptor into b[:TensorSize].
func (d TensorDesc) Put(b []byte) {
	b = b[:TensorSize]
	clear(b)
	le.PutUint16(b[TensorDType:], uint16(d.Code))
	b[TensorNDim] = byte(d.NDim)
	for i, n := range d.Shape {
		le.PutUint64(b[TensorShape+8*i:], n)
	}
}

// ParseTensor checks and decodes a descriptor; b must be a private copy. It fails with ErrTensor.
func ParseTensor(b []byte) (TensorDesc, error) {
	d := TensorDesc{Code: DTypeCode(le.Uint16(b[TensorDType:])), NDim: int(b[TensorNDim])}
	if d.NDim > MaxDims {
		return d, fmt.Errorf("%d dimensions, at most %d: %w", d.NDim, MaxDims, ErrTensor)
	}
	for i := range d.NDim {
		d.Shape[i] = le.Uint64(b[TensorShape+8*i:])
	}
	_, err := d.Bytes()
	return d, err
}
