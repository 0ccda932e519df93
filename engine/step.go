package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/throttle"
)

// retries bounds how often one table's statement is sent again after a lock wait or a deadlock; a
// table that lost this often needs a person.
const retries = 3

// errStepOver ends the watchers when the statement has ended.
var errStepOver = errors.New("the statement ended")

// step rebuilds one table, or leaves it alone when a person wants that. again asks for another try;
// an error ends the shift.
func (w *worker) step(ctx context.Context, s *Step) (again bool, err error) {
	if by := w.wish.skips(s.Seq); by != "" && s.State == StepPending {
		return false, w.skip(ctx, s, skippedBy(by))
	}
	again, err = w.attempt(ctx, s)
	if !errors.Is(err, errSkipped) || ctx.Err() != nil {
		return again, err
	}
	if s.State == StepRunning { // of an earlier run, and its fence was waited for
		err = w.settle(ctx, w.h, s, w.slot, errSkipped)
		return s.State == StepPending && err == nil, err
	}
	return true, nil
}

// skippedBy is the reason of a table that a person wants left alone.
func skippedBy(name string) string { return name + " asked for it" }

// skipWished leaves alone what people want skipped and no worker has taken.
func (r *run) skipWished(ctx context.Context) error {
	for i := range r.job.Steps {
		s := &r.job.Steps[i]
		if by := r.wish.skips(s.Seq); by != "" && s.State == StepPending {
			if err := r.skip(ctx, s, skippedBy(by)); err != nil {
				return err
			}
		}
	}
	return nil
}

// attempt tries to rebuild one table.
func (w *worker) attempt(ctx context.Context, s *Step) (again bool, err error) {
	if w.fence == nil || s.State != StepPending {
		if err := w.open(ctx, s); err != nil {
			return false, err
		}
	}
	room := w.h.claims.take(s)
	defer w.h.claims.release(room)
	gate := w.h.gate(room)
	t := w.task(s)
	if s.State == StepPending {
		if reason := w.ruledOut(s); reason != "" {
			return false, w.skip(ctx, s, reason)
		}
		if err := w.await(ctx, w.h, gate, s, false); err != nil {
			return false, err
		}
		if !w.fits(s) {
			return false, errClosed
		}
		if err := w.open(ctx, s); err != nil { // waiting may have taken hours
			return false, err
		}
		now, reason, err := w.unfit(ctx, w.h, s)
		if err != nil || reason != "" {
			return false, errors.Join(err, w.skip(ctx, s, reason))
		}
		t.Seen = &now
	}
	res, err := w.rebuild(ctx, s, t, room, gate)
	if !stopping(ctx, err) && res.Outcome != rebuild.Left {
		err = errors.Join(err, w.startAppliers(ctx, w.h)) // of an adopted statement, or one that broke
	}
	switch {
	case res.Outcome == rebuild.Done || res.Outcome == rebuild.Adopted:
		w.overtaken(ctx, s, err)
		return false, errors.Join(w.done(ctx, s, res), err)
	case res.Outcome == rebuild.Left, stopping(ctx, err):
		return false, errors.Join(context.Cause(ctx), err) // goes on on the server; adopted by whoever comes next
	case res.Outcome == rebuild.Unknown:
		return w.unknown(ctx, s, err)
	case res.Outcome == rebuild.Killed:
		return w.killed(ctx, s, err)
	}
	return w.failed(ctx, s, err)
}

// unknown looks once more, on new connections, before it says that nobody can know: a server that
// restarts under a statement answers again after its recovery. The mark stays, so nothing is run
// before it is known that nothing was done, and the guard watches and is asked as at any time.
func (w *worker) unknown(ctx context.Context, s *Step, err error) (bool, error) {
	if s.tried.lost {
		return false, w.fail(ctx, s, StepUnknown, EventStepUnknown, rebuild.Unknown, err)
	}
	s.tried.lost = true
	w.log.Warn("server lost under a statement", zap.Int("step", s.Seq), zap.Error(err))
	w.notice(ctx, "warning", fmt.Sprintf("%s was lost while %s was rebuilt; looking for what it did for up to %s.",
		w.h.plan.Name, s.Plan.Name(), w.o.Reconnect))
	w.drop()
	return true, nil
}

