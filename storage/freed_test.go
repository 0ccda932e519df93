package storage

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine"
)

// What rebuilds gave back, by day and cluster, and which tables they were.
func TestFreed(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	s, _ := newRequests(db)
	facts, journal := NewFacts(db), NewJournal(db)
	before := time.Now().Add(-time.Minute)
	job := approve(t, s, recycle("R-1", "db-3"))
	lease, err := NewLeases(db).Take(t.Context(), job.ID, "worker", time.Minute)
	require.NoError(t, err)
	require.NoError(t, journal.SetJob(t.Context(), lease, engine.JobChange{State: engine.JobRunning}))
	for i, state := range []engine.StepState{engine.StepDone, engine.StepFailed} {
		step := job.Steps[i]
		step.State, step.Before, step.After = state, 900, 500
		require.NoError(t, journal.SetStep(t.Context(), lease, engine.StepChange{Step: step}))
	}
	days, err := facts.Freed(t.Context(), before)
	require.NoError(t, err)
	require.Len(t, days, 1)
	require.Equal(t, Freed{Day: days[0].Day, Cluster: "shop", Bytes: 400, Tables: 1}, days[0])
	require.WithinDuration(t, time.Now(), days[0].Day, 24*time.Hour+time.Minute)
	require.Zero(t, days[0].Day.UTC().Hour()+days[0].Day.UTC().Minute())
	done, err := facts.Rebuilt(t.Context(), "db-3", before)
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"shop.orders": true}, done)

	later := time.Now().Add(25 * time.Hour)
	days, err = facts.Freed(t.Context(), later)
	require.NoError(t, err)
	require.Empty(t, days)
	done, err = facts.Rebuilt(t.Context(), "db-3", later)
	require.NoError(t, err)
	require.Empty(t, done)
}

// A list has the sums of plans instead of the plans, also of a request from before there were sums.
func TestListHasSummaries(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	s, _ := newRequests(db)
	asked := create(t, s, recycle("R-1", "db-3"))
	create(t, s, recycle("R-0", "db-4"))
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
		arm, err := db.disarm(ctx, tx)
		require.NoError(t, err)
		_, err = tx.Exec(ctx, "UPDATE requests SET summary = '' WHERE id = 'R-0'")
		require.NoError(t, err)
		return arm(ctx)
	}))
	rs, err := NewFacts(db).Requests(t.Context(), "pending", "", 10)
	require.NoError(t, err)
	require.Len(t, rs, 2)
	for _, r := range rs {
		work, ok := r.Work()
		require.True(t, ok)
		require.Equal(t, asked.Plan.Summary().Tables, work.Tables)
		require.Equal(t, r.ID == "R-1", r.Plan == nil)
		whole, err := NewFacts(db).Request(t.Context(), r.ID)
		require.NoError(t, err)
		require.Equal(t, whole.Plan.Summary(), work)
	}
}
