package topology_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/engine/topology"
)

// walk discovers from a node.
func walk(t *testing.T, a *dbconn.Access, seed *mysqltest.Node, o topology.Options) topology.Topology {
	t.Helper()
	topo, err := topology.Discover(t.Context(), a, addr(t, seed), o)
	require.NoError(t, err)
	t.Logf("from %s:\n%s%s", seed.Name, topo.Tree(), strings.Join(topo.Warnings, "\n"))
	return topo
}

// roles are the roles by name.
func roles(topo topology.Topology) map[string]topology.Role {
	out := map[string]topology.Role{}
	for _, i := range topo.Instances {
		out[i.Name] = i.Role
	}
	return out
}

// one is an instance that must be there.
func one(t *testing.T, topo topology.Topology, name string) topology.Instance {
	t.Helper()
	i, ok := topo.Find(name)
	require.True(t, ok, "%s is not in %v", name, slices.Collect(maps.Keys(roles(topo))))
	return i
}

// eventually polls a walk until it is as wanted; replication threads need a moment to change.
func eventually(t *testing.T, a *dbconn.Access, seed *mysqltest.Node, want func(topology.Topology) bool) topology.Topology {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		topo, err := topology.Discover(t.Context(), a, addr(t, seed), topology.Options{})
		require.NoError(t, err)
		if want(topo) {
			return topo
		}
		require.True(t, time.Now().Before(deadline), "the topology stays\n%s%v", topo.Tree(), topo.Warnings)
	}
}

// A tree of two tiers is found whole from each of its nodes, with the same roles.
func TestDiscoverFromAnyNode(t *testing.T) {
	t.Parallel()
	for _, o := range mysqltest.Matrix(mysqltest.MariaDB, mysqltest.MySQL, mysqltest.MySQL56) {
		o.Shape = "demo"
		t.Run(string(o.Flavor), func(t *testing.T) {
			c := start(t, o)
			want := map[string]topology.Role{
				"db-prod-1": topology.RolePrimary, "db-prod-2": topology.RoleReplica,
				"db-prod-3": topology.RoleIntermediate, "db-prod-4": topology.RoleReplica,
			}
			var trees []string
			for _, seed := range c.Nodes {
				alone := walk(t, accessTo(t, c, seed), seed, topology.Options{})
				require.Len(t, alone.Instances, 4)
				require.False(t, alone.Partial)

				topo := walk(t, accessTo(t, c, c.Nodes...), seed, topology.Options{})
				require.Equal(t, want, roles(topo))
				require.False(t, topo.Partial)
				require.Empty(t, topo.Warnings)
				trees = append(trees, topo.Tree())
			}
			for _, tree := range trees {
				require.Equal(t, trees[0], tree, "the drawing does not depend on where the walk began")
			}
			topo := walk(t, accessTo(t, c, c.Nodes...), c.Nodes[0], topology.Options{})
			middle := one(t, topo, "db-prod-3")
			require.Equal(t, "db-prod-4", topo.Downstream(middle.Identity)[0].Name)
			lag, ok := one(t, topo, "db-prod-4").Lag()
			require.True(t, ok)
			require.Less(t, lag.Seconds, 5.0)
			if o.Flavor == mysqltest.MySQL {
				require.Equal(t, topology.FromPerfSchema, lag.From)
			}
		})
	}
}

