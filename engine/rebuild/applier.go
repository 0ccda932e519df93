package rebuild

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mysql-recycler/engine/dbconn"
)

// changeApplier names the applier of a channel in a Change; the default channel has no suffix.
const changeApplier = "applier"

// What a Change says of an applier. A server that took no writes when its applier was stopped and
// takes them now was promoted.
const (
	applierRunning  = "running"
	applierWritable = "running, server writable"
	applierStopped  = "stopped"
)

// runStopped stops the applier, waits for purge where that matters, runs the task and starts the
// applier again, whatever happened. Nothing then writes to the table while the server reads it.
func (f *Fence) runStopped(ctx context.Context, t Task, h Hooks) (res Result, err error) {
	changes, err := f.stopApplier(ctx, h.Change)
	defer func() {
		if res.Outcome == Unknown || t.goesOn(res, err) {
			return // the statement may still run; whoever finds out starts the applier after it
		}
		err = f.startAfter(ctx, changes, h, res, err)
	}()
	if err == nil && t.Method.Purges(f.srv.Version) {
		err = f.waitPurged(ctx, h.Progress)
	}
	if err == nil && t.CheckRows {
		var n int64
		n, err = f.count(ctx, t)
		t.Mark.Rows = &n // stored with the mark of the statement
	}
	if err != nil {
		if ctx.Err() != nil {
			return stopped(ctx, Result{})
		}
		return Result{Outcome: Failed}, err
	}
	res, err = f.tries(ctx, t, h)
	if err != nil || res.Outcome != Done {
		return res, err
	}
	return f.recount(ctx, t, res)
}

// goesOn reports whether a statement was left running on the server. Left alone does not tell: a
// process can stop before it has sent one. An executor ends with its process.
func (t Task) goesOn(res Result, err error) bool {
	return res.Outcome == Left && errors.Is(err, ErrLost) && t.Method.Kind != Plugin
}

// startAfter starts the appliers after the task has ended with err. A table that is done stays done
// when that fails: the setting is still recorded as changed, and whoever owns the record goes on
// trying. That the server was promoted is said.
func (f *Fence) startAfter(ctx context.Context, changes []Change, h Hooks, res Result, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookLimit)
	defer cancel()
	failed := startApplier(ctx, f.srv, changes, h.Restored)
	if res.Outcome == Done && err == nil && !errors.Is(failed, ErrPromoted) {
		return nil
	}
	return errors.Join(err, failed)
}

// stopLimit bounds one STOP of an applier, which waits for the event the applier is at: a lock that
// somebody holds, a statement of hours.
const stopLimit = 30 * time.Second

// stopApplier stops the appliers of a server that run, one Change each, recorded before it is
// changed. A server that is no replica has none.
func (f *Fence) stopApplier(ctx context.Context, record func(Change) error) ([]Change, error) {
	channels, err := appliers(ctx, f.srv)
	if err != nil {
		return nil, failure(err)
	}
	before := applierRunning
	if writable, err := isWritable(ctx, f.srv); err != nil {
		return nil, failure(err)
	} else if writable {
		before = applierWritable
	}
	var done []Change
	for _, c := range channels {
		if !c.running {
			continue
		}
		change := Change{Name: c.change(), Before: before, After: applierStopped}
		if err := record(change); err != nil {
			return done, fmt.Errorf("write down that the applier of %s stops: %w", f.srv.Name, err)
		}
		done = append(done, change)
		if err := f.stop(ctx, c); err != nil {
			return done, err
		}
	}
	return done, nil
}

// isWritable reports whether a server takes writes.
func isWritable(ctx context.Context, q dbconn.Querier) (bool, error) {
	var readOnly bool
	if err := q.QueryRowContext(ctx, "SELECT @@global.read_only").Scan(&readOnly); err != nil {
		return false, fmt.Errorf("read read_only: %w", err)
	}
	return !readOnly, nil
}

// stopTimeout is the number of MySQL's own limit, rpl_stop_replica_timeout: the applier was told to
// stop and has not stopped yet.
const stopTimeout = 1875

// stop stops the applier of one channel. When it does not stop in time, or ctx ends, the STOP goes on
// waiting on the server, whatever its client does, and the applier is told to go on behind it.
func (f *Fence) stop(ctx context.Context, c channel) error {
	err := f.stopInTime(ctx, c)
	var e *Error
	if err != nil && (ctx.Err() != nil || errors.As(err, &e) && e.Class == ClassApplier) {
		f.startBehind(c)
	}
	return err
}

