// Package procfs reads the facts about processes that the kernel has in /proc.
package procfs

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// Process holds the facts about one process.
type Process struct {
	// State is the kernel's letter for the state, such as R, S or T.
	State byte
	// StartTime is when the process started, in clock ticks since boot. Together with the pid it
	// names one process for as long as the system is up.
	StartTime uint64
}

// Stopped reports whether the process is stopped by a signal or a debugger.
func (p Process) Stopped() bool { return p.State == 'T' || p.State == 't' }

// Read returns the facts about the process with that pid in this PID namespace. It fails
// when there is none, or when /proc is not mounted.
func Read(pid int) (Process, error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	b, err := os.ReadFile(path)
	if err != nil {
		return Process{}, err
	}
	p, err := parse(b)
	if err != nil {
		return Process{}, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// startField is the index of the start time among the fields after the name (proc(5)).
const startField = 19

// parse returns the facts of a stat line: "pid (name) state ppid ...". The name may hold any byte.
func parse(stat []byte) (Process, error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= startField || len(fields[0]) != 1 || fields[0][0] < 'A' {
		return Process{}, fmt.Errorf("no stat line of a process: %q", stat)
	}
	start, err := strconv.ParseUint(string(fields[startField]), 10, 64)
	if err != nil {
		return Process{}, err
	}
	return Process{State: fields[0][0], StartTime: start}, nil
}
