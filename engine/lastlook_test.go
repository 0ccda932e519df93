package engine_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine"
)

// betweenJournal does something to the world when a step's mark is stored: after the guard was asked
// and before the last reading on the session that sends the statement.
type betweenJournal struct {
	engine.Journal
	then func() error
}

func (j betweenJournal) SetStep(ctx context.Context, l engine.Lease, c engine.StepChange) error {
	if err := j.Journal.SetStep(ctx, l, c); err != nil || c.Event.Kind != engine.EventStepStarted {
		return err
	}
	return j.then()
}

// A server that becomes writable between the guard's word and the statement is refused by the last
// reading, and nothing is sent.
func TestPromotedBetweenTheGuardAndTheStatement(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", small1, small2)
	w.discover("db-2")
	id := w.recycle("db-2", w.plan("db-2"))
	w.options.Journal = betweenJournal{w.journal, func() error {
		return w.cluster.Nodes[1].Exec(t.Context(), "SET GLOBAL read_only = OFF")
	}}
	w.options.WatchEvery = 1 << 40 // the guard's watch must not be first
	w.dispatcher = engine.NewDispatcher(w.options)
	require.NoError(t, w.dispatcher.Run(t.Context(), id))
	j := w.job(id)
	require.Equal(t, engine.JobRefused, j.State, j.Reason)
	require.Equal(t, engine.StepRefused, j.Steps[0].State, j.Steps[0].Reason)
	require.Equal(t, engine.StepPending, j.Steps[1].State)
	require.Contains(t, j.Steps[0].Reason, "writable")
	require.Empty(t, w.sent(1))
	require.Empty(t, w.ownTransactions(1))
	require.False(t, w.readOnly(1), "what a promoted server is set to is not ours to change")
}