// startBehind sends a START that the server carries out when the STOP before it has ended. It does not
// wait for that for long: the server does so without its client as well. How the applier is then is
// looked at by startApplier.
func (f *Fence) startBehind(c channel) {
	ctx, cancel := context.WithTimeout(context.Background(), behindLimit)
	defer cancel()
	if sess, err := f.srv.Session(ctx); err == nil {
		_, _ = sess.ExecContext(ctx, c.statement(f.srv.Version, true))
		_ = sess.Close()
	}
}

// behindLimit is long enough for the START to reach the server.
const behindLimit = 3 * time.Second

// stopInTime sends the STOP and waits for it.
func (f *Fence) stopInTime(ctx context.Context, c channel) error {
	limited, cancel := context.WithTimeout(ctx, f.stopWait)
	defer cancel()
	sess, err := f.srv.Session(limited)
	if err != nil {
		return fmt.Errorf("stop the applier of %s: %w", f.srv.Name, err)
	}
	defer func() { _ = sess.Close() }()
	for {
		_, err := sess.ExecContext(limited, c.statement(f.srv.Version, false))
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case limited.Err() != nil:
			return &Error{Class: ClassApplier, Err: err,
				Text:   fmt.Sprintf("The applier of %s did not stop within %s, so the table was not touched.", f.srv.Name, f.stopWait),
				Advice: "It waits for a lock or is in a long statement; the server's process list shows which. It was told to go on."}
		case dbconn.Code(err) != stopTimeout:
			return failure(fmt.Errorf("stop the applier of %s: %w", f.srv.Name, err))
		}
	}
}

// startPause is the time between two tries to start an applier.
const startPause = time.Second

// startApplier starts what stopApplier stopped, and says so by restored. A server that does not
// answer, or not as it should, is asked again until ctx ends.
func startApplier(ctx context.Context, srv *dbconn.Server, changes []Change, restored func(Change) error) error {
	for _, change := range changes {
		for {
			err := startOnce(ctx, srv, change)
			if err == nil {
				break
			}
			if errors.Is(err, ErrPromoted) || errors.Is(err, ErrPrivilege) || !sleep(ctx, startPause) {
				return err
			}
		}
		if err := restored(change); err != nil {
			return fmt.Errorf("write down that the applier of %s runs: %w", srv.Name, err)
		}
	}
	return nil
}

// startOnce is one try. A channel that somebody removed meanwhile is as good as restored: there is
// nothing left to start. On a server that became a primary with its channel kept, the applier would
// bring in what the old primary wrote.
func startOnce(ctx context.Context, srv *dbconn.Server, change Change) error {
	channels, err := appliers(ctx, srv)
	if err != nil {
		return failure(err)
	}
	sess, err := srv.Session(ctx)
	if err != nil {
		return fmt.Errorf("start the applier of %s: %w", srv.Name, err)
	}
	defer func() { _ = sess.Close() }()
	for _, c := range channels {
		if c.change() != change.Name || c.running {
			continue
		}
		if err := unpromoted(ctx, sess, change); err != nil {
			return err
		}
		if _, err := sess.ExecContext(ctx, c.statement(srv.Version, true)); err != nil {
			return failure(fmt.Errorf("start the applier of %s: %w", srv.Name, err))
		}
		if err := unpromoted(ctx, sess, change); errors.Is(err, ErrPromoted) {
			// Promoted between the two looks: whoever promoted it wants no applier.
			_, undo := sess.ExecContext(ctx, c.statement(srv.Version, false))
			return errors.Join(err, undo)
		}
	}
	return nil
}

// unpromoted refuses a server that takes writes now and did not when its applier was stopped.
func unpromoted(ctx context.Context, sess *dbconn.Session, change Change) error {
	writable, err := isWritable(ctx, sess)
	if err != nil {
		return failure(err)
	}
	if writable && change.Before == applierRunning {
		return &Error{Class: ClassPromoted, Err: errors.New("read_only is off"),
			Text:   sess.Server.Name + " is no replica any more, so its applier was not started again.",
			Advice: "Start it by hand if the server becomes a replica again."}
	}
	return nil
}
