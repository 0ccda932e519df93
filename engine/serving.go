package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/throttle"
	"mysql-recycler/engine/topology"
)

// caughtUp is how far a replica may be behind and still count as serving, where the plan has no
// limit of its own.
const caughtUp = 10 * time.Second

// servingEvery is the time between two walks over the cluster while a host waits for others.
const servingEvery = 3 * time.Second

// serve waits until the host may leave service: no more hosts of the cluster are worked on than may be
// at once, whoever asked for them; enough other replicas of its tier serve; and the hosts of this
// request that are done have caught up. A host that has too few others is refused.
func (r *run) serve(ctx context.Context, h *host) error {
	return r.guarded(ctx, h, 0, func(ctx context.Context) error {
		told := &teller{r: r, ctx: ctx}
		for {
			others, err := r.neighbours(ctx)
			if err != nil {
				return err
			}
			v, err := r.serving(h, others)
			if err != nil {
				return err
			}
			told.hear(v)
			if !v.Throttled {
				return nil
			}
			if err := sleep(ctx, servingEvery); err != nil {
				return err
			}
			if err := h.look(ctx); err != nil && ctx.Err() == nil {
				r.log.Warn("cluster not walked", zap.Error(err)) // the last walk still holds it back
			}
		}
	})
}

// neighbours are the other jobs of this cluster that count for this one.
func (r *run) neighbours(ctx context.Context) ([]Job, error) {
	if r.o.Neighbours == nil {
		return nil, nil
	}
	all, err := r.o.Neighbours.Neighbours(ctx, r.job.Cluster, r.job.RequestID)
	if err != nil {
		return nil, fmt.Errorf("look for other jobs on %s: %w", r.job.Cluster, err)
	}
	var others []Job
	for _, j := range all {
		if j.ID == r.job.ID {
			r.job.Started = j.Started // the database's clock, as the others see it
			continue
		}
		others = append(others, j)
	}
	return others, nil
}

// serving compares who serves with who must.
func (r *run) serving(h *host, others []Job) (throttle.Verdict, error) {
	var v throttle.Verdict
	tiers, err := company(h.topology(), h.plan.Identity, r.job.Plan.MinServing)
	if err != nil {
		return v, err
	}
	hold := func(x throttle.Reason) { v.Throttled, v.Reasons = true, append(v.Reasons, x) }
	away := map[string]bool{} // hosts that left service before this one
	var busy []string         // those of them that are worked on now
	for _, j := range others {
		switch {
		case j.State.Final() && j.RequestID == r.job.RequestID && !j.Started.IsZero():
			if in, ok := h.topology().Find(j.Host); !ok || !r.serves(in) {
				hold(r.behind(j.Host, in))
			}
		case (j.State == JobRunning || j.State == JobPaused) && before(j, r.job):
			away[j.Host] = true
			if j.State == JobRunning {
				busy = append(busy, j.Host+" ("+j.ID+")")
			}
		}
	}
	if most := max(1, r.job.Plan.Bounds.AtOnce); len(busy) >= most {
		hold(throttle.Reason{Metric: metricBusy, Value: float64(len(busy) + 1), Limit: float64(most), Where: r.job.Cluster, Detail: strings.Join(busy, ", ")})
	}
	want := r.job.Plan.MinServing
	for source, tier := range tiers {
		n := 0
		for _, in := range tier {
			if r.serves(in) && !away[in.Name] {
				n++
			}
		}
		if n < want {
			hold(throttle.Reason{Metric: metricServing, Value: float64(want - n), Where: source,
				Detail: fmt.Sprintf("%d of the replicas must serve beside %s, %d do", want, h.plan.Name, n)})
		}
	}
	return v, nil
}

// before orders two jobs that want to leave service: who started first goes first, and counts as
// away for who comes later, so that two who look at the same moment do not both go.
func before(a, b Job) bool {
	if !a.Started.Equal(b.Started) {
		return a.Started.Before(b.Started)
	}
	return a.ID < b.ID
}

// company is of whom want must serve while a host is away: the other replicas of each of its sources,
// by source, and where one has fewer, all other replicas of the cluster. Where those are too few as
// well, nothing that could be waited for would leave enough serving: a *Problem. A host that is not in
// the walk is for the guard to refuse.
func company(t topology.Topology, id dbconn.Identity, want int) (map[string][]topology.Instance, error) {
	in, ok := t.ByIdentity(id)
	if !ok || want == 0 {
		return nil, nil
	}
	other := func(all []topology.Instance) []topology.Instance {
		return slices.DeleteFunc(slices.Clone(all), func(o topology.Instance) bool {
			return len(o.Links) == 0 && o.Reached || o.Identity == in.Identity && o.Reached
		})
	}
	out := map[string][]topology.Instance{}
	for _, l := range in.Links {
		id, name := l.SourceIdentity, l.Source.String()
		if source, ok := sourceOf(t, id, l.Source); ok {
			id, name = source.Identity, source.Name
		}
		if out[name] = other(t.Downstream(id)); len(out[name]) >= want {
			continue
		}
		if out[name] = other(t.Instances); len(out[name]) < want {
			return nil, fewOthers(in.Name, len(out[name]), want)
		}
	}
	return out, nil
}

// fewOthers is the refusal of a host that has fewer other replicas than must serve.
func fewOthers(host string, others, want int) *Problem {
	text := fmt.Sprintf("Beside %s there are %d replicas, and %d must serve while it is rebuilt.", host, others, want)
	switch others {
	case 0:
		text = host + " is the only replica of its cluster: none would serve while it is rebuilt."
	case 1:
		text = fmt.Sprintf("Beside %s there is one replica, and %d must serve while it is rebuilt.", host, want)
	}
	return &Problem{Code: "too_few_replicas", Text: text,
		Next: fmt.Sprintf("Add a replica, or set rebuild.min_serving of the cluster to %d if nobody misses more.", others)}
}

// sourceOf finds a source in a walk by its identity, or by its address where the replica does not
// tell whom it reads from.
func sourceOf(t topology.Topology, id dbconn.Identity, addr dbconn.Addr) (topology.Instance, bool) {
	if in, ok := t.ByIdentity(id); ok {
		return in, true
	}
	return t.Find(addr.String())
}

// serves reports whether a replica answers, replicates and is not far behind.
func (r *run) serves(in topology.Instance) bool {
	if !in.Reached || len(in.Links) == 0 {
		return false
	}
	for _, l := range in.Links {
		if !l.Running() || l.Lag == nil || l.Lag.Seconds > (r.maxLag()+l.Delay).Seconds() {
			return false
		}
	}
	return true
}

func (r *run) maxLag() time.Duration {
	if l := r.job.Plan.Limits.MaxLag; l > 0 {
		return l
	}
	return caughtUp
}

// behind is the reason of a host that was rebuilt and has not caught up yet.
func (r *run) behind(name string, in topology.Instance) throttle.Reason {
	x := throttle.Reason{Metric: throttle.MetricLag, Value: -1, Limit: r.maxLag().Seconds(), Unit: "s", Where: name}
	switch lag, ok := in.Lag(); {
	case !in.Reached:
		x.Detail = "it does not answer"
	case !ok:
		x.Detail = "it does not replicate"
	default:
		x.Value = lag.Seconds
	}
	return x
}
