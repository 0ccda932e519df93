package storage

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// year is a simulated year: jobs over 365 days up to now, each of 100 tables and on one of 200
// hosts, with the facts, messages and envelopes such jobs leave. Every tenth request is a discovery of
// 300 tables. It is made in the database itself; triggers guard how facts come to be and are set
// aside, keys and checks hold.
type year struct{ jobs int }

const (
	tablesOfJob = 100
	stepEvents  = 2 // step.started and table.processed
	yearMS      = int64(365 * 24 * time.Hour / time.Millisecond)
)

// fill inserts the year, with ids and hosts under a prefix.
func (y year) fill(tb testing.TB, db *DB, prefix string) {
	tb.Helper()
	require.NoError(tb, db.InTx(tb.Context(), func(ctx context.Context, tx Tx) error {
		arm, err := db.disarm(ctx, tx)
		if err != nil {
			return err
		}
		now, err := db.now(ctx, tx)
		if err != nil {
			return err
		}
		var seq, ord int64
		if err := tx.QueryRow(ctx, "SELECT COALESCE(MAX(seq), 0) FROM events").Scan(&seq); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, "SELECT COALESCE(MAX(ord), 0) FROM posts").Scan(&ord); err != nil {
			return err
		}
		r := strings.NewReplacer(
			"{n}", fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d), t(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM t WHERE k < %d)", y.jobs, tablesOfJob),
			"{id}", fmt.Sprintf("('R-%s' || n.i)", prefix), "{host}", fmt.Sprintf("('%s-db-' || (n.i %% 200))", prefix),
			"{at}", fmt.Sprintf("(%d + n.i * CAST(%d AS BIGINT))", now-yearMS, (yearMS-int64(time.Hour/time.Millisecond))/int64(y.jobs)),
			"{cluster}", "('cluster-' || (n.i % 20))", "{kind}", "CASE WHEN n.i % 10 = 0 THEN 'discover' ELSE 'recycle' END",
			"{plan}", fmt.Sprintf("CASE WHEN n.i %% 10 = 0 THEN NULL ELSE '{\"cluster\":\"c\",\"hosts\":[{\"name\":\"h\",\"steps\":[' || substr('%s', 2) || ']}]}' END", strings.Repeat(","+tablePlan, tablesOfJob)),
			"{summary}", fmt.Sprintf("CASE WHEN n.i %% 10 = 0 THEN '' ELSE '{\"hosts\":[\"h\"],\"tables\":%d,\"gain\":50000000000}' END", tablesOfJob),
			"{table}", "'"+tablePlan+"'", "{seq}", fmt.Sprint(seq), "{ord}", fmt.Sprint(ord), "{now}", fmt.Sprint(now),
			"{body}", fmt.Sprintf("'{\"cluster\":\"c\",\"hosts\":[{\"name\":\"h\",\"tables\":[' || substr('%s', 2) || ']}]}'", strings.Repeat(",{}", 300)),
			"{card}", "'"+strings.Repeat("x", 1500)+"'", "{perjob}", fmt.Sprint(tablesOfJob*stepEvents+4),
		)
		for _, q := range yearRows {
			if _, err := tx.Exec(ctx, r.Replace(q)); err != nil {
				return fmt.Errorf("%.60s: %w", q, err)
			}
		}
		return arm(ctx)
	}))
	if db.Kind() == "postgres" {
		require.NoError(tb, db.InTx(tb.Context(), func(ctx context.Context, tx Tx) error { _, err := tx.Exec(ctx, "ANALYZE"); return err }))
	}
}

const tablePlan = `{"seq":1,"schema":"shop_production","table":"order_items_2024_archive","method":{"kind":"inplace","sql":"ENGINE=InnoDB, ALGORITHM=INPLACE, LOCK=NONE"},"bytes":1234567890,"predicted":734567890,"low":700000000,"high":800000000,"how":"index statistics","estimate":93000000000}`

