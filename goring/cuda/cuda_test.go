//go:build !race && cgo

package cuda

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/goring/goring"
	"example.com/goring/internal/cudadrv"
	"example.com/goring/layout"
)

func doubleLibrary(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("python3", "../../interop_tests/fakecuda/double.py").Output()
	if err != nil {
		t.Fatalf("the emulated driver cannot be built: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// inChild runs the calling test again in a process of its own, with an emulated machine of its
// own and env set, and reports whether this is that process.
func inChild(t *testing.T, env ...string) bool {
	t.Helper()
	if os.Getenv("GORING_TEST_CHILD") == t.Name() {
		return true
	}
	dir, err := os.MkdirTemp("/dev/shm", "goring-fakecuda-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	child := exec.Command(os.Args[0], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v", "-test.timeout=60s")
	child.Env = append(os.Environ(), "GORING_TEST_CHILD="+t.Name(), "FAKECUDA_DIR="+dir, "FAKECUDA_LOG="+filepath.Join(dir, "log"), "FAKECUDA_LEAKS=1")
	if os.Getenv("GORING_LIBCUDA") == "" && os.Getenv("GORING_TEST_GPU") == "" {
		child.Env = append(child.Env, "GORING_LIBCUDA="+doubleLibrary(t))
	}
	child.Env = append(child.Env, env...)
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	log, _ := os.ReadFile(filepath.Join(dir, "log"))
	if len(log) > 0 {
		t.Fatalf("the driver's double says:\n%s\n%s", log, out)
	}
	return false
}

// gpuRing is a ring of n slots of size bytes for device 0.
func gpuRing(t *testing.T, n, size int, opts ...goring.Option) *goring.Ring {
	t.Helper()
	r, err := goring.Create("", layout.Bytes(size), append([]goring.Option{Device(0), goring.Slots(n)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// joined are a producer and a consumer of one ring, by two handles or one.
func joined(t *testing.T, in, out *goring.Ring) (*Producer, *Consumer) {
	t.Helper()
	c, err := NewConsumer(out)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewProducer(in)
	if err != nil {
		t.Fatal(err)
	}
	return p, c
}

// pattern is a payload that says which message it is.
func pattern(seq uint64, size int) []byte {
	b := make([]byte, size)
	for i := 0; i+8 <= size; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], seq*0x9e3779b97f4a7c15+uint64(i))
	}
	return b
}

func TestGPURingCarriesMessages(t *testing.T) {
	for _, memory := range []layout.Memory{layout.MemoryIPC, layout.MemoryHost} {
		for _, sync := range []layout.Sync{layout.SyncTimeline, layout.SyncHost} {
			for _, mode := range []layout.Mode{layout.ModeQueue, layout.ModeBroadcast, layout.ModeOverwrite} {
				t.Run(fmt.Sprint(memory, " ", sync, " ", mode), func(t *testing.T) {
					if !inChild(t) {
						return
					}
					carry(t, gpuRing(t, 4, 8192, Memory(memory), Sync(sync), goring.Mode(mode)))
				})
			}
		}
	}
}

// carry sends messages through r by every way there is, and looks at each.
func carry(t *testing.T, r *goring.Ring) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	p, err := NewProducer(r)
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewConsumer(r, OnStream(PerThreadStream))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := p.m.NewStream()
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 8192)
	for seq := range uint64(200) {
		want := pattern(seq, 8192-int(seq%3)*8)
		if err := sendOn(ctx, p, want, seq, stream); err != nil {
			t.Fatal(err)
		}
		m, err := c.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		n, err := m.CopyToHost(got, stream)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got[:n], want) {
			t.Fatalf("message %d is another one", seq)
		}
		on := Stream(0)
		if seq%2 == 0 {
			on = stream
		}
		if err := m.ReleaseOn(on); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(c.Close(), p.m.DestroyStream(stream), p.Close()); err != nil {
		t.Fatal(err)
	}
}

// sendOn publishes b in one of the ways there are.
func sendOn(ctx context.Context, p *Producer, b []byte, seq uint64, stream Stream) error {
	if seq%3 == 0 {
		return p.Write(ctx, b)
	}
	s, err := p.Reserve(ctx)
	if err != nil {
		return err
	}
	if err := s.CopyFromHost(b, stream); err != nil {
		return err
	}
	if seq%3 == 1 {
		return s.CommitOn(stream)
	}
	if _, err := s.DevicePtr(stream); err != nil {
		return err
	}
	return s.CommitOn(stream)
}

// A consumer in another goroutine and on another stream reads behind the producer's device work
// only because it waits for it; this is the same with the waits of one side taken out.
func TestGPUStreamsWaitForEachOther(t *testing.T) {
	for _, broken := range []string{"", "consumer", "producer"} {
		t.Run("without the wait of "+broken, func(t *testing.T) {
			if !inChild(t, "FAKECUDA_DELAY_US=500") {
				return
			}
			wrong := exchange(t, gpuRing(t, 2, 1<<16), 200, broken)
			if broken == "" && wrong != 0 {
				t.Fatalf("%d of 200 messages are wrong", wrong)
			}
			if broken != "" && wrong == 0 && emulated(t) {
				t.Fatal("nothing went wrong: this test would see no mistake")
			}
		})
	}
}

func emulated(t *testing.T) bool {
	t.Helper()
	devices, err := cudadrv.Devices()
	if err != nil {
		t.Fatal(err)
	}
	return strings.HasPrefix(devices[0].Name, "fakecuda")
}

// exchange sends n messages over asynchronous streams and counts those that arrive wrong.
func exchange(t *testing.T, r *goring.Ring, n uint64, broken string) (wrong int) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
	defer cancel()
	p, c := joined(t, r, r)
	there, err := p.m.NewStream()
	if err != nil {
		t.Fatal(err)
	}
	here, err := p.m.NewStream()
	if err != nil {
		t.Fatal(err)
	}
	size := int(r.Superblock().SlotBytes)
	failed := make(chan error, 1)
	go func() {
		for seq := range n {
			s, err := p.Reserve(ctx)
			if err == nil && broken == "producer" {
				sb := r.Superblock()
				forgetClaims(p.m, sb.DoneCell(seq%sb.Slots), sb.ReadyCell(seq%sb.Slots))
			}
			if err == nil {
				err = s.CopyFromHost(pattern(seq, size), there)
			}
			if err == nil {
				err = s.CommitOn(there)
			}
			if err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}()
	kept := gpuRing(t, int(n), size) // what was read, before anybody waits for the device
	out, err := NewProducer(kept)
	if err != nil {
		t.Fatal(err)
	}
	for seq := range n {
		m, err := c.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if broken == "consumer" {
			sb := r.Superblock()
			forgetClaims(c.m, sb.ReadyCell(seq%sb.Slots))
		}
		if err := pass(ctx, m, out, here); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(<-failed, c.Close(), p.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}
	return countWrong(t, kept, n)
}

// pass copies a message from device to device and releases it behind that.
func pass(ctx context.Context, m Message, out *Producer, stream Stream) error {
	from, err := m.DevicePtr(stream)
	if err != nil {
		return err
	}
	s, err := out.Reserve(ctx)
	if err != nil {
		return err
	}
	if err := s.CopyFromDevice(from, int(uint64(m.Len())), stream); err != nil {
		return err
	}
	return errors.Join(s.CommitOn(stream), m.ReleaseOn(stream))
}

// countWrong reads n messages and counts those that are not what they should be.
func countWrong(t *testing.T, r *goring.Ring, n uint64) (wrong int) {
	c, err := NewConsumer(r)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, r.Superblock().SlotBytes)
	for seq := range n {
		m, err := c.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.CopyToHost(got, 0); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, pattern(seq, len(got))) {
			wrong++
		}
		if err := m.Release(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return wrong
}

// forgetClaims makes claims look reached, as if their waiter did not wait.
func forgetClaims(m *member, cells ...uint64) {
	for _, cell := range cells {
		value, claimed := words(m, cell)
		value.Store(claimed.Load())
	}
}

// words returns the value and the claim of the cell at that offset.
func words(m *member, cell uint64) (value, claimed *atomic.Uint64) {
	return m.ring.Word64(cell + layout.GPUCellValue), m.ring.Word64(cell + layout.GPUCellClaimed)
}

func TestGPURingsOfOneProcessShareTheirMemory(t *testing.T) {
	if !inChild(t) {
		return
	}
	r := gpuRing(t, 2, 64)
	again, err := goring.OpenFD(r.FD())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	p, c := joined(t, r, again)
	if err := p.Write(t.Context(), []byte("both")); err != nil {
		t.Fatal(err)
	}
	m, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4)
	if _, err := m.CopyToHost(b, 0); err != nil || string(b) != "both" {
		t.Fatal(string(b), err)
	}
	if err := errors.Join(m.Release(), c.Close(), p.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestGPURingIsZeroAtFirst(t *testing.T) {
	if !inChild(t) {
		return
	}
	r := gpuRing(t, 2, 4096)
	p, c := joined(t, r, r)
	s, err := p.Reserve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.Commit() // what was there
	m, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := bytes.Repeat([]byte{1}, 4096)
	if _, err := m.CopyToHost(b, 0); err != nil || !bytes.Equal(b, make([]byte, 4096)) {
		t.Fatalf("new device memory holds %x: %v", b[:16], err)
	}
	if err := errors.Join(m.Release(), c.Close(), p.Close()); err != nil {
		t.Fatal(err)
	}
}

// In pinned host memory a processor writes and reads in place, behind the device work of others.
func TestPinnedMemoryIsWrittenByTheHostToo(t *testing.T) {
	for _, mode := range []layout.Mode{layout.ModeQueue, layout.ModeBroadcast} {
		t.Run(mode.String(), func(t *testing.T) {
			if !inChild(t, "FAKECUDA_DELAY_US=500") {
				return
			}
			r := gpuRing(t, 2, 4096, Memory(layout.MemoryHost), goring.Mode(mode))
			kept := gpuRing(t, 40, 4096)
			p, c := joined(t, r, r)
			out, err := NewProducer(kept)
			if err != nil {
				t.Fatal(err)
			}
			for seq := range uint64(40) {
				s, err := p.Reserve(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Vacated(); err != nil {
					t.Fatal(err)
				}
				copy(s.Bytes(), pattern(seq, 4096))
				s.Commit()
				m, err := c.Read(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if err := m.Arrived(); err != nil || !bytes.Equal(m.Bytes(), pattern(seq, 4096)) {
					t.Fatal("message", seq, err)
				}
				if err := pass(t.Context(), m, out, LegacyStream); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(c.Close(), p.Close(), out.Close()); err != nil {
				t.Fatal(err)
			}
			if wrong := countWrong(t, kept, 40); wrong != 0 {
				t.Fatalf("%d messages were overwritten while the device read them", wrong)
			}
		})
	}
}

func TestGPUMisuse(t *testing.T) {
	if !inChild(t) {
		return
	}
	r := gpuRing(t, 2, 64)
	p, err := NewProducer(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	s, err := p.Reserve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if text := panics(func() { s.Bytes() }); !strings.Contains(text, "DevicePtr") {
		t.Errorf("Bytes: %q", text)
	}
	if err := s.CopyFromHost(make([]byte, 65), 0); !errors.Is(err, goring.ErrTooLarge) {
		t.Error(err)
	}
	if err := s.CommitOn(12345); err == nil {
		t.Error("a stream that does not exist was taken")
	}
	s.Abort()
	if _, err := r.Producer(); !errors.Is(err, goring.ErrFeature) || !strings.Contains(err.Error(), "goring/cuda") {
		t.Error("a producer without the driver:", err)
	}
	if _, err := r.Join(goring.RoleConsumer); !errors.Is(err, goring.ErrFeature) {
		t.Error("a seat without the driver:", err)
	}
	host, err := goring.Create("", layout.Bytes(8), goring.Slots(2))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = host.Close() }()
	if _, err := NewProducer(host); !errors.Is(err, goring.ErrUnsupported) {
		t.Error(err)
	}
	if _, err := NewStream(host); !errors.Is(err, goring.ErrUnsupported) {
		t.Error(err)
	}
	for _, opts := range [][]goring.Option{{Memory(layout.MemoryHost)}, {Sync(layout.SyncHost)}, {Device(0), goring.Inline()}, {Device(0), Memory(layout.MemoryVMM)}} {
		if _, err := goring.Create("", layout.Bytes(8), opts...); !errors.Is(err, goring.ErrOption) && !errors.Is(err, layout.ErrPlan) {
			t.Error(err)
		}
	}
}

func panics(f func()) (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	f()
	return ""
}

func TestNoDriver(t *testing.T) {
	if !inChild(t, "GORING_LIBCUDA=/nonexistent/libcuda.so.1") {
		return
	}
	_, err := goring.Create("", layout.Bytes(8), Device(0))
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "/nonexistent/libcuda.so.1") {
		t.Fatal(err)
	}
	if r, err := goring.Create("", layout.Bytes(8)); err != nil {
		t.Fatal("a ring in host memory is concerned:", err)
	} else if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestGPURefusals(t *testing.T) {
	for _, c := range []struct {
		about, env string
		make       func() (*goring.Ring, error)
		is         error
		says       string
	}{
		{"no such device", "FAKECUDA_DEVICES=2", func() (*goring.Ring, error) { return goring.Create("", layout.Bytes(8), Device(2)) }, ErrWrongDevice, "device 2, this process has 2"},
		{"no device at all", "CUDA_VISIBLE_DEVICES=", func() (*goring.Ring, error) { return goring.Create("", layout.Bytes(8), Device(0)) }, ErrUnavailable, "CUDA_VISIBLE_DEVICES"},
		{"too little memory", "FAKECUDA_MEM_MB=64", func() (*goring.Ring, error) {
			return goring.Create("", layout.Bytes(32<<20), Device(0), goring.Slots(4))
		}, goring.ErrNoSpace, "needs 128 MiB, device 0 has 64 of 64 MiB free"},
		{"a driver that does not share", "FAKECUDA_LIKE=wsl", func() (*goring.Ring, error) { return goring.Create("", layout.Bytes(8), Device(0)) }, goring.ErrUnsupported, "cuda.Memory(cuda.InHost)"},
		{"a refusal", "FAKECUDA_FAIL=cuMemAlloc_v2:1:999", func() (*goring.Ring, error) { return goring.Create("", layout.Bytes(8), Device(0)) }, nil, "(999,"},
	} {
		t.Run(c.about, func(t *testing.T) {
			if !inChild(t, c.env) {
				return
			}
			r, err := c.make()
			if err == nil {
				_ = r.Close()
			}
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("error %v, want %v saying %q", err, c.is, c.says)
			}
		})
	}
}

// Where streams cannot write to registered memory, the host waits instead, unless the timeline
// was asked for.
func TestHostSyncWhereThereIsNoTimeline(t *testing.T) {
	if !inChild(t, "FAKECUDA_FAIL=cuStreamWriteValue64_v2:0:801") {
		return
	}
	r := gpuRing(t, 2, 64)
	if info, _ := r.GPU(); info.Sync != layout.SyncHost {
		t.Fatal(info)
	}
	if _, err := goring.Create("", layout.Bytes(8), Device(0), Sync(layout.SyncTimeline)); err == nil || !strings.Contains(err.Error(), "cuda.Sync(cuda.HostSync)") {
		t.Fatal(err)
	}
	carry(t, gpuRing(t, 4, 8192))
}

func TestGPURingEndsWithItsOwner(t *testing.T) {
	if !inChild(t) {
		return
	}
	r := gpuRing(t, 4, 64)
	other, err := goring.OpenFD(r.FD())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	p, c := joined(t, other, other)
	if err := p.Write(t.Context(), []byte("last")); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- r.Close() }()
	for !p.m.ring.Gone() {
		time.Sleep(time.Millisecond)
	}
	if err := p.Write(t.Context(), []byte("more")); !errors.Is(err, ErrExporterGone) {
		t.Error("a producer goes on:", err)
	}
	b := make([]byte, 4)
	m, err := c.Read(t.Context())
	if err != nil {
		t.Fatal("what was published is lost:", err)
	}
	if _, err := m.CopyToHost(b, 0); err != nil || string(b) != "last" {
		t.Error(string(b), err)
	}
	if err := m.Release(); err != nil {
		t.Error(err)
	}
	if _, err := c.Read(t.Context()); !errors.Is(err, ErrExporterGone) {
		t.Error("a consumer waits for more, or takes this for the end:", err)
	}
	if _, err := NewConsumer(other); !errors.Is(err, ErrExporterGone) && !errors.Is(err, goring.ErrBusy) {
		t.Error("somebody joins:", err)
	}
	if err := errors.Join(c.Close(), p.Close(), <-closed); err != nil {
		t.Fatal(err)
	}
}

// A ring that is shut down before its memory goes has ended properly.
func TestShutdownBeforeTheOwnerLeavesIsAnEnd(t *testing.T) {
	if !inChild(t) {
		return
	}
	r := gpuRing(t, 4, 64)
	c, err := NewConsumer(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Shutdown(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = r.Close() }()
	for !c.m.ring.Gone() {
		time.Sleep(time.Millisecond)
	}
	if _, err := c.Read(t.Context()); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// A message is skipped when its producer died before the copy had arrived; a consumer that has
// taken it already gets ErrVoided.
func TestVoidMessages(t *testing.T) {
	if !inChild(t) {
		return
	}
	r := gpuRing(t, 4, 64)
	p, c := joined(t, r, r)
	for _, text := range []string{"one", "two", "six"} {
		if err := p.Write(t.Context(), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.m.Synchronize(LegacyStream); err != nil {
		t.Fatal(err)
	}
	void := func(i uint64) {
		value, claimed := words(p.m, p.m.sb.ReadyCell(i))
		value.Store(claimed.Load() - 1) // the device did not come so far
		p.m.ring.ReadyCell(i).Complete(claimed.Load(), true)
	}
	m, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	void(0)
	void(1)
	if err := m.Arrived(); !errors.Is(err, ErrVoided) {
		t.Error(err)
	}
	if err := m.Release(); !errors.Is(err, ErrVoided) {
		t.Error(err)
	}
	b := make([]byte, 3)
	if m, err = c.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := m.CopyToHost(b, 0); err != nil || string(b) != "six" {
		t.Errorf("after void messages comes %q: %v", b, err)
	}
	if err := errors.Join(m.Release(), c.Close(), p.Close()); err != nil {
		t.Fatal(err)
	}
}

// A context that is gone completes what it has claimed, so that others do not wait for it.
func TestStickyErrors(t *testing.T) {
	if !inChild(t, "FAKECUDA_STICKY=1", "FAKECUDA_FAIL=cuStreamWriteValue64_v2:3:719") {
		return
	}
	r := gpuRing(t, 4, 64)
	p, err := NewProducer(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Write(t.Context(), []byte("one")); err != nil {
		t.Fatal(err)
	}
	err = p.Write(t.Context(), []byte("two"))
	var e *Error
	if !errors.As(err, &e) || e.Code != 719 || e.Name != "CUDA_ERROR_LAUNCH_FAILED" {
		t.Fatal(err)
	}
	if err := p.Write(t.Context(), []byte("three")); !errors.As(err, &e) || e.Code != 719 {
		t.Fatal("the next call does not say so:", err)
	}
	for i := range p.m.sb.Slots {
		if value, claimed := words(p.m, p.m.sb.ReadyCell(i)); value.Load() != claimed.Load() {
			t.Errorf("slot %d: value %d, claimed %d", i, value.Load(), claimed.Load())
		}
	}
	done := make(chan error, 1)
	go func() { done <- p.Close() }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("Close waits for a device that is gone")
	}
}
