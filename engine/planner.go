package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/plugin"
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/tablespace"
	"mysql-recycler/engine/throttle"
	"mysql-recycler/engine/topology"
)

// assumedRate is how fast a rebuild writes before a host's own rate is known, in bytes per second.
// It is on the slow side of what two cores with a small buffer pool did (about 40 MiB/s), because a
// window that is missed costs more than one that is not filled.
const assumedRate = 25 << 20

// stepOverhead is the part of a rebuild that does not depend on its size: locks, commit, looking.
const stepOverhead = 2 * time.Second

// Planner freezes plans from stored discoveries. It never touches a host: a plan is made before
// anybody approved anything.
type Planner struct {
	Plugins     *plugin.Set // executors; nil: there are none
	Discoveries Discoveries
	Refusals    Refusals // nil: only the discoveries refuse
	Guards      func(cluster string) *guard.Guard
	Now         func() time.Time
}

// Plan builds the plan, or a *Problem that says why there is none: no_snapshot, stale_snapshot,
// unknown_host, primary_refused, host_refused, nothing_to_do, outside_window. A cluster is planned over all its
// replicas.
func (p *Planner) Plan(ctx context.Context, s PlanSpec) (Plan, error) {
	if s.Target.Host.Name == "" {
		return p.rolling(ctx, s)
	}
	hp, d, err := p.host(ctx, s)
	if err != nil {
		return Plan{}, err
	}
	plan := p.frame(s)
	plan.Hosts, plan.Snapshot = []HostPlan{hp}, d.At
	if err := p.hours(s, &plan.Bounds); err != nil {
		return Plan{}, err
	}
	return plan, p.bound(&plan)
}

// host plans one host from its newest inventory.
func (p *Planner) host(ctx context.Context, s PlanSpec) (HostPlan, Discovery, error) {
	name := s.Target.Host.Name
	if err := p.refuseEarly(ctx, s); err != nil {
		return HostPlan{}, Discovery{}, err
	}
	d, err := p.Discoveries.NewestDiscovery(ctx, s.Target.Cluster, name)
	if errors.Is(err, ErrNotFound) {
		return HostPlan{}, d, &Problem{Code: "no_snapshot", Text: "There is no approved discovery of " + name + " yet.",
			Next: "Discover it first: discover " + name}
	}
	if err != nil {
		return HostPlan{}, d, fmt.Errorf("plan %s: %w", name, err)
	}
	if err := p.fresh(s, name, d); err != nil {
		return HostPlan{}, d, err
	}
	if s.Rest != nil {
		if err := s.Rest.known(name, d.At); err != nil {
			return HostPlan{}, d, err
		}
	}
	hp, err := p.freeze(s, p.withMethods(ctx, s, d))
	return hp, d, err
}

// fresh refuses a discovery that is too old to make a plan from.
func (p *Planner) fresh(s PlanSpec, name string, d Discovery) error {
	limit := s.Target.Settings.SnapshotAge
	age := p.Now().Sub(d.At)
	if limit <= 0 || age <= limit {
		return nil
	}
	return &Problem{Code: "stale_snapshot", Text: fmt.Sprintf("The newest discovery of %s is %s old; plans are made from at most %s.",
		name, age.Round(time.Minute), limit), Next: "Discover it again: discover " + name}
}

// refuseEarly lets the newest look at the cluster refuse a host at once, whether or not its tables
// were inventoried: a primary has no inventory, and its reasons are what a person needs to read.
func (p *Planner) refuseEarly(ctx context.Context, s PlanSpec) error {
	d, err := p.Discoveries.NewestDiscovery(ctx, s.Target.Cluster, "")
	if errors.Is(err, ErrNotFound) {
		return nil // Plan answers no_snapshot
	}
	if err != nil {
		return fmt.Errorf("plan %s: %w", s.Target.Host.Name, err)
	}
	in, ok := d.Topology.Find(s.Target.Host.Name)
	if !ok {
		return nil
	}
	expect := s.Target.Settings.Policy.expect()
	expect.Role, expect.Replicated = in.Role, p.mode(s) == rebuild.BinlogOn
	v := p.Guards(s.Target.Cluster).Ask(ctx, guard.Subject{Instance: in, Topology: d.Topology, Expect: expect})
	no := &Problem{Code: "host_refused", Next: "Choose a replica of " + s.Target.Cluster + "."}
	seen := d.At
	if in.Role == topology.RolePrimary && expect.AllowPrimary && !expect.Replicated {
		return &Problem{Code: "host_refused", Text: in.Name + " is the primary of " + s.Target.Cluster + ", where a rebuild is allowed in mode binlog-on only.",
			Next: "Add --mode binlog-on, or choose a replica."}
	}
	switch no.Reasons = causes(v); {
	case len(no.Reasons) > 0 && in.Role == topology.RolePrimary:
		no.Code = "primary_refused"
	case len(no.Reasons) == 0 && p.Refusals != nil:
		// A job that was refused since then knows more than the discovery.
		if v, ok := p.Refusals.Refused(ctx, s.Target.Cluster, in, d.At); ok {
			no.Reasons, seen = causes(v), v.Findings[0].At
			no.Next = "If that has changed since, discover it again: discover " + s.Target.Host.Name
		}
	}
	if len(no.Reasons) == 0 {
		return nil // a stored answer gives no permission, but it speaks against nothing either
	}
	no.Text = fmt.Sprintf("%s is protected and will not be touched (seen %s).", s.Target.Host.Name, seen.UTC().Format("15:04:05 UTC"))
	return no
}

