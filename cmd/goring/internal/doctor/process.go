package doctor

import "example.com/goring/internal/procfs"

// stopped reports whether the process is stopped by a signal or a debugger. A pid means
// nothing in another PID namespace, so the start time must match, too.
func stopped(pid int, startTime uint64) bool {
	p, err := procfs.Read(pid)
	return err == nil && startTime != 0 && p.StartTime == startTime && p.Stopped()
}
