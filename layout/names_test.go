package layout

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// checkNames holds that parse is the inverse of String for the named values, and that its
// refusal of another word lists all names.
func checkNames[T fmt.Stringer](t *testing.T, parse func(string) (T, error), values ...T) {
	t.Helper()
	var zero T
	_, err := parse("no such")
	if !errors.Is(err, ErrSchema) {
		t.Errorf("%T: the refusal is %v, want ErrSchema", zero, err)
	}
	for _, v := range values {
		got, parseErr := parse(v.String())
		if parseErr != nil || got.String() != v.String() {
			t.Errorf("%T: %q is parsed as %v, %v", zero, v, got, parseErr)
		}
		if err != nil && !strings.Contains(err.Error(), v.String()) {
			t.Errorf("%T: %q does not list %q", zero, err, v)
		}
	}
}

func TestNamesAreParsedToTheirValues(t *testing.T) {
	checkNames(t, ParseKind, KindBytes, KindArray, KindStruct, KindTensor)
	checkNames(t, ParseMode, ModeQueue, ModeBroadcast, ModeOverwrite)
	checkNames(t, ParseMemory, MemoryIPC, MemoryVMM, MemoryHost)
	checkNames(t, ParseSync, SyncHost, SyncTimeline)
}
