package queue

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"go.uber.org/zap"

	"mysql-recycler/storage"
)

// Defaults of Options.
const (
	defaultLeaseTTL    = 30 * time.Second
	defaultRescueAfter = time.Minute
	hardStop           = 15 * time.Second
	maxAttempts        = 1000
)

// Options are the choices of one process.
type Options struct {
	// ClientID names this process in leases and in River's rows. It must differ between processes
	// and between starts. Defaults to a random one.
	ClientID string
	// Regions are the queues this process works, with the jobs it runs at once in each. The empty
	// region is the queue of clusters without one. Empty: this process only hands in jobs.
	Regions map[string]int
	// LeaseTTL is how long run's lease lives without a renewal; it bounds how soon a job whose
	// lease is held is tried again. Defaults to 30 s.
	LeaseTTL time.Duration
	// RescueAfter is River's RescueStuckJobsAfter. Defaults to 1 minute.
	RescueAfter time.Duration
}

// Queue hands in approved jobs and runs them. The zero value is not usable; see New.
type Queue struct {
	db     *storage.DB
	leases *storage.Leases
	run    func(ctx context.Context, jobID string) error
	opts   Options
	log    *zap.Logger
	rows   rows
	life   life
	leave  func() error

	mu      sync.Mutex                   // guards opts.Regions and what follows
	running map[int64]context.CancelFunc // rows that run here
	drained bool                         // no work is taken
	waits   bool                         // Start was called while drained
}

// rows are River's rows inside our transactions.
type rows interface {
	insert(ctx context.Context, tx storage.Tx, jobID, region string, unique bool, at time.Time) (id int64, err error)
	// state is that of a row; empty when there is none.
	state(ctx context.Context, tx storage.Tx, id int64) (rivertype.JobState, error)
	pause(ctx context.Context, tx storage.Tx, region string) error
	resume(ctx context.Context, tx storage.Tx, region string) error
}

// life is the part of River's client that starts and stops, and works further queues.
type life interface {
	Queues() *river.QueueBundle
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
}

// New returns a queue. run walks one job and returns when the job has ended, when its lease is
// held or lost (engine.ErrLeaseHeld, engine.ErrLeaseLost), or when its context is over. Nothing
// runs before Start.
func New(db *storage.DB, run func(ctx context.Context, jobID string) error, opts Options, log *zap.Logger) (*Queue, error) {
	opts.ClientID = cmp.Or(opts.ClientID, uuid.NewString())
	opts.Regions = maps.Clone(opts.Regions) // Work adds to it
	opts.LeaseTTL = cmp.Or(opts.LeaseTTL, defaultLeaseTTL)
	opts.RescueAfter = cmp.Or(opts.RescueAfter, defaultRescueAfter)
	q := &Queue{db: db, leases: storage.NewLeases(db), run: run, opts: opts, log: log, running: map[int64]context.CancelFunc{}}
	if err := q.connect(); err != nil {
		return nil, fmt.Errorf("make the queue: %w", err)
	}
	return q, nil
}

// config is River's configuration of this process.
func (q *Queue) config() *river.Config {
	c := &river.Config{
		ID:                   q.opts.ClientID,
		Logger:               slogger(q.log),
		MaxAttempts:          maxAttempts,
		RescueStuckJobsAfter: q.opts.RescueAfter,
		// Only for kinds without a Timeout of their own, of which there is none; River wants it
		// below RescueStuckJobsAfter.
		JobTimeout: q.opts.RescueAfter / 2,
	}
	if len(q.opts.Regions) == 0 {
		return c
	}
	c.Queues = map[string]river.QueueConfig{}
	for region, workers := range q.opts.Regions {
		c.Queues[queueName(region)] = river.QueueConfig{MaxWorkers: workers}
	}
	c.Workers = river.NewWorkers()
	river.AddWorker(c.Workers, &worker{q: q})
	return c
}

// ClientID names this process; run's lease is taken under it.
func (q *Queue) ClientID() string { return q.opts.ClientID }

// Enqueue hands a job to the workers of a region, in the transaction that made it.
func (q *Queue) Enqueue(ctx context.Context, tx storage.Tx, jobID, region string) error {
	return q.enqueue(ctx, tx, jobID, region, true)
}

// enqueue inserts a River row and names it as the one that may run the job.
func (q *Queue) enqueue(ctx context.Context, tx storage.Tx, jobID, region string, unique bool) error {
	var notBefore int64
	err := tx.QueryRow(ctx, "SELECT not_before FROM jobs WHERE id = $1", jobID).Scan(&notBefore)
	if err != nil && !errors.Is(err, sql.ErrNoRows) { // a row without a job ends without doing anything
		return fmt.Errorf("enqueue %s: %w", jobID, err)
	}
	var at time.Time // zero: at once
	if notBefore > 0 {
		at = time.UnixMilli(notBefore)
	}
	id, err := q.rows.insert(ctx, tx, jobID, region, unique, at)
	if err != nil {
		return fmt.Errorf("enqueue %s: %w", jobID, err)
	}
	if _, err := tx.Exec(ctx, "UPDATE jobs SET engine_id = $2 WHERE id = $1", jobID, id); err != nil {
		return fmt.Errorf("name the row of %s: %w", jobID, err)
	}
	return nil
}

// Start takes over what dead workers left and begins to claim jobs. ctx bounds the start only;
// the work ends with Stop. A process without regions starts nothing, a drained one with Undrain.
func (q *Queue) Start(ctx context.Context) error {
	if !q.works() || q.later() {
		return nil
	}
	leave, err := q.db.JoinWorkers(ctx, func(ctx context.Context) error { return q.recover(ctx, true) })
	if err != nil {
		return fmt.Errorf("join the workers: %w", err)
	}
	if err := q.recover(ctx, false); err != nil {
		return errors.Join(err, leave())
	}
	// River's Start takes its context for the whole work.
	if err := q.life.Start(context.WithoutCancel(ctx)); err != nil {
		return errors.Join(fmt.Errorf("start the queue: %w", err), leave())
	}
	q.leave = leave
	return nil
}

// Stop stops claiming at once and waits until ctx is over for running jobs to end. Then it ends
// their contexts and waits for run to return, at most 15 s. Jobs that have not ended go on at the
// next start, or on another node.
func (q *Queue) Stop(ctx context.Context) error {
	if q.leave == nil {
		return nil
	}
	err := q.life.Stop(ctx)
	if err != nil && ctx.Err() != nil {
		hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), hardStop)
		defer cancel()
		err = q.life.StopAndCancel(hard)
	}
	if err != nil {
		// Something still runs: the lock stays until the process ends, so that nobody who starts
		// meanwhile takes this one for dead.
		return fmt.Errorf("stop the queue: %w", err)
	}
	err, q.leave = q.leave(), nil
	return err
}

// queueName is River's queue of a region.
func queueName(region string) string {
	if region == "" {
		return river.QueueDefault
	}
	return "region-" + region
}
