package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"mysql-recycler/approvals"
	"mysql-recycler/configs"
	"mysql-recycler/engine"
	"mysql-recycler/storage"
)

// TestAlertsReachTheWebhookOnce goes through a real database: a job that is refused is told to a
// webhook that first fails, exactly once, and not again after a restart of the reader.
func TestAlertsReachTheWebhookOnce(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []Alert
	fails := 2
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if fails > 0 {
			fails--
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		var a Alert
		if json.NewDecoder(r.Body).Decode(&a) == nil {
			got = append(got, a)
		}
	}))
	t.Cleanup(hook.Close)
	ctx := t.Context()
	db, err := storage.Open(ctx, "sqlite://"+filepath.Join(t.TempDir(), "state.db"), zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	refuseJob(t, db)

	core, logs := observer.New(zap.DebugLevel)
	start := func() (stop func()) {
		a := &alerter{facts: storage.NewFacts(db), outbox: storage.NewOutbox(db), client: hook.Client(), log: zap.New(core),
			config: func() configs.Alerts {
				return configs.Alerts{Webhook: configs.NewSecret(hook.URL + "/secret-path"), Timeout: time.Second}
			}}
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		wg.Go(func() { _ = a.run(ctx) })
		return func() { cancel(); wg.Wait() }
	}
	stop := start()
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(got) == 1 }, 15*time.Second, 20*time.Millisecond)
	facts := storage.NewFacts(db)
	require.Eventually(t, func() bool {
		seq, err := facts.Cursor(ctx, alertsReader)
		return err == nil && seq >= got[0].Seq
	}, 5*time.Second, 20*time.Millisecond)
	stop()
	start()()
	require.Len(t, got, 1)
	require.Equal(t, engine.EventJobRefused, got[0].Kind)
	require.Equal(t, engine.AlertRefused, got[0].Alert)
	require.Positive(t, logs.FilterMessage("alert").Len())
	for _, e := range logs.All() {
		require.NotContains(t, strings.ToLower(e.Message), "secret-path")
		for _, f := range e.Context {
			require.NotContains(t, f.String, "secret-path")
			if err, ok := f.Interface.(error); ok {
				require.NotContains(t, err.Error(), "secret-path")
			}
		}
	}
}

func TestBreakGlassIsAnAlert(t *testing.T) {
	t.Parallel()
	for what, is := range map[string]bool{"asked": true, "approved": true, "denied": false} {
		data, err := json.Marshal(approvals.BreakGlassFact{What: what, By: approvals.Actor{ID: "U1", Name: "alice"}, Target: "db-3", Reason: "disk full"})
		require.NoError(t, err)
		al, ok := alertOf(engine.Event{Seq: 7, Kind: approvals.EventBreakGlass, RequestID: "R-7QK2", Data: data})
		require.Equal(t, is, ok, what)
		if is {
			require.Equal(t, "Break-glass on db-3: alice "+what+" R-7QK2. Reason: disk full", al.Sentence)
		}
	}
}

// refuseJob approves a discovery and lets its job be refused.
func refuseJob(t *testing.T, db *storage.DB) {
	t.Helper()
	ctx := t.Context()
	alice, bob := approvals.Actor{ID: "U0ALICE"}, approvals.Actor{ID: "U0BOB"}
	requests := storage.NewRequests(db, func(context.Context, storage.Tx, string, string) error { return nil }, nil)
	r := approvals.Request{ID: "R-TEST", Kind: approvals.KindDiscover, Cluster: "db", Target: "db-1", Requester: alice, Channel: "C1",
		Digest: strings.Repeat("a", 64), MinApprovals: 1, State: approvals.Pending, Created: time.Now(), Expires: time.Now().Add(time.Hour)}
	require.NoError(t, requests.CreateRequest(ctx, r))
	_, err := requests.Review(ctx, approvals.Review{RequestID: r.ID, Reviewer: bob, Decision: approvals.Approve, Digest: r.Digest, At: time.Now()}, approvals.JobsFor(r))
	require.NoError(t, err)
	lease, err := storage.NewLeases(db).Take(ctx, r.ID, "test", time.Minute)
	require.NoError(t, err)
	require.NoError(t, storage.NewJournal(db).SetJob(ctx, lease, engine.JobChange{
		From: []engine.JobState{engine.JobQueued}, State: engine.JobRefused, Reason: "refused",
		Event: engine.Event{Kind: engine.EventJobRefused, RequestID: r.ID, JobID: r.ID},
	}))
}
