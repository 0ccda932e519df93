package engine_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/mysqltest"
)

// small tables are rebuilt in a blink; slow is big enough to be met in the middle of its rebuild.
var (
	small1 = mysqltest.TableSpec{Schema: "shop", Name: "carts", Rows: 30_000, RowBytes: 200, DeletePercent: 70}
	small2 = mysqltest.TableSpec{Schema: "shop", Name: "visits", Rows: 25_000, RowBytes: 200, DeletePercent: 60}
	slow   = mysqltest.TableSpec{Schema: "shop", Name: "orders", Rows: 200_000, RowBytes: 250, DeletePercent: 40}
)

func TestRecycleGivesBytesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", small1, small2)
	w.discover("db-2")
	p := w.plan("db-2")
	require.Len(t, p.Hosts[0].Steps, 2)
	before := w.bytes(1, "shop.carts")
	id := w.recycle("db-2", p)
	require.Empty(t, w.sent(1), "nothing runs before the job does")
	require.NoError(t, w.dispatcher.Run(t.Context(), id))

	j := w.job(id)
	require.Equal(t, engine.JobSucceeded, j.State, j.Reason)
	for _, s := range j.Steps {
		require.Equal(t, engine.StepDone, s.State)
		require.Equal(t, s.After, w.bytes(1, s.Plan.Schema+"."+s.Plan.Table), "what we say is what the server says")
	}
	require.Less(t, w.bytes(1, "shop.carts"), before/2)
	require.Equal(t, map[string]int{"1": 1, "2": 1}, w.sent(1))
	require.Empty(t, w.sent(0), "the primary has seen nothing")
	require.Empty(t, w.ownTransactions(1), "a binlog-off rebuild makes no transaction of its own")
	require.Contains(t, w.kinds(id), engine.EventJobCompleted)
	require.Empty(t, w.live.Progress(id))

	require.NoError(t, w.dispatcher.Run(t.Context(), id), "running an ended job again does nothing")
	require.Equal(t, map[string]int{"1": 1, "2": 1}, w.sent(1))
}

func TestPrimaryIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", small1)
	w.discover("db-2")
	target, err := w.Find("db-1")
	require.NoError(t, err)
	_, err = w.planner.Plan(t.Context(), engine.PlanSpec{Target: target})
	var refused *engine.Problem
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "primary_refused", refused.Code)
	require.GreaterOrEqual(t, len(refused.Reasons), 2, "independent reasons, not one: %v", refused.Reasons)

	// A plan that names the primary all the same, as a forged request would, dies at the guard.
	p := w.plan("db-2")
	seen, err := w.journal.NewestDiscovery(t.Context(), "db", "")
	require.NoError(t, err)
	in, ok := seen.Topology.Find("db-1")
	require.True(t, ok)
	p.Hosts[0].Name, p.Hosts[0].Addr, p.Hosts[0].Identity, p.Hosts[0].Role = "db-1", in.Addr, in.Identity, in.Role
	id := w.approved(approvals.Draft{Kind: approvals.KindRecycle, Target: "db-1", Plan: &p})
	require.NoError(t, w.dispatcher.Run(t.Context(), id))
	require.Equal(t, engine.JobRefused, w.job(id).State)
	require.Empty(t, w.sent(0))
}

func TestCancelKillsTheStatement(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", slow)
	w.discover("db-2")
	id := w.recycle("db-2", w.plan("db-2"))
	before := w.bytes(1, "shop.orders")
	end := w.background(t.Context(), id)
	w.running(1)
	_, err := w.facts.Want(t.Context(), id, engine.WantCancel, alice)
	require.NoError(t, err)
	require.NoError(t, end())
	j := w.job(id)
	require.Equal(t, engine.JobCancelled, j.State, j.Reason)
	require.Equal(t, engine.StepPending, j.Steps[0].State)
	require.Zero(t, w.ours(1))
	require.Zero(t, w.leftovers(1))
	require.Equal(t, before, w.bytes(1, "shop.orders"), "a killed rebuild leaves the table as it was")
}

