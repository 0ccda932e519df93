package mysqltest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// recorder is a TB that survives Fatalf.
type recorder struct{ fatal string }

func (*recorder) Helper()                     {}
func (*recorder) Cleanup(func())              {}
func (*recorder) Logf(string, ...any)         {}
func (r *recorder) Fatalf(f string, a ...any) { r.fatal = fmt.Sprintf(f, a...) }

func TestMissingServerFailsWithTheInstallCommand(t *testing.T) {
	t.Setenv(EnvCache, t.TempDir())
	t.Setenv(EnvServers, "")
	for _, f := range []Flavor{MySQL, MySQL56} {
		var r recorder
		MustStart(&r, Options{Flavor: f})
		require.Contains(t, r.fatal, "go run ./engine/mysqltest/install "+string(f))
	}
}

func TestParseShape(t *testing.T) {
	t.Parallel()
	for shape, want := range map[string][]int{
		"":       {none},
		"1":      {none},
		"1+1":    {none, 0},
		"1+2":    {none, 0, 0},
		"chain3": {none, 0, 1},
		"demo":   {none, 0, 0, 2},
		"tree7":  {none, 0, 0, 1, 1, 2, 2},
		"dual":   {1, 0},
		"ring3":  {2, 0, 1},
	} {
		got, err := parseShape(shape)
		require.NoError(t, err, shape)
		require.Equal(t, want, got, shape)
	}
	for _, shape := range []string{"2", "tree", "tree0", "1+", "1+64", "ringx", "star"} {
		_, err := parseShape(shape)
		require.Error(t, err, shape)
	}
}

func TestVersionAtLeast(t *testing.T) {
	t.Parallel()
	require.True(t, versionAtLeast("8.0.23", 8, 0, 23))
	require.True(t, versionAtLeast("26.7.0", 8, 0, 23))
	require.True(t, versionAtLeast("8.4.0-log", 8, 0, 23))
	require.False(t, versionAtLeast("8.0.22", 8, 0, 23))
	require.False(t, versionAtLeast("5.7.42", 8, 0, 0))
}

func TestDebianArchivesOfBothFormats(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "sources.list.d"), 0o755))
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o600))
	}
	_, err := debianArchives(root)
	require.ErrorContains(t, err, EnvServers, "an error says what else can be done")

	write("sources.list", "# deb http://commented.test/debian sid main\n"+
		"deb-src http://source.test/debian sid main\n"+
		"deb [arch=amd64 signed-by=/keys/a.gpg] http://one.test/debian/ stable main # ours\n"+
		"deb http://two.test/debian stable main\n"+
		"deb http://two.test/debian stable-updates main\n"+
		"deb http://two.test/debian-security stable-security main\n")
	write("sources.list.d/debian.sources", "Types: deb deb-src\n# a comment\nURIs: http://three.test/debian\n http://four.test/debian\n"+
		"Suites: stable\nSigned-By: /keys/b.gpg\n\nTypes: deb\nEnabled: no\nURIs: http://off.test/debian\n\n"+
		"Types: deb\nURIs: http://five.test/debian\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQ==\n")
	got, err := debianArchives(root)
	require.NoError(t, err)
	require.Equal(t, []archive{
		{"http://one.test/debian/", "/keys/a.gpg"},
		{"http://two.test/debian", debianKeyring},
		{"http://three.test/debian", "/keys/b.gpg"},
		{"http://four.test/debian", "/keys/b.gpg"},
		{"http://five.test/debian", debianKeyring},
	}, got)
}

func TestAddressesOfParallelClustersDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 30 {
		a, err := reserveAddresses(3)
		require.NoError(t, err)
		defer a.release()
		key := fmt.Sprint(a.net, a.port)
		require.False(t, seen[key])
		seen[key] = true
		require.NotEqual(t, 3306, a.port)
	}
}

func TestCopySparseKeepsContentAndSize(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	content := make([]byte, 300<<10) // zeros to the end, data in the middle
	copy(content[100<<10:], "data")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), content, 0o600))
	require.NoError(t, copySparse(filepath.Join(dir, "a"), filepath.Join(dir, "b")))
	got, err := os.ReadFile(filepath.Join(dir, "b"))
	require.NoError(t, err)
	require.Equal(t, content, got)
}
