package storage

import (
	"context"
	"errors"
	"fmt"

	"mysql-recycler/engine"
)

var _ engine.Neighbours = (*Journal)(nil)

// A request for several hosts has a job for each, born together. Only the first ones, as many as
// the plan allows at once, are handed to the queue; the transaction that ends a job hands over the
// next, or ends those that have not started when the job did not succeed. A job that waits for its
// turn is queued and has no row in the queue (engine_id 0).

// atOnce is how many jobs of a request the queue has at the same time.
func atOnce(j engine.Job) int { return max(1, j.Plan.Bounds.AtOnce) }

// handOver does what the end of a job means for the others of its request. ended is the job as it
// is now.
func (s *Journal) handOver(ctx context.Context, tx Tx, ended engine.Job, now int64) error {
	if ended.State != engine.JobSucceeded {
		return s.callOff(ctx, tx, ended, now)
	}
	var next, region string
	err := each(ctx, tx, func(row Row) error { return row.Scan(&next, &region) },
		`SELECT id, region FROM jobs WHERE request_id = $1 AND state = 'queued' AND engine_id = 0
		 ORDER BY LENGTH(id), id LIMIT 1`, ended.RequestID)
	if err != nil {
		return err
	}
	if next == "" {
		return openCampaign(ctx, tx, ended, now)
	}
	if s.hand == nil {
		return errors.New("no queue takes the next host")
	}
	if err := s.hand(ctx, tx, next, region); err != nil {
		return fmt.Errorf("hand %s to the queue: %w", next, err)
	}
	return nil
}

// callOff cancels the jobs of a request that have not started. Those that run end their table and
// pause, so that a person looks before more is done.
func (s *Journal) callOff(ctx context.Context, tx Tx, ended engine.Job, now int64) error {
	if err := s.holdUp(ctx, tx, ended, now); err != nil {
		return err
	}
	jobs, err := jobsWhere(ctx, tx, "j.request_id = $1 AND j.state = 'queued'", ended.RequestID)
	if err != nil {
		return err
	}
	why := fmt.Sprintf("not started, because %s is %s", ended.Host, ended.State)
	if ended.Reason != "" {
		why += ": " + ended.Reason
	}
	for _, j := range jobs {
		_, err := tx.Exec(ctx, "UPDATE jobs SET state = 'cancelled', reason = $2, ended = $3 WHERE id = $1", j.ID, why, now)
		if err != nil {
			return fmt.Errorf("cancel %s: %w", j.ID, err)
		}
		if err := s.append(ctx, tx, j, now, engine.Event{Kind: engine.EventJobCancelled}); err != nil {
			return err
		}
	}
	return nil
}

// holdUp wants a pause of the jobs of a request that run beside one that did not succeed, and says so.
func (s *Journal) holdUp(ctx context.Context, tx Tx, ended engine.Job, now int64) error {
	jobs, err := jobsWhere(ctx, tx, "j.request_id = $1 AND j.id <> $2 AND j.state = 'running' AND j.wanted = 'run'", ended.RequestID, ended.ID)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if _, err := tx.Exec(ctx, "UPDATE jobs SET wanted = 'pause' WHERE id = $1", j.ID); err != nil {
			return fmt.Errorf("pause %s: %w", j.ID, err)
		}
		e, err := fact(engine.EventJobNotice, j.RequestID, j.ID, "", engine.Notice{Severity: "warning",
			Sentence: fmt.Sprintf("%s ends its running table and pauses, because %s is %s. Resume it or cancel it.", j.Host, ended.Host, ended.State)})
		if err == nil {
			err = s.append(ctx, tx, j, now, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// jobsWhere reads jobs without steps and settings, in the order of their plan.
func jobsWhere(ctx context.Context, tx Tx, where string, args ...any) ([]engine.Job, error) {
	var jobs []engine.Job
	err := each(ctx, tx, func(row Row) error {
		j, err := scanJob(row)
		jobs = append(jobs, j)
		return err
	}, "SELECT "+jobColumns(wholePlan)+" FROM jobs j WHERE "+where+" ORDER BY LENGTH(j.id), j.id", args...)
	return jobs, err
}

// Neighbours implements engine.Neighbours.
func (s *Journal) Neighbours(ctx context.Context, cluster, requestID string) ([]engine.Job, error) {
	var jobs []engine.Job
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		jobs, err = jobsWhere(ctx, tx, `j.kind = 'recycle' AND j.cluster = $1 AND (j.state IN ('running', 'paused') OR j.request_id = $2)`,
			cluster, requestID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the jobs of %s: %w", cluster, err)
	}
	return jobs, nil
}

// Leftovers implements engine.Neighbours.
func (s *Journal) Leftovers(ctx context.Context, host string) ([]string, error) {
	var ids []string
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		return each(ctx, tx, func(row Row) error {
			var id string
			var ended int64
			err := row.Scan(&id, &ended)
			ids = append(ids, id)
			return err
		}, // CROSS JOIN: SQLite takes it for an order, and begins with the few settings that are left.
			`SELECT DISTINCT j.id, j.ended FROM settings s CROSS JOIN jobs j
			WHERE s.restored = 0 AND j.id = s.job_id AND j.state IN ('succeeded', 'failed', 'cancelled', 'refused')
			  AND (j.host = $1 OR $1 = '' AND NOT EXISTS (SELECT 1 FROM jobs l WHERE l.kind = 'recycle' AND l.host = j.host
			       AND l.state IN ('running', 'paused')))
			ORDER BY j.ended, j.id`, host)
	})
	if err != nil {
		return nil, fmt.Errorf("read the settings left to restore: %w", err)
	}
	return ids, nil
}
