package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"
	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"

	"mysql-recycler/storage"
)

// args are all that a River row knows of a job.
type args struct {
	JobID string `json:"job_id" river:"unique"`
}

// Kind implements river.JobArgs.
func (args) Kind() string { return "host_job" }

// liveStates are the states of a row that can still run.
var liveStates = []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
	rivertype.JobStateRetryable, rivertype.JobStateScheduled,
}

// connect makes River's client on the database's own pool.
func (q *Queue) connect() error {
	switch pool := q.db.Pool().(type) {
	case *sql.DB:
		client, err := river.NewClient(riversqlite.New(pool), q.config())
		if err != nil {
			return err
		}
		q.rows, q.life = riverRows[*sql.Tx]{client}, client
		return nil
	case *pgxpool.Pool:
		client, err := river.NewClient(riverpgxv5.New(pool), q.config())
		if err != nil {
			return err
		}
		q.rows, q.life = riverRows[pgx.Tx]{client}, client
		return nil
	default:
		return fmt.Errorf("no queue on %T", pool)
	}
}

// riverRows are rows with one driver's kind of transaction.
type riverRows[T any] struct{ client *river.Client[T] }

// native is the driver's transaction under ours.
func (riverRows[T]) native(tx storage.Tx) (T, error) {
	t, ok := tx.Native().(T)
	if !ok {
		return t, fmt.Errorf("the transaction is a %T", tx.Native())
	}
	return t, nil
}

func (r riverRows[T]) insert(ctx context.Context, tx storage.Tx, jobID, region string, unique bool, at time.Time) (int64, error) {
	t, err := r.native(tx)
	if err != nil {
		return 0, err
	}
	opts := &river.InsertOpts{Queue: queueName(region), MaxAttempts: maxAttempts, ScheduledAt: at}
	if unique {
		opts.UniqueOpts = river.UniqueOpts{ByArgs: true, ByState: liveStates}
	}
	res, err := r.client.InsertTx(ctx, t, args{JobID: jobID}, opts)
	if err != nil {
		return 0, err
	}
	if res.UniqueSkippedAsDuplicate {
		return 0, errors.New("the queue has it already")
	}
	if _, server := any(t).(pgx.Tx); server && at.IsZero() {
		// River wrote this node's time, and workers compare it with the server's: a node whose clock
		// is ahead would keep the job waiting.
		if _, err := tx.Exec(ctx, "UPDATE river_job SET scheduled_at = now() WHERE id = $1", res.Job.ID); err != nil {
			return 0, err
		}
	}
	return res.Job.ID, nil
}

func (r riverRows[T]) state(ctx context.Context, tx storage.Tx, id int64) (rivertype.JobState, error) {
	t, err := r.native(tx)
	if err != nil {
		return "", err
	}
	row, err := r.client.JobGetTx(ctx, t, id)
	if errors.Is(err, rivertype.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return row.State, nil
}

func (r riverRows[T]) pause(ctx context.Context, tx storage.Tx, region string) error {
	t, err := r.native(tx)
	if err != nil {
		return err
	}
	return r.client.QueuePauseTx(ctx, t, queueName(region), nil)
}

func (r riverRows[T]) resume(ctx context.Context, tx storage.Tx, region string) error {
	t, err := r.native(tx)
	if err != nil {
		return err
	}
	return r.client.QueueResumeTx(ctx, t, queueName(region), nil)
}

// slogger is the injected logger as River wants it.
func slogger(log *zap.Logger) *slog.Logger {
	return slog.New(zapslog.NewHandler(log.WithOptions(zap.IncreaseLevel(zap.WarnLevel)).Core()))
}