// yearRows are the statements, in the order of their keys. 97 of 100 requests are approved.
var yearRows = []string{
	`INSERT INTO requests (id, kind, cluster, target, command, requester_team, requester_id, requester_name, barred, channel, plan, summary, digest, min_approvals, state, created, expires, decided)
	 {n} SELECT {id}, {kind}, {cluster}, {host}, 'run ' || {host}, 'T1', 'U' || (n.i % 30), 'alice', '[]', 'C1', {plan}, {summary}, 'd', 1,
	 CASE n.i % 100 WHEN 1 THEN 'denied' WHEN 2 THEN 'expired' WHEN 3 THEN 'withdrawn' ELSE 'approved' END, {at}, {at} + 3600000, {at} + 60000 FROM n`,
	`INSERT INTO reviews (request_id, requester_id, digest, reviewer_team, reviewer_id, reviewer_name, decision, comment, approvers, at)
	 {n} SELECT {id}, 'U' || (n.i % 30), 'd', 'T1', 'UBOB', 'bob', 'approve', '', '["UBOB"]', {at} + 60000 FROM n WHERE n.i % 100 NOT IN (1, 2, 3)`,
	`INSERT INTO jobs (id, request_id, kind, cluster, host, region, digest, plan, state, wanted, created, started, ended)
	 {n} SELECT {id}, {id}, {kind}, {cluster}, {host}, 'eu', 'd', CASE WHEN n.i % 10 = 0 THEN NULL ELSE '{}' END,
	 CASE n.i % 50 WHEN 7 THEN 'failed' WHEN 8 THEN 'cancelled' WHEN 9 THEN 'refused' ELSE 'succeeded' END, 'run', {at} + 60000, {at} + 61000, {at} + 3600000 FROM n WHERE n.i % 100 NOT IN (1, 2, 3)`,
	`INSERT INTO leases (job_id, owner, epoch, until) {n} SELECT {id}, '', 1, 0 FROM n WHERE n.i % 100 NOT IN (1, 2, 3)`,
	`INSERT INTO steps (job_id, seq, plan, state, mark, before_bytes, after_bytes, took_ns, runs, outcome, started, ended)
	 {n} SELECT {id}, t.k, {table}, CASE WHEN t.k % 25 = 0 THEN 'skipped' ELSE 'done' END,
	 '{"create_time":"2026-01-02T03:04:05Z","before_bytes":1234567890,"space_id":123}', 1234567890, 734567890, 93000000000, 1,
	 CASE WHEN t.k % 25 = 0 THEN '' ELSE 'done' END, {at} + t.k * 1000, {at} + t.k * 1000 + 900 FROM n CROSS JOIN t WHERE n.i % 100 NOT IN (1, 2, 3) AND n.i % 10 <> 0`,
	`INSERT INTO freed (job_id, day, cluster, tables, bytes)
	 {n} SELECT {id}, {at} / 86400000, {cluster}, 96, CAST(96 AS BIGINT) * 500000000 FROM n WHERE n.i % 100 NOT IN (1, 2, 3) AND n.i % 10 <> 0`,
	`INSERT INTO settings (job_id, name, before_value, after_value, changed, restored)
	 {n} SELECT {id}, 'super_read_only', 'ON', 'OFF', {at}, {at} + 10 FROM n WHERE n.i % 5 = 4`,
	`INSERT INTO events (seq, at, kind, request_id, job_id, step, actor, data)
	 {n} SELECT {seq} + (n.i - 1) * {perjob} + t.k, {at} + t.k * 1000, 'step.started', {id}, {id}, t.k, '', '{"table":"shop_production.order_items_2024_archive"}' FROM n CROSS JOIN t`,
	`INSERT INTO events (seq, at, kind, request_id, job_id, step, actor, data)
	 {n} SELECT {seq} + (n.i - 1) * {perjob} + 100 + t.k, {at} + t.k * 1000, 'table.processed', {id}, {id}, t.k, '', '{"before":1234567890,"after":734567890,"took":93000000000}' FROM n CROSS JOIN t`,
	`INSERT INTO events (seq, at, kind, request_id, job_id, step, actor, data)
	 {n} SELECT {seq} + (n.i - 1) * {perjob} + 200 + t.k, {at} + 3600000, 'job.notice', {id}, {id}, 0, '', '{"severity":"info"}' FROM n CROSS JOIN t WHERE t.k <= 4`,
	`UPDATE counters SET value = (SELECT MAX(seq) FROM events) WHERE name = 'events'`,
	`INSERT INTO cursors (reader, seq) SELECT 'teller', (SELECT MAX(seq) FROM events) WHERE NOT EXISTS (SELECT 1 FROM cursors)`,
	`UPDATE cursors SET seq = (SELECT MAX(seq) FROM events)`,
	`INSERT INTO discoveries (request_id, job_id, cluster, target, at, body)
	 {n} SELECT {id}, {id}, {cluster}, {host}, {at} + 60000, {body} FROM n WHERE n.i % 10 = 0 AND n.i % 100 NOT IN (1, 2, 3)`,
	`INSERT INTO discovery_hosts (request_id, host)
	 {n} SELECT {id}, {cluster} || '-' || t.k FROM n CROSS JOIN t WHERE n.i % 10 = 0 AND t.k <= 5`,
	`INSERT INTO posts (key, ord, request_id, channel, parent, body, routine, told, rev, sent_rev, sent_channel, ts, updated)
	 {n} SELECT {id} || '/' || t.k, {ord} + (n.i - 1) * 5 + t.k, {id}, 'C1', CASE WHEN t.k = 1 THEN '' ELSE {id} || '/1' END, {card}, 0, 1, 2, 2, 'C1', '1.' || n.i, {at} + 3600000 FROM n CROSS JOIN t WHERE t.k <= 5`,
	`UPDATE counters SET value = (SELECT MAX(ord) FROM posts) WHERE name IN ('posts', 'inbox')`,
	`INSERT INTO inbox (key, ord, kind, payload, at, handled)
	 {n} SELECT {id} || '/' || t.k, {ord} + (n.i - 1) * 5 + t.k, 'interactive', {card}, {at}, {at} + 10 FROM n CROSS JOIN t WHERE t.k <= 3`,
	`INSERT INTO audit (seq, body, prev, hash) {n} SELECT (SELECT COUNT(*) FROM audit) + n.i, '{"action":"approve"}', '', substr({id} || 'x0000000000000000000000000000000000000000000000000000000000000000', 1, 64) FROM n`,
	`UPDATE counters SET value = (SELECT MAX(seq) FROM audit) WHERE name = 'audit'`,
}

