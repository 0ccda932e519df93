package storage

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// updateSchemas asks to write the fixtures that are missing: UPDATE_SCHEMAS=1 go test -run Upgrade.
var updateSchemas = os.Getenv("UPDATE_SCHEMAS") != ""

// released are the schemas that have a fixture. A migration up to the newest never changes again: the
// fixtures would still migrate, but into something else than a fresh database has.
var released = []int64{1, 2, 3, 4, 5, 6, 7, 17, 18}

// schemaFile is the fixture of a version: a SQLite database as text.
func schemaFile(version int64) string { return fmt.Sprintf("testdata/schema/%05d.sql", version) }

// rowsSince are rows as the program of a version wrote them, the true way under its triggers. What a
// version added is written from that version on.
var rowsSince = map[int64][]string{
	1: {
		requestRow + `('R-OLD','recycle','shop','db-1','run db-1','T','U1','alice','[{"id":"UX"}]','C1','{"cluster":"shop","hosts":[{"name":"db-1"}]}','d',1,'pending',1767312000000,1767315600000,0)`,
		requestRow + `('R-ASK','discover','shop','db-2','discover db-2','T','U1','alice','[]','C1',NULL,'e',1,'pending',1767312000000,4767315600000,0)`,
		reviewRow + `id, requester_id, digest, 'T1', 'UBOB', 'bob', 'approve', 'fine', '["UBOB"]', 1767312060000 FROM requests WHERE id = 'R-OLD'`,
		jobRow + `id, id, 'approved', kind, cluster, target, 'eu', digest, plan, 'queued', 'run', 1767312060000 FROM requests WHERE id = 'R-OLD'`,
		`INSERT INTO steps (job_id, seq, plan, state) VALUES ('R-OLD', 1, '{"seq":1,"schema":"shop","table":"orders"}', 'pending'), ('R-OLD', 2, '{"seq":2,"schema":"shop","table":"carts"}', 'pending')`,
		`UPDATE requests SET state = 'approved', decided = 1767312060000 WHERE id = 'R-OLD'`,
		`INSERT INTO leases (job_id, owner, epoch, until) VALUES ('R-OLD', 'w', 3, 1767312090000)`,
		`UPDATE jobs SET state = 'running', started = 1767312061000 WHERE id = 'R-OLD'`,
		`INSERT INTO settings (job_id, name, before_value, after_value, changed) VALUES ('R-OLD', 'super_read_only', 'ON', 'OFF', 1767312062000)`,
		`UPDATE steps SET state = 'running', started = 1767312063000, mark = '{"before_bytes":900}', runs = 1 WHERE job_id = 'R-OLD' AND seq = 1`,
		`UPDATE steps SET state = 'done', outcome = 'done', before_bytes = 900, after_bytes = 500, took_ns = 5, ended = 1767312064000 WHERE job_id = 'R-OLD' AND seq = 1`,
		`INSERT INTO events (seq, at, kind, request_id, job_id, step, actor, data) VALUES (1, 1767312000000, 'request.created', 'R-OLD', '', 0, 'U1', '{"kind":"recycle"}')`,
		`INSERT INTO events (seq, at, kind, request_id, job_id, step, actor, data) VALUES (2, 1767312060000, 'request.approved', 'R-OLD', '', 0, 'UBOB', '')`,
		`UPDATE counters SET value = 2 WHERE name = 'events'`,
		`INSERT INTO cursors (reader, seq) VALUES ('teller', 2)`,
		`INSERT INTO posts (key, ord, request_id, channel, parent, body, routine, told, rev, sent_rev, sent_channel, ts, updated) VALUES ('R-OLD/card', 1, 'R-OLD', 'C1', '', '{}', 0, 2, 3, 3, 'C1', '1.5', 1767312060000)`,
		`UPDATE counters SET value = 1 WHERE name = 'posts'`,
		`INSERT INTO inbox (key, ord, kind, payload, at, handled) VALUES ('k', 1, 'slash_commands', 'text=run', 1767312000000, 1767312000001)`,
		`UPDATE counters SET value = 1 WHERE name = 'inbox'`,
		`INSERT INTO discoveries (request_id, job_id, cluster, target, at, body) VALUES ('R-OLD', 'R-OLD', 'shop', 'db-1', 1767312000000, '{"id":"R-OLD"}')`,
		`INSERT INTO discovery_hosts (request_id, host) VALUES ('R-OLD', 'db-1')`,
	},
	3: {
		`INSERT INTO audit (seq, body, prev, hash) VALUES (1, '{}', '', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')`,
		`UPDATE counters SET value = 1 WHERE name = 'audit'`,
		`INSERT INTO schedules (id, state, owner_id, editor_id, rev, body) VALUES ('S-1', 'active', 'U1', 'U1', 1, '{"id":"S-1"}')`,
		`INSERT INTO schedule_runs (schedule, slot, state, starts, ends, changed) VALUES ('S-1', 1767312000000, 'skipped', 1, 2, 1)`,
	},
	5: {
		`INSERT INTO api_tokens (id, name, hash, scopes, team, user_id, created, created_by) VALUES ('K-1', 'ci', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 'read', '', '', 1767312000000, 'root')`,
		`INSERT INTO api_keys (token_id, key, fingerprint, at) VALUES ('K-1', 'k', 'f', 1767312000000)`,
	},
	7: {`INSERT INTO bot_leases (name, owner, node, epoch, until) VALUES ('bot:x', '', 'h/1', 4, 0)`},
	17: {
		`INSERT INTO campaigns (request_id, cluster, host, state, next_id, opened) VALUES ('R-OLD', 'shop', 'db-0', 'asked', 'R-NEXT', 1767312070000)`,
		`INSERT INTO grants (id, schedule, envelope, digest, reviewer_team, reviewer_id, reviewer_name, approvers, at, expires) VALUES ('G-1', 'S-1', '{}', 'cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc', 'T1', 'UBOB', 'bob', '["UBOB"]', 1767312000000, 4767315600000)`,
		// A job whose steps retention made into sums.
		requestRow + `('R-SUM','recycle','shop','db-3','run db-3','T','U1','alice','[]','C1','{"cluster":"shop","hosts":[{"name":"db-3"}]}','f',1,'pending',1767312000000,1767315600000,0)`,
		reviewRow + `id, requester_id, digest, 'T1', 'UBOB', 'bob', 'approve', '', '["UBOB"]', 1767312060000 FROM requests WHERE id = 'R-SUM'`,
		jobRow + `id, id, 'approved', kind, cluster, target, 'eu', digest, plan, 'queued', 'run', 1767312060000 FROM requests WHERE id = 'R-SUM'`,
		`INSERT INTO steps (job_id, seq, plan, state) VALUES ('R-SUM', 1, '{"seq":1,"schema":"shop","table":"baskets"}', 'pending')`,
		`UPDATE requests SET state = 'approved', decided = 1767312060000 WHERE id = 'R-SUM'`,
		`UPDATE jobs SET state = 'running', started = 1767312061000 WHERE id = 'R-SUM'`,
		`UPDATE steps SET state = 'running', started = 1767312063000, mark = '{}', runs = 1 WHERE job_id = 'R-SUM'`,
		`UPDATE steps SET state = 'done', outcome = 'done', before_bytes = 900, after_bytes = 500, took_ns = 5, ended = 1767312064000 WHERE job_id = 'R-SUM'`,
		`INSERT INTO freed (job_id, day, cluster, tables, bytes) VALUES ('R-OLD', 20455, 'shop', 1, 400), ('R-SUM', 20455, 'shop', 1, 400)`,
		`UPDATE jobs SET state = 'succeeded', ended = 1767312065000 WHERE id = 'R-SUM'`,
		`INSERT INTO job_figures (job_id, tables, done, skipped, before_bytes, after_bytes, took_ns, at) VALUES ('R-SUM', 1, 1, 0, 900, 500, 5, 1777312000000)`,
		`DELETE FROM steps WHERE job_id = 'R-SUM'`,
		`UPDATE steps SET skip_by = 'carol' WHERE job_id = 'R-OLD' AND seq = 2`,
		`INSERT INTO progress (job_id, body, at) VALUES ('R-OLD', '{}', 1767312064000)`,
		`INSERT INTO nodes (process, name, roles, regions, program, running, started, seen) VALUES ('p', 'n-1', 'bot,worker', 'eu', 'v0.1.0', 1, 1767312000000, 1767312064000)`,
		`INSERT INTO holds (kind, name, by_team, by_id, by_name, reason, at) VALUES ('region', 'us', 'T1', 'UBOB', 'bob', 'upgrade', 1767312064000)`,
	},
	18: {`UPDATE campaigns SET state = 'stopped' WHERE request_id = 'R-OLD'`},
}

