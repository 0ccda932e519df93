package guard_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/engine/topology"
)

// permit asks for node n with a plan made from the given walk.
func (l *lab) permit(t *testing.T, g *guard.Guard, topo topology.Topology, n int) []string {
	t.Helper()
	v, err := g.Permit(t.Context(), l.session(t, n), topo, l.expect(t, topo, n))
	require.Equal(t, v.Allowed(), err == nil)
	return v.Reasons()
}

// write makes the primary write something.
func (l *lab) write(t *testing.T) {
	t.Helper()
	require.NoError(t, l.Nodes[0].Exec(t.Context(), "CREATE OR REPLACE VIEW mysql.tick AS SELECT 1; DROP VIEW mysql.tick"))
}

// The servers that fool a single check, on real servers: each is refused for what gives it away.
func TestOddServers(t *testing.T) {
	t.Parallel()
	l := start(t, mysqltest.Options{Flavor: mysqltest.MariaDB, Shape: "1+2"})
	g := guard.Default(guard.ExternalConfig{})
	ctx := t.Context()
	topo := l.walk(t, 0)
	require.Empty(t, l.permit(t, g, topo, 1))

	require.NoError(t, l.Nodes[1].Exec(ctx, "SET GLOBAL read_only=0"))
	require.Equal(t, []string{"db-prod-2 accepts writes (read_only=0)"}, l.permit(t, g, topo, 1), "a replica with read_only off")
	require.NoError(t, l.Nodes[1].Exec(ctx, "SET GLOBAL read_only=1"))
	require.Empty(t, l.permit(t, g, topo, 1))

	require.NoError(t, l.Nodes[0].Exec(ctx, "SET GLOBAL read_only=1"))
	require.Equal(t, []string{"db-prod-1 does not replicate from any server", "db-prod-1 has no replication source and 2 replicas",
		"db-prod-1 is the primary of prod"}, l.permit(t, g, l.walk(t, 0), 0), "a primary with read_only on")
	require.NoError(t, l.Nodes[0].Exec(ctx, "SET GLOBAL read_only=0"))

	// A write of its own on a replica that went back to read_only at once.
	require.NoError(t, l.Nodes[2].Exec(ctx, "CREATE DATABASE own_write"))
	require.Regexp(t, "^db-prod-3 is written to: transactions of its own since", l.permit(t, g, topo, 2)[0])

	require.NoError(t, l.Nodes[2].Exec(ctx, "STOP SLAVE; RESET SLAVE"))
	require.Contains(t, l.permit(t, g, topo, 2), "db-prod-3 has a replication channel that never read from its source",
		"RESET SLAVE without ALL leaves a row that looks like replication")

	require.NoError(t, l.Nodes[1].Kill())
	require.NoError(t, l.Nodes[2].Kill())
	require.Eventually(t, func() bool { // a dump thread notices when it has something to send
		l.write(t)
		alone := l.walk(t, 0)
		primary, _ := alone.Find("db-prod-1")
		return primary.Role == topology.RoleStandalone
	}, 20*time.Second, 50*time.Millisecond)
	alone := l.walk(t, 0)
	require.True(t, alone.Partial)
	require.Subset(t, l.permit(t, g, alone, 0), []string{"db-prod-1 accepts writes (read_only=0)",
		"db-prod-1 does not replicate from any server", "db-prod-1 is a standalone server; only replicas are rebuilt"},
		"a primary whose replicas are all down")
}

// Of two servers that replicate from each other the writable one is refused and the read-only one
// is an intermediate like any other, as long as nothing of it is replicated.
func TestDualPrimary(t *testing.T) {
	t.Parallel()
	l := start(t, mysqltest.Options{Flavor: mysqltest.MySQL, Shape: "dual"})
	g := guard.Default(guard.ExternalConfig{})
	topo := l.walk(t, 0)
	require.Equal(t, []string{"db-prod-1 accepts writes (read_only=0)", "db-prod-1 is the primary of prod"}, l.permit(t, g, topo, 0))
	require.Empty(t, l.permit(t, g, topo, 1))
	e := l.expect(t, topo, 1)
	e.Replicated = true
	v, err := g.Permit(t.Context(), l.session(t, 1), topo, e)
	require.Error(t, err)
	require.Equal(t, []string{"a replicated rebuild on db-prod-2 would create an errant GTID"}, v.Reasons())

	require.NoError(t, l.Nodes[1].Exec(t.Context(), "SET GLOBAL super_read_only=0; SET GLOBAL read_only=0"))
	require.Subset(t, l.permit(t, g, l.walk(t, 0), 1), []string{"db-prod-2 accepts writes (read_only=0)", "db-prod-2 is the primary of prod"})
}

// watch is the watch of one statement.
func watch(ctx context.Context, g *guard.Guard, srv *dbconn.Server, topo topology.Topology, e guard.Expectation, every time.Duration) error {
	l := g.Lookout(srv)
	defer l.Close()
	return l.Watch(ctx, topo, e, every)
}

