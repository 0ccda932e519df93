package engine

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"go.uber.org/zap"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/tablespace"
	"mysql-recycler/engine/topology"
)

// inventoryBudget bounds the sampling of one table, so that a look never becomes a load.
const inventoryBudget = 5 * time.Second

// inventoryTables bounds how many tables of a host are sampled; the biggest come first.
const inventoryTables = 500

// discover walks the cluster and inventories the host asked for, or every replica when a cluster
// was asked for. Only SELECT and SHOW statements are sent.
func (r *run) discover(ctx context.Context) error {
	if r.job.State == JobQueued {
		if err := r.begin(ctx); err != nil {
			return err
		}
	}
	d, err := r.look(ctx)
	if stopping(ctx, err) {
		return context.Cause(ctx)
	}
	if err != nil {
		r.log.Error("discovery", zap.Error(err))
		return r.end(ctx, JobFailed, EventJobFailed, sentence(err), nil)
	}
	if err := r.o.Discoveries.SaveDiscovery(ctx, r.lease, d); err != nil {
		return fmt.Errorf("store discovery %s: %w", r.job.ID, err)
	}
	return r.end(ctx, JobSucceeded, EventJobCompleted, "", nil)
}

// Look reads a cluster or host as a discovery job does, for a caller that was allowed to, and stores
// nothing: no plan is made from it.
func (d *Dispatcher) Look(ctx context.Context, name string) (Discovery, error) {
	t, err := d.o.Targets.Find(name)
	if err != nil {
		return Discovery{}, err
	}
	job := Job{Kind: JobDiscover, Cluster: t.Cluster, Host: name}
	return d.begin(job, Lease{}, newWish(job)).look(ctx)
}

// look reads the cluster.
func (r *run) look(ctx context.Context) (Discovery, error) {
	target, err := r.o.Targets.Find(r.job.Host)
	if err != nil {
		return Discovery{}, err
	}
	access := r.o.Targets.Access(target.Cluster)
	t, err := r.walkCluster(ctx, access, target)
	if err != nil {
		return Discovery{}, err
	}
	d := Discovery{ID: r.job.RequestID, Cluster: target.Cluster, Target: r.job.Host, Topology: t, At: time.Now()}
	for _, in := range t.Instances {
		if target.Host.Name != "" && in.Name != target.Host.Name {
			continue
		}
		if target.Host.Name == "" && (!in.Reached || len(in.Links) == 0 && !target.Settings.Policy.AllowPrimary) {
			continue
		}
		d.Hosts = append(d.Hosts, r.inventory(ctx, access, target, t, in))
		if ctx.Err() != nil {
			return d, context.Cause(ctx)
		}
	}
	return d, nil
}

// walkCluster starts from the host asked for; for a cluster from the first configured host that answers.
func (r *run) walkCluster(ctx context.Context, a *dbconn.Access, target Target) (topology.Topology, error) {
	before, err := r.before(ctx)
	if err != nil {
		return topology.Topology{}, err
	}
	o := topology.Options{Heartbeat: target.Settings.Heartbeat, Before: before}
	if target.Host.Name != "" {
		t, err := topology.Discover(ctx, a, target.Host.Addr, o)
		if err != nil {
			return t, fmt.Errorf("discover %s: %w", target.Host.Name, err)
		}
		return t, nil
	}
	return walkFromAny(ctx, a, o)
}

// before is the newest stored topology of the job's cluster, so that a server which nobody names any
// more is missed; nil if there is none, or nothing stored to be read.
func (r *run) before(ctx context.Context) (*topology.Topology, error) {
	if r.o.Discoveries == nil {
		return nil, nil
	}
	d, err := r.o.Discoveries.NewestDiscovery(ctx, r.job.Cluster, "")
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the discovery before: %w", err)
	}
	return &d.Topology, nil
}

// inventory reads one host's tables and what a rebuild would give back. A host the guard refuses
// is not sampled: on a primary even a light read is the application's.
func (r *run) inventory(ctx context.Context, a *dbconn.Access, target Target, t topology.Topology, in topology.Instance) HostInventory {
	h := HostInventory{Name: in.Name}
	expect := target.Settings.Policy.expect()
	expect.Role = in.Role
	h.Verdict = r.guard.Ask(ctx, guard.Subject{Instance: in, Topology: t, Expect: expect})
	switch no := causes(h.Verdict); {
	case !in.Reached:
		h.Error = in.Unreached
		return h
	case in.Role == topology.RoleStandalone, in.Role == topology.RolePrimary && len(no) > 0:
		h.Error = in.Name + " is the " + string(in.Role) + "; tables are inventoried on replicas"
		return h
	case len(no) > 0:
		h.Error = no[0]
		return h
	}
	if err := r.tables(ctx, a, target, in, &h); err != nil {
		r.log.Warn("inventory", zap.String("instance", in.Name), zap.Error(err))
		h.Error = sentence(err)
	}
	return h
}

// tables fills an inventory, biggest gain first.
func (r *run) tables(ctx context.Context, a *dbconn.Access, target Target, in topology.Instance, h *HostInventory) error {
	srv, err := a.Open(ctx, in.Addr)
	if err != nil {
		return fmt.Errorf("open %s: %w", in.Name, err)
	}
	defer func() {
		if err := srv.Close(); err != nil {
			r.log.Warn("connection not closed", zap.Error(err))
		}
	}()
	h.Free = r.disks(target.Cluster, in.Name, srv).Ask(ctx)
	list, err := tablespace.Inventory(ctx, srv, srv.Version, tablespace.Filter{})
	if err != nil {
		return fmt.Errorf("list the tables of %s: %w", in.Name, err)
	}
	choose := target.Settings.Policy.methods(in.Role)
	for i, tb := range list {
		if i == inventoryTables || ctx.Err() != nil {
			break
		}
		rep := TableReport{Table: tb, Method: rebuild.Choose(srv.Version, tb, choose)}
		rep.Prediction, err = tablespace.Predict(ctx, srv, srv.Version, tb, tablespace.PredictOptions{Budget: inventoryBudget})
		if err != nil { // one table that cannot be sampled must not hide the others: it gains nothing
			r.log.Warn("prediction", zap.String("table", tb.Key()), zap.Error(err))
			rep.Prediction = tablespace.Prediction{Bytes: tb.FileBytes, Low: tb.FileBytes, High: tb.FileBytes, How: "none", Note: sentence(err)}
		}
		h.Tables = append(h.Tables, rep)
	}
	sort.SliceStable(h.Tables, func(i, j int) bool { return h.Tables[i].Gain() > h.Tables[j].Gain() })
	return nil
}
