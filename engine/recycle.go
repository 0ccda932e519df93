package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/throttle"
	"mysql-recycler/engine/topology"
)

// host is the server a job works on, looked at afresh when the job starts or is taken over.
type host struct {
	plan     HostPlan
	server   *dbconn.Server
	topology topology.Topology
	throttle *throttle.Throttle
	nodes    []*dbconn.Server // the throttle's further connections
}

func (h *host) close() error {
	errs := []error{h.server.Close()}
	for _, n := range h.nodes {
		errs = append(errs, n.Close())
	}
	return errors.Join(errs...)
}

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
	if refused, err := r.refuse(ctx, h); refused || err != nil {
		return err
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	work := r.workTables(ctx, h)
	if stopping(ctx, work) {
		return work
	}
	return r.finish(ctx, h, work)
}

// stopping reports whether this process (or its lease) is ending, rather than the job.
func stopping(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, ErrLeaseLost)
}

// reach opens the host and walks its cluster, waiting for a server that is away for a while.
func (r *run) reach(ctx context.Context) (*host, error) {
	access := r.o.Targets.Access(r.job.Cluster)
	if access == nil {
		return nil, &Problem{Code: "cluster_gone", Text: r.job.Cluster + " is no longer configured.", Next: "Add it back or ask again."}
	}
	i := r.hostIndex()
	if i < 0 {
		return nil, &Problem{Code: "plan_broken", Text: "The plan has no part for " + r.job.Host + "."}
	}
	h := &host{plan: r.job.Plan.Hosts[i]}
	told := false
	open := func() (*dbconn.Server, error) {
		s, err := access.Open(ctx, h.plan.Addr)
		var no *dbconn.NotAllowedError
		if errors.As(err, &no) {
			return nil, backoff.Permanent(err)
		}
		if err != nil && !told && ctx.Err() == nil {
			told = true
			r.notice(ctx, "warning", fmt.Sprintf("%s does not answer (%v); trying again for up to %s.", h.plan.Name, err, r.o.Reconnect))
		}
		return s, err
	}
	s, err := backoff.Retry(ctx, open, backoff.WithMaxElapsedTime(r.o.Reconnect))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", h.plan.Name, err)
	}
	h.server = s
	if h.topology, err = topology.Discover(ctx, access, h.plan.Addr, topology.Options{}); err != nil {
		return nil, errors.Join(fmt.Errorf("look at the cluster of %s: %w", h.plan.Name, err), h.close())
	}
	r.openThrottle(ctx, access, h)
	return h, nil
}

// openThrottle connects to the host's downstream replicas. One that cannot be reached throttles
// (fail closed) through the topology being partial, so it is only noted here.
func (r *run) openThrottle(ctx context.Context, access *dbconn.Access, h *host) {
	target := throttle.Node{Server: h.server, Name: h.plan.Name, Replica: true}
	if in, ok := h.topology.ByIdentity(h.plan.Identity); ok {
		target.Replica = len(in.Links) > 0
		for _, l := range in.Links {
			target.Delay = max(target.Delay, l.Delay)
		}
	}
	var down []throttle.Node
	if r.job.Plan.Mode == rebuild.BinlogOn { // binlog-off statements never reach a replica below
		for _, in := range h.topology.Downstream(h.plan.Identity) {
			s, err := access.Open(ctx, in.Addr)
			if err != nil {
				r.notice(ctx, "warning", fmt.Sprintf("The lag of %s cannot be watched: %v.", in.Name, err))
				continue
			}
			h.nodes = append(h.nodes, s)
			down = append(down, throttle.Node{Server: s, Name: in.Name, Replica: true})
		}
	}
	var disk throttle.DiskProbe
	if r.o.Disk != nil {
		disk = r.o.Disk(r.job.Cluster, h.plan.Name)
	}
	h.throttle = throttle.New(r.job.Plan.Limits, target, down, disk)
}

// endUnreached ends a job whose host could not be looked at. Nothing was executed there by this
// run; an earlier run's settings stay in the journal and are told.
func (r *run) endUnreached(ctx context.Context, err error) error {
	if stopping(ctx, err) {
		return err
	}
	reason := err.Error()
	var p *Problem
	if errors.As(err, &p) {
		reason = p.Sentence()
	}
	if len(unrestored(r.job.Settings)) > 0 {
		reason += "; settings changed earlier are still to be restored"
	}
	r.log.Error("host not reached", zap.Error(err))
	return r.end(ctx, JobFailed, EventJobFailed, reason, nil)
}

// refuse asks the guard on a session of the host before anything else happens there.
func (r *run) refuse(ctx context.Context, h *host) (bool, error) {
	s, err := h.server.Session(ctx)
	if err != nil {
		return true, r.endUnreached(ctx, err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			r.log.Warn("session not closed", zap.Error(err))
		}
	}()
	v, err := r.guard.Permit(ctx, s, h.topology, r.expect(h))
	if err == nil {
		return false, nil
	}
	if stopping(ctx, err) {
		return true, err
	}
	return true, r.end(ctx, JobRefused, EventJobRefused, refusal(v, err), v)
}

