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
	longestLine = 8192 // bytes of a printed line; longer ones are split
	keptLines   = 20   // for the error of a worker that cannot start
)

// output forwards what a worker prints to the log, line by line.
type output struct {
	log  *slog.Logger
	done chan struct{}

	mu    sync.Mutex
	lines []string
}

func newOutput(log *slog.Logger, worker string) *output {
	return &output{log: log.With("worker", worker), done: make(chan struct{})}
}

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

func (o *output) keep(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, line)
	if len(o.lines) > keptLines {
		o.lines = o.lines[1:]
	}
}

// tail is the last lines.
func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.lines, "\n")
}

// wait waits for the end of what a dead worker has printed. A process that it started
// may hold the pipe for ever.
func (o *output) wait() {
	select {
	case <-o.done:
	case <-time.After(time.Second):
	}
}
