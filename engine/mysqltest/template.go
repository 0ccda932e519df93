package mysqltest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// templateLayout is part of the key of a template: raise it when what is built
// below changes, so that nobody boots from an old one.
const templateLayout = "3"

// runAs is the account servers run under: nil (ourselves) unless we are root,
// in which case mysqld would refuse, and should.
func runAs() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"mysql", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return nil, fmt.Errorf("account %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("running as root and there is neither a user mysql nor a user nobody to run servers as")
}

// template returns the initialised data directory of s, building it when it is
// not there. A lock file makes parallel processes wait for the one that builds.
func template(ctx context.Context, s *server, as *syscall.Credential, logf func(string, ...any)) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(templateLayout + "\n" + s.text + "\n" + strings.Join(s.argv, " ")))
	dir := filepath.Join(cache, fmt.Sprintf("template-%s-%s-%s", s.flavor, s.version, hex.EncodeToString(sum[:4])))
	unlock, err := lockFile(ctx, dir+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	start := time.Now()
	b, err := newBuilder(cache, s, as)
	if err != nil {
		return "", err
	}
	defer func() { _ = b.wd.end() }()
	data := filepath.Join(b.work, "data")
	if err := b.initialise(ctx, data); err != nil {
		return "", fmt.Errorf("initialise a %s %s data directory: %w", s.flavor, s.version, err)
	}
	if err := b.prepare(ctx, data); err != nil {
		return "", fmt.Errorf("prepare a %s %s data directory: %w", s.flavor, s.version, err)
	}
	// A copied server_uuid would make every node the same server.
	if err := os.Remove(filepath.Join(data, "auto.cnf")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("template: %w", err)
	}
	if err := os.Rename(data, dir); err != nil {
		return "", fmt.Errorf("template: %w", err)
	}
	logf("built the %s %s template in %.1fs", s.flavor, s.version, time.Since(start).Seconds())
	return dir, nil
}

// builder makes one template. Its processes and folders are a watchdog's, like
// those of a cluster.
type builder struct {
	s       *server
	as      *syscall.Credential
	work    string // below the cache folder, so that the result can be renamed
	scratch string // below the system's temporary folder, so that the socket's path is short
	wd      *watchdog
}

func newBuilder(cache string, s *server, as *syscall.Credential) (*builder, error) {
	b := &builder{s: s, as: as}
	var err error
	if b.work, err = makeDir(cache, "building-*", as); err != nil {
		return nil, err
	}
	if b.scratch, err = makeDir("", "recycler-init-*", as); err != nil {
		return nil, errors.Join(err, os.RemoveAll(b.work))
	}
	if b.wd, err = startWatchdog(b.work, b.scratch); err != nil {
		return nil, errors.Join(err, os.RemoveAll(b.work), os.RemoveAll(b.scratch))
	}
	return b, nil
}

// initialise runs the flavor's way to make an empty data directory.
func (b *builder) initialise(ctx context.Context, data string) error {
	var argv []string
	s := b.s
	switch {
	case s.flavor == MariaDB:
		script, err := installScript(s)
		if err != nil {
			return err
		}
		argv = []string{script, "--no-defaults", "--datadir=" + data, "--auth-root-authentication-method=normal",
			"--skip-test-db", "--skip-name-resolve", "--innodb-log-file-size=64M"}
	case s.atLeast(5, 7, 6):
		argv = append(append(append([]string{}, s.argv...), "--no-defaults"), s.args...)
		argv = append(argv, "--initialize-insecure", "--datadir="+data)
	default:
		return b.initialise56(ctx, data)
	}
	return b.run(ctx, argv, nil)
}

// run runs one command as the servers' account and quotes its output when it
// fails.
func (b *builder) run(ctx context.Context, argv []string, stdin io.Reader) error {
	cmd := b.wd.launch(argv, b.as)
	cmd.Env = serverEnv(b.s, b.work)
	cmd.Dir = b.work
	cmd.Stdin = stdin
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(argv[0]), err)
	}
	// The whole process group: mariadb-install-db is a shell around the server.
	stop := context.AfterFunc(ctx, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer stop()
	err := cmd.Wait()
	b.wd.forget(cmd.Process.Pid)
	if err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(argv[0]), errors.Join(err, ctx.Err()), tail(out.String()))
	}
	return nil
}

