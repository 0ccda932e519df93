package main

import (
	"context"
	"time"

	"go.uber.org/zap"

	"mysql-recycler/engine"
	"mysql-recycler/storage"
)

// every does a round at once and then at each interval, until ctx ends. A round that fails is told,
// and the next one tries again.
func every(ctx context.Context, interval time.Duration, round func(context.Context) error, tell func(string, ...zap.Field), failed string) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if err := round(ctx); err != nil && ctx.Err() == nil {
			tell(failed, zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// readEvery is the time between two looks of a reader at the event log.
const readEvery = time.Second

// logReader is a reader of the event log at a stored place, so that a restart neither loses nor
// repeats what was taken.
type logReader struct {
	name   string
	facts  *storage.Facts
	outbox *storage.Outbox // keeps the place
}

// read gives what is new to act, in order. The place is stored behind each event that was acted on,
// so that a crash repeats one at most, and at the end.
func (r logReader) read(ctx context.Context, act func(context.Context, engine.Event) (acted bool, err error)) error {
	seq, err := r.facts.Cursor(ctx, r.name)
	if err != nil {
		return err
	}
	events, err := r.facts.EventsAfter(ctx, seq, 200)
	if err != nil {
		return err
	}
	for i, e := range events {
		acted, err := act(ctx, e)
		if err != nil {
			return err
		}
		if acted || i == len(events)-1 {
			if err := r.outbox.Put(ctx, r.name, e.Seq, nil); err != nil {
				return err
			}
		}
	}
	return nil
}