// TestUpgrade takes a database of every released schema to the current one: every row is there as it
// was, and the program works on it.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	for _, version := range released {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			t.Parallel()
			url := oldSQLite(t, version)
			if onPostgres(t) {
				url = oldPostgres(t, version)
			}
			before := rowsAsText(t, url, nil)
			require.Len(t, before["steps"], 3, "columns and two rows")
			db := open(t, url)
			after := rowsAsText(t, url, before)
			delete(before, "goose_db_version")
			for table := range before {
				require.Equal(t, before[table][1:], after[table][1:], table)
			}
			jobs, err := NewFacts(db).Jobs(t.Context(), "R-OLD")
			require.NoError(t, err)
			require.Equal(t, "orders", jobs[0].Steps[0].Plan.Table)
			require.Equal(t, "db-1", jobs[0].Plan.Hosts[0].Name)
			require.Len(t, jobs[0].Settings, 1)
			s, _ := newRequests(db)
			approve(t, s, recycle("R-NEW", "db-9"))
			if !onPostgres(t) {
				copies, err := filepath.Glob(strings.TrimPrefix(url, sqliteScheme) + fmt.Sprintf(".schema%d.*", version))
				require.NoError(t, err)
				require.Len(t, copies, 1)
				require.Equal(t, before["steps"], rowsAsText(t, sqliteScheme+copies[0], before)["steps"], "the copy is the old one")
			}
		})
	}
}

