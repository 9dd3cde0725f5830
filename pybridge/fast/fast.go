// Package fast is the data plane of the Python package: the ring's protocol in C
// (goring.h and its companions, which stand alone) and the CPython module _fast over
// it. It is linked into the same shared library as gopy's classes, which is loaded
// under both names.
package fast

// #cgo CFLAGS: -O2 -std=gnu11 -Wall -Wextra
import "C"
