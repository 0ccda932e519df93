package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/rebuild"
)

// finish puts the host's settings back and stores how the job ended.
func (r *run) finish(ctx context.Context, h *host, work error) error {
	restored := r.restore(ctx, h)
	if stopping(ctx, restored) {
		return restored
	}
	if restored != nil {
		r.log.Error("settings not restored", zap.Error(restored))
		r.notice(ctx, "alert", fmt.Sprintf("A setting of %s could not be put back: %v.", h.plan.Name, restored))
	}
	var refused *guard.Refused
	switch {
	case errors.Is(work, errCancelled):
		return r.end(ctx, JobCancelled, EventJobCancelled, "cancelled by a person", nil)
	case errors.As(work, &refused):
		return r.end(ctx, JobRefused, EventJobRefused, refusal(refused.Verdict, work), refused.Verdict)
	case work != nil:
		return r.end(ctx, JobFailed, EventJobFailed, sentence(work), nil)
	}
	if n := r.count(StepFailed, StepUnknown, StepRefused); n > 0 {
		return r.end(ctx, JobFailed, EventJobFailed, fmt.Sprintf("%d of %d tables failed", n, len(r.job.Steps)), nil)
	}
	if restored != nil {
		return r.end(ctx, JobFailed, EventJobFailed, "all tables are done, but a setting of "+h.plan.Name+" could not be put back", nil)
	}
	return r.end(ctx, JobSucceeded, EventJobCompleted, "", nil)
}

// restoreLimit is how long settings are tried to be put back before the job ends without it and
// says so; the journal keeps them for the next job on the host.
const restoreLimit = 10 * time.Minute

// restore puts back every setting that this job, in this or an earlier run, changed. On a host that
// became a primary nothing is put back: making it read-only would stop the application.
func (r *run) restore(ctx context.Context, h *host) error {
	if err := r.reloadSettings(ctx); err != nil {
		return err
	}
	open := unrestored(r.job.Settings)
	if len(open) == 0 {
		return nil
	}
	still := func(ctx context.Context) error { return r.stillReplica(ctx, h) }
	ctx, cancel := context.WithTimeout(ctx, restoreLimit)
	defer cancel()
	err := rebuild.Restore(ctx, h.server, open, still, func(c rebuild.Change) error {
		return r.setting(ctx, Setting{Change: c, Restored: true}, EventSettingRestored)
	})
	if errors.Is(err, rebuild.ErrPromoted) {
		r.notice(ctx, "alert", sentence(err))
		return nil
	}
	return err
}

// stillReplica asks the guard afresh, on an own session.
func (r *run) stillReplica(ctx context.Context, h *host) error {
	s, err := h.server.Session(ctx)
	if err != nil {
		return fmt.Errorf("look at %s: %w", h.plan.Name, err)
	}
	_, err = r.guard.Permit(ctx, s, h.topology, r.expect(h))
	return errors.Join(err, s.Close())
}

// setting stores a change of a server setting with its event.
func (r *run) setting(ctx context.Context, s Setting, kind EventKind) error {
	e, err := r.event(kind, 0, s)
	if err != nil {
		return err
	}
	if err := r.o.Journal.SetSetting(ctx, r.lease, s, e); err != nil {
		return fmt.Errorf("store setting %s of %s: %w", s.Name, r.job.ID, err)
	}
	return nil
}

// reloadSettings reads the settings as stored: the journal, not memory, knows what is to be restored.
func (r *run) reloadSettings(ctx context.Context) error {
	j, err := r.o.Journal.Job(ctx, r.job.ID)
	if err != nil {
		return fmt.Errorf("load settings of %s: %w", r.job.ID, err)
	}
	r.job.Settings = j.Settings
	return nil
}

func unrestored(ss []Setting) (open []rebuild.Change) {
	for _, s := range ss {
		if !s.Restored {
			open = append(open, s.Change)
		}
	}
	return open
}

// count counts the steps in any of the states.
func (r *run) count(states ...StepState) (n int) {
	for _, s := range r.job.Steps {
		for _, st := range states {
			if s.State == st {
				n++
			}
		}
	}
	return n
}

// sentence is what people read of an error: its own sentence where it has one.
func sentence(err error) string {
	var p interface{ Sentence() string }
	if errors.As(err, &p) {
		return p.Sentence()
	}
	return err.Error()
}
