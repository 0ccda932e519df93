package mysqltest

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// watchdogScript reads "add PID" and "del PID" until every writer of its
// standard input is gone, then kills what is left and removes the folders it was given. It
// lives in a session of its own and ignores the signals a terminal sends, so
// that Ctrl-C cannot take it before the servers.
const watchdogScript = `
trap '' INT TERM HUP QUIT PIPE
pids=
while read -r op pid; do
  case $op in
  add) pids="$pids $pid" ;;
  del) kept=
       for p in $pids; do [ "$p" = "$pid" ] || kept="$kept $p"; done
       pids=$kept ;;
  esac
done
for p in $pids; do kill -9 "$p"; done 2>/dev/null
for try in 1 2 3 4 5 6 7 8 9 10; do
  rm -rf "$@" 2>/dev/null && exit 0
  sleep 0.1
done
exit 1
`

// launcherScript registers the process with the watchdog and then becomes the
// server. The order matters: there is no moment in which a server exists that
// the watchdog does not know. The pipe is closed before the server starts, or
// the watchdog would wait for the servers it has to kill. A file that meets
// Node.LimitFiles is an error to the server, as a full disk is, and not its death.
const launcherScript = `trap '' XFSZ; echo "add $$" >&3; exec 3>&-; exec "$@"`

// watchdog kills the servers of one cluster when this process is gone.
type watchdog struct {
	cmd  *exec.Cmd
	pipe *os.File
}

// startWatchdog starts the shell that owns the folders.
func startWatchdog(dirs ...string) (*watchdog, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("pipe to the watchdog: %w", err)
	}
	defer func() { _ = r.Close() }()
	cmd := exec.Command("/bin/sh", append([]string{"-c", watchdogScript, "mysqltest-watchdog"}, dirs...)...)
	cmd.Stdin = r
	cmd.Dir = "/" // it must not keep anybody's folder busy
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		_ = w.Close()
		return nil, fmt.Errorf("start the watchdog: %w", err)
	}
	return &watchdog{cmd: cmd, pipe: w}, nil
}

// launch returns a command that runs argv under the watchdog, as the
// unprivileged user where there is a choice.
func (w *watchdog) launch(argv []string, as *syscall.Credential) *exec.Cmd {
	args := append([]string{"-c", launcherScript, "mysqltest-launch"}, argv...)
	cmd := exec.Command("/bin/sh", args...)
	cmd.ExtraFiles = []*os.File{w.pipe} // becomes file descriptor 3
	// A process group of its own keeps Ctrl-C for our process alone: it decides
	// what happens to the servers.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as}
	return cmd
}

// forget takes an ended process off the list, because its number may be given
// to somebody else.
func (w *watchdog) forget(pid int) {
	_, _ = fmt.Fprintf(w.pipe, "del %d\n", pid)
}

// end kills everything that is registered, removes the folders and waits for
// that to be done.
func (w *watchdog) end() error {
	_ = w.pipe.Close()
	if err := w.cmd.Wait(); err != nil {
		return fmt.Errorf("watchdog: %w", err)
	}
	return nil
}
