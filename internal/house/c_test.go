package house

import (
	"regexp"
	"strings"
)

// cSource is a C file by lines, with its code and its comments apart.
type cSource struct {
	lines, code, comment []string
}

var cToken = regexp.MustCompile(`(?s)/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'`)

func newCSource(text string) cSource {
	blank := func(s string) string { return regexp.MustCompile(`[^\n]`).ReplaceAllString(s, " ") }
	isComment := func(s string) bool { return strings.HasPrefix(s, "/*") || strings.HasPrefix(s, "//") }
	var code, comment strings.Builder
	last := 0
	for _, m := range cToken.FindAllStringIndex(text, -1) {
		between, token := text[last:m[0]], text[m[0]:m[1]]
		code.WriteString(between + blank(token)) // strings are blanked, too: they may look like calls
		comment.WriteString(blank(between))
		if isComment(token) {
			comment.WriteString(token)
		} else {
			comment.WriteString(blank(token))
		}
		last = m[1]
	}
	code.WriteString(text[last:])
	comment.WriteString(blank(text[last:]))
	split := func(s string) []string { return strings.Split(s, "\n") }
	return cSource{split(text), split(code.String()), split(comment.String())}
}

// statement returns the comments from line i to the end of its statement.
func (s cSource) statement(i int) string {
	end := i
	for end+1 < len(s.code) && !strings.ContainsAny(s.code[end], ";{}") {
		end++
	}
	return strings.Join(s.comment[i:end+1], "\n")
}

// above returns the comment that ends on the line above line i, and holds nothing but comment.
func (s cSource) above(i int) string {
	first := i
	for first > 0 && strings.TrimSpace(s.code[first-1]) == "" && strings.TrimSpace(s.comment[first-1]) != "" {
		first--
	}
	return strings.Join(s.comment[first:i], "\n")
}

var cDefinition = regexp.MustCompile(`^[A-Za-z_][^;=]*?\b(\w+)\(`)

// function returns the line that the function around line i begins on.
func (s cSource) function(i int) int {
	for ; i > 0; i-- {
		if cDefinition.MatchString(s.code[i]) {
			return i
		}
	}
	return i
}
