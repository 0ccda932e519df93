package bot

import (
	"go/ast"
	goparser "go/parser"
	gotoken "go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// speakers are the files whose sentences reach people through words.
var speakers = []string{"approvals/*.go", "engine/*.go", "engine/dbconn/*.go", "engine/guard/*.go", "engine/plugin/*.go", "engine/rebuild/*.go",
	"engine/tablespace/*.go", "engine/throttle/*.go", "engine/topology/[^e]*.go", "engine/topology/errant.go",
	"bot/[^d]*.go", "bot/schedule/*.go", "storage/facts.go", "storage/review.go", "storage/skip.go"}

// spoken says where a sentence stands: which arguments of which calls, which fields, the results of
// which methods, and which tables hold nothing but sentences.
var (
	spokenArgs = map[string][]int{"refuse": {1}, "unknown": {1}, "promoted": {1}, "notice": {2}, "alert": {2}, "problem": {1, 2}, "skip": {2}, "end": {3},
		"wrong": {0}, "members": {3}, "alertWatch": {3}, "reason": {0}}
	spokenFields  = []string{"Text", "Advice", "Next", "Reason", "Detail", "Sentence", "Late", "NotChecked", "Note", "Why", "Phase", "Warnings", "Missing", "Unreached", "notes", "warnings", "what"}
	spokenResults = []string{"Sentence", "Hint", "Words", "words", "sentence", "Changed", "countAgain", "missing"}
	spokenTables  = []string{"situations"}
)

// silent are sentences that no reader of Chinese gets to see as they stand here, and why.
var silent = map[string]string{
	"I could not read who may db-2 db-2, so only people named one by one may right now.": "its verbs are in a table; all four have phrases",
	"db-2 has no replication source and 1 db-2":                                          "its noun is an argument; TestPhrases has it",
	"db-2 has no replication source and 7 db-2s":                                         "its noun is an argument; TestPhrases has it",
	"the plugin db-2 has nothing against db-2":                                           "only refusals are shown",
	"know replicas by their UUID and read the lag":                                       "only doctor tells it, in English",
	"read the statistics for the prediction":                                             "only doctor tells it, in English",
	"rebuild tables":                                                                     "only doctor tells it, in English",
	"see tables and sample their rows for the prediction":                                "only doctor tells it, in English",
}

// commands are what people type, in any language.
var commands = regexp.MustCompile("`[^`]*`|recycler doctor|cancel db-2|schedule add")

// source is one package as the collector reads it.
type source struct {
	funcs map[string]*ast.FuncDecl
	fixed map[string]ast.Expr // constants and variables of the package
	said  map[string]string   // sentence: where it is
	set   *gotoken.FileSet
}

// TestPhrasesOfTheSource finds by itself what the engine, the guard and the approvals say to people, so
// that a new sentence needs a phrase.
func TestPhrasesOfTheSource(t *testing.T) {
	t.Parallel()
	read, used := 0, map[string]bool{}
	for _, dir := range speakers {
		said := sayings(t, filepath.Join("..", filepath.FromSlash(dir)))
		for _, s := range slices.Sorted(maps.Keys(said)) {
			read++
			if _, is := silent[s]; is {
				used[s] = true
				continue
			}
			if left := leftover.FindString(notOurs.ReplaceAllString(commands.ReplaceAllString(Chinese.words(s), ""), "")); left != "" {
				t.Errorf("%s: no phrase for %q: %q", said[s], s, Chinese.words(s))
			}
			require.Equal(t, s, English.words(s))
		}
	}
	require.Greater(t, read, 300)
	require.Len(t, used, len(silent), "of the silent sentences some are not said any more")
}

// sayings are the sentences of a package with sample names and numbers.
func sayings(t *testing.T, dir string) map[string]string {
	t.Helper()
	s := source{funcs: map[string]*ast.FuncDecl{}, fixed: map[string]ast.Expr{}, said: map[string]string{}, set: gotoken.NewFileSet()}
	names, err := filepath.Glob(dir)
	require.NoError(t, err)
	var decls []ast.Decl
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.go") {
			file, err := goparser.ParseFile(s.set, name, nil, goparser.SkipObjectResolution)
			require.NoError(t, err)
			decls = append(decls, file.Decls...)
		}
	}
	require.NotEmpty(t, decls, dir)
	for _, d := range decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			s.funcs[d.Name.Name] = d
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok && len(v.Values) == len(v.Names) {
					for i := range v.Names {
						s.fixed[v.Names[i].Name] = v.Values[i]
					}
				}
			}
		}
	}
	for _, d := range decls {
		f, _ := d.(*ast.FuncDecl)
		ast.Inspect(d, func(n ast.Node) bool { s.look(n, f); return true })
	}
	return s.said
}

// look keeps what is said at one place.
func (s source) look(n ast.Node, f *ast.FuncDecl) {
	switch n := n.(type) {
	case *ast.CallExpr:
		for _, i := range spokenArgs[called(n)] {
			if i < len(n.Args) {
				s.keep(n.Args[i], f)
			}
		}
	case *ast.KeyValueExpr:
		if k, ok := n.Key.(*ast.Ident); ok && slices.Contains(spokenFields, k.Name) {
			s.keep(n.Value, f)
		}
	case *ast.AssignStmt:
		for i, l := range n.Lhs {
			if x, ok := l.(*ast.SelectorExpr); ok && slices.Contains(spokenFields, x.Sel.Name) && len(n.Lhs) == len(n.Rhs) {
				s.keep(n.Rhs[i], f, n.Tok == gotoken.ADD_ASSIGN)
			}
		}
	case *ast.ReturnStmt:
		if f != nil && slices.Contains(spokenResults, f.Name.Name) {
			for _, r := range n.Results {
				s.keep(r, f)
			}
		}
	case *ast.ValueSpec:
		if slices.Contains(spokenTables, n.Names[0].Name) {
			ast.Inspect(n, func(n ast.Node) bool {
				if l, ok := n.(*ast.BasicLit); ok {
					s.keep(l, f)
				}
				return true
			})
		}
	}
}

