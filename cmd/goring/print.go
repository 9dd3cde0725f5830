package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"example.com/goring/cmd/goring/internal/doctor"
	"example.com/goring/goring"
)

// printList prints a table with a line for each ring, then the errors of unusable files.
func printList(w io.Writer, reports []doctor.Report) error {
	if len(reports) == 0 {
		_, err := fmt.Fprintln(w, "no rings")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tPAYLOAD\tMODE\tSLOTS\tSIZE\tPRODUCERS\tCONSUMERS\tREADY\tAGE")
	for _, r := range reports {
		if r.Ring == nil {
			continue
		}
		g := r.Ring
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%d\t%s\n", r.Name, payload(g), g.Mode, g.Slots, size(g.Bytes),
			seats(g, goring.RoleProducer, g.Producers), seats(g, goring.RoleConsumer, g.Consumers), g.Ready, since(g.Created))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, r := range reports {
		if r.Ring == nil {
			fmt.Fprintf(w, "%s  %s\n", r.Name, r.Error)
		}
	}
	return nil
}

// printStat prints all about a ring, with its rates if there are any.
func printStat(w io.Writer, r doctor.Report, rates []string) error {
	if r.Ring == nil {
		_, err := fmt.Fprintf(w, "%s: %s\n", r.Name, r.Error)
		return err
	}
	g := r.Ring
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, values ...any) { fmt.Fprintf(t, name+"\t"+format+"\n", values...) }
	line("ring", "%s", r.Name)
	line("file", "%s, %s", r.Path, size(g.Bytes))
	line("payload", "%s, at most %d bytes and %d of metadata", payload(g), g.SlotBytes, g.MaxMeta)
	if g.GPU != nil {
		line("memory", "%s", g.GPU)
	}
	line("mode", "%s, %d slots, up to %d producers and %d consumers", g.Mode, g.Slots, g.Producers, g.Consumers)
	line("created", "%s ago by %s", since(g.Created), g.Creator)
	line("messages", "%d published, %d released", g.Published, g.Released)
	line("slots", "%d ready, %d taken, %d being written, %d free", g.Ready, g.Taken, g.Writing, g.Free)
	if g.Shutdown {
		line("state", "shut down")
	}
	for _, rate := range rates {
		line("rate", "%s", rate)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return printParticipants(w, g.Participants)
}

func printParticipants(w io.Writer, all []doctor.Participant) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "nobody is attached")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nROLE\tSEAT\tNAME\tPID\tSTATE\tJOINED\tQUIET\tHOLDS\tLAG\tLOST")
	for _, p := range all {
		fmt.Fprintf(t, "%s\t%d\t%s\t%d\t%s\t%s\t%s\t%d\t%d\t%d\n", p.Role, p.Seat, printable(p.Name), p.PID, state(p),
			since(p.Joined), p.Quiet.Round(time.Millisecond), len(p.Holds), p.Lag, p.Lost)
	}
	return t.Flush()
}

func printFindings(w io.Writer, reports []doctor.Report) error {
	if len(reports) == 0 {
		_, err := fmt.Fprintln(w, "no rings")
		return err
	}
	for _, r := range reports {
		fmt.Fprintf(w, "%s: %s\n", r.Name, summary(r))
		for _, f := range r.Findings {
			fmt.Fprintf(w, "  %s: %s\n", f.Severity, printable(f.Text))
			if f.Advice != "" {
				fmt.Fprintf(w, "    %s\n", printable(f.Advice))
			}
		}
	}
	return nil
}

func summary(r doctor.Report) string {
	var said []string
	if g := r.Ring; g != nil {
		said = append(said, fmt.Sprintf("%s of %s, %s, %s", g.Mode, payload(g), count(len(g.Participants), "participant"), count(int(g.Ready), "message")))
	} else {
		said = append(said, "no ring that can be used")
	}
	if r.Reaped > 0 {
		said = append(said, count(r.Reaped, "dead participant")+" repaired")
	}
	if r.Unlinked {
		said = append(said, "removed")
	}
	if len(r.Findings) == 0 {
		said = append(said, "all well")
	}
	return strings.Join(said, "; ")
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func payload(g *doctor.Ring) string {
	switch g.Kind {
	case "array":
		dims := make([]string, len(g.Shape))
		for i, d := range g.Shape {
			dims[i] = fmt.Sprint(d)
		}
		return g.DType + " (" + strings.Join(dims, "x") + ")"
	case "struct":
		return fmt.Sprintf("struct of %d B", g.SlotBytes)
	}
	return fmt.Sprintf("%s to %d B", g.Kind, g.SlotBytes)
}

func seats(g *doctor.Ring, role goring.Role, most int) string {
	alive := 0
	for _, p := range g.Participants {
		if p.Role == role && p.Alive {
			alive++
		}
	}
	return fmt.Sprintf("%d of %d", alive, most)
}

func state(p doctor.Participant) string {
	switch {
	case !p.Alive:
		return "dead"
	case p.Stopped:
		return "stopped"
	}
	return "alive"
}

func size(n uint64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

func since(t time.Time) string { return time.Since(t).Round(time.Second).String() }

// printable returns s, the words of another process, without characters that control the terminal.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 {
			return '?'
		}
		return c
	}, s)
}
