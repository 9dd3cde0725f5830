// Gen writes the constants of package layout for the other languages: the C header of the
// protocol and a module of the Python package. `go generate ./layout` runs it in layout; a
// test fails when the files are stale.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := write("."); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// write writes the generated files; dir is the folder of package layout.
func write(dir string) error {
	files, err := generate(dir)
	if err != nil {
		return err
	}
	for path, text := range files {
		if err := os.WriteFile(filepath.Join(dir, "..", path), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
