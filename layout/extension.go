package layout

import (
	"encoding/binary"
	"fmt"
)

const (
	timestampType = -1 // type of the one extension that msgpack itself defines
	maxNanosecond = 999_999_999
)

// plainExtensions returns b, which must have been scanned, with every timestamp in its 12-byte
// form; it fails with ErrMsgpack for any other extension. A decoder that expects a map and finds
// an extension decodes the extension's body as the map. That body was not scanned: eight bytes
// could still make it allocate 100 GiB. The 12-byte form begins with the nanoseconds, a byte below
// 0x3c, which begins no map.
func plainExtensions(b []byte) ([]byte, error) {
	var out []byte
	done := 0 // bytes of b that are in out
	for at := 0; at < len(b); {
		size, _, err := token(b[at:])
		if err != nil {
			return nil, err
		}
		if kind, body, ok := extension(b[at : at+size]); ok {
			out = append(out, b[done:at]...)
			if out, err = appendTimestamp(out, kind, body); err != nil {
				return nil, fmt.Errorf("at byte %d: %w", at, err)
			}
			done = at + size
		}
		at += size
	}
	if done == 0 {
		return b, nil
	}
	return append(out, b[done:]...), nil
}

// extension returns the type and body of a value, and whether it is an extension.
func extension(value []byte) (kind int8, body []byte, ok bool) {
	c := value[0]
	if c >= 0xc7 && c <= 0xc9 || c >= 0xd4 && c <= 0xd8 {
		head := 2 + int(lengthBytes[c])
		return int8(value[head-1]), value[head:], true
	}
	return 0, nil, false
}

func appendTimestamp(dst []byte, kind int8, body []byte) ([]byte, error) {
	var seconds, nanos uint64
	be := binary.BigEndian
	switch {
	case kind != timestampType:
		return nil, fmt.Errorf("extension of type %d, only timestamps (%d) are taken: %w", kind, timestampType, ErrMsgpack)
	case len(body) == 4:
		seconds = uint64(be.Uint32(body))
	case len(body) == 8:
		nanos, seconds = be.Uint64(body)>>34, be.Uint64(body)&(1<<34-1)
	case len(body) == 12:
		nanos, seconds = uint64(be.Uint32(body)), be.Uint64(body[4:])
	default:
		return nil, fmt.Errorf("timestamp of %d bytes: %w", len(body), ErrMsgpack)
	}
	if nanos > maxNanosecond {
		return nil, fmt.Errorf("timestamp with %d nanoseconds: %w", nanos, ErrMsgpack)
	}
	dst = append(dst, 0xc7, 12, 0xff)
	return be.AppendUint64(be.AppendUint32(dst, uint32(nanos)), seconds), nil
}
