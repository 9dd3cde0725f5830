package house

import (
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// C files have no circles. A header of the protocol uses the functions of headers that it includes,
// itself or through another. A file of the CPython module uses those of files before it in the order of
// the groups of core.h: each group begins with a comment that starts with the name of its file.

var (
	cInclude  = regexp.MustCompile(`^#include "(?:goring/)?(\w+\.h)"`)
	cGroup    = regexp.MustCompile(`^/\* (\w+\.c)(?:: [^*]*)? \*/$`)
	cFunction = regexp.MustCompile(`\b([A-Za-z_]\w*)\(`)
	cMacro    = regexp.MustCompile(`^#define (\w+)\(`)
)

// useMistakes returns the uses of a function of another file that is not below the user. home is
// the file of each function.
func useMistakes(folder string, sources map[string]cSource, home map[string]string, below func(file, user string) bool) (mistakes []string) {
	for _, user := range slices.Sorted(maps.Keys(sources)) {
		reported := map[string]bool{}
		for i, code := range sources[user].code {
			for _, m := range cFunction.FindAllStringSubmatch(code, -1) {
				name := m[1]
				file := home[name]
				if file != "" && file != user && !below(file, user) && !reported[name] {
					reported[name] = true
					mistakes = append(mistakes, at(folder+"/"+user, i+1, "uses %s of %s, which is not below it", name, file))
				}
			}
		}
	}
	return mistakes
}

// sourcesIn returns the C files of a folder with that suffix, by name.
func sourcesIn(t *testing.T, tree fs.FS, folder, suffix string) map[string]cSource {
	t.Helper()
	sources := map[string]cSource{}
	for _, name := range files(t, tree, []string{folder}, suffix) {
		sources[path.Base(name)] = newCSource(read(t, tree, name))
	}
	return sources
}

// headerMistakes returns what is wrong with the layers of the protocol's headers.
func headerMistakes(t *testing.T, tree fs.FS) (mistakes []string) {
	t.Helper()
	const folder = "include/goring"
	sources := sourcesIn(t, tree, folder, ".h")
	home, includes := map[string]string{}, map[string][]string{}
	for file, source := range sources {
		for i, code := range source.code {
			if m := cInclude.FindStringSubmatch(source.lines[i]); m != nil {
				includes[file] = append(includes[file], m[1])
			}
			m := cDefinition.FindStringSubmatch(code)
			if m == nil {
				m = cMacro.FindStringSubmatch(code)
			}
			if m != nil && strings.HasPrefix(strings.ToLower(m[1]), "gr_") {
				home[m[1]] = file
			}
		}
	}
	below := func(file, user string) bool { return reaches(includes, user, file, map[string]bool{}) }
	for _, file := range slices.Sorted(maps.Keys(sources)) {
		if below(file, file) {
			mistakes = append(mistakes, folder+"/"+file+" includes itself, through others")
		}
	}
	return append(mistakes, useMistakes(folder, sources, home, below)...)
}

// reaches reports whether an include of from leads to file.
func reaches(includes map[string][]string, from, file string, seen map[string]bool) bool {
	if seen[from] {
		return false
	}
	seen[from] = true
	return slices.ContainsFunc(includes[from], func(next string) bool {
		return next == file || reaches(includes, next, file, seen)
	})
}

// moduleMistakes returns what is wrong with the order of the files of the CPython module, and with the
// groups of core.h that state it.
func moduleMistakes(t *testing.T, tree fs.FS) (mistakes []string) {
	t.Helper()
	const folder, header = "pybridge/core", "core.h"
	sources := sourcesIn(t, tree, folder, ".c")
	home := map[string]string{}
	var order []string
	declared := newCSource(read(t, tree, folder+"/"+header))
	for i, code := range declared.code {
		if m := cGroup.FindStringSubmatch(strings.TrimSpace(declared.lines[i])); m != nil {
			order = append(order, m[1])
			continue
		}
		m := cDeclaration.FindStringSubmatch(code)
		if m == nil || len(order) == 0 {
			continue
		}
		file := order[len(order)-1]
		home[m[1]] = file
		if !defines(sources[file], m[1]) {
			mistakes = append(mistakes, at(folder+"/"+header, i+1, "%s is not defined in %s", m[1], file))
		}
	}
	below := func(file, user string) bool { // a file without a group, such as module.c, is on top
		return !slices.Contains(order, user) || slices.Index(order, file) < slices.Index(order, user)
	}
	return append(mistakes, useMistakes(folder, sources, home, below)...)
}

var cDeclaration = regexp.MustCompile(`^[A-Za-z_][^;={]*?\b(\w+)\(`)

// defines reports whether the file has a function of that name.
func defines(source cSource, name string) bool {
	return slices.ContainsFunc(source.code, func(code string) bool {
		m := cDefinition.FindStringSubmatch(code)
		return m != nil && m[1] == name
	})
}

func TestLayersOfHeaders(t *testing.T) { report(t, headerMistakes(t, top(t))) }

func TestLayersOfModule(t *testing.T) { report(t, moduleMistakes(t, top(t))) }

func TestLayersOfHeadersControl(t *testing.T) {
	headers := map[string]string{
		"include/goring/layout.h": "#define GR_ONE 1\n",
		"include/goring/words.h":  "#include \"layout.h\"\nstatic inline int gr_word(void) { return 1; }\n/* not gr_take() */\n",
		"include/goring/take.h":   "#include \"goring/words.h\"\nstatic inline int gr_take(int (*f)(void)) {\n\treturn gr_word();\n}\n",
		"include/goring/gpu.h":    "#include \"goring/take.h\"\nstatic inline int gr_gpu(void) { return gr_word(); }\n",
	}
	report(t, headerMistakes(t, tree(headers)))
	control(t, "upward call", headerMistakes(t, with(headers, "include/goring/words.h",
		"static inline int gr_word(void) {\n\treturn gr_take(0);\n}\n")), "words.h:2: uses gr_take of take.h")
	control(t, "missing include", headerMistakes(t, with(headers, "include/goring/gpu.h",
		"static inline int gr_gpu(void) { return gr_word(); }\n")), "gpu.h:1: uses gr_word of words.h")
	found := headerMistakes(t, with(headers, "include/goring/words.h", "#include \"goring/gpu.h\"\nstatic inline int gr_word(void) { return 1; }\n"))
	if len(found) != 3 || !strings.Contains(found[0], "includes itself") {
		t.Errorf("control circle of includes: %q", found)
	}
}

func TestLayersOfModuleControl(t *testing.T) {
	module := map[string]string{
		"pybridge/core/core.h": "static inline int helper(void) { return 0; }\n/* lease.c */\nint lease_new(\n\tint n);\n/* write.c: room and batches */\nint room(void);\n",

		"pybridge/core/lease.c": "#include \"core.h\"\nint lease_new(\n\tint n) {\n\treturn n; /* room() */\n}\n",
		"pybridge/core/write.c": "int room(void) {\n\treturn lease_new(1);\n}\n",
	}
	report(t, moduleMistakes(t, tree(module)))
	control(t, "upward call", moduleMistakes(t, with(module, "pybridge/core/lease.c",
		"int lease_new(int n) {\n\treturn room();\n}\n")), "lease.c:2: uses room of write.c")
	report(t, moduleMistakes(t, with(module, "pybridge/core/module.c", "int init(void) {\n\treturn room();\n}\n")))
	control(t, "wrong group", moduleMistakes(t, with(module, "pybridge/core/write.c", "static int other;\n")), "room is not defined in write.c")
}
