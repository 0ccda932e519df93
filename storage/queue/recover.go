package queue

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"mysql-recycler/storage"
)

// stranded is a job that has not ended, and the River row that carries it.
type stranded struct {
	id, region string
	rowID      int64
}

// recover gives a fresh River row to every job that has not ended and that no row will bring to a
// worker. alone says that every earlier owner is dead: their leases end, and rows that River
// believes running, or waiting for a leader, are replaced too. A replaced row finds that it no
// longer carries the job, and ends.
func (q *Queue) recover(ctx context.Context, alone bool) error {
	var again []string
	err := q.db.InTx(ctx, func(ctx context.Context, tx storage.Tx) error {
		if alone {
			if err := q.leases.EndAll(ctx, tx); err != nil {
				return err
			}
		}
		jobs, err := liveJobs(ctx, tx)
		if err != nil {
			return err
		}
		for _, j := range jobs {
			ready, alive, err := q.rows.pending(ctx, tx, j.rowID)
			if err != nil {
				return fmt.Errorf("look at the row of %s: %w", j.id, err)
			}
			if ready || (alive && !alone) {
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
		q.log.Info("took over jobs of dead workers", zap.Strings("jobs", again), zap.Bool("alone", alone))
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
