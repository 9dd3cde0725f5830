// Package procfs reads what /proc says of a process.
package procfs

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// StartTime returns the start of a process in clock ticks since boot.
func StartTime(pid int) (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	text := string(b)
	f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	const field = 19 // the 22nd of the line, after the name and pid
	if len(f) <= field {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(f))
	}
	return strconv.ParseUint(f[field], 10, 64)
}
