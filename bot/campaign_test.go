package bot

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// StopCampaign ends the newest campaign of a request if it is open.
func (w *world) StopCampaign(_ context.Context, id string, by approvals.Actor) error {
	var open *engine.Event
	for i, e := range w.events {
		switch {
		case e.RequestID != id:
		case e.Kind == engine.EventCampaignOpened:
			open = &w.events[i]
		case e.Kind == engine.EventCampaignStopped:
			open = nil
		}
	}
	if open == nil {
		return engine.ErrNotFound
	}
	w.append(engine.Event{Kind: engine.EventCampaignStopped, RequestID: id, Actor: by.ID, Data: open.Data})
	return nil
}

// An ended run that waits for its old primary says until when, and whoever may stop the work ends the
// wait: by the button, by the command, or by another door.
func TestCampaignIsStopped(t *testing.T) {
	t.Parallel()
	w := running(t, func(o *Options) { o.Tuning.CampaignLife = func() time.Duration { return 48 * time.Hour } })
	w.moves("R-7QK1", engine.JobSucceeded, engine.EventJobCompleted, "", nil)
	w.tells()
	const idle = "R-7QK1 is not running: it is approved and succeeded."
	require.Contains(t, w.says(alice, "cancel R-7QK1"), idle)

	opens := func() {
		opened := time.Date(2026, 3, 4, 5, 6, 0, 0, time.UTC)
		data, err := json.Marshal(engine.Campaign{RequestID: "R-7QK1", Cluster: "shop", Host: "db-prod-1", Opened: opened})
		require.NoError(t, err)
		w.append(engine.Event{Kind: engine.EventCampaignOpened, RequestID: "R-7QK1", Data: data})
		w.tells()
	}
	opens()
	said := w.posts[len(w.posts)-1]
	require.Contains(t, w.show(said.Key), "I wait until")
	require.Contains(t, w.show(said.Key), "2026-03-06 05:06", "the life is added")
	require.Contains(t, w.show(said.Key), "[Do not wait]")
	require.Contains(t, w.says(mal, "cancel R-7QK1"), "may do this to R-7QK1.")
	require.Contains(t, w.says(bob, "pause R-7QK1"), idle, "only cancel ends it")
	require.Contains(t, w.clicks(bob, said.Key, ActionCancel), "`R-7QK1` does not wait for a switchover any longer.")
	w.tells()
	told := w.show(w.posts[len(w.posts)-1].Key)
	require.Contains(t, told, "@bob ended the wait for a switchover of `shop`")
	require.Contains(t, w.says(bob, "cancel R-7QK1"), idle, "once")

	opens()
	_, err := w.bot.WantJob(t.Context(), mal, *w.job("R-7QK1"), engine.WantCancel)
	require.ErrorContains(t, err, "may do this")
	j, err := w.bot.WantJob(t.Context(), alice, *w.job("R-7QK1"), engine.WantCancel)
	require.NoError(t, err)
	require.Equal(t, engine.WantRun, j.Wanted, "the job is as it was")
	require.ErrorIs(t, w.StopCampaign(t.Context(), "R-7QK1", alice), engine.ErrNotFound)
}

// The card of a scheduled run says that the schedule comes again for the primary, and that nothing
// else does.
func TestScheduledRunHasNoCampaign(t *testing.T) {
	t.Parallel()
	w, b := scheduled(t)
	w.says(alice, `schedule add db-prod-3 --cron "0 2 * * sun"`)
	for _, by := range []approvals.Actor{b.s.Actor(), alice} {
		p, err := w.bot.PlanFor(t.Context(), b.s)
		require.NoError(t, err)
		p.Left = []engine.LeftOut{{Name: "db-prod-1", Reason: "it is the primary", Primary: true}}
		r, err := w.bot.o.Requests.Submit(t.Context(), approvals.Draft{Kind: approvals.KindRecycle, Cluster: "shop", Target: "shop",
			Command: "run shop", Requester: by, Channel: "C1", Plan: &p})
		require.NoError(t, err)
		w.tells()
		const says = "`db-prod-1` is the primary now: a later run of this schedule takes it once it is a replica, nothing else asks for it."
		require.Equal(t, by == b.s.Actor(), strings.Contains(w.show(r.ID+"/card"), says), by.ID)
	}
}
