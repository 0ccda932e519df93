package rebuild

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"mysql-recycler/engine/dbconn"
)

// changeSuperReadOnly is the setting Lift changes. read_only is never touched: an account with
// CONNECTION_ADMIN (SUPER on 5.7) may rebuild under it.
const changeSuperReadOnly = "super_read_only"

// Lift switches super_read_only off where it is on, recorded before it is changed. On MariaDB,
// which has no such setting, and where it is off there is nothing to do. Both modes need it:
// super_read_only refuses the ALTER whether it is logged or not.
func Lift(ctx context.Context, srv *dbconn.Server, _ Mode, record func(Change) error) ([]Change, error) {
	if !srv.Version.Dialect().SuperReadOnly {
		return nil, nil
	}
	sess, err := srv.Session(ctx)
	if err != nil {
		return nil, fmt.Errorf("lift super_read_only on %s: %w", srv.Name, err)
	}
	defer func() { _ = sess.Close() }()
	var on bool
	if err := sess.QueryRowContext(ctx, "SELECT @@global.super_read_only").Scan(&on); err != nil {
		return nil, failure(fmt.Errorf("read super_read_only of %s: %w", srv.Name, err))
	}
	if !on {
		return nil, nil
	}
	c := Change{Name: changeSuperReadOnly, Before: "1", After: "0"}
	if err := record(c); err != nil {
		return nil, fmt.Errorf("write down that super_read_only of %s is lifted: %w", srv.Name, err)
	}
	if _, err := sess.ExecContext(ctx, "SET GLOBAL super_read_only = 0"); err != nil {
		return []Change{c}, failure(fmt.Errorf("lift super_read_only on %s: %w", srv.Name, err))
	}
	return []Change{c}, nil
}

// restoreWait is lock_wait_timeout, in seconds, of the statement that switches super_read_only on.
// While it waits for a running ALTER, the applier and every writer wait behind it (measured on
// 5.7 to 9.7), so it waits shortly and often.
const restoreWait = 2

// restorePause is the time between two tries.
const restorePause = 2 * time.Second

// Restore puts back what Lift and the stop of an applier changed, and says so by restored, one by one. It
// waits until no statement of ours runs on the server and tries until ctx ends. stillReplica is
// asked before super_read_only is switched on and again after; on a server that has become a
// primary it is left as it is, and so is an applier; the error is of ClassPromoted.
func Restore(ctx context.Context, srv *dbconn.Server, changes []Change, stillReplica func(context.Context) error, restored func(Change) error) error {
	var errs []error
	for _, c := range changes {
		switch {
		case c.Name == changeSuperReadOnly:
			errs = append(errs, restoreReadOnly(ctx, srv, c, stillReplica, restored))
		case c.Name == changeApplier || strings.HasPrefix(c.Name, changeApplier+":"):
			errs = append(errs, restoreApplier(ctx, srv, c, restored))
		default:
			errs = append(errs, fmt.Errorf("restore %s on %s: nobody knows how", c.Name, srv.Name))
		}
	}
	return errors.Join(errs...)
}

// restoreApplier waits for our statements and starts the applier.
func restoreApplier(ctx context.Context, srv *dbconn.Server, c Change, restored func(Change) error) error {
	if err := quiet(ctx, srv); err != nil {
		return err
	}
	return startApplier(ctx, srv, []Change{c}, restored)
}

// ErrUnsure from stillReplica says that it cannot be told now whether the server still is a replica.
// The setting is left as it is and asked about again: neither answer may be guessed.
var ErrUnsure = errors.New("it cannot be told whether the server still is a replica")

// unsure is the error of a server of which that is not known.
func unsure(srv *dbconn.Server, cause error) *Error {
	return &Error{Class: ClassOther, Retry: true, Err: cause,
		Text:   "Whether " + srv.Name + " still is a replica cannot be told, so super_read_only was not switched on again yet.",
		Advice: "It is tried again; switch it on by hand if the server is a replica."}
}

// quiet waits until no statement of ours runs on the server: switching super_read_only on would
// wait for it, with everybody else behind.
func quiet(ctx context.Context, srv *dbconn.Server) error {
	for {
		ours, err := FindOurs(ctx, srv)
		if err != nil {
			return err
		}
		if len(ours) == 0 {
			return nil
		}
		if !sleep(ctx, awaitEvery) {
			return fmt.Errorf("wait for %s on %s: %w", ours[0], srv.Name, context.Cause(ctx))
		}
	}
}

// promoted is the error of a server that must not be made read-only any more.
func promoted(srv *dbconn.Server, cause error) *Error {
	return &Error{Class: ClassPromoted, Err: cause,
		Text:   srv.Name + " is no replica any more, so super_read_only was not switched on again.",
		Advice: "Switch it on by hand if the server becomes a replica again."}
}

// restoreReadOnly switches super_read_only on again.
func restoreReadOnly(ctx context.Context, srv *dbconn.Server, c Change, stillReplica func(context.Context) error, restored func(Change) error) error {
	for {
		if err := quiet(ctx, srv); err != nil {
			return err
		}
		err := switchOn(ctx, srv, stillReplica)
		if err == nil {
			if err := restored(c); err != nil {
				return fmt.Errorf("write down that super_read_only of %s is restored: %w", srv.Name, err)
			}
			return nil
		}
		var e *Error
		if !errors.As(err, &e) || !e.Retry {
			return err
		}
		if !sleep(ctx, restorePause) {
			return fmt.Errorf("restore super_read_only on %s: %w", srv.Name, errors.Join(context.Cause(ctx), err))
		}
	}
}

// switchOn is one try. SET GLOBAL super_read_only = 1 would also set read_only, which would stop
// the writes of a server promoted a moment ago; taking the value of read_only in the same
// statement leaves such a server alone.
func switchOn(ctx context.Context, srv *dbconn.Server, stillReplica func(context.Context) error) error {
	sess, err := srv.Session(ctx)
	if err != nil {
		return fmt.Errorf("restore super_read_only on %s: %w", srv.Name, err)
	}
	defer func() { _ = sess.Close() }()
	if err := stillReplica(ctx); errors.Is(err, ErrUnsure) {
		return unsure(srv, err)
	} else if err != nil {
		return promoted(srv, err)
	}
	var on bool
	err = sess.QueryRowContext(ctx, "SELECT @@global.super_read_only").Scan(&on)
	if err != nil {
		return failure(fmt.Errorf("read super_read_only of %s: %w", srv.Name, err))
	}
	if on {
		return nil
	}
	if _, err := sess.ExecContext(ctx, fmt.Sprintf("SET SESSION lock_wait_timeout = %d", restoreWait)); err != nil {
		return failure(fmt.Errorf("restore super_read_only on %s: %w", srv.Name, err))
	}
	if _, err := sess.ExecContext(ctx, "SET GLOBAL super_read_only = @@global.read_only"); err != nil {
		return failure(fmt.Errorf("restore super_read_only on %s: %w", srv.Name, err))
	}
	if err := sess.QueryRowContext(ctx, "SELECT @@global.super_read_only").Scan(&on); err != nil {
		return failure(fmt.Errorf("read super_read_only of %s: %w", srv.Name, err))
	}
	if !on {
		return promoted(srv, errors.New("read_only is off"))
	}
	if err := stillReplica(ctx); err != nil {
		// Promoted between the two looks: whoever promoted it wants it writable.
		_, undo := sess.ExecContext(ctx, "SET GLOBAL super_read_only = 0")
		if errors.Is(err, ErrUnsure) {
			return unsure(srv, errors.Join(err, undo))
		}
		return promoted(srv, errors.Join(err, undo))
	}
	return nil
}
