package queue

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river/rivertype"
	"go.uber.org/zap"

	"mysql-recycler/storage"
)

// stranded is a job that has not ended, and the River row that carries it.
type stranded struct {
	id, region string
	rowID      int64
}

// TakeOver gives jobs whose owner fell silent to somebody else, every two seconds until ctx ends.
// River would find them too, but only after it elected a leader and its rescuer came round.
func (q *Queue) TakeOver(ctx context.Context) error {
	if !q.works() {
		return nil
	}
	tick := time.NewTicker(takeOverEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := q.takeOver(ctx); err != nil && ctx.Err() == nil {
			q.log.Warn("did not look for jobs of silent workers", zap.Error(err))
		}
	}
}

// takeOverEvery is how often leases that ran out are looked for.
const takeOverEvery = 2 * time.Second

// takeOver looks once. Only a row that River believes running is replaced: any other comes to a
// worker by itself. Should its owner be alive after all, the lease decides who of the two goes on.
func (q *Queue) takeOver(ctx context.Context) error {
	silent, err := q.leases.Expired(ctx)
	if err != nil || len(silent) == 0 {
		return err
	}
	return q.renew(ctx, nil, func(j stranded, state rivertype.JobState) bool {
		return state == rivertype.JobStateRunning && slices.Contains(silent, j.id) && !q.runs(j.rowID)
	})
}

// runs reports whether a row runs in this process.
func (q *Queue) runs(rowID int64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.running[rowID] != nil
}

// recover gives a fresh River row to every job that has not ended and that no row will bring to a
// worker. alone says that every earlier owner is dead: their leases end, and rows that River
// believes running, or waiting for a leader, are replaced too.
func (q *Queue) recover(ctx context.Context, alone bool) error {
	var first func(context.Context, storage.Tx) error
	if alone {
		first = q.leases.EndAll
	}
	return q.renew(ctx, first, func(_ stranded, state rivertype.JobState) bool {
		return state != rivertype.JobStateAvailable && (alone || !slices.Contains(liveStates, state))
	})
}

// renew gives a fresh River row to the jobs that want one, in one transaction with what comes
// first. A replaced row finds that it no longer carries the job, and ends.
func (q *Queue) renew(ctx context.Context, first func(context.Context, storage.Tx) error, wants func(stranded, rivertype.JobState) bool) error {
	var again []string
	err := q.db.InTx(ctx, func(ctx context.Context, tx storage.Tx) error {
		again = nil
		if first != nil {
			if err := first(ctx, tx); err != nil {
				return err
			}
		}
		jobs, err := liveJobs(ctx, tx)
		if err != nil {
			return err
		}
		for _, j := range jobs {
			state, err := q.rows.state(ctx, tx, j.rowID)
			if err != nil {
				return fmt.Errorf("look at the row of %s: %w", j.id, err)
			}
			if !wants(j, state) {
				continue
			}
			// Not unique: the dead row still holds the unique key.
			if err := q.enqueue(ctx, tx, j.id, j.region, false); err != nil {
				return err
			}
			again = append(again, j.id)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("take over jobs of dead workers: %w", err)
	}
	if len(again) > 0 {
		q.log.Info("took over jobs of dead workers", zap.Strings("jobs", again), zap.Bool("alone", first != nil))
	}
	return nil
}

// liveJobs lists the jobs that have not ended, oldest first. One that waits for its turn among the
// hosts of its request has no row and gets none here: the job before it hands it over.
func liveJobs(ctx context.Context, tx storage.Tx) ([]stranded, error) {
	rows, err := tx.Query(ctx, `SELECT id, region, engine_id FROM jobs
		WHERE state IN ('queued', 'running', 'paused') AND engine_id > 0 ORDER BY created, id`)
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var jobs []stranded
	for rows.Next() {
		var j stranded
		if err := rows.Scan(&j.id, &j.region, &j.rowID); err != nil {
			return nil, fmt.Errorf("list jobs: %w", err)
		}
		jobs = append(jobs, j)
	}
	return jobs, rows.Err()
}
