package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"
)

// DB is the open database. Its services (Requests, Journal, Leases, Facts, Outbox, Inbox) are
// made from it and are safe for concurrent use.
type DB struct {
	d     dialect
	log   *zap.Logger
	clock func() time.Time // nil: the database's clock
	by    string           // version of the running program, for the audit chain
}

// dialect is one kind of database.
type dialect interface {
	// begin starts a writing transaction; only one runs at a time.
	begin(ctx context.Context) (Tx, finisher, error)
	// beginRead starts a transaction that sees one state of the database and writes nothing.
	beginRead(ctx context.Context) (Tx, finisher, error)
	// migrate brings the schema to what this program knows.
	migrate(ctx context.Context, log *zap.Logger, program string) error
	// base gives what is specific: the SQL of the clock, the driver's pool, how to close it.
	base() base
}

// finisher ends a transaction.
type finisher struct {
	commit   func(ctx context.Context) error
	rollback func(ctx context.Context) error
}

// base is the part of a dialect that never changes after opening.
type base struct {
	nowMS string // expression: epoch milliseconds of the database's clock
	pool  any    // *sql.DB of the writer, or *pgxpool.Pool
	path  string // SQLite: the file; PostgreSQL: empty
	close func() error

	// lazily makes a transaction one that may be lost when the machine loses power: its commit waits
	// for no disk, where the database can do that.
	lazily func(ctx context.Context, tx Tx) error
	// settle does between transactions what the database would else do within somebody's commit.
	settle func(ctx context.Context) error
}

// options are the choices of Open.
type options struct {
	clock   func() time.Time
	program string
}

// Option changes how a database is opened.
type Option func(*options)

// WithClock replaces the database's clock in everything Go code decides, for tests that hold time.
func WithClock(now func() time.Time) Option { return func(o *options) { o.clock = now } }

// WithProgram names the version of the running program. It is stored with each migration, so that
// an older program can say which version to install.
func WithProgram(version string) Option { return func(o *options) { o.program = version } }

// Open opens the database at url, checks its settings and migrates it. sqlite:///var/lib/x.db is
// a file (sqlite://x.db a relative one); postgres://… a server. The caller closes it.
func Open(ctx context.Context, url string, log *zap.Logger, opts ...Option) (*DB, error) {
	o := options{program: "dev"}
	for _, opt := range opts {
		opt(&o)
	}
	var d dialect
	var err error
	switch {
	case strings.HasPrefix(url, sqliteScheme):
		d, err = openSQLite(ctx, strings.TrimPrefix(url, sqliteScheme))
	case strings.HasPrefix(url, "postgres://"), strings.HasPrefix(url, "postgresql://"):
		d, err = openPostgres(ctx, url)
	default:
		// The URL may hold a password: it is not repeated.
		return nil, errors.New("open storage: the url must start with sqlite:// or postgres://")
	}
	if err != nil {
		return nil, fmt.Errorf("open storage: %w", err)
	}
	if err := d.migrate(ctx, log, o.program); err != nil {
		return nil, errors.Join(fmt.Errorf("migrate storage: %w", err), d.base().close())
	}
	return &DB{d: d, log: log, clock: o.clock, by: o.program}, nil
}

// Close closes the connections. A transaction that runs is rolled back.
func (db *DB) Close() error { return db.d.base().close() }

// Pool is the driver's pool for the queue: *sql.DB (one connection) on SQLite, *pgxpool.Pool on
// PostgreSQL.
func (db *DB) Pool() any { return db.d.base().pool }

// InTx runs fn in one writing transaction and commits when it returns nil. Inside fn only tx may
// be used: the pool has one writing connection, so anything else would wait for itself.
func (db *DB) InTx(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error {
	tx, end, err := db.d.begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	return finish(ctx, tx, end, fenced(fn))
}

// Read runs fn in a transaction that sees one state of the database and cannot write.
func (db *DB) Read(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error {
	tx, end, err := db.d.beginRead(ctx)
	if err != nil {
		return fmt.Errorf("begin reading: %w", err)
	}
	return finish(ctx, tx, end, fenced(fn))
}

// finish runs fn and ends its transaction, also when fn panics.
func finish(ctx context.Context, tx Tx, end finisher, fn func(context.Context, Tx) error) error {
	done := false
	defer func() {
		if !done { // the rollback must happen although ctx may be over
			_ = end.rollback(context.WithoutCancel(ctx))
		}
	}()
	if err := fn(ctx, tx); err != nil {
		return err
	}
	done = true
	if err := end.commit(ctx); err != nil {
		_ = end.rollback(context.WithoutCancel(ctx))
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// now is the time that decides, as epoch milliseconds: the database's clock, or the test's.
func (db *DB) now(ctx context.Context, tx Tx) (int64, error) {
	if db.clock != nil {
		return db.clock().UnixMilli(), nil
	}
	var ms int64
	if err := tx.QueryRow(ctx, "SELECT "+db.d.base().nowMS).Scan(&ms); err != nil {
		return 0, fmt.Errorf("read the database's clock: %w", err)
	}
	return ms, nil
}
