package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// sqliteScheme begins the URL of a SQLite file.
const sqliteScheme = "sqlite://"

// readers is how many connections read beside the writer. WAL lets them see the last commit
// while a write goes on.
const readers = 4

// Settings of the writer. FULL because an approval must survive a power cut, immediate because a
// deferred transaction that turns into a writer can fail with SQLITE_BUSY at once.
const sqliteWriter = "?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)" +
	"&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)"

// Settings of a reader. Not query_only, which would also refuse VACUUM INTO another file.
const sqliteReader = "?mode=ro&_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)"

// sqliteNow is the database's clock in epoch milliseconds.
const sqliteNow = "CAST(unixepoch('subsec') * 1000 AS INTEGER)"

// sqlite is the dialect of a local file: one writing connection and a few reading ones.
type sqlite struct {
	path   string
	writer *sql.DB
	reader *sql.DB
	mover  *sql.DB // moves what was committed from the WAL into the file, beside the writer
}

// openSQLite opens or creates the file and reads back the settings that protect it.
func openSQLite(ctx context.Context, path string) (*sqlite, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	// Plans name hosts and tables of production: nobody else may read the file. SQLite gives its
	// WAL the mode of the file.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	name := "file:" + (&url.URL{Path: path}).EscapedPath()
	s := &sqlite{path: path}
	if s.writer, err = sql.Open("sqlite", name+sqliteWriter); err != nil {
		return nil, err
	}
	s.writer.SetMaxOpenConns(1)
	s.writer.SetConnMaxIdleTime(0)
	if s.reader, err = sql.Open("sqlite", name+sqliteReader); err != nil {
		return nil, errors.Join(err, s.writer.Close())
	}
	s.reader.SetMaxOpenConns(readers)
	if s.mover, err = sql.Open("sqlite", name); err != nil { // connects when it is needed
		return nil, errors.Join(err, s.reader.Close(), s.writer.Close())
	}
	s.mover.SetMaxOpenConns(1)
	if err := s.check(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// check reads back settings, because the driver ignores keys it does not know.
func (s *sqlite) check(ctx context.Context) error {
	for _, c := range []struct {
		db           *sql.DB
		pragma, want string
	}{
		{s.writer, "journal_mode", "wal"},
		{s.writer, "foreign_keys", "1"},
		{s.writer, "synchronous", "2"},
		{s.writer, "busy_timeout", "10000"},
		{s.reader, "journal_mode", "wal"},
	} {
		var got string
		if err := c.db.QueryRowContext(ctx, "PRAGMA "+c.pragma).Scan(&got); err != nil {
			return fmt.Errorf("read %s of %s: %w", c.pragma, s.path, err)
		}
		if got != c.want {
			return fmt.Errorf("%s: %s is %s instead of %s; the file must be on a local disk", s.path, c.pragma, got, c.want)
		}
	}
	return nil
}

func (s *sqlite) close() error {
	return errors.Join(s.mover.Close(), s.reader.Close(), s.writer.Close())
}

func (s *sqlite) base() base {
	return base{nowMS: sqliteNow, pool: s.writer, path: s.path, close: s.close, settle: s.settle,
		lazily: func(context.Context, Tx) error { return nil }} // the setting is the connection's, not a transaction's
}

// settle moves committed pages into the file. Left to SQLite, whoever's commit fills the WAL waits for
// thousands of them.
func (s *sqlite) settle(ctx context.Context) error {
	_, err := s.mover.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
	if err != nil {
		return fmt.Errorf("move the WAL into %s: %w", s.path, err)
	}
	return nil
}

func (s *sqlite) begin(ctx context.Context) (Tx, finisher, error) {
	return beginSQL(ctx, s.writer, nil)
}

func (s *sqlite) beginRead(ctx context.Context) (Tx, finisher, error) {
	return beginSQL(ctx, s.reader, &sql.TxOptions{ReadOnly: true})
}

// beginSQL begins a transaction of database/sql.
func beginSQL(ctx context.Context, db *sql.DB, opts *sql.TxOptions) (Tx, finisher, error) {
	tx, err := db.BeginTx(ctx, opts)
	if err != nil {
		return nil, finisher{}, err
	}
	return sqlTx{tx: tx, rewrite: numbered}, finisher{
		commit:   func(context.Context) error { return tx.Commit() },
		rollback: func(context.Context) error { return tx.Rollback() },
	}, nil
}

var (
	placeholder = regexp.MustCompile(`\$(\d+)`)
	rewritten   sync.Map // query with $1 → query with ?1
)

// numbered turns $1 into ?1. SQLite takes $1 for a name and numbers names by first appearance,
// which would swap arguments in a statement that mentions $2 first.
func numbered(query string) string {
	known, _ := rewritten.Load(query)
	if q, ok := known.(string); ok {
		return q
	}
	q := placeholder.ReplaceAllString(query, "?$1")
	rewritten.Store(query, q)
	return q
}
