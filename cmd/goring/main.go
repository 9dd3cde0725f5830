// Command goring looks at rings (ls, stat, doctor), and holds those in GPU memory (gpu-hold).
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
	problems = 1 // the command did its work, and found something
	failed   = 2
)

// errProblems: nothing failed, but something is wrong with a ring, and has been said.
var errProblems = errors.New("problems were found")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	os.Exit(status(err))
}

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
