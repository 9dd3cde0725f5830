package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// crew holds the Python workers.
type crew struct {
	done chan error
	n    int
}

// hire starts the workers. A worker that fails cancels the job.
func hire(ctx context.Context, cancel context.CancelCauseFunc, o options, r *rings) (*crew, error) {
	c := &crew{done: make(chan error, o.workers)}
	for i := range o.workers {
		cmd := exec.CommandContext(ctx, o.python, o.script, r.frames.Name(), r.results.Name(), strconv.Itoa(i))
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
		cmd.WaitDelay = 5 * time.Second
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Start(); err != nil {
			err = fmt.Errorf("start worker %d with %s: %w", i, o.python, err)
			cancel(err)
			return nil, errors.Join(err, c.wait())
		}
		c.n++
		go func() {
			err := cmd.Wait()
			if err != nil {
				err = fmt.Errorf("worker %d: %w", i, err)
				cancel(err)
			}
			c.done <- err
		}()
	}
	return c, nil
}

// wait returns when every worker has ended.
func (c *crew) wait() (err error) {
	for range c.n {
		err = errors.Join(err, <-c.done)
	}
	return err
}