func TestPauseNowAndResume(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", slow, small1)
	w.discover("db-2")
	id := w.recycle("db-2", w.plan("db-2"))
	reloaded := &reloadable{world: w}
	w.options.Targets, w.options.Guards = reloaded, reloaded.guard
	w.dispatcher = engine.NewDispatcher(w.options)
	end := w.background(t.Context(), id)
	w.running(1)
	_, err := w.facts.Want(t.Context(), id, engine.WantPauseNow, alice)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return w.job(id).State == engine.JobPaused }, 60*time.Second, 10*time.Millisecond)
	require.Zero(t, w.ours(1))
	// Meanwhile the cluster is taken out of the configuration, and with it its guard: the run goes on
	// with those it began with.
	reloaded.gone.Store(true)
	_, err = w.facts.Want(t.Context(), id, engine.WantRun, bob)
	require.NoError(t, err)
	require.NoError(t, end())
	j := w.job(id)
	require.Equal(t, engine.JobSucceeded, j.State, j.Reason)
	require.Equal(t, 2, j.Steps[0].Runs)
}

// reloadable is a configuration that changes under a running job.
type reloadable struct {
	*world
	gone atomic.Bool
}

// Access implements engine.Targets.
func (r *reloadable) Access(cluster string) *dbconn.Access {
	if r.gone.Load() {
		return nil
	}
	return r.world.Access(cluster)
}

func (r *reloadable) guard(string) *guard.Guard {
	if r.gone.Load() {
		return guard.New() // allows nothing, so whoever asks it is found out
	}
	return guard.Default(guard.ExternalConfig{})
}

// A shutdown leaves the statement to the server; the next run watches it to its end and adopts it.
func TestShutdownLeavesTheRebuildAndTheNextRunAdoptsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", slow, small1)
	w.discover("db-2")
	id := w.recycle("db-2", w.plan("db-2"))
	ctx, stop := context.WithCancelCause(t.Context())
	end := w.background(ctx, id)
	w.running(1)
	stop(errors.New("shutting down"))
	require.Error(t, end())
	require.Equal(t, engine.JobRunning, w.job(id).State)
	require.Equal(t, 1, w.ours(1), "the server goes on")

	require.NoError(t, w.dispatcher.Run(t.Context(), id))
	j := w.job(id)
	require.Equal(t, engine.JobSucceeded, j.State, j.Reason)
	require.Equal(t, map[string]int{"1": 1, "2": 1}, w.sent(1), "nothing was rebuilt twice")
	require.Contains(t, w.kinds(id), engine.EventJobResumed)
	require.Positive(t, j.Steps[0].Before-j.Steps[0].After, "the adopted table's bytes are known")
}

func TestPromotionDuringARebuild(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", slow)
	w.discover("db-2")
	id := w.recycle("db-2", w.plan("db-2"))
	end := w.background(t.Context(), id)
	w.running(1)
	require.NoError(t, w.cluster.Promote(t.Context(), w.cluster.Nodes[1]))
	promoted := time.Now()
	require.Eventually(t, func() bool { return w.ours(1) == 0 }, 10*time.Second, time.Millisecond)
	t.Logf("the statement was gone %s after the promotion", time.Since(promoted).Round(time.Millisecond))
	require.NoError(t, end())
	j := w.job(id)
	require.Equal(t, engine.JobRefused, j.State, j.Reason)
	require.Equal(t, engine.StepRefused, j.Steps[0].State)
	require.NotEmpty(t, w.notices(id))
	require.Zero(t, w.leftovers(1))
	require.Empty(t, w.ownTransactions(1))
}

