package topology_test

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/engine/topology"
)

// forward listens on an address and passes connections on to a node: what address translation, a
// second interface or a proxy look like from outside. It counts them.
func forward(t *testing.T, listen string, to *mysqltest.Node) *atomic.Int64 {
	t.Helper()
	var accepted atomic.Int64
	l, err := net.Listen("tcp4", listen)
	require.NoError(t, err)
	var open sync.WaitGroup
	pipe := func(in net.Conn) {
		defer func() { _ = in.Close() }()
		out, err := net.Dial("tcp4", to.Addr())
		if err != nil {
			return
		}
		defer func() { _ = out.Close() }()
		open.Go(func() { _, _ = io.Copy(out, in); _ = out.Close() })
		_, _ = io.Copy(in, out)
	}
	open.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			if to == nil {
				_ = in.Close()
				continue
			}
			open.Go(func() { pipe(in) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		open.Wait()
	})
	return &accepted
}

// The addresses servers report are only hints: a replica that reports none is found where it
// connects from, one that lies or reports an unknown name is never mistaken for another, two
// addresses of one server are one server, and a host outside the allow list is never contacted.
func TestDiscoverByIdentityNotAddress(t *testing.T) {
	t.Parallel()
	for _, o := range mysqltest.Matrix(mysqltest.MySQL, mysqltest.MariaDB) {
		t.Run(string(o.Flavor), func(t *testing.T) { identityNotAddress(t, o) })
	}
}

func identityNotAddress(t *testing.T, o mysqltest.Options) {
	o.Shape = "1+4"
	const stranger = "127.0.121.250" // outside the networks of the clusters
	o.ReportHost = func(i int) string {
		switch i {
		case 1:
			return "" // reports none
		case 2:
			return "db-nowhere.invalid" // does not resolve
		case 3:
			return stranger // not allowed, and something listens there
		}
		return fmt.Sprintf("127.0.0.%d", 40+i) // 4: an address of another server, see below
	}
	c := start(t, o)
	port := c.Nodes[0].Port
	touched := forward(t, fmt.Sprintf("%s:%d", stranger, port), nil)
	forward(t, fmt.Sprintf("127.0.0.1:%d", port), c.Nodes[1])  // where node 1 connects from
	forward(t, fmt.Sprintf("127.0.0.44:%d", port), c.Nodes[0]) // node 4 lies: this is the primary

	a := accessTo(t, c, c.Nodes[0])
	a.Allow = []string{"127.0.0.*", "db-nowhere.invalid"}
	topo := walk(t, a, c.Nodes[0], topology.Options{NodeTimeout: 2 * time.Second})
	require.True(t, topo.Partial)

	silent := one(t, topo, fmt.Sprintf("127.0.0.1:%d", port))
	require.True(t, silent.Reached, "found through the process list, or the host MariaDB fills in")
	require.Equal(t, c.Nodes[1].ServerID, silent.ServerID)

	require.Equal(t, "has a name that does not resolve", one(t, topo, "db-nowhere.invalid").Unreached)
	require.Equal(t, "not in the allow list", one(t, topo, stranger).Unreached)
	require.Zero(t, touched.Load(), "nothing was sent to a host that is not allowed")

	liar := one(t, topo, "127.0.0.44")
	require.False(t, liar.Reached)
	require.Equal(t, "another server answers there", liar.Unreached)
	require.Len(t, topo.Instances, 5, "the address of the primary that the liar reports makes no second primary")

	// With every server configured all of them are found, whatever they report.
	whole := walk(t, accessTo(t, c, c.Nodes...), c.Nodes[2], topology.Options{})
	require.False(t, whole.Partial, "%v", whole.Warnings)
	require.Len(t, whole.Instances, 5)
	require.Len(t, whole.Downstream(one(t, whole, "db-prod-1").Identity), 4)

	// An alias in the configuration is the same server, under the name that came first.
	aliased := accessTo(t, c, c.Nodes...)
	aliased.Hosts = append(aliased.Hosts, dbconn.Host{Name: "writer", Addr: dbconn.Addr{Host: "127.0.0.44", Port: port}})
	topo = walk(t, aliased, c.Nodes[2], topology.Options{})
	require.Len(t, topo.Instances, 5)
	require.Equal(t, one(t, topo, "db-prod-1").Identity, one(t, topo, fmt.Sprintf("127.0.0.44:%d", port)).Identity)
}

