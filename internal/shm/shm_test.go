package shm

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

var private = Access{GID: -1}

func write(b string) func(int) error {
	return func(fd int) error {
		_, err := unix.Pwrite(fd, []byte(b), 0)
		return err
	}
}

func create(t *testing.T, path string) int {
	t.Helper()
	fd, err := Create(path, 8192, private, write("hello"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

func TestAFileThatCouldNotBeFilledHasNoName(t *testing.T) {
	dir := t.TempDir()
	boom := errors.New("boom")
	_, err := Create(filepath.Join(dir, "x"), 4096, private, func(int) error { return boom })
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if f, _ := os.ReadDir(dir); len(f) != 0 {
		t.Fatalf("left behind: %v", f)
	}
}

func TestCreateDoesNotReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	create(t, path)
	_, err := Create(path, 4096, private, write("other"))
	if !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(path); !bytes.HasPrefix(b, []byte("hello")) {
		t.Fatal("the first file was changed")
	}
}

func TestAFolderThatIsMissingIsNamed(t *testing.T) {
	_, err := Create("/nonexistent/x", 4096, private, write(""))
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "/nonexistent") {
		t.Fatal(err)
	}
}

func TestPagesAreThereFromTheStart(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "goring-shm-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	fd := create(t, filepath.Join(dir, "x"))
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Blocks*512 < 8192 {
		t.Fatalf("%d blocks for 8192 bytes (%v)", st.Blocks, err)
	}
}

func TestMirrorIsTheSameMemoryTwice(t *testing.T) {
	page := os.Getpagesize()
	fd, err := CreateAnonymous("mirror", int64(3*page), func(int) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	m, err := NewMirror(fd, int64(page), uintptr(2*page))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	b := m.Bytes()
	if len(b) != 4*page {
		t.Fatalf("%d bytes", len(b))
	}
	copy(b[2*page-3:], "mirror")
	if got := string(bytes.Clone(b[:3])); got != "ror" {
		t.Fatalf("start of the first half is %q", got)
	}
	if got := string(bytes.Clone(b[4*page-3:])); got != "mir" {
		t.Fatalf("end of the second half is %q", got)
	}
}

func TestLocksOfTwoDescriptionsConflict(t *testing.T) {
	fd := create(t, filepath.Join(t.TempDir(), "x"))
	other, err := Reopen(fd)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := TryLock(fd, 1<<62+1); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if ok, err := TryLock(other, 1<<62+1); ok || err != nil {
		t.Fatalf("locked twice (%v)", err)
	}
	if ok, err := TryLock(other, 1<<62+2); !ok || err != nil {
		t.Fatalf("another byte is refused (%v)", err)
	}
	if held, err := Locked(fd, 1<<62+2); !held || err != nil {
		t.Fatal(held, err)
	}
	_ = unix.Close(other)
	if held, err := Locked(fd, 1<<62+2); held || err != nil {
		t.Fatalf("the lock outlived its description (%v)", err)
	}
}

func TestADeadProcessHoldsNoLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	fd := create(t, path)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SHM_TEST_HOLD="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe() // open, so that the process waits
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if held, err := Locked(fd, 1<<62); !held || err != nil {
		t.Fatal(held, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = out.Read(make([]byte, 1)) // the pipe ends when the process is gone
	for held := true; held; {
		if held, err = Locked(fd, 1<<62); err != nil {
			t.Fatal(err)
		}
	}
	_ = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		t.Fatalf("the process was not killed: %v", cmd.ProcessState)
	}
}

// TestMain is also the process that TestADeadProcessHoldsNoLock kills.
func TestMain(m *testing.M) {
	if path := os.Getenv("SHM_TEST_HOLD"); path != "" {
		hold(path)
	}
	os.Exit(m.Run())
}

func hold(path string) {
	fd, err := Open(path, private)
	if err != nil {
		panic(err)
	}
	if ok, err := TryLock(fd, 1<<62); !ok || err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString("h")
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent kills this process or ends
	os.Exit(0)
}
