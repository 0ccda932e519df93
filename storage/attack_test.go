package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	sqlitedriver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// scene is a database with one row of everything: R-PEND pending (min 1), R-TWO pending with one
// of two approvals, R-DONE approved with a running job, R-END approved with a succeeded job,
// R-LOOK approved with a queued job that nothing refers to, R-GONE expired.
func scene(t *testing.T) *DB {
	t.Helper()
	db := newDB(t)
	s, _ := newRequests(db)
	pend := recycle("R-PEND", "host-pend")
	pend.Barred = []approvals.Actor{carol}
	create(t, s, pend)
	two := recycle("R-TWO", "host-two")
	two.MinApprovals = 2
	create(t, s, two)
	_, err := s.Review(t.Context(), by(bob, two), jobsOf(two))
	require.NoError(t, err)
	create(t, s, recycle("R-GONE", "host-gone"))
	_, err = s.Close(t.Context(), "R-GONE", approvals.Expired, approvals.Actor{}, "")
	require.NoError(t, err)

	j, leases := NewJournal(db), NewLeases(db)
	for _, id := range []string{"R-DONE", "R-END"} {
		approve(t, s, recycle(id, "host-"+strings.ToLower(id[2:])))
		l, err := leases.Take(t.Context(), id, "w1", time.Minute)
		require.NoError(t, err)
		require.NoError(t, j.SetJob(t.Context(), l, engine.JobChange{State: engine.JobRunning}))
		require.NoError(t, j.SetStep(t.Context(), l, engine.StepChange{Step: engine.Step{Seq: 1, State: engine.StepRunning}}))
		require.NoError(t, j.SetStep(t.Context(), l, engine.StepChange{Step: engine.Step{Seq: 1, State: engine.StepDone, Outcome: "done"}}))
		require.NoError(t, j.SetSetting(t.Context(), l, engine.Setting{Change: change("super_read_only", "ON", "OFF")}, engine.Event{}))
		if id == "R-END" {
			require.NoError(t, j.SetStep(t.Context(), l, engine.StepChange{Step: engine.Step{Seq: 2, State: engine.StepSkipped}}))
			require.NoError(t, j.SetJob(t.Context(), l, engine.JobChange{State: engine.JobSucceeded}))
		}
	}
	approve(t, s, discover("R-LOOK", "host-look"))
	require.NoError(t, NewOutbox(db).Put(t.Context(), "teller", 5, []Post{{Key: "R-DONE/card", Channel: "C1", Body: []byte("{}")}}))
	require.NoError(t, NewOutbox(db).Sent(t.Context(), "R-DONE/card", 1, "C1", "1.1"))
	makeTokens(t, db)
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx Tx) error { // as if it had ended long ago
		arm, err := db.disarm(ctx, tx)
		if err == nil {
			_, err = tx.Exec(ctx, "INSERT INTO job_figures (job_id, tables, done, skipped, before_bytes, after_bytes, took_ns, at) VALUES ('R-END', 2, 1, 1, 0, 0, 0, 1)")
		}
		if err == nil {
			err = arm(ctx)
		}
		return err
	}))
	return db
}

const (
	requestRow = "INSERT INTO requests (id, kind, cluster, target, command, requester_team, requester_id, requester_name, barred, channel, plan, digest, min_approvals, state, created, expires, decided) VALUES "
	reviewRow  = "INSERT INTO reviews (request_id, requester_id, digest, reviewer_team, reviewer_id, reviewer_name, decision, comment, approvers, at) SELECT "
	jobRow     = "INSERT INTO jobs (id, request_id, request_state, kind, cluster, host, region, digest, plan, state, wanted, created) SELECT "
	now        = "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
)

