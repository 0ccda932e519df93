package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/storage"
)

// Break-glass from the command to the approval, as people see it.
func TestBreakGlassInTheChat(t *testing.T) {
	t.Parallel()
	k := newTalk(t)
	k.types(t, "bob", "run db-3 --break-glass")
	k.hears(t, "bob", "not in the break-glass group")
	k.types(t, "alice", "run db-3 --break-glass")
	form := map[string]any{"reason": "soon", "host": "db-3"}
	require.Contains(t, k.fills(t, "alice", "cannot wait", form).Errors["reason"], "at least 20")
	form["reason"], form["host"] = "the disk is full in two hours", "db-4"
	require.Contains(t, k.fills(t, "alice", "cannot wait", form).Errors["host"], "db-3")
	form["host"] = "db-3"
	require.Empty(t, k.fills(t, "alice", "cannot wait", form).Errors)
	card := k.sees(t, "#db-ops", "Break-glass: recycle db-3", "the disk is full in two hours")
	k.sees(t, "#db-audit", "Break-glass on db-3", "U0ALICE", "the disk is full in two hours")
	k.press(t, "alice", card, "Approve")
	k.hears(t, "alice", "someone else must decide")
	k.press(t, "carol", card, "Approve")
	k.hears(t, "carol", "counts")
	k.sees(t, "#db-audit", "U0CAROL", "approved")
	r := k.last()
	require.Equal(t, approvals.Approved, r.State)
	require.Equal(t, 1, r.MinApprovals)
	jobs, err := k.facts.Jobs(t.Context(), r.ID)
	require.NoError(t, err)
	require.Len(t, jobs, 1)
	var said storage.AuditRecord
	require.NoError(t, storage.NewAudit(k.db).Export(t.Context(), func(l storage.AuditLink) error { return json.Unmarshal(l.Body, &said) }))
	require.Equal(t, approvals.Door{Name: "chat", Channel: "C0DBOPS", Message: card.TS}, said.Door, "the record says where it was clicked")
	_, err = storage.NewAudit(k.db).Verify(t.Context())
	require.NoError(t, err)
}

// A standing approval from the schedule to the night in which nobody clicks, and to the one in which
// nobody can tell who the approvers are: that one is skipped, and it is said.
func TestStandingApprovalInTheChat(t *testing.T) {
	t.Parallel()
	k := newTalk(t)
	k.types(t, "alice", `schedule add db-3 --cron "0 2 * * *"`)
	k.hears(t, "alice", "S-")
	k.night.at("04 01:00:00")
	round(t, k.process)
	card := k.sees(t, "#db-ops", "on schedule", "waiting for approval")
	k.press(t, "alice", card, "Approve all such runs")
	k.press(t, "bob", card, "Approve all such runs")
	require.Empty(t, k.fills(t, "bob", "every later one", map[string]any{"tables": "2", "bytes": "1GB", "days": "30"}).Errors)
	k.hears(t, "bob", "standing approval", "G-")
	require.Equal(t, approvals.Approved, k.last().State)
	round(t, k.process)
	k.ends(k.last().ID)

	k.night.at("05 01:00:00")
	round(t, k.process)
	k.sees(t, "#db-ops", "runs without a click", "bob")
	k.night.at("05 02:00:00")
	round(t, k.process)
	second := k.last()
	require.Equal(t, approvals.Approved, second.State)
	require.Equal(t, "U0BOB", second.Reviews[0].Reviewer.ID)
	k.sees(t, "#db-ops", "Under the standing approval of", second.Reviews[0].Standing)
	round(t, k.process)
	k.ends(second.ID)

	k.night.at("06 01:00:00")
	round(t, k.process)
	third := k.last()
	require.Equal(t, approvals.RuleStanding, third.Rule)
	require.NoError(t, k.chat.Do(t.Context(), "fault", map[string]any{"method": "usergroups.users.list", "times": 1000, "error": "fatal_error"}, nil))
	k.night.at("06 02:00:00")
	require.ErrorContains(t, k.loop.Round(t.Context()), "group_unreadable")
	require.Equal(t, approvals.Pending, k.last().State)
	k.night.at("06 06:00:01")
	due, err := k.requests.DueExpiries(t.Context())
	require.NoError(t, err)
	require.NoError(t, k.service.Expire(t.Context(), due))
	_ = k.loop.Round(t.Context()) // the next night cannot be asked either
	jobs, err := k.facts.Jobs(t.Context(), third.ID)
	require.NoError(t, err)
	require.Empty(t, jobs, "nothing ran")
	require.Contains(t, k.told(), "schedule.skipped unchecked")
	k.sees(t, "#db-ops", "could not be checked", "skipped")
	_, err = storage.NewAudit(k.db).Verify(t.Context())
	require.NoError(t, err)
}