func TestTablesThatChangedSinceThePlanAreSkipped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", small1, small2)
	w.discover("db-2")
	id := w.recycle("db-2", w.plan("db-2"))
	primary := w.cluster.Nodes[0]
	require.NoError(t, primary.Exec(t.Context(), "DROP TABLE shop.carts"))
	require.NoError(t, mysqltest.Fill(t.Context(), primary, mysqltest.TableSpec{Schema: "shop", Name: "more", Rows: 80_000, RowBytes: 200}))
	require.NoError(t, primary.Exec(t.Context(), "DROP TABLE shop.visits"))
	require.NoError(t, primary.Exec(t.Context(), "RENAME TABLE shop.more TO shop.visits"))
	require.NoError(t, w.cluster.WaitReplicated(t.Context()))
	require.NoError(t, w.dispatcher.Run(t.Context(), id))
	j := w.job(id)
	require.Equal(t, engine.JobSucceeded, j.State, j.Reason)
	for _, s := range j.Steps {
		require.Equal(t, engine.StepSkipped, s.State)
		require.NotEmpty(t, s.Reason)
	}
	require.Empty(t, w.sent(1))
}

func TestTwoWorkersOneJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", small1)
	w.discover("db-2")
	id := w.recycle("db-2", w.plan("db-2"))
	first, second := w.background(t.Context(), id), w.background(t.Context(), id)
	errs := errors.Join(first(), second())
	if errs != nil {
		require.ErrorIs(t, errs, engine.ErrLeaseHeld)
	}
	require.Equal(t, engine.JobSucceeded, w.job(id).State)
	require.Equal(t, map[string]int{"1": 1}, w.sent(1))
}

// The server dies under a statement and comes back: what it did is looked up, the table is rebuilt
// when nothing was done, and the job goes on.
func TestServerDiesUnderARebuild(t *testing.T) {
	t.Parallel()
	for _, flavor := range []mysqltest.Flavor{mysqltest.MariaDB, mysqltest.MySQL} {
		t.Run(string(flavor), func(t *testing.T) {
			t.Parallel()
			serverDiesUnderARebuild(t, flavor)
		})
	}
}

func serverDiesUnderARebuild(t *testing.T, flavor mysqltest.Flavor) {
	t.Helper()
	w := newWorldOf(t, mysqltest.Options{Flavor: flavor, Shape: "1+1", GeneralLog: true}, slow, small1)
	w.discover("db-2")
	id := w.recycle("db-2", w.plan("db-2"))
	end := w.background(t.Context(), id)
	w.running(1)
	require.NoError(t, w.cluster.Nodes[1].Kill())
	require.NoError(t, w.cluster.Nodes[1].Restart(t.Context()))
	require.NoError(t, end())
	j := w.job(id)
	require.Equal(t, engine.JobSucceeded, j.State, "%s %+v", j.Reason, j.Steps)
	require.Zero(t, w.leftovers(1))
	require.True(t, w.readOnly(1))
	if flavor == mysqltest.MySQL {
		require.Equal(t, "1", w.variable(1, "super_read_only"), "lifted again after its restart, and put back")
	}
	require.NotEmpty(t, w.notices(id), "people hear that the server was away")
	for _, n := range w.notices(id) {
		require.NotContains(t, n, "dial tcp", "no texts of a driver in the chat")
	}
}

// A job that is cancelled while no process runs it kills what is left of it on the server.
func TestCancelledWhileNobodyRunsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", slow)
	w.discover("db-2")
	id := w.recycle("db-2", w.plan("db-2"))
	ctx, stop := context.WithCancelCause(t.Context())
	end := w.background(ctx, id)
	w.running(1)
	stop(errors.New("shutting down"))
	require.Error(t, end())
	_, err := w.facts.Want(t.Context(), id, engine.WantCancel, alice)
	require.NoError(t, err)
	require.NoError(t, w.dispatcher.Run(t.Context(), id))
	j := w.job(id)
	require.Equal(t, engine.JobCancelled, j.State)
	require.Zero(t, w.ours(1))
	require.NotEqual(t, engine.StepRunning, j.Steps[0].State, "no step of an ended job runs")
	require.Zero(t, w.leftovers(1))
}
