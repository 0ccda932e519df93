package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

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
	throttle  *throttle.Throttle
	load      load             // what the throttles of its workers are made of
	nodes     []*dbconn.Server // the throttle's further connections
	claims    claims           // tables under way, for the free disk

	seen   sync.Mutex // guards walked: waiting walks again while the guard is asked
	walked topology.Topology
}

// topology is the newest walk.
func (h *host) topology() topology.Topology {
	h.seen.Lock()
	defer h.seen.Unlock()
	return h.walked
}

// itself is the host in the newest walk.
func (h *host) itself() (topology.Instance, bool) {
	return h.topology().ByIdentity(h.plan.Identity)
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
	h.seen.Lock()
	defer h.seen.Unlock()
	h.walked = t
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
	if err := r.openThrottle(ctx, h); err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

// load is what a host's throttles look at.
type load struct {
	target     throttle.Node
	downstream []throttle.Node
	disks      throttle.Disks
}

// openThrottle connects to all replicas below the host, which a logged statement reaches one tier
// after the other; binlog-off statements never do. One that cannot be watched ends the job, unless
// the approver accepted a topology known in part.
func (r *run) openThrottle(ctx context.Context, h *host) error {
	l := load{target: r.watched(h, h.plan.Name, h.server, topology.Instance{}), disks: r.disks(r.job.Cluster, h.plan.Name, h.server)}
	if in, ok := h.itself(); ok {
		l.target = r.watched(h, h.plan.Name, h.server, in)
		l.target.Replica = len(in.Links) > 0
	}
	if r.job.Plan.Mode == rebuild.BinlogOn {
		for _, in := range subtree(h.topology(), h.plan.Identity) {
			s, err := h.access.Open(ctx, in.Addr)
			if err != nil && !r.job.Plan.Policy.AllowPartial {
				return fmt.Errorf("watch the lag of %s: %w", in.Name, err)
			}
			if err != nil {
				r.log.Warn("downstream replica not reached", zap.String("instance", in.Name), zap.Error(err))
				r.notice(ctx, "warning", fmt.Sprintf("The lag of %s cannot be watched. %s", in.Name, sentence(err)))
				continue
			}
			h.nodes = append(h.nodes, s)
			l.downstream = append(l.downstream, r.watched(h, in.Name, s, in))
		}
	}
	h.load = l
	h.throttle = throttle.New(r.job.Plan.Limits, l.target, l.downstream, l.disks)
	return nil
}

// watched is a replica whose lag counts, less the delay it keeps on purpose.
func (r *run) watched(h *host, name string, s *dbconn.Server, in topology.Instance) throttle.Node {
	n := throttle.Node{Server: s, Name: name, Replica: true, Heartbeat: h.heartbeat}
	for _, l := range in.Links {
		n.Delay = max(n.Delay, l.Delay)
	}
	return n
}

// subtree are all servers below one, each once; a ring ends where it began.
func subtree(t topology.Topology, id dbconn.Identity) (below []topology.Instance) {
	seen := map[dbconn.Identity]bool{id: true}
	for next := t.Downstream(id); len(next) > 0; next = next[1:] {
		if in := next[0]; !seen[in.Identity] || in.Identity == "" {
			seen[in.Identity] = true
			below = append(below, in)
			if in.Identity != "" {
				next = append(next, t.Downstream(in.Identity)...)
			}
		}
	}
	return below
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

// refused asks whether the host may be worked on: a *guard.Refused, or why it could not be asked.
func (r *run) refused(ctx context.Context, h *host) error {
	if err := errors.Join(r.promised(), r.sameVersion(h)); err != nil {
		return err
	}
	return r.permitted(ctx, h, r.expect(h))
}

// sameVersion refuses a server that was upgraded since the plan was made: how its tables can be
// rebuilt, and what can go wrong, was chosen for the version that the approver saw.
func (r *run) sameVersion(h *host) error {
	if now := h.server.Version.String(); now != h.plan.Version {
		return refusedBy("version", r.job.Host, fmt.Sprintf("%s runs %s now; the plan was made for %s", h.plan.Name, now, h.plan.Version), "")
	}
	return nil
}

// stillReplica asks whether settings may be put back: only whether the host became a primary counts,
// not what else changed around it since the plan was made. What cannot be learned is asked again.
func (r *run) stillReplica(ctx context.Context, h *host) error {
	e := r.expect(h)
	e.Role, e.AllowPartial = "", true
	err := r.permitted(ctx, h, e)
	var no *guard.Refused
	if err == nil || errors.As(err, &no) && no.Verdict.Known() {
		return err
	}
	return errors.Join(rebuild.ErrUnsure, err)
}

// permitted asks the guard on a session of the host.
func (r *run) permitted(ctx context.Context, h *host, e guard.Expectation) error {
	s, err := h.server.Session(ctx)
	if err != nil {
		return fmt.Errorf("ask the guard on %s: %w", h.plan.Name, err)
	}
	_, err = r.guard.Permit(ctx, s, h.topology(), e)
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
