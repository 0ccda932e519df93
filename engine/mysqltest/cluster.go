package mysqltest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options say what to boot. The zero value is one MariaDB server.
type Options struct {
	Flavor     Flavor             // Defaults to MariaDB.
	Shape      string             // "1", "1+N", "chainN", "treeN", "ringN", "dual", "demo". Defaults to "1".
	Dir        string             // Parent of the cluster's folder. Defaults to the system's folder for temporary files.
	Binary     string             // Path of a mysqld; its --version then decides the flavor. Defaults to RECYCLER_MYSQLD or what is installed.
	ServerArgs []string           // Added to every server's command line, last, so they win.
	GeneralLog bool               // Write the general query log to a file per node, see Node.GeneralLog.
	Durable    bool               // Doublewrite buffer and a synced log on every commit, as in production. Defaults to the fast setting.
	ReportHost func(i int) string // report_host of node i, "" for none. Defaults to the node's address.
	Log        func(format string, args ...any)
}

func (o Options) withDefaults() Options {
	if o.Flavor == "" {
		o.Flavor = MariaDB
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	return o
}

// TB is the part of *testing.T that MustStart needs.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(f func())
	Logf(format string, args ...any)
}

// Cluster is a running topology. Nodes[0] is the primary as it was booted.
type Cluster struct {
	Flavor  Flavor
	Version string // of the servers, for example "10.11.19"
	Nodes   []*Node
	Dir     string // holds a folder per node; removed by Stop

	opts      Options
	server    *server
	as        *syscall.Credential
	addresses *addresses
	watchdog  *watchdog
	processes sync.WaitGroup // one goroutine per live server, waiting for its end
	stop      sync.Once
	stopErr   error
}

// Start boots a topology and returns when all replicas replicate. It returns a
// *MissingServerError when there is no binary. Call Stop in the end; when that
// never happens the servers still die with this process.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	o = o.withDefaults()
	sources, err := parseShape(o.Shape)
	if err != nil {
		return nil, err
	}
	s, err := findServer(ctx, o)
	if err != nil {
		return nil, err
	}
	as, err := runAs()
	if err != nil {
		return nil, err
	}
	tmpl, err := template(ctx, s, as, o.Log)
	if err != nil {
		return nil, err
	}
	c := &Cluster{Flavor: s.flavor, Version: s.version, opts: o, server: s, as: as}
	if c.opts.Dir, err = absolute(o.Dir); err != nil {
		return nil, err
	}
	if err := c.reserve(len(sources)); err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := c.bootAll(ctx, sources, tmpl); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	o.Log("%d %s %s servers up and replicating in %.1fs on port %d", len(c.Nodes), c.Flavor, c.Version,
		time.Since(begin).Seconds(), c.addresses.port)
	return c, nil
}

// MustStart is Start for tests: it fails the test, with the command to install a
// missing server, and stops the cluster when the test ends.
func MustStart(t TB, o Options) *Cluster {
	t.Helper()
	if o.Log == nil {
		o.Log = t.Logf
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c, err := Start(ctx, o)
	if err != nil {
		t.Fatalf("start a %s cluster: %v", o.withDefaults().Flavor, err)
		return nil
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Logf("stop the cluster: %v", err)
		}
	})
	return c
}

// reserve takes the folder, the addresses and the watchdog.
func (c *Cluster) reserve(nodes int) error {
	var err error
	if c.addresses, err = reserveAddresses(nodes); err != nil {
		return err
	}
	if c.Dir, err = makeDir(c.opts.Dir, "recycler-*", c.as); err != nil {
		c.addresses.release()
		return err
	}
	if err = enterable(c.Dir, c.as); err == nil {
		c.watchdog, err = startWatchdog(c.Dir)
	}
	if err != nil {
		c.addresses.release()
		return errors.Join(err, os.RemoveAll(c.Dir))
	}
	return nil
}

