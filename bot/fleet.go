package bot

import (
	"context"
	"fmt"
	"time"

	"mysql-recycler/engine"
)

// Reclaimable is a table that a rebuild should make smaller, as the newest discovery of its host saw it.
type Reclaimable struct {
	engine.TableReport
	Cluster, Host string
	Seen          time.Time // when the discovery was made
}

// Reclaimable lists what top shows, biggest gain first; an empty cluster means all.
func (b *Bot) Reclaimable(ctx context.Context, cluster string) ([]Reclaimable, error) {
	clusters := b.Clusters()
	if cluster != "" {
		clusters = []string{cluster}
	}
	return b.reclaimable(ctx, clusters, cluster)
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
