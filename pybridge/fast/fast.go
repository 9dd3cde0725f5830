// Package fast is the Python data plane: a CPython module in C, linked into the library gopy builds.
package fast

// #include <stdint.h>
import "C"
