package storage

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine"
)

// What ended in a span is summed per job, from its steps and from the figures that are left of an old one.
func TestEnded(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	j := NewJournal(db)
	ends := func(id string, state engine.JobState, kind engine.EventKind, reason string) {
		l := running(t, db, id)
		at := time.Now().UTC()
		for _, c := range []engine.StepChange{
			{From: []engine.StepState{engine.StepPending}, Step: engine.Step{Seq: 1, State: engine.StepRunning, Before: 900, Started: at}},
			{From: []engine.StepState{engine.StepRunning}, Step: engine.Step{Seq: 1, State: engine.StepDone, Before: 900, After: 300, Started: at, Ended: at, Outcome: "done"}},
		} {
			require.NoError(t, j.SetStep(t.Context(), l, c))
		}
		require.NoError(t, j.SetJob(t.Context(), l, engine.JobChange{From: []engine.JobState{engine.JobRunning}, State: state, Reason: reason, Event: engine.Event{Kind: kind}}))
	}
	before := time.Now().Add(-time.Minute)
	ends("R-AAAA", engine.JobCancelled, engine.EventJobCancelled, "cancelled by a person")
	ends("R-BBBB", engine.JobFailed, engine.EventJobFailed, "the disk is full")
	running(t, db, "R-CCCC")
	got, err := NewFacts(db).Ended(t.Context(), before, time.Now().Add(time.Minute))
	require.NoError(t, err)
	require.Len(t, got, 2, "what runs has not ended")
	require.Equal(t, []string{"R-AAAA", "host-R-AAAA", "R-BBBB"}, []string{got[0].RequestID, got[0].Host, got[1].RequestID})
	require.EqualValues(t, 600, got[0].Bytes)
	require.Equal(t, 1, got[0].Tables)
	require.Equal(t, engine.JobFailed, got[1].State)
	require.Equal(t, "the disk is full", got[1].Reason)
	require.NotEmpty(t, got[0].Channel)
	got, err = NewFacts(db).Ended(t.Context(), before.Add(-time.Hour), before)
	require.NoError(t, err)
	require.Empty(t, got)
}
