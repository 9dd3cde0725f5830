package layout

import (
	"fmt"
	"strings"
)

// Info is the info block: the description of a ring.
type Info struct {
	Name    string // name at creation, "" for anonymous rings
	Schema  Schema
	Creator Creator
	User    map[string]any // facts of the creator
}

// Creator describes the program that made a ring.
type Creator struct {
	Lang    string `msgpack:"lang"`
	Version string `msgpack:"version"`
	Program string `msgpack:"program"`
	Host    string `msgpack:"host"`
	PID     int    `msgpack:"pid"`
}

// infoVersion is the value of key v of the info block.
const infoVersion = 1

// record is a field as the info block has it: [name, dtype, offset, shape].
type record struct {
	//lint:ignore U1000 read by msgpack through its tag
	_msgpack struct{} `msgpack:",as_array"`
	Name     string
	DType    string
	Offset   int
	Shape    []int
}

// EncodeInfo returns the info block of in: one map with sorted keys, so that equal rings
// have equal bytes. It fails with ErrSchema or ErrPlan.
func EncodeInfo(in Info) ([]byte, error) {
	if err := in.Schema.Validate(); err != nil {
		return nil, err
	}
	m := map[string]any{"v": infoVersion, "name": in.Name, "kind": in.Schema.Kind.String(), "creator": in.Creator.describe()}
	in.Schema.describe(m)
	if len(in.User) > 0 {
		user, err := plainMap(in.User)
		if err != nil {
			return nil, fmt.Errorf("user: %w: %w", ErrPlan, err)
		}
		m["user"] = user
	}
	b, err := EncodeMeta(nil, m)
	if err != nil {
		return nil, fmt.Errorf("info block: %w: %w", ErrPlan, err)
	}
	if len(b) > MaxInfo {
		return nil, fmt.Errorf("info block of %d bytes, at most %d: %w", len(b), MaxInfo, ErrPlan)
	}
	return b, nil
}

// plainMap returns m as a reader gets it: structs and typed maps have become maps of
// strings, since the encoder sorts the keys of those.
func plainMap(m map[string]any) (plain map[string]any, err error) {
	b, err := EncodeMeta(nil, m)
	if err == nil {
		err = DecodeMeta(b, &plain)
	}
	return plain, err
}

// describe returns the creator as a map. The system's names of a program and its host need not be
// UTF-8; in the info block they must be.
func (c Creator) describe() map[string]any {
	text := func(s string) string { return strings.ToValidUTF8(s, "?") }
	return map[string]any{"lang": text(c.Lang), "version": text(c.Version), "program": text(c.Program), "host": text(c.Host), "pid": c.PID}
}

// describe adds the keys of the ring's kind to m.
func (s Schema) describe(m map[string]any) {
	if s.Kind == KindBytes || s.Kind == KindTensor {
		m["max_bytes"] = s.MaxBytes
		return
	}
	m["shape"], m["itemsize"] = dims(s.Shape), s.ItemSize
	if s.Kind == KindArray {
		m["dtype"] = s.DType
		return
	}
	fields := make([]any, len(s.Fields))
	for i, f := range s.Fields {
		fields[i] = []any{f.Name, f.DType, f.Offset, dims(f.Shape)}
	}
	m["fields"] = fields
}

// dims returns a shape that encodes as [] and not as nil.
func dims(shape []int) []int {
	if shape == nil {
		return []int{}
	}
	return shape
}

// DecodeInfo returns the decoded info block; b must be a private copy. It fails with ErrInfo.
func DecodeInfo(b []byte) (in Info, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrInfo, err)
		}
	}()
	if len(b) > MaxInfo {
		return in, fmt.Errorf("%d bytes, at most %d", len(b), MaxInfo)
	}
	if len(b) > 0 && !isMap(b[0]) {
		return in, fmt.Errorf("it begins with byte %02x, not with a map", b[0])
	}
	var m struct {
		V        int            `msgpack:"v"`
		Name     string         `msgpack:"name"`
		Kind     string         `msgpack:"kind"`
		DType    string         `msgpack:"dtype"`
		Shape    []int          `msgpack:"shape"`
		Fields   []record       `msgpack:"fields"`
		ItemSize int            `msgpack:"itemsize"`
		MaxBytes int            `msgpack:"max_bytes"`
		Creator  Creator        `msgpack:"creator"`
		User     map[string]any `msgpack:"user"`
	}
	if err := DecodeMeta(b, &m); err != nil {
		return in, err
	}
	if err := checkText(b); err != nil { // scanned by now
		return in, err
	}
	if m.V != infoVersion {
		return in, fmt.Errorf("info version %d, this library knows %d", m.V, infoVersion)
	}
	kind, err := ParseKind(m.Kind)
	if err != nil {
		return in, err
	}
	s := Schema{Kind: kind, DType: m.DType, Shape: m.Shape, ItemSize: m.ItemSize, MaxBytes: m.MaxBytes}
	for _, f := range m.Fields {
		s.Fields = append(s.Fields, Field{Name: f.Name, DType: f.DType, Offset: f.Offset, Shape: f.Shape})
	}
	return Info{Name: m.Name, Schema: s, Creator: m.Creator, User: m.User}, s.Validate()
}
