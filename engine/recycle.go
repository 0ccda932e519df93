package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/rebuild"
)

// recycle walks the tables of one host. Whatever way it ends, settings that were changed are put
// back, unless this process is stopping: then the next one finds them in the journal.
func (r *run) recycle(ctx context.Context) error {
	if got := r.job.Plan.Digest(); got != r.job.Digest {
		return r.end(ctx, JobRefused, EventJobRefused, "the stored plan is not the one that was approved", nil)
	}
	if r.job.Wanted == WantCancel && r.job.Started.IsZero() {
		return r.end(ctx, JobCancelled, EventJobCancelled, "cancelled before it started", nil)
	}
	h, err := r.reach(ctx)
	if err != nil {
		return r.endUnreached(ctx, err)
	}
	defer func() {
		if err := h.close(); err != nil {
			r.log.Warn("connections not closed", zap.Error(err))
		}
	}()
	if err := r.clearLeftovers(ctx, h); err != nil {
		return err
	}
	if r.job.Started.IsZero() { // nothing of ours is on the host: a refusal ends the job at once
		if err := r.refused(ctx, h); err != nil {
			return r.endRefused(ctx, err)
		}
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	work := r.work(ctx, h)
	if !stopping(ctx, work) {
		work = r.settleAll(ctx, h, work)
	}
	if stopping(ctx, work) {
		return work
	}
	return r.finish(ctx, h, work)
}

// endRefused ends a job that the guard did not let begin.
func (r *run) endRefused(ctx context.Context, err error) error {
	var no *guard.Refused
	switch {
	case stopping(ctx, err):
		return err
	case errors.As(err, &no):
		return r.end(ctx, JobRefused, EventJobRefused, refusal(no.Verdict, err), no.Verdict)
	}
	return r.endUnreached(ctx, err)
}

// stopping reports whether this process (or its lease) is ending, rather than the job.
func stopping(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, ErrLeaseLost)
}

// begin tells that the job started, or goes on after an interruption. One that is paused and shall
// stay so says nothing.
func (r *run) begin(ctx context.Context) error {
	if r.job.Started.IsZero() {
		return r.move(ctx, []JobState{JobQueued}, JobRunning, EventJobStarted, "", nil)
	}
	if r.job.State == JobPaused && r.job.Wanted != WantRun {
		return nil
	}
	return r.move(ctx, []JobState{JobQueued, JobRunning, JobPaused}, JobRunning, EventJobResumed, "", r.resumed(false))
}

// resumed is what a resumption finds.
func (r *run) resumed(byPerson bool) Resumed {
	return Resumed{ByPerson: byPerson, Ended: len(r.job.Steps) - r.count(StepPending, StepRunning)}
}

// work rebuilds the tables. While people want a pause, or the maintenance window is closed, nothing
// of ours runs on the host and its settings are as they were.
func (r *run) work(ctx context.Context, h *host) error {
	for {
		err := r.shift(ctx, h)
		switch {
		case stopping(ctx, err):
			return errors.Join(context.Cause(ctx), err)
		case errors.Is(err, errPaused):
			err = r.rest(ctx, h)
		case errors.Is(err, errClosed):
			err = r.untilOpen(ctx, h)
		default:
			return err
		}
		if err != nil {
			return err
		}
		if err := h.look(ctx); err != nil { // the cluster may have changed meanwhile
			return err
		}
	}
}

// shift works until the tables are done, people want a pause or the window closes: it asks whether
// the host may be worked on, lifts what must be lifted and lets the workers take the tables.
func (r *run) shift(ctx context.Context, h *host) error {
	if err := r.refused(ctx, h); err != nil {
		return err
	}
	if err := r.mayGoOn(ctx); err != nil {
		return err
	}
	if err := r.skipWished(ctx); err != nil {
		return err
	}
	if err := r.serve(ctx, h); err != nil {
		return err
	}
	if err := r.takeOut(ctx, h); err != nil {
		return err
	}
	if r.count(StepRunning) == 0 { // a step that runs starts its applier itself when it has ended
		if err := r.startAppliers(ctx, h); err != nil {
			return err
		}
	}
	if err := r.lift(ctx, h); err != nil {
		return err
	}
	var g errgroup.Group // no shared context: a worker that fails has the others' statements killed, not left
	q := &steps{r: r, taken: map[int]bool{}, at: map[int]string{}}
	for slot := range r.parallel() {
		g.Go(func() error {
			w := &worker{run: r, h: h, slot: slot, lookout: r.guard.Lookout(h.server)}
			err := w.walk(ctx, q)
			if err != nil && !errors.Is(err, errPaused) && !errors.Is(err, errClosed) {
				r.wish.fail(err)
			}
			return err
		})
	}
	err := g.Wait()
	if errors.Is(err, errPaused) || errors.Is(err, errClosed) {
		if _, _, why := r.wish.get(); why != nil { // another worker's failure says more
			return why
		}
	}
	return err
}

