package pool

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrClosed: the pool is closed, or was before the call was answered.
	ErrClosed = errors.New("pool is closed")
	// ErrPoison: the request killed or hung as many workers as Config.MaxAttempts allows.
	ErrPoison = errors.New("request given up")
	// ErrConfig: a field of Config makes no sense; its name and value are in the text.
	ErrConfig = errors.New("bad Config")
	// ErrResult: a result is not what it is decoded into.
	ErrResult = errors.New("result of another kind")
)

// RemoteError is a Python exception that the worker's function raised, or one of the
// worker itself about what the function returned.
type RemoteError struct {
	Type      string `msgpack:"type"`      // "ValueError"
	Message   string `msgpack:"message"`   // str of the exception
	Traceback string `msgpack:"traceback"` // as Python prints it
	Worker    string `msgpack:"-"`         // the worker's name
}

// Error is Python's last line: the type and the message.
func (e *RemoteError) Error() string {
	return fmt.Sprintf("worker %s: %s: %s", e.Worker, e.Type, e.Message)
}

// StartError says why a worker could not be started.
type StartError struct {
	Worker    string // the worker's name
	Type      string `json:"type"`    // of the Python exception; "" when Python did not get so far
	Message   string `json:"message"` // what it said, or how the process ended
	Traceback string `json:"traceback"`
	Output    string // the last lines that it printed
}

// Error names the worker and what Python said.
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
