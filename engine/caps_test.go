package engine_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine"
)

// The caps of a job: tables and bytes bound its plan, hours what it may still start.
func TestCapsOfAJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", small1, small2)
	w.discover("db-2")
	all := w.plan("db-2").Hosts[0].Steps
	require.Len(t, all, 2)
	only := func(b engine.Bounds) []string {
		w.adjust = func(s *engine.ClusterSettings) { s.Bounds = b }
		var names []string
		for _, s := range w.plan("db-2").Hosts[0].Steps {
			names = append(names, s.Table)
		}
		return names
	}
	require.Equal(t, []string{"carts"}, only(engine.Bounds{Tables: 1}), "the biggest gain")
	require.Equal(t, []string{"carts", "visits"}, only(engine.Bounds{Bytes: all[0].Bytes + all[1].Bytes}))
	require.Equal(t, []string{"carts"}, only(engine.Bounds{Bytes: all[0].Bytes + all[1].Bytes - 1}))
	w.adjust = func(s *engine.ClusterSettings) { s.Bounds.Bytes = 1 }
	target, err := w.Find("db-2")
	require.NoError(t, err)
	_, err = w.planner.Plan(t.Context(), engine.PlanSpec{Target: target})
	var no *engine.Problem
	require.ErrorAs(t, err, &no)
	require.Equal(t, "nothing_to_do", no.Code)

	// The first table takes longer than the job may start others: it ends, and the second is left alone
	// without waiting for the lag, which would hold it back.
	w.adjust = func(s *engine.ClusterSettings) {
		s.Bounds.Time, s.LockWait, s.Limits.MaxLag = time.Hour, 5*time.Minute, 10*time.Second
	}
	id := w.recycle("db-2", w.plan("db-2"))
	var late atomic.Int64
	w.options.Now = func() time.Time { return time.Now().Add(time.Duration(late.Load())) }
	w.dispatcher = engine.NewDispatcher(w.options)
	free := w.holds(1, "shop.carts")
	end := w.background(t.Context(), id)
	w.running(1)
	late.Store(int64(2 * time.Hour))
	require.NoError(t, w.cluster.Nodes[1].Exec(t.Context(), "STOP SLAVE SQL_THREAD"))
	time.Sleep(1100 * time.Millisecond) // the throttle trusts its last look for a second
	free()
	require.NoError(t, end())
	j := w.job(id)
	require.Equal(t, engine.JobSucceeded, j.State, j.Reason)
	require.Equal(t, engine.StepDone, j.Steps[0].State, j.Steps[0].Reason)
	require.Equal(t, engine.StepSkipped, j.Steps[1].State)
	require.Contains(t, j.Steps[1].Reason, "the job may start tables for 1h0m0s, which are over")
	require.Equal(t, map[string]int{"1": 1}, w.sent(1))
}
