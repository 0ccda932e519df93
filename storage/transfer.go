package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"mysql-recycler/engine"
)

// transferred are the tables of the product, each after those it refers to. Not among them:
// schema_history, bot_leases and nodes, which belong to one database, and progress and the queue's
// own tables, which carry nothing while no job lives.
var transferred = []string{
	"counters", "requests", "reviews", "jobs", "steps", "settings", "leases", "events", "discoveries", "discovery_hosts",
	"cursors", "posts", "inbox", "audit", "schedules", "schedule_runs", "grants", "api_tokens", "api_keys", "campaigns", "job_figures", "freed", "holds",
}

// Transfer copies every fact of one database into another that is empty, in one transaction there,
// and returns the number of rows. It is a *engine.Problem while a job lives, while a bot is active
// (it would go on writing to the old one), and when the other is not empty.
func Transfer(ctx context.Context, from, to *DB) (rows int64, err error) {
	err = from.Read(ctx, func(ctx context.Context, src Tx) error {
		var s Status
		if err := from.look(ctx, src, &s); err != nil {
			return err
		}
		switch {
		case s.LiveJobs > 0:
			return &engine.Problem{Code: "jobs_live", Text: fmt.Sprintf("%d job(s) have not ended.", s.LiveJobs),
				Next: "Wait for them or cancel them, then copy."}
		case s.BotFor > 0:
			return &engine.Problem{Code: "bot_active", Text: "The bot on " + s.Bot.Node + " is active and writes to this database.",
				Next: "Stop every recycler process, then copy."}
		}
		rows, err = copyState(ctx, from, src, to)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("copy the database: %w", err)
	}
	return rows, nil
}

// CopyState is Transfer from a database that may be in use: what the other gets is one state of it.
// Jobs that live in it have no row of the queue there.
func CopyState(ctx context.Context, from, to *DB) (rows int64, err error) {
	err = from.Read(ctx, func(ctx context.Context, src Tx) error {
		rows, err = copyState(ctx, from, src, to)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("copy the database: %w", err)
	}
	return rows, nil
}

// copyState copies in one transaction of the other database.
func copyState(ctx context.Context, from *DB, src Tx, to *DB) (rows int64, err error) {
	err = to.InTx(ctx, func(ctx context.Context, dst Tx) error {
		rows, err = transfer(ctx, from, src, to, dst)
		return err
	})
	return rows, err
}

// transfer copies under both transactions. Triggers guard how facts come to be; facts that are
// there already are inserted without them. Keys and checks hold all the time.
func transfer(ctx context.Context, from *DB, src Tx, to *DB, dst Tx) (int64, error) {
	for _, table := range []string{"requests", "events", "audit", "schedules", "api_tokens"} {
		var n int64
		if err := dst.QueryRow(ctx, "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil {
			return 0, err
		}
		if n > 0 {
			return 0, &engine.Problem{Code: "not_empty", Text: "The database to copy to is not empty.", Next: "Give an empty one."}
		}
	}
	armed, err := to.disarm(ctx, dst)
	if err != nil {
		return 0, fmt.Errorf("set the triggers aside: %w", err)
	}
	if _, err := dst.Exec(ctx, "DELETE FROM counters"); err != nil { // the migrations made them
		return 0, err
	}
	var sum int64
	for _, table := range transferred {
		n, err := copyTable(ctx, from, src, dst, table)
		if err != nil {
			return 0, fmt.Errorf("table %s: %w", table, err)
		}
		sum += n
	}
	return sum, armed(ctx)
}

// disarm sets the triggers of a database aside, within tx, until the function it returns is called.
func (db *DB) disarm(ctx context.Context, tx Tx) (arm func(context.Context) error, err error) {
	if db.Kind() == "sqlite" {
		return disarmSQLite(ctx, tx)
	}
	all := func(ctx context.Context, how string) error {
		for _, table := range transferred {
			if _, err := tx.Exec(ctx, "ALTER TABLE "+table+" "+how+" TRIGGER USER"); err != nil {
				return err
			}
		}
		return nil
	}
	return func(ctx context.Context) error {
		// A table with deferred checks that still wait cannot be altered.
		if _, err := tx.Exec(ctx, "SET CONSTRAINTS ALL IMMEDIATE"); err != nil {
			return err
		}
		return all(ctx, "ENABLE")
	}, all(ctx, "DISABLE")
}

func disarmSQLite(ctx context.Context, tx Tx) (arm func(context.Context) error, err error) {
	made := map[string]string{}
	err = each(ctx, tx, func(row Row) error {
		var name, text string
		err := row.Scan(&name, &text)
		made[name] = text
		return err
	}, "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
	if err != nil {
		return nil, err
	}
	for name := range made {
		if _, err := tx.Exec(ctx, "DROP TRIGGER "+name); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context) error {
		for _, text := range made {
			if _, err := tx.Exec(ctx, text); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// columns lists the columns of a table, in their order.
func (db *DB) columns(ctx context.Context, tx Tx, table string) ([]string, error) {
	query := "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position"
	if db.Kind() == "sqlite" {
		query = "SELECT name FROM pragma_table_info($1)"
	}
	var columns []string
	err := each(ctx, tx, func(row Row) error {
		var name string
		err := row.Scan(&name)
		columns = append(columns, name)
		return err
	}, query, table)
	if err == nil && len(columns) == 0 {
		err = errors.New("it is missing")
	}
	return columns, err
}

// copyTable copies one table, row by row, with the columns the source has.
func copyTable(ctx context.Context, from *DB, src, dst Tx, table string) (n int64, err error) {
	columns, err := from.columns(ctx, src, table)
	if err != nil {
		return 0, err
	}
	places, _ := oneOf(columns)
	list := strings.Join(columns, ", ")
	insert := "INSERT INTO " + table + " (" + list + ") VALUES (" + places + ")"
	err = each(ctx, src, func(row Row) error {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := row.Scan(into...); err != nil {
			return err
		}
		n++
		_, err := dst.Exec(ctx, insert, values...)
		return err
	}, "SELECT "+list+" FROM "+table)
	return n, err
}
