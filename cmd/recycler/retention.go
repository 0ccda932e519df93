package main

import (
	"context"
	"time"

	"mysql-recycler/storage"
)

// retainEvery is the time between two looks for rows that are too old.
const retainEvery = time.Hour

// retaining lets old rows go. Only the active bot does it: two would wait for each other.
func (a *app) retaining(ctx context.Context) error {
	retention := storage.NewRetention(a.db, storage.Keep(a.conf.Load().config.Storage.Retention))
	every(ctx, retainEvery, func(ctx context.Context) error { _, err := retention.Run(ctx); return err }, a.log.Error, "old rows not removed")
	return nil
}
