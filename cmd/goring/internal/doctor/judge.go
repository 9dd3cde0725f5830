package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/goring/goring"
	"example.com/goring/layout"
)

// slow is the time that a participant may hold a slot quietly before it is a finding.
const slow = time.Second

// judge adds the findings about the snapshot.
func (r *Report) judge() {
	r.judgeWords()
	for _, p := range r.Ring.Participants {
		r.judgeParticipant(p)
	}
	r.judgeFlow()
	if g := r.Ring.GPU; g != nil && g.Gone {
		r.add(Problem, "gone", "the process that owns its device memory has ended: nobody can join, and what is published is drained",
			"make the ring anew; a program that only owns the memory (goring gpu-hold) lets the others come and go")
	}
	if r.Ring.abandoned() {
		r.add(Note, "stale", fmt.Sprintf("nobody is attached; created %s ago by %s, %s",
			age(time.Since(r.Ring.Created)), r.Ring.Creator, waiting(r.Ring.Ready)),
			"if nobody will come back for it: goring doctor --unlink-stale "+r.Name)
	}
}

// judgeWords adds a finding about slots held by seats without a holder, which no participant that
// follows the protocol leaves.
func (r *Report) judgeWords() {
	g := r.Ring
	held := uint64(0)
	for _, p := range g.Participants {
		held += uint64(len(p.Holds))
	}
	if g.mode == layout.ModeQueue && held < g.Taken+g.Writing {
		r.add(Problem, "orphaned", fmt.Sprintf("%d slots are marked as held by seats that nobody sits in", g.Taken+g.Writing-held),
			"a program wrote where it must not, or gave its seat back too early; make the ring anew")
	}
}

// judgeParticipant adds the findings about one participant.
func (r *Report) judgeParticipant(p Participant) {
	switch {
	case !p.Alive:
		left := "holds nothing"
		if len(p.Holds) > 0 {
			left = "holds " + messages(p.Holds)
		} else if p.Lag > 0 {
			left = fmt.Sprintf("had %d messages left to read", p.Lag)
		}
		r.add(Problem, "dead", fmt.Sprintf("%s died and %s", p, left),
			"goring doctor --reap "+r.Name+"; a participant that waits on this ring does the same")
	case p.Stopped:
		r.add(Problem, "stopped", fmt.Sprintf("%s is stopped (SIGSTOP or a debugger)", p), fmt.Sprintf("kill -CONT %d", p.PID))
	case p.Role == goring.RoleProducer && len(p.Holds) > 0 && p.Quiet > slow:
		r.add(Problem, "writing", fmt.Sprintf("%s has reserved %s and not committed, quiet for %s; the messages after it wait", p, messages(p.Holds), age(p.Quiet)),
			"inspect that program: it must commit or abort")
	case p.Role == goring.RoleConsumer && len(p.Holds) > 0 && p.Quiet > slow:
		r.add(Note, "holding", fmt.Sprintf("%s holds %s, quiet for %s", p, messages(p.Holds), age(p.Quiet)),
			"if it should be done by now, inspect that program: it must release")
	}
	if p.Lost > 0 {
		r.add(Note, "lost", fmt.Sprintf("%s was too slow for %d messages", p, p.Lost), "")
	}
}

// judgeFlow adds the findings about participants that wait for others.
func (r *Report) judgeFlow() {
	g := r.Ring
	consumers := g.alive(goring.RoleConsumer)
	switch {
	case g.abandoned() || g.mode == layout.ModeOverwrite: // no producer waits
	case g.Free == 0 && len(consumers) == 0:
		r.add(Problem, "full", "all slots are taken and no consumer is attached", "start a consumer")
	case g.Free == 0:
		r.judgeFull(consumers)
	case g.Ready > 0 && len(consumers) == 0:
		r.add(Note, "unread", waiting(g.Ready)+" and no consumer is attached", "start a consumer")
	}
	if g.Shutdown && len(g.alive()) > 0 {
		r.add(Note, "shutdown", "it is shut down: producers are refused, consumers take what is left", "")
	}
}

// judgeFull adds the finding about a full ring with living consumers.
func (r *Report) judgeFull(consumers []Participant) {
	g := r.Ring
	switch g.mode {
	case layout.ModeBroadcast:
		slowest := slices.MaxFunc(consumers, func(a, b Participant) int { return int(a.Lag) - int(b.Lag) })
		r.add(Problem, "full", fmt.Sprintf("the producer waits for %s, which has %d messages left to read", slowest, slowest.Lag),
			"make that consumer faster, or the ring one with overwrite")
	case layout.ModeQueue:
		r.add(Problem, "full", fmt.Sprintf("all slots are taken: %d wait, %d are being read", g.Ready, g.Taken),
			"the consumers are too slow: more or faster ones, or a producer that does not wait")
	case layout.ModeOverwrite: // never full
	}
}

// alive returns the living participants of the roles, of every role without one.
func (g *Ring) alive(roles ...goring.Role) (all []Participant) {
	for _, p := range g.Participants {
		if p.Alive && (len(roles) == 0 || slices.Contains(roles, p.Role)) {
			all = append(all, p)
		}
	}
	return all
}

// abandoned reports whether the ring has no living participant and no living owner of its memory.
func (g *Ring) abandoned() bool { return len(g.alive()) == 0 && !g.held() }

// held reports whether a living process owns device memory of the ring.
func (g *Ring) held() bool { return g.GPU != nil && g.GPU.Memory == "device" && !g.GPU.Gone }

// String returns the participant's name for people.
func (p Participant) String() string {
	return fmt.Sprintf("%s %q (seat %d, pid %d)", p.Role, p.Name, p.Seat, p.PID)
}

// waiting returns n as a number of messages that wait.
func waiting(n uint64) string {
	if n == 1 {
		return "1 message waits"
	}
	return fmt.Sprintf("%d messages wait", n)
}

// messages returns a list of the first few of the numbers.
func messages(n []uint64) string {
	const most = 5
	text := make([]string, 0, most)
	for _, x := range n[:min(len(n), most)] {
		text = append(text, fmt.Sprint(x))
	}
	if len(n) == 1 {
		return "message " + text[0]
	}
	more := ""
	if len(n) > most {
		more = fmt.Sprintf(" and %d more", len(n)-most)
	}
	return "messages " + strings.Join(text, ", ") + more
}

// age returns a duration rounded for people.
func age(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	case d < 48*time.Hour:
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%d days", int(d.Hours())/24)
}
