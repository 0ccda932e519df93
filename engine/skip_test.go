package engine_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine"
	"mysql-recycler/engine/mysqltest"
)

// skips asks to leave a table alone.
func (w *world) skips(id string, seq int) {
	w.t.Helper()
	_, err := w.facts.Skip(w.t.Context(), id, seq, alice)
	require.NoError(w.t, err)
}

// A table that runs is killed and left alone, also when an earlier process began it; one that was
// skipped before the job ran is never started. Somebody holds the tables, so that no statement ends
// by itself.
func TestSkipRunningTables(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", small1, small2, mysqltest.TableSpec{Schema: "shop", Name: "logs", Rows: 20_000, RowBytes: 200, DeletePercent: 60})
	w.adjust = func(s *engine.ClusterSettings) { s.LockWait = 5 * time.Minute }
	w.discover("db-2")
	id := w.recycle("db-2", w.plan("db-2"))
	before := w.bytes(1, "shop.carts")
	w.holds(1, "shop.carts", "shop.visits", "shop.logs")
	w.skips(id, 3)
	ctx, stop := context.WithCancelCause(t.Context())
	end := w.background(ctx, id)
	w.running(1)
	stop(errors.New("shutting down"))
	require.Error(t, end())
	require.Equal(t, 1, w.ours(1), "it was left to the server")

	w.skips(id, 1)
	end = w.background(t.Context(), id)
	require.Eventually(t, func() bool { return w.job(id).Steps[1].State == engine.StepRunning && w.ours(1) == 1 }, 60*time.Second, 10*time.Millisecond)
	_, err := w.facts.Skip(t.Context(), id, 1, alice)
	var no *engine.Problem
	require.ErrorAs(t, err, &no)
	require.Equal(t, "table_ended", no.Code)
	w.skips(id, 2)
	require.NoError(t, end())
	j := w.job(id)
	require.Equal(t, engine.JobSucceeded, j.State, j.Reason)
	for _, s := range j.Steps {
		require.Equal(t, engine.StepSkipped, s.State, "%+v", s)
		require.Equal(t, "alice asked for it", s.Reason)
	}
	require.Equal(t, map[string]int{"1": 1, "2": 1}, w.sent(1))
	require.Equal(t, before, w.bytes(1, "shop.carts"), "a killed rebuild leaves the table as it was")
	require.Zero(t, w.ours(1))
	require.Zero(t, w.leftovers(1))
	_, err = w.facts.Skip(t.Context(), id, 2, alice)
	require.ErrorAs(t, err, &no)
	require.Equal(t, "job_ended", no.Code)
}

// A table that the throttle holds back is left alone at once, and so is one of a paused job, whose
// rest can then go on.
func TestSkipWaitingTables(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", small1, small2)
	w.adjust = func(s *engine.ClusterSettings) { s.Limits.LongTrx = time.Second }
	w.discover("db-2")
	id := w.recycle("db-2", w.plan("db-2"))
	w.holds(1, "shop.carts", "shop.visits")
	w.old(1)
	end := w.background(t.Context(), id)
	require.Eventually(t, func() bool { return len(w.waits(id)) > 0 }, 60*time.Second, 10*time.Millisecond)
	w.skips(id, 1)
	w.becomes(id, 1, engine.StepSkipped)
	_, err := w.facts.Want(t.Context(), id, engine.WantPause, alice)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return w.job(id).State == engine.JobPaused }, 60*time.Second, 10*time.Millisecond)
	w.skips(id, 2)
	w.becomes(id, 2, engine.StepSkipped)
	_, err = w.facts.Want(t.Context(), id, engine.WantRun, alice)
	require.NoError(t, err)
	require.NoError(t, end())
	require.Equal(t, engine.JobSucceeded, w.job(id).State, w.job(id).Reason)
	require.Empty(t, w.sent(1))
}

// becomes waits until a step is in a state.
func (w *world) becomes(id string, seq int, want engine.StepState) {
	w.t.Helper()
	require.Eventually(w.t, func() bool { return w.job(id).Steps[seq-1].State == want }, 60*time.Second, 10*time.Millisecond)
}

// holds keeps tables of a server in use until the test ends, or the answer is called.
func (w *world) holds(node int, tables ...string) (free func()) {
	w.t.Helper()
	tx, err := w.cluster.Nodes[node].DB().BeginTx(w.t.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = tx.Rollback() }) // the test's context has ended it by then
	for _, name := range tables {
		var rows int64
		require.NoError(w.t, tx.QueryRowContext(w.t.Context(), "SELECT COUNT(*) FROM "+name).Scan(&rows))
	}
	return func() { require.NoError(w.t, tx.Rollback()) }
}

// old waits until a transaction of a server is older than two seconds. The server refreshes its list
// only when nobody has read it for a tenth of a second.
func (w *world) old(node int) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		var n int
		err := w.cluster.Nodes[node].DB().QueryRowContext(w.t.Context(), "SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_started < NOW() - INTERVAL 2 SECOND").Scan(&n)
		return err == nil && n > 0
	}, 60*time.Second, 300*time.Millisecond, "no transaction is long yet")
}
