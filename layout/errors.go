package layout

import "errors"

// The reasons why a file is no segment that this implementation can use, in the order of the
// checks.
var (
	ErrTruncated = errors.New("segment is truncated")
	ErrForeign   = errors.New("not a goring segment")
	ErrByteOrder = errors.New("written on a machine of the other byte order")
	ErrVersion   = errors.New("layout version not supported")
	ErrChecksum  = errors.New("superblock checksum is wrong")
	ErrFeature   = errors.New("segment needs a feature this version lacks")
	ErrGeometry  = errors.New("impossible geometry")
	ErrInfo      = errors.New("info block is damaged")
)

var (
	// ErrSchema is returned for a dtype, shape or type that a ring cannot carry, or another one
	// than the ring carries.
	ErrSchema = errors.New("schema mismatch")
	// ErrPlan is returned for a ring that cannot be built; the text names the field and its value.
	ErrPlan = errors.New("cannot make such a ring")
	// ErrMsgpack is returned for bytes that are not one bounded msgpack value.
	ErrMsgpack = errors.New("bad msgpack")
	// ErrTensor is returned for an impossible tensor descriptor.
	ErrTensor = errors.New("bad tensor descriptor")
)