// A replica that reports a wrong port is found at its source's port, on servers of different clusters
// with ports of their own; the server that answers there must be the one that was named.
func TestDiscoverWrongReportPort(t *testing.T) {
	t.Parallel()
	for _, o := range mysqltest.Matrix(mysqltest.MySQL, mysqltest.MariaDB) {
		t.Run(string(o.Flavor), func(t *testing.T) {
			o.Shape = "1+1"
			o.ServerArgs = []string{"--report-port=1"} // nobody listens there
			c := start(t, o)
			other := start(t, mysqltest.Options{Flavor: o.Flavor, ServerArgs: []string{fmt.Sprintf("--server-id=%d", c.Nodes[1].ServerID)}})
			a := accessTo(t, c, c.Nodes[0])
			topo := walk(t, a, c.Nodes[0], topology.Options{})
			require.Len(t, topo.Instances, 2)
			i := one(t, topo, addr(t, c.Nodes[1]).String())
			require.True(t, i.Reached)
			require.False(t, topo.Partial)

			// Now a server of another cluster with that server_id answers at the guessed address.
			require.NoError(t, c.Nodes[1].Kill())
			forward(t, c.Nodes[1].Addr(), other.Nodes[0])
			topo = walk(t, a, c.Nodes[0], topology.Options{})
			require.True(t, topo.Partial)
			for _, i := range topo.Instances {
				require.Equal(t, i.Name == "db-prod-1", i.Reached, i.Name)
			}
		})
	}
}

// Broken, stopped, delayed and many-channelled replication is told from the server's own words.
func TestDiscoverReplicationStates(t *testing.T) {
	t.Parallel()
	c := start(t, mysqltest.Options{Flavor: mysqltest.MySQL, Shape: "1+3"})
	a := accessTo(t, c, c.Nodes...)
	ctx := t.Context()
	broken, stopped, several := c.Nodes[1], c.Nodes[2], c.Nodes[3]

	require.NoError(t, broken.Exec(ctx, "SET GLOBAL super_read_only=0; SET SESSION sql_log_bin=0; CREATE DATABASE conflict"))
	require.NoError(t, c.Nodes[0].Exec(ctx, "CREATE DATABASE conflict"))
	require.NoError(t, stopped.Exec(ctx, "STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_DELAY=3600; START REPLICA"))
	require.NoError(t, several.Exec(ctx, fmt.Sprintf("CHANGE REPLICATION SOURCE TO SOURCE_HOST='%s', SOURCE_PORT=%d, SOURCE_USER='repl',"+
		" SOURCE_PASSWORD='repl-throwaway', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1 FOR CHANNEL 'second';"+
		" START REPLICA FOR CHANNEL 'second'", stopped.Host, stopped.Port)))

	topo := eventually(t, a, c.Nodes[0], func(topo topology.Topology) bool {
		b, m := one(t, topo, broken.Name), one(t, topo, several.Name)
		return b.Links[0].SQLRunning == "No" && len(m.Links) == 2 && m.Links[1].Running() && m.Links[1].Configured() &&
			one(t, topo, stopped.Name).Role == topology.RoleIntermediate // its source may have been looked at before it came
	})
	b := one(t, topo, broken.Name)
	require.Contains(t, b.Links[0].LastError, "database exists")
	require.NotContains(t, b.Links[0].LastError, "CREATE DATABASE")
	require.Contains(t, topo.Tree(), "BROKEN (io Yes, sql No)")
	require.EqualValues(t, 1, b.Links[0].Unapplied, "retrieved %s, executed %s", b.Links[0].RetrievedGTID, b.GTIDExecuted)
	_, ok := b.Lag()
	require.False(t, ok, "a stopped applier has no lag to tell")

	d := one(t, topo, stopped.Name)
	require.Equal(t, time.Hour, d.Links[0].Delay)
	require.Equal(t, topology.RoleIntermediate, d.Role, "the second channel reads from it")
	require.Contains(t, topo.Tree(), "(delayed by 3600 s)")

	m := one(t, topo, several.Name)
	require.Equal(t, "second", m.Links[1].Channel)
	require.Contains(t, topo.Tree(), "[default] lag")
	require.Len(t, topo.Downstream(one(t, topo, c.Nodes[0].Name).Identity), 3)
	require.Len(t, topo.Downstream(d.Identity), 1)
}

