// Package doctor looks at rings from outside and says in plain words who is attached, how
// far behind, what is stuck and why, and what to do about it.
package doctor

import (
	"fmt"
	"time"

	"example.com/goring/goring"
	"example.com/goring/layout"
)

// Severity ranks a finding.
type Severity string

const (
	// Note: worth knowing, nothing is wrong.
	Note Severity = "note"
	// Problem: somebody waits, or will, for what does not come by itself.
	Problem Severity = "problem"
)

// Finding is one thing about a ring, for people, with a code for programs.
type Finding struct {
	Severity Severity `json:"severity"`
	Code     string   `json:"code"`
	Text     string   `json:"text"`
	Advice   string   `json:"advice,omitempty"`
}

// Report is what was found out about one name.
type Report struct {
	Name     string    `json:"name"`
	Path     string    `json:"path"`
	Error    string    `json:"error,omitempty"` // why it is no ring that can be used; then Ring is nil
	Ring     *Ring     `json:"ring,omitempty"`
	Reaped   int       `json:"reaped,omitempty"`   // dead participants repaired
	Unlinked bool      `json:"unlinked,omitempty"` // removed as stale
	Findings []Finding `json:"findings"`
}

// Ring is a ring's geometry and its stats at one moment.
type Ring struct {
	Kind      string    `json:"kind"`
	DType     string    `json:"dtype,omitempty"`
	Shape     []int     `json:"shape,omitempty"`
	Mode      string    `json:"mode"`
	SlotBytes uint64    `json:"slot_bytes"`
	MaxMeta   int       `json:"max_meta"`
	Bytes     uint64    `json:"bytes"` // of the whole segment
	Producers int       `json:"max_producers"`
	Consumers int       `json:"max_consumers"`
	Creator   string    `json:"creator"` // program and language
	Created   time.Time `json:"created"`
	GPU       *GPU      `json:"gpu,omitempty"`

	goring.Stats
	Participants []Participant `json:"participants"` // instead of those in Stats
}

// GPU is where the payloads of a GPU ring are.
type GPU struct {
	Memory string `json:"memory"`
	Sync   string `json:"sync"`
	Device string `json:"device"`
	Gone   bool   `json:"gone"` // the memory's owner died or is closing
}

// String is a line for people.
func (g *GPU) String() string {
	text := fmt.Sprintf("%s, device %s, synchronised by %s", g.Memory, g.Device, g.Sync)
	if g.Gone {
		text += "; its owner is gone"
	}
	return text
}

// Participant is one seat in use.
type Participant struct {
	goring.Participant
	Stopped bool `json:"stopped"` // by a signal or a debugger, as far as this process can tell
}

// Healthy reports whether nothing of the report is a problem.
func (r *Report) Healthy() bool {
	for _, f := range r.Findings {
		if f.Severity == Problem {
			return false
		}
	}
	return true
}

// Options say what may be repaired.
type Options struct {
	Dir    string        // folder of the rings; "": the default one
	Reap   bool          // repair what dead participants left
	Unlink bool          // remove rings that nobody uses
	MinAge time.Duration // younger rings are not removed: their creator may be about to join
}

func (o Options) in() []goring.Option {
	if o.Dir == "" {
		return nil
	}
	return []goring.Option{goring.Dir(o.Dir)}
}

// All examines every ring of the folder.
func All(o Options) ([]Report, error) {
	entries, err := goring.List(o.in()...)
	if err != nil {
		return nil, err
	}
	reports := make([]Report, 0, len(entries))
	for _, e := range entries {
		reports = append(reports, Examine(e, o))
	}
	return reports, nil
}

// Examine looks at one ring and repairs what the options allow. It joins nothing and
// disturbs nobody.
func Examine(e goring.Entry, o Options) Report {
	rep := Report{Name: e.Name, Path: e.Path, Findings: []Finding{}}
	if e.Err != nil {
		return rep.unusable(e.Err)
	}
	ring, err := goring.Open(e.Name, append(o.in(), goring.AllowGroup())...)
	if err != nil {
		return rep.unusable(err)
	}
	defer func() { _ = ring.Close() }()
	if err := ring.Guard(func() error { return rep.examine(ring, o) }); err != nil {
		return rep.unusable(err)
	}
	if o.Unlink && rep.Ring.abandoned() {
		if rep.Unlinked, err = goring.UnlinkStale(e.Name, o.MinAge, o.in()...); err != nil {
			rep.add(Problem, "unlink", err.Error(), "")
		}
	}
	return rep
}

func (r *Report) examine(ring *goring.Ring, o Options) (err error) {
	if o.Reap {
		if r.Reaped, err = ring.Reap(); err != nil {
			return err
		}
	}
	st, err := ring.Stats()
	if err != nil {
		return err
	}
	r.Ring = describe(ring, st)
	r.judge()
	return nil
}

func (r *Report) unusable(err error) Report {
	r.Error = err.Error()
	r.add(Problem, "unusable", "cannot be used: "+r.Error, "it is left alone; if it is yours and no ring, remove it yourself: rm "+r.Path)
	return *r
}

func (r *Report) add(s Severity, code, text, advice string) {
	r.Findings = append(r.Findings, Finding{s, code, text, advice})
}

func describe(ring *goring.Ring, st goring.Stats) *Ring {
	sb, info := ring.Superblock(), ring.Info()
	out := &Ring{
		Kind: sb.Kind.String(), DType: info.Schema.DType, Shape: info.Schema.Shape, Mode: sb.Mode.String(),
		SlotBytes: sb.SlotBytes, MaxMeta: sb.MaxMeta, Bytes: sb.TotalSize,
		Producers: sb.MaxProducers, Consumers: sb.MaxConsumers,
		Creator: creator(info.Creator), Created: time.Unix(0, sb.CreatedNS),
		Stats: st, Participants: []Participant{},
	}
	if info, ok := ring.GPU(); ok {
		out.GPU = &GPU{info.Memory.String(), info.Sync.String(), info.Device, info.Gone}
	}
	for _, p := range st.Participants {
		p.Holds = append([]uint64{}, p.Holds...) // JSON has a list, not null
		out.Participants = append(out.Participants, Participant{p, p.Alive && stopped(p.PID, p.StartTime)})
	}
	return out
}

func creator(c layout.Creator) string {
	return c.Program + " (" + c.Lang + ")"
}
