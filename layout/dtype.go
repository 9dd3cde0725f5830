package layout

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// DTypeCode names a scalar dtype in a tensor descriptor.
type DTypeCode uint16

type dtype struct {
	name string
	size int
}

// dtypes are the scalar dtypes by code, with their sizes in bytes. The names are
// NumPy's, or those of ml_dtypes for dtypes that NumPy lacks.
var dtypes = []dtype{
	1: {"|b1", 1}, 2: {"|i1", 1}, 3: {"|u1", 1}, 4: {"<i2", 2}, 5: {"<u2", 2}, 6: {"<i4", 4}, 7: {"<u4", 4},
	8: {"<i8", 8}, 9: {"<u8", 8}, 10: {"<f2", 2}, 11: {"<f4", 4}, 12: {"<f8", 8}, 13: {"<c8", 8}, 14: {"<c16", 16},
	15: {"bfloat16", 2}, 16: {"float8_e4m3fn", 1}, 17: {"float8_e5m2", 1},
}

// Codes returns every code, ascending.
func Codes() []DTypeCode {
	all := make([]DTypeCode, 0, len(dtypes)-1)
	for c := range dtypes[1:] {
		all = append(all, DTypeCode(c+1))
	}
	return all
}

// CodeOf returns the code of a dtype string, and whether it has one.
func CodeOf(name string) (DTypeCode, bool) {
	i := slices.IndexFunc(dtypes, func(d dtype) bool { return d.name == name && name != "" })
	return DTypeCode(max(i, 0)), i > 0
}

// String returns the dtype string.
func (c DTypeCode) String() string {
	if c == 0 || int(c) >= len(dtypes) {
		return fmt.Sprintf("dtype(%d)", uint16(c))
	}
	return dtypes[c].name
}

// Size returns the bytes of one element, and whether the code exists.
func (c DTypeCode) Size() (int, bool) {
	if c == 0 || int(c) >= len(dtypes) {
		return 0, false
	}
	return dtypes[c].size, true
}

var (
	sized = regexp.MustCompile(`^(\|S|\|V|<U)([1-9][0-9]{0,4})$`)
	timed = regexp.MustCompile(`^<[mM]8\[(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\]$`)
)

// DTypeSize returns the bytes of one element of a dtype string. It fails with ErrSchema for a
// dtype that a ring cannot carry.
func DTypeSize(name string) (int, error) {
	if c, ok := CodeOf(name); ok {
		n, _ := c.Size()
		return n, nil
	}
	if timed.MatchString(name) {
		return 8, nil
	}
	if m := sized.FindStringSubmatch(name); m != nil {
		n, _ := strconv.Atoi(m[2])
		switch {
		case m[1] == "<U" && n <= 16383:
			return 4 * n, nil
		case m[1] != "<U" && n <= 65535:
			return n, nil
		}
	}
	switch {
	case name == "|O" || name == "O":
		return 0, fmt.Errorf("dtype %q: objects are pointers, which mean nothing in another process: %w", name, ErrSchema)
	case len(name) > 0 && name[0] == '>':
		return 0, fmt.Errorf("dtype %q is big-endian; rings are little-endian: %w", name, ErrSchema)
	}
	return 0, fmt.Errorf("dtype %q is not one that a ring can carry: %w", name, ErrSchema)
}
