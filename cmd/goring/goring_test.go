package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.com/goring/cmd/goring/internal/doctor"
	"example.com/goring/goring"
	"example.com/goring/layout"
)

// run runs a command line in this process and returns its output and exit status.
func run(t *testing.T, args ...string) (out string, exit int) {
	t.Helper()
	return runUntil(t.Context(), args...)
}

func runUntil(ctx context.Context, args ...string) (string, int) {
	var out bytes.Buffer
	c := root()
	c.SetOut(&out)
	c.SetErr(&out)
	c.SetArgs(args)
	err := c.ExecuteContext(ctx)
	if err != nil && !errors.Is(err, errProblems) {
		out.WriteString(err.Error())
	}
	return out.String(), status(err)
}

// rings makes a folder with two rings and a file that is no ring.
func rings(t *testing.T) (dir string, frames *goring.Ring) {
	t.Helper()
	dir = t.TempDir()
	frames, err := goring.Create("frames", layout.Array[uint8](480, 640, 3), goring.Dir(dir), goring.Slots(4))
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := goring.Create("jobs", layout.Bytes(64), goring.Dir(dir), goring.Consumers(8))
	if err != nil {
		t.Fatal(err)
	}
	c, err := frames.Consumer(goring.As("model\033[31m"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _, _ = c.Close(), frames.Close(), jobs.Close() })
	if err := os.WriteFile(filepath.Join(dir, "goring.junk"), []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, frames
}

func contains(t *testing.T, text string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile(p).MatchString(text) {
			t.Errorf("%q is not in:\n%s", p, text)
		}
	}
}

func TestList(t *testing.T) {
	dir, _ := rings(t)
	out, exit := run(t, "ls", "--dir", dir)
	contains(t, out, `(?m)^NAME +PAYLOAD`, `(?m)^frames +\|u1 \(480x640x3\) +queue +4 +3\.[0-9] MiB +0 of 1 +1 of 1 +0 +\d+s$`,
		`(?m)^jobs +bytes to 64 B +queue +64 .* 0 of 8 `, `(?m)^junk  .*truncated`)
	if exit != well {
		t.Error(exit)
	}
	if out, _ := run(t, "ls", "--dir", t.TempDir()); out != "no rings\n" {
		t.Error(out)
	}
	if out, exit := run(t, "ls", "--dir", "/nonexistent"); exit != failed || !strings.Contains(out, "/nonexistent") {
		t.Error(exit, out)
	}
}

func TestStat(t *testing.T) {
	dir, _ := rings(t)
	out, exit := run(t, "stat", "frames", "--dir", dir)
	contains(t, out, `(?m)^payload +\|u1 \(480x640x3\), at most 921600 bytes and 256 of metadata$`,
		`(?m)^slots +0 ready, 0 taken, 0 being written, 4 free$`, `(?m)^consumer +2 +model\?\[31m +\d+ +alive `)
	if exit != well || strings.Contains(out, "\033") {
		t.Errorf("status %d, a name steers the terminal: %q", exit, out)
	}
	if out, exit := run(t, "stat", "fames", "--dir", dir); exit != failed || !strings.Contains(out, "there are frames, jobs, junk") {
		t.Error(exit, out)
	}
}

func TestWatch(t *testing.T) {
	dir, frames := rings(t)
	p, err := frames.Producer()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), refresh+refresh/2)
	defer cancel()
	time.AfterFunc(refresh/2, func() { _ = p.TryWrite(make([]byte, 921600)) })
	out, exit := runUntil(ctx, "stat", "frames", "--watch", "--dir", dir)
	contains(t, out, `(?s)0 published.*1 published`, `1 messages/s in, 0 out`)
	if exit != well || strings.Count(out, "published") != 2 {
		t.Error(exit, out)
	}
}

func TestDoctor(t *testing.T) {
	dir, _ := rings(t)
	out, exit := run(t, "doctor", "--dir", dir)
	contains(t, out, `(?m)^frames: queue of \|u1 \(480x640x3\), 1 participant, 0 messages; all well$`,
		`(?m)^  note: nobody is attached; created .* 0 messages wait$`, `(?m)^  problem: cannot be used: .*truncated`)
	if exit != problems {
		t.Error(exit)
	}
	if out, exit := run(t, "doctor", "frames", "--dir", dir); exit != well {
		t.Error(exit, out)
	}
	if _, exit := run(t, "doctor", "--unlink-stale", "--min-age", "0s", "--dir", dir); exit != problems {
		t.Error(exit)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(left) != 2 { // jobs, which has no participant, is removed
		t.Error(left)
	}
}

func TestJSON(t *testing.T) {
	dir, _ := rings(t)
	for _, args := range [][]string{{"ls"}, {"doctor"}} {
		out, _ := run(t, append(args, "--json", "--dir", dir)...)
		var reports []doctor.Report
		if err := json.Unmarshal([]byte(out), &reports); err != nil || len(reports) != 3 || reports[0].Ring.Slots != 4 {
			t.Errorf("%v: %v, %s", args, err, out)
		}
	}
	out, _ := run(t, "stat", "frames", "--json", "--dir", dir)
	var report map[string]any
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	if ring, ok := report["ring"].(map[string]any); !ok || ring["max_consumers"] != 1.0 || ring["participants"] == nil {
		t.Error(out)
	}
}

func TestMisuse(t *testing.T) {
	for _, args := range [][]string{{"stat"}, {"ls", "x"}, {"fly"}, {"doctor", "--nonsense"}, {"doctor", "--min-age", "soon"}} {
		if out, exit := run(t, args...); exit != failed || out == "" {
			t.Errorf("%v: status %d, %q", args, exit, out)
		}
	}
}
