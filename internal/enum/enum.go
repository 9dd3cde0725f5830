// Package enum names the values of small enumerations.
package enum

import (
	"fmt"
	"slices"
	"strings"
)

// Name returns names[i], or kind(i) when value i has no name.
func Name(kind string, names []string, i uint8) string {
	if int(i) < len(names) && names[i] != "" {
		return names[i]
	}
	return fmt.Sprintf("%s(%d)", kind, i)
}

// Parse is the inverse of Name. Its error lists the names and wraps bad.
func Parse(kind string, names []string, name string, bad error) (uint8, error) {
	if i := slices.Index(names, name); i >= 0 && name != "" {
		return uint8(i), nil
	}
	known := strings.Trim(strings.Join(names, ", "), ", ")
	return 0, fmt.Errorf("%s %q is none of %s: %w", kind, name, known, bad)
}
