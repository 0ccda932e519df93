package guard_test

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/engine/topology"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The account of the tests: exactly the documented rights.
const (
	testUser = "recycler"
	testPass = "s3cret-for-tests"
)

// lab is a real cluster with our account on it.
type lab struct {
	*mysqltest.Cluster
	access *dbconn.Access
}

// start boots a cluster.
func start(t *testing.T, o mysqltest.Options) *lab {
	t.Helper()
	c := mysqltest.MustStart(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, c.CreateRecycler(ctx, testUser, testPass))
	a := &dbconn.Access{Cluster: "prod", User: testUser, Password: func() (string, error) { return testPass, nil }}
	for _, n := range c.Nodes {
		a.Hosts = append(a.Hosts, dbconn.Host{Name: n.Name, Addr: addr(t, n)})
	}
	return &lab{Cluster: c, access: a}
}

// addr is where a node listens.
func addr(t *testing.T, n *mysqltest.Node) dbconn.Addr {
	t.Helper()
	host, port, err := net.SplitHostPort(n.Addr())
	require.NoError(t, err)
	p, err := strconv.Atoi(port)
	require.NoError(t, err)
	return dbconn.Addr{Host: host, Port: p}
}

// walk discovers the cluster from node n.
func (l *lab) walk(t *testing.T, n int) topology.Topology {
	t.Helper()
	topo, err := topology.Discover(t.Context(), l.access, addr(t, l.Nodes[n]), topology.Options{})
	require.NoError(t, err)
	return topo
}

// open opens node n.
func (l *lab) open(t *testing.T, n int) *dbconn.Server {
	t.Helper()
	srv, err := l.access.Open(t.Context(), addr(t, l.Nodes[n]))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, srv.Close()) })
	return srv
}

// session opens a session on node n.
func (l *lab) session(t *testing.T, n int) *dbconn.Session {
	t.Helper()
	sess, err := l.open(t, n).Session(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sess.Close()) })
	return sess
}

// expect is what a plan made from a topology says about node n.
func (l *lab) expect(t *testing.T, topo topology.Topology, n int) guard.Expectation {
	t.Helper()
	i, ok := topo.Find(l.Nodes[n].Name)
	require.True(t, ok)
	return guard.Expectation{Identity: i.Identity, Role: i.Role}
}
