package storage

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a dir?x=1#%41")
	require.NoError(t, os.Mkdir(dir, 0o700))
	path := filepath.Join(dir, "state.db")
	db := openFile(t, path)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, db.Read(t.Context(), func(ctx context.Context, tx Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM counters")
		require.Error(t, err, "a reader cannot write")
		return nil
	}))
	_, err = Open(t.Context(), "mysql://user:secret@host/db", zap.NewNop())
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret")
	_, err = Open(t.Context(), "sqlite://"+filepath.Join(dir, "no", "state.db"), zap.NewNop())
	require.Error(t, err)
}

// Several processes start on one fresh file at the same moment.
func TestOpenConcurrently(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	var g errgroup.Group
	for range 5 {
		g.Go(func() error {
			db, err := Open(t.Context(), "sqlite://"+path, zap.NewNop())
			if err != nil {
				return err
			}
			return db.Close()
		})
	}
	require.NoError(t, g.Wait())
}

// older takes an up-to-date file one migration back, as the last version of the program left it.
func older(t *testing.T, path string) {
	t.Helper()
	s, err := openSQLite(t.Context(), path)
	require.NoError(t, err)
	m, err := newMigration(s.writer, goose.DialectSQLite3, "sqlite", zap.NewNop())
	require.NoError(t, err)
	all := m.own.ListSources()
	_, err = m.own.UpTo(t.Context(), all[len(all)-2].Version)
	require.NoError(t, err)
	_, err = s.writer.ExecContext(t.Context(), requestRow+"('R-AAAA','discover','c','h','','T','U1','n','[]','C',NULL,'d',1,'pending',1,2,0)")
	require.NoError(t, err)
	require.NoError(t, s.close())
}

func TestMigrationCopiesFirst(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	older(t, path)
	copies, err := filepath.Glob(path + ".schema*")
	require.NoError(t, err)
	require.Empty(t, copies, "a fresh file needs no copy")

	db := openFile(t, path)
	_, err = NewFacts(db).Request(t.Context(), "R-AAAA")
	require.NoError(t, err)
	copies, err = filepath.Glob(path + ".schema*")
	require.NoError(t, err)
	require.Len(t, copies, 1)
	info, err := os.Stat(copies[0])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	old, err := sql.Open("sqlite", "file:"+copies[0])
	require.NoError(t, err)
	var n int
	require.NoError(t, old.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM requests").Scan(&n))
	require.NoError(t, old.Close())
	require.Equal(t, 1, n)

	again := openFile(t, path)
	require.NotNil(t, again)
	copies, err = filepath.Glob(path + ".schema*")
	require.NoError(t, err)
	require.Len(t, copies, 1, "no migration, no copy")
}

func TestBackup(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	s, _ := newRequests(db)
	approve(t, s, recycle("R-AAAA", "h"))
	to := filepath.Join(t.TempDir(), "it's a copy.db")
	require.NoError(t, db.Backup(t.Context(), to))
	require.Error(t, db.Backup(t.Context(), to), "nothing is overwritten")
	_, err := NewJournal(openFile(t, to)).Job(t.Context(), "R-AAAA")
	require.NoError(t, err)
}

// A migration waits for workers, and says who is in the way.
func TestMigrationRefusesUnderWorkers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	older(t, path)
	lock, err := openLock(path)
	require.NoError(t, err)
	require.NoError(t, lock.Wait(t.Context(), 1 /* LOCK_SH */))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = Open(ctx, "sqlite://"+path, zap.NewNop())
	var p *engine.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, "database_in_use", p.Code)
	require.NoError(t, lock.Close())
	openFile(t, path)
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	db := openFile(t, path, WithProgram("v1.2.3"))
	for _, q := range []string{
		"INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)",
		"INSERT INTO schema_history (version, program, at) VALUES (99, 'v9.8.7', 9999999999999)",
	} {
		_, err := raw(db).ExecContext(t.Context(), q)
		require.NoError(t, err)
	}
	_, err := Open(t.Context(), "sqlite://"+path, zap.NewNop())
	var p *engine.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, "schema_newer", p.Code)
	require.Contains(t, p.Hint(), "v9.8.7")
	require.Contains(t, p.Sentence(), "99")
}

// A copy of the files taken at any moment, as a power cut leaves them, opens and has every
// approval that was acknowledged before.
func TestCrashKeepsAcknowledged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "state.db")
	db := openFile(t, path)
	s, _ := newRequests(db)
	var mu sync.Mutex
	var acknowledged []string
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	for w := range 3 {
		g.Go(func() error {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("R-%d-%d", w, i)
				r := recycle(id, "host-"+id)
				if err := s.CreateRequest(context.WithoutCancel(ctx), r); err != nil {
					return err
				}
				if _, err := s.Review(context.WithoutCancel(ctx), by(bob, r), jobsOf(r)); err != nil {
					return err
				}
				mu.Lock()
				acknowledged = append(acknowledged, id)
				mu.Unlock()
			}
			return nil
		})
	}
	for round := range 10 {
		target := (round + 1) * 5
		require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(acknowledged) >= target }, time.Minute, time.Millisecond)
		mu.Lock()
		before := append([]string(nil), acknowledged...)
		mu.Unlock()
		crashed := filepath.Join(dir, fmt.Sprintf("crash-%d.db", round))
		copyCrashed(t, db, crashed)
		after := openFile(t, crashed)
		var check string
		require.NoError(t, raw(after).QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&check))
		require.Equal(t, "ok", check)
		for _, id := range before {
			r, err := NewFacts(after).Request(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, approvals.Approved, r.State)
			j, err := NewJournal(after).Job(t.Context(), id)
			require.NoError(t, err)
			require.Len(t, j.Steps, 2)
		}
	}
	stop()
	require.NoError(t, g.Wait())
}

// copyCrashed copies the file and then its log while a reader holds the log: it cannot be started
// over in between, so the pair is one that a power cut could have left.
func copyCrashed(t *testing.T, db *DB, to string) {
	t.Helper()
	from := db.d.base().path
	require.NoError(t, db.Read(t.Context(), func(ctx context.Context, tx Tx) error {
		var n int
		require.NoError(t, tx.QueryRow(ctx, "SELECT COUNT(*) FROM requests").Scan(&n))
		copyFiles(t, from, to)
		return nil
	}))
}

// copyFiles copies a database file and its log.
func copyFiles(t *testing.T, from, to string) {
	t.Helper()
	for _, suffix := range []string{"", "-wal"} {
		in, err := os.Open(from + suffix)
		require.NoError(t, err)
		out, err := os.Create(to + suffix)
		require.NoError(t, err)
		_, err = io.Copy(out, in)
		require.NoError(t, err)
		require.NoError(t, in.Close())
		require.NoError(t, out.Close())
	}
}
