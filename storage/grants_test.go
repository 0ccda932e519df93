package storage

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

// Attacks on rules and standing approvals.
func init() {
	const schedule = "INSERT INTO schedules (id, state, owner_id, editor_id, rev, body) VALUES ('S-1', 'active', 'U1', 'U2', 1, '{}'); "
	const digest = "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'"
	grantOf := func(id, who, expires string) string {
		return "INSERT INTO grants (id, schedule, envelope, digest, reviewer_team, reviewer_id, reviewer_name, approvers, at, expires) VALUES ('" +
			id + "', 'S-1', '{}', " + digest + ", 'T1', '" + who + "', 'n', '[]', 1, " + expires + "); "
	}
	grant := schedule + grantOf("G-1", "UBOB", "4000000000000")
	scheduled := grant + strings.Replace(requestRow, "decided)", "decided, rule, grounds)", 1) +
		"('R-X','discover','c','h','','T','schedule:S-1','n','[]','C',NULL,'d',1,'pending',1,4000000000000,0,'standing','{\"grants\":[]}'); "
	stands := func(who, grant string) string {
		return strings.Replace(reviewRow, "at)", "at, standing)", 1) + "id, requester_id, digest, 'T1', '" + who + "', 'n', 'approve', '', '[]', " + now + ", '" + grant + "' FROM requests WHERE id = 'R-X'"
	}
	for _, a := range []struct{ name, script string }{
		{"unknown rule", strings.Replace(requestRow, "decided)", "decided, rule)", 1) + "('R-X','discover','c','h','','T','U1','n','[]','C',NULL,'d',1,'pending',1,2,0,'vip')"},
		{"break-glass without grounds", strings.Replace(requestRow, "decided)", "decided, rule)", 1) + "('R-X','discover','c','h','','T','U1','n','[]','C',NULL,'d',1,'pending',1,2,0,'break-glass')"},
		{"change the rule", `UPDATE requests SET rule = 'standing', grounds = '{"grants":[]}' WHERE id = 'R-PEND'`},
		{"one act asks twice", strings.Replace(requestRow, "decided)", "decided, origin)", 1) + "('R-X','discover','c','h','','T','U1','n','[]','C',NULL,'d',1,'pending',1,2,0,'o'); " +
			strings.Replace(requestRow, "decided)", "decided, origin)", 1) + "('R-Y','discover','c','h','','T','U1','n','[]','C',NULL,'d',1,'pending',1,2,0,'o')"},
		{"stand by nobody's approval", scheduled + stands("UBOB", "G-2")},
		{"stand by somebody else's approval", scheduled + stands("UDAVE", "G-1")},
		{"stand by an ended approval", scheduled + "UPDATE grants SET ended = 1; " + stands("UBOB", "G-1")},
		{"stand by an expired approval", strings.Replace(scheduled, "1, 4000000000000)", "1, 2)", 1) + stands("UBOB", "G-1")},
		{"stand for a request of a person", strings.Replace(scheduled, "'schedule:S-1'", "'U9'", 1) + stands("UBOB", "G-1")},
		{"stand for an ordinary request", strings.Replace(scheduled, "'standing','{\"grants\":[]}'", "'review','{}'", 1) + stands("UBOB", "G-1")},
		{"grant one's own schedule", schedule + grantOf("G-1", "U1", "2")},
		{"grant what one edited", schedule + grantOf("G-1", "U2", "2")},
		{"grant that expired before", schedule + grantOf("G-1", "UBOB", "1")},
		{"replace a grant", strings.Replace(grant+grantOf("G-1", "UBOB", "3"), "INSERT INTO grants", "INSERT OR REPLACE INTO grants", 2)},
		{"grant of no schedule", strings.Replace(grantOf("G-1", "UBOB", "2"), "S-1", "S-9", 1)},
		{"prolong a grant", grant + "UPDATE grants SET expires = expires + 1"},
		{"widen an envelope", grant + "UPDATE grants SET envelope = '{ }'"},
		{"revive a grant", grant + "UPDATE grants SET ended = 1; UPDATE grants SET ended = 0"},
		{"delete a grant", grant + "DELETE FROM grants"},
	} {
		a.script = strings.TrimSuffix(a.script, "; ")
		attacks = append(attacks, a)
	}
	truncates = append(truncates, struct{ name, script string }{"truncate grants", "TRUNCATE grants"})
}