// TestYearFits: a year of rows goes to what retention keeps, the freed space is used again, and
// nothing is lost that must stay.
func TestYearFits(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	y := year{jobs: 100}
	y.fill(t, db, "A")
	before := rowsOf(t, db)
	keep := Keep{Details: 60 * 24 * time.Hour, Discoveries: 30 * 24 * time.Hour, Events: 30 * 24 * time.Hour, Chat: 7 * 24 * time.Hour}
	p, err := hasty(db, keep).Run(t.Context())
	require.NoError(t, err)
	after := rowsOf(t, db)
	for _, kept := range []string{"requests", "reviews", "jobs", "audit", "settings", "leases"} {
		require.Equal(t, before[kept], after[kept], kept)
	}
	for table, share := range map[string]float64{"steps": 60. / 365, "events": 30. / 365, "posts": 7. / 365, "inbox": 7. / 365} {
		require.InDelta(t, share, float64(after[table])/float64(before[table]), 0.02, table)
	}
	require.Less(t, after["discoveries"], before["discoveries"])
	require.Equal(t, before["steps"]-after["steps"], p.Steps)
	// The sums of a folded job are those of its steps.
	jobs, err := NewFacts(db).Jobs(t.Context(), "R-A11")
	require.NoError(t, err)
	require.Empty(t, jobs[0].Steps)
	f := jobs[0].Figures
	require.Equal(t, []int{100, 100, 96, 4}, []int{f.Tables, f.Ended, f.Done, f.Skipped})
	require.Equal(t, int64(96*500000000), f.Before-f.After)
	require.Len(t, jobs[0].Plan.Hosts[0].Steps, 100, "what was approved stays whole")
	page, err := NewFacts(db).JobPage(t.Context(), Filter{}, Place{}, 3)
	require.NoError(t, err)
	require.Equal(t, 100, page[1].Figures.Tables, "a job that is not folded has the same figures on a list")

	again, err := hasty(db, keep).Run(t.Context())
	require.NoError(t, err)
	require.Zero(t, again, "once is enough")
	if onPostgres(t) { // its autovacuum comes when it likes
		return
	}
	size, used := sizeOf(t, db), usedOf(t, db)
	require.Less(t, used, size*6/10)
	y.fill(t, db, "B")
	t.Logf("%d jobs: %d KiB, %d of them used; with another year %d KiB", y.jobs, size>>10, used>>10, sizeOf(t, db)>>10)
	require.Less(t, sizeOf(t, db), size+used*11/10, "what was freed is used again")
}