// expect is what the approved plan says of the host.
func (r *run) expect(h *host) guard.Expectation {
	p := r.job.Plan.Policy
	return guard.Expectation{
		Identity: h.plan.Identity, Role: h.plan.Role, Replicated: r.job.Plan.Mode == rebuild.BinlogOn,
		AllowPrimary: p.AllowPrimary, AllowErrant: p.AllowErrant, AllowPartial: p.AllowPartial,
	}
}

// begin tells that the job started, or goes on after an interruption.
func (r *run) begin(ctx context.Context) error {
	if r.job.Started.IsZero() {
		return r.move(ctx, []JobState{JobQueued}, JobRunning, EventJobStarted, "", nil)
	}
	return r.move(ctx, []JobState{JobQueued, JobRunning, JobPaused}, JobRunning, EventJobResumed, "", nil)
}

// workTables lifts what must be lifted and lets Parallel workers take the tables in order.
func (r *run) workTables(ctx context.Context, h *host) error {
	_, err := rebuild.Lift(ctx, h.server, r.job.Plan.Mode, func(c rebuild.Change) error {
		return r.setting(ctx, Setting{Change: c}, EventSettingChanged)
	})
	if err != nil {
		return fmt.Errorf("lift settings of %s: %w", h.plan.Name, err)
	}
	if err := r.reloadSettings(ctx); err != nil {
		return err
	}
	var g errgroup.Group // no shared context: a worker that fails has the others' statements killed, not left
	next := r.queue()
	for slot := range max(1, r.job.Plan.Parallel) {
		g.Go(func() error {
			err := r.worker(ctx, h, slot, next)
			if err != nil {
				r.wish.fail(err)
			}
			return err
		})
	}
	return g.Wait()
}

// queue hands out the steps that are not finished, each once.
func (r *run) queue() func() (*Step, bool) {
	var mu sync.Mutex
	i := 0
	return func() (*Step, bool) {
		mu.Lock()
		defer mu.Unlock()
		for i < len(r.job.Steps) {
			s := &r.job.Steps[i]
			i++
			if s.State == StepPending || s.State == StepRunning {
				return s, true
			}
		}
		return nil, false
	}
}

// worker owns one fence on the host and rebuilds one table after the other on it.
func (r *run) worker(ctx context.Context, h *host, slot int, next func() (*Step, bool)) error {
	var fence *rebuild.Fence
	defer func() {
		if fence != nil {
			if err := fence.Close(); err != nil {
				r.log.Warn("fence not closed", zap.Error(err))
			}
		}
	}()
	for {
		if err := r.pausePoint(ctx); err != nil {
			return err
		}
		s, ok := next()
		if !ok {
			return nil
		}
		for again := true; again; {
			err := r.pausePoint(ctx)
			if err == nil && fence == nil {
				fence, err = r.fence(ctx, h, slot)
			}
			if err == nil {
				again, err = r.step(ctx, h, fence, s)
			}
			if err != nil && !errors.Is(err, errPaused) {
				return err
			}
		}
	}
}

// fence takes one of the host's slots, waiting for whoever still rebuilds there.
func (r *run) fence(ctx context.Context, h *host, slot int) (f *rebuild.Fence, err error) {
	err = r.wish.unless(ctx, func(ctx context.Context) error {
		f, err = rebuild.Acquire(ctx, h.server, slot, func(holder string) {
			r.notice(ctx, "info", "Waiting for a rebuild that still runs on "+h.plan.Name+" ("+holder+").")
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("fence %s: %w", h.plan.Name, err)
	}
	return f, nil
}

// pausePoint waits between two tables while people want a pause, and ends when they want a cancel.
func (r *run) pausePoint(ctx context.Context) error {
	for {
		want, err, changed := r.wish.get()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		case want == WantRun:
			return r.turn(ctx, JobPaused, JobRunning, EventJobResumed, "resumed by a person")
		}
		if err := r.turn(ctx, JobRunning, JobPaused, EventJobPaused, "paused by a person"); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		}
	}
}

// turn moves the job between running and paused, once for all its workers.
func (r *run) turn(ctx context.Context, from, to JobState, kind EventKind, reason string) error {
	r.turning.Lock()
	defer r.turning.Unlock()
	if r.job.State != from {
		return nil
	}
	return r.move(ctx, []JobState{from}, to, kind, reason, nil)
}

// hostIndex finds this job's host in the plan; -1 if it is not there.
func (r *run) hostIndex() int {
	for i, h := range r.job.Plan.Hosts {
		if h.Name == r.job.Host {
			return i
		}
	}
	return -1
}

// refusal puts a guard's findings, or its error, into one reason.
func refusal(v guard.Verdict, err error) string {
	if rs := v.Reasons(); len(rs) > 0 {
		return rs[0]
	}
	return err.Error()
}
