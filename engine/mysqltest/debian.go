package mysqltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// privateApt is an apt that knows one mirror and one suite, keeps its lists in a
// folder of ours and believes that nothing is installed. The machine's own
// configuration stays in force (proxies, credentials); its own state is not
// touched.
type privateApt struct {
	dir  string // lists, cache, configuration
	conf string
}

// aptConf is read after the machine's configuration. The hooks are cleared
// because they belong to the machine's package database.
const aptConf = `
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Architectures;
#clear APT::Default-Release;
Dir::State "%[1]s/state";
Dir::State::lists "%[1]s/state/lists";
Dir::State::status "/dev/null";
Dir::Cache "%[1]s/cache";
Dir::Etc::sourcelist "%[1]s/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Check-Valid-Until "true";
`

// newPrivateApt writes the configuration into dir and fetches the suite's index.
func newPrivateApt(ctx context.Context, dir, suite string, a archive) (*privateApt, error) {
	for _, d := range []string{"state/lists/partial", "cache/archives/partial", "debs"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	p := &privateApt{dir: dir, conf: filepath.Join(dir, "apt.conf")}
	list := fmt.Sprintf("deb [signed-by=%s target=Packages] %s %s main\n", a.signedBy, a.uri, suite)
	err := errors.Join(
		os.WriteFile(p.conf, fmt.Appendf(nil, aptConf, dir), 0o644),
		os.WriteFile(filepath.Join(dir, "sources.list"), []byte(list), 0o644))
	if err != nil {
		return nil, err
	}
	_, err = p.run(ctx, "update", "-q", "--error-on=any")
	return p, err
}

// run is apt-get with our configuration.
func (p *privateApt) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-c", p.conf}, args...)...)
	cmd.Dir = filepath.Join(p.dir, "debs")
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("apt-get %s: %w: %s", args[0], err, tail(errs.String()))
	}
	return out.String(), nil
}

// unneeded are packages a server does not load anything from: maintainer
// scripts' tools and the like.
var unneeded = []string{"perl", "libperl", "gcc-", "debconf", "adduser", "passwd", "dpkg", "tar", "libdb5", "libgdbm"}

// unpack downloads packages with everything they depend on and extracts them
// into root. Nothing is installed and no maintainer script runs.
func (p *privateApt) unpack(ctx context.Context, root string, packages ...string) error {
	plan, err := p.run(ctx, append([]string{"install", "-s"}, packages...)...)
	if err != nil {
		return err
	}
	var names []string
	for line := range strings.Lines(plan) {
		fields := strings.Fields(line)
		if len(fields) > 1 && fields[0] == "Inst" && !hasAnyPrefix(fields[1], unneeded) {
			names = append(names, fields[1])
		}
	}
	if _, err := p.run(ctx, append([]string{"download", "-q"}, names...)...); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(p.dir, "debs", "*.deb"))
	if err != nil {
		return err
	}
	for _, deb := range debs {
		if out, err := exec.CommandContext(ctx, "dpkg", "-x", deb, root).CombinedOutput(); err != nil {
			return fmt.Errorf("dpkg -x %s: %w: %s", filepath.Base(deb), err, tail(string(out)))
		}
	}
	return nil
}

func hasAnyPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// mysqlDir is the unpacked MySQL in the cache folder.
const mysqlDir = "mysql-server"

// installMySQL unpacks MySQL from Debian's unstable suite, which is the one that
// has it, from a mirror the machine already uses; apt checks the signatures with
// the Debian keyring. It needs no root.
func installMySQL(ctx context.Context) error {
	archives, err := debianArchives("/etc/apt")
	if err != nil {
		return err
	}
	return installOnce(ctx, mysqlDir, func(work string) (string, error) {
		var failures error
		for i, a := range archives {
			root := filepath.Join(work, fmt.Sprint("root", i))
			apt, err := newPrivateApt(ctx, filepath.Join(work, fmt.Sprint("apt", i)), "sid", a)
			if err == nil {
				err = apt.unpack(ctx, root, "mysql-server-core")
			}
			if err != nil {
				failures = errors.Join(failures, err)
				continue
			}
			kept := filepath.Join(work, "kept")
			return kept, keepServer(ctx, root, kept)
		}
		return "", fmt.Errorf("fetch mysql: %w", failures)
	})
}

// unpackedServer describes a MySQL that dpkg -x left in root: it runs through
// the C library and loader it was built for.
func unpackedServer(root string) (*server, error) {
	loaders, err := filepath.Glob(filepath.Join(root, "usr/lib/*/ld-linux-*.so.*"))
	if err != nil {
		return nil, err
	}
	if len(loaders) == 0 {
		return nil, os.ErrNotExist
	}
	libs := filepath.Dir(loaders[0]) + ":" + filepath.Join(root, "usr/lib/mysql/private")
	return &server{
		argv: []string{loaders[0], "--library-path", libs, filepath.Join(root, "usr/sbin/mysqld")},
		args: []string{
			"--lc-messages-dir=" + filepath.Join(root, "usr/share/mysql"),
			"--character-sets-dir=" + filepath.Join(root, "usr/share/mysql/charsets"),
			"--plugin-dir=" + filepath.Join(root, "usr/lib/mysql/plugin"),
		},
	}, nil
}

// keepServer copies from root to kept what the server needs to run: itself, its
// plugins, the messages, and the libraries the loader says these use.
func keepServer(ctx context.Context, root, kept string) error {
	s, err := unpackedServer(root)
	if err != nil {
		return fmt.Errorf("the packages hold no loader: %w", err)
	}
	keep := []string{s.argv[0], s.argv[3]}
	objects := []string{s.argv[3]}
	for _, dir := range []string{"usr/lib/mysql", "usr/share/mysql"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && !strings.Contains(path, "/mysql-test/") {
				keep = append(keep, path)
				if strings.Contains(path, ".so") {
					objects = append(objects, path)
				}
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	for i, object := range objects {
		out, err := exec.CommandContext(ctx, s.argv[0], "--library-path", s.argv[2], "--list", object).Output()
		if err != nil && i == 0 {
			return fmt.Errorf("list the libraries of mysqld: %w", err)
		}
		keep = append(keep, libraries(string(out), root)...)
	}
	for _, path := range keep {
		target := filepath.Join(kept, strings.TrimPrefix(path, root))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := copyExecutable(path, target); err != nil {
			return err
		}
	}
	return nil
}

// libraries reads "libx.so.1 => /path/libx.so.1 (0x…)" lines and returns the
// paths below root.
func libraries(listing, root string) []string {
	var out []string
	for line := range strings.Lines(listing) {
		for _, field := range strings.Fields(line) {
			if strings.HasPrefix(field, root+"/") {
				out = append(out, field)
			}
		}
	}
	return out
}

// copyExecutable copies what path leads to, once, readable by everybody.
func copyExecutable(from, to string) error {
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	if err := copySparse(from, to); err != nil {
		return err
	}
	return os.Chmod(to, 0o755)
}
