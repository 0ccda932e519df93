package rebuild

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/tablespace"
	"mysql-recycler/engine/throttle"
)

// Run rebuilds one table, or adopts what an earlier run did when t.Mark is set. The end of ctx
// kills the statement on the server (its cause tells why) unless the cause is ErrLeave; Run then
// returns when the server has confirmed the end. The Result is filled in as far as known beside an
// error, which is an *Error or the error of a hook.
func (f *Fence) Run(ctx context.Context, t Task, h Hooks) (Result, error) {
	if err := t.validate(h); err != nil {
		return Result{Outcome: Failed}, fmt.Errorf("rebuild %s: %w", t.name(), err)
	}
	if h.Progress == nil {
		h.Progress = func(Progress) {}
	}
	if t.Method.Kind == Plugin && t.Method.StopSQL { // it copies rows in its own way: the proof is their number
		t.CheckRows = true
	}
	if t.Mark.set() {
		res, decided, err := f.takeUp(ctx, t, h)
		if decided {
			return res, err
		}
		t.Mark, t.Seen = Mark{}, nil
	}
	if ctx.Err() != nil {
		return stopped(ctx, Result{})
	}
	if t.Method.StopSQL {
		t.Seen = nil
		return f.runStopped(ctx, t, h)
	}
	return f.tries(ctx, t, h)
}

// stopped is the end of a rebuild whose owner ended it before its statement was sent.
func stopped(ctx context.Context, res Result) (Result, error) {
	res.Outcome, res.After = Killed, res.Before
	e := &Error{Class: ClassKilled, Text: "The rebuild was stopped before its statement was sent; nothing was done.", Err: context.Cause(ctx)}
	if errors.Is(e.Err, ErrLeave) {
		res.Outcome = Left
	}
	return res, e
}

// firstPause is the pause before the second try; it doubles with each further one.
const firstPause = time.Second

// tries runs the statement again after a lock timeout or a deadlock, as often as the task allows.
func (f *Fence) tries(ctx context.Context, t Task, h Hooks) (Result, error) {
	pause := firstPause
	for try := 1; ; try++ {
		res, err := f.once(ctx, t, h)
		res.Tries = try
		var e *Error
		if err == nil || !errors.As(err, &e) || !e.Retry || e.Class == ClassLost || try > t.Retries || res.Outcome == Unknown {
			return res, err
		}
		if !sleep(ctx, pause) {
			return stopped(ctx, res)
		}
		if h.Again != nil {
			if err := h.Again(ctx, e); err != nil {
				return res, err
			}
		}
		pause *= 2
		t.Seen = nil
	}
}

// sleep waits, and reports whether it waited to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// once prepares the session, asks, marks and runs the statement one time. Cancelling a context
// breaks the connection it is used on, and the lock with it, so the session's own short statements
// run with a context of their own and ctx is looked at between them.
func (f *Fence) once(ctx context.Context, t Task, h Hooks) (Result, error) {
	res := Result{Outcome: Failed}
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), ownLimit)
	defer cancel()
	before, err := f.prepare(own, t)
	if err != nil {
		return res, err
	}
	if t.Method.Kind == Plugin {
		if err := f.ready(own, t, h); err != nil {
			return res, err
		}
	}
	if t.Seen == nil {
		now, err := f.look(own, f.sess, t)
		if errors.Is(err, tablespace.ErrGone) {
			return res, t.missing()
		}
		if err != nil {
			return res, failure(err)
		}
		t.Seen = &now
	}
	mark, err := f.mark(own, t)
	if err != nil {
		return res, failure(err)
	}
	mark.Rows = t.Mark.Rows
	res.Before = mark.BeforeBytes
	if err := h.Permit(ctx, f.sess); err != nil && ctx.Err() == nil {
		return res, &Error{Class: ClassRefused, Text: "The guard refused the server; nothing was done.", Err: err}
	}
	if ctx.Err() != nil {
		return stopped(ctx, res)
	}
	if err := h.Begin(ctx, mark); err != nil && ctx.Err() == nil {
		return res, fmt.Errorf("store the mark of %s: %w", t.name(), err)
	}
	// Storing the mark took a moment. What this statement reads is as close to the ALTER as it gets.
	now, err := f.readBack(own)
	if err != nil {
		return res, failure(err)
	}
	if err := now.check(t, f.sess.ID, before); err != nil {
		return res, err
	}
	if ctx.Err() != nil {
		return stopped(ctx, res)
	}
	t.Mark = mark
	if t.Method.Kind == Plugin {
		return f.executeBy(ctx, t, h, res)
	}
	return f.execute(ctx, t, h, res)
}

