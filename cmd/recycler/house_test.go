package main_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Measures of the house. What is longer says why in a comment that begins with "long:".
const (
	maxFile      = 400
	maxFunction  = 60
	maxFields    = 15
	maxInterface = 4
)

// topFolders are the only folders at the top of the repository.
var topFolders = []string{".ci", ".git", "approvals", "bot", "cmd", "configs", "engine", "storage"}

func TestTopFolders(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(root(t))
	require.NoError(t, err)
	for _, e := range entries {
		// bin and dist hold what the Makefile builds and are not committed.
		if e.IsDir() && !slices.Contains(append([]string{"bin", "dist"}, topFolders...), e.Name()) {
			t.Errorf("%s is not a folder of this repository", e.Name())
		}
	}
}

func TestHouseMeasures(t *testing.T) {
	t.Parallel()
	files := 0
	err := filepath.WalkDir(root(t), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || d.Name() == ".git") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			files++
			measure(t, path)
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, files, 50)
}

// measure checks one file.
func measure(t *testing.T, path string) {
	t.Helper()
	name, err := filepath.Rel(root(t), path)
	require.NoError(t, err)
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	require.NoError(t, err)
	if lines := set.File(file.Pos()).LineCount(); lines > maxFile && !defended(file.Comments...) {
		t.Errorf("%s has %d lines, more than %d", name, lines, maxFile)
	}
	isTest := strings.HasSuffix(path, "_test.go")
	ast.Inspect(file, func(n ast.Node) bool {
		at := func(p token.Pos) string { return fmt.Sprintf("%s:%d", name, set.Position(p).Line) }
		switch n := n.(type) {
		case *ast.FuncDecl:
			lines := set.Position(n.End()).Line - set.Position(n.Pos()).Line + 1
			if !isTest && lines > maxFunction && !defended(n.Doc) {
				t.Errorf("%s: %s has %d lines, more than %d", at(n.Pos()), n.Name.Name, lines, maxFunction)
			}
		case *ast.GenDecl:
			for _, spec := range n.Specs {
				if typ, ok := spec.(*ast.TypeSpec); ok && !isTest && !defended(n.Doc, typ.Doc) {
					measureType(t, at(typ.Pos()), typ)
				}
			}
		case *ast.CallExpr:
			if s, ok := n.Fun.(*ast.SelectorExpr); ok && forbidden(s, n.Args, isTest) {
				t.Errorf("%s: calls %s", at(n.Pos()), s.Sel.Name)
			}
		}
		return true
	})
}

func measureType(t *testing.T, at string, typ *ast.TypeSpec) {
	t.Helper()
	switch body := typ.Type.(type) {
	case *ast.StructType:
		if n := body.Fields.NumFields(); n > maxFields {
			t.Errorf("%s: %s has %d fields, more than %d", at, typ.Name.Name, n, maxFields)
		}
	case *ast.InterfaceType:
		if n := body.Methods.NumFields(); n > maxInterface {
			t.Errorf("%s: %s has %d methods, more than %d", at, typ.Name.Name, n, maxInterface)
		}
	}
}

// forbidden finds tests that could look green without running, whatever their receiver is called, and the
// global logger. A table is skipped with a context first, which no test is.
func forbidden(s *ast.SelectorExpr, args []ast.Expr, isTest bool) bool {
	switch s.Sel.Name {
	case "Skipf", "SkipNow":
		return isTest
	case "Skip":
		return isTest && (len(args) == 0 || !isContext(args[0]))
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == "zap" && slices.Contains([]string{"L", "S", "ReplaceGlobals"}, s.Sel.Name)
}

// isContext recognises t.Context() and a variable named for one.
func isContext(e ast.Expr) bool {
	if call, ok := e.(*ast.CallExpr); ok {
		s, ok := call.Fun.(*ast.SelectorExpr)
		return ok && s.Sel.Name == "Context"
	}
	x, ok := e.(*ast.Ident)
	return ok && x.Name == "ctx"
}

func TestForbiddenCalls(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`t.Skip("no server")`: true, `w.t.Skip()`: true, `testingT.Skipf("no %s", name)`: true, `p.tb.SkipNow()`: true, `tt.Skip(reason)`: true,
		`facts.Skip(t.Context(), id, 1, alice)`: false, `w.facts.Skip(ctx, id)`: false, `zap.L()`: true, `zap.NewNop()`: false, `l.Skip`: false,
	} {
		e, err := parser.ParseExpr(text)
		require.NoError(t, err)
		call, ok := e.(*ast.CallExpr)
		got := ok && forbidden(call.Fun.(*ast.SelectorExpr), call.Args, true)
		require.Equal(t, want, got, text)
	}
}

// defended reports whether a comment says why something is longer than the house likes.
func defended(groups ...*ast.CommentGroup) bool {
	return slices.ContainsFunc(groups, func(g *ast.CommentGroup) bool {
		if g == nil {
			return false
		}
		return slices.ContainsFunc(strings.Split(g.Text(), "\n"), func(line string) bool {
			return strings.HasPrefix(line, "long:")
		})
	})
}
