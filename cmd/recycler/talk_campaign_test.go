package main

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/bot/sandbox"
	"mysql-recycler/engine"
	"mysql-recycler/storage"
)

// ran lets a run that leaves a primary out be asked, approved in the chat and end well. It returns
// its card and what its thread says about the primary.
func (k *talk) ran(t *testing.T, host, primary string) (card, said sandbox.Message) {
	t.Helper()
	plan := engine.Plan{Cluster: "db", Hosts: []engine.HostPlan{{Name: host, Steps: []engine.PlannedStep{{Seq: 1, Schema: "s", Table: "t"}}}},
		Left: []engine.LeftOut{{Name: primary, Reason: "it is the primary", Primary: true}}}
	r, err := k.service.Submit(t.Context(), approvals.Draft{Kind: approvals.KindRecycle, Cluster: "db", Target: host, Command: "run " + host,
		Requester: approvals.Actor{ID: "U0ALICE", Name: "alice"}, Channel: "C0DBOPS", Plan: &plan})
	require.NoError(t, err)
	card = k.sees(t, "#db-ops", "Recycle "+host, "waiting for approval")
	k.press(t, "bob", card, "Approve")
	k.sees(t, "#db-ops", "Recycle "+host, "approved")
	works(t, k.db, r, engine.JobSucceeded)
	said = k.sees(t, "#db-ops", primary+" is the primary and was left alone", "I wait until", "2030-04-03")
	require.Equal(t, card.TS, said.ThreadTS)
	return card, said
}

// After a run over a cluster its thread asks for the old primary, unless a person ends the wait; who
// that was, and through which door, stays in the record.
func TestCampaignInTheChat(t *testing.T) {
	t.Parallel()
	k := newTalk(t)
	c := &campaigns{store: k.requests, requests: k.service, facts: k.facts, log: zap.NewNop(),
		life:    func() time.Duration { return 30 * 24 * time.Hour },
		replica: func(context.Context, engine.Campaign) (bool, error) { return true, nil }}

	card, said := k.ran(t, "db-3", "db-1")
	k.press(t, "carol", said, "Do not wait")
	k.hears(t, "carol", "does not wait for a switchover any longer")
	told := k.sees(t, "#db-ops", "ended the wait for a switchover", "db-1")
	require.Equal(t, card.TS, told.ThreadTS)
	var last storage.AuditRecord
	require.NoError(t, storage.NewAudit(k.db).Export(t.Context(), func(l storage.AuditLink) error {
		last = storage.AuditRecord{}
		return json.Unmarshal(l.Body, &last)
	}))
	require.Equal(t, "stop campaign", last.Decision)
	require.Equal(t, "U0CAROL", last.By.ID)
	require.Equal(t, approvals.Door{Name: "chat", Channel: "C0DBOPS", Message: said.TS}, last.Door)
	require.NoError(t, c.round(t.Context(), k.clock()))
	require.Len(t, k.asked(), 1, "nothing is asked after the wait was ended")

	card, _ = k.ran(t, "db-4", "db-2")
	require.NoError(t, c.round(t.Context(), k.clock()))
	require.Len(t, k.asked(), 3)
	asks := k.sees(t, "#db-ops", k.last().ID, "Discover db-2", "waiting for approval")
	require.Equal(t, card.TS, asks.ThreadTS, "the old primary is asked for in the thread of the run")
}
