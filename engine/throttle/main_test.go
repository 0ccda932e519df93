package throttle

import (
	"context"
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
	options := mysqltest.Matrix(mysqltest.MySQL, mysqltest.MariaDB)
	for i := range options {
		options[i].Shape = "1+1"
	}
	goleak.VerifyTestMain(mysqltest.Suite{
		Tests: m, Clusters: &clusters, Options: options,
		Prepare: func(ctx context.Context, c *mysqltest.Cluster) error {
			return c.CreateRecycler(ctx, testUser, testPass)
		},
	})
}

// env is one cluster; tests on it run one after the other, because they change its lag and load.
type env struct {
	*mysqltest.Cluster
	primary, replica *mysqltest.Node
	srv              *dbconn.Server // the replica, as our account
}

// each runs a test on every flavor, the flavors in parallel.
func each(t *testing.T, f func(t *testing.T, e *env)) {
	t.Helper()
	for _, c := range clusters {
		t.Run(string(c.Flavor)+" "+c.Version, func(t *testing.T) {
			t.Parallel()
			e := &env{Cluster: c, primary: c.Nodes[0], replica: c.Nodes[1]}
			e.srv = e.open(t, e.replica)
			f(t, e)
		})
	}
}

func (e *env) open(t *testing.T, n *mysqltest.Node) *dbconn.Server {
	t.Helper()
	a := &dbconn.Access{
		Cluster: "test", User: testUser, Password: func() (string, error) { return testPass, nil },
		Hosts:       []dbconn.Host{{Name: n.Name, Addr: dbconn.Addr{Host: n.Host, Port: n.Port}}},
		DialTimeout: 5 * time.Second, ReadTimeout: 2 * time.Second,
	}
	srv, err := a.Open(t.Context(), a.Hosts[0].Addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = srv.Close() })
	return srv
}

// node is the replica as a target.
func (e *env) node() Node { return Node{Server: e.srv, Name: e.replica.Name, Replica: true} }

// local runs statements on the replica alone.
func (e *env) local(t *testing.T, statements ...string) {
	t.Helper()
	conn, err := e.replica.DB().Conn(t.Context())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	for _, s := range append([]string{"SET SESSION sql_log_bin = 0"}, statements...) {
		_, err := conn.ExecContext(t.Context(), s)
		require.NoError(t, err, s)
	}
}

// applier stops or starts the replica's applier.
func (e *env) applier(t *testing.T, start bool) {
	t.Helper()
	d := e.srv.Version.Dialect()
	s := d.StopSQL
	if start {
		s = d.StartSQL
	}
	require.NoError(t, e.replica.Exec(t.Context(), s))
}
