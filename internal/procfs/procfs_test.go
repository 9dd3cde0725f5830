package procfs

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

const rest = " 1 1 1 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 71234 0 0"

func TestParse(t *testing.T) {
	for line, want := range map[string]Process{
		"7 (cat) R" + rest:             {'R', 71234},
		"7 (a b) T" + rest + " 5 5\n":  {'T', 71234},
		"7 (x) S 1 (y)) t" + rest:      {'t', 71234},
		"7 (two\nlines) Z" + rest + "": {'Z', 71234},
	} {
		if got, err := parse([]byte(line)); err != nil || got != want {
			t.Errorf("%q: %+v, %v", line, got, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, line := range []string{"", "7 (cat)", "7 (cat) R 1 1", "7 (cat)" + rest, "7 (cat) R 1 1 1 0 -1 0 1 0 0 0 0 0 0 0 20 0 1 0 soon 0"} {
		if got, err := parse([]byte(line)); err == nil {
			t.Errorf("%q: %+v", line, got)
		}
	}
}

func TestRead(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()
	self, err := Read(os.Getpid())
	if err != nil || self.Stopped() || self.StartTime == 0 {
		t.Fatalf("this process: %+v, %v", self, err)
	}
	other, err := Read(cmd.Process.Pid)
	if err != nil || other.Stopped() || other.StartTime < self.StartTime {
		t.Fatalf("its child: %+v, %v", other, err)
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for range 200 { // until the signal has arrived
		if other, err = Read(cmd.Process.Pid); err != nil || other.Stopped() {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err != nil || !other.Stopped() {
		t.Fatalf("stopped child: %+v, %v", other, err)
	}
}

func TestReadOfNoProcess(t *testing.T) {
	if _, err := Read(1 << 30); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}