// aSchedule is one of alice's with a standing approval of bob's.
func aSchedule(t *testing.T, db *DB) (*Schedules, approvals.Grant) {
	t.Helper()
	s := NewSchedules(db)
	x := approvals.Schedule{ID: "S-AAAA", Cluster: "db", Target: "db-3", Command: "run db-3", Owner: alice, Editor: alice,
		State: approvals.ScheduleActive, Rev: 1, Created: time.Now()}
	_, err := s.CreateSchedule(t.Context(), x, engine.Event{})
	require.NoError(t, err)
	e := approvals.EnvelopeOf(x, *recycle("R-AAAA", "db-3").Plan, approvals.Policy{Users: []string{bob.ID}})
	at := time.Now().UTC().Truncate(time.Millisecond)
	g := approvals.Grant{ID: "G-AAAA", Schedule: x.ID, Envelope: &e, Digest: e.Digest(), Reviewer: bob, Approvers: []string{bob.ID}, At: at, Expires: at.Add(time.Hour)}
	give(t, db, g)
	return s, g
}

// give stores a standing approval, as a review does that gives it.
func give(t *testing.T, db *DB, g approvals.Grant) {
	t.Helper()
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
		return db.grant(ctx, tx, approvals.Given{Grant: g}, time.Now().UnixMilli())
	}))
}

func TestGrantIsKeptAsItWasGiven(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	s, g := aSchedule(t, db)
	got, err := s.Grants(t.Context(), g.Schedule)
	require.NoError(t, err)
	require.Equal(t, []approvals.Grant{g}, got)
	require.Equal(t, g.Digest, got[0].Envelope.Digest(), "its digest survives the store")

	again := g
	again.ID = "G-BBBB"
	give(t, db, again)
	got, err = s.Grants(t.Context(), g.Schedule)
	require.NoError(t, err)
	require.Len(t, got, 1, "the later one of a person replaces the earlier")
	require.NoError(t, s.EndGrant(t.Context(), "G-BBBB", carol, "withdrawn", engine.Event{}))
	require.ErrorIs(t, s.EndGrant(t.Context(), "G-BBBB", carol, "withdrawn", engine.Event{}), approvals.ErrConflict)
	_, err = NewAudit(db).Verify(t.Context())
	require.NoError(t, err)
	var decisions []string
	require.NoError(t, NewAudit(db).Export(t.Context(), func(l AuditLink) error {
		var a AuditRecord
		require.NoError(t, json.Unmarshal(l.Body, &a))
		if a.Action == AuditStanding {
			decisions = append(decisions, a.Decision+" by "+a.By.ID)
			require.Equal(t, g.Digest, a.Digest)
		}
		return nil
	}))
	require.Equal(t, []string{"granted by UBOB", "granted by UBOB", "withdrawn by UCAROL"}, decisions)
}

// Somebody with the file widens what was approved.
func TestAuditFindsAWidenedEnvelope(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	_, g := aSchedule(t, db)
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
		if _, err := tx.Exec(ctx, "DROP TRIGGER grants_frozen"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE grants SET envelope = REPLACE(envelope, '"tables":', '"tables":9')`)
		return err
	}))
	_, err := NewAudit(db).Verify(t.Context())
	var p *engine.Problem
	require.ErrorAs(t, err, &p)
	require.Contains(t, strings.Join(p.Reasons, "\n"), "standing approval "+g.ID+": its envelope is not what was approved")
}
