package mysqltest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Installed tells which server of a flavor is there, as "version path". It is a
// *MissingServerError when there is none.
func Installed(ctx context.Context, f Flavor) (string, error) {
	s, err := installedServer(ctx, f)
	if errors.Is(err, os.ErrNotExist) {
		return "", &MissingServerError{Flavor: f}
	}
	if err != nil {
		return "", err
	}
	return s.version + " " + s.argv[len(s.argv)-1], nil
}

// Install provides the server binary of a flavor and does nothing when it is
// there. No flavor ever becomes a running service of the machine.
func Install(ctx context.Context, f Flavor) error {
	if _, err := Installed(ctx, f); err == nil {
		return nil
	}
	switch f {
	case MariaDB:
		return installMariaDB(ctx)
	case MySQL:
		return installMySQL(ctx)
	case MySQL56:
		return installMySQL56(ctx)
	}
	return fmt.Errorf("unknown flavor %q: use %s, %s or %s", f, MariaDB, MySQL, MySQL56)
}

// installOnce runs unpack, which returns a finished folder below work, and moves
// that folder to its place in the cache. Parallel processes wait for the first;
// a half-unpacked server is never seen.
func installOnce(ctx context.Context, name string, unpack func(work string) (string, error)) error {
	cache, err := cacheDir()
	if err != nil {
		return err
	}
	final := filepath.Join(cache, name)
	unlock, err := lockFile(ctx, final+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(final); err == nil {
		return nil // another process was quicker
	}
	work, err := makeDir(cache, "unpacking-*", nil)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	ready, err := unpack(work)
	if err != nil {
		return err
	}
	return os.Rename(ready, final)
}

// mariadbScript installs the distribution's server. While a policy-rc.d says
// 101, package scripts start no service; where systemd runs, the service is
// also kept from coming up with the next boot. The core packages have no
// service at all and are tried first; older suites do not have them.
const mariadbScript = `
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  trap 'exit 1' INT TERM
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
fi
export DEBIAN_FRONTEND=noninteractive
get() { apt-get install -y -q --no-install-recommends "$@"; }
core="mariadb-server-core mariadb-client-core"
get $core || { apt-get update -q && { get $core || get mariadb-server; }; }
if [ -d /run/systemd/system ] && systemctl cat mariadb >/dev/null 2>&1 && ! systemctl is-active -q mariadb; then
  systemctl disable -q mariadb
fi
`

// installMariaDB runs the script as root, through sudo when we are not.
func installMariaDB(ctx context.Context) error {
	argv := []string{"/bin/sh", "-c", mariadbScript}
	if os.Geteuid() != 0 {
		sudo, err := exec.LookPath("sudo")
		if err != nil {
			return errors.New("installing packages needs root and there is no sudo; run as root: apt-get install mariadb-server-core mariadb-client-core")
		}
		argv = append([]string{sudo, "-n"}, argv...)
	}
	if out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("install mariadb-server-core with apt-get: %w: %s", err, tail(string(out)))
	}
	return nil
}
