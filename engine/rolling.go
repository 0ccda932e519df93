package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/topology"
)

// rolling plans all replicas of a cluster, leaves first: what is below a server is done before the
// server itself, so that a chain is never worked on from both ends. Servers that are left alone are
// in the plan with the reason.
func (p *Planner) rolling(ctx context.Context, s PlanSpec) (Plan, error) {
	cluster := s.Target.Cluster
	d, err := p.Discoveries.NewestDiscovery(ctx, cluster, "")
	if errors.Is(err, ErrNotFound) {
		return Plan{}, &Problem{Code: "no_snapshot", Text: "There is no approved discovery of " + cluster + " yet.",
			Next: "Discover it first: discover " + cluster}
	}
	if err != nil {
		return Plan{}, fmt.Errorf("plan %s: %w", cluster, err)
	}
	if err := p.fresh(s, cluster, d); err != nil {
		return Plan{}, err
	}
	plan := p.frame(s)
	plan.Snapshot = d.At
	var unseen []string
	for _, in := range leavesFirst(d.Topology) {
		hp, seen, reason, err := p.member(ctx, s, in)
		switch {
		case err != nil:
			return Plan{}, err
		case reason != "":
			plan.Left = append(plan.Left, LeftOut{Name: in.Name, Reason: reason, Primary: in.Role == topology.RolePrimary})
		case len(hp.Steps) == 0:
			unseen = append(unseen, in.Name)
		default:
			plan.Hosts = append(plan.Hosts, hp)
			if seen.At.Before(plan.Snapshot) {
				plan.Snapshot = seen.At
			}
		}
	}
	if len(unseen) > 0 {
		return Plan{}, &Problem{Code: "no_snapshot", Text: "There is no fresh inventory of " + strings.Join(unseen, ", ") + ".",
			Next: "Discover the whole cluster: discover " + cluster}
	}
	if len(plan.Hosts) == 0 {
		return Plan{}, nobody(d.Topology, plan)
	}
	if err := p.hours(s, &plan.Bounds); err != nil {
		return Plan{}, err
	}
	return plan, p.bound(&plan)
}

// member plans one server of a cluster. reason says why it is left alone; without a reason and
// without tables its inventory is missing or too old.
func (p *Planner) member(ctx context.Context, s PlanSpec, in topology.Instance) (HostPlan, Discovery, string, error) {
	switch {
	case in.Role == topology.RolePrimary:
		return HostPlan{}, Discovery{}, "it is the primary; after the next switchover it can be done as a replica", nil
	case !in.Reached:
		return HostPlan{}, Discovery{}, "the discovery did not reach it: " + in.Unreached, nil
	case s.Rest != nil && len(s.Rest.tables[in.Name]) == 0:
		return HostPlan{}, Discovery{}, s.Rest.Request + " left nothing undone on it", nil
	case len(in.Links) == 0:
		return HostPlan{}, Discovery{}, "it is no replica (" + string(in.Role) + ")", nil
	}
	s.Target.Host = dbconn.Host{Name: in.Name, Addr: in.Addr}
	hp, d, err := p.host(ctx, s)
	var no *Problem
	if !errors.As(err, &no) {
		return hp, d, "", err
	}
	switch no.Code {
	case "no_snapshot", "stale_snapshot":
		return HostPlan{}, d, "", nil
	case "host_refused", "primary_refused":
		return HostPlan{}, d, strings.Join(no.Reasons, "; "), nil
	}
	return HostPlan{}, d, strings.TrimSuffix(no.Text, "."), nil
}

// nobody is the problem of a cluster in which no server has anything to do, or none can be spared.
func nobody(t topology.Topology, p Plan) *Problem {
	no := &Problem{Code: "nothing_to_do", Text: "No server of " + p.Cluster + " has a table to rebuild.",
		Next: "A smaller --min-bytes or --min-share offers more tables."}
	for _, in := range t.Instances {
		var few *Problem
		if _, err := company(t, in.Identity, p.MinServing); errors.As(err, &few) {
			no.Code, no.Text, no.Next = few.Code, "No server of "+p.Cluster+" can be rebuilt.", few.Next
			break
		}
	}
	for _, l := range p.Left {
		no.Reasons = append(no.Reasons, l.Name+": "+l.Reason)
	}
	return no
}

// leavesFirst orders servers by how much is below them, then by name.
func leavesFirst(t topology.Topology) []topology.Instance {
	heights := map[dbconn.Identity]int{}
	var height func(in topology.Instance, path int) int
	height = func(in topology.Instance, path int) int {
		if h, ok := heights[in.Identity]; ok || in.Identity == "" || path > len(t.Instances) {
			return h // the last case is a ring
		}
		h := 0
		for _, below := range t.Downstream(in.Identity) {
			h = max(h, 1+height(below, path+1))
		}
		heights[in.Identity] = h
		return h
	}
	all := slices.Clone(t.Instances)
	slices.SortStableFunc(all, func(a, b topology.Instance) int {
		if d := height(a, 0) - height(b, 0); d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
	return all
}