// hasty is retention that gives nobody a turn.
func hasty(db *DB, keep Keep) *Retention {
	r := NewRetention(db, keep)
	r.rest = 0
	return r
}

// usedOf is how much of a SQLite file holds rows.
func usedOf(t *testing.T, db *DB) (used int64) {
	t.Helper()
	require.NoError(t, raw(db).QueryRowContext(t.Context(),
		"SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size").Scan(&used))
	return used
}

// rowsOf counts the rows of every table.
func rowsOf(t *testing.T, db *DB, more ...string) map[string]int64 {
	t.Helper()
	n := map[string]int64{}
	require.NoError(t, db.Read(t.Context(), func(ctx context.Context, tx Tx) error {
		for _, table := range append(more, transferred...) {
			var rows int64
			if err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM "+table).Scan(&rows); err != nil {
				return err
			}
			n[table] = rows
		}
		return nil
	}))
	return n
}

// sizeOf is how many bytes a database takes.
func sizeOf(tb testing.TB, db *DB) (size int64) {
	tb.Helper()
	query := "SELECT pg_database_size(current_database())"
	if db.Kind() == "sqlite" {
		query = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
	}
	require.NoError(tb, db.Read(tb.Context(), func(ctx context.Context, tx Tx) error { return tx.QueryRow(ctx, query).Scan(&size) }))
	return size
}

// Nobody removes what is young, untold, live or not yet summed, also with SQL.
func TestRetentionRules(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	s, _ := newRequests(db)
	year{jobs: 60}.fill(t, db, "A")
	approve(t, s, recycle("R-LIVE", "h"))
	for _, q := range []string{
		"DELETE FROM events WHERE seq = (SELECT MAX(seq) FROM events)",
		"DELETE FROM events WHERE request_id = 'R-LIVE'",
		"DELETE FROM events WHERE at > 0",
		"DELETE FROM steps WHERE job_id = 'R-A11'",
		"DELETE FROM steps WHERE job_id = 'R-LIVE'",
		"DELETE FROM audit WHERE seq = 1", "DELETE FROM jobs WHERE id = 'R-A11'",
		"INSERT INTO job_figures (job_id, tables, done, skipped, before_bytes, after_bytes, took_ns, at) VALUES ('R-A11', 100, 96, 4, 1, 1, 1, 1)",
		"INSERT INTO job_figures (job_id, tables, done, skipped, before_bytes, after_bytes, took_ns, at) VALUES ('R-LIVE', 2, 0, 0, 0, 0, 0, 1)",
	} {
		require.Error(t, db.InTx(t.Context(), func(ctx context.Context, tx Tx) error { _, err := tx.Exec(ctx, q); return err }), q)
	}
	all := Keep{Details: time.Millisecond, Events: time.Millisecond}
	_, err := hasty(db, all).Run(t.Context())
	require.Error(t, err, "a configuration that was not checked is refused by the database")
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
		arm, err := db.disarm(ctx, tx)
		if err == nil {
			_, err = tx.Exec(ctx, "UPDATE cursors SET seq = 2000")
		}
		if err == nil {
			_, err = tx.Exec(ctx, "UPDATE jobs SET state = 'running', ended = 0 WHERE id = 'R-A4'")
		}
		if err == nil {
			err = arm(ctx)
		}
		return err
	}))
	keep := Keep{Events: 8 * 24 * time.Hour}
	_, err = hasty(db, keep).Run(t.Context())
	require.NoError(t, err)
	es, err := NewFacts(db).EventsAfter(t.Context(), 0, 10)
	require.NoError(t, err)
	require.Equal(t, "R-A4", es[0].RequestID, "live work keeps its story")
	es, err = NewFacts(db).EventsAfter(t.Context(), 1000, 10)
	require.NoError(t, err)
	require.EqualValues(t, 2001, es[0].Seq, "what a reader has not told stays")
}