// bootAll makes the nodes, boots them together and connects them.
func (c *Cluster) bootAll(ctx context.Context, sources []int, tmpl string) error {
	for i := range sources {
		c.Nodes = append(c.Nodes, c.newNode(i, sources[i] == none))
	}
	for i, s := range sources {
		if s != none {
			c.Nodes[i].Source = c.Nodes[s]
		}
	}
	// In a ring somebody has to take the writes.
	c.Nodes[0].readOnly = false
	boots, bootCtx := errgroup.WithContext(ctx)
	for _, n := range c.Nodes {
		boots.Go(func() error {
			if err := c.makeNode(n, tmpl); err != nil {
				return fmt.Errorf("make %s: %w", n.Name, err)
			}
			return n.boot(bootCtx)
		})
	}
	if err := boots.Wait(); err != nil {
		return err
	}
	follows, followCtx := errgroup.WithContext(ctx)
	for _, n := range c.Nodes {
		if n.Source != nil {
			follows.Go(func() error { return c.follow(followCtx, n) })
		}
	}
	return follows.Wait()
}

// newNode fills in everything about node i but its source.
func (c *Cluster) newNode(i int, primary bool) *Node {
	name := fmt.Sprintf("db-prod-%d", i+1)
	dir := filepath.Join(c.Dir, name)
	n := &Node{
		Name:     name,
		Host:     c.addresses.host(i),
		Port:     c.addresses.port,
		ServerID: uint32(c.addresses.net*1000 + i + 1),
		Dir:      dir,
		Socket:   filepath.Join(dir, "s"),
		cluster:  c,
		dataDir:  filepath.Join(dir, "data"),
		readOnly: !primary,
	}
	n.argv = c.serverArgs(n, i)
	return n
}

// makeNode fills the node's folder.
func (c *Cluster) makeNode(n *Node, tmpl string) error {
	// The kernel's limit is 108 bytes, the server's own is lower in old versions.
	if len(n.Socket) > 100 {
		return fmt.Errorf("the socket path %s is longer than 100 bytes: choose a shorter folder", n.Socket)
	}
	for _, dir := range []string{n.Dir, filepath.Join(n.Dir, "tmp")} {
		if err := errors.Join(os.Mkdir(dir, 0o755), own(dir, c.as)); err != nil {
			return err
		}
	}
	return copyTree(tmpl, n.dataDir, c.as)
}

// serverArgs is the command line of node i without what can change later.
// Options of one flavor only carry --loose-, which others ignore.
func (c *Cluster) serverArgs(n *Node, i int) []string {
	args := append(append(append([]string{}, c.server.argv...), "--no-defaults"), c.server.args...)
	args = append(args,
		"--datadir="+n.dataDir, "--socket="+n.Socket, "--pid-file="+filepath.Join(n.Dir, "pid"),
		"--tmpdir="+filepath.Join(n.Dir, "tmp"), "--bind-address="+n.Host, fmt.Sprintf("--port=%d", n.Port),
		fmt.Sprintf("--server-id=%d", n.ServerID), "--log-bin=bin", "--relay-log=relay", "--log-slave-updates=1",
		"--binlog-format=ROW", "--skip-name-resolve", "--character-set-server=utf8mb4", "--max-connections=200",
		"--innodb-buffer-pool-size=96M", "--loose-innodb-log-file-size=64M", "--innodb-file-per-table=1",
		"--secure-file-priv=", "--loose-mysqlx=OFF", "--report-port="+fmt.Sprint(n.Port))
	if c.Flavor == MariaDB {
		args = append(args, "--performance-schema=OFF")
	} else {
		args = append(args, "--performance-schema=ON", "--gtid-mode=ON", "--enforce-gtid-consistency=ON",
			"--loose-master-info-repository=TABLE", "--loose-relay-log-info-repository=TABLE")
	}
	host := n.Host
	if c.opts.ReportHost != nil {
		host = c.opts.ReportHost(i)
	}
	if host != "" {
		args = append(args, "--report-host="+host)
	}
	if c.opts.Durable {
		args = append(args, "--sync-binlog=1", "--innodb-flush-log-at-trx-commit=1")
	} else {
		args = append(args, "--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2", "--innodb-doublewrite=0")
	}
	if c.opts.GeneralLog {
		args = append(args, "--general-log=1", "--general-log-file="+n.generalLog())
	}
	return append(args, c.opts.ServerArgs...)
}

// Stop kills all servers and removes their folders. It is safe to call twice.
func (c *Cluster) Stop() error {
	c.stop.Do(func() {
		for _, n := range c.Nodes {
			n.closeDB()
		}
		c.stopErr = c.watchdog.end()
		c.processes.Wait()
		c.addresses.release()
	})
	return c.stopErr
}

// absolute resolves the folder the caller chose: servers have a working folder
// of their own.
func absolute(dir string) (string, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	return filepath.Abs(dir)
}
