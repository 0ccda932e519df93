package rebuild

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/tablespace"
)

// adopt finds out what an earlier run did. decided is false when it did nothing, so that the table
// is to be rebuilt now.
func (f *Fence) adopt(ctx context.Context, t Task, h Hooks) (res Result, decided bool, err error) {
	res = Result{Outcome: Unknown, Before: t.Mark.BeforeBytes}
	start := time.Now()
	killed, err := f.await(ctx, t, h)
	res.Took = time.Since(start)
	if errors.Is(err, ErrLeave) {
		res.Outcome = Left
		return res, true, &Error{Class: ClassLost, Text: "The process stops; the statement goes on and is adopted by the next one.", Err: err}
	}
	if err != nil {
		return res, true, unknown(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookLimit)
	defer cancel()
	s, err := f.look(ctx, f.srv, t)
	switch {
	case errors.Is(err, tablespace.ErrGone):
		res.Outcome = Failed
		return res, true, t.missing()
	case err != nil:
		return res, true, unknown(err)
	case rebuiltSince(t.Mark, s):
		res.Outcome, res.After = Adopted, s.Bytes
		if killed {
			res.Late = "The stop came too late: the server was in its last phase, where it no longer listens, and finished the table."
		}
		return res, true, nil
	case killed:
		res.Outcome, res.After = Killed, s.Bytes
		return res, true, &Error{Class: ClassKilled, Text: situations[1317].text}
	}
	return res, false, nil
}

// takeUp finds out what an earlier run did, and makes sure that it does nothing any more: its process
// may only be slow, with the statement still to be sent. decided is false when the table is to be
// rebuilt now.
func (f *Fence) takeUp(ctx context.Context, t Task, h Hooks) (res Result, decided bool, err error) {
	adopt := f.adopt
	if t.Method.Kind == Plugin {
		adopt = f.adoptExecutor
	}
	for {
		res, decided, err = adopt(ctx, t, h)
		if decided && err == nil && t.Method.StopSQL {
			res, err = f.recount(ctx, t, res)
		}
		if decided {
			return res, true, err
		}
		ended, err := f.oust(ctx, t.Mark)
		if err != nil {
			return Result{Outcome: Unknown, Before: t.Mark.BeforeBytes}, true, unknown(err)
		}
		if !ended { // else it may have sent its statement since we looked
			return res, false, nil
		}
	}
}

// oustSQL finds the session of a mark as long as it holds its fence. The number of a connection is
// given again after a restart of the server; the lock and the account say that it is that session.
const oustSQL = `SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = ? AND ID = IS_USED_LOCK(?)
 AND USER = LEFT(USER(), CHAR_LENGTH(USER()) - LOCATE('@', REVERSE(USER())))`

// oust ends the session that an earlier run of the task prepared its statement on, and reports whether
// there was one.
func (f *Fence) oust(ctx context.Context, m Mark) (ended bool, err error) {
	if m.ConnectionID == f.sess.ID {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookLimit)
	defer cancel()
	for {
		var n int
		if err := f.srv.QueryRowContext(ctx, oustSQL, m.ConnectionID, fenceName(m.Slot)).Scan(&n); err != nil {
			return ended, fmt.Errorf("look for connection %d on %s: %w", m.ConnectionID, f.srv.Name, err)
		}
		if n == 0 {
			return ended, nil
		}
		if err := f.srv.KillConnection(ctx, m.ConnectionID); err != nil {
			return ended, err
		}
		ended = true
		if !sleep(ctx, awaitEvery) {
			return ended, fmt.Errorf("end connection %d on %s: %w", m.ConnectionID, f.srv.Name, context.Cause(ctx))
		}
	}
}

// unknown is the error of an outcome that nobody can know.
func unknown(err error) *Error {
	return &Error{Class: ClassUnknown, Text: "It is not known whether the table was rebuilt: the server could not be asked.",
		Advice: "Look at the server; then retry or skip the table.", Err: err}
}

// awaitEvery is the time between two looks for the statement of an earlier run.
const awaitEvery = 500 * time.Millisecond

// patience is how long an unreachable server is asked again before the outcome is called unknown:
// long enough for a restart with recovery.
const patience = 10 * time.Minute

// await returns when no statement with the task's tag runs on the server any more. The end of ctx
// kills it, or leaves it when the cause is ErrLeave.
func (f *Fence) await(ctx context.Context, t Task, h Hooks) (killed bool, err error) {
	var deaf time.Time // since when the server does not answer
	var g *gauge
	for {
		ask, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookLimit)
		r, running, err := f.find(ask, t)
		switch {
		case err != nil && deaf.IsZero():
			deaf = time.Now()
		case err != nil && time.Since(deaf) > patience:
			cancel()
			return killed, err
		case err == nil:
			deaf = time.Time{}
		}
		if err == nil && !running {
			cancel()
			return killed, nil
		}
		if ctx.Err() != nil {
			switch {
			case errors.Is(context.Cause(ctx), ErrLeave):
				cancel()
				return killed, context.Cause(ctx)
			case err != nil: // told to stop while nobody answers: the next look may come days later
				cancel()
				return killed, err
			}
			if t.Method.Kind != Optimize { // see watch.beside
				kill := f.srv.KillQuery(ask, r.ConnectionID, Tag(t.Job, t.Step))
				killed = killed || kill == nil
			}
		} else if running {
			if g == nil {
				g = newGauge(f.srv, t, r.ConnectionID)
			}
			if p, ok := g.read(ask); ok {
				h.Progress(p)
			}
		}
		cancel()
		pause(ctx, awaitEvery)
	}
}

// pause sleeps; a context that has ended does not shorten it, because whoever waits for the
// server's confirmation must not spin.
func pause(ctx context.Context, d time.Duration) {
	if !sleep(ctx, d) {
		time.Sleep(d)
	}
}

// find looks for the statement of a task.
func (f *Fence) find(ctx context.Context, t Task) (Running, bool, error) {
	ours, err := FindOurs(ctx, f.srv)
	if err != nil {
		return Running{}, false, err
	}
	for _, r := range ours {
		if r.Job == t.Job && r.Step == t.Step {
			return r, true, nil
		}
	}
	return Running{}, false, nil
}

// lookUp finds out how a statement ended whose connection broke: it may still run. The session is
// lost with it, so the caller has to acquire a new fence for whatever comes next.
func (f *Fence) lookUp(ctx context.Context, t Task, res Result, cause error) (Result, error) {
	found, decided, err := f.adopt(ctx, t, Hooks{Progress: func(Progress) {}})
	found.Before, found.Took = res.Before, res.Took+found.Took
	switch {
	case decided && found.Outcome == Adopted:
		found.Outcome = Done
		return found, nil
	case decided:
		return found, err
	}
	found.Outcome, found.After = Failed, res.Before
	return found, &Error{Class: ClassLost, Number: dbconn.Code(cause), Retry: true,
		Text:   "The connection to the server broke and the statement ended with it; the table is as it was.",
		Advice: "It is tried again when the server answers.", Err: fmt.Errorf("alter %s: %w", t.name(), cause)}
}
