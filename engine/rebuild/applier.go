package rebuild

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/throttle"
)

// changeApplier names the applier of a channel in a Change; the default channel has no suffix.
const changeApplier = "applier"

// runStopped stops the applier, waits for purge, runs the task and starts the applier again,
// whatever happened. Nothing then writes to the table while the server reads it.
func (f *Fence) runStopped(ctx context.Context, t Task, h Hooks) (res Result, err error) {
	changes, err := StopApplier(ctx, f.srv, h.Change)
	defer func() {
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookLimit)
		defer cancel()
		if res.Outcome == Left && t.Method.Kind != Plugin {
			return // the statement still runs; whoever adopts it starts the applier after it
		}
		err = errors.Join(err, startApplier(back, f.srv, changes, h.Restored))
	}()
	if err != nil {
		return Result{Outcome: Failed}, err
	}
	if err := waitPurged(ctx, f.srv); err != nil {
		if ctx.Err() != nil {
			return stopped(ctx, Result{})
		}
		return Result{Outcome: Failed}, err
	}
	if t.Method.Kind == Plugin { // it copies rows in its own way: the proof is their number
		t.CheckRows = true
	}
	var rows RowCheck
	if t.CheckRows {
		if rows.Before, err = f.count(ctx, t); err != nil {
			if ctx.Err() != nil {
				return stopped(ctx, Result{})
			}
			return Result{Outcome: Failed}, err
		}
	}
	res, err = f.tries(ctx, t, h)
	if err != nil || !t.CheckRows || res.Outcome != Done {
		return res, err
	}
	if rows.After, err = f.count(ctx, t); err != nil {
		if ctx.Err() != nil {
			return res, nil // the table is done; who stopped it now gets no second count
		}
		return res, err
	}
	res.Rows = &rows
	if rows.After != rows.Before {
		return res, &Error{Class: ClassRows, Text: fmt.Sprintf("The table had %d rows before the rebuild and has %d after it.", rows.Before, rows.After),
			Advice: "Take the server out of service and compare it with its source."}
	}
	return res, nil
}

// count counts the rows on the executing session. It can take minutes, so the end of ctx kills it
// like the rebuild itself.
func (f *Fence) count(ctx context.Context, t Task) (int64, error) {
	var n int64
	query := "SELECT " + Tag(t.Job, t.Step) + " COUNT(*) FROM " + dbconn.QuoteName(t.Schema, t.Table)
	w := &watch{f: f, t: t, tell: func(Progress) {}, gauge: newGauge(f.srv, t, f.sess.ID),
		send: func(ctx context.Context) error { return f.sess.QueryRowContext(ctx, query).Scan(&n) }}
	if err := w.run(ctx); err != nil {
		return 0, failure(fmt.Errorf("count the rows of %s.%s: %w", t.Schema, t.Table, err))
	}
	return n, nil
}

// StopApplier stops the appliers of a server that run, one Change each, recorded before it is
// changed. A server that is no replica has none.
func StopApplier(ctx context.Context, srv *dbconn.Server, record func(Change) error) ([]Change, error) {
	channels, err := appliers(ctx, srv)
	if err != nil {
		return nil, err
	}
	sess, err := srv.Session(ctx)
	if err != nil {
		return nil, fmt.Errorf("stop the applier of %s: %w", srv.Name, err)
	}
	defer func() { _ = sess.Close() }()
	var done []Change
	for _, c := range channels {
		if !c.running {
			continue
		}
		change := Change{Name: c.change(), Before: "running", After: "stopped"}
		if err := record(change); err != nil {
			return done, fmt.Errorf("write down that the applier of %s stops: %w", srv.Name, err)
		}
		done = append(done, change)
		if _, err := sess.ExecContext(ctx, c.statement(srv.Version, false)); err != nil {
			return done, failure(fmt.Errorf("stop the applier of %s: %w", srv.Name, err))
		}
	}
	return done, nil
}

// startApplier starts what StopApplier stopped. A channel that somebody removed meanwhile is as
// good as restored: there is nothing left to start.
func startApplier(ctx context.Context, srv *dbconn.Server, changes []Change, restored func(Change) error) error {
	if len(changes) == 0 {
		return nil
	}
	channels, err := appliers(ctx, srv)
	if err != nil {
		return err
	}
	sess, err := srv.Session(ctx)
	if err != nil {
		return fmt.Errorf("start the applier of %s: %w", srv.Name, err)
	}
	defer func() { _ = sess.Close() }()
	for _, change := range changes {
		for _, c := range channels {
			if c.change() != change.Name || c.running {
				continue
			}
			if _, err := sess.ExecContext(ctx, c.statement(srv.Version, true)); err != nil {
				return failure(fmt.Errorf("start the applier of %s: %w", srv.Name, err))
			}
		}
		if err := restored(change); err != nil {
			return fmt.Errorf("write down that the applier of %s runs: %w", srv.Name, err)
		}
	}
	return nil
}

// purgeEvery is the time between two looks at the history list.
const purgeEvery = 200 * time.Millisecond

// purgeLimit bounds the wait; a purge that is held back longer has a reason that stays.
const purgeLimit = 2 * time.Minute

// purgeIdle finds what MySQL's monitor says when purge has nothing left to do.
var purgeIdle = regexp.MustCompile(`Purge done for trx's n:o < \d+ undo n:o < \d+ state: running but idle`)

// purgeDone reports whether nothing is left to purge. The length of the history list tells it on
// MariaDB; MySQL takes purged transactions off the list only every 128 batches
// (innodb_purge_rseg_truncate_frequency), so on an idle server its monitor has to be asked.
func purgeDone(ctx context.Context, srv *dbconn.Server) (bool, error) {
	n, err := throttle.History(ctx, srv, srv.Version)
	if err != nil || n == 0 || srv.Version.Flavor == dbconn.MariaDB {
		return n == 0, err
	}
	var kind, name, status string
	if err := srv.QueryRowContext(ctx, "SHOW ENGINE INNODB STATUS").Scan(&kind, &name, &status); err != nil {
		return false, fmt.Errorf("read the monitor of %s: %w", srv.Name, err)
	}
	return purgeIdle.MatchString(status), nil
}

// waitPurged waits until the deleted row versions are gone: the lost-rows bug is a race with their
// removal. It must be called with the applier stopped.
func waitPurged(ctx context.Context, srv *dbconn.Server) error {
	ctx, cancel := context.WithTimeoutCause(ctx, purgeLimit, &Error{Class: ClassOther, Retry: true,
		Text:   "Purge did not finish in time, so the table was not touched.",
		Advice: "A long transaction on the server holds it back; end it and let the job try again."})
	defer cancel()
	for {
		done, err := purgeDone(ctx, srv)
		if err != nil && ctx.Err() == nil {
			return failure(err)
		}
		if err == nil && done {
			return nil
		}
		if !sleep(ctx, purgeEvery) {
			return context.Cause(ctx)
		}
	}
}