// installScript finds mariadb-install-db next to the server or on the path.
func installScript(s *server) (string, error) {
	root := filepath.Dir(filepath.Dir(s.argv[0]))
	for _, p := range []string{
		filepath.Join(root, "bin", "mariadb-install-db"),
		filepath.Join(root, "scripts", "mariadb-install-db"),
		"mariadb-install-db",
	} {
		if found, err := exec.LookPath(p); err == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("no mariadb-install-db beside %s: %w", s.argv[0], os.ErrNotExist)
}

// prepare boots the new data directory once without a binary log, so that the
// accounts every node needs are nobody's transaction, and shuts it down well,
// so that no copy has to recover.
func (b *builder) prepare(ctx context.Context, data string) error {
	s := b.s
	c := &Cluster{Flavor: s.flavor, Version: s.version, server: s, as: b.as, watchdog: b.wd}
	n := &Node{Name: "template", Dir: b.scratch, Socket: filepath.Join(b.scratch, "s"), cluster: c, dataDir: data}
	n.argv = append(append(append([]string{}, s.argv...), "--no-defaults"), s.args...)
	n.argv = append(n.argv, "--datadir="+data, "--socket="+n.Socket, "--pid-file="+filepath.Join(b.scratch, "pid"),
		"--skip-networking", "--server-id=1", "--secure-file-priv=", "--loose-innodb-log-file-size=64M", "--loose-skip-log-bin", "--loose-mysqlx=OFF")
	defer n.closeDB()
	if err := n.boot(ctx); err != nil {
		return err
	}
	for _, q := range c.dialect().templateAccounts() {
		if err := n.Exec(ctx, q); err != nil {
			_ = n.Kill()
			return err
		}
	}
	return n.Stop()
}

// serverEnv is the environment of a server: ours without what would make it
// read or write somebody else's files.
func serverEnv(s *server, dir string) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "LC_ALL=C", "TZ=" + os.Getenv("TZ")}
	return append(env, s.env...)
}

// lockFile takes an exclusive lock that ends with the process at the latest.
func lockFile(ctx context.Context, path string) (func(), error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("wait for %s: %w", path, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// makeDir makes a folder the servers' account owns.
func makeDir(parent, pattern string, as *syscall.Credential) (string, error) {
	dir, err := os.MkdirTemp(parent, pattern)
	if err != nil {
		return "", fmt.Errorf("make a folder: %w", err)
	}
	if err := errors.Join(os.Chmod(dir, 0o755), own(dir, as)); err != nil {
		return "", fmt.Errorf("make a folder: %w", err)
	}
	return dir, nil
}

// enterable tells whether the servers' account can reach path. Folders of
// testing.T are for their owner only, and root is not who runs the servers.
func enterable(path string, as *syscall.Credential) error {
	for p := path; as != nil && p != "/"; p = filepath.Dir(p) {
		info, err := os.Stat(p)
		if err != nil {
			return err
		}
		owner, ok := info.Sys().(*syscall.Stat_t)
		if ok && owner.Uid != as.Uid && owner.Gid != as.Gid && info.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("the account that runs the servers (uid %d) cannot enter %s: leave the folder to its default, or open that one", as.Uid, p)
		}
	}
	return nil
}

// own gives path to the servers' account.
func own(path string, as *syscall.Credential) error {
	if as == nil {
		return nil
	}
	return os.Lchown(path, int(as.Uid), int(as.Gid))
}

// copyTree copies a data directory. Redo logs and undo spaces of a fresh server
// are almost all zeros, so the copy is sparse and a node costs few megabytes.
func copyTree(from, to string, as *syscall.Credential) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			if err := os.Mkdir(target, 0o750); err != nil {
				return err
			}
		case d.Type().IsRegular():
			if err := copySparse(path, target); err != nil {
				return err
			}
		default:
			return nil // sockets of the template's server
		}
		return own(target, as)
	})
}

// copySparse copies a file and leaves holes where it is zero.
func copySparse(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	const block = 64 << 10
	buf, zero := make([]byte, block), make([]byte, block)
	for at := int64(0); ; {
		n, err := io.ReadFull(in, buf)
		if n > 0 && !bytes.Equal(buf[:n], zero[:n]) {
			if _, err := out.WriteAt(buf[:n], at); err != nil {
				return errors.Join(err, out.Close())
			}
		}
		at += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.Join(out.Truncate(info.Size()), out.Close())
		}
		if err != nil {
			return errors.Join(err, out.Close())
		}
	}
}
