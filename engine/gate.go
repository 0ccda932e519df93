package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/throttle"
)

// Metrics of the reasons that are not the throttle's.
const (
	metricForeign = "foreign_work"       // statements of others
	metricServing = "replicas_missing"   // of those that must serve beside the host
	metricBusy    = "hosts_at_once"      // hosts of the cluster that are worked on
	metricWindow  = "maintenance_window" // minutes
)

// gateEvery is the time between two looks at what holds a start back.
const gateEvery = 2 * time.Second

// await blocks until the throttle and what others do on the host let the table start; each change
// of reasons is a fact. stopped says that the applier is stopped by us.
func (r *run) await(ctx context.Context, h *host, gate *throttle.Throttle, s *Step, stopped bool) error {
	return r.guarded(ctx, h, s.Seq, func(ctx context.Context) error {
		told := &teller{r: r, ctx: ctx, step: s.Seq}
		for {
			if err := gate.Wait(ctx, r.need(h, s, stopped), told.hear); err != nil {
				return err
			}
			v := r.foreign(ctx, h)
			told.hear(v)
			if !v.Throttled {
				return nil
			}
			if err := sleep(ctx, gateEvery); err != nil {
				return err
			}
		}
	})
}

// guarded runs what waits for a start beside the wish and the guard: a host that stops being a
// replica would otherwise be waited for in vain, because it has no lag any more that could fall. seq is
// the table that waits; 0: the host.
func (r *run) guarded(ctx context.Context, h *host, seq int, wait func(context.Context) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var g errgroup.Group
	g.Go(func() error {
		for sleep(ctx, gateEvery) == nil {
			var no *guard.Refused
			if err := r.refused(ctx, h); errors.As(err, &no) && no.Verdict.Known() && ctx.Err() == nil {
				stop(no)
				return nil
			}
		}
		return nil
	})
	err := r.wish.unless(ctx, seq, wait)
	why := context.Cause(ctx)
	stop(nil)
	_ = g.Wait() // it answers through the context
	var no *guard.Refused
	if err != nil && errors.As(why, &no) {
		return no
	}
	return err
}

// teller tells verdicts, each once, and the end of waiting.
type teller struct {
	r    *run
	ctx  context.Context //nolint:containedctx // lives for one wait
	step int             // the table that waits; 0: the host
	last string
}

// hear tells a verdict whose reasons are new. A verdict's values change with every look; what a
// person has to know is what it waits for.
func (t *teller) hear(v throttle.Verdict) {
	is := ""
	for _, x := range v.Reasons {
		is += x.Metric + " " + x.Where + " " + x.Detail + ";"
	}
	if is == t.last || t.ctx.Err() != nil {
		return
	}
	t.last = is
	e, err := t.r.event(EventJobThrottled, t.step, v)
	if err == nil {
		err = t.r.o.Journal.SetJob(t.ctx, t.r.lease, JobChange{Event: e})
	}
	if err != nil {
		t.r.log.Error("throttle not told", zap.Error(err))
	}
}

// foreign holds a table back while others change tables or take a backup on the host, and says
// who. A process list that cannot be read holds back as well.
func (r *run) foreign(ctx context.Context, h *host) throttle.Verdict {
	x := throttle.Reason{Metric: metricForeign, Where: h.plan.Name}
	list, err := rebuild.Foreign(ctx, h.server)
	switch {
	case err != nil:
		r.log.Warn("process list not read", zap.String("instance", h.plan.Name), zap.Error(err))
		x.Value, x.Detail = -1, sentence(err)
	case len(list) == 0:
		return throttle.Verdict{}
	default:
		x.Value = float64(len(list))
		who := make([]string, len(list))
		for i, f := range list {
			who[i] = fmt.Sprintf("%s (connection %d)", f.Info, f.ConnectionID)
		}
		x.Detail = strings.Join(who, ", ")
	}
	return throttle.Verdict{Throttled: true, Reasons: []throttle.Reason{x}}
}

// untilOpen puts the settings back and waits until the maintenance window opens.
func (r *run) untilOpen(ctx context.Context, h *host) error {
	r.putBack(ctx, h)
	err := r.wish.unless(ctx, 0, func(ctx context.Context) error {
		told := &teller{r: r, ctx: ctx}
		defer told.hear(throttle.Verdict{})
		for tried := time.Now(); ; {
			if err := r.skipWished(ctx); err != nil {
				return err
			}
			if len(unrestored(r.settings())) > 0 && time.Since(tried) > putBackEvery {
				r.putBack(ctx, h)
				tried = time.Now()
			}
			if r.anyFits() || r.count(StepPending) == 0 {
				return nil
			}
			told.hear(r.closed(h))
			if err := sleep(ctx, gateEvery); err != nil {
				return err
			}
		}
	})
	if err == nil || r.mayGoOn(ctx) == nil {
		return err
	}
	return nil // a wish: the next shift finds it
}

// anyFits reports whether some table that is left can be started now.
func (r *run) anyFits() bool {
	for i := range r.job.Steps {
		if s := &r.job.Steps[i]; s.State == StepPending && r.fits(s) {
			return true
		}
	}
	return false
}

// closed is the reason of a closed window: the shortest table that is left against the time left.
func (r *run) closed(h *host) throttle.Verdict {
	var need time.Duration
	for i := range r.job.Steps {
		if s := &r.job.Steps[i]; s.State == StepPending && (need == 0 || r.expected(s) < need) {
			need = r.expected(s)
		}
	}
	w, now := r.job.Plan.Bounds.Window, r.o.Now()
	open, end := w.Next(now)
	x := throttle.Reason{Metric: metricWindow, Value: minutes(need), Unit: "min", Where: h.plan.Name}
	if now.Before(open) {
		x.Detail = "opens " + open.Format("Mon 15:04 MST")
	} else {
		x.Limit = float64(end.Sub(now) / time.Minute)
		next, _ := w.Next(end)
		x.Detail = "opens again " + next.Format("Mon 15:04 MST")
	}
	return throttle.Verdict{Throttled: true, Reasons: []throttle.Reason{x}}
}

// minutes rounds up, so that something is never shown as nothing.
func minutes(d time.Duration) float64 {
	return float64((d + time.Minute - 1) / time.Minute)
}

// sleep waits, or answers the context's cause.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
