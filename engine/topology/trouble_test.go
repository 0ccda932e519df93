package topology_test

import (
	"context"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/engine/topology"
)

// dials counts connections per address and refuses some of them.
type dials struct {
	mu     sync.Mutex
	n      map[string]int
	refuse func(address string, n int) bool // n counts from 1
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
}

func (d *dials) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	d.mu.Lock()
	d.n[address]++
	refused := d.refuse(address, d.n[address])
	d.mu.Unlock()
	if refused {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	return d.dial(ctx, network, address)
}

// A server that refuses once (a restart, a full backlog) is asked again after a pause; one that goes
// on refusing is asked three times.
func TestDiscoverTriesAgain(t *testing.T) {
	t.Parallel()
	s := simTree(3, 2, "8.4.10", 0)
	once, never := simAddr(1).String(), simAddr(2).String()
	d := &dials{n: map[string]int{}, dial: s.dial, refuse: func(address string, n int) bool {
		return address == once && n == 1 || address == never
	}}
	a := s.access()
	a.Dial = d.Dial
	begin := time.Now()
	topo, err := topology.Discover(t.Context(), a, simAddr(0), topology.Options{})
	require.NoError(t, err)
	s.close(t)
	require.True(t, one(t, topo, once).Reached)
	require.Equal(t, 2, d.n[once])
	require.Equal(t, "refuses connections (nobody listens there)", one(t, topo, never).Unreached)
	require.Equal(t, 3, d.n[never])
	require.GreaterOrEqual(t, time.Since(begin), 250*time.Millisecond, "50 ms, then 200 ms between the attempts")
}

// A transaction that looks errant is called so only if the source was read again; else nobody knows,
// and the topology is partial.
func TestDiscoverErrantUnchecked(t *testing.T) {
	t.Parallel()
	c := start(t, mysqltest.Options{Flavor: mysqltest.MySQL, Shape: "1+1"})
	require.NoError(t, c.Nodes[1].Exec(t.Context(), "SET GLOBAL super_read_only=0; CREATE DATABASE errant_here"))
	a := accessTo(t, c, c.Nodes...)
	d := &dials{n: map[string]int{}, dial: (&net.Dialer{}).DialContext, refuse: func(address string, n int) bool {
		return address == c.Nodes[0].Addr() && n > 1
	}}
	a.Dial = d.Dial
	topo := walk(t, a, c.Nodes[0], topology.Options{})
	require.True(t, topo.Partial)
	require.Empty(t, one(t, topo, "db-prod-2").ErrantGTID)
	require.Equal(t, []string{"whether db-prod-2 has errant transactions could not be checked: db-prod-1 could not be read a second time"}, topo.Warnings)
	d.refuse = func(string, int) bool { return false }
	require.NotEmpty(t, one(t, walk(t, a, c.Nodes[0], topology.Options{}), "db-prod-2").ErrantGTID)
}