// watched is a replica under the watch, with an external source of truth beside it.
type watched struct {
	l    *lab
	tr   *truth
	g    *guard.Guard
	topo topology.Topology
	e    guard.Expectation
}

// during starts the watch, waits until it looks again and again, does something, and returns what
// the watch refused and how long that took.
func (w *watched) during(t *testing.T, do func()) ([]string, time.Duration) {
	t.Helper()
	srv, err := w.l.access.Open(t.Context(), addr(t, w.l.Nodes[1]))
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	result := make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() { result <- watch(ctx, w.g, srv, w.topo, w.e, 50*time.Millisecond) })
	defer running.Wait()
	before := w.tr.asked.Load()
	require.Eventually(t, func() bool { return w.tr.asked.Load() > before+2 }, 10*time.Second, 5*time.Millisecond)
	require.Empty(t, result, "nothing has happened yet")
	begin := time.Now()
	do()
	err = <-result
	var refused *guard.Refused
	require.ErrorAs(t, err, &refused)
	return refused.Verdict.Reasons(), time.Since(begin)
}

// The watch sees a promotion, a new replica, another system changing its mind, and a server that
// stops answering; it ends quietly when its caller is done.
func TestWatch(t *testing.T) {
	t.Parallel()
	l := start(t, mysqltest.Options{Flavor: mysqltest.MariaDB, Shape: "1+2"})
	tr := newTruth(t)
	tr.say(`{"role":"replica"}`)
	w := &watched{l: l, tr: tr, topo: l.walk(t, 0),
		g: guard.Default(guard.ExternalConfig{URL: tr.URL + "/{name}", Path: "role", Replica: []string{"replica"}})}
	w.e = l.expect(t, w.topo, 1)

	reasons, took := w.during(t, func() { tr.say(`{"role":"primary"}`) })
	require.Equal(t, []string{`db-prod-2 is "primary" for the external source of truth`}, reasons)
	require.Less(t, took, 5*time.Second)
	tr.say(`{"role":"replica"}`)

	reasons, _ = w.during(t, func() { require.NoError(t, l.Demote(t.Context(), l.Nodes[2], l.Nodes[1])) })
	require.Contains(t, fmt.Sprint(reasons), "db-prod-2 is an intermediate now; a replica was approved")
	require.NoError(t, l.Demote(t.Context(), l.Nodes[2], l.Nodes[0]))
	sess := l.session(t, 1)
	require.Eventually(t, func() bool { // the source forgets its former replica when it has something to send
		l.write(t)
		_, err := w.g.Permit(t.Context(), sess, w.topo, w.e)
		return err == nil
	}, 30*time.Second, 50*time.Millisecond)

	reasons, took = w.during(t, func() { require.NoError(t, l.Nodes[1].Pause()) })
	require.Contains(t, fmt.Sprint(reasons), "db-prod-2")
	require.Less(t, took, 10*time.Second, "a blind watch does not go on")
	require.NoError(t, l.Nodes[1].Continue())

	// Its caller is done: it has looked until then, at least every 500 ms whatever it was told, and ends
	// at once.
	ctx, cancel := context.WithTimeout(t.Context(), 1800*time.Millisecond)
	defer cancel()
	srv, before := l.open(t, 1), tr.asked.Load()
	begin := time.Now()
	require.NoError(t, watch(ctx, w.g, srv, w.topo, w.e, time.Hour))
	require.InDelta(t, 1.8, time.Since(begin).Seconds(), 0.4)
	require.GreaterOrEqual(t, tr.asked.Load()-before, int64(3))

	reasons, took = w.during(t, func() { require.NoError(t, l.Promote(t.Context(), l.Nodes[1])) })
	require.NotEmpty(t, reasons)
	require.Less(t, took, 5*time.Second)
}

// A session that would meet another server than the one opened is refused before anything is asked.
func TestMovedAddress(t *testing.T) {
	t.Parallel()
	l := start(t, mysqltest.Options{Flavor: mysqltest.MariaDB, Shape: "1+1"})
	moving := newRelay(t, l.Nodes[1].Addr())
	a := *l.access
	a.Hosts = append([]dbconn.Host{{Name: "vip", Addr: moving.addr}}, a.Hosts...)
	srv, err := a.Open(t.Context(), moving.addr)
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()

	moving.to.Store(l.Nodes[0].Addr())
	_, err = srv.Session(t.Context())
	var connect *dbconn.ConnectError
	require.ErrorAs(t, err, &connect)
	require.Equal(t, dbconn.ClassIdentity, connect.Class)

	topo := l.walk(t, 0)
	err = watch(t.Context(), guard.Default(guard.ExternalConfig{}), srv, topo, l.expect(t, topo, 1), 50*time.Millisecond)
	var refused *guard.Refused
	require.ErrorAs(t, err, &refused)
	require.Equal(t, []string{"vip is another server than the one approved"}, refused.Verdict.Reasons())
}
