package storage

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
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
	// In order over all folders: goose takes the last one it is shown for the newest.
	slices.SortFunc(all, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
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

// migration is one attempt to bring a database to this program's schema: our tables, then the
// queue's. Whoever runs it keeps others away.
type migration struct {
	db      *sql.DB // for goose and our own row
	own     *goose.Provider
	river   queueSchema
	insert  string // of the row of schema_history, with the dialect's placeholders
	log     *zap.Logger
	program string
}

// queueSchema is the part of River's migrator used here, the same for every driver.
type queueSchema interface {
	AllVersions() []rivermigrate.Migration
	ExistingVersions(ctx context.Context) ([]rivermigrate.Migration, error)
	Migrate(ctx context.Context, direction rivermigrate.Direction, opts *rivermigrate.MigrateOpts) (*rivermigrate.MigrateResult, error)
}

// newMigration prepares a migration of a dialect's folder over db.
func newMigration(db *sql.DB, dialect goose.Dialect, folder string, log *zap.Logger) (*migration, error) {
	files, err := migrationFiles(folder)
	if err != nil {
		return nil, err
	}
	own, err := goose.NewProvider(dialect, db, files, goose.WithDisableGlobalRegistry(true), goose.WithSlog(slogger(log)))
	if err != nil {
		return nil, err
	}
	return &migration{db: db, own: own, log: log}, nil
}

// quiet is River's logger: its migrator tells every step.
func quiet(log *zap.Logger) *rivermigrate.Config {
	return &rivermigrate.Config{Logger: slogger(log.WithOptions(zap.IncreaseLevel(zap.WarnLevel)))}
}

// pending compares the database with what this program knows.
func (m *migration) pending(ctx context.Context) (bool, error) {
	have, know, err := m.own.GetVersions(ctx)
	if err != nil {
		return false, fmt.Errorf("read the schema's version: %w", err)
	}
	if have > know {
		var by string
		// Best effort: the table may have changed its shape in the version we do not know.
		_ = m.db.QueryRowContext(ctx, "SELECT program FROM schema_history ORDER BY at DESC, version DESC LIMIT 1").Scan(&by)
		return false, newer(have, know, by)
	}
	existing, err := m.river.ExistingVersions(ctx)
	if err != nil {
		return false, fmt.Errorf("read the queue's schema version: %w", err)
	}
	if e, a := len(existing), len(m.river.AllVersions()); e > a {
		return false, newer(int64(e), int64(a), "")
	}
	return have < know || len(existing) < len(m.river.AllVersions()), nil
}

// up migrates.
func (m *migration) up(ctx context.Context) error {
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
	if _, err := m.db.ExecContext(ctx, m.insert, version, m.program, time.Now().UnixMilli()); err != nil {
		return fmt.Errorf("record the migration: %w", err)
	}
	m.log.Info("migrated the database", zap.Int64("schema", version))
	return nil
}
