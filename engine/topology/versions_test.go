package topology_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/topology"
)

// Versions that cannot be installed here: each simulated server knows the statements of its version
// alone, so a walk that is complete spoke each dialect right without trying.
func TestDiscoverEveryVersion(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"5.6.51", "5.7.42-log", "8.0.21", "8.0.46", "8.2.0", "8.4.10", "9.7.4", "26.7.0",
		"10.6.21-MariaDB", "10.11.19-MariaDB", "11.8.3-MariaDB"} {
		t.Run(version, func(t *testing.T) {
			s := simTree(7, 2, version, 0)
			for _, seed := range []int{0, 6} {
				topo, err := topology.Discover(t.Context(), s.access(), simAddr(seed), topology.Options{})
				require.NoError(t, err)
				require.False(t, topo.Partial, "%v", topo.Warnings)
				require.Empty(t, topo.Warnings)
				require.Len(t, topo.Instances, 7)
				last := one(t, topo, simAddr(6).String())
				require.Equal(t, topology.RoleReplica, last.Role)
				require.Equal(t, topology.RoleIntermediate, one(t, topo, simAddr(2).String()).Role)
				require.Equal(t, topology.RolePrimary, one(t, topo, simAddr(0).String()).Role)
				lag, ok := last.Lag()
				require.True(t, ok)
				if last.Version.Flavor == dbconn.MySQL && last.Version.AtLeast(8, 0, 0) {
					require.Equal(t, topology.Lag{Seconds: 1.5, From: topology.FromPerfSchema}, lag)
				} else {
					require.Equal(t, topology.Lag{Seconds: 0, From: topology.FromStatus}, lag)
				}
			}
			s.close(t)
		})
	}
}

// Round trips: two tiers of five replicas each cost one visit per server and five trips per visit.
func TestDiscoverCostsTiersNotNodes(t *testing.T) {
	t.Parallel()
	s := simTree(31, 5, "8.4.10", 0)
	_, err := topology.Discover(t.Context(), s.access(), simAddr(0), topology.Options{})
	require.NoError(t, err)
	s.close(t)
	require.EqualValues(t, 31, s.visits.Load())
	require.EqualValues(t, 31*5, s.trips.Load(), "connect, greeting, login, facts, everything else")

	// With 40 ms to every server the walk waits for tiers: one server after the other would be 6.2 s.
	const latency = 40 * time.Millisecond
	far := simTree(31, 5, "8.4.10", latency)
	begin := time.Now()
	_, err = topology.Discover(t.Context(), far.access(), simAddr(0), topology.Options{})
	took := time.Since(begin)
	require.NoError(t, err)
	far.close(t)
	floor := time.Duration(tiers(31, 5)*5) * latency
	require.GreaterOrEqual(t, took, floor)
	require.Less(t, took, 3*floor, "the floor is %s", floor)
}

// add changes what a simulated server answers.
func (n *simNode) add(sql string, columns []string, rows ...[]string) {
	n.answers[sql] = simResult{columns, rows}
}

// fact sets a variable of a simulated server.
func (n *simNode) fact(name, value string) {
	r := n.answers[dbconn.FactsSQL]
	r.rows = append(r.rows, []string{name, value})
	n.answers[dbconn.FactsSQL] = r
}

// Members of groups, shared storage and binlog servers are recognised and named, never replicas.
func TestDiscoverSpecialServers(t *testing.T) {
	t.Parallel()
	const groupSQL = "SELECT MEMBER_ID, MEMBER_HOST, MEMBER_PORT, MEMBER_STATE, MEMBER_ROLE," +
		" MEMBER_ID = @@server_uuid AS me FROM performance_schema.replication_group_members"
	columns := []string{"MEMBER_ID", "MEMBER_HOST", "MEMBER_PORT", "MEMBER_STATE", "MEMBER_ROLE", "me"}
	s := simTree(1, 1, "9.7.4", 0)
	for k := range 3 {
		n := simServer("9.7.4", k, -1, nil)
		n.fact("group_replication_group_name", "aaaa")
		var rows [][]string
		for m := range 3 {
			role := "SECONDARY"
			if m == 0 {
				role = "PRIMARY"
			}
			rows = append(rows, []string{simUUID(m), simAddr(m).Host, "3306", "ONLINE", role, fmt.Sprint(map[bool]int{true: 1}[m == k])})
		}
		n.add(groupSQL, columns, rows...)
		s.nodes[n.addr.String()] = n
	}
	topo, err := topology.Discover(t.Context(), s.access(), simAddr(1), topology.Options{})
	require.NoError(t, err)
	s.close(t)
	require.Len(t, topo.Instances, 3)
	require.Equal(t, "group_replication primary online", one(t, topo, simAddr(0).String()).Group)
	require.Equal(t, topology.RoleGroupMember, one(t, topo, simAddr(2).String()).Role)

	for name, special := range map[string]struct {
		version string
		prepare func(n *simNode)
		role    topology.Role
		group   string
	}{
		"galera": {"10.11.19-MariaDB", func(n *simNode) {
			n.fact("wsrep_on", "ON")
			n.fact("wsrep_provider", "/usr/lib/galera/libgalera_smm.so")
		}, topology.RoleGroupMember, "galera"},
		"galera, detached": {"8.0.42", func(n *simNode) {
			n.fact("wsrep_on", "OFF")
			n.fact("wsrep_provider", "/usr/lib/galera4/libgalera_smm.so")
		}, topology.RoleGroupMember, "galera"},
		"wsrep without a provider": {"10.11.19-MariaDB", func(n *simNode) {
			n.fact("wsrep_on", "ON")
			n.fact("wsrep_provider", "none")
		}, topology.RoleReplica, ""},
		"aurora":     {"8.0.42", func(n *simNode) { n.fact("aurora_version", "3.10.0") }, topology.RoleGroupMember, "aurora"},
		"maxscale":   {"10.6.21-MariaDB", func(n *simNode) { n.fact("maxscale_version", "23.08.5") }, topology.RoleRelay, ""},
		"ordinary":   {"8.0.46", func(*simNode) {}, topology.RoleReplica, ""},
		"group down": {"9.7.4", func(n *simNode) { n.fact("group_replication_group_name", "x"); n.add(groupSQL, columns) }, topology.RoleGroupMember, "group_replication offline"},
	} {
		s := simTree(2, 1, special.version, 0)
		special.prepare(s.nodes[simAddr(1).String()])
		topo, err := topology.Discover(t.Context(), s.access(), simAddr(0), topology.Options{})
		require.NoError(t, err, name)
		s.close(t)
		i := one(t, topo, simAddr(1).String())
		require.Equal(t, special.role, i.Role, name)
		require.Equal(t, special.group, i.Group, name)
	}
}

