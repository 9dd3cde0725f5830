// Gen writes the constants of package layout for the other languages: the C header
// of the data plane and the Python package's module. `go generate ./layout` runs it;
// a test fails when what it writes is stale.
package main

import (
	"fmt"
	"os"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	for path, text := range Files() {
		if err := os.WriteFile(root+"/../"+path, []byte(text), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "gen:", err)
			os.Exit(1)
		}
	}
}
