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

// This file is the protocol between a pool and its workers; the other half is goring.worker.
//
// A worker gets the request ring, the result ring and the writing end of a pipe as descriptors
// of the numbers in package layout. On the pipe it writes one line of JSON: that it is ready, or
// why it cannot be. A result carries its request's tag, and as metadata a list of its kind, the
// worker's index and the microseconds spent in the function.

const resultMeta = 64 // room for a result's metadata, bytes

// firstExtra is the descriptor of the first of exec.Cmd.ExtraFiles.
const firstExtra = 3

// Kind is the type of a result.
type Kind uint8

const (
	// KindArray is an ndarray: dtype, shape and C-contiguous elements.
	KindArray Kind = layout.ResultArray
	// KindBytes is bytes, as they are.
	KindBytes Kind = layout.ResultBytes
	// KindValue is anything else that msgpack carries: None, numbers, text, lists, dicts.
	KindValue Kind = layout.ResultValue

	kindError  Kind = layout.ResultError
	kindPoison Kind = layout.ResultPoison
)

var kindNames = []string{
	KindArray: "array", KindBytes: "bytes", KindValue: "value", kindError: "error", kindPoison: "poison",
}

// String returns the kind's name.
func (k Kind) String() string { return enum.Name("Kind", kindNames, uint8(k)) }

func resultSchema(size int) layout.Schema { return layout.Tensor(size) }

// options are the worker's options on its command line.
type options struct {
	Name        string  `json:"name"`
	Index       int     `json:"index"`
	MaxAttempts int     `json:"max_attempts"`
	Batch       int     `json:"batch"`
	BatchWait   float64 `json:"batch_wait"` // seconds
	MaxRequests int     `json:"max_requests"`
	MaxMemory   int64   `json:"max_memory"`
}

func (o options) String() string {
	b, _ := json.Marshal(o) // strings and numbers
	return string(b)
}

// status is the one line that a worker writes on its pipe.
type status struct {
	Ready *struct {
		PID      int `json:"pid"`
		Consumer int `json:"consumer"` // its seats
		Producer int `json:"producer"`
		Batch    int `json:"batch"`
	} `json:"ready"`
	Error *StartError `json:"error"`
}

// readStatus returns that line, or io.EOF when the worker ended without one.
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

// reply is a result's metadata.
type reply struct {
	kind   Kind
	worker int
	micros uint64
}

// readReply returns a result's metadata, three small numbers in a list. The general
// decoder would cost as much as the rest of the collector together.
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

// readUint returns the unsigned msgpack integer that b begins with, and the bytes after it.
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
