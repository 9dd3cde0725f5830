//go:build amd64 && !race

package goring

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The batch publisher relies on the compiler keeping its plain stores in order.
// The language promises nothing, so this looks at what was emitted: in the loop of
// WriteBatch.publish the timestamp is stored before the word, and the last word
// goes through an exchange.
func TestPublishOrder(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command to disassemble with")
	}
	bin := filepath.Join(t.TempDir(), "goring.test")
	if out, err := exec.Command("go", "test", "-c", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command("go", "tool", "objdump", "-s", `goring\.WriteBatch\.publish$`, bin).Output()
	check(t, err)
	toTimestamp, toWord := regexp.MustCompile(`, 0x10\([^S]`), regexp.MustCompile(`, 0?\([^S]`)
	var stores []string
	for _, line := range strings.Split(string(out), "\n") {
		f := strings.Fields(line)
		if len(f) < 4 {
			continue
		}
		op, args := f[3], strings.Join(f[4:], " ")
		switch {
		case op == "XCHGQ":
			stores = append(stores, "exchange")
		case op == "MOVQ" && toTimestamp.MatchString(args):
			stores = append(stores, "timestamp")
		case op == "MOVQ" && strings.Contains(line, "publish_plain_unsafe.go") && toWord.MatchString(args):
			stores = append(stores, "word")
		}
	}
	got := strings.Join(stores, " ")
	if got != "timestamp word timestamp exchange" {
		t.Fatalf("stores in publish: %s\n%s", got, out)
	}
}
