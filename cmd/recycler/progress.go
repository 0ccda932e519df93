package main

import (
	"context"
	"time"

	"go.uber.org/zap"

	"mysql-recycler/configs"
	"mysql-recycler/engine"
	"mysql-recycler/storage"
)

// board shows the progress of jobs on cards and pages of other processes than the one that runs
// them: a worker publishes what runs in it, who talks to people reads what others published.
type board struct {
	live  *engine.Live
	store *storage.Progress
	told  map[string][]engine.LiveStep // what this process published last
}

// publish stores what changed since the last time; nothing is written while nothing runs.
func (b *board) publish(ctx context.Context) error {
	ours := b.live.Ours()
	var gone []string
	for id := range b.told {
		if _, ok := ours[id]; !ok {
			gone = append(gone, id)
		}
	}
	if len(ours) == 0 && len(gone) == 0 {
		return nil
	}
	if err := b.store.Publish(ctx, ours, gone); err != nil {
		return err
	}
	b.told = ours
	return nil
}

// hear reads what runs anywhere.
func (b *board) hear(ctx context.Context) error {
	all, err := b.store.Read(ctx)
	if err == nil {
		b.live.Hear(all)
	}
	return err
}

// shareAtLeast is how often progress is shared however seldom cards are edited: others believe a
// row for some times as long.
const shareAtLeast = 5 * time.Second

// sharing publishes and reads progress until ctx ends.
func (a *app) sharing(ctx context.Context) error {
	b := &board{live: a.live, store: storage.NewProgress(a.db)}
	node := a.conf.Load().config.Node
	tick := time.NewTicker(min(a.conf.Load().config.Engine.ProgressInterval, shareAtLeast))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if node.Has(configs.RoleWorker) {
			if err := b.publish(ctx); err != nil && ctx.Err() == nil {
				a.log.Warn("progress not published", zap.Error(err))
			}
		}
		if node.Has(configs.RoleBot) || node.Has(configs.RoleAPI) {
			if err := b.hear(ctx); err != nil && ctx.Err() == nil {
				a.log.Warn("progress of other nodes not read", zap.Error(err))
			}
		}
	}
}
