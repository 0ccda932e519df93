package main

import (
	"context"
	"time"

	"go.uber.org/zap"

	"mysql-recycler/storage"
)

// retainEvery is the time between two looks for rows that are too old.
const retainEvery = time.Hour

// retaining lets old rows go. Only the active bot does it: two would wait for each other.
func (a *app) retaining(ctx context.Context) error {
	retention := storage.NewRetention(a.db, storage.Keep(a.conf.Load().config.Storage.Retention))
	tick := time.NewTicker(retainEvery)
	defer tick.Stop()
	for {
		if _, err := retention.Run(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("old rows not removed", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
