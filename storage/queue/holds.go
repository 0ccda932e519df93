package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river/rivertype"

	"mysql-recycler/approvals"
	"mysql-recycler/storage"
)

// Pauses of rows that meet a hold.
const (
	snoozeHeld  = 5 * time.Second // River's queue is paused meanwhile, and wakes them no sooner
	snoozeDrain = time.Second     // another node takes it
)

// PauseRegion keeps every process from starting jobs of a region; running jobs go on. The hold is in
// our table; River's queue is paused so that waiting costs nothing, and whoever meets the hold pauses
// it again. news is false when the region was held before.
func (q *Queue) PauseRegion(ctx context.Context, region string, by approvals.Actor, reason string) (news bool, err error) {
	err = q.db.InTx(ctx, func(ctx context.Context, tx storage.Tx) (err error) {
		h := storage.Hold{Kind: storage.HoldRegion, Name: holdName(region), By: by, Reason: reason}
		if news, err = storage.NewHolds(q.db).Put(ctx, tx, h); err != nil {
			return err
		}
		return known(q.rows.pause(ctx, tx, region))
	})
	if err != nil {
		return false, fmt.Errorf("pause region %q: %w", region, err)
	}
	return news, nil
}

// ResumeRegion ends PauseRegion; news is false when the region was not held.
func (q *Queue) ResumeRegion(ctx context.Context, region string, by approvals.Actor) (news bool, err error) {
	err = q.db.InTx(ctx, func(ctx context.Context, tx storage.Tx) (err error) {
		if news, err = storage.NewHolds(q.db).Lift(ctx, tx, storage.Hold{Kind: storage.HoldRegion, Name: holdName(region), By: by}); err != nil {
			return err
		}
		return known(q.rows.resume(ctx, tx, region))
	})
	if err != nil {
		return false, fmt.Errorf("resume region %q: %w", region, err)
	}
	return news, nil
}

// known leaves out that River does not know a queue: no process has worked the region yet, or not
// for a day.
func known(err error) error {
	if errors.Is(err, rivertype.ErrNotFound) {
		return nil
	}
	return err
}

// holdName is a region in the table of holds; the queue of clusters without a region has no name.
func holdName(region string) string {
	if region == "" {
		return "-"
	}
	return region
}

// held reports whether the region of a job is held, and pauses River's queue again if so.
func (q *Queue) held(ctx context.Context, jobID string) (bool, error) {
	var region string
	var n int
	err := q.db.Read(ctx, func(ctx context.Context, tx storage.Tx) error {
		if err := tx.QueryRow(ctx, "SELECT region FROM jobs WHERE id = $1", jobID).Scan(&region); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "SELECT COUNT(*) FROM holds WHERE kind = 'region' AND name = $1", holdName(region)).Scan(&n)
	})
	if err == nil && n > 0 {
		err = q.db.InTx(ctx, func(ctx context.Context, tx storage.Tx) error { return known(q.rows.pause(ctx, tx, region)) })
	}
	if err != nil {
		return false, fmt.Errorf("look whether the region of %s is held: %w", jobID, err)
	}
	return n > 0, nil
}

// Drain makes this process take no more work and hand over what it runs: a statement that runs on a
// server goes on there, and another process adopts it. It returns when nothing runs here any more.
// Before Start it keeps the process from starting at all.
func (q *Queue) Drain(ctx context.Context) error {
	q.mu.Lock()
	q.drained = true
	q.mu.Unlock()
	if q.leave == nil {
		return nil // nothing runs
	}
	now, cancel := context.WithCancel(ctx)
	cancel()
	if err := q.Stop(now); err != nil {
		return fmt.Errorf("drain this node: %w", err)
	}
	q.mu.Lock()
	q.waits = true
	q.mu.Unlock()
	q.log.Info("this node is drained: it takes no work")
	return nil
}

// later reports whether Start must leave it to Undrain.
func (q *Queue) later() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waits = q.drained
	return q.waits
}

// Undrain ends Drain.
func (q *Queue) Undrain(ctx context.Context) error {
	q.mu.Lock()
	waits := q.waits
	q.drained, q.waits = false, false
	q.mu.Unlock()
	if !waits {
		return nil
	}
	q.log.Info("this node takes work again")
	return q.Start(ctx)
}

// Running is how many jobs run in this process.
func (q *Queue) Running() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.running)
}

// enter registers a run that Drain can end; ok is false on a drained node.
func (q *Queue) enter(ctx context.Context, rowID int64) (run context.Context, leave func(), ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.drained {
		return ctx, func() {}, false
	}
	run, cancel := context.WithCancel(ctx)
	q.running[rowID] = cancel
	return run, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.running, rowID)
		cancel()
	}, true
}
