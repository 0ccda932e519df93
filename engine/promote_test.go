package engine_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine"
	"mysql-recycler/engine/mysqltest"
)

// The proof of primary protection: a replica is promoted at forty random moments around the guard
// and the statement. What the server logged, in its own order, decides.
func TestPromotedAtRandomMoments(t *testing.T) {
	t.Parallel()
	const rounds = 40
	w := newWorld(t, "1+1", mysqltest.TableSpec{Schema: "shop", Name: "orders", Rows: 60_000, RowBytes: 250, DeletePercent: 30})
	w.discover("db-2")
	p := w.plan("db-2")
	id := w.recycle("db-2", p) // undisturbed, to know how long a run takes here
	start := time.Now()
	require.NoError(t, w.dispatcher.Run(t.Context(), id))
	span := time.Since(start)
	require.Equal(t, engine.JobSucceeded, w.job(id).State)

	ends, worst := map[string]int{}, time.Duration(0)
	for i := range rounds {
		how, gone := w.promoted(p, i%2 == 0, rand.N(span/2))
		ends[how]++
		worst = max(worst, gone)
	}
	t.Logf("a run takes %s; ends of %d promotions: %v; a statement was gone after at most %s", span.Round(time.Millisecond), rounds, ends, worst.Round(time.Millisecond))
	require.Greater(t, len(ends), 1, "the moments were spread")
	require.Positive(t, ends["killed"], "some promotions met a running statement")
	require.Empty(t, w.ownTransactions(1))
	require.Zero(t, w.leftovers(1))
}

// promoted starts a job, promotes its host after a while (counted from the start of the statement,
// when it shall run), checks what happened on the server and makes the host a replica again.
func (w *world) promoted(p engine.Plan, running bool, after time.Duration) (how string, gone time.Duration) {
	t, node := w.t, w.cluster.Nodes[1]
	id := w.recycle("db-2", p)
	log, err := node.GeneralLog()
	require.NoError(t, err)
	end := w.background(t.Context(), id)
	if running { // or over already: on a busy machine a short statement can be missed
		require.Eventually(t, func() bool { return w.ours(1) > 0 || w.job(id).State.Final() }, 60*time.Second, 2*time.Millisecond)
		after /= 4
	}
	time.Sleep(after) // the random moment itself, not a hope
	require.NoError(t, w.cluster.Promote(t.Context(), node))
	at := time.Now()
	require.Eventually(t, func() bool { return w.ours(1) == 0 }, 60*time.Second, time.Millisecond)
	gone = time.Since(at)
	require.NoError(t, end())
	require.Zero(t, w.ours(1))

	j := w.job(id)
	s := j.Steps[0]
	text, err := node.GeneralLog()
	require.NoError(t, err)
	text = text[len(log):]
	promoted, sent := strings.Index(text, "read_only"), strings.Index(text, fmt.Sprintf("ALTER /* recycler job=%s ", id))
	if promote := strings.Index(text, "SET GLOBAL read_only"); promote >= 0 {
		promoted = promote
	}
	require.GreaterOrEqual(t, promoted, 0)
	if sent >= 0 {
		require.Less(t, sent, promoted, "no statement of ours starts on a primary:\n%s", text)
	}
	if forgot := strings.Index(text, "RESET "); forgot >= 0 && sent > forgot {
		// It had no source any more, and took no writes yet: sent in the moment between the last look
		// and the statement, and ended.
		require.Equal(t, engine.StepRefused, s.State, text)
	}
	switch {
	case sent < 0:
		how = "refused before"
		require.False(t, running, "a statement was to run before the promotion: %s", j.Reason)
		require.Equal(t, engine.JobRefused, j.State, j.Reason)
	case s.State == engine.StepRefused:
		how = "killed"
		require.Contains(t, w.alerts(id), engine.AlertPromoted)
		require.Equal(t, engine.JobRefused, j.State, j.Reason)
		require.Less(t, gone, time.Second)
	case s.Reason != "":
		how = "too late to kill"
		require.Equal(t, engine.StepDone, s.State)
	default:
		how = "done before"
		require.Equal(t, engine.StepDone, s.State, s.Reason)
	}
	require.NoError(t, w.cluster.Demote(t.Context(), node, w.cluster.Nodes[0]))
	// Until it has read something from its new source, a replica is taken for a promoted server.
	require.NoError(t, w.cluster.Nodes[0].Exec(t.Context(), "CREATE OR REPLACE TABLE shop.tick (n INT)"))
	require.NoError(t, w.cluster.WaitReplicated(t.Context()))
	return how, gone
}

// On MySQL super_read_only is lifted for the rebuild. A replica that is promoted in the middle of one
// keeps it off: put back, it would freeze the new primary. Nothing of ours is in its history.
func TestPromotedWithSuperReadOnlyLifted(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, mysqltest.Options{Flavor: mysqltest.MySQL, Shape: "1+1", GeneralLog: true},
		mysqltest.TableSpec{Schema: "shop", Name: "orders", Rows: 60_000, RowBytes: 250, DeletePercent: 30})
	node := w.cluster.Nodes[1]
	ask := func(q string) (value string) {
		t.Helper()
		require.NoError(t, node.DB().QueryRowContext(t.Context(), q).Scan(&value))
		return value
	}
	require.Equal(t, "1", ask("SELECT @@global.super_read_only"))
	w.discover("db-2")
	p := w.plan("db-2")
	killed := 0
	for i := range 6 {
		id := w.recycle("db-2", p)
		end := w.background(t.Context(), id)
		w.running(1)
		require.Equal(t, "0", ask("SELECT @@global.super_read_only"), "lifted")
		time.Sleep(time.Duration(i) * 30 * time.Millisecond) // the moment itself, not a hope
		require.NoError(t, w.cluster.Promote(t.Context(), node))
		at := time.Now()
		require.Eventually(t, func() bool { return w.ours(1) == 0 }, 60*time.Second, time.Millisecond)
		gone := time.Since(at)
		require.NoError(t, end())

		j := w.job(id)
		s := j.Steps[0]
		t.Logf("promotion %d: gone after %s, %s, %q", i, gone.Round(time.Millisecond), s.State, s.Reason)
		if s.State == engine.StepRefused {
			killed++
			require.Equal(t, engine.JobRefused, j.State, j.Reason)
			require.Contains(t, w.alerts(id), engine.AlertPromoted)
			require.Less(t, gone, time.Second)
		} else {
			require.Equal(t, engine.StepDone, s.State, s.Reason) // before the promotion, or said to be too late
		}
		require.Equal(t, "0", ask("SELECT @@global.read_only"))
		require.Equal(t, "0", ask("SELECT @@global.super_read_only"), "a new primary is not frozen")
		require.NotContains(t, ask("SELECT @@global.gtid_executed"), ask("SELECT @@server_uuid"))
		require.Equal(t, "0", ask("SELECT COUNT(*) FROM information_schema.INNODB_TABLESPACES WHERE NAME LIKE '%#sql%'"))
		strays, err := filepath.Glob(filepath.Join(node.Dir, "*", "shop", "#sql*"))
		require.NoError(t, err)
		require.Empty(t, strays)

		require.NoError(t, w.cluster.Demote(t.Context(), node, w.cluster.Nodes[0]))
		require.NoError(t, w.cluster.Nodes[0].Exec(t.Context(), fmt.Sprintf("CREATE TABLE shop.tick%d (n INT)", i)))
		require.NoError(t, w.cluster.WaitReplicated(t.Context()))
	}
	require.Positive(t, killed, "promotions met running statements")
}
