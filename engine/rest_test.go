package engine_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// A retry is a new request for what the old one left undone, and for nothing else.
func TestRetryOfWhatFailed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", small1, small2)
	w.adjust = func(s *engine.ClusterSettings) { s.LockWait = 5 * time.Minute }
	w.discover("db-2")
	id := w.recycle("db-2", w.plan("db-2"))
	_, err := engine.RestOf(id, []engine.Job{w.job(id)})
	var no *engine.Problem
	require.ErrorAs(t, err, &no)
	require.Equal(t, "still_running", no.Code)

	free := w.holds(1, "shop.carts") // so that the statement is still there when somebody kills it
	end := w.background(t.Context(), id)
	w.running(1)
	w.kills(1)
	require.NoError(t, end())
	free()
	j := w.job(id)
	require.Equal(t, engine.JobFailed, j.State, j.Reason)
	require.Equal(t, engine.StepFailed, j.Steps[0].State, j.Steps[0].Reason)
	require.Equal(t, engine.StepDone, j.Steps[1].State, j.Steps[1].Reason)

	rest, err := engine.RestOf(id, []engine.Job{j})
	require.NoError(t, err)
	p := w.planRest(rest)
	require.Equal(t, id, p.RetryOf)
	require.Len(t, p.Hosts[0].Steps, 1)
	require.Equal(t, "carts", p.Hosts[0].Steps[0].Table)
	again := w.approved(approvals.Draft{Kind: approvals.KindRecycle, Target: "db-2", Plan: &p})
	require.NoError(t, w.dispatcher.Run(t.Context(), again))
	require.Equal(t, engine.JobSucceeded, w.job(again).State, w.job(again).Reason)
	require.Equal(t, map[string]int{"1": 2, "2": 1}, w.sent(1), "the table that was done is not touched again")
	_, err = engine.RestOf(again, []engine.Job{w.job(again)})
	require.ErrorAs(t, err, &no)
	require.Equal(t, "nothing_left", no.Code)

	// A table of unknown outcome is not planned before somebody has looked at the server again.
	j.Steps[0].State, j.Ended = engine.StepUnknown, time.Now()
	rest, err = engine.RestOf(id, []engine.Job{j})
	require.NoError(t, err)
	target, err := w.Find("db-2")
	require.NoError(t, err)
	_, err = w.planner.Plan(t.Context(), engine.PlanSpec{Target: target, Rest: &rest})
	require.ErrorAs(t, err, &no)
	require.Equal(t, "stale_snapshot", no.Code)
	require.Contains(t, no.Text, "What became of shop.carts on db-2 is not known")
	w.discover("db-2")
	_, err = w.planner.Plan(t.Context(), engine.PlanSpec{Target: target, Rest: &rest})
	require.ErrorAs(t, err, &no)
	require.Equal(t, "nothing_to_do", no.Code, "the look shows that it was rebuilt")
}

// planRest freezes the plan of a retry.
func (w *world) planRest(rest engine.Rest) engine.Plan {
	w.t.Helper()
	target, err := w.Find("db-2")
	require.NoError(w.t, err)
	p, err := w.planner.Plan(w.t.Context(), engine.PlanSpec{Target: target, Rest: &rest})
	require.NoError(w.t, err)
	return p
}
