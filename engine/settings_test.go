package engine_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine"
	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/throttle"
)

// variable reads a global variable of a server.
func (w *world) variable(node int, name string) (v string) {
	w.t.Helper()
	require.NoError(w.t, w.cluster.Nodes[node].DB().QueryRowContext(w.t.Context(), "SELECT @@global."+name).Scan(&v))
	return v
}

// state waits until a job is in a state.
func (w *world) state(id string, s engine.JobState) {
	w.t.Helper()
	require.Eventually(w.t, func() bool { return w.job(id).State == s }, 30*time.Second, 10*time.Millisecond, "%s is not %s", id, s)
}

// waits lists the reasons a request was held back for, in words.
func (w *world) waits(id string) (out []string) {
	w.t.Helper()
	es, err := w.facts.EventsAfter(w.t.Context(), 0, 10_000)
	require.NoError(w.t, err)
	for _, e := range es {
		var v throttle.Verdict
		if e.RequestID == id && e.Kind == engine.EventJobThrottled {
			require.NoError(w.t, json.Unmarshal(e.Data, &v))
			out = append(out, v.String())
		}
	}
	return out
}

// On MySQL super_read_only is lifted while tables are rebuilt and at no other time: not while people
// pause, and not after a job that could not put it back itself.
func TestSuperReadOnlyIsLiftedOnlyForTheWork(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, mysqltest.Options{Flavor: mysqltest.MySQL, Shape: "1+1", GeneralLog: true}, slow, small1)
	w.discover("db-2")
	id := w.recycle("db-2", w.plan("db-2"))
	require.Equal(t, "1", w.variable(1, "super_read_only"))
	end := w.background(t.Context(), id)
	w.running(1)
	require.Equal(t, "0", w.variable(1, "super_read_only"))
	_, err := w.facts.Want(t.Context(), id, engine.WantPauseNow, alice)
	require.NoError(t, err)
	w.state(id, engine.JobPaused)
	require.Equal(t, "1", w.variable(1, "super_read_only"), "a paused job leaves the host as it was")
	require.Empty(t, w.job(id).Settings)
	_, err = w.facts.Want(t.Context(), id, engine.WantRun, bob)
	require.NoError(t, err)
	require.NoError(t, end())
	j := w.job(id)
	require.Equal(t, engine.JobSucceeded, j.State, j.Reason)
	require.Equal(t, "1", w.variable(1, "super_read_only"))
	require.Equal(t, "1", w.variable(1, "read_only"))

	w.leave(id, rebuild.Change{Name: "super_read_only", Before: "1", After: "0"})
	require.NoError(t, w.cluster.Nodes[1].Exec(t.Context(), "SET GLOBAL super_read_only = 0"))
	far := w.options
	far.Reaches = func(cluster string) bool { return cluster != w.job(id).Cluster }
	require.NoError(t, engine.NewDispatcher(far).Sweep(t.Context()))
	require.Equal(t, "0", w.variable(1, "super_read_only"), "a worker of another region leaves it alone")
	require.NoError(t, w.dispatcher.Sweep(t.Context()))
	require.Equal(t, "1", w.variable(1, "super_read_only"), "what a job left behind is put back")
	require.Empty(t, w.job(id).Settings)
	require.Contains(t, w.notices(id), "super_read_only of db-2, left behind when "+id+" ended, is back at 1.")

	w.leave(id, rebuild.Change{Name: "super_read_only", Before: "1", After: "0"})
	require.NoError(t, w.cluster.Nodes[1].Exec(t.Context(), "SET GLOBAL super_read_only = 0"))
	next := w.recycle("db-2", w.plan("db-2"))
	require.NoError(t, w.dispatcher.Run(t.Context(), next))
	require.Equal(t, engine.JobSucceeded, w.job(next).State)
	require.Empty(t, w.job(id).Settings, "the next job on the host finds it as well")
	require.Equal(t, "1", w.variable(1, "super_read_only"))

	w.leave(id, rebuild.Change{Name: "super_read_only", Before: "1", After: "0"})
	require.NoError(t, w.cluster.Promote(t.Context(), w.cluster.Nodes[1]))
	require.NoError(t, w.dispatcher.Sweep(t.Context()))
	require.Equal(t, "0", w.variable(1, "super_read_only"), "a server that became the primary meanwhile keeps taking writes")
	require.Len(t, w.job(id).Settings, 1, "and what was changed there stays known")
}

