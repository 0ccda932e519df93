package mysqltest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
)

// stopTimeout is how long a server may take to shut down well.
const stopTimeout = 30 * time.Second

// Node is one server. Its exported fields are set by Start; Source is changed by
// Promote and Demote only.
type Node struct {
	Name     string // "db-prod-1", the order of Cluster.Nodes
	Host     string // a loopback address of its own
	Port     int    // the same on all nodes of a cluster
	ServerID uint32
	Socket   string // path of the unix socket
	Dir      string // folder of the node: data, temporary files, logs
	Source   *Node  // whom it replicates from; nil for the primary

	cluster  *Cluster
	dataDir  string
	argv     []string // the server's command line without what can change
	mu       sync.Mutex
	readOnly bool
	proc     *process
	db       *sql.DB
}

// process is one run of a server.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	err  error         // how it ended; valid after done
}

// Addr is host:port.
func (n *Node) Addr() string { return n.Host + ":" + strconv.Itoa(n.Port) }

// Version is the server's version, for example "10.11.19".
func (n *Node) Version() string { return n.cluster.Version }

// DB is a pool of root connections over the unix socket, with several
// statements per query allowed. It is closed by Cluster.Stop.
func (n *Node) DB() *sql.DB {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.db == nil {
		cfg := n.config("root", "")
		cfg.Net, cfg.Addr, cfg.MultiStatements = "unix", n.Socket, true
		connector, err := mysql.NewConnector(cfg)
		if err != nil {
			panic(err) // the configuration above is constant: this is our mistake
		}
		n.db = sql.OpenDB(connector)
	}
	return n.db
}

// DSN is the driver's connection string of an account over TCP.
func (n *Node) DSN(user, pass string) string {
	cfg := n.config(user, pass)
	cfg.Net, cfg.Addr = "tcp", n.Addr()
	return cfg.FormatDSN()
}

func (n *Node) config(user, pass string) *mysql.Config {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd = user, pass
	cfg.ParseTime = true
	cfg.Logger = &mysql.NopLogger{} // connections to killed servers are no news here
	return cfg
}

// Exec runs one query as root; several statements may be in it.
func (n *Node) Exec(ctx context.Context, query string, args ...any) error {
	if _, err := n.DB().ExecContext(ctx, query, args...); err != nil {
		return fmt.Errorf("%s: %s: %w", n.Name, short(query), err)
	}
	return nil
}

// short is the beginning of a query, enough to recognise it in an error. The
// rest may hold a password.
func short(query string) string {
	const keep = 40
	if len(query) > keep {
		return query[:keep] + "…"
	}
	return query
}

// Pid is the process id of the running server, 0 when it is down.
func (n *Node) Pid() int {
	if p := n.running(); p != nil {
		return p.cmd.Process.Pid
	}
	return 0
}

// running returns the live process or nil.
func (n *Node) running() *process {
	n.mu.Lock()
	p := n.proc
	n.mu.Unlock()
	if p == nil {
		return nil
	}
	select {
	case <-p.done:
		return nil
	default:
		return p
	}
}