// A binlog server between a primary and its replica answers a handful of statements, one at a time,
// and 1064 to everything else. It is told by what it says of itself, and the walk passes through it
// either way.
func TestDiscoverThroughBinlogServer(t *testing.T) {
	t.Parallel()
	s := simTree(3, 1, "10.6.21-MariaDB", 0)
	relay := s.nodes[simAddr(1).String()]
	relay.single = true
	relay.answers = map[string]simResult{
		"SHOW VARIABLES LIKE 'maxscale%'": {[]string{"Variable_name", "Value"}, [][]string{{"MAXSCALE_VERSION", "23.08.5"}}},
		"SELECT @@GLOBAL.SERVER_ID AS id": {[]string{"id"}, [][]string{{"2"}}},
		"SHOW SLAVE STATUS":               relay.answers["SHOW ALL SLAVES STATUS"],
		"SHOW SLAVE HOSTS":                relay.answers["SHOW SLAVE HOSTS"],
	}
	for _, seed := range []int{0, 1, 2} {
		topo, err := topology.Discover(t.Context(), s.access(), simAddr(seed), topology.Options{})
		require.NoError(t, err)
		require.Len(t, topo.Instances, 3, topo.Tree())
		require.False(t, topo.Partial, "%v", topo.Warnings)
		i := one(t, topo, simAddr(1).String())
		require.Equal(t, topology.RoleRelay, i.Role)
		require.Contains(t, topo.Tree(), "MaxScale 23.8.5")
		require.Len(t, topo.Downstream(i.Identity), 1)
		require.Equal(t, topology.RoleReplica, one(t, topo, simAddr(2).String()).Role)
	}

	// What only refuses is neither taken for one nor for a trouble with our account.
	relay.answers = nil
	topo, err := topology.Discover(t.Context(), s.access(), simAddr(0), topology.Options{})
	require.NoError(t, err)
	s.close(t)
	require.Equal(t, "answers with error 1064", one(t, topo, simAddr(1).String()).Unreached)
	require.True(t, topo.Partial)
}

// Two servers with one server_uuid (a copied data directory) are never taken for one server.
func TestDiscoverClones(t *testing.T) {
	t.Parallel()
	s := simTree(3, 2, "8.4.10", 0)
	set := func(n int, sql string, column int, was, is string) {
		for _, row := range s.nodes[simAddr(n).String()].answers[sql].rows {
			if row[column] == was {
				row[column] = is
			}
		}
	}
	set(2, dbconn.FactsSQL, 1, simUUID(2), simUUID(1))
	set(0, "SHOW REPLICAS", 4, simUUID(2), simUUID(1))
	topo, err := topology.Discover(t.Context(), s.access(), simAddr(0), topology.Options{})
	require.NoError(t, err)
	require.True(t, topo.Partial)
	require.Contains(t, fmt.Sprint(topo.Warnings), "and the server_uuid of")

	a := s.access()
	a.Hosts = []dbconn.Host{{Name: "one", Addr: simAddr(1)}, {Name: "two", Addr: simAddr(2)}}
	topo, err = topology.Discover(t.Context(), a, simAddr(0), topology.Options{})
	require.NoError(t, err)
	s.close(t)
	require.True(t, topo.Partial)
	unreached := 0
	for _, i := range topo.Instances {
		if !i.Reached {
			unreached++
			require.Equal(t, "it has the same server_uuid as another server (a copied data directory)", i.Unreached)
		}
	}
	require.Equal(t, 1, unreached, topo.Tree())
}
