package storage

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"

	"mysql-recycler/engine"
)

// migrations are numbered over all folders: tables are the same text for every dialect, triggers
// are not.
//
//go:embed migrations
var migrations embed.FS

// migrateWait bounds the wait for other processes to let go of the file.
const migrateWait = 15 * time.Second

// union shows the files of several folders as one.
type union []fs.FS

// Open implements fs.FS.
func (u union) Open(name string) (fs.File, error) {
	for _, f := range u {
		file, err := f.Open(name)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return file, err
		}
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// ReadDir implements fs.ReadDirFS.
func (u union) ReadDir(name string) ([]fs.DirEntry, error) {
	var all []fs.DirEntry
	for _, f := range u {
		entries, err := fs.ReadDir(f, name)
		if err != nil {
			return nil, err
		}
		all = append(all, entries...)
	}
	return all, nil
}

// migrationFiles are the migrations of one dialect.
func migrationFiles(dialect string) (fs.FS, error) {
	tables, err := fs.Sub(migrations, "migrations/tables")
	if err != nil {
		return nil, err
	}
	own, err := fs.Sub(migrations, "migrations/"+dialect)
	if err != nil {
		return nil, err
	}
	return union{tables, own}, nil
}

// slogger is the injected logger for libraries that want slog.
func slogger(log *zap.Logger) *slog.Logger { return slog.New(zapslog.NewHandler(log.Core())) }

// newer is the refusal to open what a newer program wrote.
func newer(have, know int64, program string) error {
	if program == "" {
		program = "the version that wrote it"
	}
	return &engine.Problem{
		Code: "schema_newer",
		Text: fmt.Sprintf("The database has schema %d, this program knows %d.", have, know),
		Next: fmt.Sprintf("Install recycler %s or newer, or restore the copy made before the upgrade.", program),
	}
}

// migrate brings a SQLite file to this program's schema. While it changes something no other
// process may run jobs on the file, and an existing file is copied before.
func (s *sqlite) migrate(ctx context.Context, log *zap.Logger, program string) error {
	files, err := migrationFiles("sqlite")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, s.writer, files,
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slogger(log)))
	if err != nil {
		return err
	}
	river, err := rivermigrate.New(riversqlite.New(s.writer), &rivermigrate.Config{Logger: slogger(log.WithOptions(zap.IncreaseLevel(zap.WarnLevel)))})
	if err != nil {
		return err
	}
	m := &sqliteMigration{s: s, own: p, river: river, log: log, program: program}
	pending, err := m.pending(ctx)
	if err != nil || !pending {
		return err
	}
	return m.run(ctx)
}

// pending compares the file with what this program knows.
func (m *sqliteMigration) pending(ctx context.Context) (bool, error) {
	have, know, err := m.own.GetVersions(ctx)
	if err != nil {
		return false, fmt.Errorf("read the schema's version: %w", err)
	}
	if have > know {
		var by string
		// Best effort: the table may have changed its shape in the version we do not know.
		_ = m.s.writer.QueryRowContext(ctx, "SELECT program FROM schema_history ORDER BY at DESC, version DESC LIMIT 1").Scan(&by)
		return false, newer(have, know, by)
	}
	existing, err := m.river.ExistingVersions(ctx)
	if err != nil {
		return false, fmt.Errorf("read the queue's schema version: %w", err)
	}
	return have < know || len(existing) < len(m.river.AllVersions()), nil
}

// run migrates under the lock that workers hold.
func (m *sqliteMigration) run(ctx context.Context) error {
	lock, err := openLock(m.s.path)
	if err != nil {
		return err
	}
	defer func() { _ = lock.close() }() // nothing was written to it
	wait, cancel := context.WithTimeout(ctx, migrateWait)
	defer cancel()
	if err := lock.wait(wait, syscall.LOCK_EX); err != nil {
		// Whoever held it may have migrated and gone on to work.
		if pending, perr := m.pending(ctx); perr == nil && !pending {
			return nil
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
	if err := m.backup(ctx); err != nil {
		return fmt.Errorf("copy the database before migrating: %w", err)
	}
	results, err := m.own.Up(ctx)
	if err != nil {
		return err
	}
	if _, err := m.river.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate the queue: %w", err)
	}
	if len(results) == 0 {
		return nil
	}
	version := results[len(results)-1].Source.Version
	_, err = m.s.writer.ExecContext(ctx, "INSERT INTO schema_history (version, program, at) VALUES (?1, ?2, "+sqliteNow+")", version, m.program)
	if err != nil {
		return fmt.Errorf("record the migration: %w", err)
	}
	m.log.Info("migrated the database", zap.Int64("schema", version), zap.String("path", m.s.path))
	return nil
}

// backup copies an existing database beside itself; a fresh file needs none.
func (m *sqliteMigration) backup(ctx context.Context) error {
	have, _, err := m.own.GetVersions(ctx)
	if err != nil || have == 0 {
		return err
	}
	to := fmt.Sprintf("%s.schema%d.%s", m.s.path, have, time.Now().UTC().Format("20060102T150405.000"))
	if err := m.s.vacuumInto(ctx, to); err != nil {
		return err
	}
	m.log.Info("copied the database before migrating", zap.String("path", to))
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

// sqliteMigration is one attempt to migrate a file.
type sqliteMigration struct {
	s       *sqlite
	own     *goose.Provider
	river   *rivermigrate.Migrator[*sql.Tx]
	log     *zap.Logger
	program string
}