// causes are the sentences of the refusals with a cause, without what merely could not be learned.
func causes(v guard.Verdict) (out []string) {
	for _, f := range v.Findings {
		if f.Refused && !f.Unknown {
			out = append(out, f.Sentence)
		}
	}
	return out
}

// freeze selects and orders the tables of a host, biggest gain first.
func (p *Planner) freeze(s PlanSpec, d Discovery) (HostPlan, error) {
	in, ok := d.Topology.Find(s.Target.Host.Name)
	if !ok || !in.Reached {
		return HostPlan{}, &Problem{Code: "unknown_host", Text: s.Target.Host.Name + " was not reached by the newest discovery of " + d.Cluster + ".",
			Next: "Discover it again: discover " + s.Target.Host.Name}
	}
	if _, err := company(d.Topology, in.Identity, s.Target.Settings.MinServing); err != nil {
		return HostPlan{}, err
	}
	if in.Role == topology.RolePrimary && policyOf(s).CheckRows {
		return HostPlan{}, &Problem{Code: "host_refused", Text: "Rows cannot be counted before and after on " + in.Name + ": it is the primary, where writes go on.",
			Next: "Leave out --check-rows, or choose a replica."}
	}
	steps, alone, left := p.steps(s, d)
	if len(steps) == 0 {
		no := &Problem{Code: "nothing_to_do", Text: nothingToDo(s, left), Next: "A smaller --min-bytes or --min-share offers more tables."}
		if left > 0 && left == len(alone) {
			no.Text, no.Next = fmt.Sprintf("The %d matching table(s) on %s are left alone.", left, s.Target.Host.Name), ""
		}
		for _, t := range alone {
			if !slices.Contains(no.Reasons, t.Reason) {
				no.Reasons = append(no.Reasons, t.Reason)
			}
		}
		return HostPlan{}, no
	}
	return HostPlan{
		Name: s.Target.Host.Name, Addr: in.Addr, Identity: in.Identity, Role: in.Role,
		Version: in.Version.String(), Steps: steps, Free: freeOn(d, s.Target.Host.Name), Alone: alone,
	}, nil
}

// freeOn is what a discovery saw free on a host.
func freeOn(d Discovery, host string) throttle.Free {
	for _, h := range d.Hosts {
		if h.Name == host {
			return h.Free
		}
	}
	return throttle.Free{}
}

// frame is a plan without its hosts: what the cluster's settings and the request say.
func (p *Planner) frame(s PlanSpec) Plan {
	set := s.Target.Settings
	limits := set.Limits
	if s.MaxLag > 0 {
		limits.MaxLag = s.MaxLag
	}
	of := ""
	if s.Rest != nil {
		of = s.Rest.Request
	}
	return Plan{
		RetryOf: of, Cluster: s.Target.Cluster, Mode: p.mode(s), Limits: limits, LockWait: set.LockWait,
		Parallel: max(1, firstPositive(s.Parallel, set.Parallel)), Tolerance: set.Tolerance,
		Policy: policyOf(s), MinServing: set.MinServing, Bounds: set.Bounds, Plugins: set.Plugins,
	}
}

// bound cuts a plan down to its caps and numbers its tables. With the applier stopped tables go
// one by one.
func (p *Planner) bound(plan *Plan) error {
	b := plan.Bounds
	if err := b.Window.Check(); err != nil {
		return fmt.Errorf("plan %s: maintenance window: %w", plan.Cluster, err)
	}
	tables, bytes, dropped := 0, int64(0), 0
	var hosts []HostPlan
	for _, h := range plan.Hosts {
		var keep []PlannedStep
		for _, st := range h.Steps {
			if b.Tables > 0 && tables == b.Tables || b.Bytes > 0 && bytes+st.Bytes > b.Bytes {
				dropped++
				continue
			}
			tables, bytes = tables+1, bytes+st.Bytes
			if st.Method.StopSQL {
				plan.Parallel = 1
			}
			st.Seq = len(keep) + 1
			keep = append(keep, st)
		}
		if h.Steps = keep; len(keep) > 0 {
			hosts = append(hosts, h)
			continue
		}
		plan.Left = append(plan.Left, LeftOut{Name: h.Name, Reason: "the caps of a job leave no room for it"})
	}
	plan.Hosts = hosts
	if len(hosts) == 0 {
		return &Problem{Code: "nothing_to_do", Text: fmt.Sprintf("The caps of a job leave room for none of the %d table(s).", dropped),
			Next: "Raise rebuild.max_bytes of the cluster, or choose smaller tables."}
	}
	return nil
}

