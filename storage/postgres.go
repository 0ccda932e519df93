package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"go.uber.org/zap"
)

// postgresNow is the database's clock in epoch milliseconds, also within a long transaction.
const postgresNow = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"

// Keys of advisory locks. They are shared by everything in one database.
const (
	writerLock  = 0x7265_6379_0001 // one writing transaction of ours at a time
	migrateLock = 0x7265_6379_0002 // one migration at a time; the queue's migrator needs that
)

// poolConns are the connections of a process when the URL does not say: River holds one to listen.
const poolConns = 8

// frozenAfter is when the server ends a transaction whose node sends nothing, in milliseconds.
const frozenAfter = "10000"

// postgres is the dialect of a server shared by several nodes.
type postgres struct{ pool *pgxpool.Pool }

// openPostgres connects. Its errors do not repeat the URL, which may hold a password.
func openPostgres(ctx context.Context, url string) (*postgres, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the postgres url cannot be read; it looks like postgres://user@host:5432/database")
	}
	// A node that froze inside a transaction holds the writer's lock; the server ends it.
	config.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = frozenAfter
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = poolConns
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return &postgres{pool: pool}, nil
}

func (p *postgres) base() base {
	return base{
		nowMS: postgresNow,
		pool:  p.pool,
		close: func() error { p.pool.Close(); return nil },
		lazily: func(ctx context.Context, tx Tx) error {
			_, err := tx.Exec(ctx, "SET LOCAL synchronous_commit = off")
			return err
		},
		settle: func(context.Context) error { return nil }, // the server has processes for that
	}
}

// begin waits for the writer's lock first, so that statements written for SQLite's one writer
// mean the same here: what a transaction read stays true until it commits.
func (p *postgres) begin(ctx context.Context) (Tx, finisher, error) {
	tx, end, err := p.start(ctx, pgx.TxOptions{})
	if err != nil {
		return nil, finisher{}, err
	}
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", writerLock); err != nil {
		return nil, finisher{}, errors.Join(err, end.rollback(context.WithoutCancel(ctx)))
	}
	return tx, end, nil
}

func (p *postgres) beginRead(ctx context.Context) (Tx, finisher, error) {
	return p.start(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
}

func (p *postgres) start(ctx context.Context, opts pgx.TxOptions) (Tx, finisher, error) {
	tx, err := p.pool.BeginTx(ctx, opts)
	if err != nil {
		return nil, finisher{}, err
	}
	return pgTx{tx}, finisher{commit: tx.Commit, rollback: tx.Rollback}, nil
}

// pgTx is a Tx on pgx.
type pgTx struct{ tx pgx.Tx }

func (t pgTx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	tag, err := t.tx.Exec(ctx, query, args...)
	return tag.RowsAffected(), err
}

func (t pgTx) Query(ctx context.Context, query string, args ...any) (Rows, error) {
	rows, err := t.tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgRows{rows}, nil
}

func (t pgTx) QueryRow(ctx context.Context, query string, args ...any) Row {
	return t.tx.QueryRow(ctx, query, args...)
}

func (t pgTx) Native() any { return t.tx }

// pgRows are rows whose Close has an error to return, as Rows wants.
type pgRows struct{ pgx.Rows }

// Close implements Rows; an error of reading is told by Err.
func (r pgRows) Close() error {
	r.Rows.Close()
	return nil
}

// migrate brings a server's schema to what this program knows, one process at a time. Copies of
// a server are its operator's.
func (p *postgres) migrate(ctx context.Context, log *zap.Logger, program string) (err error) {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", migrateLock); err != nil {
		return fmt.Errorf("wait for other migrations: %w", err)
	}
	defer func() {
		_, unlock := conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", migrateLock)
		err = errors.Join(err, unlock)
	}()
	db := stdlib.OpenDBFromPool(p.pool)
	defer func() { err = errors.Join(err, db.Close()) }()
	m, err := newMigration(db, goose.DialectPostgres, "postgres", log)
	if err != nil {
		return err
	}
	m.program = program
	m.insert = "INSERT INTO schema_history (version, program, at) VALUES ($1, $2, $3)"
	if m.river, err = rivermigrate.New(riverpgxv5.New(p.pool), quiet(log)); err != nil {
		return err
	}
	pending, err := m.pending(ctx)
	if err != nil || !pending {
		return err
	}
	if have, know, err := m.own.GetVersions(ctx); err == nil && have > 0 { // pending read the same a moment ago
		log.Warn("migrating without a copy: copies of PostgreSQL are its operator's (pg_dump, snapshots)",
			zap.Int64("schema", have), zap.Int64("to", know))
	}
	return m.up(ctx)
}
