//go:build amd64 && !race

package goring

import (
	"regexp"
	"strings"
	"testing"
)

// The batch publisher relies on the compiler keeping its plain stores in order.
// The language promises nothing, so this looks at what was emitted: in the loop of
// publishRun the timestamp is stored before the word, and the last word
// goes through an exchange.
func TestPublishOrder(t *testing.T) {
	toTimestamp, toWord := regexp.MustCompile(`, 0x10\([^S]`), regexp.MustCompile(`, 0?\([^S]`)
	var stores []string
	for _, i := range disassemble(t, "amd64")(t, "proto.(*Producer).publishRun") {
		switch {
		case i.op == "XCHGQ":
			stores = append(stores, "exchange")
		case i.op == "MOVQ" && toTimestamp.MatchString(i.args):
			stores = append(stores, "timestamp")
		case i.op == "MOVQ" && i.file == "store_amd64_unsafe.go" && toWord.MatchString(i.args):
			stores = append(stores, "word")
		}
	}
	if got := strings.Join(stores, " "); got != "timestamp word timestamp exchange" {
		t.Fatalf("stores in publish: %s", got)
	}
}
