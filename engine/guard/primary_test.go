package guard_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/mysqltest"
)

// The verdict for a primary lists several independent reasons in plain words, from a snapshot and
// from a fresh read alike; its replicas are let through.
func TestPrimaryIsRefusedForSeveralReasons(t *testing.T) {
	t.Parallel()
	for _, o := range mysqltest.Matrix(mysqltest.MariaDB, mysqltest.MySQL) {
		o.Shape = "1+2"
		t.Run(string(o.Flavor), func(t *testing.T) {
			l := start(t, o)
			topo := l.walk(t, 1)
			g := guard.Default(guard.ExternalConfig{})

			want := []string{
				"db-prod-1 accepts writes (read_only=0)",
				"db-prod-1 does not replicate from any server",
				"db-prod-1 has no replication source and 2 replicas",
				"db-prod-1 is the primary of prod",
			}
			primary, _ := topo.Find("db-prod-1")
			snapshot := g.Ask(t.Context(), guard.Subject{Instance: primary, Topology: topo})
			require.False(t, snapshot.Allowed())
			require.Subset(t, snapshot.Reasons(), want)

			fresh, err := g.Permit(t.Context(), l.session(t, 0), topo, l.expect(t, topo, 0))
			var refused *guard.Refused
			require.ErrorAs(t, err, &refused)
			require.Equal(t, want, fresh.Reasons())
			require.Contains(t, refused.Sentence(), "Refused for 4 reasons: db-prod-1 accepts writes (read_only=0);")

			for n := 1; n <= 2; n++ {
				replica, _ := topo.Find(l.Nodes[n].Name)
				snapshot := g.Ask(t.Context(), guard.Subject{Instance: replica, Topology: topo, Expect: l.expect(t, topo, n)})
				require.False(t, snapshot.Allowed(), "a snapshot may only refuse")
				require.Len(t, snapshot.Reasons(), 1)

				v, err := g.Permit(t.Context(), l.session(t, n), topo, l.expect(t, topo, n))
				require.NoError(t, err, "%v", v.Reasons())
				require.True(t, v.Allowed())
			}
		})
	}
}
