package goring

import (
	"errors"
	"net"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"example.com/goring/internal/shm"
	"example.com/goring/layout"
)

// socketPair is a connected pair of Unix sockets.
func socketPair(t *testing.T) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ends := [2]*net.UnixConn{}
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socket")
		c, err := net.FileConn(f)
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		ends[i] = c.(*net.UnixConn)
		t.Cleanup(func() { _ = c.Close() })
	}
	return ends[0], ends[1]
}

func TestARingThroughASocket(t *testing.T) {
	here, there := socketPair(t)
	r := newRing(t, Slots(4))
	if err := r.Send(here); err != nil {
		t.Fatal(err)
	}
	other, err := Receive(there)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	put(t, produce(t, r), 0, 3)
	expect(t, join(t, other), 0, 3)
	if _, err := r.Consumer(); !errors.Is(err, ErrBusy) {
		t.Fatalf("%v: the receiver's seat must be seen by the sender", err)
	}
	for _, size := range []int64{0, 4096, 1 << 30} {
		if err := unix.Ftruncate(other.FD(), size); err != unix.EPERM {
			t.Fatalf("truncate to %d: %v", size, err)
		}
	}
}

func TestOnlySealedRingsArePassed(t *testing.T) {
	here, there := socketPair(t)
	named, err := Create("r", layout.Bytes(8), Dir(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = named.Close() }()
	if err := named.Send(here); !errors.Is(err, ErrUnsealed) {
		t.Fatal(err)
	}
	if _, err := OpenFD(named.FD(), Sealed()); !errors.Is(err, ErrUnsealed) {
		t.Fatal(err)
	}
	send(t, here, layout.Magic, named.FD()) // a peer that says it is one
	if _, err := Receive(there); !errors.Is(err, ErrUnsealed) {
		t.Fatal(err)
	}
	if _, err := Open("r", Sealed()); !errors.Is(err, ErrOption) {
		t.Fatal(err)
	}
}

func send(t *testing.T, c *net.UnixConn, text string, fds ...int) {
	t.Helper()
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	if _, _, err := c.WriteMsgUnix([]byte(text), rights, nil); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsNoRingIsRefused(t *testing.T) {
	r := newRing(t)
	empty, err := shm.CreateAnonymous("empty", 4096, func(int) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(empty) }()
	before := openDescriptors(t)
	for name, say := range map[string]func(*net.UnixConn){
		"no descriptor":      func(c *net.UnixConn) { send(t, c, layout.Magic) },
		"two descriptors":    func(c *net.UnixConn) { send(t, c, layout.Magic, r.FD(), r.FD()) },
		"many descriptors":   func(c *net.UnixConn) { send(t, c, layout.Magic, r.FD(), r.FD(), r.FD(), r.FD(), r.FD()) },
		"another greeting":   func(c *net.UnixConn) { send(t, c, "GET / HTTP/1.1\r\n", r.FD()) },
		"a short greeting":   func(c *net.UnixConn) { send(t, c, layout.Magic[:4], r.FD()) },
		"zeros":              func(c *net.UnixConn) { send(t, c, layout.Magic, empty) },
		"nobody is there":    func(c *net.UnixConn) { _ = c.Close() },
		"the standard input": func(c *net.UnixConn) { send(t, c, layout.Magic, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			here, there := socketPair(t)
			say(here)
			if ring, err := Receive(there); err == nil {
				_ = ring.Close()
				t.Fatal("it was taken for a ring")
			}
		})
	}
	if after := openDescriptors(t); after != before {
		t.Errorf("%d descriptors were left open", after-before)
	}
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// A hole punched into a sealed segment reads as zeros: an error, not a fault.
func TestAHolePunchedByAPeerIsNoFault(t *testing.T) {
	r := newRing(t, Slots(4))
	c := join(t, r)
	put(t, produce(t, r), 0, 4)
	if _, err := c.TryRead(); err != nil {
		t.Fatal(err)
	}
	size := int64(r.sb.TotalSize)
	if err := unix.Fallocate(r.FD(), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, size); err != nil {
		t.Fatal(err)
	}
	if _, err := c.TryRead(); !errors.Is(err, ErrEmpty) {
		t.Fatal(err)
	}
	if b := unsafe.Slice((*byte)(r.control.Base), size); b[0] != 0 || b[size-1] != 0 {
		t.Fatal("the hole is not there")
	}
}
