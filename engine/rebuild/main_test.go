package rebuild

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/mysqltest"
)

const (
	testUser = "recycler"
	testPass = "s3cret'word"
)

// clusters are one primary with one replica per flavor, booted once for the package.
var clusters []*mysqltest.Cluster

func TestMain(m *testing.M) {
	if os.Getenv(envChild) != "" {
		child()
		return
	}
	options := mysqltest.Matrix(mysqltest.MySQL, mysqltest.MariaDB)
	for i := range options {
		options[i].Shape, options[i].GeneralLog = "1+1", true
	}
	goleak.VerifyTestMain(mysqltest.Suite{
		Tests: m, Clusters: &clusters, Options: options,
		Prepare: func(ctx context.Context, c *mysqltest.Cluster) error {
			return c.CreateRecycler(ctx, testUser, testPass)
		},
	})
}

// each runs a test on the replica of every flavor, in parallel with others. super_read_only is
// off there.
func each(t *testing.T, f func(t *testing.T, e *env)) {
	t.Helper()
	t.Parallel()
	for _, c := range clusters {
		t.Run(string(c.Flavor)+" "+c.Version, func(t *testing.T) {
			t.Parallel()
			superReadOnly(t, c, 0)
			f(t, newEnv(t, c))
		})
	}
}

// alone runs a test on every flavor while no test of each runs: it changes roles and global
// settings. super_read_only is on to begin with.
func alone(t *testing.T, f func(t *testing.T, e *env)) {
	t.Helper()
	for _, c := range clusters {
		t.Run(string(c.Flavor)+" "+c.Version, func(t *testing.T) {
			t.Parallel() // with the other cluster; no other test runs meanwhile
			superReadOnly(t, c, 1)
			f(t, newEnv(t, c))
		})
	}
}

// superReadOnly sets it on the replica where it exists.
func superReadOnly(t *testing.T, c *mysqltest.Cluster, on int) {
	t.Helper()
	if c.Flavor == mysqltest.MySQL {
		require.NoError(t, c.Nodes[1].Exec(t.Context(), fmt.Sprintf("SET GLOBAL super_read_only = %d", on)))
	}
}

// env is one test on one cluster, with a schema of its own.
type env struct {
	*mysqltest.Cluster
	primary, replica *mysqltest.Node
	srv              *dbconn.Server // the replica, as our account
	schema           string
	slot             int
}

var (
	slotMu sync.Mutex
	slots  int
)

func newEnv(t *testing.T, c *mysqltest.Cluster) *env {
	t.Helper()
	slotMu.Lock()
	slots++
	slot := slots
	slotMu.Unlock()
	e := &env{Cluster: c, primary: c.Nodes[0], replica: c.Nodes[1], schema: fmt.Sprintf("t%d", slot), slot: slot}
	e.srv = open(t, e.replica)
	require.NoError(t, e.primary.Exec(t.Context(), "CREATE DATABASE "+e.schema))
	t.Cleanup(func() {
		_ = e.primary.Exec(context.Background(), "DROP DATABASE "+e.schema)
	})
	return e
}

// access reaches one node as our account.
func access(n *mysqltest.Node) *dbconn.Access {
	return &dbconn.Access{
		Cluster: "test", User: testUser, Password: func() (string, error) { return testPass, nil },
		Hosts:       []dbconn.Host{{Name: n.Name, Addr: dbconn.Addr{Host: n.Host, Port: n.Port}}},
		DialTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
	}
}

func open(t *testing.T, n *mysqltest.Node) *dbconn.Server {
	t.Helper()
	a := access(n)
	srv, err := a.Open(t.Context(), a.Hosts[0].Addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = srv.Close() })
	return srv
}

// fill makes a fragmented table on the primary and waits for the replica.
func (e *env) fill(t *testing.T, name string, rows int) {
	t.Helper()
	require.NoError(t, mysqltest.Fill(t.Context(), e.primary, mysqltest.TableSpec{
		Schema: e.schema, Name: name, Rows: rows, RowBytes: 300, DeletePercent: 60}))
	require.NoError(t, e.WaitReplicated(t.Context()))
}

// local makes a table of this many rows of 250 bytes on the replica alone: quicker than through
// replication, and long to rebuild.
func (e *env) local(t *testing.T, name string, rows int) {
	t.Helper()
	full := dbconn.QuoteName(e.schema, name)
	require.NoError(t, e.WaitReplicated(t.Context()))
	conn, err := e.replica.DB().Conn(t.Context())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	run := func(query string) {
		_, err := conn.ExecContext(t.Context(), query)
		require.NoError(t, err, query)
	}
	run("SET SESSION sql_log_bin = 0")
	run("CREATE TABLE " + full + " (id INT PRIMARY KEY, a INT NOT NULL, v VARCHAR(250) NOT NULL, KEY (a))")
	run("INSERT INTO " + full + " VALUES (0, 0, REPEAT('x', 240))")
	for have := 1; have < rows; have *= 2 {
		run(fmt.Sprintf("INSERT INTO %[1]s SELECT id + %[2]d, CRC32(id + %[2]d) %% 100000, v FROM %[1]s WHERE id + %[2]d < %[3]d", full, have, rows))
	}
}

// sql runs statements on the primary and waits for the replica.
func (e *env) sql(t *testing.T, statements ...string) {
	t.Helper()
	for _, s := range statements {
		require.NoError(t, e.primary.Exec(t.Context(), strings.ReplaceAll(s, "@schema", e.schema)))
	}
	require.NoError(t, e.WaitReplicated(t.Context()))
}

// task is an online rebuild of a table of the test.
func (e *env) task(table string) Task {
	return Task{Job: "R-" + strings.ToUpper(e.schema), Step: 3, Schema: e.schema, Table: table, Mode: BinlogOff,
		Method:   Method{Kind: Alter, Algorithm: Inplace, Lock: LockNone},
		LockWait: 2 * time.Second}
}

// permit allows everything.
func permit(context.Context, *dbconn.Session) error { return nil }

// hooks allow everything and keep the mark.
func hooks(mark *Mark) Hooks {
	return Hooks{Permit: permit, Begin: func(_ context.Context, m Mark) error { *mark = m; return nil }}
}

// acquire takes the test's own slot.
func (e *env) acquire(t *testing.T) *Fence {
	t.Helper()
	f, err := Acquire(t.Context(), e.srv, e.slot, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	require.Eventually(t, f, 30*time.Second, 20*time.Millisecond, what)
}
