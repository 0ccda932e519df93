package storage

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// Attacks on the chain, on slots and on times that were approved; every trigger of theirs must stop
// one of these.
func init() {
	const schedule = "INSERT INTO schedules (id, state, owner_id, editor_id, rev, body) VALUES ('S-1', 'active', 'U1', 'U1', 1, '{}'); "
	const slot = "INSERT INTO schedule_runs (schedule, slot, state, starts, ends, changed) VALUES ('S-1', 1, 'skipped', 1, 2, 1); "
	for _, a := range []struct{ name, script string }{
		{"change a link", "UPDATE audit SET body = '{}' WHERE seq = 1"},
		{"cut the chain", "DELETE FROM audit WHERE seq = (SELECT MAX(seq) FROM audit)"},
		{"fork the chain", "INSERT INTO audit (seq, body, prev, hash) SELECT MAX(seq) + 1, '{}', '', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' FROM audit"},
		{"leave a gap in the chain", "INSERT INTO audit (seq, body, prev, hash) SELECT seq + 2, '{}', hash, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' FROM audit ORDER BY seq DESC LIMIT 1"},
		{"start a request earlier", "UPDATE requests SET not_before = 1 WHERE id = 'R-PEND'"},
		{"start a job later", "UPDATE jobs SET not_before = 1 WHERE id = 'R-LOOK'"},
		{"a job that does not wait for its time", "INSERT INTO requests (id, kind, cluster, target, command, requester_team, requester_id, requester_name, barred, channel, digest, min_approvals, state, created, expires, not_before) VALUES ('R-X', 'discover', 'c', 'h', '', 'T', 'U1', 'n', '[]', 'C', 'd', 1, 'pending', 1, 4000000000000, 3000000000000); " +
			reviewRow + "id, requester_id, digest, 'T1', 'UBOB', 'n', 'approve', '', '[]', " + now + " FROM requests WHERE id = 'R-X'; " +
			jobRow + "'J-X', id, 'approved', kind, cluster, target, '', digest, plan, 'queued', 'run', 1 FROM requests WHERE id = 'R-X'; " +
			"UPDATE requests SET state = 'approved', decided = 1 WHERE id = 'R-X'"},
		{"delete a schedule", schedule + "DELETE FROM schedules"},
		{"replace a schedule", schedule + "INSERT OR REPLACE INTO schedules (id, state, owner_id, editor_id, rev, body) VALUES ('S-1', 'active', 'U2', 'U2', 1, '{}')"},
		{"give a schedule another author", schedule + "UPDATE schedules SET owner_id = 'U2', rev = 2"},
		{"change a schedule unseen", schedule + "UPDATE schedules SET body = '{ }'"},
		{"revive a schedule", schedule + "UPDATE schedules SET state = 'removed', rev = 2; UPDATE schedules SET state = 'active', rev = 3"},
		{"forget a slot", schedule + slot + "DELETE FROM schedule_runs"},
		{"handle a slot again", schedule + slot + "UPDATE schedule_runs SET state = 'claimed'"},
		{"move a slot", schedule + strings.Replace(slot, "skipped", "claimed", 1) + "UPDATE schedule_runs SET slot = 2"},
		{"replace a slot", schedule + slot + "INSERT OR REPLACE INTO schedule_runs (schedule, slot, state, starts, ends, changed) VALUES ('S-1', 1, 'claimed', 1, 2, 1)"},
		{"one slot twice", schedule + slot + slot},
		{"asked without a request", schedule + strings.Replace(slot, "skipped", "asked", 1)},
		{"truncate the chain", "TRUNCATE audit"},
		{"truncate slots", "TRUNCATE schedule_runs"},
	} {
		if strings.HasPrefix(a.script, "TRUNCATE") {
			truncates = append(truncates, a)
			continue
		}
		attacks = append(attacks, a)
	}
}

// truncates are attacks that only PostgreSQL has words for.
var truncates []struct{ name, script string }

// told is a chain with every kind of link.
func told(t *testing.T, db *DB) *Requests {
	t.Helper()
	s, _ := newRequests(db)
	job := approve(t, s, recycle("R-AAAA", "h1"))
	_, err := NewFacts(db).Want(t.Context(), job.ID, engine.WantPause, carol)
	require.NoError(t, err)
	r := create(t, s, recycle("R-BBBB", "h2"))
	v := by(bob, r)
	v.Decision, v.Comment, v.Channel = approvals.Deny, "not today", "C9"
	_, err = s.Review(t.Context(), v, nil)
	require.NoError(t, err)
	create(t, s, discover("R-CCCC", "h3"))
	_, err = s.Close(t.Context(), "R-CCCC", approvals.Withdrawn, alice, "withdrawn by the requester")
	require.NoError(t, err)
	return s
}

