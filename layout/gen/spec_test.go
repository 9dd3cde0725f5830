package main

import (
	"go/constant"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"example.com/goring/layout"
)

var (
	row  = regexp.MustCompile(`(?m)^\| (\d+) \| \S+ \| (\w+) \|`)
	code = regexp.MustCompile("(\\d+) `([^`]+)`")
)

// section returns the text of the spec between two headings.
func section(t *testing.T, spec, from, to string) string {
	t.Helper()
	_, rest, found := strings.Cut(spec, "\n"+from)
	text, _, ended := strings.Cut(rest, "\n"+to)
	if !found || !ended {
		t.Fatalf("the spec has no text between %q and %q", from, to)
	}
	return text
}

func readSpec(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../spec/LAYOUT.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// constants returns the generated numbers by name.
func constants(t *testing.T) map[string]uint64 {
	t.Helper()
	groups, err := readGroups("..")
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]uint64{}
	for _, g := range groups {
		for _, c := range g.constants {
			if c.value.Kind() == constant.Int {
				values[c.name], _ = constant.Uint64Val(c.value)
			}
		}
	}
	return values
}

// checkOffsets compares the constants with a prefix with the tables in text, and counts rows.
func checkOffsets(t *testing.T, text, prefix string) (rows int) {
	t.Helper()
	values := constants(t)
	for _, m := range row.FindAllStringSubmatch(text, -1) {
		name := prefix + strings.ToUpper(m[2])
		if m[2] == "reserved" {
			continue
		}
		rows++
		got, ok := values[name]
		if !ok { // the constants of participants' times are named without the unit
			got, ok = values[strings.TrimSuffix(name, "_NS")]
		}
		if strconv.FormatUint(got, 10) != m[1] || !ok {
			t.Errorf("%s is %d, the spec says %s", name, got, m[1])
		}
	}
	return rows
}

// The spec is the law: the generated files must agree with it.
func TestConstantsAreThoseOfTheSpec(t *testing.T) {
	spec := readSpec(t)
	rows := checkOffsets(t, section(t, spec, "## 2. Superblock", "## 3. Participants"), "OFF_") +
		checkOffsets(t, section(t, spec, "## 3. Participants", "## 4. Slot header"), "PART_")
	if want := 30 + 9 + 10; rows != want {
		t.Errorf("the tables have %d rows, want %d", rows, want)
	}

	text := section(t, spec, "Codes of the tensor descriptor:", "\n**Metadata**")
	codes := code.FindAllStringSubmatch(text, -1)
	if len(codes) != len(layout.Codes()) {
		t.Fatalf("the spec has %d codes, want %d", len(codes), len(layout.Codes()))
	}
	for i, c := range layout.Codes() {
		if codes[i][1] != strconv.Itoa(int(c)) || codes[i][2] != c.String() {
			t.Errorf("code %d is %s, the spec says %s %s", c, c, codes[i][1], codes[i][2])
		}
	}
}