// attacks are statements that somebody with the file might run, and the rule that stops each.
var attacks = []struct {
	name, script string
}{
	// requests
	{"request born approved", requestRow + "('R-X','discover','c','h','','T','U1','n','[]','C',NULL,'d',1,'approved',1,2,1)"},
	{"request of unknown kind", requestRow + "('R-X','drop','c','h','','T','U1','n','[]','C',NULL,'d',1,'pending',1,2,0)"},
	{"request without requester", requestRow + "('R-X','discover','c','h','','T','','n','[]','C',NULL,'d',1,'pending',1,2,0)"},
	{"request without approvals", requestRow + "('R-X','discover','c','h','','T','U1','n','[]','C',NULL,'d',0,'pending',1,2,0)"},
	{"request that expired before it was made", requestRow + "('R-X','discover','c','h','','T','U1','n','[]','C',NULL,'d',1,'pending',2,2,0)"},
	{"recycle without plan", requestRow + "('R-X','recycle','c','h','','T','U1','n','[]','C',NULL,'d',1,'pending',1,2,0)"},
	{"recycle without digest", requestRow + "('R-X','recycle','c','h','','T','U1','n','[]','C','{}','',1,'pending',1,2,0)"},
	{"pending but decided", requestRow + "('R-X','discover','c','h','','T','U1','n','[]','C',NULL,'d',1,'pending',1,2,1)"},
	{"approve without review", "UPDATE requests SET state = 'approved', decided = 1 WHERE id = 'R-PEND'"},
	{"approve with one of two", "UPDATE requests SET state = 'approved', decided = 1 WHERE id = 'R-TWO'"},
	{"deny without review", "UPDATE requests SET state = 'denied', decided = 1 WHERE id = 'R-PEND'"},
	{"unknown state", "UPDATE requests SET state = 'fine', decided = 1 WHERE id = 'R-PEND'"},
	{"expire without time", "UPDATE requests SET state = 'expired' WHERE id = 'R-PEND'"},
	{"revive an expired request", "UPDATE requests SET state = 'pending', decided = 0 WHERE id = 'R-GONE'"},
	{"replace an expired request", "INSERT OR REPLACE INTO requests SELECT id, kind, cluster, target, command, requester_team, requester_id, requester_name, barred, channel, plan, digest, min_approvals, 'pending', created, expires, 0, '', 0, 'review', '{}', '', '' FROM requests WHERE id = 'R-GONE'"},
	{"deny an approved request", "UPDATE requests SET state = 'denied' WHERE id = 'R-DONE'"},
	{"lower the needed approvals", "UPDATE requests SET min_approvals = 1 WHERE id = 'R-TWO'"},
	{"swap the plan", "UPDATE requests SET plan = '{}' WHERE id = 'R-PEND'"},
	{"another summary of a plan", "UPDATE requests SET summary = '{}' WHERE id = 'R-PEND'"},
	{"swap the digest", "UPDATE requests SET digest = 'x' WHERE id = 'R-PEND'"},
	{"swap the requester", "UPDATE requests SET requester_id = 'U9' WHERE id = 'R-PEND'"},
	{"lift the bar", "UPDATE requests SET barred = '[]' WHERE id = 'R-PEND'"},
	{"prolong", "UPDATE requests SET expires = expires + 1 WHERE id = 'R-PEND'"},
	{"delete a request", "DELETE FROM requests WHERE id = 'R-GONE'"},
	// reviews
	{"review oneself", reviewRow + "id, requester_id, digest, 'T1', requester_id, 'n', 'approve', '', '[]', " + now + " FROM requests WHERE id = 'R-PEND'"},
	{"review oneself under a false requester", reviewRow + "id, 'U9', digest, 'T1', requester_id, 'n', 'approve', '', '[]', " + now + " FROM requests WHERE id = 'R-PEND'"},
	{"review by somebody barred", reviewRow + "id, requester_id, digest, 'T1', 'UCAROL', 'n', 'approve', '', '[]', " + now + " FROM requests WHERE id = 'R-PEND'"},
	{"review by nobody", reviewRow + "id, requester_id, digest, 'T1', '', 'n', 'approve', '', '[]', " + now + " FROM requests WHERE id = 'R-PEND'"},
	{"review of another digest", reviewRow + "id, requester_id, 'x', 'T1', 'UBOB', 'n', 'approve', '', '[]', " + now + " FROM requests WHERE id = 'R-PEND'"},
	{"review after expiry", reviewRow + "id, requester_id, digest, 'T1', 'UBOB', 'n', 'approve', '', '[]', expires FROM requests WHERE id = 'R-PEND'"},
	{"review of an expired request", reviewRow + "id, requester_id, digest, 'T1', 'UBOB', 'n', 'approve', '', '[]', " + now + " FROM requests WHERE id = 'R-GONE'"},
	{"review of an approved request", reviewRow + "id, requester_id, digest, 'T1', 'UDAVE', 'n', 'deny', '', '[]', " + now + " FROM requests WHERE id = 'R-DONE'"},
	{"review twice", reviewRow + "id, requester_id, digest, 'T2', 'UBOB', 'n', 'approve', '', '[]', " + now + " FROM requests WHERE id = 'R-TWO'"},
	{"unknown decision", reviewRow + "id, requester_id, digest, 'T1', 'UBOB', 'n', 'maybe', '', '[]', " + now + " FROM requests WHERE id = 'R-PEND'"},
	{"turn a review", "UPDATE reviews SET decision = 'deny' WHERE request_id = 'R-TWO'"},
	{"replace a review", strings.Replace(reviewRow, "INSERT", "INSERT OR REPLACE", 1) + "id, requester_id, digest, 'T1', 'UBOB', 'n', 'deny', '', '[]', " + now + " FROM requests WHERE id = 'R-TWO'"},
	{"delete a review", "DELETE FROM reviews WHERE request_id = 'R-TWO'"},
	// jobs
	{"job of a pending request", jobRow + "'J-X', id, 'approved', kind, cluster, target, '', digest, plan, 'queued', 'run', 1 FROM requests WHERE id = 'R-PEND'"},
	{"job with one approval of two", jobRow + "'J-X', id, 'approved', kind, cluster, target, '', digest, plan, 'queued', 'run', 1 FROM requests WHERE id = 'R-TWO'"},
	{"second job of an approved request", jobRow + "'J-X', id, 'approved', kind, cluster, 'other-host', '', digest, plan, 'queued', 'run', 1 FROM requests WHERE id = 'R-DONE'"},
	{"job of an expired request", jobRow + "'J-X', id, 'approved', kind, cluster, target, '', digest, plan, 'queued', 'run', 1 FROM requests WHERE id = 'R-GONE'"},
	{"job of no request", jobRow + "'J-X', 'R-NONE', 'approved', 'discover', 'c', 'h', '', 'd', NULL, 'queued', 'run', 1"},
	{"job approved but the request left pending", reviewRow + "id, requester_id, digest, 'T1', 'UBOB', 'n', 'approve', '', '[]', " + now + " FROM requests WHERE id = 'R-PEND';" +
		jobRow + "'J-X', id, 'approved', kind, cluster, target, '', digest, plan, 'queued', 'run', 1 FROM requests WHERE id = 'R-PEND'"},
	{"job of a pending request under its own state", reviewRow + "id, requester_id, digest, 'T1', 'UBOB', 'n', 'approve', '', '[]', " + now + " FROM requests WHERE id = 'R-PEND';" +
		jobRow + "'J-X', id, 'pending', kind, cluster, target, '', digest, plan, 'queued', 'run', 1 FROM requests WHERE id = 'R-PEND'"},
	{"job with another digest", reviewRow + "id, requester_id, digest, 'T1', 'UBOB', 'n', 'approve', '', '[]', " + now + " FROM requests WHERE id = 'R-PEND';" +
		jobRow + "'J-X', id, 'approved', kind, cluster, target, '', 'x', plan, 'queued', 'run', 1 FROM requests WHERE id = 'R-PEND'; UPDATE requests SET state = 'approved', decided = 1 WHERE id = 'R-PEND'"},
	{"job on a busy host", reviewRow + "id, requester_id, digest, 'T1', 'UBOB', 'n', 'approve', '', '[]', " + now + " FROM requests WHERE id = 'R-PEND';" +
		jobRow + "'J-X', id, 'approved', kind, cluster, 'host-done', '', digest, plan, 'queued', 'run', 1 FROM requests WHERE id = 'R-PEND'; UPDATE requests SET state = 'approved', decided = 1 WHERE id = 'R-PEND'"},
	{"approval without a job", reviewRow + "id, requester_id, digest, 'T1', 'UBOB', 'n', 'approve', '', '[]', " + now + " FROM requests WHERE id = 'R-PEND'; UPDATE requests SET state = 'approved', decided = 1 WHERE id = 'R-PEND'"},
	{"approval against a denial", reviewRow + "id, requester_id, digest, 'T1', 'UBOB', 'n', 'approve', '', '[]', " + now + " FROM requests WHERE id = 'R-PEND';" +
		reviewRow + "id, requester_id, digest, 'T1', 'UDAVE', 'n', 'deny', '', '[]', " + now + " FROM requests WHERE id = 'R-PEND';" +
		jobRow + "'J-X', id, 'approved', kind, cluster, target, '', digest, plan, 'queued', 'run', 1 FROM requests WHERE id = 'R-PEND'; UPDATE requests SET state = 'approved', decided = 1 WHERE id = 'R-PEND'"},
	{"job born running", reviewRow + "id, requester_id, digest, 'T1', 'UBOB', 'n', 'approve', '', '[]', " + now + " FROM requests WHERE id = 'R-PEND';" +
		jobRow + "'J-X', id, 'approved', kind, cluster, target, '', digest, plan, 'running', 'run', 1 FROM requests WHERE id = 'R-PEND'"},
	{"unknown job state", "UPDATE jobs SET state = 'sleeping' WHERE id = 'R-DONE'"},
	{"unknown wish", "UPDATE jobs SET wanted = 'faster' WHERE id = 'R-DONE'"},
	{"job back to the queue", "UPDATE jobs SET state = 'queued' WHERE id = 'R-DONE'"},
	{"success with open steps", "UPDATE jobs SET state = 'succeeded', ended = 1 WHERE id = 'R-DONE'"},
	{"failure without an end", "UPDATE jobs SET state = 'failed' WHERE id = 'R-DONE'"},
	{"revive an ended job", "UPDATE jobs SET state = 'running', ended = 0 WHERE id = 'R-END'"},
	{"rewrite how a job ended", "UPDATE jobs SET state = 'failed' WHERE id = 'R-END'"},
	{"want something of an ended job", "UPDATE jobs SET wanted = 'pause' WHERE id = 'R-END'"},
	{"move a job to another host", "UPDATE jobs SET host = 'db-prod-1' WHERE id = 'R-DONE'"},
	{"swap the plan of a job", "UPDATE jobs SET plan = '{}' WHERE id = 'R-DONE'"},
	{"revive a cancelled job", "UPDATE jobs SET wanted = 'cancel' WHERE id = 'R-DONE'; UPDATE jobs SET wanted = 'run' WHERE id = 'R-DONE'"},
	{"delete a job", "DELETE FROM jobs WHERE id = 'R-END'"},
	{"delete a queued job", "DELETE FROM jobs WHERE id = 'R-LOOK'"},
	{"replace a job", reviewRow + "id, requester_id, digest, 'T1', 'UBOB', 'n', 'approve', '', '[]', " + now + " FROM requests WHERE id = 'R-PEND';" +
		strings.Replace(jobRow, "INSERT", "INSERT OR REPLACE", 1) + "'R-LOOK', id, 'approved', kind, cluster, target, '', digest, plan, 'queued', 'run', 1 FROM requests WHERE id = 'R-PEND'; UPDATE requests SET state = 'approved', decided = 1 WHERE id = 'R-PEND'"},
	// steps
	{"add a step", "INSERT INTO steps (job_id, seq, plan, state) VALUES ('R-DONE', 9, '{}', 'pending')"},
	{"unknown step state", "UPDATE steps SET state = 'almost' WHERE job_id = 'R-DONE' AND seq = 2"},
	{"unknown outcome", "UPDATE steps SET outcome = 'perhaps' WHERE job_id = 'R-DONE' AND seq = 2"},
	{"run a step twice", "UPDATE steps SET state = 'running', ended = 0 WHERE job_id = 'R-DONE' AND seq = 1"},
	{"rewrite the bytes of an ended step", "UPDATE steps SET after_bytes = 1 WHERE job_id = 'R-DONE' AND seq = 1"},
	{"step without an end", "UPDATE steps SET state = 'failed' WHERE job_id = 'R-DONE' AND seq = 2"},
	{"step without a start", "UPDATE steps SET state = 'running' WHERE job_id = 'R-DONE' AND seq = 2"},
	{"start a step of a paused job", "UPDATE jobs SET state = 'paused' WHERE id = 'R-DONE'; UPDATE steps SET state = 'running', started = 1 WHERE job_id = 'R-DONE' AND seq = 2"},
	{"another table for a step", "UPDATE steps SET plan = '{}' WHERE job_id = 'R-DONE' AND seq = 2"},
	{"negative runs", "UPDATE steps SET runs = -1 WHERE job_id = 'R-DONE' AND seq = 2"},
	{"a failed step that says done", "UPDATE steps SET state = 'failed', outcome = 'done', ended = 1 WHERE job_id = 'R-DONE' AND seq = 2"},
	{"delete a step", "DELETE FROM steps WHERE job_id = 'R-DONE' AND seq = 2"},
	// settings
	{"forget the value to put back", "UPDATE settings SET before_value = 'OFF' WHERE job_id = 'R-DONE'"},
	{"replace the value to put back", "INSERT OR REPLACE INTO settings (job_id, name, before_value, after_value, changed) VALUES ('R-DONE', 'super_read_only', 'OFF', 'OFF', 1)"},
	// leases
	{"lease epoch back", "UPDATE leases SET epoch = 0 WHERE job_id = 'R-DONE'"},
	{"new owner, old epoch", "UPDATE leases SET owner = 'thief' WHERE job_id = 'R-DONE'"},
	{"delete a lease", "DELETE FROM leases WHERE job_id = 'R-DONE'"},
	{"replace a lease", "INSERT OR REPLACE INTO leases (job_id, owner, epoch, until) VALUES ('R-DONE', 'thief', 1, 1)"},
	{"lease of no job", "INSERT INTO leases (job_id, owner, epoch, until) VALUES ('R-NONE', 'w', 1, 1)"},
	// events, cursors, posts
	{"rewrite an event", "UPDATE events SET actor = 'UBOB' WHERE seq = 1"},
	{"delete an event", "DELETE FROM events WHERE seq = 1"},
	{"replace an event", "INSERT OR REPLACE INTO events SELECT seq, at, 'x', request_id, job_id, step, actor, data FROM events WHERE seq = 1"},
	{"leave a gap in the log", "INSERT INTO events (seq, at, kind, request_id, job_id, step, actor, data) SELECT MAX(seq) + 2, 1, 'x', '', '', 0, '', '' FROM events"},
	{"cursor back", "UPDATE cursors SET seq = 1"},
	{"widen a token", "UPDATE api_tokens SET scopes = 'read,review'"},
	{"a token of somebody else", "UPDATE api_tokens SET user_id = 'UBOB'"},
	{"bring a token back", "UPDATE api_tokens SET revoked = 0"},
	{"remove a token", "DELETE FROM api_tokens"},
	{"replace a token", "INSERT OR REPLACE INTO api_tokens (id, name, hash, scopes, team, user_id, created, created_by) SELECT id, name, hash, 'review', 'T1', 'UBOB', created, '' FROM api_tokens WHERE revoked = 0"},
	{"a token of nobody that reviews", "INSERT INTO api_tokens (id, name, hash, scopes, team, user_id, created, created_by) VALUES ('K-X', 'x', '0000000000000000000000000000000000000000000000000000000000000000', 'review', '', '', 1, '')"},
	{"replace a cursor", "INSERT OR REPLACE INTO cursors (reader, seq) VALUES ('teller', 1)"},
	{"move a sent message", "UPDATE posts SET ts = '9.9'"},
	{"move a message that is another one", "UPDATE posts SET ts = '9.9', moved_from = '8.8'"},
	{"move a message to where it is", "UPDATE posts SET moved_from = ts"},
	{"move a message twice", "UPDATE posts SET ts = '9.9', moved_from = '1.1'; UPDATE posts SET ts = '9.8', moved_from = '9.9'"},
	{"move a message and forget it", "UPDATE posts SET ts = '9.9', moved_from = '1.1'; UPDATE posts SET moved_from = ''"},
	{"unsend a message", "UPDATE posts SET sent_rev = 0, ts = ''"},
	{"replace a message", "INSERT OR REPLACE INTO posts (key, ord, request_id, channel, parent, body, routine, told, rev, updated) SELECT key, 99, request_id, channel, parent, '', 0, 0, 1, 1 FROM posts"},
	{"sent more than there is", "UPDATE posts SET sent_rev = 7"},
	{"rewrite figures", "UPDATE job_figures SET after_bytes = 0"},
	{"remove what was given back", "DELETE FROM freed"},
	{"remove figures", "DELETE FROM job_figures"},
	{"figures of a job that runs", "INSERT INTO job_figures (job_id, tables, done, skipped, before_bytes, after_bytes, took_ns, at) VALUES ('R-DONE', 2, 1, 0, 0, 0, 0, 1)"},
	{"replace figures", "INSERT OR REPLACE INTO job_figures (job_id, tables, done, skipped, before_bytes, after_bytes, took_ns, at) VALUES ('R-END', 2, 2, 0, 9, 0, 0, 1)"},
	{"older revision", "UPDATE posts SET rev = 0"},
}