// steps lists the tables worth a rebuild, those left alone because of how they would have to be
// rebuilt, and how many matched the filter but are not rebuilt.
func (p *Planner) steps(s PlanSpec, d Discovery) (steps []PlannedStep, alone []LeftTable, left int) {
	in, _ := d.Topology.Find(s.Target.Host.Name) // freeze has found it
	minGain, minShare := atLeast(s)
	for _, h := range d.Hosts {
		if h.Name != s.Target.Host.Name {
			continue
		}
		for _, t := range h.Tables {
			if !s.Filter.Match(t.Schema, t.Name) || t.FileBytes < s.Filter.MinBytes || s.Rest != nil && !s.Rest.has(h.Name, t.Schema, t.Name) {
				continue
			}
			if parts := p.parts(s, in, h, t); len(parts) > 0 {
				steps = append(steps, parts...)
				continue
			}
			worth := t.Prediction.Worth(t.Table, minGain, minShare)
			if t.Method.Kind == rebuild.Leave && (worth || t.Space != tablespace.SpaceOwn) {
				alone = append(alone, LeftTable{Schema: t.Schema, Table: t.Name, Bytes: t.FileBytes, Reason: t.Method.Reason})
			}
			if t.Method.Kind == rebuild.Leave || !worth {
				left++
				continue
			}
			steps = append(steps, PlannedStep{
				Schema: t.Schema, Table: t.Name, Method: policyOf(s).counted(t.Method), Bytes: t.FileBytes,
				Predicted: t.Prediction.Bytes, Low: t.Prediction.Low, High: t.Prediction.High,
				How: t.Prediction.How, Note: t.Prediction.Note, Estimate: estimate(t), Temp: sorting(t),
			})
		}
	}
	sort.SliceStable(steps, func(i, j int) bool {
		return steps[i].Bytes-steps[i].Predicted > steps[j].Bytes-steps[j].Predicted
	})
	return steps, alone, left // bound numbers what it keeps
}

// atLeast is what a table must give back to be offered, in bytes and as a share of its size.
func atLeast(s PlanSpec) (gain int64, share float64) {
	set := s.Target.Settings
	return firstPositive(s.MinGain, set.MinGain), firstPositive(s.MinShare, set.MinShare)
}

// policyOf is the cluster's policy with what the request adds to it.
func policyOf(s PlanSpec) Policy {
	policy := s.Target.Settings.Policy
	policy.CheckRows = policy.CheckRows || s.CheckRows
	return policy
}

// methods are the permissions that decide how tables are rebuilt. On a primary there is no applier
// whose end would end the traffic.
func (p Policy) methods(role topology.Role) rebuild.ChooseOptions {
	return rebuild.ChooseOptions{AllowCopy: p.AllowCopy, AllowUnsafe: p.AllowUnsafe, StopSQLAffected: role != topology.RolePrimary}
}

// counted stops the applier where rows are to be counted before and after: a count means something
// only while nothing writes.
func (p Policy) counted(m rebuild.Method) rebuild.Method {
	if p.CheckRows && m.Kind == rebuild.Alter && !m.StopSQL {
		m.StopSQL = true
		m.Reason = strings.Replace(m.Reason, "reads, writes and replication go on", "reads go on", 1) // replication does not
		m.Reason = strings.TrimSuffix(m.Reason, ".") + "; the applier is stopped so that rows can be counted"
	}
	return m
}

// estimate is a first guess of a rebuild's time: it reads the old file and writes the new one.
func estimate(t TableReport) time.Duration {
	work := t.Prediction.Bytes + t.FileBytes/4
	return stepOverhead + time.Duration(float64(work)/assumedRate*float64(time.Second)).Round(time.Second)
}

// sorting bounds the temporary files of a rebuild: in place, the server sorts each secondary index
// in files of about its size, and several at once since 8.0.27. A copy inserts row by row.
func sorting(t TableReport) int64 {
	if t.Method.Algorithm != rebuild.Inplace {
		return 0
	}
	return t.IndexBytes
}

func (p *Planner) mode(s PlanSpec) rebuild.Mode {
	return cmp.Or(s.Mode, s.Target.Settings.Mode, rebuild.BinlogOff)
}

func nothingToDo(s PlanSpec, left int) string {
	if left == 0 {
		what := strings.Join(append(append([]string{}, s.Filter.Schemas...), s.Filter.Tables...), ", ")
		if what == "" {
			what = "any table"
		}
		return fmt.Sprintf("No table on %s matches %s.", s.Target.Host.Name, what)
	}
	return fmt.Sprintf("None of the %d matching table(s) on %s would give back enough to be worth a rebuild.", left, s.Target.Host.Name)
}

// firstPositive returns the first value above zero.
func firstPositive[T int | int64 | float64](vs ...T) T {
	for _, v := range vs {
		if v > 0 {
			return v
		}
	}
	return 0
}
