package enum

import (
	"errors"
	"strings"
	"testing"
)

func TestNamesRoundTrip(t *testing.T) {
	bad := errors.New("bad")
	names := []string{1: "one", "two"}
	for i := uint8(1); i <= 2; i++ {
		if got, err := Parse("number", names, Name("Number", names, i), bad); got != i || err != nil {
			t.Errorf("%d became %d, %v", i, got, err)
		}
	}
	if got := Name("Number", names, 7); got != "Number(7)" {
		t.Error(got)
	}
	for _, name := range []string{"", "three"} {
		if _, err := Parse("number", names, name, bad); !errors.Is(err, bad) || !strings.Contains(err.Error(), "none of one, two") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