// attack runs the statements of a script in one transaction, as somebody with the database would.
func attack(t *testing.T, db *DB, script string) error {
	t.Helper()
	return db.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
		for _, q := range strings.Split(script, ";") {
			if _, err := tx.Exec(ctx, strings.ReplaceAll(q, now, db.d.base().nowMS)); err != nil {
				return err
			}
		}
		return nil
	})
}

// constraint reports whether an error says that a rule of the schema was broken.
func constraint(err error) bool {
	var lite *sqlitedriver.Error
	if errors.As(err, &lite) {
		return lite.Code()&0xff == sqlite3.SQLITE_CONSTRAINT
	}
	var pg *pgconn.PgError
	return errors.As(err, &pg) && strings.HasPrefix(pg.Code, "23")
}

func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	db := scene(t)
	before := dump(t, db)
	for _, a := range attacks {
		if onPostgres(t) && strings.Contains(a.script, "INSERT OR REPLACE") {
			continue // no such statement there
		}
		err := attack(t, db, a.script)
		require.Errorf(t, err, "%s: %s", a.name, a.script)
		require.Truef(t, constraint(err), "%s: refused for another reason: %v", a.name, err)
		require.Equal(t, before, dump(t, db), a.name)
	}
}

// The same rows with nothing wrong are accepted, so the attacks above fail for their own reason.
func TestSchemaAcceptsTheTrueWay(t *testing.T) {
	t.Parallel()
	db := scene(t)
	err := db.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
		for _, q := range []string{
			requestRow + "('R-X','discover','c','h','','T','U1','n','[]','C',NULL,'d',1,'pending',1,2,0)",
			reviewRow + "id, requester_id, digest, 'T1', 'UBOB', 'n', 'approve', '', '[]', " + now + " FROM requests WHERE id = 'R-PEND'",
			jobRow + "'J-X', id, 'approved', kind, cluster, target, '', digest, plan, 'queued', 'run', 1 FROM requests WHERE id = 'R-PEND'",
			"INSERT INTO steps (job_id, seq, plan, state) VALUES ('J-X', 1, '{}', 'pending')",
			"UPDATE requests SET state = 'approved', decided = 1 WHERE id = 'R-PEND'",
			"UPDATE steps SET state = 'running', started = 1 WHERE job_id = 'R-DONE' AND seq = 2",
			"UPDATE steps SET state = 'failed', outcome = 'failed', ended = 1 WHERE job_id = 'R-DONE' AND seq = 2",
			"UPDATE jobs SET state = 'failed', ended = 1 WHERE id = 'R-DONE'",
			"UPDATE leases SET owner = 'heir', epoch = epoch + 1 WHERE job_id = 'R-DONE'",
			"UPDATE settings SET restored = 1 WHERE job_id = 'R-DONE'",
			"UPDATE posts SET rev = 2",
			"UPDATE posts SET ts = '9.9', moved_from = '1.1'",
			"UPDATE cursors SET seq = 9",
		} {
			if _, err := tx.Exec(ctx, strings.ReplaceAll(q, now, db.d.base().nowMS)); err != nil {
				return fmt.Errorf("%s: %w", q, err)
			}
		}
		return nil
	})
	require.NoError(t, err)
}

