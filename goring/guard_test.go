package goring

import (
	"errors"
	"os"
	"testing"

	"example.com/goring/layout"
)

// Row 20 of the faults: a peer truncates a named ring's file under its readers.
func TestTruncatedUnderAGuard(t *testing.T) {
	for name, truncated := range map[string]int64{"everything": 0, "the slots": 4096} {
		t.Run(name, func(t *testing.T) {
			r, err := Create("r", layout.Bytes(64), Dir(t.TempDir()))
			if err != nil {
				t.Fatal(err)
			}
			p, c := produce(t, r), join(t, r)
			if err := p.TryWrite([]byte("before")); err != nil {
				t.Fatal(err)
			}
			err = r.Guard(func() error {
				m, err := c.TryRead()
				if err != nil {
					return err
				}
				if err := os.Truncate(r.Path(), truncated); err != nil {
					t.Fatal(err)
				}
				defer func() { _ = m.Bytes()[0] }() // a fault while another one unwinds
				_, err = c.TryRead()
				return err
			})
			if !errors.Is(err, ErrTruncated) {
				t.Fatal(err)
			}
			// What closes the ring touches its memory, too.
			if err := os.Truncate(r.Path(), int64(r.sb.TotalSize)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestAGuardLeavesTheRestAlone(t *testing.T) {
	r := newRing(t)
	boom := errors.New("boom")
	if err := r.Guard(func() error { return boom }); err != boom {
		t.Fatal(err)
	}
	if err := r.Guard(func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if p := recover(); p != "mine" {
			t.Fatalf("recovered %v", p)
		}
	}()
	_ = r.Guard(func() error { panic("mine") })
}

func BenchmarkGuard(b *testing.B) {
	r := &Ring{}
	for b.Loop() {
		_ = r.Guard(func() error { return nil })
	}
}
