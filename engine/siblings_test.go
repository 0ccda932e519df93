package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// Two hosts at once: one fails, so the other ends the table it is at and pauses until a person looks.
func TestAFailedHostHoldsUpItsSiblings(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+2", small1, small2)
	w.adjust = func(s *engine.ClusterSettings) { s.LockWait, s.Bounds.AtOnce = 5*time.Minute, 2 }
	w.discover("db")
	p := w.plan("db")
	id := w.approved(approvals.Draft{Kind: approvals.KindRecycle, Target: "db", Plan: &p})
	second := id + ".2"
	w.holds(1, "shop.carts") // so that both are at their first table
	free := w.holds(2, "shop.carts")
	end1, end2 := w.background(t.Context(), id), w.background(t.Context(), second)
	w.running(1)
	w.running(2)
	w.kills(1)
	require.NoError(t, end1())
	require.Equal(t, engine.JobFailed, w.job(id).State, w.job(id).Reason)
	require.Equal(t, engine.WantPause, w.job(second).Wanted)
	require.Equal(t, 1, w.ours(2), "its running table is not killed")
	free()
	w.state(second, engine.JobPaused)
	j := w.job(second)
	require.Equal(t, "paused, because db-2 is failed", j.Reason)
	require.Equal(t, []engine.StepState{engine.StepDone, engine.StepPending}, []engine.StepState{j.Steps[0].State, j.Steps[1].State})
	require.Contains(t, w.notices(id), "db-3 ends its running table and pauses, because db-2 is failed. Resume it or cancel it.")
	_, err := w.facts.Want(t.Context(), second, engine.WantRun, bob)
	require.NoError(t, err)
	require.NoError(t, end2())
	require.Equal(t, engine.JobSucceeded, w.job(second).State, w.job(second).Reason)

	// Of two replicas one can serve, never two.
	w.adjust = func(s *engine.ClusterSettings) { s.MinServing = 2 }
	target, err := w.Find("db-2")
	require.NoError(t, err)
	_, err = w.planner.Plan(t.Context(), engine.PlanSpec{Target: target})
	var no *engine.Problem
	require.ErrorAs(t, err, &no)
	require.Equal(t, "too_few_replicas", no.Code)
	require.Equal(t, "Beside db-2 there is one replica, and 2 must serve while it is rebuilt.", no.Text)
	target, err = w.Find("db")
	require.NoError(t, err)
	_, err = w.planner.Plan(t.Context(), engine.PlanSpec{Target: target})
	require.ErrorAs(t, err, &no)
	require.Equal(t, "No server of db can be rebuilt.", no.Text)
	require.Equal(t, "Add a replica, or set rebuild.min_serving of the cluster to 1 if nobody misses more.", no.Next)
	require.Contains(t, no.Reasons, "db-2: Beside db-2 there is one replica, and 2 must serve while it is rebuilt")
	p.MinServing = 2 // a plan from before a replica was taken away
	late := w.approved(approvals.Draft{Kind: approvals.KindRecycle, Target: "db", Plan: &p})
	require.NoError(t, w.dispatcher.Run(t.Context(), late))
	require.Equal(t, engine.JobRefused, w.job(late).State)
	require.Equal(t, "Beside db-2 there is one replica, and 2 must serve while it is rebuilt.", w.job(late).Reason)
	require.Equal(t, engine.JobCancelled, w.job(late+".2").State, "one that was handed over and had not started")
	require.NoError(t, w.dispatcher.Run(t.Context(), late+".2"))
	require.Equal(t, map[string]int{"1": 1, "2": 1}, w.sent(1))
}

// kills ends our statement on a server, as somebody there could.
func (w *world) kills(node int) {
	w.t.Helper()
	var conn int64
	err := w.cluster.Nodes[node].DB().QueryRowContext(w.t.Context(), "SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'ALTER /* recycler%'").Scan(&conn)
	require.NoError(w.t, err)
	require.NoError(w.t, w.cluster.Nodes[node].Exec(w.t.Context(), fmt.Sprintf("KILL QUERY %d", conn)))
}
