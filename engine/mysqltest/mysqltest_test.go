package mysqltest

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(envVictim) != "" {
		victim() // does not return
	}
	goleak.VerifyTestMain(m)
}

// matrix is every server the package knows.
func matrix() []Options {
	flavors := []Flavor{MariaDB, MySQL}
	if runtime.GOARCH == "amd64" { // the package of 5.6 exists for nothing else
		flavors = append(flavors, MySQL56)
	}
	return Matrix(flavors...)
}

func (o Options) testName() string {
	if o.Binary != "" {
		return filepath.Base(o.Binary)
	}
	return string(o.Flavor)
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func count(t *testing.T, db *sql.DB, query string) int {
	t.Helper()
	var n int
	require.NoError(t, db.QueryRowContext(testContext(t), query).Scan(&n), query)
	return n
}

// TestLifeOfACluster walks one cluster per flavor through everything a test may
// do with it.
func TestLifeOfACluster(t *testing.T) {
	t.Parallel()
	for _, o := range matrix() {
		t.Run(o.testName(), func(t *testing.T) {
			t.Parallel()
			ctx := testContext(t)
			o.Shape, o.GeneralLog = "chain3", true
			o.ReportHost = func(i int) string { return map[int]string{1: "db-one.example"}[i] }
			c := MustStart(t, o)
			primary, middle, leaf := c.Nodes[0], c.Nodes[1], c.Nodes[2]

			checkReplication(ctx, t, c)
			checkAccount(ctx, t, c)
			checkFill(ctx, t, c)

			text, err := primary.GeneralLog()
			require.NoError(t, err)
			require.Contains(t, text, "CREATE TABLE `shop`.`orders`")
			require.Equal(t, "db-one.example", reportHost(ctx, t, primary))

			// Replication goes on after a crash of the replica in the middle.
			require.NoError(t, middle.Kill())
			require.Zero(t, middle.Pid())
			require.NoError(t, primary.Exec(ctx, "INSERT INTO t.t VALUES (2)"))
			require.NoError(t, middle.Restart(ctx))
			require.NoError(t, c.WaitReplicated(ctx))
			require.Equal(t, 2, count(t, leaf.DB(), "SELECT COUNT(*) FROM t.t"))
			require.Equal(t, 1, count(t, middle.DB(), "SELECT @@GLOBAL.read_only"), "a replica stays read-only over a restart")

			checkPause(t, leaf)
			checkFailover(ctx, t, c)
			checkBrokenReplica(ctx, t, c)
		})
	}
}

func checkReplication(ctx context.Context, t *testing.T, c *Cluster) {
	t.Helper()
	require.NoError(t, c.Nodes[0].Exec(ctx, "CREATE DATABASE t; CREATE TABLE t.t (id INT PRIMARY KEY); INSERT INTO t.t VALUES (1)"))
	require.NoError(t, c.WaitReplicated(ctx))
	for i, n := range c.Nodes {
		require.Equal(t, 1, count(t, n.DB(), "SELECT COUNT(*) FROM t.t"), n.Name)
		require.Equal(t, int(n.ServerID), count(t, n.DB(), "SELECT @@server_id"))
		require.Equal(t, min(i, 1), count(t, n.DB(), "SELECT @@GLOBAL.read_only"), n.Name)
	}
	if c.Flavor == MySQL {
		require.Equal(t, 1, count(t, c.Nodes[2].DB(), "SELECT @@GLOBAL.super_read_only"))
	}
}

// checkAccount logs in as an ordinary client does: over TCP, with a password.
func checkAccount(ctx context.Context, t *testing.T, c *Cluster) {
	t.Helper()
	const pass = `it's a \ "secret"`
	require.NoError(t, c.CreateRecycler(ctx, "recycler", pass))
	for _, n := range c.Nodes {
		db, err := sql.Open("mysql", n.DSN("recycler", pass))
		require.NoError(t, err)
		_, err = db.ExecContext(ctx, "SET SESSION sql_log_bin=0")
		require.NoError(t, err, n.Name)
		require.NoError(t, db.Close())
	}
}

// checkFill expects rows deleted at random to leave a file that a rebuild makes
// much smaller; otherwise demo and benchmarks would have nothing to show.
func checkFill(ctx context.Context, t *testing.T, c *Cluster) {
	t.Helper()
	leaf := c.Nodes[2]
	require.NoError(t, Fill(ctx, c.Nodes[0],
		TableSpec{Schema: "shop", Name: "orders", Rows: 60_000, RowBytes: 400, DeletePercent: 60},
		TableSpec{Schema: "shop", Name: "old", Rows: 3_000, DeletePercent: 50, Pattern: Range},
		TableSpec{Schema: "shop", Name: "pages", Rows: 200, RowBytes: 12_000, Pattern: None}))
	require.NoError(t, c.WaitReplicated(ctx))
	require.NoError(t, c.WaitPurged(ctx))
	require.Equal(t, 24_019, count(t, leaf.DB(), "SELECT COUNT(*) FROM shop.orders"), "the same rows on every server, every time")
	require.Equal(t, 1_501, count(t, leaf.DB(), "SELECT MIN(id) FROM shop.old"))
	require.Equal(t, 200, count(t, leaf.DB(), "SELECT COUNT(*) FROM shop.pages"))

	before := fileSize(t, leaf, "shop/orders.ibd")
	require.NoError(t, leaf.Exec(ctx, c.dialect().setReadOnly(false)))
	require.NoError(t, leaf.Exec(ctx, "SET SESSION sql_log_bin=0; ALTER TABLE shop.orders FORCE; SET SESSION sql_log_bin=1"))
	require.NoError(t, leaf.Exec(ctx, c.dialect().setReadOnly(true)))
	after := fileSize(t, leaf, "shop/orders.ibd")
	require.Less(t, after, before*6/10, "the table was fragmented")
}

func fileSize(t *testing.T, n *Node, name string) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(n.dataDir, name))
	require.NoError(t, err)
	return info.Size()
}