// MariaDB's named connections: both sources are seen, the server is a replica of both, and our words
// stop and start the appliers of both.
func TestDiscoverNamedConnections(t *testing.T) {
	t.Parallel()
	c := start(t, mysqltest.Options{Flavor: mysqltest.MariaDB, Shape: "1+2", ServerArgs: []string{"--gtid-ignore-duplicates=ON"}})
	a := accessTo(t, c, c.Nodes...)
	ctx, second, several := t.Context(), c.Nodes[1], c.Nodes[2]
	require.NoError(t, several.Exec(ctx, fmt.Sprintf("CHANGE MASTER 'second' TO MASTER_HOST='%s', MASTER_PORT=%d, MASTER_USER='repl',"+
		" MASTER_PASSWORD='repl-throwaway', MASTER_USE_GTID=slave_pos; START SLAVE 'second'", second.Host, second.Port)))
	running := func(topo topology.Topology) bool {
		links := one(t, topo, several.Name).Links
		return one(t, topo, second.Name).Role == topology.RoleIntermediate && len(links) == 2 && links[0].Running() && links[1].Running() && links[1].Configured()
	}
	topo := eventually(t, a, second, running)
	require.False(t, topo.Partial, "%v", topo.Warnings)
	m := one(t, topo, several.Name)
	require.Equal(t, topology.RoleReplica, m.Role)
	require.Equal(t, "second", m.Links[1].Channel)
	require.Equal(t, one(t, topo, second.Name).Identity, m.Links[1].SourceIdentity)
	require.Equal(t, one(t, topo, c.Nodes[0].Name).Identity, m.Links[0].SourceIdentity)
	require.Equal(t, topology.RoleIntermediate, one(t, topo, second.Name).Role)
	require.Contains(t, topo.Tree(), "[second] lag")

	srv, err := a.Open(ctx, addr(t, several))
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	sess, err := srv.Session(ctx)
	require.NoError(t, err)
	defer func() { require.NoError(t, sess.Close()) }()
	_, err = sess.ExecContext(ctx, srv.Version.Dialect().StopSQL)
	require.NoError(t, err)
	i, err := topology.Probe(ctx, sess, srv)
	require.NoError(t, err)
	for _, l := range i.Links {
		require.Equal(t, "No", l.SQLRunning, l.Channel)
	}
	_, err = sess.ExecContext(ctx, srv.Version.Dialect().StartSQL)
	require.NoError(t, err)
	eventually(t, a, second, running)
}

// A write on a replica is errant; a transaction on its way is not.
func TestDiscoverErrant(t *testing.T) {
	t.Parallel()
	for _, o := range mysqltest.Matrix(mysqltest.MySQL, mysqltest.MariaDB) {
		o.Shape = "1+2"
		t.Run(string(o.Flavor), func(t *testing.T) {
			c := start(t, o)
			a := accessTo(t, c, c.Nodes...)
			ctx := t.Context()
			require.NoError(t, c.Nodes[0].Exec(ctx, "CREATE DATABASE app; CREATE TABLE app.t (id INT AUTO_INCREMENT PRIMARY KEY)"))

			stop := make(chan struct{})
			var writer sync.WaitGroup
			writer.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						_ = c.Nodes[0].Exec(ctx, "INSERT INTO app.t VALUES ()")
					}
				}
			})
			for range 10 {
				topo, err := topology.Discover(ctx, a, addr(t, c.Nodes[1]), topology.Options{})
				require.NoError(t, err)
				for _, i := range topo.Instances {
					require.Empty(t, i.ErrantGTID, "%s under writes\n%s", i.Name, topo.Tree())
				}
			}
			close(stop)
			writer.Wait()

			readOnlyOff := "SET GLOBAL read_only=0"
			require.NoError(t, c.Nodes[1].Exec(ctx, readOnlyOff+"; CREATE DATABASE errant_here"))
			topo := walk(t, a, c.Nodes[0], topology.Options{})
			require.Empty(t, one(t, topo, "db-prod-3").ErrantGTID)
			bad := one(t, topo, "db-prod-2")
			if o.Flavor == mysqltest.MySQL {
				require.Equal(t, string(bad.Identity)+":1", bad.ErrantGTID)
			} else {
				require.Regexp(t, fmt.Sprintf(`^0-%d-\d+$`, bad.ServerID), bad.ErrantGTID)
			}
			require.Contains(t, topo.Tree(), "ERRANT "+bad.ErrantGTID)
		})
	}
}

