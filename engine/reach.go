package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/zap"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/throttle"
	"mysql-recycler/engine/topology"
)

// host is the server a job works on, looked at afresh when the job starts or is taken over, and
// after a pause.
type host struct {
	plan      HostPlan
	heartbeat topology.Heartbeat
	before    *topology.Topology // as discovered
	access    *dbconn.Access
	server    *dbconn.Server
	topology  topology.Topology
	throttle  *throttle.Throttle
	nodes     []*dbconn.Server // the throttle's further connections
}

func (h *host) close() error {
	errs := []error{h.server.Close()}
	for _, n := range h.nodes {
		errs = append(errs, n.Close())
	}
	return errors.Join(errs...)
}

// look walks the cluster again.
func (h *host) look(ctx context.Context) error {
	t, err := topology.Discover(ctx, h.access, h.plan.Addr, topology.Options{Heartbeat: h.heartbeat, Before: h.before})
	if err != nil {
		return fmt.Errorf("look at the cluster of %s: %w", h.plan.Name, err)
	}
	h.topology = t
	return nil
}

// reach opens the host and walks its cluster, waiting for a server that is away for a while.
func (r *run) reach(ctx context.Context) (*host, error) {
	access := r.access
	if access == nil {
		return nil, &Problem{Code: "cluster_gone", Text: r.job.Cluster + " is no longer configured.", Next: "Add it back or ask again."}
	}
	i := r.hostIndex()
	if i < 0 {
		return nil, &Problem{Code: "plan_broken", Text: "The plan has no part for " + r.job.Host + "."}
	}
	before, err := r.before(ctx)
	if err != nil {
		return nil, err
	}
	h := &host{plan: r.job.Plan.Hosts[i], access: access, before: before}
	if t, err := r.o.Targets.Find(r.job.Cluster); err == nil {
		h.heartbeat = t.Settings.Heartbeat
	}
	told := false
	open := func() (*dbconn.Server, error) {
		s, err := access.Open(ctx, h.plan.Addr)
		var no *dbconn.NotAllowedError
		if errors.As(err, &no) {
			return nil, backoff.Permanent(err)
		}
		if err != nil && !told && ctx.Err() == nil {
			told = true
			r.log.Warn("host does not answer", zap.String("instance", h.plan.Name), zap.Error(err))
			r.notice(ctx, "warning", fmt.Sprintf("%s Trying again for up to %s.", sentence(err), r.o.Reconnect))
		}
		return s, err
	}
	s, err := backoff.Retry(ctx, open, backoff.WithMaxElapsedTime(r.o.Reconnect))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", h.plan.Name, err)
	}
	h.server = s
	if err := h.look(ctx); err != nil {
		return nil, errors.Join(err, h.close())
	}
	r.openThrottle(ctx, h)
	return h, nil
}

// openThrottle connects to the host's downstream replicas. One that cannot be reached throttles
// (fail closed) through the topology being partial, so it is only noted here.
func (r *run) openThrottle(ctx context.Context, h *host) {
	target := throttle.Node{Server: h.server, Name: h.plan.Name, Replica: true, Heartbeat: h.heartbeat}
	if in, ok := h.topology.ByIdentity(h.plan.Identity); ok {
		target.Replica = len(in.Links) > 0
		for _, l := range in.Links {
			target.Delay = max(target.Delay, l.Delay)
		}
	}
	var down []throttle.Node
	if r.job.Plan.Mode == rebuild.BinlogOn { // binlog-off statements never reach a replica below
		for _, in := range h.topology.Downstream(h.plan.Identity) {
			s, err := h.access.Open(ctx, in.Addr)
			if err != nil {
				r.log.Warn("downstream replica not reached", zap.String("instance", in.Name), zap.Error(err))
				r.notice(ctx, "warning", fmt.Sprintf("The lag of %s cannot be watched. %s", in.Name, sentence(err)))
				continue
			}
			h.nodes = append(h.nodes, s)
			down = append(down, throttle.Node{Server: s, Name: in.Name, Replica: true, Heartbeat: h.heartbeat})
		}
	}
	h.throttle = throttle.New(r.job.Plan.Limits, target, down, r.disks(r.job.Cluster, h.plan.Name, h.server))
}

// disks tell a host's free space: the server where it can, else the configuration.
func (d *Dispatcher) disks(cluster, host string, s *dbconn.Server) throttle.Disks {
	data, temp := throttle.FirstKnown{throttle.DisksPlugin{Server: s}}, throttle.FirstKnown{throttle.DisksPlugin{Server: s, Temp: true}}
	if d.o.Disks != nil {
		more := d.o.Disks(cluster, host)
		data, temp = append(data, more.Data...), append(temp, more.Temp...)
	}
	return throttle.Disks{Data: data, Temp: temp}
}

// endUnreached ends a job whose host could not be looked at. Nothing was executed there by this
// run; an earlier run's settings stay in the journal and are told.
func (r *run) endUnreached(ctx context.Context, err error) error {
	if stopping(ctx, err) {
		return err
	}
	reason := sentence(err)
	if len(unrestored(r.settings())) > 0 {
		reason += " Settings changed earlier are still to be restored; that is tried again every minute."
	}
	r.log.Error("host not reached", zap.Error(err))
	return r.end(ctx, JobFailed, EventJobFailed, reason, nil)
}

// refused asks the guard on a session of the host: a *guard.Refused, or why it could not be asked.
func (r *run) refused(ctx context.Context, h *host) error {
	if err := r.promised(); err != nil {
		return err
	}
	s, err := h.server.Session(ctx)
	if err != nil {
		return fmt.Errorf("ask the guard on %s: %w", h.plan.Name, err)
	}
	_, err = r.guard.Permit(ctx, s, h.topology, r.expect(h))
	if cerr := s.Close(); cerr != nil {
		r.log.Warn("session not closed", zap.Error(cerr))
	}
	return err
}

// expect is what the approved plan says of the host, and whether we stopped appliers there.
func (r *run) expect(h *host) guard.Expectation {
	e := r.job.Plan.Policy.expect()
	e.Identity, e.Role, e.Replicated = h.plan.Identity, h.plan.Role, r.job.Plan.Mode == rebuild.BinlogOn
	e.Stopped = stoppedChannels(r.settings())
	return e
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
	return sentence(err)
}
