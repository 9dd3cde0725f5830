package house

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers says which packages of this module each package may import. A package stands below all that
// may import it.
var layers = map[string][]string{
	"internal/ctxerr": {},
	"internal/enum":   {},
	"internal/house":  {},
	"internal/procfs": {},
	"internal/shm":    {},
	"internal/futex":  {},
	"internal/cpu":    {},
	"layout":          {"internal/enum"},
	"layout/gen":      {"layout"},
	"include/goring":  {},

	"internal/proto":   {"layout", "internal/cpu", "internal/futex", "internal/procfs", "internal/shm"},
	"internal/config":  {"layout", "internal/proto", "internal/shm"},
	"goring":           {"layout", "internal/config", "internal/ctxerr", "internal/enum", "internal/proto", "internal/shm"},
	"internal/cudadrv": {"layout", "include/goring"},
	"goring/cuda":      {"layout", "goring", "internal/config", "internal/cudadrv", "internal/proto", "internal/shm"},
	"pool":             {"layout", "goring", "internal/ctxerr", "internal/enum"},

	"pybridge":      {"layout", "goring", "goring/cuda", "pybridge/core"},
	"pybridge/core": {"include/goring"},

	"cmd/goring/internal/doctor": {"layout", "goring", "internal/procfs"},
	"cmd/goring":                 {"layout", "goring", "goring/cuda", "cmd/goring/internal/doctor"},
}

// programs are folders of programs that use the public packages alone, and each other's within
// the folder.
var programs = []string{"bench", "examples", "interop_tests"}

var public = []string{"goring", "goring/cuda", "layout", "pool"}

// only says which packages may import a package from outside the module.
var only = map[string][]string{
	"C":                          {"internal/cudadrv", "pybridge/core"},
	"github.com/spf13/cobra":     {"cmd/goring"},
	"github.com/vmihailenco/...": {"layout"},
}

// never says which packages a package must not import although others may.
var never = map[string][]string{
	"internal/proto": {"context", "errors", "log", "log/slog"},
	"layout":         {"os", "context", "golang.org/x/sys/unix"},
}

// layerMistakes returns the imports that the layers forbid.
func layerMistakes(t *testing.T, tree fs.FS) (mistakes []string) {
	t.Helper()
	for _, name := range files(t, tree, []string{"."}, ".go") {
		if strings.HasSuffix(name, "_test.go") || ownModule(name) {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, read(t, tree, name), parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		if why := homeless(path.Dir(name)); why != "" {
			mistakes = append(mistakes, at(name, 1, "%s", why))
			continue
		}
		for _, spec := range file.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			if why := forbidden(name, imported); why != "" {
				mistakes = append(mistakes, at(name, set.Position(spec.Pos()).Line, "imports %s: %s", imported, why))
			}
		}
	}
	return mistakes
}

// ownModule reports whether a file is of another module: the peers of the benchmarks.
func ownModule(name string) bool {
	return strings.HasPrefix(name, "bench/peers/") || strings.HasPrefix(name, "bench/pool/")
}

// homeless returns why a package has no place in the layers, "" when it has.
func homeless(dir string) string {
	if _, known := layers[dir]; known || slices.Contains(programs, topFolder(dir)) {
		return ""
	}
	return "package " + dir + " has no layer yet"
}

func topFolder(dir string) string {
	folder, _, _ := strings.Cut(dir, "/")
	return folder
}

// forbidden returns why the file must not import the package, "" when it may.
func forbidden(file, imported string) string {
	from := path.Dir(file)
	folder := topFolder(from)
	may, layer := layers[from]
	if !layer {
		may = public
	}
	own, ours := strings.CutPrefix(imported, module+"/")
	switch {
	case ours && (slices.Contains(may, own) || !layer && strings.HasPrefix(own, folder+"/")):
	case ours:
		return "its layer may import " + strings.Join(may, ", ")
	case imported == "unsafe" && !strings.HasSuffix(file, "_unsafe.go"):
		return "unsafe belongs into files *_unsafe.go"
	case slices.Contains(never[from], imported):
		return "not in " + from
	case reserved(from, folder, imported):
		return "only for some packages"
	}
	return ""
}

// reserved reports whether the package is for others than from and folder.
func reserved(from, folder, imported string) bool {
	for pattern, users := range only {
		prefix, all := strings.CutSuffix(pattern, "...")
		if (imported == pattern || all && strings.HasPrefix(imported, prefix)) &&
			!slices.Contains(users, from) && !slices.Contains(users, folder) {
			return true
		}
	}
	return false
}

func TestLayers(t *testing.T) {
	report(t, layerMistakes(t, top(t)))
}

func TestLayersControl(t *testing.T) {
	source := func(imports ...string) string {
		return "package p\n\nimport (\n\t\"" + strings.Join(imports, "\"\n\t\"") + "\"\n)\n"
	}
	for _, c := range []struct{ file, imported, words string }{
		{"layout/a.go", module + "/goring", "its layer may import"},
		{"internal/proto/a.go", module + "/internal/config", "its layer may import"},
		{"internal/proto/a.go", "context", "not in internal/proto"},
		{"goring/a.go", module + "/internal/cudadrv", "its layer may import"},
		{"goring/a.go", "C", "only for some packages"},
		{"goring/a.go", "unsafe", "*_unsafe.go"},
		{"goring/a.go", "github.com/spf13/cobra", "only for some packages"},
		{"pool/a.go", "github.com/vmihailenco/msgpack/v5", "only for some packages"},
		{"examples/x/a.go", module + "/internal/proto", "its layer may import"},
		{"elsewhere/a.go", "fmt", "no layer yet"},
	} {
		control(t, c.file, layerMistakes(t, tree(map[string]string{c.file: source(c.imported)})), c.words)
	}
	report(t, layerMistakes(t, tree(map[string]string{
		"goring/a_unsafe.go":      source("unsafe", "context", module+"/internal/proto"),
		"goring/a_test.go":        source("unsafe", module+"/internal/cudadrv"),
		"examples/x/a.go":         source(module+"/pool", module+"/examples/photo"),
		"internal/cudadrv/a.go":   source("C", module+"/layout"),
		"bench/pool/main.go":      source("example.net/other"),
		"layout/testdata/a/a.go":  source("unsafe"),
		"layout/kinds.go":         source("fmt", "github.com/vmihailenco/msgpack/v5"),
		"cmd/goring/internal.go":  source("github.com/spf13/cobra"),
		"internal/proto/words.go": source(module + "/layout"),
	})))
}

// TestGoringWithoutCgo holds that a program that imports goring needs no C compiler.
func TestGoringWithoutCgo(t *testing.T) {
	for _, cgo := range []string{"0", "1"} {
		list := exec.Command("go", "list", "-deps", "-f", `{{.ImportPath}} {{len .CgoFiles}}`, "./goring")
		list.Dir, list.Env = "../..", append(os.Environ(), "CGO_ENABLED="+cgo)
		out, err := list.CombinedOutput()
		if err != nil {
			t.Fatalf("CGO_ENABLED=%s: %v\n%s", cgo, err, out)
		}
		for line := range strings.Lines(string(out)) {
			name, n, _ := strings.Cut(strings.TrimSpace(line), " ")
			if strings.HasPrefix(name, module) && n != "0" || name == module+"/internal/cudadrv" {
				t.Errorf("CGO_ENABLED=%s: goring needs %s, which has C", cgo, name)
			}
		}
	}
	build := exec.Command("go", "build", "./goring/...", "./pool")
	build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("CGO_ENABLED=0: %v\n%s", err, out)
	}
}
