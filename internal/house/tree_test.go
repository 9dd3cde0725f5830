package house

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "example.com/goring"

// top is the root of the tree.
func top(t *testing.T) fs.FS {
	t.Helper()
	root, err := os.OpenRoot("../..")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root.FS()
}

// tree returns a tree with these files.
func tree(files map[string]string) fs.FS {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

// with returns the tree files with name replaced by text.
func with(files map[string]string, name, text string) fs.FS {
	m := map[string]string{name: text}
	for other, text := range files {
		if other != name {
			m[other] = text
		}
	}
	return tree(m)
}

// files returns the names of the files in the folders and below them, with one of the suffixes. A
// folder that is missing is an error: a check of nothing would pass.
func files(t *testing.T, tree fs.FS, folders []string, suffixes ...string) (names []string) {
	t.Helper()
	for _, folder := range folders {
		err := fs.WalkDir(tree, folder, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if base := path.Base(name); d.IsDir() && name != "." && (base[0] == '.' || base == "build" || base == "testdata" || base == "_native") {
				return fs.SkipDir
			}
			if !d.IsDir() && slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(name, s) }) {
				names = append(names, name)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", folder, err)
		}
	}
	return names
}

// read returns the text of a file.
func read(t *testing.T, tree fs.FS, name string) string {
	t.Helper()
	b, err := fs.ReadFile(tree, name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// report fails the test with the mistakes that a check has found in the tree.
func report(t *testing.T, mistakes []string) {
	t.Helper()
	for _, m := range mistakes {
		t.Error(m)
	}
}

// control fails the test unless the check has found one mistake, with these words.
func control(t *testing.T, name string, mistakes []string, words string) {
	t.Helper()
	if len(mistakes) != 1 || !strings.Contains(mistakes[0], words) {
		t.Errorf("control %s: found %q, want one mistake with %q", name, mistakes, words)
	}
}

// at returns a mistake in a line of a file.
func at(name string, line int, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: %s", name, line, fmt.Sprintf(format, args...))
}
