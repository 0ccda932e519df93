package dbconn_test

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/mysqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The account of the tests: exactly the documented rights.
const (
	testUser = "recycler"
	testPass = "s3cret-for-tests"
)

// start boots servers with our account on them and gives access to all.
func start(t *testing.T, o mysqltest.Options) (*mysqltest.Cluster, *dbconn.Access) {
	t.Helper()
	c := mysqltest.MustStart(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, c.CreateRecycler(ctx, testUser, testPass))
	a := &dbconn.Access{Cluster: "prod", User: testUser, Password: func() (string, error) { return testPass, nil }}
	for _, n := range c.Nodes {
		a.Hosts = append(a.Hosts, dbconn.Host{Name: n.Name, Addr: addr(t, n.Addr())})
	}
	return c, a
}

// addr parses host:port.
func addr(t *testing.T, s string) dbconn.Addr {
	t.Helper()
	host, port, err := net.SplitHostPort(s)
	require.NoError(t, err)
	p, err := strconv.Atoi(port)
	require.NoError(t, err)
	return dbconn.Addr{Host: host, Port: p}
}

// open opens a configured server.
func open(t *testing.T, a *dbconn.Access, n int) *dbconn.Server {
	t.Helper()
	srv, err := a.Open(t.Context(), a.Hosts[n].Addr)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, srv.Close()) })
	return srv
}

// matrix runs a test against one server of each flavor.
func matrix(t *testing.T, run func(t *testing.T, c *mysqltest.Cluster, a *dbconn.Access)) {
	t.Helper()
	for _, o := range mysqltest.Matrix(mysqltest.MariaDB, mysqltest.MySQL, mysqltest.MySQL56) {
		t.Run(string(o.Flavor), func(t *testing.T) {
			c, a := start(t, o)
			run(t, c, a)
		})
	}
}
