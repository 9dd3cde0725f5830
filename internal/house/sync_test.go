package house

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A tag in a comment, "SYNC commit store, wake load", says which end of which order between two
// processes an atomic access is. The table in the comment of internal/proto has a row for each tag,
// in columns that two blanks or more part. The last column names the models of spec/models and the
// litmus tests that check the order, or says why none does:
//
//	tag     stored by  loaded by             held by
//	commit  publish    every look at a word  slot_queue.pml, litmus queue
//	lost    consumers  people                none: no step depends on it

// end is one end of an order.
type end struct{ tag, kind string } // the kind is load or store

const tagTable = "internal/proto/doc.go"

// proofs are the patterns of the files of models and litmus tests, by the word before their name.
var proofs = map[string][]string{
	"":       {"spec/models/%s"},
	"litmus": {"spec/litmus/src/%s.rs", "spec/litmus/aarch64/%s.litmus"},
}

var (
	syncComment = regexp.MustCompile(`SYNC [a-z]+ (?:load|store)\b(?:,[\s*/]*[a-z]+ (?:load|store)\b)*`)
	syncEnd     = regexp.MustCompile(`([a-z]+) (load|store)\b`)
	tagRow      = regexp.MustCompile(`(?m)^//\t([a-z]+) {2,}\S.*? {2,}\S.*? {2,}(\S.*)$`)
)

// ends returns the ends that a comment names.
func ends(comment string) (all []end) {
	for _, c := range syncComment.FindAllString(comment, -1) {
		for _, e := range syncEnd.FindAllStringSubmatch(c, -1) {
			all = append(all, end{e[1], e[2]})
		}
	}
	return all
}

// covers reports whether one of the ends is of that kind; "" is either.
func covers(all []end, kind string) bool {
	return slices.ContainsFunc(all, func(e end) bool { return kind == "" || e.kind == kind })
}

// access is an atomic access in a file, with the ends named beside it, above it, or in the
// comment of its function.
type access struct {
	file string
	line int
	kind string // load, store or "" for an exchange
	ends []end
}

// tags returns the tags of the table, and the mistakes in it.
func tags(t *testing.T, tree fs.FS) (all map[string]bool, mistakes []string) {
	t.Helper()
	all = map[string]bool{}
	_, table, _ := strings.Cut(read(t, tree, tagTable), "//\ttag ")
	for _, row := range tagRow.FindAllStringSubmatch(table, -1) {
		all[row[1]] = true
		if strings.HasPrefix(row[2], "none: ") {
			continue
		}
		for proof := range strings.SplitSeq(row[2], ", ") {
			if !proven(tree, proof) {
				mistakes = append(mistakes, tagTable+": "+row[1]+" is held by "+proof+", which is missing")
			}
		}
	}
	if len(all) == 0 {
		mistakes = append(mistakes, tagTable+": no table of tags")
	}
	return all, mistakes
}

// proven reports whether a model ("queue.pml") or a litmus test ("litmus queue") is there.
func proven(tree fs.FS, proof string) bool {
	kind, name, found := strings.Cut(proof, " ")
	if !found {
		kind, name = "", proof
	}
	return slices.ContainsFunc(proofs[kind], func(pattern string) bool {
		_, err := fs.Stat(tree, fmt.Sprintf(pattern, name))
		return err == nil
	})
}

