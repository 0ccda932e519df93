package tablespace

import (
	"context"
	"fmt"
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

// clusters are one server per flavor, booted once for the package.
var clusters []*mysqltest.Cluster

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(mysqltest.Suite{
		Tests: m, Clusters: &clusters,
		Options: mysqltest.Matrix(mysqltest.MySQL, mysqltest.MariaDB),
		Prepare: func(ctx context.Context, c *mysqltest.Cluster) error {
			return c.CreateRecycler(ctx, testUser, testPass)
		},
	})
}

// env is one server with a schema of the test's own.
type env struct {
	*mysqltest.Cluster
	node   *mysqltest.Node
	srv    *dbconn.Server // as our account
	schema string
}

var (
	schemaMu sync.Mutex
	schemas  int
)

func newEnv(t testing.TB, c *mysqltest.Cluster) *env {
	t.Helper()
	schemaMu.Lock()
	schemas++
	e := &env{Cluster: c, node: c.Nodes[0], schema: fmt.Sprintf("t%d", schemas)}
	schemaMu.Unlock()
	n := e.node
	a := &dbconn.Access{
		Cluster: "test", User: testUser, Password: func() (string, error) { return testPass, nil },
		Hosts:       []dbconn.Host{{Name: n.Name, Addr: dbconn.Addr{Host: n.Host, Port: n.Port}}},
		DialTimeout: 5 * time.Second, ReadTimeout: time.Minute,
	}
	var err error
	e.srv, err = a.Open(context.Background(), a.Hosts[0].Addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = e.srv.Close() })
	e.sql(t, "CREATE DATABASE @schema")
	t.Cleanup(func() { _ = n.Exec(context.Background(), "DROP DATABASE "+e.schema) })
	return e
}

// each runs a test on every flavor.
func each(t *testing.T, f func(t *testing.T, e *env)) {
	t.Helper()
	t.Parallel()
	for _, c := range clusters {
		t.Run(string(c.Flavor)+" "+c.Version, func(t *testing.T) {
			t.Parallel()
			f(t, newEnv(t, c))
		})
	}
}

// sql runs statements as root; @schema stands for the schema of the test. They run on one
// connection, so session settings hold.
func (e *env) sql(t testing.TB, statements ...string) {
	t.Helper()
	conn, err := e.node.DB().Conn(context.Background())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	for _, s := range statements {
		_, err := conn.ExecContext(context.Background(), strings.ReplaceAll(s, "@schema", e.schema))
		require.NoError(t, err, s)
	}
}
