package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"go.uber.org/zap"

	"mysql-recycler/engine"
	"mysql-recycler/storage"
)

// Pauses between tries.
const (
	lookTimeout = 5 * time.Second // of a look at a lease from inside River
	retryFirst  = 5 * time.Second // after the first error of run
	retryMost   = time.Minute
	snoozeLive  = 5 * time.Second // after run returned although the job has not ended
)

// worker runs jobs for River.
type worker struct {
	river.WorkerDefaults[args]
	q *Queue
}

// Timeout is asked by River's executor about a row it is about to run, and by its rescuer about a
// row that has been running for longer than RescueStuckJobsAfter. A row that this client runs, or
// whose job has a live lease, has no time limit. Any other is running nowhere: one nanosecond
// makes the rescuer hand it to somebody. When the lease cannot be read, nobody is declared dead.
func (w *worker) Timeout(j *river.Job[args]) time.Duration {
	if w.ours(j) {
		return -1
	}
	// River gives no context here.
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	alive, err := w.q.leases.Alive(ctx, j.Args.JobID)
	if err != nil {
		w.q.log.Warn("looked at a lease in vain", zap.String("job", j.Args.JobID), zap.Error(err))
		return -1
	}
	if alive {
		return -1
	}
	return time.Nanosecond
}

// ours reports whether this client made the row's last attempt.
func (w *worker) ours(j *river.Job[args]) bool {
	n := len(j.AttemptedBy)
	return n == 0 || j.AttemptedBy[n-1] == w.q.opts.ClientID
}

// NextRetry is asked by the rescuer (go on at once) and after an error of run (pauses that grow:
// the server or the database may be away for hours).
func (w *worker) NextRetry(j *river.Job[args]) time.Time {
	if !w.ours(j) {
		return time.Now()
	}
	pause := retryMost
	if n := len(j.Errors); n < 4 {
		pause = min(retryMost, retryFirst<<n)
	}
	return time.Now().Add(pause)
}

// Work runs one job.
func (w *worker) Work(ctx context.Context, j *river.Job[args]) error {
	id := j.Args.JobID
	mine, err := w.q.current(ctx, id, j.ID)
	if err != nil {
		return err
	}
	if !mine {
		return nil // the job has ended, or another row carries it
	}
	early, err := w.q.early(ctx, id)
	if err != nil {
		return err
	}
	if early > 0 { // River's clock and the database's differ, or somebody moved the row
		return river.JobSnooze(early)
	}
	held, err := w.q.held(ctx, id)
	if err != nil {
		return err
	}
	if held {
		return river.JobSnooze(snoozeHeld)
	}
	ctx, leave, ok := w.q.enter(ctx, j.ID)
	defer leave()
	if !ok {
		return river.JobSnooze(snoozeDrain)
	}
	err = w.q.run(ctx, id)
	switch {
	case errors.Is(err, engine.ErrLeaseHeld), errors.Is(err, engine.ErrLeaseLost):
		w.q.log.Info("another worker has the job", zap.String("job", id), zap.Error(err))
		return river.JobSnooze(min(w.q.opts.LeaseTTL, 15*time.Second))
	case ctx.Err() != nil:
		return river.JobSnooze(0) // the process stops; whoever comes next goes on at once
	case err != nil:
		return fmt.Errorf("run %s: %w", id, err)
	}
	mine, err = w.q.current(ctx, id, j.ID)
	if err != nil {
		return err
	}
	if mine { // run said it was done, the job says it is not: the job is right
		w.q.log.Warn("run returned before the job ended", zap.String("job", id))
		return river.JobSnooze(snoozeLive)
	}
	return nil
}

// early is how long a job must still wait for the time it was approved for. Somebody may have asked
// to cancel it meanwhile: then there is nothing to wait for.
func (q *Queue) early(ctx context.Context, jobID string) (time.Duration, error) {
	var notBefore int64
	err := q.db.Read(ctx, func(ctx context.Context, tx storage.Tx) error {
		return tx.QueryRow(ctx, "SELECT CASE WHEN wanted = 'cancel' THEN 0 ELSE not_before END FROM jobs WHERE id = $1", jobID).Scan(&notBefore)
	})
	if err != nil {
		return 0, fmt.Errorf("look when %s may start: %w", jobID, err)
	}
	if notBefore == 0 {
		return 0, nil
	}
	return time.Until(time.UnixMilli(notBefore)), nil
}

// current reports whether a job has not ended and is carried by the row with this id.
func (q *Queue) current(ctx context.Context, jobID string, rowID int64) (bool, error) {
	var state engine.JobState
	var engineID int64
	err := q.db.Read(ctx, func(ctx context.Context, tx storage.Tx) error {
		return tx.QueryRow(ctx, "SELECT state, engine_id FROM jobs WHERE id = $1", jobID).Scan(&state, &engineID)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil // no such job was ever approved
	}
	if err != nil {
		return false, fmt.Errorf("look at %s: %w", jobID, err)
	}
	return !state.Final() && engineID == rowID, nil
}
