package pool

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"example.com/goring/goring"
	"example.com/goring/internal/enum"
	"example.com/goring/layout"
)

// The protocol between a pool and its workers. The workers' side is goring.worker in Python.
//
// A worker inherits the request ring, the result ring and the writing end of a pipe as
// descriptors of the numbers in package layout. It writes one line of JSON to the pipe: that it
// is ready, or why it cannot start. A result carries the tag of its request, and as metadata a
// list of its kind, the worker's index and the microseconds spent in the function.

// firstExtra is the descriptor of the first of exec.Cmd.ExtraFiles.
const firstExtra = 3

const resultMeta = 64 // limit of a result's metadata in bytes

// Kind is the kind of a result.
type Kind uint8

const (
	// KindArray is a NumPy array: dtype, shape and elements in C order.
	KindArray Kind = layout.ResultArray
	// KindBytes is bytes.
	KindBytes Kind = layout.ResultBytes
	// KindValue is a value in msgpack: None, numbers, text, lists, dicts.
	KindValue Kind = layout.ResultValue

	kindError  Kind = layout.ResultError
	kindPoison Kind = layout.ResultPoison
)

var kindNames = []string{
	KindArray: "array", KindBytes: "bytes", KindValue: "value", kindError: "error", kindPoison: "poison",
}

// String returns the kind's name.
func (k Kind) String() string { return enum.Name("Kind", kindNames, uint8(k)) }

// resultSchema returns the schema of the result ring.
func resultSchema(size int) layout.Schema { return layout.Tensor(size) }

// options is a worker's configuration, passed on its command line as JSON.
type options struct {
	Name        string  `json:"name"`
	Index       int     `json:"index"`
	MaxAttempts int     `json:"max_attempts"`
	Batch       int     `json:"batch"`
	BatchWait   float64 `json:"batch_wait"` // seconds
	MaxRequests int     `json:"max_requests"`
	MaxMemory   int64   `json:"max_memory"`
}

// String returns the JSON.
func (o options) String() string {
	b, _ := json.Marshal(o) // never fails: strings and numbers
	return string(b)
}

// status is the line that a worker writes to its pipe. One of the fields is set.
type status struct {
	Ready *struct {
		PID      int `json:"pid"`
		Consumer int `json:"consumer"` // the seat in the request ring
		Producer int `json:"producer"` // the seat in the result ring
		Batch    int `json:"batch"`
	} `json:"ready"`
	Error *StartError `json:"error"`
}

// readStatus reads the line. It fails with io.EOF when the worker ended without one.
func readStatus(r io.Reader) (s status, err error) {
	b, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return s, err
	}
	if len(strings.TrimSpace(string(b))) == 0 {
		return s, io.EOF
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("status line %.100q: %w", b, err)
	}
	if s.Ready == nil && s.Error == nil {
		return s, fmt.Errorf("status line %.100q says neither ready nor error", b)
	}
	return s, nil
}

// reply is the metadata of a result.
type reply struct {
	kind   Kind
	worker int    // the worker's index, at most mostWorkers
	micros uint64 // the time in the function
}

// readReply decodes the metadata of a result: three small numbers in a list. It does not use the
// general decoder, which would cost as much as the rest of the collector.
func readReply(m goring.Message) (r reply, err error) {
	b := m.RawMeta()
	if len(b) < 4 || b[0] != 0x93 {
		return r, fmt.Errorf("result with metadata % x: %w", b, goring.ErrCorrupt)
	}
	var n [3]uint64
	rest := b[1:]
	for i := range n {
		if n[i], rest, err = readUint(rest); err != nil {
			return r, err
		}
	}
	return reply{kind: Kind(n[0]), worker: int(min(n[1], mostWorkers)), micros: n[2]}, nil
}

// readUint decodes one unsigned msgpack integer and returns the bytes after it.
func readUint(b []byte) (n uint64, rest []byte, err error) {
	size := 0
	switch {
	case len(b) == 0:
		return 0, nil, fmt.Errorf("result with too little metadata: %w", goring.ErrCorrupt)
	case b[0] < 0x80:
		return uint64(b[0]), b[1:], nil
	case b[0] >= 0xcc && b[0] <= 0xcf:
		size = 1 << (b[0] - 0xcc)
	}
	if size == 0 || len(b) < 1+size {
		return 0, nil, fmt.Errorf("result with metadata byte %#x: %w", b[0], goring.ErrCorrupt)
	}
	for _, c := range b[1 : 1+size] {
		n = n<<8 | uint64(c)
	}
	return n, b[1+size:], nil
}
