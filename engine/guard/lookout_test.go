package guard_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/mysqltest"
)

// A lookout keeps its two connections from one statement to the next, makes new ones for those that were
// cut meanwhile, and sees a promotion on either.
func TestLookout(t *testing.T) {
	t.Parallel()
	for _, flavor := range []mysqltest.Flavor{mysqltest.MariaDB, mysqltest.MySQL} {
		t.Run(string(flavor), func(t *testing.T) {
			t.Parallel()
			l := start(t, mysqltest.Options{Flavor: flavor, Shape: "1+1"})
			topo := l.walk(t, 0)
			e, srv := l.expect(t, topo, 1), l.open(t, 1)
			others := l.connections(t)
			watchers := func() []uint64 {
				return slices.DeleteFunc(l.connections(t), func(id uint64) bool { return slices.Contains(others, id) })
			}
			out := guard.Default(guard.ExternalConfig{}).Lookout(srv)
			defer out.Close()
			statement := func(during func()) error {
				ctx, end := context.WithTimeoutCause(t.Context(), 20*time.Second, errors.New("the watch went on"))
				defer end()
				result := make(chan error, 1)
				go func() { result <- out.Watch(ctx, topo, e, 50*time.Millisecond) }()
				require.Eventually(t, func() bool { return len(watchers()) == 2 }, 10*time.Second, 5*time.Millisecond, "pulse and full look")
				during()
				end()
				return <-result
			}
			require.NoError(t, statement(func() { time.Sleep(300 * time.Millisecond) }))
			first := watchers()
			require.Len(t, first, 2, "kept")
			require.NoError(t, statement(func() {}))
			require.Equal(t, first, watchers(), "and used again")

			for _, id := range first {
				require.NoError(t, srv.KillConnection(t.Context(), id))
			}
			require.NoError(t, statement(func() { time.Sleep(300 * time.Millisecond) }), "a cut connection is no reason to end a statement")
			second := watchers()
			require.Len(t, second, 2)
			require.NotSubset(t, first, second)

			var refused *guard.Refused
			result := make(chan error, 1)
			go func() { result <- out.Watch(t.Context(), topo, e, 50*time.Millisecond) }()
			require.NoError(t, l.Promote(t.Context(), l.Nodes[1]))
			require.ErrorAs(t, <-result, &refused)
			require.True(t, refused.Verdict.Known())
			out.Close()
			require.Eventually(t, func() bool { return len(watchers()) == 0 }, 10*time.Second, 5*time.Millisecond)
		})
	}
}

// connections are those of the recycler's account on the replica.
func (l *lab) connections(t *testing.T) []uint64 {
	t.Helper()
	rows, err := l.Nodes[1].DB().QueryContext(t.Context(), "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'recycler' ORDER BY ID")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	var ids []uint64
	for rows.Next() {
		var id uint64
		require.NoError(t, rows.Scan(&id))
		ids = append(ids, id)
	}
	require.NoError(t, rows.Err())
	return ids
}
