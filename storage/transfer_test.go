package storage

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"mysql-recycler/engine"
)

// Facts go from SQLite to PostgreSQL and back, and every rule is armed at the other end.
func TestTransfer(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	from, to := open(t, newSQLite(t)), open(t, newPostgres(t))
	s, _ := newRequests(from)
	j := approve(t, s, recycle("R-AAAA", "h"))
	create(t, s, discover("R-BBBB", "g"))
	_, err := Transfer(ctx, from, to)
	var p *engine.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, "jobs_live", p.Code)

	end, err := NewLeases(from).Take(ctx, j.ID, "w", time.Minute)
	require.NoError(t, err)
	finishJob(t, from, end)
	bots := NewBotLeases(from)
	l, err := bots.Take(ctx, "bot:1", "o", "host/1", time.Minute)
	require.NoError(t, err)
	_, err = Transfer(ctx, from, to)
	require.ErrorAs(t, err, &p)
	require.Equal(t, "bot_active", p.Code)
	require.NoError(t, bots.Release(ctx, l))

	rows, err := Transfer(ctx, from, to)
	require.NoError(t, err)
	require.Positive(t, rows)
	_, err = Transfer(ctx, from, to)
	require.ErrorAs(t, err, &p)
	require.Equal(t, "not_empty", p.Code)
	back := open(t, "sqlite://"+filepath.Join(t.TempDir(), "back.db"))
	again, err := Transfer(ctx, to, back)
	require.NoError(t, err)
	require.Equal(t, rows, again)

	for _, db := range []*DB{to, back} {
		require.Equal(t, kinds(t, from), kinds(t, db))
		was, err := NewAudit(from).Verify(ctx)
		require.NoError(t, err)
		is, err := NewAudit(db).Verify(ctx)
		require.NoError(t, err)
		require.Equal(t, was, is)
		for _, table := range transferred {
			require.Equal(t, textOf(t, from, table), textOf(t, db, table), table)
		}
		// The triggers are back: a final job is frozen, an event cannot be changed.
		for _, q := range []string{"UPDATE jobs SET state = 'queued', ended = 0", "DELETE FROM events", "UPDATE audit SET body = 'x'"} {
			require.Error(t, db.InTx(ctx, func(ctx context.Context, tx Tx) error { _, err := tx.Exec(ctx, q); return err }), q)
		}
		s, _ := newRequests(db)
		approve(t, s, recycle("R-CCCC", "h2")) // life goes on, with numbers that go on
	}
}

// finishJob ends a job as its worker does.
func finishJob(t *testing.T, db *DB, l engine.Lease) {
	t.Helper()
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
		for _, q := range []string{"UPDATE jobs SET state = 'running', started = created", "UPDATE jobs SET state = 'failed', ended = created + 1, reason = 'x'"} {
			if _, err := tx.Exec(ctx, q); err != nil {
				return err
			}
		}
		return nil
	}))
	require.NoError(t, NewLeases(db).Release(t.Context(), l))
}

// textOf is a table as text, whatever the dialect.
func textOf(t *testing.T, db *DB, table string) (rows []string) {
	t.Helper()
	require.NoError(t, db.Read(t.Context(), func(ctx context.Context, tx Tx) error {
		key := map[string]string{"requests": "id || state || digest || COALESCE(plan, '')", "jobs": "id || state || COALESCE(plan, '')", "events": "CAST(seq AS TEXT) || data",
			"steps": "job_id || CAST(seq AS TEXT) || plan", "audit": "hash || body", "counters": "name || CAST(value AS TEXT)"}[table]
		if key == "" {
			key = "CAST(COUNT(*) AS TEXT)"
		}
		return each(ctx, tx, func(row Row) error {
			var text string
			err := row.Scan(&text)
			rows = append(rows, text)
			return err
		}, "SELECT "+key+" AS k FROM "+table+" ORDER BY 1")
	}))
	return rows
}

// A table that a later migration adds is copied, or somebody said why not.
func TestTransferForgetsNoTable(t *testing.T) {
	t.Parallel()
	db := open(t, newSQLite(t))
	require.NoError(t, db.Read(t.Context(), func(ctx context.Context, tx Tx) error {
		found, err := db.tables(ctx, tx)
		for _, name := range append([]string{"schema_history", "bot_leases", "nodes", "progress", "goose_db_version", "sqlite_sequence", "sqlite_stat1"}, transferred...) {
			delete(found, name)
		}
		for name := range found {
			require.True(t, strings.HasPrefix(name, "river_"), "%s is not transferred", name)
		}
		return err
	}))
}

func TestLook(t *testing.T) {
	t.Parallel()
	newPostgres(t)
	url, _, err := server.s.Create(t.Context(), "")
	require.NoError(t, err)
	for kind, url := range map[string]string{"sqlite": "sqlite://" + filepath.Join(t.TempDir(), "s.db"), "postgres": url} {
		s, err := Look(t.Context(), url)
		require.NoError(t, err)
		require.Equal(t, kind, s.Kind)
		require.Zero(t, s.Schema)
		require.Positive(t, s.Known)
		db, err := Open(t.Context(), url, zap.NewNop(), WithProgram("v1.2.3"))
		require.NoError(t, err)
		_, err = NewBotLeases(db).Take(t.Context(), "bot:1", "o", "host/7", time.Minute)
		require.NoError(t, err)
		require.NoError(t, db.Close())
		s, err = Look(t.Context(), url)
		require.NoError(t, err)
		require.Equal(t, s.Known, s.Schema)
		require.Equal(t, "v1.2.3", s.Program)
		require.Equal(t, "host/7", s.Bot.Node)
		require.Positive(t, s.BotFor)
	}
}
