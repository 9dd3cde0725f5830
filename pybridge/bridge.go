// Package pybridge is what gopy exports to Python: the control plane.
package pybridge

import _ "example.com/goring/pybridge/fast" // the data plane, in the same shared library

// Version is the version of the Go side.
func Version() string { return "0.1.0" }
