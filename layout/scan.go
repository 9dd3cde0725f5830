package layout

import (
	"encoding/binary"
	"fmt"
)

// Scan fails with ErrMsgpack unless b is exactly one msgpack value, nested at most depth deep,
// with room in b for all the children that it declares. The decoder trusts declared lengths and
// recurses, so all bytes must be scanned before it: five could make it allocate 64 GiB. Scan
// neither recurses nor allocates.
func Scan(b []byte, depth int) error {
	var open [MaxDepth + 1]uint64 // values still to come at each level
	depth = min(depth, MaxDepth)
	level := 0
	open[0] = 1
	for at := 0; ; {
		for open[level] == 0 {
			if level == 0 {
				if at != len(b) {
					return fmt.Errorf("%d bytes after the value: %w", len(b)-at, ErrMsgpack)
				}
				return nil
			}
			level--
		}
		open[level]--
		size, children, err := token(b[at:])
		if err != nil {
			return fmt.Errorf("at byte %d: %w", at, err)
		}
		at += size
		if children == 0 {
			continue
		}
		if children > uint64(len(b)-at) {
			return fmt.Errorf("at byte %d: %d values declared, %d bytes left: %w", at, children, len(b)-at, ErrMsgpack)
		}
		if level == depth {
			return fmt.Errorf("at byte %d: nested deeper than %d: %w", at, depth, ErrMsgpack)
		}
		level++
		open[level] = children
	}
}

// isMap reports whether c begins a map.
func isMap(c byte) bool { return c >= 0x80 && c <= 0x8f || c == 0xde || c == 0xdf }

// token returns the size of the value that b begins with, without its children, and their number.
func token(b []byte) (size int, children uint64, err error) {
	if len(b) == 0 {
		return 0, 0, fmt.Errorf("the value is cut off: %w", ErrMsgpack)
	}
	c := b[0]
	var body uint64 // bytes that follow the head
	head := 1
	switch {
	case c <= 0x7f, c >= 0xe0, c == 0xc0, c == 0xc2, c == 0xc3:
	case c <= 0x8f:
		children = 2 * uint64(c&15)
	case c <= 0x9f:
		children = uint64(c & 15)
	case c <= 0xbf:
		body = uint64(c & 31)
	case c == 0xc1:
		return 0, 0, fmt.Errorf("byte c1 is never used: %w", ErrMsgpack)
	default:
		if head, body, children, err = longToken(b); err != nil {
			return 0, 0, err
		}
	}
	if body > uint64(len(b)-head) {
		return 0, 0, fmt.Errorf("%d bytes declared, %d left: %w", body, len(b)-head, ErrMsgpack)
	}
	return head + int(body), children, nil
}

// lengthBytes is the number of bytes of length after the type byte, from 0xc4 on;
// fixedBytes is the number of bytes of value.
var (
	lengthBytes = [256]uint8{
		0xc4: 1, 0xc5: 2, 0xc6: 4, 0xc7: 1, 0xc8: 2, 0xc9: 4,
		0xd9: 1, 0xda: 2, 0xdb: 4, 0xdc: 2, 0xdd: 4, 0xde: 2, 0xdf: 4,
	}
	fixedBytes = [256]uint8{
		0xca: 4, 0xcb: 8, 0xcc: 1, 0xcd: 2, 0xce: 4, 0xcf: 8, 0xd0: 1, 0xd1: 2, 0xd2: 4, 0xd3: 8,
		0xd4: 2, 0xd5: 3, 0xd6: 5, 0xd7: 9, 0xd8: 17,
		0xc7: 1, 0xc8: 1, 0xc9: 1, // the ext type
	}
)

func longToken(b []byte) (head int, body, children uint64, err error) {
	c := b[0]
	n := int(lengthBytes[c])
	if len(b) < 1+n {
		return 0, 0, 0, fmt.Errorf("the length is cut off: %w", ErrMsgpack)
	}
	var length uint64
	switch n {
	case 1:
		length = uint64(b[1])
	case 2:
		length = uint64(binary.BigEndian.Uint16(b[1:]))
	case 4:
		length = uint64(binary.BigEndian.Uint32(b[1:]))
	}
	switch c {
	case 0xdc, 0xdd:
		return 1 + n, 0, length, nil
	case 0xde, 0xdf:
		return 1 + n, 0, 2 * length, nil
	}
	return 1 + n, length + uint64(fixedBytes[c]), 0, nil
}
