package storage

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine"
	"mysql-recycler/engine/rebuild"
)

// What one process publishes another reads; a row is written over, and one of a dead process is not
// believed for long.
func TestProgress(t *testing.T) {
	t.Parallel()
	at := time.Now()
	dbs := newDBs(t, 2, WithClock(func() time.Time { return at }))
	worker, bot := NewProgress(dbs[0]), NewProgress(dbs[1])
	s, _ := newRequests(dbs[0])
	for _, id := range []string{"R-AAAA", "R-BBBB"} {
		approve(t, s, recycle(id, "host-"+id))
	}
	step := func(f float64) []engine.LiveStep {
		p := rebuild.Progress{Phase: "copying", Fraction: f, Rate: 1e6, ETA: time.Minute}
		return []engine.LiveStep{{Seq: 2, Table: "shop.orders", Progress: p}, {Seq: 3, Table: "shop.carts", Progress: p}}
	}
	for _, f := range []float64{0.1, 0.5} {
		require.NoError(t, worker.Publish(t.Context(), map[string][]engine.LiveStep{"R-AAAA": step(f), "R-BBBB": step(f / 2)}, nil))
	}
	got, err := bot.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string][]engine.LiveStep{"R-AAAA": step(0.5), "R-BBBB": step(0.25)}, got)
	require.NoError(t, worker.Publish(t.Context(), map[string][]engine.LiveStep{"R-AAAA": step(0.6)}, []string{"R-BBBB"}))
	require.EqualValues(t, 1, rowsOf(t, dbs[1], "progress")["progress"])

	at = at.Add(progressAge + time.Second) // the worker is dead
	got, err = bot.Read(t.Context())
	require.NoError(t, err)
	require.Empty(t, got)
	at = at.Add(progressGone)
	require.NoError(t, bot.Publish(t.Context(), nil, nil))
	require.Zero(t, rowsOf(t, dbs[1], "progress")["progress"])
	require.Error(t, worker.Publish(t.Context(), map[string][]engine.LiveStep{"R-NONE": step(1)}, nil), "only of jobs there are")
}
