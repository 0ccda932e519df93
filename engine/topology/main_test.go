package topology_test

import (
	"context"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/mysqltest"
)

func TestMain(m *testing.M) {
	if seed := os.Getenv(discoverEnv); seed != "" {
		os.Exit(discoverMain(seed))
	}
	if network := os.Getenv(simEnv); network != "" {
		os.Exit(simMain(network))
	}
	goleak.VerifyTestMain(m)
}

// The account of the tests: exactly the documented rights.
const (
	testUser = "recycler"
	testPass = "s3cret-for-tests"
)

// start boots a cluster with our account on it.
func start(t *testing.T, o mysqltest.Options) *mysqltest.Cluster {
	t.Helper()
	c := mysqltest.MustStart(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, c.CreateRecycler(ctx, testUser, testPass))
	return c
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

// accessTo allows the cluster's loopback network and configures the given nodes by name.
func accessTo(t *testing.T, c *mysqltest.Cluster, configured ...*mysqltest.Node) *dbconn.Access {
	t.Helper()
	a := &dbconn.Access{
		Cluster:  "prod",
		User:     testUser,
		Password: func() (string, error) { return testPass, nil },
		Allow:    []string{"127.0.*"},
	}
	for _, n := range configured {
		a.Hosts = append(a.Hosts, dbconn.Host{Name: n.Name, Addr: addr(t, n)})
	}
	return a
}
