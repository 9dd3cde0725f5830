package proto

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
)

// The examples are made from the spec alone. C is held to them, too.
func TestSlipIsThatOfTheSpec(t *testing.T) {
	f, err := os.Open("../../interop_tests/slip.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := 0
	for in := bufio.NewScanner(f); in.Scan(); lines++ {
		words := strings.Fields(in.Text())
		s := NewSlip(parse(t, words[0]))
		s.maxPauses = int(parse(t, words[1]))
		for k, pair := range words[2:] {
			n, want, _ := strings.Cut(pair, ":")
			if got := s.PausesBefore(parse(t, n)); got != int(parse(t, want)) {
				t.Fatalf("wait %d of line %d, for message %s: %d pauses, want %s", k, lines+1, n, got, want)
			}
		}
	}
	if lines < 50 {
		t.Fatalf("%d examples, want 50 or more", lines)
	}
}

func parse(t *testing.T, text string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