// boot starts the server and waits until it answers.
func (n *Node) boot(ctx context.Context) error {
	if n.running() != nil {
		return fmt.Errorf("%s runs already", n.Name)
	}
	logFile, err := os.OpenFile(n.errorLog(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("boot %s: %w", n.Name, err)
	}
	defer func() { _ = logFile.Close() }()
	cmd := n.cluster.watchdog.launch(append(append([]string{}, n.argv...), n.readOnlyArgs()...), n.cluster.as)
	cmd.Dir = n.Dir
	cmd.Env = serverEnv(n.cluster.server, n.Dir)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("boot %s: %w", n.Name, err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	n.cluster.processes.Go(func() {
		p.err = cmd.Wait()
		n.cluster.watchdog.forget(cmd.Process.Pid)
		close(p.done)
	})
	n.mu.Lock()
	n.proc = p
	n.mu.Unlock()
	return n.waitUp(ctx, p)
}

// waitUp polls until the server answers or its process ends.
func (n *Node) waitUp(ctx context.Context, p *process) error {
	for {
		if n.DB().PingContext(ctx) == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("boot %s: the server ended (%w); end of its log:\n%s", n.Name, p.err, n.logTail())
		case <-ctx.Done():
			return fmt.Errorf("boot %s: no answer (%w); end of its log:\n%s", n.Name, context.Cause(ctx), n.logTail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (n *Node) errorLog() string   { return filepath.Join(n.Dir, "error.log") }
func (n *Node) generalLog() string { return filepath.Join(n.Dir, "general.log") }

func (n *Node) logTail() string {
	text, err := os.ReadFile(n.errorLog())
	if err != nil {
		return err.Error()
	}
	return tail(string(text))
}

// readOnlyArgs makes a restarted server as read-only as the cluster last made it.
func (n *Node) readOnlyArgs() []string {
	if !n.readOnly {
		return nil
	}
	return []string{"--read-only=1", "--loose-super-read-only=1"}
}

// GeneralLog is the text of the general query log so far. It needs
// Options.GeneralLog.
func (n *Node) GeneralLog() (string, error) {
	text, err := os.ReadFile(n.generalLog())
	if err != nil {
		return "", fmt.Errorf("general log of %s: %w", n.Name, err)
	}
	return string(text), nil
}

// ErrorLog is the text of the server's own log so far.
func (n *Node) ErrorLog() (string, error) {
	text, err := os.ReadFile(n.errorLog())
	if err != nil {
		return "", fmt.Errorf("error log of %s: %w", n.Name, err)
	}
	return string(text), nil
}

// Kill is kill -9, and waits until the process is gone. A server that is down
// already is no error.
func (n *Node) Kill() error {
	p := n.running()
	if p == nil {
		return nil
	}
	if err := p.signal(syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %s: %w", n.Name, err)
	}
	<-p.done
	return nil
}

// Stop shuts the server down well. After 30 s it is killed and that is an error.
func (n *Node) Stop() error {
	p := n.running()
	if p == nil {
		return nil
	}
	if err := p.signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop %s: %w", n.Name, err)
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(stopTimeout):
		return errors.Join(fmt.Errorf("stop %s: still running after %s", n.Name, stopTimeout), n.Kill())
	}
}

// Restart stops the server if it runs and boots it again on the same data.
// Replication goes on by itself.
func (n *Node) Restart(ctx context.Context) error {
	if err := n.Stop(); err != nil {
		return err
	}
	return n.boot(ctx)
}

// Pause stops the server's process (SIGSTOP): connections stay open and nothing
// answers, like a host that hangs. It returns when no thread runs any more.
func (n *Node) Pause() error {
	if err := n.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	pid := n.Pid()
	if err := poll(ctx, func() (bool, error) { return stopped(pid) }); err != nil {
		return fmt.Errorf("pause %s: %w", n.Name, err)
	}
	return nil
}

// stopped tells whether every thread of a process has taken a stop signal.
func stopped(pid int) (bool, error) {
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(stats) == 0 {
		return false, err
	}
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			return false, err // the thread has just ended
		}
		// The state follows the name of the thread, which may hold anything.
		after := text[bytes.LastIndexByte(text, ')')+1:]
		if fields := bytes.Fields(after); len(fields) == 0 || string(fields[0]) != "T" {
			return false, nil
		}
	}
	return true, nil
}

// Continue undoes Pause.
func (n *Node) Continue() error { return n.signal(syscall.SIGCONT) }

func (n *Node) signal(s syscall.Signal) error {
	p := n.running()
	if p == nil {
		return fmt.Errorf("%s: send %s: the server is down", n.Name, s)
	}
	if err := p.signal(s); err != nil {
		return fmt.Errorf("%s: send %s: %w", n.Name, s, err)
	}
	return nil
}

// signal treats a process that has just ended as signalled.
func (p *process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

func (n *Node) closeDB() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.db != nil {
		_ = n.db.Close()
		n.db = nil
	}
}