// Two servers that replicate from each other, and three in a ring: the walk ends, the writable ones
// are primaries, and the circle is said.
func TestDiscoverRings(t *testing.T) {
	t.Parallel()
	dual := start(t, mysqltest.Options{Flavor: mysqltest.MySQL, Shape: "dual"})
	topo := walk(t, accessTo(t, dual, dual.Nodes...), dual.Nodes[1], topology.Options{})
	require.Equal(t, map[string]topology.Role{"db-prod-1": topology.RolePrimary, "db-prod-2": topology.RoleIntermediate}, roles(topo))
	require.Contains(t, topo.Warnings, "db-prod-1, db-prod-2 replicate from each other (dual primary); only db-prod-1 accepts writes")
	require.Contains(t, topo.Tree(), "(see above)")

	require.NoError(t, dual.Nodes[1].Exec(t.Context(), "SET GLOBAL super_read_only=0; SET GLOBAL read_only=0"))
	topo = walk(t, accessTo(t, dual, dual.Nodes...), dual.Nodes[0], topology.Options{})
	require.Equal(t, topology.RolePrimary, one(t, topo, "db-prod-2").Role)
	require.Contains(t, topo.Warnings, "db-prod-1, db-prod-2 replicate from each other (dual primary); db-prod-1, db-prod-2 accept writes")

	ring := start(t, mysqltest.Options{Flavor: mysqltest.MariaDB, Shape: "ring3"})
	topo = walk(t, accessTo(t, ring, ring.Nodes...), ring.Nodes[2], topology.Options{})
	require.Len(t, topo.Instances, 3)
	require.Equal(t, topology.RolePrimary, one(t, topo, "db-prod-1").Role)
	require.Contains(t, topo.Warnings[0], "db-prod-1, db-prod-2, db-prod-3 replicate in a ring")
}

// Servers that hang or are gone are listed with their reason within the bounds, and what is below
// them is found if it is configured.
func TestDiscoverDeadNodes(t *testing.T) {
	t.Parallel()
	c := start(t, mysqltest.Options{Flavor: mysqltest.MariaDB, Shape: "demo"})
	a := accessTo(t, c, c.Nodes...)
	require.NoError(t, c.Nodes[1].Pause())
	require.NoError(t, c.Nodes[2].Kill())

	begin := time.Now()
	topo := walk(t, a, c.Nodes[0], topology.Options{NodeTimeout: 400 * time.Millisecond})
	require.Less(t, time.Since(begin), 3*time.Second)
	require.True(t, topo.Partial)
	require.Equal(t, "does not answer in time", one(t, topo, "db-prod-2").Unreached)
	require.Equal(t, "refuses connections (nobody listens there)", one(t, topo, "db-prod-3").Unreached)
	require.Equal(t, topology.RoleUnknown, one(t, topo, "db-prod-3").Role)
	last := one(t, topo, "db-prod-4")
	require.True(t, last.Reached)
	require.Equal(t, topology.RoleReplica, last.Role)
	require.Contains(t, topo.Tree(), "not reached: does not answer in time")
	require.NoError(t, c.Nodes[1].Continue())

	// The seed itself is gone and nothing else is known: that is an error with its class.
	_, err := topology.Discover(t.Context(), accessTo(t, c), addr(t, c.Nodes[2]), topology.Options{NodeTimeout: 400 * time.Millisecond})
	var connect *dbconn.ConnectError
	require.ErrorAs(t, err, &connect)
	require.Equal(t, dbconn.ClassRefused, connect.Class)

	// The primary is gone: its replicas are still a topology, with the primary listed as unknown.
	require.NoError(t, c.Nodes[0].Kill())
	topo = walk(t, accessTo(t, c), c.Nodes[1], topology.Options{NodeTimeout: 400 * time.Millisecond})
	require.Len(t, topo.Instances, 2)
	require.Equal(t, topology.RoleReplica, one(t, topo, c.Nodes[1].Addr()).Role)
	require.False(t, one(t, topo, c.Nodes[0].Addr()).Reached)
}

// Limits end a walk and are told.
func TestDiscoverLimits(t *testing.T) {
	t.Parallel()
	c := start(t, mysqltest.Options{Flavor: mysqltest.MariaDB, Shape: "chain3"})
	topo := walk(t, accessTo(t, c), c.Nodes[0], topology.Options{MaxDepth: 1})
	require.True(t, topo.Partial)
	require.Equal(t, "beyond the depth limit of 1", one(t, topo, c.Nodes[2].Addr()).Unreached)
	topo = walk(t, accessTo(t, c), c.Nodes[0], topology.Options{MaxNodes: 2})
	require.Equal(t, "beyond the limit of 2 servers", one(t, topo, c.Nodes[2].Addr()).Unreached)
}
