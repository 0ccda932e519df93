package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
)

// Status is what a look at a database tells. Looking changes nothing.
type Status struct {
	Kind     string    // sqlite or postgres
	Schema   int64     // of the database; 0: nothing is in it yet
	Known    int64     // what this program would make of it
	Program  string    // that migrated it last
	Migrated time.Time // when
	LiveJobs int64     // that have not ended
	Bot      BotLease  // the newest lease of an active bot; no owner: none is active
	BotFor   time.Duration
}

// Look reads the status of the database at url without migrating it. A SQLite file that is not
// there is created empty: ask before.
func Look(ctx context.Context, url string) (s Status, err error) {
	db, err := connect(ctx, url)
	if err != nil {
		return s, fmt.Errorf("look at the database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	s.Kind = db.Kind()
	if s.Known, err = newest(s.Kind); err != nil {
		return s, err
	}
	err = db.Read(ctx, func(ctx context.Context, tx Tx) error { return db.look(ctx, tx, &s) })
	if err != nil {
		return s, fmt.Errorf("look at the database: %w", err)
	}
	return s, nil
}

// connect opens a database as it is.
func connect(ctx context.Context, url string) (*DB, error) {
	var d dialect
	var err error
	if path, file := strings.CutPrefix(url, sqliteScheme); file {
		d, err = openSQLite(ctx, path)
	} else {
		d, err = openPostgres(ctx, url)
	}
	if err != nil {
		return nil, err
	}
	return &DB{d: d, log: zap.NewNop()}, nil
}

// Kind is sqlite or postgres.
func (db *DB) Kind() string {
	if _, ok := db.d.(*sqlite); ok {
		return "sqlite"
	}
	return "postgres"
}

// newest is the highest number of a dialect's migrations.
func newest(kind string) (int64, error) {
	files, err := migrationFiles(kind)
	if err != nil {
		return 0, err
	}
	entries, err := fs.ReadDir(files, ".")
	if err != nil || len(entries) == 0 {
		return 0, fmt.Errorf("list the migrations: %w", err)
	}
	number, _, _ := strings.Cut(entries[len(entries)-1].Name(), "_")
	return strconv.ParseInt(number, 10, 64)
}

// look fills a status.
func (db *DB) look(ctx context.Context, tx Tx, s *Status) error {
	tables, err := db.tables(ctx, tx)
	if err != nil || !tables["schema_history"] {
		return err
	}
	var at int64
	err = tx.QueryRow(ctx, "SELECT version, program, at FROM schema_history ORDER BY version DESC LIMIT 1").Scan(&s.Schema, &s.Program, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	s.Migrated = fromMS(at)
	if err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM jobs WHERE state IN ('queued', 'running', 'paused')").Scan(&s.LiveJobs); err != nil {
		return err
	}
	if !tables["bot_leases"] {
		return nil
	}
	now, err := db.now(ctx, tx)
	if err != nil {
		return err
	}
	return each(ctx, tx, func(row Row) error {
		var until int64
		l := BotLease{}
		if err := row.Scan(&l.Name, &l.Owner, &l.Node, &l.Epoch, &until); err != nil {
			return err
		}
		l.Until, s.Bot, s.BotFor = fromMS(until), l, time.Duration(until-now)*time.Millisecond
		return nil
	}, "SELECT name, owner, node, epoch, until FROM bot_leases WHERE until > $1 ORDER BY until", now)
}

// tables are the names of all tables of the database.
func (db *DB) tables(ctx context.Context, tx Tx) (map[string]bool, error) {
	query := "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
	if db.Kind() == "sqlite" {
		query = "SELECT name FROM sqlite_master WHERE type = 'table'"
	}
	found := map[string]bool{}
	err := each(ctx, tx, func(row Row) error {
		var name string
		err := row.Scan(&name)
		found[name] = true
		return err
	}, query)
	return found, err
}
