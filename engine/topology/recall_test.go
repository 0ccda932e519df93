package topology_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/engine/topology"
)

// A replica whose receiver is down is named by nobody after a while. The walk remembers it from the
// last one: it is found where it was, or listed as missing with when it was seen, and the topology is
// partial.
func TestDiscoverMissing(t *testing.T) {
	t.Parallel()
	for _, o := range mysqltest.Matrix(mysqltest.MySQL, mysqltest.MariaDB) {
		o.Shape = "1+2"
		t.Run(string(o.Flavor), func(t *testing.T) {
			c := start(t, o)
			ctx, lost := t.Context(), c.Nodes[2]
			a := accessTo(t, c, c.Nodes[:2]...) // the other is found through its source alone
			before := walk(t, a, c.Nodes[0], topology.Options{})
			require.Len(t, before.Instances, 3)
			name := addr(t, lost).String()
			id := one(t, before, name).Identity

			require.NoError(t, lost.Exec(ctx, "STOP REPLICA IO_THREAD"))
			forgets := func() {
				t.Helper()
				eventually(t, a, c.Nodes[0], func(topo topology.Topology) bool { // the source notices when it has something to send
					require.NoError(t, c.Nodes[0].Exec(ctx, fmt.Sprintf("CREATE DATABASE tick%d", time.Now().UnixNano())))
					return len(topo.Instances) == 2
				})
			}
			forgets()
			topo := walk(t, a, c.Nodes[0], topology.Options{Before: &before})
			require.False(t, topo.Partial, "it answers where it was")
			there := one(t, topo, name)
			require.True(t, there.Reached)
			require.Equal(t, "No", there.Links[0].IORunning)
			require.Len(t, topo.Downstream(one(t, topo, "db-prod-1").Identity), 2)

			require.NoError(t, lost.Kill())
			for range 2 { // and it stays missing from walk to walk
				topo = walk(t, a, c.Nodes[0], topology.Options{Before: &topo})
				require.True(t, topo.Partial)
				gone, ok := topo.ByIdentity(id)
				require.True(t, ok)
				require.False(t, gone.Reached)
				require.Equal(t, name, gone.Name)
				require.Equal(t, there.At.Unix(), gone.LastSeen.Unix())
				require.Equal(t, "refuses connections (nobody listens there); last seen "+there.At.UTC().Format("2006-01-02 15:04 UTC")+
					", expected until "+there.At.Add(24*time.Hour).UTC().Format("2006-01-02 15:04 UTC"), gone.Unreached)
				require.Len(t, topo.Downstream(one(t, topo, "db-prod-1").Identity), 2, "drawn where it was")
			}
			old := topo
			for n := range old.Instances {
				old.Instances[n].LastSeen = old.Instances[n].LastSeen.Add(-8 * 24 * time.Hour)
			}
			topo = walk(t, a, c.Nodes[0], topology.Options{Before: &old})
			require.False(t, topo.Partial, "a server that was taken away is forgotten in the end")

			// One that came back as something else is no part of the cluster.
			require.NoError(t, lost.Restart(ctx))
			require.NoError(t, c.Promote(ctx, lost))
			forgets()
			topo = walk(t, a, c.Nodes[0], topology.Options{Before: &before})
			require.Len(t, topo.Instances, 2)
			require.False(t, topo.Partial)
			require.Contains(t, topo.Warnings, name+" was in the cluster before and replicates with nobody of it now; it is left out")
		})
	}
}