// leave makes an ended job one whose process died before it put a setting back.
func (w *world) leave(id string, c rebuild.Change) {
	w.t.Helper()
	l, err := w.options.Leases.Take(w.t.Context(), id, "dead", time.Minute)
	require.NoError(w.t, err)
	require.NoError(w.t, w.journal.SetSetting(w.t.Context(), l, engine.Setting{Change: c}, engine.Event{}))
	require.NoError(w.t, w.options.Leases.Release(w.t.Context(), l))
}

// With the applier stopped by us rows are counted; stopped by others, the host is not touched.
func TestAppliers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", small1, small2)
	w.discover("db-2")
	without := w.plan("db-2")
	require.False(t, without.Hosts[0].Steps[0].Method.StopSQL)
	target, err := w.Find("db-2")
	require.NoError(t, err)
	p, err := w.planner.Plan(t.Context(), engine.PlanSpec{Target: target, CheckRows: true}) // as of run --check-rows
	require.NoError(t, err)
	require.True(t, p.Policy.CheckRows)
	require.NotEqual(t, without.Digest(), p.Digest(), "it is part of what is approved")
	require.True(t, p.Hosts[0].Steps[0].Method.StopSQL)
	id := w.recycle("db-2", p)
	require.NoError(t, w.dispatcher.Run(t.Context(), id))
	j := w.job(id)
	require.Equal(t, engine.JobSucceeded, j.State, j.Reason)
	for _, s := range j.Steps {
		require.NotNil(t, s.Rows)
		require.Positive(t, s.Rows.Before)
		require.Equal(t, s.Rows.Before, s.Rows.After)
	}
	require.Empty(t, j.Settings)
	require.NoError(t, w.cluster.WaitReplicated(t.Context()), "the applier runs again")

	replica := w.cluster.Nodes[1]
	require.NoError(t, replica.Exec(t.Context(), "STOP SLAVE SQL_THREAD"))
	refused := w.recycle("db-2", p)
	require.NoError(t, w.dispatcher.Run(t.Context(), refused))
	require.Equal(t, engine.JobRefused, w.job(refused).State)
	require.Contains(t, w.job(refused).Reason, "applier stopped, and not by us")

	// A process that died while the applier was stopped by it: whoever comes next knows, and starts it.
	crashed := w.recycle("db-2", p)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	require.Error(t, w.dispatcher.Run(ctx, crashed))
	w.leave(crashed, rebuild.Change{Name: "applier", Before: "running", After: "stopped"})
	require.NoError(t, w.dispatcher.Run(t.Context(), crashed))
	require.Equal(t, engine.JobSucceeded, w.job(crashed).State, w.job(crashed).Reason)
	require.NoError(t, w.cluster.WaitReplicated(t.Context()))
}

// Others' work on the host holds a start back, with who it is.
func TestForeignWorkHoldsBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", small1)
	w.discover("db-2")
	id := w.recycle("db-2", w.plan("db-2"))
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	conn, err := w.cluster.Nodes[1].DB().Conn(ctx)
	require.NoError(t, err)
	var foreign int
	require.NoError(t, conn.QueryRowContext(ctx, "SELECT CONNECTION_ID()").Scan(&foreign))
	done := make(chan struct{})
	go func() { // ends with the query, which the test kills
		defer close(done)
		_, _ = conn.ExecContext(ctx, "DO /* gh-ost */ SLEEP(25)")
	}()
	require.Eventually(t, func() bool {
		var n int
		err := w.cluster.Nodes[1].DB().QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'DO /* gh-ost%'").Scan(&n)
		return err == nil && n == 1
	}, 10*time.Second, 5*time.Millisecond)
	end := w.background(t.Context(), id)
	require.Eventually(t, func() bool { return len(w.waits(id)) > 0 }, 60*time.Second, 10*time.Millisecond)
	require.Contains(t, w.waits(id)[0], "foreign_work 1 > 0 on db-2: gh-ost of root@localhost")
	require.Empty(t, w.sent(1))
	require.NoError(t, w.cluster.Nodes[1].Exec(t.Context(), "KILL QUERY ?", foreign))
	require.NoError(t, end())
	<-done
	require.NoError(t, conn.Close())
	require.Equal(t, engine.JobSucceeded, w.job(id).State)
	require.Equal(t, "nothing holds it back", w.waits(id)[1])
}