// need is what the throttle has to know of a table. While the applier is stopped by us, or waits for
// a rebuild that blocks writes, its lag grows as approved; before that it counts like any other.
func (r *run) need(h *host, s *Step, stopped bool) throttle.Table {
	return throttle.Table{Schema: s.Plan.Schema, Name: s.Plan.Table, NeedBytes: s.Plan.High, TempBytes: s.Plan.Temp,
		Purge: s.Plan.Method.Purges(h.server.Version), ApplierStopped: stopped}
}

// rebuild runs the statement between three watchers, each of which may have it killed: the guard
// (a promotion), the throttle (a critical limit), and people (cancel, pause now). When this process
// stops the statement is left to the server.
func (w *worker) rebuild(ctx context.Context, s *Step, t rebuild.Task, room *claim, gate *throttle.Throttle) (rebuild.Result, error) {
	sctx, kill := context.WithCancelCause(context.WithoutCancel(ctx))
	defer kill(errStepOver)
	defer context.AfterFunc(ctx, func() { kill(rebuild.ErrLeave) })()
	wctx, unwatch := context.WithCancel(ctx)
	defer unwatch()
	watch := func(look func() error) func() error {
		return func() error {
			if err := look(); err != nil && wctx.Err() == nil {
				kill(err)
			}
			return nil
		}
	}
	expect, sent, hooks := w.expect(w.h), make(chan struct{}), w.hooks(ctx, w.h, gate, s)
	if s.Plan.Method.StopSQL { // Run is about to stop them, and writes it down first
		expect.Stopped = channelsOf(w.h)
	}
	begin, begun := hooks.Begin, sync.OnceFunc(func() { close(sent) })
	hooks.Begin = func(ctx context.Context, m rebuild.Mark) error { begun(); return begin(ctx, m) }
	if s.State == StepRunning { // its statement may be running
		begun()
	}
	hooks.Progress = func(p rebuild.Progress) {
		w.h.claims.wrote(room, p.Bytes)
		w.o.Live.Set(w.job.ID, LiveStep{Seq: s.Seq, Table: s.Plan.Name(), Progress: p})
	}
	var g errgroup.Group
	g.Go(watch(func() error { return w.wish.interrupt(wctx, false, s.Seq) }))
	g.Go(watch(func() error {
		// Before the statement the guard is asked by Permit, and nothing of ours runs. While an applier that
		// we stop ends a big transaction the status even waits for it, and the watch would be blind.
		select {
		case <-sent:
		case <-wctx.Done():
			return nil
		}
		return w.lookout.Watch(wctx, w.h.topology(), expect, w.o.WatchEvery)
	}))
	g.Go(watch(func() error {
		return w.h.throttle.During(wctx, w.need(w.h, s, s.Plan.Method.StopSQL || s.Plan.Method.Blocks()))
	}))
	res, err := w.fence.Run(sctx, t, hooks)
	unwatch()
	w.o.Live.Drop(w.job.ID, s.Seq)
	if no := (*guard.Refused)(nil); res.Outcome == rebuild.Done && errors.As(context.Cause(sctx), &no) {
		err = errors.Join(err, no)
	}
	return res, errors.Join(err, g.Wait())
}

func (r *run) task(s *Step) rebuild.Task {
	return rebuild.Task{
		Job: r.job.ID, Step: s.Seq, Schema: s.Plan.Schema, Table: s.Plan.Table, Partition: s.Plan.Partition, Method: s.Plan.Method,
		Mode: r.job.Plan.Mode, LockWait: r.job.Plan.LockWait, Predicted: s.Plan.Predicted, Mark: s.Mark,
		Retries: retries, CheckRows: r.job.Plan.Policy.CheckRows,
	}
}

