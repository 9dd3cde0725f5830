//go:build !race

package goring

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// instruction is one line of a disassembly.
type instruction struct{ file, op, args string }

// disassemble compiles this package's tests for a processor. It returns a function that returns the
// instructions of a function, by its qualified name.
func disassemble(t *testing.T, goarch string) func(t *testing.T, function string) []instruction {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command to disassemble with")
	}
	bin := filepath.Join(t.TempDir(), "goring.test")
	build := exec.Command("go", "test", "-c", "-o", bin, ".")
	build.Env = append(os.Environ(), "GOARCH="+goarch, "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return func(t *testing.T, function string) []instruction {
		t.Helper()
		out, err := exec.Command("go", "tool", "objdump", "-s", regexp.QuoteMeta(function)+`(\.abi0)?$`, bin).Output()
		check(t, err)
		var all []instruction
		for line := range strings.Lines(string(out)) {
			if f := strings.Fields(line); len(f) > 3 && strings.HasPrefix(f[1], "0x") {
				file, _, _ := strings.Cut(f[0], ":")
				all = append(all, instruction{file, f[3], strings.Join(f[4:], " ")})
			}
		}
		if all == nil {
			t.Fatalf("%s is not in the test binary: the compiler inlined it everywhere", function)
		}
		return all
	}
}

// Go has no fences, so on arm64 the order that the protocol needs is that of single
// instructions: nothing passes a load-acquire upwards, nothing passes a store-release
// downwards, and no load-acquire passes an earlier store-release. spec/litmus shows that
// these sequences are enough; this, that they are what the compiler emits.
func TestOrderOnArm64(t *testing.T) {
	code := disassemble(t, "arm64")
	for _, c := range []struct{ function, want, why string }{
		{"proto.(*Producer).markWriting", "STLR LDAR", "WRITING, then the load that no store of the payload passes"},
		{"goring.Message.Release", "STLRW LDAR", "overwrite: the private word, then the slot's"},
		{"proto.(*Consumer).Release", "STLR LDARW", "FREE, then the waiting flag"},
		{"proto.(*Producer).publishRun", "MOVD STLR MOVD STLR", "each header before its READY"},
		{"proto.(*Producer).Publish", "MOVD STP STLR LDARW", "the header before READY, and that before the waiting flag"},
		{"proto.(*Producer).announce", "STLR LDARW", "head, then the waiting flag"},
		{"goring.(*Consumer).Read", "LDAR", "the word before the payload"},
		{"proto.(*Consumer).TryTake", "LDAR", "the same"},
		{"proto.(*Waiter).sleep", "LDARW STLRW", "the ticket, then the waiting flag, then the second look"},
		{"cpu.Pause", "YIELD", "the hint of a spin loop"},
	} {
		t.Run(c.function, func(t *testing.T) {
			if got := ordering(code(t, c.function)); !strings.Contains(got, c.want) {
				t.Errorf("%s\n     got %s\nwant in it %s", c.why, got, c.want)
			}
		})
	}
}

// ordering is the sequence of what orders memory on arm64, and of what it orders in the
// header of a slot: the stores behind the word.
func ordering(code []instruction) string {
	orders := []string{"LDAR", "LDARW", "STLR", "STLRW", "DMB", "YIELD"}
	header := regexp.MustCompile(`^(R\d+|\(R\d+, R\d+\)), (8|16|24)\(R(\d|1\d|2[0-7])\)$`)
	var seen []string
	for _, i := range code {
		if slices.Contains(orders, i.op) || (i.op == "MOVD" || i.op == "STP") && header.MatchString(i.args) {
			seen = append(seen, i.op)
		}
	}
	return strings.Join(seen, " ")
}
