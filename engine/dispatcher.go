package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/plugin"
	"mysql-recycler/engine/throttle"
)

// Options are the parts a Dispatcher needs. Durations have the defaults named here.
//
// long: it is where the engine is wired, each part named once.
type Options struct {
	Journal     Journal
	Leases      Leases
	Discoveries Discoveries
	Targets     Targets
	Neighbours  Neighbours // nil: a job knows of no other
	Guards      func(cluster string) *guard.Guard
	Reaches     func(cluster string) bool // whether this process can connect to a cluster; nil: to all
	Live        *Live
	Plugins     *plugin.Set                                 // nil: there are none
	Disks       func(cluster, host string) throttle.Outside // what the configuration knows; nil: nothing
	Owner       string                                      // this process, unique per start
	LeaseTTL    time.Duration                               // 15 s
	Heartbeat   time.Duration                               // 1 s: how fast a person's wish is seen
	WatchEvery  time.Duration                               // 300 ms, full looks each 500 ms: how fast a promotion is seen
	Reconnect   time.Duration                               // 10 min: how long a lost server is waited for
	Now         func() time.Time                            // time.Now; maintenance windows are told by it
	Log         *zap.Logger
}

// Dispatcher runs jobs. One Run walks one job on one host; the queue decides how many run at once.
type Dispatcher struct{ o Options }

// NewDispatcher returns a Dispatcher with defaults filled in.
func NewDispatcher(o Options) *Dispatcher {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.LeaseTTL, 15*time.Second)
	def(&o.Heartbeat, time.Second)
	def(&o.WatchEvery, 300*time.Millisecond)
	def(&o.Reconnect, 10*time.Minute)
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Dispatcher{o: o}
}

// The causes with which a run or a step is stopped. Everything else that ends a context is a
// shutdown: the statement on the server is then left to end and adopted by whoever comes next.
var (
	errCancelled = errors.New("a person cancelled the job")
	errPaused    = errors.New("a person paused the job")
	errSkipped   = errors.New("a person wants the table left alone")
	errFinished  = errors.New("the job ended")
)

// run is one job being walked by this process. Its guard and its access are those of the
// configuration it began with: a reload in its middle neither loosens the one nor moves the other.
type run struct {
	*Dispatcher
	job    Job
	lease  Lease
	guard  *guard.Guard
	access *dbconn.Access // nil: the cluster is not configured
	log    *zap.Logger
	wish   *wish

	known sync.Mutex // guards job.Settings

	pace          sync.Mutex    // guards how fast this job's tables were
	planned, took time.Duration // the estimates of the tables done here, and their times
	began         time.Time     // when the job started, by its first run
}

// Run walks a job to its end, or until it is paused, taken over or this process stops. It returns
// ErrLeaseHeld when another worker has the job and the context's cause when this process stops;
// how the job itself ended is in the journal, not in the error.
func (d *Dispatcher) Run(ctx context.Context, jobID string) error {
	lease, err := d.o.Leases.Take(ctx, jobID, d.o.Owner, d.o.LeaseTTL)
	if err != nil {
		return fmt.Errorf("take %s: %w", jobID, err)
	}
	job, err := d.o.Journal.Job(ctx, jobID)
	if err != nil {
		return errors.Join(fmt.Errorf("load %s: %w", jobID, err), d.release(ctx, lease))
	}
	r := d.begin(job, lease, newWish(job))
	if r.began = job.Started; r.began.IsZero() {
		r.began = d.o.Now()
	}
	err = r.walk(ctx)
	return errors.Join(err, d.release(ctx, lease))
}

// begin makes the run of a job.
func (d *Dispatcher) begin(job Job, l Lease, w *wish) *run {
	return &run{Dispatcher: d, job: job, lease: l, guard: d.o.Guards(job.Cluster), access: d.o.Targets.Access(job.Cluster),
		log: d.o.Log.With(zap.String("job", job.ID)), wish: w}
}

// release ends a lease even when the run's own context is over; one that was taken over is no error.
func (d *Dispatcher) release(ctx context.Context, l Lease) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := d.o.Leases.Release(ctx, l); err != nil && !errors.Is(err, ErrLeaseLost) {
		return fmt.Errorf("release %s: %w", l.JobID, err)
	}
	return nil
}

// walk runs the job beside its heartbeat. The heartbeat ends when the work does; a lost lease ends
// the work.
func (r *run) walk(ctx context.Context) error {
	if r.job.State.Final() {
		return nil
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(errFinished)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.heartbeat(gctx) })
	g.Go(func() error {
		defer stop(errFinished)
		if r.job.Kind == JobDiscover {
			return r.discover(gctx)
		}
		return r.recycle(gctx)
	})
	return g.Wait()
}

// heartbeat renews the lease and learns what people want. Renewing may fail for as long as the
// lease lives; after that another worker may own the job, and this one stops.
func (r *run) heartbeat(ctx context.Context) error {
	tick := time.NewTicker(r.o.Heartbeat)
	defer tick.Stop()
	good := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		want, err := r.o.Leases.Renew(ctx, r.lease, r.o.LeaseTTL)
		switch {
		case err == nil:
			good = time.Now()
			r.wish.set(want)
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrLeaseLost), time.Since(good) > r.o.LeaseTTL:
			return fmt.Errorf("renew the lease of %s: %w", r.job.ID, errors.Join(err, ErrLeaseLost))
		default:
			r.log.Warn("lease not renewed", zap.Error(err))
		}
	}
}

// end moves the job to a final state with its reason and data.
func (r *run) end(ctx context.Context, state JobState, kind EventKind, reason string, data any) error {
	return r.move(ctx, []JobState{JobQueued, JobRunning, JobPaused}, state, kind, reason, data)
}

// move stores one transition of the job.
func (r *run) move(ctx context.Context, from []JobState, to JobState, kind EventKind, reason string, data any) error {
	e, err := r.event(kind, 0, data)
	if err != nil {
		return err
	}
	if err := r.o.Journal.SetJob(ctx, r.lease, JobChange{From: from, State: to, Reason: reason, Event: e}); err != nil {
		return fmt.Errorf("store %s of %s: %w", kind, r.job.ID, err)
	}
	if to != "" {
		r.job.State = to
	}
	return nil
}

// tell appends a fact that changes no state.
func (r *run) tell(ctx context.Context, kind EventKind, data any) error {
	return r.move(ctx, nil, "", kind, "", data)
}

// notice tells people something they should know. It must not end a job, so a failure to store it
// is logged; the job's own writes will meet the same trouble and report it.
func (r *run) notice(ctx context.Context, severity, sentence string) {
	r.noticed(ctx, Notice{Severity: severity, Sentence: sentence})
}

// alert is notice for what must not wait for somebody to read the thread.
func (r *run) alert(ctx context.Context, kind AlertKind, sentence string) {
	r.noticed(ctx, Notice{Severity: SeverityAlert, Sentence: sentence, Alert: kind})
}

func (r *run) noticed(ctx context.Context, n Notice) {
	if err := r.tell(ctx, EventJobNotice, n); err != nil {
		r.log.Error("notice not stored", zap.String("notice", n.Sentence), zap.Error(err))
	}
}

// event builds an event of this job.
func (r *run) event(kind EventKind, step int, data any) (Event, error) {
	e := Event{Kind: kind, RequestID: r.job.RequestID, JobID: r.job.ID, Step: step}
	if data == nil {
		return e, nil
	}
	b, err := json.Marshal(data)
	if err != nil {
		return e, fmt.Errorf("encode %s: %w", kind, err)
	}
	e.Data = b
	return e, nil
}