// reportHost is the host the primary shows for its replica.
func reportHost(ctx context.Context, t *testing.T, primary *Node) string {
	t.Helper()
	query := "SHOW SLAVE HOSTS"
	if primary.cluster.dialect().newWords() {
		query = "SHOW REPLICAS"
	}
	rows, err := queryRows(ctx, primary.DB(), query)
	require.NoError(t, err)
	require.Len(t, rows, 1)
	return rows[0]["Host"]
}

func checkPause(t *testing.T, n *Node) {
	t.Helper()
	require.NoError(t, n.Pause())
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, n.DB().PingContext(ctx), context.DeadlineExceeded)
	require.NoError(t, n.Continue())
	require.NoError(t, n.DB().PingContext(testContext(t)))
}

// checkFailover makes the middle of the chain the primary and the old primary a
// replica of it.
func checkFailover(ctx context.Context, t *testing.T, c *Cluster) {
	t.Helper()
	old, promoted, leaf := c.Nodes[0], c.Nodes[1], c.Nodes[2]
	require.NoError(t, c.Promote(ctx, promoted))
	require.Zero(t, count(t, promoted.DB(), "SELECT @@GLOBAL.read_only"))
	s, err := c.dialect().replicaStatus(ctx, promoted.DB())
	require.NoError(t, err)
	require.False(t, s.configured)

	require.NoError(t, c.Demote(ctx, old, promoted))
	require.NoError(t, promoted.Exec(ctx, "INSERT INTO t.t VALUES (3)"))
	require.NoError(t, c.WaitReplicated(ctx))
	for _, n := range []*Node{old, leaf} {
		require.Equal(t, 3, count(t, n.DB(), "SELECT COUNT(*) FROM t.t"), n.Name)
	}
	require.Equal(t, 1, count(t, old.DB(), "SELECT @@GLOBAL.read_only"))
}

// checkBrokenReplica expects a stopped applier to end the wait with its error
// and not with the deadline.
func checkBrokenReplica(ctx context.Context, t *testing.T, c *Cluster) {
	t.Helper()
	primary, leaf := c.Nodes[1], c.Nodes[2]
	require.NoError(t, leaf.Exec(ctx, c.dialect().setReadOnly(false)))
	require.NoError(t, leaf.Exec(ctx, "SET SESSION sql_log_bin=0; INSERT INTO t.t VALUES (4)"))
	require.NoError(t, primary.Exec(ctx, "INSERT INTO t.t VALUES (4)"))
	err := c.WaitReplicated(ctx)
	require.NoError(t, ctx.Err())
	require.ErrorContains(t, err, leaf.Name)
	require.ErrorContains(t, err, "Last_SQL_Error")
}

