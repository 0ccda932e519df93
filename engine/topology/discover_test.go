package topology_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/engine/topology"
)

func TestDiscoverDemo(t *testing.T) {
	t.Parallel()
	for _, o := range mysqltest.Matrix(mysqltest.MariaDB, mysqltest.MySQL) {
		o.Shape = "demo"
		t.Run(string(o.Flavor), func(t *testing.T) {
			c := start(t, o)
			a := accessTo(t, c, c.Nodes...)
			for _, seed := range c.Nodes {
				topo, err := topology.Discover(t.Context(), accessTo(t, c, seed), addr(t, seed), topology.Options{})
				require.NoError(t, err)
				t.Log("\n"+topo.Tree(), topo.Warnings)
				require.Len(t, topo.Instances, 4)
				require.False(t, topo.Partial)
			}
			topo, err := topology.Discover(t.Context(), a, addr(t, c.Nodes[3]), topology.Options{})
			require.NoError(t, err)
			t.Log("\n"+topo.Tree(), topo.Warnings)
			roles := map[string]topology.Role{}
			for _, i := range topo.Instances {
				roles[i.Name] = i.Role
			}
			require.Equal(t, map[string]topology.Role{
				"db-prod-1": topology.RolePrimary, "db-prod-2": topology.RoleReplica,
				"db-prod-3": topology.RoleIntermediate, "db-prod-4": topology.RoleReplica,
			}, roles)
		})
	}
}
