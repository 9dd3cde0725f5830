package house

import (
	"io/fs"
	"strings"
	"testing"
	"unicode/utf8"
)

// The limits of a file of the product, in lines, and of a line of comment, in columns with tabs as 4.
const (
	mostLines   = 350
	mostColumns = 100
)

var (
	productGo = []string{"layout", "internal", "goring", "pool", "pybridge", "cmd"}
	productC  = []string{"include/goring", "internal/cudadrv", "pybridge/core"}
	productPy = []string{"pybridge/python/goring", "scripts"}
)

// product returns the files of the product that people write.
func product(t *testing.T, tree fs.FS) (names []string) {
	t.Helper()
	names = files(t, tree, productGo, ".go")
	names = append(names, files(t, tree, productC, ".c", ".h")...)
	names = append(names, files(t, tree, productPy, ".py", ".sh")...)
	kept := names[:0]
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.go") && name != "include/goring/layout.h" {
			kept = append(kept, name)
		}
	}
	return kept
}

// sizeMistakes returns the files that are too long and the lines of comment that are too wide.
func sizeMistakes(t *testing.T, tree fs.FS, names []string) (mistakes []string) {
	t.Helper()
	for _, name := range names {
		lines := strings.Split(strings.TrimSuffix(read(t, tree, name), "\n"), "\n")
		if len(lines) > mostLines {
			mistakes = append(mistakes, at(name, mostLines, "the file has %d lines, split it", len(lines)))
		}
		for i, line := range lines {
			if width := utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    ")); width > mostColumns && isComment(line) {
				mistakes = append(mistakes, at(name, i+1, "a comment of %d columns, wrap it at %d", width, mostColumns))
			}
		}
	}
	return mistakes
}

// isComment reports whether a line holds comment alone.
func isComment(line string) bool {
	line = strings.TrimSpace(line)
	for _, start := range []string{"//", "/*", "* ", "# "} {
		if strings.HasPrefix(line, start) {
			return !strings.HasPrefix(line, "//go:") && !strings.HasPrefix(line, "// #cgo") && !strings.HasPrefix(line, "//\t") // tables
		}
	}
	return false
}

func TestSizes(t *testing.T) {
	report(t, sizeMistakes(t, top(t), product(t, top(t))))
}

func TestSizesControl(t *testing.T) {
	wide := strings.Repeat("é", mostColumns)
	for name, text := range map[string]string{
		"long.go":   "package p\n" + strings.Repeat("\n", mostLines),
		"wide.go":   "package p\n\t// " + wide + "\n",
		"wide.h":    "/* a\n * " + wide + " */\n",
		"script.sh": "# " + wide + "\n",
	} {
		control(t, name, sizeMistakes(t, tree(map[string]string{name: text}), []string{name}), name)
	}
	fine := map[string]string{"a.go": "package p\n//" + wide[:2*(mostColumns-2)] + "\nvar x = \"" + wide + "\"\n"}
	report(t, sizeMistakes(t, tree(fine), []string{"a.go"}))
}
