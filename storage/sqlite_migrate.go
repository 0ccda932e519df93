package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"syscall"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"go.uber.org/zap"

	"mysql-recycler/engine"
)

// migrate brings a SQLite file to this program's schema. While it changes something no other
// process may run jobs on the file, and an existing file is copied before.
func (s *sqlite) migrate(ctx context.Context, log *zap.Logger, program string) error {
	m, err := newMigration(s.writer, goose.DialectSQLite3, "sqlite", log)
	if err != nil {
		return err
	}
	m.program = program
	m.insert = "INSERT INTO schema_history (version, program, at) VALUES (?1, ?2, ?3)"
	if m.river, err = rivermigrate.New(riversqlite.New(s.writer), quiet(log)); err != nil {
		return err
	}
	pending, err := m.pending(ctx)
	if err != nil || !pending {
		return err
	}
	return s.migrateAlone(ctx, m)
}

// migrateAlone migrates under the lock that workers hold.
func (s *sqlite) migrateAlone(ctx context.Context, m *migration) error {
	lock, err := openLock(s.path)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }() // nothing was written to it
	wait, cancel := context.WithTimeout(ctx, migrateWait)
	defer cancel()
	if err := lock.Wait(wait, syscall.LOCK_EX); err != nil {
		// Whoever held it may have migrated and gone on to work.
		if pending, perr := m.pending(ctx); perr == nil && !pending {
			return nil // the wait was in vain, and there is nothing left to wait for
		}
		return &engine.Problem{
			Code: "database_in_use",
			Text: "The database must be migrated, but another process runs jobs on it.",
			Next: "Stop the other recycler process, then start this one.",
			Err:  err,
		}
	}
	pending, err := m.pending(ctx)
	if err != nil || !pending {
		return err
	}
	if err := s.copyBefore(ctx, m); err != nil {
		return fmt.Errorf("copy the database before migrating: %w", err)
	}
	return m.up(ctx)
}

// copyBefore copies an existing database beside itself; a fresh file needs none.
func (s *sqlite) copyBefore(ctx context.Context, m *migration) error {
	have, _, err := m.own.GetVersions(ctx)
	if err != nil || have == 0 {
		return err
	}
	to := fmt.Sprintf("%s.schema%d.%s", s.path, have, time.Now().UTC().Format("20060102T150405.000"))
	if err := s.vacuumInto(ctx, to); err != nil {
		return err
	}
	if err := intact(ctx, to); err != nil {
		return fmt.Errorf("verify the copy %s, nothing was migrated: %w", to, err)
	}
	m.log.Info("copied the database before migrating, and verified the copy", zap.String("path", to))
	return nil
}

// intact reads a file from end to end and reports what is wrong in it.
func intact(ctx context.Context, path string) (err error) {
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var found string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&found); err != nil {
		return err
	}
	if found != "ok" {
		return errors.New(found)
	}
	return nil
}

// vacuumInto writes a consistent copy to a new file that only its owner may read.
func (s *sqlite) vacuumInto(ctx context.Context, to string) error {
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if _, err := s.reader.ExecContext(ctx, "VACUUM INTO ?1", to); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}
