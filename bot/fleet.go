package bot

import (
	"context"
	"fmt"
	"time"

	"mysql-recycler/engine"
)

// Reclaimable is a table that a rebuild should make smaller, as the newest discovery of its host saw it.
type Reclaimable struct {
	Cluster string
	Host    string
	Table   engine.TableReport
	Seen    time.Time // when the discovery was made
}

// Clusters are the names of the configured clusters, sorted.
func (b *Bot) Clusters() []string { return b.clusters() }

// Reclaimable lists what top shows, biggest gain first; an empty cluster means all.
func (b *Bot) Reclaimable(ctx context.Context, cluster string) ([]Reclaimable, error) {
	clusters := b.clusters()
	if cluster != "" {
		clusters = []string{cluster}
	}
	rows, err := b.reclaimable(ctx, clusters, cluster)
	if err != nil {
		return nil, err
	}
	out := make([]Reclaimable, len(rows))
	for i, r := range rows {
		out[i] = Reclaimable{Cluster: r.seen.Cluster, Host: r.host, Table: r.TableReport, Seen: r.seen.At}
	}
	return out, nil
}

// Schedules lists the schedules that were not removed.
func (b *Bot) Schedules(ctx context.Context) ([]Scheduled, error) {
	if b.o.Schedules == nil {
		return nil, nil
	}
	all, err := b.o.Schedules.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list schedules: %w", err)
	}
	return all, nil
}