// keep keeps the texts of an expression, which may continue another text.
func (s source) keep(e ast.Expr, f *ast.FuncDecl, more ...bool) {
	for _, text := range s.texts(e, f, 0) {
		if slices.Contains(more, true) && strings.HasPrefix(text, " ") {
			text = "Nothing was done." + text
		} else if slices.Contains(more, true) {
			text = sample[0] + text
		}
		if leftover.MatchString(text) {
			s.said[text] = s.set.Position(e.Pos()).String()
		}
	}
}

// called is the name of what a call calls.
func called(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// sample stands for what only a running program knows.
var sample = []string{"db-2"}

var verb = regexp.MustCompile(`%%|%[-+.0-9]*[a-z]`)

// texts are texts an expression can have. Of what is put together each part is seen with each of its
// texts, not with each text of the others.
func (s source) texts(e ast.Expr, f *ast.FuncDecl, depth int) []string {
	if depth > 8 {
		return sample
	}
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil && e.Kind == gotoken.STRING {
			return []string{text}
		}
	case *ast.ParenExpr:
		return s.texts(e.X, f, depth+1)
	case *ast.BinaryExpr:
		return behind(s.texts(e.X, f, depth+1), s.texts(e.Y, f, depth+1))
	case *ast.Ident:
		return s.variable(e.Name, f, depth+1)
	case *ast.CallExpr:
		name := called(e)
		switch {
		case name == "Sprintf":
			return s.format(e, f, depth+1)
		case name == "append":
			var out []string
			for _, arg := range e.Args[1:] {
				out = append(out, s.texts(arg, f, depth+1)...)
			}
			return out
		case slices.Contains([]string{"sentence", "Sentence", "Hint", "Changed"}, name):
			return []string{"Nothing was done."}
		case name == "TrimSuffix" || name == "trimDot":
			out := s.texts(e.Args[0], f, depth+1)
			for i := range out {
				out[i] = strings.TrimSuffix(out[i], ".")
			}
			return out
		case s.funcs[name] != nil && name != "String":
			return s.results(s.funcs[name], 0, depth+1)
		}
	}
	return slices.Clone(sample)
}

// behind puts texts behind each other, as many as the longer list has.
func behind(a, b []string) []string {
	out := make([]string, max(len(a), len(b)))
	for i := range out {
		out[i] = a[i%len(a)] + b[i%len(b)]
	}
	return out
}

// format fills in a format.
func (s source) format(c *ast.CallExpr, f *ast.FuncDecl, depth int) []string {
	format := s.texts(c.Args[0], f, depth)[0]
	out, at, arg := []string{""}, 0, 1
	for _, m := range verb.FindAllStringIndex(format, -1) {
		out = behind(out, []string{format[at:m[0]]})
		at = m[1]
		switch v := format[m[0]:m[1]]; {
		case v == "%%":
			out = behind(out, []string{"%"})
			continue
		case v[len(v)-1] == 'd' || v[len(v)-1] == 'f':
			out = behind(out, []string{"7"})
		case v == "%q":
			out = behind(out, []string{`"x"`})
		case arg < len(c.Args):
			out = behind(out, s.texts(c.Args[arg], f, depth))
		}
		arg++
	}
	return behind(out, []string{format[at:]})
}

// results are the texts a function returns at a place.
func (s source) results(f *ast.FuncDecl, place, depth int) []string {
	var out []string
	if depth <= 8 && f.Body != nil {
		ast.Inspect(f.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncLit:
				return false
			case *ast.ReturnStmt:
				if place < len(n.Results) {
					out = append(out, s.texts(n.Results[place], f, depth)...)
				}
			}
			return true
		})
	}
	return orSample(out)
}

// variable are the texts that are assigned to a name.
func (s source) variable(name string, f *ast.FuncDecl, depth int) []string {
	if e, ok := s.fixed[name]; ok {
		return s.texts(e, nil, depth)
	}
	var out []string
	if f == nil || f.Body == nil || depth > 8 {
		return slices.Clone(sample)
	}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		a, ok := n.(*ast.AssignStmt)
		if !ok {
			return true
		}
		for i, l := range a.Lhs {
			if x, ok := l.(*ast.Ident); !ok || x.Name != name {
				continue
			}
			call, ok := a.Rhs[0].(*ast.CallExpr)
			switch {
			case len(a.Lhs) == len(a.Rhs) && a.Tok == gotoken.ADD_ASSIGN:
				out = append(out, behind(orSample(out), s.texts(a.Rhs[i], f, depth))...)
			case len(a.Lhs) == len(a.Rhs):
				out = append(out, s.texts(a.Rhs[i], f, depth)...)
			case ok && s.funcs[called(call)] != nil:
				out = append(out, s.results(s.funcs[called(call)], i, depth)...)
			}
		}
		return true
	})
	return orSample(out)
}

func orSample(texts []string) []string {
	texts = slices.DeleteFunc(texts, func(s string) bool { return s == "" })
	if len(texts) == 0 {
		return slices.Clone(sample)
	}
	return texts
}
