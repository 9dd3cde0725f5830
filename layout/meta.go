package layout

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/vmihailenco/msgpack/v5"
)

// EncodeMeta appends v as one msgpack value to dst; keys of a map[string]any are
// sorted. It fails with ErrMsgpack when v has no msgpack that every reader takes:
// nested deeper than MaxDepth, or text that is not UTF-8.
func EncodeMeta(dst []byte, v any) ([]byte, error) {
	buf := bytes.NewBuffer(dst)
	e := msgpack.NewEncoder(buf)
	e.SetSortMapKeys(true)
	e.UseCompactInts(true)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMsgpack, err)
	}
	b := buf.Bytes()
	if err := Scan(b[len(dst):], MaxDepth); err != nil {
		return nil, err
	}
	return b, checkText(b[len(dst):])
}

// checkText fails with ErrMsgpack for text that is not UTF-8, which Python would refuse to read.
// b must have been scanned.
func checkText(b []byte) error {
	for at := 0; at < len(b); {
		c := b[at]
		size, _, err := token(b[at:])
		if err != nil {
			return err
		}
		body := b[at+1+int(lengthBytes[c]) : at+size]
		if isText := c >= 0xa0 && c <= 0xbf || c >= 0xd9 && c <= 0xdb; isText && !utf8.Valid(body) {
			return fmt.Errorf("text %.40q is not UTF-8: %w", body, ErrMsgpack)
		}
		at += size
	}
	return nil
}

// DecodeMeta scans b, which must be a private copy, and decodes it into v. The only extension
// values that it takes are timestamps, which become time.Time. It fails with ErrMsgpack.
func DecodeMeta(b []byte, v any) error {
	if err := Scan(b, MaxDepth); err != nil {
		return err
	}
	b, err := plainExtensions(b)
	if err != nil {
		return err
	}
	return unmarshal(b, v)
}

// unmarshal decodes b into v and turns the decoder's panics into errors: it panics for bytes that
// do not suit v, such as nil for a time.Time or a list as the key of a map[any]any.
func unmarshal(b []byte, v any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("into %T: %v: %w", v, r, ErrMsgpack)
		}
	}()
	if err := msgpack.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %w", ErrMsgpack, err)
	}
	return nil
}