// A copy that does not read back stops the migration.
func TestBrokenCopyIsFound(t *testing.T) {
	t.Parallel()
	path := strings.TrimPrefix(oldSQLite(t, slices.Max(released)), sqliteScheme)
	require.NoError(t, intact(t.Context(), path))
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	for at := 8192; at < len(b); at += 512 {
		copy(b[at:], "broken!")
	}
	require.NoError(t, os.WriteFile(path, b, 0o600))
	require.Error(t, intact(t.Context(), path))
}

// oldSQLite is a file made from the fixture of a version.
func oldSQLite(t *testing.T, version int64) string {
	t.Helper()
	text, err := os.ReadFile(schemaFile(version))
	if os.IsNotExist(err) && updateSchemas {
		text = []byte(writeSchema(t, version))
		require.NoError(t, os.WriteFile(schemaFile(version), text, 0o644))
		err = nil
	}
	require.NoError(t, err)
	require.Less(t, len(text), 100<<10)
	path := filepath.Join(t.TempDir(), "state.db")
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), string(text))
	require.NoError(t, err)
	require.NoError(t, db.Close())
	return sqliteScheme + path
}

// writeRows writes the rows of a version and of those before it.
func writeRows(t *testing.T, url string, version int64) {
	t.Helper()
	db, err := connect(t.Context(), url)
	require.NoError(t, err)
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
		for v := int64(1); v <= version; v++ {
			for _, q := range rowsSince[v] {
				if _, err := tx.Exec(ctx, q); err != nil {
					return fmt.Errorf("%s: %w", q, err)
				}
			}
		}
		_, err := tx.Exec(ctx, "INSERT INTO schema_history (version, program, at) VALUES ($1, 'v0.1.0', 1767312000000)", version)
		return err
	}))
	require.NoError(t, db.Close())
}