func TestRingReplicatesAllAround(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := MustStart(t, Options{Shape: "ring3", Durable: true})
	require.Equal(t, c.Nodes[2], c.Nodes[0].Source)
	require.NoError(t, c.Nodes[0].Exec(ctx, "CREATE DATABASE ring"))
	require.NoError(t, c.WaitReplicated(ctx))
	require.Equal(t, 1, count(t, c.Nodes[2].DB(), "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME='ring'"))
	require.Equal(t, 1, count(t, c.Nodes[2].DB(), "SELECT @@GLOBAL.innodb_doublewrite AND @@GLOBAL.sync_binlog"))
}

// Seven servers in three levels replicate from whom the shape says, in the servers' own words.
func TestTreeReplicatesDownAllLevels(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := MustStart(t, Options{Shape: "tree7"})
	require.Len(t, c.Nodes, 7)
	for i, source := range map[int]int{1: 0, 2: 0, 3: 1, 4: 1, 5: 2, 6: 2} {
		rows, err := queryRows(ctx, c.Nodes[i].DB(), "SHOW SLAVE STATUS")
		require.NoError(t, err)
		require.Len(t, rows, 1, c.Nodes[i].Name)
		require.Equal(t, c.Nodes[source].Host, rows[0]["Master_Host"], c.Nodes[i].Name)
		require.Equal(t, fmt.Sprint(c.Nodes[source].ServerID), rows[0]["Master_Server_Id"], c.Nodes[i].Name)
		require.Equal(t, "Yes", rows[0]["Slave_IO_Running"], c.Nodes[i].Name)
		require.Same(t, c.Nodes[source], c.Nodes[i].Source)
	}
	rows, err := queryRows(ctx, c.Nodes[0].DB(), "SHOW SLAVE STATUS")
	require.NoError(t, err)
	require.Empty(t, rows, "the root replicates from nobody")
	require.NoError(t, c.Nodes[0].Exec(ctx, "CREATE DATABASE tree"))
	require.NoError(t, c.WaitReplicated(ctx))
	for _, leaf := range c.Nodes[3:] {
		require.Equal(t, 1, count(t, leaf.DB(), "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME='tree'"), leaf.Name)
	}
}

func TestStopLeavesNothing(t *testing.T) {
	t.Parallel()
	parent, err := os.MkdirTemp("", "stop-*") // t.TempDir is closed to the servers' account
	require.NoError(t, err)
	defer func() { require.NoError(t, os.Remove(parent), "empty again") }()
	require.NoError(t, os.Chmod(parent, 0o755))
	c, err := Start(testContext(t), Options{Shape: "1+1", Dir: parent})
	require.NoError(t, err)
	require.Equal(t, parent, filepath.Dir(c.Dir))
	pids := []int{c.Nodes[0].Pid(), c.Nodes[1].Pid()}
	require.NoError(t, c.Stop())
	require.NoError(t, c.Stop(), "twice is fine")
	require.NoDirExists(t, c.Dir)
	for _, pid := range pids {
		require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
	}
}

func TestBootFailureQuotesTheServersLog(t *testing.T) {
	t.Parallel()
	_, err := Start(testContext(t), Options{ServerArgs: []string{"--no-such-option"}})
	require.ErrorContains(t, err, "unknown option '--no-such-option'")
}

// envVictim makes the test binary a program that boots a cluster and waits to
// be killed.
const envVictim = "MYSQLTEST_VICTIM"

func victim() {
	c, err := Start(context.Background(), Options{Shape: "1+1"})
	if err != nil {
		println(err.Error())
		os.Exit(1)
	}
	_ = c.Nodes[1].Pause() // a stopped server has to die as well
	os.Stdout.WriteString(c.Dir + "\n")
	select {}
}

func TestServersDieWithAKilledParent(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envVictim+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	buf := make([]byte, 4096)
	n, err := out.Read(buf)
	dir := strings.TrimSpace(string(buf[:n]))
	require.NoError(t, err)
	require.Len(t, serversIn(t, dir), 2)

	require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
	require.Error(t, cmd.Wait())
	require.Eventually(t, func() bool {
		_, err := os.Stat(dir)
		return len(serversIn(t, dir)) == 0 && os.IsNotExist(err)
	}, 10*time.Second, 20*time.Millisecond, "servers and folder go away with the parent")
}

// serversIn lists live processes whose command line names a data directory
// below dir; a zombie has no command line.
func serversIn(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	var found []string
	for _, f := range files {
		line, _ := os.ReadFile(f) // it may have ended since
		if strings.Contains(string(line), "--datadir="+dir) {
			found = append(found, f)
		}
	}
	return found
}
