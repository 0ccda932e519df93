package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/zap"

	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/rebuild"
)

// worker rebuilds one table after the other in one slot of the host.
type worker struct {
	*run
	h       *host
	slot    int
	fence   *rebuild.Fence
	lookout *guard.Lookout // beside its statements
	began   bool           // it had a fence before
}

// walk takes tables until there is none left, or none may be started.
func (w *worker) walk(ctx context.Context, q *steps) (err error) {
	defer func() {
		w.lookout.Close()
		if err := w.close(); err != nil {
			w.log.Warn("fence not closed", zap.Error(err))
		}
	}()
	for {
		if err := w.mayGoOn(ctx); err != nil {
			return err
		}
		s, err := q.next(w.slot)
		if s == nil {
			return err
		}
		for again := true; again; {
			if err := w.mayGoOn(ctx); err != nil {
				return err
			}
			if again, err = w.step(ctx, s); err != nil {
				return err
			}
		}
	}
}

// open makes sure of the fence: the server ends its session when it was idle for ten minutes, for
// instance while the throttle held a table back, and a server that went down took it along. It is
// taken again, for as long as a lost server is waited for. A wish to skip the table s
// ends the wait, except for a server that was lost under it: there it has to be known first.
func (w *worker) open(ctx context.Context, s *Step) error {
	seq := s.Seq
	if s.tried.lost {
		seq = 0
	}
	if w.fence != nil {
		var one int
		if err := w.fence.Session().QueryRowContext(ctx, "SELECT 1").Scan(&one); err == nil {
			return nil
		}
		w.drop()
	}
	return w.wish.unless(ctx, seq, func(ctx context.Context) error {
		f, err := backoff.Retry(ctx, func() (*rebuild.Fence, error) {
			return rebuild.Acquire(ctx, w.h.server, w.slot, func(holder string) {
				w.notice(ctx, "info", "Waiting for a rebuild that still runs on "+w.h.plan.Name+" ("+holder+").")
			})
		}, backoff.WithMaxElapsedTime(w.o.Reconnect))
		if err != nil {
			return fmt.Errorf("fence %s: %w", w.h.plan.Name, err)
		}
		w.fence = f
		if !w.began {
			w.began = true
			return nil
		}
		// A server that went down came back with the settings of its own configuration.
		if err := w.refused(ctx, w.h); err != nil {
			return err
		}
		return w.lift(ctx, w.h)
	})
}

// drop gives up a fence whose session is lost.
func (w *worker) drop() {
	if err := w.close(); err != nil {
		w.log.Debug("lost fence", zap.Error(err))
	}
}

func (w *worker) close() error {
	f := w.fence
	w.fence = nil
	if f == nil {
		return nil
	}
	return f.Close()
}

// settleAll decides what became of steps that an earlier run began, when this job is to end without
// taking them up: it was cancelled or refused, or failed. What still runs is killed. The answer is
// why the job ends.
func (r *run) settleAll(ctx context.Context, h *host, cause error) error {
	if cause == nil {
		return nil
	}
	for i := range r.job.Steps {
		if s := &r.job.Steps[i]; s.State == StepRunning {
			if err := r.settle(ctx, h, s, 0, cause); err != nil {
				return errors.Join(cause, err)
			}
		}
	}
	return cause
}

// settleLimit bounds how long a killed statement is waited for.
const settleLimit = 2 * time.Minute

// settle kills what still runs of a step and stores its end. slot is one in which no worker holds
// the fence.
func (r *run) settle(ctx context.Context, h *host, s *Step, slot int, cause error) error {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	ours, err := rebuild.FindOurs(ctx, h.server)
	if err != nil {
		return r.fail(ctx, s, StepUnknown, EventStepUnknown, rebuild.Unknown, err)
	}
	for _, o := range ours {
		if o.Job != r.job.ID || o.Step != s.Seq || s.Plan.Method.Kind == rebuild.Optimize { // which a kill damages
			continue
		}
		if err := h.server.KillQuery(ctx, o.ConnectionID, rebuild.Tag(o.Job, o.Step)); err != nil {
			r.log.Warn("statement not killed", zap.String("instance", h.plan.Name), zap.Error(err))
		}
	}
	f, err := rebuild.Acquire(ctx, h.server, slot, nil)
	if err != nil {
		return r.fail(ctx, s, StepUnknown, EventStepUnknown, rebuild.Unknown, err)
	}
	ended, end := context.WithCancelCause(context.WithoutCancel(ctx))
	end(cause) // nothing new may be run: only what is there is decided
	res, err := f.Run(ended, r.task(s), r.hooks(ctx, h, h.throttle, s))
	if cerr := f.Close(); cerr != nil {
		r.log.Warn("fence not closed", zap.Error(cerr))
	}
	var no *guard.Refused
	switch {
	case res.Outcome == rebuild.Done || res.Outcome == rebuild.Adopted:
		return r.done(ctx, s, res)
	case res.Outcome == rebuild.Unknown:
		return r.fail(ctx, s, StepUnknown, EventStepUnknown, rebuild.Unknown, err)
	case errors.As(cause, &no):
		return r.fail(ctx, s, StepRefused, EventStepFailed, rebuild.Killed, cause)
	}
	s.Mark = rebuild.Mark{}
	return r.store(ctx, s, StepPending, "", StepRunning)
}