// hooks ask the guard on the executing session and make the mark durable before the statement.
func (r *run) hooks(ctx context.Context, h *host, gate *throttle.Throttle, s *Step) rebuild.Hooks {
	return rebuild.Hooks{
		Permit: func(ctx context.Context, sess *dbconn.Session) error {
			_, err := r.guard.Permit(ctx, sess, h.topology(), r.expect(h))
			return err
		},
		Begin: func(ctx context.Context, m rebuild.Mark) error {
			s.Mark, s.Before, s.Runs = m, m.BeforeBytes, s.Runs+1
			s.Started = time.Now() // of the statement that counts: an adopted one is timed by it
			return r.store(ctx, s, StepRunning, EventStepStarted, StepPending, StepRunning)
		},
		Change: func(c rebuild.Change) error {
			return r.setting(context.WithoutCancel(ctx), Setting{Change: c}, EventSettingChanged)
		},
		Restored: func(c rebuild.Change) error {
			return r.setting(context.WithoutCancel(ctx), Setting{Change: c, Restored: true}, EventSettingRestored)
		},
		Executor: r.executor(s),
		Again: func(_ context.Context, e *rebuild.Error) error {
			r.notice(ctx, "info", fmt.Sprintf("%s: %s Trying again.", s.Plan.Name(), e.Sentence()))
			return r.await(ctx, h, gate, s, s.Plan.Method.StopSQL)
		},
	}
}

// done stores a rebuilt table with the bytes the server itself measured.
func (r *run) done(ctx context.Context, s *Step, res rebuild.Result) error {
	s.Outcome, s.Before, s.After, s.Took, s.Reason = res.Outcome, res.Before, res.After, res.Took, res.Remarks()
	s.Rows, s.Ended = res.Rows, time.Now()
	if res.Outcome == rebuild.Adopted && !s.Started.IsZero() {
		// Whoever adopts a table knows when its statement was sent and that it has ended by now.
		s.Took = s.Ended.Sub(s.Started)
	}
	r.measured(s)
	return r.storeWith(ctx, s, StepDone, EventTableProcessed, processed{Before: s.Before, After: s.After, Rows: s.Rows}, StepPending, StepRunning)
}

// processed is the data of EventTableProcessed, so that a reader of the log alone knows the result.
type processed struct {
	Before int64             `json:"before"`
	After  int64             `json:"after"`
	Rows   *rebuild.RowCheck `json:"rows,omitempty"` // Policy.CheckRows
}

// killed decides what a confirmed kill means: a person's wish and the throttle put the table back
// into the queue (where one that is to be skipped ends), the guard ends the job.
func (w *worker) killed(ctx context.Context, s *Step, cause error) (bool, error) {
	var refused *guard.Refused
	if errors.As(cause, &refused) {
		w.alertWatch(ctx, s, refused, "the statement was killed")
		return false, errors.Join(w.fail(ctx, s, StepRefused, EventStepFailed, rebuild.Killed, cause), refused)
	}
	var critical *throttle.Critical
	if errors.As(cause, &critical) {
		if s.tried.stopped++; s.tried.stopped > retries { // it would go on for ever, and load the server for nothing
			return false, w.fail(ctx, s, StepFailed, EventStepFailed, rebuild.Killed, critical)
		}
		w.notice(ctx, "warning", fmt.Sprintf("Stopped %s: %s It is queued again.", s.Plan.Name(), critical.Sentence()))
	}
	return true, w.again(ctx, s)
}

// overtaken tells of a guard's refusal that came too late: the table is rebuilt all the same, because
// a server no longer hears a KILL in its last phase, or because the statement ended before it. With an
// executor, what the guard saw may be its own doing. The job ends with the refusal.
func (w *worker) overtaken(ctx context.Context, s *Step, err error) {
	var refused *guard.Refused
	if errors.As(err, &refused) {
		w.alertWatch(ctx, s, refused, "the statement could not be stopped any more and finished")
	}
}

// alertWatch tells at once that the guard refused a host while one of its tables was rebuilt.
func (w *worker) alertWatch(ctx context.Context, s *Step, refused *guard.Refused, end string) {
	v, again := refused.Verdict, (*guard.Refused)(nil)
	if !v.Promoted() && errors.As(w.permitted(ctx, w.h, w.expect(w.h)), &again) && again.Verdict.Promoted() {
		v = again.Verdict // the first thing seen of a failover is a receiver that stopped
	}
	kind, what := AlertUnwatched, "could not be watched any more"
	switch {
	case v.Promoted():
		kind, what = AlertPromoted, "stopped being a replica"
	case v.Known():
		kind, what = AlertRefused, "was refused by the guard"
	}
	w.alert(ctx, kind, fmt.Sprintf("%s %s while %s was rebuilt: %s. %s.",
		w.job.Host, what, s.Plan.Name(), end, strings.TrimSuffix(v.Changed(), ".")))
}

