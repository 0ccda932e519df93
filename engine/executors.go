package engine

import (
	"context"
	"fmt"
	"slices"

	"mysql-recycler/engine/plugin"
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/tablespace"
	"mysql-recycler/engine/topology"
)

// withMethods is a discovery whose tables have the methods that the policy of today allows, and
// executors where the configuration says so: a permission that was taken back since the discovery is
// none. The discovery itself stays as it was found.
func (p *Planner) withMethods(ctx context.Context, s PlanSpec, d Discovery) Discovery {
	in, ok := d.Topology.Find(s.Target.Host.Name)
	if !ok {
		return d
	}
	versions := map[string]told{}
	d.Hosts = slices.Clone(d.Hosts)
	for i, h := range d.Hosts {
		if h.Name != s.Target.Host.Name {
			continue
		}
		d.Hosts[i].Tables = slices.Clone(h.Tables)
		for j, t := range h.Tables {
			t.Method = rebuild.Choose(in.Version, t.Table, policyOf(s).methods(in.Role))
			d.Hosts[i].Tables[j].Method = p.byExecutor(ctx, s, in, t, versions)
		}
	}
	return d
}

// told is what an executor answered to the handshake of one plan.
type told struct {
	about plugin.About
	err   error
}

// byExecutor is the method of a table: its executor's where there is one that can. A replica's applier
// is stopped meanwhile: triggers, which such programs copy changes with, do not fire for replicated
// rows. An executor that cannot leaves what it would take instead of the server to the server, and
// what only it may touch alone.
func (p *Planner) byExecutor(ctx context.Context, s PlanSpec, in topology.Instance, t TableReport, asked map[string]told) rebuild.Method {
	if p.Plugins == nil {
		return t.Method
	}
	online := t.Method.Kind == rebuild.Alter && !t.Method.Blocks()
	if t.Engine != "InnoDB" || t.Space != tablespace.SpaceOwn || tablespace.SystemSchema(t.Schema) {
		return t.Method
	}
	x := p.Plugins.For(s.Target.Cluster, t.Schema, t.Name, online)
	minGain, minShare := atLeast(s)
	if x == nil || !t.Prediction.Worth(t.Table, minGain, minShare) {
		return t.Method
	}
	hello, ok := asked[x.Name]
	if !ok {
		hello.about, hello.err = x.Hello(ctx)
		asked[x.Name] = hello
	}
	m := rebuild.Method{Kind: rebuild.Plugin, Executor: x.Name, Version: hello.about.Version, StopSQL: in.Role != topology.RolePrimary}
	m.Reason = fmt.Sprintf("by the executor %s %s", x.Name, hello.about.Version)
	if m.StopSQL {
		m.Reason += ", with the applier stopped and its rows counted before and after"
	}
	err := hello.err
	if err == nil {
		w := rebuild.Work{Host: in.Name, Addr: in.Addr, Version: in.Version, Schema: t.Schema, Table: t.Name, Mode: p.mode(s), Stopped: m.StopSQL, Bytes: t.FileBytes}
		for _, f := range t.Features {
			w.Features = append(w.Features, string(f))
		}
		err = x.CanRebuild(ctx, w)
	}
	switch {
	case err == nil:
		return m
	case x.Always:
		return rebuild.Method{Kind: rebuild.Leave, Reason: sentence(err)}
	}
	return t.Method
}

// executor is who rebuilds a step's table; nil for our own statement, and for an executor that is not
// configured any more, which the rebuild refuses.
func (r *run) executor(s *Step) rebuild.Executor {
	m := s.Plan.Method
	if m.Kind != rebuild.Plugin {
		return nil
	}
	if p := r.o.Plugins.Get(plugin.Executor, m.Executor); p != nil {
		return p.AsExecutor(m.Version)
	}
	return nil
}
