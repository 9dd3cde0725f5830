// Command goring inspects rings (ls, stat, doctor), and owns the memory of GPU rings (gpu-hold).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Exit statuses.
const (
	well     = 0
	problems = 1 // the command succeeded and has printed problems of a ring
	failed   = 2
)

// errProblems reports that a command has printed problems of a ring.
var errProblems = errors.New("problems were found")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	os.Exit(status(err))
}

// status returns the exit status for the error of a command, and prints the error.
func status(err error) int {
	switch {
	case err == nil:
		return well
	case errors.Is(err, errProblems):
		return problems
	}
	fmt.Fprintln(os.Stderr, "goring:", err)
	return failed
}
