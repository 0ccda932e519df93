package guard_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/engine/topology"
)

// Three servers in a ring, of which one reports another one's address: the writable ones are
// refused as primaries although each has a source, and what cannot be reached under the address it
// reports makes the topology partial, which refuses all until somebody approves that.
func TestRingWithALiar(t *testing.T) {
	t.Parallel()
	l := start(t, mysqltest.Options{Flavor: mysqltest.MariaDB, Shape: "ring3", ReportHost: func(i int) string {
		if i == 2 {
			return "127.0.0.1" // nothing of the cluster listens there
		}
		return ""
	}})
	g := guard.Default(guard.ExternalConfig{})
	topo := l.walk(t, 1) // every server is configured, so the lie misleads nobody
	require.False(t, topo.Partial, "%v", topo.Warnings)
	require.Len(t, topo.Instances, 3)
	require.Subset(t, l.permit(t, g, topo, 0), []string{"db-prod-1 accepts writes (read_only=0)", "db-prod-1 is the primary of prod"})
	require.Empty(t, l.permit(t, g, topo, 1))
	require.NoError(t, l.Nodes[1].Exec(t.Context(), "SET GLOBAL read_only=0"))
	require.Subset(t, l.permit(t, g, l.walk(t, 0), 1), []string{"db-prod-2 accepts writes (read_only=0)", "db-prod-2 is the primary of prod"})
	require.NoError(t, l.Nodes[1].Exec(t.Context(), "SET GLOBAL read_only=1"))

	known := *l.access
	known.Hosts, known.Allow = known.Hosts[1:2], []string{"127.0.0.1"} // the second alone: its source and its replica are only named
	half, err := topology.Discover(t.Context(), &known, addr(t, l.Nodes[1]), topology.Options{})
	require.NoError(t, err)
	require.True(t, half.Partial)
	v, err := g.Permit(t.Context(), l.session(t, 1), half, l.expect(t, half, 1))
	require.Error(t, err)
	require.Contains(t, v.Reasons(), "the topology of prod is known in part only")
}