// An account without the rights finds what it can; what it could not read is said with the right
// that is missing, and the topology is partial.
func TestDiscoverWithoutRights(t *testing.T) {
	t.Parallel()
	c := start(t, mysqltest.Options{Flavor: mysqltest.MySQL, Shape: "1+1"})
	require.NoError(t, c.Nodes[0].CreateUser(t.Context(), "weak", "weak", "REPLICATION CLIENT ON *.*"))
	require.NoError(t, c.WaitReplicated(t.Context()))
	a := accessTo(t, c, c.Nodes...)
	a.User, a.Password = "weak", func() (string, error) { return "weak", nil }
	topo := walk(t, a, c.Nodes[1], topology.Options{})
	require.True(t, topo.Partial)
	require.Len(t, topo.Instances, 2)
	require.Contains(t, topo.Warnings, "db-prod-1: the list of replicas could not be read: the account lacks REPLICATION SLAVE (error 1227)")
	require.Contains(t, topo.Warnings, "db-prod-1: run there: GRANT REPLICATION SLAVE ON *.* TO `weak`@`%`; GRANT SELECT ON `performance\\_schema`.* TO `weak`@`%`")

	a.Password = func() (string, error) { return "wrong", nil }
	_, err := topology.Discover(t.Context(), a, addr(t, c.Nodes[1]), topology.Options{})
	var connect *dbconn.ConnectError
	require.ErrorAs(t, err, &connect)
	require.Equal(t, dbconn.ClassAuth, connect.Class)
	require.Equal(t, "db-prod-2 refuses our account (error 1045).", connect.Sentence())
	require.NotContains(t, err.Error(), "wrong")
}

// The heartbeat table is the best source of lag, and counts also while replication stands still.
func TestDiscoverHeartbeat(t *testing.T) {
	t.Parallel()
	c := start(t, mysqltest.Options{Flavor: mysqltest.MariaDB, Shape: "1+1"})
	ctx := t.Context()
	require.NoError(t, c.Nodes[0].Exec(ctx, "CREATE DATABASE percona; CREATE TABLE percona.heartbeat"+
		" (ts VARCHAR(26) NOT NULL, server_id INT UNSIGNED NOT NULL PRIMARY KEY);"+
		" INSERT INTO percona.heartbeat VALUES (DATE_FORMAT(UTC_TIMESTAMP(6) - INTERVAL 90 SECOND, '%Y-%m-%dT%H:%i:%s.%f'), @@server_id)"))
	require.NoError(t, c.WaitReplicated(ctx))
	topo := walk(t, accessTo(t, c, c.Nodes...), c.Nodes[1], topology.Options{Heartbeat: topology.Heartbeat{Table: "percona.heartbeat", UTC: true}})
	lag, ok := one(t, topo, "db-prod-2").Lag()
	require.True(t, ok)
	require.Equal(t, topology.FromHeartbeat, lag.From)
	require.InDelta(t, 92, lag.Seconds, 5)

	topo = walk(t, accessTo(t, c, c.Nodes...), c.Nodes[1], topology.Options{Heartbeat: topology.Heartbeat{Table: "percona.missing"}})
	lag, ok = one(t, topo, "db-prod-2").Lag()
	require.True(t, ok)
	require.Equal(t, topology.FromStatus, lag.From)
	require.False(t, topo.Partial, "a missing heartbeat table costs precision, not safety")

	// The applier is stopped and started with the dialect's words and our account's rights.
	srv, err := accessTo(t, c, c.Nodes...).Open(ctx, addr(t, c.Nodes[1]))
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	sess, err := srv.Session(ctx)
	require.NoError(t, err)
	defer func() { require.NoError(t, sess.Close()) }()
	_, err = sess.ExecContext(ctx, srv.Version.Dialect().StopSQL)
	require.NoError(t, err)
	topo = eventually(t, accessTo(t, c, c.Nodes...), c.Nodes[1], func(topo topology.Topology) bool {
		return one(t, topo, "db-prod-2").Links[0].SQLRunning == "No"
	})
	require.Contains(t, topo.Tree(), "STOPPED (io Yes, sql No)")
	_, err = sess.ExecContext(ctx, srv.Version.Dialect().StartSQL)
	require.NoError(t, err)
	eventually(t, accessTo(t, c, c.Nodes...), c.Nodes[1], func(topo topology.Topology) bool {
		return one(t, topo, "db-prod-2").Links[0].Running()
	})
}