// oldPostgres is a database migrated up to a version, with its rows.
func oldPostgres(t *testing.T, version int64) string {
	t.Helper()
	newPostgres(t) // starts the server
	url, _, err := server.s.Create(t.Context(), "")
	require.NoError(t, err)
	pool, err := pgxpool.New(t.Context(), url)
	require.NoError(t, err)
	defer pool.Close()
	db := stdlib.OpenDBFromPool(pool)
	m, err := newMigration(db, goose.DialectPostgres, "postgres", zap.NewNop())
	require.NoError(t, err)
	_, err = m.own.UpTo(t.Context(), version)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	writeRows(t, url, version)
	return url
}

// writeSchema makes the text of a fixture: tables, rows, then what would stand in their way.
func writeSchema(t *testing.T, version int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "made.db")
	s, err := openSQLite(t.Context(), path)
	require.NoError(t, err)
	m, err := newMigration(s.writer, goose.DialectSQLite3, "sqlite", zap.NewNop())
	require.NoError(t, err)
	_, err = m.own.UpTo(t.Context(), version)
	require.NoError(t, err)
	require.NoError(t, s.close())
	writeRows(t, sqliteScheme+path, version)
	db, err := connect(t.Context(), sqliteScheme+path)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	var tables, rows, rest []string
	require.NoError(t, db.Read(t.Context(), func(ctx context.Context, tx Tx) error {
		var names []string
		err := each(ctx, tx, func(row Row) error {
			var kind, name, text string
			err := row.Scan(&kind, &name, &text)
			if kind == "table" && name != "sqlite_sequence" {
				names, tables = append(names, name), append(tables, text)
			} else if kind != "table" {
				rest = append(rest, text)
			}
			return err
		}, "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
		for _, name := range names {
			columns, cerr := db.columns(ctx, tx, name)
			require.NoError(t, cerr)
			require.NoError(t, each(ctx, tx, func(row Row) error {
				var values string
				err := row.Scan(&values)
				rows = append(rows, "INSERT INTO "+name+" VALUES ("+values+")")
				return err
			}, "SELECT quote("+strings.Join(columns, ") || ', ' || quote(")+") FROM "+name))
		}
		return err
	}))
	all := slices.Concat([]string{"-- A database of schema " + fmt.Sprint(version) + ", as its program left it.\nPRAGMA foreign_keys = 0"}, tables, rows, rest)
	return strings.Join(all, ";\n") + ";\n"
}

// rowsAsText are the rows of every table of ours, after a first line of their columns; with old,
// only its tables and columns.
func rowsAsText(t *testing.T, url string, old map[string][]string) map[string][]string {
	t.Helper()
	db, err := connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	found := map[string][]string{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, db.Read(ctx, func(ctx context.Context, tx Tx) error {
		tables, err := db.tables(ctx, tx)
		require.NoError(t, err)
		for table := range tables {
			if strings.HasPrefix(table, "river") || strings.HasPrefix(table, "sqlite") || (old != nil && old[table] == nil) || table == "schema_history" {
				continue
			}
			columns, err := db.columns(ctx, tx, table)
			require.NoError(t, err)
			list := strings.Join(columns, ", ")
			if old != nil {
				list = old[table][0]
			}
			// Counters that a later schema adds are new rows.
			where := map[string]string{"counters": " WHERE name IN ('events', 'posts', 'inbox')"}[table]
			found[table] = []string{list}
			require.NoError(t, each(ctx, tx, func(row Row) error {
				var text string
				err := row.Scan(&text)
				found[table] = append(found[table], text)
				return err
			}, "SELECT COALESCE(CAST("+strings.ReplaceAll(list, ", ", " AS TEXT), '-') || '|' || COALESCE(CAST(")+" AS TEXT), '-') AS line FROM "+table+where+" ORDER BY 1"))
		}
		return nil
	}))
	return found
}
