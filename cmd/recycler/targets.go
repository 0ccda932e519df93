package main

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"

	"mysql-recycler/approvals"
	"mysql-recycler/bot"
	"mysql-recycler/configs"
	"mysql-recycler/engine"
	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/throttle"
	"mysql-recycler/engine/topology"
)

// targets are the configured clusters as the engine sees them. It is built once per configuration
// and never changes; a reload builds another.
type targets struct {
	config  configs.Config
	access  map[string]*dbconn.Access
	cluster map[string]configs.Cluster
}

var _ engine.Targets = (*targets)(nil)

// newTargets builds what needs files (certificates), so that a missing one stops the start.
func newTargets(c configs.Config) (*targets, error) {
	t := &targets{config: c, access: map[string]*dbconn.Access{}, cluster: map[string]configs.Cluster{}}
	var errs []error
	for _, cl := range c.Clusters {
		a, err := access(cl)
		if err != nil {
			errs = append(errs, fmt.Errorf("cluster %s: %w", cl.Name, err))
			continue
		}
		t.access[cl.Name], t.cluster[cl.Name] = a, cl
	}
	return t, errors.Join(errs...)
}

// Find implements engine.Targets. A host wins over a cluster of the same name; a host name that
// two clusters share is refused rather than guessed.
func (t *targets) Find(name string) (engine.Target, error) {
	var found []engine.Target
	for _, cl := range t.config.Clusters {
		if h, ok := t.access[cl.Name].Lookup(name); ok {
			found = append(found, engine.Target{Cluster: cl.Name, Host: h, Settings: t.settings(cl)})
		}
	}
	if len(found) > 1 {
		return engine.Target{}, &engine.Problem{Code: "ambiguous_host", Text: name + " is in more than one cluster.",
			Next: "Use the name that only one of them has."}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	for _, cl := range t.config.Clusters {
		if strings.EqualFold(cl.Name, name) {
			return engine.Target{Cluster: cl.Name, Settings: t.settings(cl)}, nil
		}
	}
	return engine.Target{}, bot.UnknownTarget(name, t.Names())
}

// Access implements engine.Targets.
func (t *targets) Access(cluster string) *dbconn.Access { return t.access[cluster] }

// Names implements engine.Targets.
func (t *targets) Names() []string {
	var names []string
	for _, cl := range t.config.Clusters {
		names = append(names, cl.Name)
		for _, h := range cl.Hosts {
			names = append(names, h.Name)
		}
	}
	sort.Strings(names)
	return names
}

// policy is who may approve work on a cluster. A cluster that is gone has nobody.
func (t *targets) policy(cluster string) approvals.Policy {
	cl, ok := t.cluster[cluster]
	if !ok {
		return approvals.Policy{MinApprovals: 1}
	}
	a := cl.Approvers
	if a.Empty() {
		a = t.config.Approvals.Approvers
	}
	return approvals.Policy{
		Users: a.Users, Groups: a.Groups, MinApprovals: max(a.MinApprovals, 1),
		Expires: t.config.Approvals.Expires, Discovery: approvals.Discovery(t.config.Approvals.Discovery),
		BreakGlass: approvals.BreakGlass{Users: cl.BreakGlass.Users, Groups: cl.BreakGlass.Groups, Notice: cl.BreakGlass.Channel},
		Commands: map[approvals.Act]approvals.People{
			approvals.ActLook: approvals.People(cl.Commands.Look), approvals.ActAsk: approvals.People(cl.Commands.Ask),
			approvals.ActSteer: approvals.People(cl.Commands.Steer), approvals.ActSchedule: approvals.People(cl.Commands.Schedule),
		},
	}
}

// region is the queue of the workers that reach a cluster.
func (t *targets) region(cluster string) string { return t.cluster[cluster].Region }

// settings are a cluster's defaults as a plan freezes them.
func (t *targets) settings(cl configs.Cluster) engine.ClusterSettings {
	r, l, p := cl.Rebuild, cl.Limits, cl.Policy
	return engine.ClusterSettings{
		Environment: cl.Environment, Region: cl.Region, Mode: rebuild.Mode(r.Mode), LockWait: r.LockWait,
		Parallel: r.Parallel, MinServing: r.MinServing, MinGain: int64(r.MinGain), MinShare: r.MinShare,
		Tolerance: r.Tolerance, SnapshotAge: t.config.Engine.SnapshotMaxAge,
		Heartbeat: topology.Heartbeat{Table: cl.HeartbeatTable, UTC: cl.HeartbeatUTC},
		Limits: throttle.Limits{
			MaxLag: l.MaxLag, CriticalLag: l.CriticalLag, ThreadsRunning: l.ThreadsRunning,
			HistoryLength: l.HistoryLength, LongTrx: l.LongTrx, DiskFree: int64(l.DiskFree),
		},
		Policy: engine.Policy{
			AllowPrimary: p.AllowPrimary, AllowErrant: p.AllowErrant, AllowPartial: p.AllowPartial,
			AllowCopy: p.AllowCopy, AllowUnsafe: p.AllowUnsafe, CheckRows: r.CheckRows,
		},
		Bounds: engine.Bounds{
			AtOnce: r.AtOnce, Tables: r.MaxTables, Bytes: int64(r.MaxBytes), Time: r.MaxTime,
			Window: engine.Window{From: r.Window.From, To: r.Window.To, Zone: r.Window.Zone, Days: r.Window.Days},
		},
		Plugins: engine.PluginPlan{Validators: validatorsOf(t.config, cl.Name), Hooks: cl.Hooks},
	}
}

// access is how a cluster's servers are reached.
func access(cl configs.Cluster) (*dbconn.Access, error) {
	a := &dbconn.Access{
		Cluster: cl.Name, User: cl.MySQL.User, Allow: cl.Allow,
		DialTimeout: cl.MySQL.DialTimeout, ReadTimeout: cl.MySQL.ReadTimeout, Password: password(cl.MySQL),
	}
	for _, h := range cl.Hosts {
		addr, err := dbconn.ParseAddr(h.Addr)
		if err != nil {
			return nil, fmt.Errorf("host %s: %w", h.Name, err)
		}
		a.Hosts = append(a.Hosts, dbconn.Host{Name: h.Name, Addr: addr})
	}
	tc, err := cl.MySQL.TLS.Config()
	if err != nil {
		return nil, err
	}
	a.TLS = tc
	return a, nil
}

// password reads the secret when it is needed: a file is read at each dial, so that a rotated one
// is picked up.
func password(m configs.MySQL) func() (string, error) {
	if m.PasswordFile == "" {
		return func() (string, error) { return m.Password.Reveal(), nil }
	}
	return func() (string, error) {
		b, err := os.ReadFile(m.PasswordFile)
		if err != nil {
			return "", fmt.Errorf("read password file: %w", err)
		}
		return strings.TrimRight(string(b), "\r\n"), nil
	}
}
