package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/goring/goring"
)

// double makes this process use the emulated driver, unless GORING_TEST_GPU asks for the real one.
func double(t *testing.T) {
	t.Helper()
	if os.Getenv("GORING_TEST_GPU") != "" {
		return
	}
	out, err := exec.Command("python3", "../../interop_tests/fakecuda/double.py").Output()
	if err != nil {
		t.Fatalf("the emulated driver cannot be built: %v", err)
	}
	dir, err := os.MkdirTemp("/dev/shm", "goring-fakecuda-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Setenv("GORING_LIBCUDA", strings.TrimSpace(string(out)))
	t.Setenv("FAKECUDA_DIR", dir)
	t.Setenv("FAKECUDA_LOG", filepath.Join(dir, "log"))
}

func TestGPUHold(t *testing.T) {
	double(t)
	dir := t.TempDir()
	ctx, end := context.WithCancel(t.Context())
	defer end()
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		c := root()
		c.SetOut(in)
		c.SetArgs([]string{"--dir", dir, "gpu-hold", "frames", "--dtype", "u1", "--shape", "4,3", "--slots", "2"})
		ended <- c.ExecuteContext(ctx)
		_ = in.Close()
	}()
	first, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err, <-ended)
	}
	if !strings.HasPrefix(first, "frames: 2 slots of 12 bytes in device memory of GPU-") {
		t.Error(first)
	}
	if text, exit := run(t, "--dir", dir, "doctor"); exit != well || strings.Contains(text, "stale") {
		t.Errorf("exit %d: %s", exit, text)
	}
	if text, _ := run(t, "--dir", dir, "stat", "frames"); !strings.Contains(text, "device, device GPU-") {
		t.Error(text)
	}
	if removed, err := goring.UnlinkStale("frames", 0, goring.Dir(dir)); removed || err != nil {
		t.Error("a ring that somebody holds for others is stale:", err)
	}
	r, err := goring.Open("frames", goring.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	end()
	select {
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
	}
	if info, _ := r.GPU(); !info.Gone {
		t.Error("the memory is gone, and the ring does not say so")
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if text, _ := run(t, "--dir", dir, "ls"); text != "no rings\n" {
		t.Error(text)
	}
}

func TestGPUHoldRefuses(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"", "give --dtype and --shape, or --max-bytes"},
		{"--dtype u1 --shape 3,x", `--shape is "3,x"`},
		{"--max-bytes 8 --kind array", `--kind is "array"`},
		{"--max-bytes 8 --sync maybe", `--sync is "maybe"`},
		{"--max-bytes 8 --mode some", `some`},
	} {
		args := append([]string{"--dir", t.TempDir(), "gpu-hold", "r"}, strings.Fields(c.args)...)
		if text, exit := run(t, args...); exit != failed || !strings.Contains(text, c.says) {
			t.Errorf("%s: exit %d: %s", c.args, exit, text)
		}
	}
}
