package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
	"mysql-recycler/storage"
)

// everybody is a directory in which all are full members.
type everybody struct{}

func (everybody) Person(_ context.Context, _, id string) (approvals.Person, error) {
	return approvals.Person{Actor: approvals.Actor{ID: id}}, nil
}
func (everybody) Members(context.Context, string) ([]string, error) { return nil, nil }

// campaignWorld is a database in which a run over the cluster shop has ended well.
type campaignWorld struct {
	*campaigns
	t     *testing.T
	run   approvals.Request
	facts *storage.Facts
}

func newCampaignWorld(t *testing.T, who approvals.Actor, end engine.JobState) *campaignWorld {
	t.Helper()
	ctx := t.Context()
	db, err := storage.Open(ctx, "sqlite://"+t.TempDir()+"/state.db", zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	hand := func(ctx context.Context, tx storage.Tx, id, _ string) error {
		_, err := tx.Exec(ctx, "UPDATE jobs SET engine_id = 1 WHERE id = $1", id)
		return err
	}
	requests := storage.NewRequests(db, hand, nil)
	service := approvals.NewService(approvals.Options{Store: requests, Directory: everybody{}, NewID: requests.NewID,
		Policy: func(string) approvals.Policy { return approvals.Policy{Users: []string{"UBOB"}} }})
	plan := engine.Plan{Cluster: "shop", Hosts: []engine.HostPlan{{Name: "db-2", Steps: []engine.PlannedStep{{Seq: 1, Schema: "s", Table: "t"}}}},
		Left: []engine.LeftOut{{Name: "db-1", Reason: "it is the primary", Primary: true}}}
	r, err := service.Submit(ctx, approvals.Draft{Kind: approvals.KindRecycle, Cluster: "shop", Target: "shop",
		Command: "run shop --schema=s", Requester: who, Channel: "C1", Plan: &plan})
	require.NoError(t, err)
	_, err = service.Review(ctx, approvals.ReviewInput{RequestID: r.ID, Digest: r.Digest, Reviewer: approvals.Actor{ID: "UBOB"}, Decision: approvals.Approve})
	require.NoError(t, err)
	works(t, db, r, end)
	w := &campaignWorld{t: t, run: r, facts: storage.NewFacts(db)}
	w.campaigns = &campaigns{store: requests, requests: service, facts: w.facts, log: zap.NewNop(),
		life: func() time.Duration { return 30 * 24 * time.Hour }}
	return w
}

// works does the only job of a run, of one table, and lets it end.
func works(t *testing.T, db *storage.DB, r approvals.Request, end engine.JobState) {
	t.Helper()
	ctx, journal := t.Context(), storage.NewJournal(db)
	l, err := storage.NewLeases(db).Take(ctx, r.ID, "test", time.Minute)
	require.NoError(t, err)
	for _, to := range []engine.JobState{engine.JobRunning, end} {
		require.NoError(t, journal.SetJob(ctx, l, engine.JobChange{State: to}))
		if to == engine.JobRunning { // else a job does not succeed
			step := engine.Step{Seq: 1, Plan: r.Plan.Hosts[0].Steps[0], State: engine.StepSkipped, Reason: "it is small"}
			require.NoError(t, journal.SetStep(ctx, l, engine.StepChange{From: []engine.StepState{engine.StepPending}, Step: step}))
		}
	}
}

// kinds are the campaign's facts so far.
func (w *campaignWorld) kinds() (kinds []engine.EventKind) {
	w.t.Helper()
	es, err := w.facts.EventsAfter(w.t.Context(), 0, 100)
	require.NoError(w.t, err)
	for _, e := range es {
		switch e.Kind {
		case engine.EventCampaignOpened, engine.EventCampaignAsked, engine.EventCampaignExpired:
			require.Equal(w.t, w.run.ID, e.RequestID)
			kinds = append(kinds, e.Kind)
		}
	}
	return kinds
}

// open lists the open campaigns.
func (w *campaignWorld) open() []engine.Campaign {
	w.t.Helper()
	all, err := w.store.OpenCampaigns(w.t.Context())
	require.NoError(w.t, err)
	return all
}

// A run over a cluster stays open for its primary. When that is a replica it is asked for once, in
// the same thread, whatever process asks and wherever the one before was killed.
func TestCampaign(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newCampaignWorld(t, approvals.Actor{ID: "UALICE"}, engine.JobSucceeded)
	require.Len(t, w.open(), 1)
	require.Equal(t, "db-1", w.open()[0].Host)
	now := time.Now()

	trouble := errors.New("no host answers")
	w.replica = func(context.Context, engine.Campaign) (bool, error) { return false, trouble }
	require.ErrorIs(t, w.round(ctx, now), trouble)
	w.replica = func(context.Context, engine.Campaign) (bool, error) { return false, nil }
	require.NoError(t, w.round(ctx, now))
	require.Equal(t, []engine.EventKind{engine.EventCampaignOpened}, w.kinds())

	// Killed after the id was stored, and again after the request was made.
	w.replica = func(context.Context, engine.Campaign) (bool, error) { return true, nil }
	killed := *w.campaigns
	killed.requests = dies{w.requests, false}
	require.ErrorIs(t, killed.round(ctx, now), errKilled)
	killed.requests = dies{w.requests, true}
	id := w.open()[0].NextID
	require.NotEmpty(t, id)
	require.NoError(t, killed.round(ctx, now), "the request is there: it is not made twice")
	require.NoError(t, w.round(ctx, now))
	require.Empty(t, w.open())
	require.Equal(t, []engine.EventKind{engine.EventCampaignOpened, engine.EventCampaignAsked}, w.kinds())

	r, err := w.facts.Request(ctx, id)
	require.NoError(t, err)
	require.Equal(t, approvals.Pending, r.State, "a second person decides")
	require.Equal(t, approvals.KindDiscover, r.Kind)
	require.Equal(t, "run db-1 --schema=s --after="+w.run.ID, r.Command, "in the thread of the run")
	require.Equal(t, "UALICE", r.Requester.ID)
}

var errKilled = errors.New("killed")

// dies is a process that is killed before or after it has made its request.
type dies struct {
	requests interface {
		Submit(ctx context.Context, d approvals.Draft) (approvals.Request, error)
	}
	after bool
}

func (x dies) Submit(ctx context.Context, d approvals.Draft) (approvals.Request, error) {
	if x.after {
		if _, err := x.requests.Submit(ctx, d); err != nil {
			return approvals.Request{}, err
		}
	}
	return approvals.Request{}, errKilled
}

// Without a switchover it ends, and says so once.
func TestCampaignExpires(t *testing.T) {
	t.Parallel()
	w := newCampaignWorld(t, approvals.Actor{ID: "UALICE"}, engine.JobSucceeded)
	w.replica = func(context.Context, engine.Campaign) (bool, error) { return false, nil }
	require.NoError(t, w.round(t.Context(), time.Now().Add(29*24*time.Hour)))
	require.Len(t, w.open(), 1)
	for range 2 {
		require.NoError(t, w.round(t.Context(), time.Now().Add(31*24*time.Hour)))
	}
	require.Empty(t, w.open())
	require.Equal(t, []engine.EventKind{engine.EventCampaignOpened, engine.EventCampaignExpired}, w.kinds())
}

// A run that did not end well has no campaign, nor one of a schedule, which asks again by itself.
func TestNoCampaign(t *testing.T) {
	t.Parallel()
	require.Empty(t, newCampaignWorld(t, approvals.Actor{ID: "UALICE"}, engine.JobFailed).open())
	require.Empty(t, newCampaignWorld(t, approvals.Actor{ID: "schedule:S-1"}, engine.JobSucceeded).open())
}
