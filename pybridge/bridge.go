// Package pybridge is the control plane that gopy exports to Python. Rings are made,
// found and joined here; messages go through the C module in package core, which is
// part of the same library.
//
// The surface is functions over numbers and strings, which cross without surprises: a
// handle is a number, and a closed one is answered with an error; structured arguments and
// results are JSON; every function returns a reply (see reply.go) and never panics.
package pybridge

import (
	"errors"
	"fmt"

	"example.com/goring/goring"
	"example.com/goring/goring/cuda"
	"example.com/goring/layout"
	_ "example.com/goring/pybridge/core" // the data plane
)

// Create makes a ring and attaches to it; name "" makes an anonymous one. options is
// the JSON of createOptions. Replies with attached.
func Create(name, options string) string {
	return reply(func() (any, error) {
		schema, opts, err := parseCreate(options)
		if err != nil {
			return nil, err
		}
		r, err := goring.Create(name, schema, opts...)
		return attach(r, err)
	})
}

// Open attaches to the ring of that name. options is the JSON of openOptions.
// Replies with attached.
func Open(name, options string) string {
	return reply(func() (any, error) {
		opts, err := parseOpen(options)
		if err != nil {
			return nil, err
		}
		r, err := goring.Open(name, opts...)
		return attach(r, err)
	})
}

// OpenFD attaches to the ring of a descriptor, which stays the caller's. With sealed it refuses
// a segment that a peer could truncate. Replies with attached.
func OpenFD(fd int64, sealed bool) string {
	return reply(func() (any, error) {
		var opts []goring.Option
		if sealed {
			opts = append(opts, goring.Sealed())
		}
		r, err := goring.OpenFD(int(fd), opts...)
		return attach(r, err)
	})
}

// attached is a ring's handle, the descriptor for Python to map, and the info block that
// was checked: the one in the segment may have been changed since.
type attached struct {
	Ring int64  `json:"ring"`
	FD   int    `json:"fd"`
	Name string `json:"name"`
	Path string `json:"path"`
	Info []byte `json:"info"` // msgpack; base64 in the reply
	GPU  *gpu   `json:"gpu"`
}

// gpu describes the memory of a GPU ring.
type gpu struct {
	Memory string `json:"memory"`
	Sync   string `json:"sync"`
	Device string `json:"device"` // UUID
}

func attach(r *goring.Ring, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	info, err := layout.EncodeInfo(r.Info())
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	a := attached{Ring: rings.add(r), FD: r.FD(), Name: r.Name(), Path: r.Path(), Info: info}
	if g, ok := r.GPU(); ok {
		a.GPU = &gpu{g.Memory.String(), g.Sync.String(), g.Device}
	}
	return a, nil
}

// Close detaches from a ring and ends the handle.
func Close(ring int64) string {
	return reply(func() (any, error) {
		r, err := rings.remove(ring)
		if err != nil {
			return nil, err
		}
		return nil, r.Close()
	})
}

// Shutdown shuts the ring down: no more messages will come.
func Shutdown(ring int64) string {
	return with(ring, func(r *goring.Ring) (any, error) { return nil, r.Shutdown() })
}

// Stats counts a ring's slots and describes its participants. Replies with goring.Stats.
func Stats(ring int64) string {
	return with(ring, func(r *goring.Ring) (any, error) { return r.Stats() })
}

// Reap reaps dead participants. Replies with their number.
func Reap(ring int64) string {
	return with(ring, func(r *goring.Ring) (any, error) { return r.Reap() })
}

// UnlinkRing removes an attached ring's name, unless it means another ring by now.
func UnlinkRing(ring int64) string {
	return with(ring, func(r *goring.Ring) (any, error) { return nil, r.Unlink() })
}

// Join takes a seat; role is producer or consumer, as is the participant's name. Replies
// with the seat's number, the locked descriptor and gpu, the address of a reference to the memory
// of a GPU ring. Descriptor and reference belong to the caller from here on.
func Join(ring int64, role, as string) string {
	return with(ring, func(r *goring.Ring) (any, error) {
		number, err := goring.ParseRole(role)
		if err != nil {
			return nil, err
		}
		if sb := r.Superblock(); sb.GPU() {
			s, err := cuda.Join(r, number, goring.As(as))
			if err != nil {
				return nil, err
			}
			return map[string]any{"seat": s.Number(), "gpu": s.GPU(), "fd": s.Detach()}, nil
		}
		s, err := r.Join(number, goring.As(as))
		if err != nil {
			return nil, err
		}
		return map[string]any{"seat": s.Number(), "gpu": 0, "fd": s.Detach()}, nil
	})
}

// Unlink removes the ring of that name. options is the JSON of findOptions.
func Unlink(name, options string) string {
	return reply(func() (any, error) {
		opts, err := parseFind(options)
		if err != nil {
			return nil, err
		}
		return nil, goring.Unlink(name, opts...)
	})
}

// List lists the rings of a folder. options is the JSON of findOptions. Replies with
// a list of entry.
func List(options string) string {
	return reply(func() (any, error) {
		opts, err := parseFind(options)
		if err != nil {
			return nil, err
		}
		all, err := goring.List(opts...)
		entries := make([]entry, len(all))
		for i, e := range all {
			entries[i] = entry{Name: e.Name, Path: e.Path, Slots: e.Slots, Size: e.Size}
			if e.Err != nil {
				entries[i].Error = fmt.Sprint(e.Err)
				continue
			}
			entries[i].Kind = e.Info.Schema.Kind.String()
		}
		return entries, err
	})
}

type entry struct {
	Name  string `json:"name"`
	Path  string `json:"path"`
	Kind  string `json:"kind"`
	Slots uint64 `json:"slots"`
	Size  uint64 `json:"size"`
	Error string `json:"error"`
}
