package pool

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	longestLine = 8192 // limit of a logged line in bytes; longer lines are split
	keptLines   = 20   // lines kept for the error of a worker that cannot start
)

// output forwards a worker's printed lines to the log.
type output struct {
	log  *slog.Logger
	done chan struct{} // closed when all output has been read

	mu    sync.Mutex
	lines []string // the last keptLines lines
}

func newOutput(log *slog.Logger, worker string) *output {
	return &output{log: log.With("worker", worker), done: make(chan struct{})}
}

// forward logs every line of from until its end, and closes it.
func (o *output) forward(from *os.File) {
	defer close(o.done)
	defer func() { _ = from.Close() }()
	r := bufio.NewReaderSize(from, longestLine)
	for {
		b, err := r.ReadSlice('\n')
		if line := string(bytes.TrimRight(b, "\r\n")); line != "" {
			o.log.Info(line)
			o.keep(line)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			_, _ = io.Copy(io.Discard, r)
			return
		}
	}
}

// keep adds line to the last lines.
func (o *output) keep(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, line)
	if len(o.lines) > keptLines {
		o.lines = o.lines[1:]
	}
}

// tail returns the last lines.
func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.lines, "\n")
}

// wait waits until the output of a worker that has ended is read, for at most a second: a process
// that the worker started may keep the pipe open for ever.
func (o *output) wait() {
	select {
	case <-o.done:
	case <-time.After(time.Second):
	}
}