func TestAuditTellsWhoDidWhat(t *testing.T) {
	t.Parallel()
	db := newDB(t, WithProgram("v1.2.3"))
	told(t, db)
	var got []AuditRecord
	require.NoError(t, NewAudit(db).Export(t.Context(), func(l AuditLink) error {
		var a AuditRecord
		require.NoError(t, json.Unmarshal(l.Body, &a))
		require.Equal(t, "v1.2.3", a.Program)
		got = append(got, a)
		return nil
	}))
	var actions []AuditAction
	for _, a := range got {
		actions = append(actions, a.Action)
	}
	require.Equal(t, []AuditAction{"request", "approve", "want", "request", "deny", "request", "withdrawn"}, actions)
	digest := recycle("R-AAAA", "h1").Plan.Digest()
	require.Equal(t, bob, got[1].By)
	require.Equal(t, []string{bob.ID}, got[1].Approvers)
	require.Equal(t, digest, got[1].Digest)
	require.Equal(t, alice.ID, got[1].Requester)
	require.Equal(t, "C1", got[1].Channel, "without a place of its own a decision was made on the card")
	require.Equal(t, "pause", got[2].Decision)
	require.Equal(t, carol, got[2].By)
	require.Equal(t, "C9", got[4].Channel)
	require.Equal(t, "not today", got[4].Reason)
	require.Equal(t, alice, got[6].By)
	head, err := NewAudit(db).Verify(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 7, head.Links)
}

// What is refused leaves no trace in the chain: it is the caller's transaction.
func TestAuditIsPartOfTheTransaction(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	s, _ := newRequests(db)
	r := create(t, s, recycle("R-AAAA", "h"))
	_, err := s.Review(t.Context(), by(alice, r), jobsOf(r))
	require.ErrorIs(t, err, approvals.ErrConflict)
	_, err = s.Review(t.Context(), by(bob, r), nil)
	require.Error(t, err)
	head, err := NewAudit(db).Verify(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, head.Links)
}

// One byte in the file, wherever it is in the chain or in what the chain speaks of, is found, and
// its place is named.
func TestAuditFindsOneByte(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ old, new, says string }{
		"the body of a link":  {`"action":"approve","request":"R-AAAA"`, `"action":"approve","request":"R-AAAB"`, "link 2: its text is not what was hashed"},
		"who it was":          {`"by":{"team":"T1","id":"UCAROL"`, `"by":{"team":"T1","id":"UBAROL"`, "link 3: its text is not what was hashed"},
		"a review's row":      {"UALICE" + recycle("R-BBBB", "h2").Plan.Digest() + "T1UBOBbobdeny", "UALICE" + recycle("R-BBBB", "h2").Plan.Digest() + "T1UBOCbobdeny", "database file: row"},
		"a decision's digest": {"UALICE" + recycle("R-BBBB", "h2").Plan.Digest() + "T1", "UALICE" + "x" + recycle("R-BBBB", "h2").Plan.Digest()[1:] + "T1", "review of R-BBBB by UBOB: deny of"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "state.db")
			db, err := Open(t.Context(), "sqlite://"+path, zap.NewNop())
			require.NoError(t, err)
			told(t, db)
			_, err = raw(db).ExecContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)")
			require.NoError(t, err)
			require.NoError(t, db.Close())
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, 1, bytes.Count(b, []byte(c.old)))
			require.NoError(t, os.WriteFile(path, bytes.Replace(b, []byte(c.old), []byte(c.new), 1), 0o600))

			_, err = NewAudit(openFile(t, path)).Verify(t.Context())
			var p *engine.Problem
			require.ErrorAs(t, err, &p)
			require.Equal(t, "audit_broken", p.Code)
			require.Contains(t, strings.Join(p.Reasons, "\n"), c.says)
		})
	}
}

// Somebody with the file and time: links removed, swapped, written anew, the end cut off.
func TestAuditFindsCutsAndForgeries(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ script, says string }{
		"cut off":    {"DELETE FROM audit WHERE seq = 7", "the chain ends at 6, but 7 links were written"},
		"a hole":     {"DELETE FROM audit WHERE seq = 4", "link 5: expected number 4 here"},
		"rehashed":   {"UPDATE audit SET hash = 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb' WHERE seq = 4", "link 5: does not continue link 4"},
		"no request": {"UPDATE requests SET requester_id = 'U9' WHERE id = 'R-CCCC'", "request R-CCCC: asked by UALICE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := newDB(t)
			told(t, db)
			for _, trigger := range []string{"audit_frozen", "audit_kept", "requests_frozen", "requests_final"} {
				_, err := raw(db).ExecContext(t.Context(), "DROP TRIGGER "+trigger)
				require.NoError(t, err)
			}
			_, err := raw(db).ExecContext(t.Context(), c.script)
			require.NoError(t, err)
			_, err = NewAudit(db).Verify(t.Context())
			var p *engine.Problem
			require.ErrorAs(t, err, &p)
			require.Contains(t, strings.Join(p.Reasons, "\n"), c.says)
		})
	}
}

// A job that waits for its time ends at once when it is cancelled: no worker looks at it before.
func TestCancelBeforeItsTime(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	s, _ := newRequests(db)
	r := recycle("R-AAAA", "h")
	r.NotBefore = r.Created.Add(time.Hour)
	approve(t, s, r)
	got, err := s.Request(context.Background(), r.ID)
	require.NoError(t, err)
	require.Equal(t, r.NotBefore, got.NotBefore)
	j, err := NewFacts(db).Want(t.Context(), r.ID, engine.WantCancel, bob)
	require.NoError(t, err)
	require.Equal(t, engine.JobCancelled, j.State)
	require.Equal(t, []engine.EventKind{engine.EventRequestCreated, engine.EventRequestApproved, engine.EventJobCreated,
		engine.EventJobWanted, engine.EventJobCancelled}, kinds(t, db))
}