// ownLimit bounds what a session does before its statement, hooks included.
const ownLimit = 2 * time.Minute

// execute sends the statement and finds out how it ended.
func (f *Fence) execute(ctx context.Context, t Task, h Hooks, res Result) (Result, error) {
	start := time.Now()
	w := &watch{f: f, t: t, send: func(ctx context.Context) error { return f.send(ctx, t) }, tell: h.Progress, gauge: newGauge(f.srv, t, f.sess.ID)}
	err := w.run(ctx)
	res.Took = time.Since(start)
	switch {
	case w.left:
		res.Outcome = Left
		return res, &Error{Class: ClassLost, Text: "The process stops; the statement goes on and is adopted by the next one.", Err: context.Cause(ctx)}
	case err == nil:
		return f.finish(ctx, t, res, w)
	case lost(err):
		return f.lookUp(ctx, t, res, err)
	}
	e := failure(err)
	res.Outcome = Failed
	switch {
	case w.killed() && (e.Class == ClassKilled || t.Method.Kind == Optimize && e.Class == ClassLockWait):
		res.Outcome = Killed
		e = numbered(1317, context.Cause(ctx))
	case e.Class == ClassKilled:
		e.Text = "Somebody stopped the statement on the server; the table is as it was."
		e.Advice = "Find out who, and why, before it is tried again."
	}
	if e.Class == ClassLockWait {
		f.nameHolder(t, e)
	}
	res.After = res.Before
	left, err := f.cleared(t)
	if err != nil {
		e.Err = errors.Join(e.Err, err)
	}
	if len(left) > 0 {
		e.Text += " The server still holds " + strings.Join(left, ", ") + "."
		e.Advice = strings.TrimSpace(e.Advice + " Look for the file when nothing is rebuilt on the server; a restart of it removes what no statement needs.")
	}
	return res, e
}

// nameHolder says who kept the table in use, as far as that can be seen: the transaction is most
// often still there when our wait has run out.
func (f *Fence) nameHolder(t Task, e *Error) {
	ctx, cancel := context.WithTimeout(context.Background(), lookLimit)
	defer cancel()
	holders, err := throttle.Holders(ctx, f.srv, f.srv.Version, t.Schema, t.Table)
	if err != nil || len(holders) == 0 {
		return // the lock wait itself is what counts
	}
	oldest := slices.MaxFunc(holders, func(a, b throttle.Holder) int { return cmp.Compare(a.Age, b.Age) })
	e.Text = "The lock of the table was not given in time: " + oldest.String() + ". The table is as it was."
}

// finish measures the table after the server said that it is done.
func (f *Fence) finish(ctx context.Context, t Task, res Result, w *watch) (Result, error) {
	res.Outcome = Done
	switch {
	case w.killed() && t.Method.Kind == Optimize:
		res.Late = "The stop waited for the table: OPTIMIZE stopped in the middle leaves a damaged table."
	case w.killed():
		res.Late = fmt.Sprintf("The stop came too late: the server was in its last phase (%s), where it no longer listens, and finished the table.", w.phaseAtKill)
	}
	// A cancelled context must not keep us from measuring what was done.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookLimit)
	defer cancel()
	after, err := f.size(ctx, t)
	if err != nil {
		return res, nil // the rebuild itself is done; its new size is not known
	}
	res.After = after
	return res, nil
}

// lookLimit bounds one look at a server after a statement.
const lookLimit = 15 * time.Second

// cleared waits until the new file of a failed statement is gone: the server removes it before it
// answers, the list of tablespaces follows. It returns the files that stay.
func (f *Fence) cleared(t Task) (left []string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), lookLimit)
	defer cancel()
	g := newGauge(f.srv, t, f.sess.ID)
	for {
		files, err := g.files(ctx)
		if ctx.Err() != nil {
			return left, nil
		}
		if err != nil || len(files) == 0 {
			return nil, err
		}
		left = left[:0]
		for _, file := range files {
			left = append(left, file.Name)
		}
		if !sleep(ctx, 200*time.Millisecond) {
			return left, nil
		}
	}
}

// lost reports whether an error leaves open what the server did: the connection broke, or the
// server went down under the statement.
func lost(err error) bool {
	code := dbconn.Code(err)
	return dbconn.Lost(err) || code == 1053 || code == 1927 || code == 3169 || code == 4031
}
