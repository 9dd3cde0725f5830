// Package doctor examines rings from outside. It reports their participants, what they hold and how
// far they lag, which step is stuck, and how to repair it.
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
	// Note is worth knowing, but nothing is wrong.
	Note Severity = "note"
	// Problem is a state that keeps a participant waiting, now or later, until it is repaired.
	Problem Severity = "problem"
)

// Finding is one statement about a ring.
type Finding struct {
	Severity Severity `json:"severity"`
	Code     string   `json:"code"` // a fixed word for programs
	Text     string   `json:"text"` // the statement, for people
	Advice   string   `json:"advice,omitempty"`
}

// Report is the result of an examination of one name.
type Report struct {
	Name     string    `json:"name"`
	Path     string    `json:"path"`
	Error    string    `json:"error,omitempty"`    // the reason why the file cannot be used; then Ring is nil
	Ring     *Ring     `json:"ring,omitempty"`     // the ring before stale ones are removed
	Reaped   int       `json:"reaped,omitempty"`   // the number of dead participants reaped
	Unlinked bool      `json:"unlinked,omitempty"` // true when the ring was stale and has been removed
	Findings []Finding `json:"findings"`
}

// Ring is a ring's geometry and its stats at one moment.
type Ring struct {
	mode layout.Mode

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

// GPU describes the payload memory of a GPU ring.
type GPU struct {
	Memory string `json:"memory"`
	Sync   string `json:"sync"`
	Device string `json:"device"`
	Gone   bool   `json:"gone"` // true when the memory's owner has died or is closing
}

// String returns a line for people.
func (g *GPU) String() string {
	text := fmt.Sprintf("%s, device %s, synchronised by %s", g.Memory, g.Device, g.Sync)
	if g.Gone {
		text += "; its owner is gone"
	}
	return text
}

// Participant is the holder of one seat.
type Participant struct {
	goring.Participant
	Stopped bool `json:"stopped"` // by a signal or a debugger, as far as this process can tell
}

// Healthy reports whether the report has no problem.
func (r *Report) Healthy() bool {
	for _, f := range r.Findings {
		if f.Severity == Problem {
			return false
		}
	}
	return true
}

// Options select the rings and the permitted repairs.
type Options struct {
	Dir    string        // Folder of the rings; "" is the default folder.
	Reap   bool          // Reap dead participants.
	Unlink bool          // Remove stale rings: those without a living participant.
	MinAge time.Duration // Keep younger rings: their creator may be about to join.
}

// All examines every ring of the folder.
func All(o Options) ([]Report, error) {
	entries, err := goring.List(goring.Dir(o.Dir))
	if err != nil {
		return nil, err
	}
	reports := make([]Report, 0, len(entries))
	for _, e := range entries {
		reports = append(reports, Examine(e, o))
	}
	return reports, nil
}

// Examine reports on one ring and makes the repairs that the options permit. It joins no ring and
// takes no message.
func Examine(e goring.Entry, o Options) Report {
	rep := Report{Name: e.Name, Path: e.Path, Findings: []Finding{}}
	if e.Err != nil {
		return rep.unusable(e.Err)
	}
	ring, err := goring.Open(e.Name, goring.Dir(o.Dir), goring.AllowGroup())
	if err != nil {
		return rep.unusable(err)
	}
	defer func() { _ = ring.Close() }()
	if err := ring.Guard(func() error { return rep.examine(ring, o) }); err != nil {
		return rep.unusable(err)
	}
	if o.Unlink && rep.Ring.abandoned() {
		if rep.Unlinked, err = goring.UnlinkStale(e.Name, o.MinAge, goring.Dir(o.Dir)); err != nil {
			rep.add(Problem, "unlink", err.Error(), "")
		}
	}
	return rep
}

// examine fills in the snapshot and the findings.
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

// unusable returns the report with err as its only finding.
func (r *Report) unusable(err error) Report {
	r.Error = err.Error()
	r.add(Problem, "unusable", "cannot be used: "+r.Error, "it is left alone; if it is yours and no ring, remove it yourself: rm "+r.Path)
	return *r
}

// add adds a finding.
func (r *Report) add(s Severity, code, text, advice string) {
	r.Findings = append(r.Findings, Finding{s, code, text, advice})
}

// describe makes the snapshot.
func describe(ring *goring.Ring, st goring.Stats) *Ring {
	sb, info := ring.Superblock(), ring.Info()
	out := &Ring{
		mode: sb.Mode,
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
		out.Participants = append(out.Participants, Participant{p, p.Alive && stopped(p.PID, p.StartTime)})
	}
	return out
}

// creator returns the creator as text.
func creator(c layout.Creator) string {
	return c.Program + " (" + c.Lang + ")"
}
