package goring

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"example.com/goring/layout"
)

func TestUnlinkStale(t *testing.T) {
	dir := t.TempDir()
	in := Dir(dir)
	r, err := Create("r", layout.Bytes(8), in)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	c := join(t, r)
	if gone, err := UnlinkStale("r", 0, in); gone || err != nil {
		t.Fatalf("a ring in use: %v, %v", gone, err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if gone, err := UnlinkStale("r", time.Hour, in); gone || err != nil {
		t.Fatalf("a young ring: %v, %v", gone, err)
	}
	dead := join(t, r)
	kill(t, dead.seat)
	if gone, err := UnlinkStale("r", 0, in); !gone || err != nil {
		t.Fatalf("its only participant is dead: %v, %v", gone, err)
	}
	if _, err := UnlinkStale("r", 0, in); !errors.Is(err, ErrNotExist) {
		t.Fatal(err)
	}
}

func TestUnlinkStaleLeavesOthersFilesAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "goring.mine")
	for _, content := range []string{"", "a diary", string(make([]byte, 8192))} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if gone, err := UnlinkStale("mine", 0, Dir(dir)); gone || err == nil {
			t.Fatalf("%d bytes: %v, %v", len(content), gone, err)
		}
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
}