// syncMistakes returns the atomic accesses of a language that have no tag of their kind, unknown
// tags, and tags of the table that lack one end.
func syncMistakes(accesses []access, tags map[string]bool, language string) (mistakes []string) {
	seen := map[end]bool{}
	unknown := map[string]bool{}
	for _, a := range accesses {
		if !covers(a.ends, a.kind) {
			mistakes = append(mistakes, at(a.file, a.line, "atomic access without SYNC TAG %s", cmp.Or(a.kind, "load or store")))
		}
		for _, e := range a.ends {
			seen[e] = true
			if !tags[e.tag] && !unknown[e.tag] {
				unknown[e.tag] = true
				mistakes = append(mistakes, at(a.file, a.line, "SYNC %s is not in the table of %s", e.tag, tagTable))
			}
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(tags)) {
		for _, kind := range []string{"load", "store"} {
			if e := (end{tag, kind}); !seen[e] && !slices.Contains(absent[language], e) {
				mistakes = append(mistakes, language+": no SYNC "+tag+" "+kind)
			}
		}
	}
	return mistakes
}

// absent are the ends that a language has not, because no program in it does that step.
var absent = map[string][]end{
	"C":  {{"gone", "store"}},                     // the memory of GPU rings is Go's
	"Go": {{"local", "load"}, {"local", "store"}}, // no atomic of the protocol in Go is private
}

// goKinds are the methods of sync/atomic's types, and the functions of the protocol that wrap one.
var goKinds = map[string]string{
	"Load": "load", "Store": "store", "Add": "", "And": "", "Or": "", "Swap": "", "CompareAndSwap": "",
	"storeRelease": "store",
}

// goAccesses returns the atomic accesses of the Go files in the folders.
func goAccesses(t *testing.T, tree fs.FS, folders ...string) (all []access) {
	t.Helper()
	for _, name := range files(t, tree, folders, ".go") {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, read(t, tree, name), parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		comments := map[int][]end{} // by the last line of each comment
		for _, group := range file.Comments {
			comments[set.Position(group.End()).Line] = ends(group.Text())
		}
		for _, decl := range file.Decls {
			function, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(function, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				kind, atomic := goKind(call)
				if !atomic {
					return true
				}
				line := set.Position(call.Pos()).Line
				near := slices.Concat(comments[line], comments[line-1], ends(function.Doc.Text()))
				all = append(all, access{name, line, kind, near})
				return true
			})
		}
	}
	return all
}

// goKind returns the kind of access that a call is, if it is one.
func goKind(call *ast.CallExpr) (kind string, atomic bool) {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		kind, atomic = goKinds[f.Name]
	case *ast.SelectorExpr:
		kind, atomic = goKinds[f.Sel.Name]
		switch x := f.X.(type) {
		case *ast.Ident:
			atomic = atomic && !slices.Contains([]string{"cmp", "unsafe"}, x.Name) // packages with such names
		case *ast.SelectorExpr:
			if x.Sel.Name == "private" { // the target of a fence: of the end that the fence is of
				kind = ""
			}
		}
	}
	return kind, atomic
}

// cAtomic matches the atomic operations of C11, and the functions of the protocol that wrap one.
var cAtomic = regexp.MustCompile(`\b(?:atomic_(load|store|thread_fence|exchange|compare_exchange|fetch)\w*|gr_(load|cas))\(`)

// cAccesses returns the atomic accesses of the C files in the folders.
func cAccesses(t *testing.T, tree fs.FS, folders ...string) (all []access) {
	t.Helper()
	for _, name := range files(t, tree, folders, ".h", ".c") {
		source := newCSource(read(t, tree, name))
		for i, code := range source.code {
			for _, m := range cAtomic.FindAllStringSubmatch(code, -1) {
				kind := strings.TrimSuffix(m[1]+m[2], "thread_fence")
				if kind != "load" && kind != "store" {
					kind = ""
				}
				near := slices.Concat(ends(source.statement(i)), ends(source.above(i)), ends(source.above(source.function(i))))
				all = append(all, access{name, i + 1, kind, near})
			}
		}
	}
	return all
}

// tagged returns the accesses that have a tag: outside the protocol not every atomic is shared.
func tagged(accesses []access) []access {
	return slices.DeleteFunc(accesses, func(a access) bool { return len(a.ends) == 0 })
}

// rowless returns the tags that have no row in the table of CONTRIBUTING.md.
func rowless(t *testing.T, tree fs.FS, tags map[string]bool) (mistakes []string) {
	t.Helper()
	page := read(t, tree, "CONTRIBUTING.md")
	for _, tag := range slices.Sorted(maps.Keys(tags)) {
		if !strings.Contains(page, "\n| "+tag+" |") {
			mistakes = append(mistakes, "CONTRIBUTING.md: no row for the tag "+tag)
		}
	}
	return mistakes
}

