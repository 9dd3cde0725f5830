package doctor

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// stopped reports whether the process is stopped by a signal or a debugger. A pid means
// nothing in another PID namespace: the start time tells whether it is the same process.
func stopped(pid int, startTime uint64) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil || startTime == 0 {
		return false
	}
	// pid (name) state ppid ..; the start time is the 20th behind the name
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(f) < 20 || f[19] != strconv.FormatUint(startTime, 10) {
		return false
	}
	return f[0] == "T" || f[0] == "t"
}
