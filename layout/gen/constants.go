package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"regexp"
	"strings"
)

// sources are the files of package layout with the constants for every language: all exported ones.
var sources = []string{"offsets.go", "kinds.go", "gpu.go", "wire.go"}

// group is one const declaration of package layout.
type group struct {
	title     string // the declaration's doc comment
	constants []shared
}

// shared is an exported constant under its name in C and Python.
type shared struct {
	name  string
	value constant.Value
}

// readGroups returns the const declarations of the sources in dir, in their order.
func readGroups(dir string) ([]group, error) {
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range sources {
		f, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	// Constants need no imports, so errors about imported names, or names of other files of the
	// package, do not matter here. The compiler reports all others.
	ignore := types.Config{Error: func(error) {}}
	pkg, _ := ignore.Check("layout", fset, files, nil)
	var groups []group
	for _, f := range files {
		for _, d := range f.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.CONST {
				groups = append(groups, readGroup(pkg.Scope(), g))
			}
		}
	}
	for _, g := range groups {
		for _, c := range g.constants {
			if c.value.Kind() == constant.Unknown {
				return nil, fmt.Errorf("constant %s has no value that this program can compute", c.name)
			}
		}
	}
	return groups, nil
}

// readGroup returns the exported constants of one declaration.
func readGroup(scope *types.Scope, d *ast.GenDecl) group {
	g := group{title: strings.TrimSpace(d.Doc.Text())}
	for _, spec := range d.Specs {
		for _, name := range spec.(*ast.ValueSpec).Names {
			if c, ok := scope.Lookup(name.Name).(*types.Const); ok && name.IsExported() {
				g.constants = append(g.constants, shared{sharedName(c), c.Val()})
			}
		}
	}
	return g
}

// renamed are the names in C and Python that do not follow from the Go name.
var renamed = map[string]string{"GPUBlockSize": "GPU_SIZE", "GPUOffExporter": "GPU_OFF_EXPORTER_PID"}

// prefixes replace the first word of the Go name: a slot's states have none, and those of
// the enumerations of the GPU block name it.
var prefixes = map[string]string{"STATE_": "", "MEMORY_": "GPU_MEMORY_", "SYNC_": "GPU_SYNC_"}

// single are words of the Go names that camel case would split in two.
var single = strings.NewReplacer("DType", "Dtype", "NDim", "Ndim")

var wordEnd = regexp.MustCompile(`([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])`)

// sharedName returns the name of a constant in C, without GR_, and in Python.
func sharedName(c *types.Const) string {
	if name, ok := renamed[c.Name()]; ok {
		return name
	}
	name := wordEnd.ReplaceAllString(single.Replace(c.Name()), "${1}${3}_${2}${4}")
	name = strings.ToUpper(name)
	for from, to := range prefixes {
		if rest, found := strings.CutPrefix(name, from); found {
			return to + rest
		}
	}
	return name
}