func TestSync(t *testing.T) {
	known, mistakes := tags(t, top(t))
	report(t, mistakes)
	report(t, rowless(t, top(t), known))
	report(t, syncMistakes(goAccesses(t, top(t), "internal/proto", "internal/futex"), known, "Go"))
	report(t, syncMistakes(slices.Concat(cAccesses(t, top(t), "include/goring"),
		tagged(cAccesses(t, top(t), "internal/cudadrv", "pybridge/core"))), known, "C"))
}

var syncTree = map[string]string{
	tagTable: `// Package proto is.
//
//	file      include/goring/  spec
//	words.go  words.h          4: words
//
// Tags:
//
//	tag     stored by       loaded by   held by
//	commit  publish, abort  every look  queue.pml, litmus commit
package proto
`,

	"spec/litmus/aarch64/commit.litmus": "", "spec/models/queue.pml": "",

	"internal/proto/a.go": `package proto

// Publish stores READY.
// SYNC commit store
func Publish() { word.Store(1) }

func take() bool {
	// SYNC commit load
	return word.Load() == 1 && word.CompareAndSwap(1, 2)
}
`,
	"include/goring/a.h": `/* Stores READY.
 * SYNC commit store */
static inline void publish(void) {
	atomic_store(&word, 1);
}
static inline bool take(void) {
	return atomic_load_explicit(&word, memory_order_acquire) ==
		1; /* SYNC commit load */
}
`,
}

// mistakesOfSync returns what the checks find in a small tree.
func mistakesOfSync(t *testing.T, tree fs.FS) []string {
	known, mistakes := tags(t, tree)
	return slices.Concat(mistakes,
		syncMistakes(goAccesses(t, tree, "internal/proto"), known, "Go"), syncMistakes(cAccesses(t, tree, "include/goring"), known, "C"))
}

func TestSyncControl(t *testing.T) {
	report(t, mistakesOfSync(t, tree(syncTree)))
	page := tree(map[string]string{"CONTRIBUTING.md": "\n| commit | 6 | a model | b |\n"})
	control(t, "tag without a row", rowless(t, page, map[string]bool{"commit": true, "wake": true}), "no row for the tag wake")
	for _, c := range []struct{ name, file, from, to, words string }{
		{"access without a tag in Go", "internal/proto/a.go", "func Publish() {", "func Publish() { other.Swap(2) }\nfunc more() {", "a.go:6: atomic access without SYNC TAG store"},
		{"load with the tag of a store", "internal/proto/a.go", "word.Store(1)", "word.Store(1); word.Load()", "a.go:5: atomic access without SYNC TAG load"},
		{"unknown tag in Go", "internal/proto/a.go", "SYNC commit load", "SYNC commit load, gone load", "SYNC gone is not in the table"},
		{"access without a tag in C", "include/goring/a.h", "static inline bool", "void f(void) {\n\tgr_cas(h, 1, 2);\n}\nstatic inline bool", "a.h:7: atomic access without SYNC TAG load or store"},
		{"no load in C", "include/goring/a.h", "memory_order_acquire) ==\n\t\t1; /* SYNC commit load */", "0); /* SYNC commit store */", "atomic access without SYNC TAG load"},
		{"missing litmus test", tagTable, "litmus commit", "litmus comit", "litmus comit, which is missing"},
		{"missing model", tagTable, "queue.pml", "queues.pml", "queues.pml, which is missing"},
		{"tag that is nowhere", tagTable, "//	commit", "//	wake  notify  ticket  none: so\n//	commit", "SYNC wake"},
		{"no table", tagTable, "//	tag ", "//	tags ", "no table of tags"},
	} {
		text := strings.Replace(syncTree[c.file], c.from, c.to, 1)
		found := mistakesOfSync(t, with(syncTree, c.file, text))
		if text == syncTree[c.file] || len(found) == 0 || !strings.Contains(strings.Join(found, "\n"), c.words) {
			t.Errorf("control %s: found %q, want %q", c.name, found, c.words)
		}
	}
}
