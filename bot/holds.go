package bot

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// Region is a region of the configuration for people; clusters without one are in the region -.
type Region struct {
	Name     string
	Clusters []string
	Paused   *PausedRegion // nil: it takes work
}

// Regions lists the regions of the configured clusters, by name.
func (b *Bot) Regions(ctx context.Context) ([]Region, error) {
	held := map[string]*PausedRegion{}
	if b.o.Tuning.Fleet != nil {
		paused, err := b.o.Tuning.Fleet.Paused(ctx)
		if err != nil {
			return nil, fmt.Errorf("list paused regions: %w", err)
		}
		for _, p := range paused {
			held[p.Region] = &p
		}
	}
	all := b.regions()
	out := make([]Region, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, Region{Name: name, Clusters: all[name], Paused: held[name]})
	}
	return out, nil
}

// HoldRegion pauses a region or ends that, in the name of an approver of a cluster there: it stops, and
// starts, what they approved. news is false when it was so before. A region that no cluster is in is
// the *engine.Problem no_region, a person who may not is not_approver.
func (b *Bot) HoldRegion(ctx context.Context, by approvals.Actor, region string, pause bool) (news bool, err error) {
	all := b.regions()
	clusters := all[region]
	if len(clusters) == 0 || b.o.Tuning.Fleet == nil {
		return false, &engine.Problem{Code: "no_region", Text: fmt.Sprintf("No cluster is in a region %s.", clip(region, 100)),
			Next: "Regions: " + strings.Join(slices.Sorted(maps.Keys(all)), ", ")}
	}
	if err := b.mayHold(ctx, by, "region "+region, clusters); err != nil {
		return false, err
	}
	if news, err = b.o.Tuning.Fleet.HoldRegion(ctx, region, by, pause); err != nil {
		return false, fmt.Errorf("hold region %s: %w", region, err)
	}
	return news, nil
}

// Nodes lists the processes that share the database, by name.
func (b *Bot) Nodes(ctx context.Context) ([]Node, error) {
	if b.o.Tuning.Fleet == nil {
		return nil, nil
	}
	nodes, err := b.o.Tuning.Fleet.Nodes(ctx)
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	return nodes, nil
}

// HoldNode drains a node or ends that, in the name of an approver of a cluster in a region it works;
// for a node that works none, of any cluster. It does not wait until nothing runs there. Only a node that
// is alive can be drained; any that is held can take work again. A node that is not there is the
// *engine.Problem no_node, a person who may not is not_approver.
func (b *Bot) HoldNode(ctx context.Context, by approvals.Actor, name string, drain bool) (news bool, err error) {
	nodes, err := b.Nodes(ctx)
	if err != nil {
		return false, err
	}
	listed := slices.ContainsFunc(nodes, func(n Node) bool { return n.Name == name })
	alive := slices.ContainsFunc(nodes, func(n Node) bool { return n.Name == name && n.State != "gone" })
	if b.o.Tuning.Fleet == nil || (drain && !alive) {
		return false, noNode(name)
	}
	if err := b.mayHold(ctx, by, "node "+name, b.worked(nodes, name)); err != nil {
		return false, err
	}
	news, err = b.o.Tuning.Fleet.HoldNode(ctx, name, by, drain)
	switch {
	case err != nil:
		return false, fmt.Errorf("hold node %s: %w", name, err)
	case !news && !listed:
		return false, noNode(name)
	}
	return news, nil
}

func noNode(name string) error {
	return &engine.Problem{Code: "no_node", Text: fmt.Sprintf("No node %s is alive.", clip(name, 100)), Next: "The list of nodes shows them."}
}

// worked are the clusters in the regions that a node works; all clusters when it works none.
func (b *Bot) worked(nodes []Node, name string) []string {
	var works []string
	for _, n := range nodes {
		if n.Name == name && n.Regions != "" {
			works = append(works, strings.Split(n.Regions, ",")...)
		}
	}
	if len(works) == 0 {
		return b.Clusters()
	}
	all := b.regions()
	var clusters []string
	for _, region := range works {
		clusters = append(clusters, all[region]...)
	}
	return clusters
}

// mayHold says no to who may not approve work on one of the clusters.
func (b *Bot) mayHold(ctx context.Context, by approvals.Actor, what string, clusters []string) error {
	may, err := b.approvesOneOf(ctx, by, clusters)
	if err == nil && !may {
		err = &engine.Problem{Code: "not_approver", Text: fmt.Sprintf("Only approvers of a cluster of %s may do this: %s.", what, strings.Join(clusters, ", "))}
	}
	return err
}
