package pool

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrClosed reports that the pool is closed, or was closed before the call was answered.
	ErrClosed = errors.New("pool is closed")
	// ErrPoison reports that the request killed or hung Config.MaxAttempts workers.
	ErrPoison = errors.New("request given up")
	// ErrConfig reports a bad field of Config; the text has its name and value.
	ErrConfig = errors.New("bad Config")
	// ErrResult reports that a result is of another kind or dtype than it is decoded as.
	ErrResult = errors.New("result of another kind")
)

// RemoteError is a Python exception raised by the worker's function, or by the worker about the
// function's return value.
type RemoteError struct {
	Type      string `msgpack:"type"`      // The exception's class, such as "ValueError".
	Message   string `msgpack:"message"`   // The exception's str.
	Traceback string `msgpack:"traceback"` // The traceback as Python prints it.
	Worker    string `msgpack:"-"`         // The worker's name.
}

// Error returns the worker and Python's last line: the type and the message.
func (e *RemoteError) Error() string {
	return fmt.Sprintf("worker %s: %s: %s", e.Worker, e.Type, e.Message)
}

// StartError is the reason why a worker could not be started.
type StartError struct {
	Worker    string // The worker's name.
	Type      string `json:"type"`      // The Python exception's class; "" when there was none.
	Message   string `json:"message"`   // The exception's str, or how the process ended.
	Traceback string `json:"traceback"` // The traceback as Python prints it.
	Output    string // The last lines that the process printed.
}

// Error returns the worker's name, Python's error, and the output when there is no Python error.
func (e *StartError) Error() string {
	text := "worker " + e.Worker + " cannot start: "
	if e.Type != "" {
		text += e.Type + ": "
	}
	text += e.Message
	if e.Type == "" && e.Output != "" {
		text += "; it printed: " + strings.TrimSpace(e.Output)
	}
	return text
}
