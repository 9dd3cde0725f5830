// Package core is the data plane of the Python package: the CPython module _core over the
// protocol in C (include/goring). It is linked into the same shared library as gopy's classes,
// which is loaded under both names.
package core

// #cgo CFLAGS: -O2 -std=gnu11 -Wall -Wextra -Werror=implicit -I${SRCDIR}/../../include
import "C"

import _ "example.com/goring/include/goring" // the headers
