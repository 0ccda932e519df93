package mysqltest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Flavor is the family of a server: what it is called, installed by and spoken
// to in.
type Flavor string

// The flavors that Install can provide.
const (
	MariaDB Flavor = "mariadb" // the distribution's MariaDB
	MySQL   Flavor = "mysql"   // MySQL 8.0 and later; Install gives 9.x
	MySQL56 Flavor = "mysql56" // MySQL 5.6 and 5.7: the old words, SHOW SLAVE STATUS
)

// EnvServers names the environment variable that overrides the server binary:
// one path of a mysqld or mariadbd, or several with commas between.
const EnvServers = "RECYCLER_MYSQLD"

// EnvCache names the environment variable that overrides the cache folder. It
// has to be one that the account servers run as can enter.
const EnvCache = "RECYCLER_CACHE"

// MissingServerError says that there is no server binary of a flavor and how to
// get one.
type MissingServerError struct{ Flavor Flavor }

// Error implements error and carries the command, because tests print only it.
func (e *MissingServerError) Error() string { return e.Sentence() + "; " + e.Hint() }

// Sentence says what is missing.
func (e *MissingServerError) Sentence() string {
	return fmt.Sprintf("no %s server binary on this machine", e.Flavor)
}

// Hint is the command that installs it.
func (e *MissingServerError) Hint() string {
	return fmt.Sprintf("install it with: go run ./engine/mysqltest/install %s (or set %s=/path/to/mysqld)", e.Flavor, EnvServers)
}

// server is a binary that can be run.
type server struct {
	flavor  Flavor
	version string   // "10.11.19"
	text    string   // the whole line of --version, part of the template's key
	argv    []string // the binary, behind its own loader where it has one
	args    []string // where the binary finds its messages, character sets and plugins
	env     []string // added to the environment
}

// versionNumber finds 10.11.19 in the line that --version prints. Some builds
// print "Ver 15.1 Distrib 10.5" in clients; servers always print "Ver X.Y.Z".
var versionNumber = regexp.MustCompile(`Ver (\d+\.\d+\.\d+)`)

// inspect runs --version and fills version, text and flavor. The flavor comes
// from the text, never from the number: MySQL 26.7 is not MariaDB.
func (s *server) inspect(ctx context.Context) error {
	argv := append(append([]string{}, s.argv[1:]...), "--no-defaults", "--version")
	cmd := exec.CommandContext(ctx, s.argv[0], argv...)
	cmd.Env = append(os.Environ(), s.env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("run %s --version: %w: %s", s.argv[len(s.argv)-1], err, tail(string(out)))
	}
	s.text = strings.TrimSpace(string(out))
	m := versionNumber.FindStringSubmatch(s.text)
	if m == nil {
		return fmt.Errorf("run %s --version: no version in %q", s.argv[len(s.argv)-1], s.text)
	}
	s.version = m[1]
	switch {
	case strings.Contains(strings.ToLower(s.text), "mariadb"):
		s.flavor = MariaDB
	case s.atLeast(8, 0, 0):
		s.flavor = MySQL
	default:
		s.flavor = MySQL56
	}
	return nil
}

// atLeast compares the server's version.
func (s *server) atLeast(major, minor, patch int) bool {
	return versionAtLeast(s.version, major, minor, patch)
}

// versionAtLeast tells whether version ("8.0.23", anything may follow) is not
// older than the numbers.
func versionAtLeast(version string, want ...int) bool {
	fields := strings.FieldsFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	for i, w := range want {
		if i >= len(fields) {
			return w == 0
		}
		if n, err := strconv.Atoi(fields[i]); err != nil || n != w {
			return err == nil && n > w
		}
	}
	return true
}

// Matrix returns one Options per server that tests should run on: the flavors
// given, or, when RECYCLER_MYSQLD is set, one per path in it.
func Matrix(flavors ...Flavor) []Options {
	var out []Options
	for _, p := range envServers() {
		out = append(out, Options{Binary: p})
	}
	if out != nil {
		return out
	}
	for _, f := range flavors {
		out = append(out, Options{Flavor: f})
	}
	return out
}

func envServers() []string {
	return strings.FieldsFunc(os.Getenv(EnvServers), func(r rune) bool { return r == ',' || r == ' ' })
}

// findServer chooses the binary for o: o.Binary, else the first of
// RECYCLER_MYSQLD of the right flavor, else what is installed.
func findServer(ctx context.Context, o Options) (*server, error) {
	if o.Binary != "" {
		s := plainServer(o.Binary)
		return s, s.inspect(ctx)
	}
	for _, p := range envServers() {
		s := plainServer(p)
		if err := s.inspect(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", EnvServers, err)
		}
		if s.flavor == o.Flavor {
			return s, nil
		}
	}
	s, err := installedServer(ctx, o.Flavor)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &MissingServerError{Flavor: o.Flavor}
	}
	return s, err
}

// plainServer is a binary that needs nothing but its path.
func plainServer(path string) *server { return &server{argv: []string{path}} }

// installedServer finds what Install provides; os.ErrNotExist when there is
// nothing.
func installedServer(ctx context.Context, f Flavor) (*server, error) {
	switch f {
	case MariaDB:
		for _, name := range []string{"mariadbd", "/usr/sbin/mariadbd", "/usr/libexec/mariadbd", "/usr/local/sbin/mariadbd"} {
			if p, err := exec.LookPath(name); err == nil {
				s := plainServer(p)
				return s, s.inspect(ctx)
			}
		}
		return nil, os.ErrNotExist
	case MySQL, MySQL56:
		return cachedServer(ctx, f)
	}
	return nil, fmt.Errorf("unknown flavor %q: use %s, %s or %s", f, MariaDB, MySQL, MySQL56)
}

// cacheDir is where templates and unpacked servers are kept. Root's own cache
// folder cannot be entered by the unprivileged user who runs the servers, so
// root uses the machine's.
func cacheDir() (string, error) {
	dir := os.Getenv(EnvCache)
	if dir == "" {
		parent := "/var/cache"
		if os.Geteuid() != 0 {
			var err error
			if parent, err = os.UserCacheDir(); err != nil {
				return "", fmt.Errorf("find the cache folder: %w", err)
			}
		}
		dir = filepath.Join(parent, "mysql-recycler")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the cache folder: %w", err)
	}
	return dir, nil
}

// tail is the end of a log or of a command's output, short enough to quote.
func tail(text string) string {
	const lines = 15
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
