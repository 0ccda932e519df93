package bot

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// What an ended request left undone is asked for in a new one that names it, and needs a second person.
func TestRetry(t *testing.T) {
	t.Parallel()
	w := running(t)
	require.Contains(t, w.says(alice, "retry R-7QK1"), "R-7QK1 has not ended: it is running on db-prod-3.")
	w.rebuilds("R-7QK1", 1, 1*gib, time.Minute)
	j := w.job("R-7QK1")
	j.Steps[1].State, j.Steps[2].State, j.Steps[3].State = engine.StepFailed, engine.StepSkipped, engine.StepPending
	w.moves("R-7QK1", engine.JobFailed, engine.EventJobFailed, "1 of 4 tables failed", nil)
	w.tells()
	require.Contains(t, w.show("R-7QK1/card"), "[Retry the 2 tables left]")
	require.Contains(t, w.clicks(bob, "R-7QK1/card", ActionAskAgain), "Asked")
	w.tells()
	card := w.show("R-7QK2/card")
	require.Contains(t, card, "@bob asked: `/recycle retry R-7QK1`")
	require.Contains(t, card, "A retry: only tables that `R-7QK1` left undone.")
	r := w.requests[1]
	require.Equal(t, "R-7QK1", r.Plan.RetryOf)
	require.Equal(t, []string{j.Steps[1].Plan.Name(), j.Steps[3].Plan.Name()}, namesOf(*r.Plan), "with the selection of its run")
	require.Contains(t, w.clicks(bob, "R-7QK2/card", ActionApprove), "You asked for R-7QK2; someone else must decide.")
	require.Contains(t, w.says(alice, "retry R-7QK2"), "R-7QK2 still waits for a decision.")
	w.clicks(alice, "R-7QK2/card", ActionApprove)
	w.moves("R-7QK2", engine.JobRunning, engine.EventJobStarted, "", nil)

	// A retry of a retry: of unknown outcome, so somebody has to look first, and it goes on by itself.
	again := w.job("R-7QK2")
	again.Steps[0].State, again.Steps[1].State = engine.StepUnknown, engine.StepDone
	w.moves("R-7QK2", engine.JobFailed, engine.EventJobFailed, "unknown", nil)
	w.tells()
	said := w.says(alice, "retry R-7QK2")
	require.Contains(t, said, "What became of "+j.Steps[1].Plan.Name()+" on db-prod-3 is not known")
	require.Contains(t, w.presses(alice, ActionDiscoverFirst, "retry R-7QK2"), "db-prod-3")
	require.Equal(t, approvals.KindDiscover, w.requests[2].Kind)
	w.tells()
	w.clicks(bob, "R-7QK3/card", ActionApprove)
	w.discovers("R-7QK3")
	w.tells()
	require.Equal(t, "retry R-7QK2 --after=R-7QK3", w.requests[3].Command)
	require.Equal(t, []string{j.Steps[1].Plan.Name()}, namesOf(*w.requests[3].Plan))

	// The same at the other doors.
	_, err := w.bot.Ask(t.Context(), alice, "", "retry R-7QK4")
	require.ErrorContains(t, err, "still waits")
}

func namesOf(p engine.Plan) (names []string) {
	for _, h := range p.Hosts {
		for _, s := range h.Steps {
			names = append(names, s.Name())
		}
	}
	return names
}

// Rows are counted when the request asks for it, and the card says what that means.
func TestCheckRows(t *testing.T) {
	t.Parallel()
	w := ready(t)
	w.says(alice, "run db-prod-3 --check-rows")
	w.tells()
	require.Contains(t, w.show("R-7QK1/card"), "rows counted before and after, applier stopped meanwhile")
	require.Contains(t, w.show("R-7QK1/card"), "All tables: online, in place: reads go on; the applier is stopped so that rows can be counted.")
	require.True(t, w.requests[0].Plan.Policy.CheckRows)
	require.Contains(t, w.says(carol, "plan db-prod-3 --check-rows"), "每次重建前后核对行数")
}
