//go:build !race && cgo

package cuda

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"example.com/goring/goring"
	"example.com/goring/layout"
)

func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// The emulated driver reports device memory that is left when this test's process ends.
func TestFailedCreateLeavesNothing(t *testing.T) {
	if !inChild(t) {
		return
	}
	dir := goring.Dir(t.TempDir())
	r, err := goring.Create("taken", layout.Bytes(64), Device(0), dir)
	if err != nil {
		t.Fatal(err)
	}
	before := descriptors(t)
	for range 10 {
		if _, err := goring.Create("taken", layout.Bytes(64), Device(0), dir); !errors.Is(err, goring.ErrExist) {
			t.Fatal(err)
		}
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before ten failed Creates, %d after", before, after)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestJoiningAClosedHandle(t *testing.T) {
	if !inChild(t) {
		return
	}
	r := gpuRing(t, 2, 64)
	seat, err := Join(r, goring.RoleConsumer)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(seat.Leave(), r.Close()); err != nil {
		t.Fatal(err)
	}
	if gpu := seat.GPU(); gpu != 0 {
		t.Errorf("a seat that was left refers to memory at %#x", gpu)
	}
	for name, join := range map[string]func(...goring.Option) error{
		"producer": func(o ...goring.Option) error { _, err := NewProducer(r, o...); return err },
		"consumer": func(o ...goring.Option) error { _, err := NewConsumer(r, o...); return err },
		"seat":     func(o ...goring.Option) error { _, err := Join(r, goring.RoleProducer, o...); return err },
	} {
		if err := join(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
		if err := join(goring.Slots(3)); !errors.Is(err, goring.ErrOption) {
			t.Errorf("%s with an option of Create: %v", name, err)
		}
	}
}

// A participant that finds no seat gives its reference to the memory back.
func TestJoiningAFullRing(t *testing.T) {
	if !inChild(t) {
		return
	}
	r := gpuRing(t, 2, 64)
	p, err := NewProducer(r)
	if err != nil {
		t.Fatal(err)
	}
	before := p.m.References()
	if _, err := NewProducer(r); !errors.Is(err, goring.ErrBusy) {
		t.Fatal(err)
	}
	if after := p.m.References(); after != before {
		t.Errorf("%d references before, %d after", before, after)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAMessageTooLargeNeedsNoSlot(t *testing.T) {
	if !inChild(t) {
		return
	}
	p, err := NewProducer(gpuRing(t, 2, 64, goring.Producers(2)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	refused := func() {
		t.Helper()
		if err := p.Write(ctx, make([]byte, 65)); !errors.Is(err, goring.ErrTooLarge) {
			t.Error(err)
		}
		if err := p.TryWrite(make([]byte, 65)); !errors.Is(err, goring.ErrTooLarge) {
			t.Error(err)
		}
	}
	for want := range uint64(2) {
		refused()
		s, err := p.TryReserve()
		if err != nil {
			t.Fatal(err)
		}
		if s.Seq() != want {
			t.Errorf("a refused message took number %d", want)
		}
		s.Commit()
	}
	if _, err := p.TryReserve(); !errors.Is(err, goring.ErrFull) {
		t.Fatal(err)
	}
	refused()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
}

// A producer that could not return the driver's error from Commit returns it from the next Reserve,
// unless the ring or the producer has ended.
func TestTheEndComesBeforeTheDriversError(t *testing.T) {
	if !inChild(t, "FAKECUDA_FAIL=cuStreamWriteValue64_v2:2:999") {
		return
	}
	r := gpuRing(t, 4, 64)
	p, err := NewProducer(r)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.Reserve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.Commit()
	reserve := func() (err error) { _, err = p.Reserve(t.Context()); return err }
	try := func() (err error) { _, err = p.TryReserve(); return err }
	var e *Error
	if !errors.As(reserve(), &e) || !errors.As(try(), &e) || e.Code != 999 {
		t.Fatal("the driver's error is lost:", reserve())
	}
	if err := r.Shutdown(); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(reserve(), goring.ErrShutdown) || !errors.Is(try(), goring.ErrShutdown) {
		t.Error("after Shutdown:", reserve())
	}
	_ = p.Close()
	if !errors.Is(reserve(), os.ErrClosed) || !errors.Is(try(), os.ErrClosed) {
		t.Error("after Close:", reserve())
	}
}

func TestAMessageOfAClosedConsumer(t *testing.T) {
	if !inChild(t) {
		return
	}
	r := gpuRing(t, 2, 64, Memory(InHost))
	p, c := joined(t, r, r)
	if err := p.Write(t.Context(), []byte("late")); err != nil {
		t.Fatal(err)
	}
	m, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Close(), c.Close()); err != nil {
		t.Fatal(err)
	}
	_, ptr := m.DevicePtr(0)
	_, copied := m.CopyToHost(make([]byte, 4), 0)
	for name, err := range map[string]error{"DevicePtr": ptr, "CopyToHost": copied, "Arrived": m.Arrived()} {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