// again puts a table whose statement left nothing behind back into the queue.
func (r *run) again(ctx context.Context, s *Step) error {
	s.Mark = rebuild.Mark{}
	return r.store(ctx, s, StepPending, "", StepPending, StepRunning)
}

// failed lets the other tables go on where only this one is concerned, and ends the job where the
// host is.
func (w *worker) failed(ctx context.Context, s *Step, err error) (bool, error) {
	if _, _, why := w.wish.get(); errors.Is(err, errPaused) || errors.Is(err, errSkipped) || why != nil && errors.Is(err, why) { // while waiting to try again
		return true, w.again(ctx, s)
	}
	var refused *guard.Refused
	if errors.As(err, &refused) {
		return false, errors.Join(w.fail(ctx, s, StepRefused, EventStepFailed, rebuild.Failed, refused), refused)
	}
	if errors.Is(err, rebuild.ErrPromoted) { // the last reading before the statement saw what the guard had not
		return false, errors.Join(w.fail(ctx, s, StepRefused, EventStepFailed, rebuild.Failed, err), err)
	}
	var e *rebuild.Error
	known := errors.As(err, &e)
	if known && e.Class == rebuild.ClassLost && e.Retry && s.Runs <= retries {
		w.notice(ctx, "warning", fmt.Sprintf("%s: %s %s", s.Plan.Name(), e.Sentence(), e.Hint()))
		w.drop()
		return true, w.again(ctx, s)
	}
	if err2 := w.fail(ctx, s, StepFailed, EventStepFailed, rebuild.Failed, err); err2 != nil {
		return false, err2
	}
	if !known || stopsHost(e.Class) {
		return false, err
	}
	return false, nil
}

// stopsHost tells what would fail for the next table just as well.
func stopsHost(c rebuild.Class) bool {
	switch c {
	case rebuild.ClassDiskFull, rebuild.ClassReadOnly, rebuild.ClassPrivilege, rebuild.ClassBinlog,
		rebuild.ClassPromoted, rebuild.ClassLost, rebuild.ClassUnknown, rebuild.ClassRefused, rebuild.ClassRows,
		rebuild.ClassExecutor:
		return true
	}
	return false
}

// fail stores a step's bad end.
func (r *run) fail(ctx context.Context, s *Step, state StepState, kind EventKind, o rebuild.Outcome, cause error) error {
	r.log.Error("step ended badly", zap.Int("step", s.Seq), zap.String("table", s.Plan.Name()), zap.Error(cause))
	s.Outcome, s.Reason, s.Ended = o, sentence(cause), time.Now()
	if err := r.store(ctx, s, state, kind, StepPending, StepRunning); err != nil {
		return err
	}
	if state == StepUnknown {
		return fmt.Errorf("the outcome of %s is unknown: %w", s.Plan.Name(), cause)
	}
	return nil
}

// skip stores that a table is left alone.
func (r *run) skip(ctx context.Context, s *Step, reason string) error {
	if reason == "" {
		return nil
	}
	s.Reason, s.Ended = reason, time.Now()
	return r.store(ctx, s, StepSkipped, EventStepSkipped, StepPending)
}

// store writes the step as it is now. An empty kind stores without a fact for readers.
func (r *run) store(ctx context.Context, s *Step, to StepState, kind EventKind, from ...StepState) error {
	return r.storeWith(ctx, s, to, kind, nil, from...)
}

// storeWith is store with data for the fact.
func (r *run) storeWith(ctx context.Context, s *Step, to StepState, kind EventKind, data any, from ...StepState) error {
	e, err := r.event(kind, s.Seq, data)
	if err != nil {
		return err
	}
	was := s.State
	s.State = to
	if err := r.o.Journal.SetStep(ctx, r.lease, StepChange{From: from, Step: *s, Event: e}); err != nil {
		s.State = was
		return fmt.Errorf("store step %d of %s: %w", s.Seq, r.job.ID, err)
	}
	return nil
}