// dump is the whole content of our tables as text.
func dump(t *testing.T, db *DB) string {
	t.Helper()
	var out strings.Builder
	for _, table := range []string{"requests", "reviews", "jobs", "steps", "settings", "leases", "events", "cursors", "posts", "api_tokens", "job_figures", "freed"} {
		require.NoError(t, db.Read(t.Context(), func(ctx context.Context, tx Tx) error {
			row := "CAST(x AS TEXT)"
			if !onPostgres(t) {
				var columns string
				if err := tx.QueryRow(ctx, "SELECT group_concat('quote(' || name || ')', '||') FROM pragma_table_info($1)", table).Scan(&columns); err != nil {
					return err
				}
				row = columns
			}
			return each(ctx, tx, func(r Row) error {
				var text string
				err := r.Scan(&text)
				out.WriteString(table + text + "\n")
				return err
			}, "SELECT "+row+" FROM "+table+" x ORDER BY 1")
		}))
	}
	return out.String()
}

// Every trigger is needed: without it some attack above succeeds.
func TestEveryTriggerStopsSomething(t *testing.T) {
	t.Parallel()
	seen := scene(t)
	query := "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' AND tbl_name NOT LIKE 'river%'"
	if onPostgres(t) {
		query = "SELECT tgname, CAST(CAST(tgrelid AS regclass) AS TEXT) FROM pg_trigger WHERE NOT tgisinternal AND tgname NOT LIKE 'river%'"
	}
	triggers := map[string]string{}
	require.NoError(t, seen.Read(t.Context(), func(ctx context.Context, tx Tx) error {
		return each(ctx, tx, func(row Row) error {
			var name, table string
			err := row.Scan(&name, &table)
			triggers[name] = table
			return err
		}, query)
	}))
	require.Greater(t, len(triggers), 30)
	tried := attacks
	if onPostgres(t) {
		tried = append(tried, truncates...)
		for _, table := range []string{"requests", "reviews", "jobs", "steps", "leases", "events", "job_figures", "freed"} {
			tried = append(tried, struct{ name, script string }{"truncate", "TRUNCATE " + table + " CASCADE"})
		}
	}
	for trigger, table := range triggers {
		drop := "DROP TRIGGER " + trigger
		if onPostgres(t) {
			drop += " ON " + table
		}
		came := errors.New("came through")
		err := seen.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
			if _, err := tx.Exec(ctx, drop); err != nil {
				return err
			}
			for _, a := range tried {
				if savepoint(t, ctx, tx, seen, a.script) {
					return came
				}
			}
			return nil
		})
		require.ErrorIs(t, err, came, "no attack needs %s", trigger)
	}
}

// savepoint tries a script and takes it back; it reports whether it came through. Deferred keys
// are looked at as a commit would.
func savepoint(t *testing.T, ctx context.Context, tx Tx, db *DB, script string) bool {
	t.Helper()
	_, err := tx.Exec(ctx, "SAVEPOINT attack")
	require.NoError(t, err)
	ok := true
	for _, q := range strings.Split(script, ";") {
		if _, err := tx.Exec(ctx, strings.ReplaceAll(q, now, db.d.base().nowMS)); err != nil {
			ok = false
			break
		}
	}
	if ok && onPostgres(t) {
		_, err = tx.Exec(ctx, "SET CONSTRAINTS ALL IMMEDIATE")
		ok = err == nil
	} else if ok {
		broken := 0
		require.NoError(t, each(ctx, tx, func(Row) error { broken++; return nil }, "SELECT * FROM pragma_foreign_key_check()"))
		ok = broken == 0
	}
	_, err = tx.Exec(ctx, "ROLLBACK TO SAVEPOINT attack")
	require.NoError(t, err)
	return ok
}
