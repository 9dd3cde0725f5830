package house

import (
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"
)

// The pages that name files of the tree, and the file names in a page: in backquotes, with a suffix.
var (
	pages = []string{"README.md", "CONTRIBUTING.md",
		"docs/ARCHITECTURE.md", "spec/LAYOUT.md", "spec/PACING.md", "interop_tests/README.md"}
	fileName = regexp.MustCompile("`([A-Za-z0-9_./-]+\\.(go|c|h|py|pyi|sh|md|toml|pml))`")
)

// pageMistakes returns the file names in the pages that no file of the tree has.
func pageMistakes(t *testing.T, tree fs.FS, pages []string) (mistakes []string) {
	t.Helper()
	known := map[string]bool{"cuda.h": true} // NVIDIA's
	for _, name := range files(t, tree, []string{"."}, "") {
		known[path.Base(name)] = true
	}
	for _, page := range pages {
		for i, line := range strings.Split(read(t, tree, page), "\n") {
			for _, m := range fileName.FindAllStringSubmatch(line, -1) {
				if !known[path.Base(m[1])] {
					mistakes = append(mistakes, at(page, i+1, "no file is called %s", m[1]))
				}
			}
		}
	}
	return mistakes
}

func TestPagesNameFilesThatExist(t *testing.T) {
	report(t, pageMistakes(t, top(t), pages))
}

func TestPagesNameFilesThatExistControl(t *testing.T) {
	sample := map[string]string{"p.md": "`a.go` does it,\nin C `include/b.h`, as `cuda.h` does", "x/a.go": ""}
	control(t, "b.h", pageMistakes(t, tree(sample), []string{"p.md"}), "p.md:2: no file is called include/b.h")
}