// lift lifts the settings that would refuse a rebuild, each written down first.
func (r *run) lift(ctx context.Context, h *host) error {
	_, err := rebuild.Lift(ctx, h.server, r.job.Plan.Mode, func(c rebuild.Change) error {
		return r.setting(ctx, Setting{Change: c}, EventSettingChanged)
	})
	if err != nil {
		return fmt.Errorf("lift settings of %s: %w", h.plan.Name, err)
	}
	return nil
}

// parallel is how many tables are rebuilt at once. With the applier stopped it is one: the worker
// that ends first would start the applier under the other's statement.
func (r *run) parallel() int {
	for _, s := range r.job.Steps {
		if s.Plan.Method.StopSQL {
			return 1
		}
	}
	return max(1, r.job.Plan.Parallel)
}

// steps hands out the steps that are not finished, each once, and of one table one at a time: two of
// its partitions would wait for each other's lock.
type steps struct {
	mu    sync.Mutex
	r     *run
	taken map[int]bool
	at    map[int]string // the table each slot works on
}

// next is the first step that a slot, whose last one has ended, can take now: one that an earlier run
// began, else the first that ends in the maintenance window. nil: there is none left for it; what is
// left of a table goes to the slot that works on it. errClosed: none that fits now.
func (q *steps) next(slot int) (*Step, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.at, slot)
	closed := false
	for _, want := range []StepState{StepRunning, StepPending} {
		for i := range q.r.job.Steps {
			s := &q.r.job.Steps[i]
			if q.taken[i] || s.State != want || q.busy(s) {
				continue
			}
			if want == StepPending && !q.r.fits(s) && q.r.wish.skips(s.Seq) == "" {
				closed = true
				continue
			}
			q.taken[i], q.at[slot] = true, s.Plan.TableName()
			return s, nil
		}
	}
	if closed {
		return nil, errClosed
	}
	return nil, nil
}

// busy reports whether a slot works on the table of a step.
func (q *steps) busy(s *Step) bool {
	for _, table := range q.at {
		if table == s.Plan.TableName() {
			return true
		}
	}
	return false
}

// mayGoOn says whether something new may be started: not while people want a pause or a cancel,
// another worker failed, or this process stops.
func (r *run) mayGoOn(ctx context.Context) error {
	want, _, err := r.wish.get()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	case want != WantRun:
		return errPaused
	}
	return nil
}

// rest puts the settings back and waits until people want the job to go on, or to end.
func (r *run) rest(ctx context.Context, h *host) error {
	if r.mayGoOn(ctx) == nil {
		return nil // resumed before all tables had ended
	}
	r.putBack(ctx, h)
	again := time.NewTicker(putBackEvery)
	defer again.Stop()
	for {
		want, changed, err := r.wish.get()
		if err == nil {
			err = r.skipWished(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		case want == WantRun:
			if r.job.State != JobPaused {
				return nil
			}
			return r.move(ctx, []JobState{JobPaused}, JobRunning, EventJobResumed, "resumed by a person", r.resumed(true))
		case r.job.State != JobPaused:
			if err := r.move(ctx, []JobState{JobRunning}, JobPaused, EventJobPaused, r.pausedBy(ctx), nil); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		case <-again.C:
			if len(unrestored(r.settings())) > 0 {
				r.putBack(ctx, h)
			}
		}
	}
}

// putBackEvery is how often it is tried again to put back, while nothing runs, what could not be.
const putBackEvery = time.Minute

// pausedBy is why a job pauses: another host of its request did not succeed, or a person wants it.
func (r *run) pausedBy(ctx context.Context) string {
	others, err := r.neighbours(ctx)
	if err != nil {
		r.log.Warn("other jobs not read", zap.Error(err))
	}
	for _, j := range others {
		if j.RequestID == r.job.RequestID && j.State.Final() && j.State != JobSucceeded {
			return "paused, because " + j.Host + " is " + string(j.State)
		}
	}
	return "paused by a person"
}

// putBack restores the settings while nothing runs. What fails is told, and tried again every minute
// and at the end.
func (r *run) putBack(ctx context.Context, h *host) {
	if err := r.restore(ctx, h); err != nil && !stopping(ctx, err) {
		r.log.Error("settings not restored", zap.Error(err))
		r.alert(ctx, AlertSetting, "A setting of "+h.plan.Name+" could not be put back for the pause. "+sentence(err))
	}
}
