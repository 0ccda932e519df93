package main_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "mysql-recycler"

// mayImport says which of our packages each package may import; "x/…" is x and everything below.
// Engine knows nobody, storage and bot never meet, only cmd knows configs, the sandbox imports
// nothing of ours. A package that is not here is a mistake of whoever made it.
var mayImport = []struct {
	pkg   string
	needs []string
}{
	{"cmd/…", []string{"approvals", "bot/…", "cmd/…", "configs", "engine/…", "storage/…"}},
	{"configs", nil},
	{"approvals", []string{"engine/…"}},
	{"bot", []string{"approvals", "engine/…", "bot/chart"}},
	{"bot/chart", nil},
	{"bot/api", []string{"approvals", "engine/…", "bot", "bot/api/page"}},
	{"bot/api/page", nil},
	{"bot/sandbox/…", []string{"bot/sandbox/…"}},
	{"bot/schedule", []string{"approvals", "engine/…", "bot"}},
	{"bot/slack", []string{"approvals", "engine/…", "bot"}},
	{"storage", []string{"approvals", "engine/…", "storage/…"}},
	{"storage/queue", []string{"approvals", "engine/…", "storage/…"}},
	{"storage/pgtest", nil},
	{"storage/files", nil},
	{"storage/backup", []string{"approvals", "engine/…", "storage/…"}},
	{"engine", []string{"engine/…"}},
	{"engine/mysqltest/…", []string{"engine/mysqltest/…"}},
	// The rooms of the engine: the engine imports them, so they cannot import it.
	{"engine/dbconn", nil},
	{"engine/topology/gtid", nil},
	{"engine/topology", []string{"engine/dbconn", "engine/topology/gtid"}},
	{"engine/tablespace", []string{"engine/dbconn"}},
	{"engine/guard", []string{"engine/dbconn", "engine/topology/…"}},
	{"engine/throttle", []string{"engine/dbconn", "engine/topology/…", "engine/tablespace"}},
	{"engine/rebuild", []string{"engine/dbconn", "engine/topology/…", "engine/tablespace", "engine/throttle"}},
	{"engine/plugin", []string{"engine/dbconn", "engine/topology/…", "engine/guard", "engine/rebuild", "engine/throttle"}},
}

// realParts are what tests use besides: they boot servers and a workspace instead of mocks. They
// reach a release through the demo only.
var realParts = []string{"engine/mysqltest/…", "bot/sandbox/…"}

// onRealFile reports whether a test may use the real database: those of the packages that state
// what it must do. The bot's may not, for storage and bot never meet.
func onRealFile(name, dep string) bool {
	return within(name, []string{"approvals", "engine"}) && within(dep, []string{"approvals", "storage/…"})
}

type listed struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func TestImportRules(t *testing.T) {
	t.Parallel()
	packages := list(t)
	require.Greater(t, len(packages), 10)
	for _, p := range packages {
		name := ours(p.ImportPath)
		allowed, known := rule(name)
		if !known {
			t.Errorf("%s has no import rule", name)
			continue
		}
		for _, i := range p.Imports {
			if dep := ours(i); dep != "" && !within(dep, allowed) {
				t.Errorf("%s imports %s", name, dep)
			}
			if dep := ours(i); within(dep, realParts) && !within(name, []string{"cmd/…"}) && !within(name, realParts) {
				t.Errorf("%s imports %s outside its tests", name, dep)
			}
		}
		if within(name, []string{"bot/sandbox/…"}) {
			continue // its tests import nothing of ours either
		}
		for _, i := range append(p.TestImports, p.XTestImports...) {
			dep := ours(i)
			if dep != "" && dep != name && !within(dep, allowed) && !within(dep, realParts) && !onRealFile(name, dep) {
				t.Errorf("a test of %s imports %s", name, dep)
			}
		}
	}
}

// TestSandboxIsAlone holds that the fake workspace shares no type with the bot: a fake that
// imports what it is to test agrees with every mistake in it.
func TestSandboxIsAlone(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		if !within(ours(p.ImportPath), []string{"bot/sandbox/…"}) {
			continue
		}
		for _, i := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if dep := ours(i); dep != "" && !within(dep, []string{"bot/sandbox/…"}) {
				t.Errorf("%s imports %s", ours(p.ImportPath), dep)
			}
			if i == "github.com/slack-go/slack" && !slices.Contains(append(p.TestImports, p.XTestImports...), i) {
				t.Errorf("%s imports the client it is to test", ours(p.ImportPath))
			}
		}
	}
}

// moduleRow is a row of the table of dependencies.
var moduleRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| [^|]+ \\| [^|]+ \\|$")

// TestDependenciesHaveReasons compares the modules imported here with the table in
// CONTRIBUTING.md, in both directions.
func TestDependenciesHaveReasons(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root(t), "CONTRIBUTING.md"))
	require.NoError(t, err)
	used := map[string]bool{}
	for _, row := range moduleRow.FindAllStringSubmatch(string(text), -1) {
		used[row[1]] = false
	}
	require.NotEmpty(t, used)
	for _, p := range list(t) {
		for _, i := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if first, _, _ := strings.Cut(i, "/"); !strings.Contains(first, ".") {
				continue // the standard library, or ours
			}
			module := longest(used, i)
			if module == "" {
				t.Errorf("%s, imported by %s, has no reason in CONTRIBUTING.md", i, ours(p.ImportPath))
				continue
			}
			used[module] = true
		}
	}
	for module, is := range used {
		if !is {
			t.Errorf("CONTRIBUTING.md gives a reason for %s, which nothing imports", module)
		}
	}
}

// longest finds the module of a package: the longest name that begins its path.
func longest(modules map[string]bool, path string) string {
	best := ""
	for m := range modules {
		if (path == m || strings.HasPrefix(path, m+"/")) && len(m) > len(best) {
			best = m
		}
	}
	return best
}

// list asks the go command for every package of the module.
func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = root(t)
	out, err := cmd.Output()
	require.NoError(t, err)
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all = append(all, p)
	}
}

// root is the folder of go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(dir, "go.mod"))
	return dir
}

// ours strips the module path; "" is somebody else's package.
func ours(path string) string {
	name, found := strings.CutPrefix(path, module+"/")
	if !found {
		return ""
	}
	return name
}

func rule(name string) ([]string, bool) {
	for _, r := range mayImport {
		if within(name, []string{r.pkg}) {
			return r.needs, true
		}
	}
	return nil, false
}

// within reports whether a package is one of a list of packages and trees.
func within(name string, list []string) bool {
	for _, l := range list {
		tree, isTree := strings.CutSuffix(l, "/…")
		if name == tree || (isTree && strings.HasPrefix(name, tree+"/")) {
			return true
		}
	}
	return false
}
