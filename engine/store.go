package engine

import (
	"context"
	"errors"
	"strings"
	"time"

	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/topology"
)

// ErrLeaseLost says that another worker owns the job now; the one who gets it stops writing and
// starts nothing further.
var ErrLeaseLost = errors.New("the job's lease was taken over")

// ErrNotFound says that no such request, job or discovery is stored.
var ErrNotFound = errors.New("not found")

// Journal stores the facts of jobs. Each write is one transaction: it checks the lease's epoch,
// changes the row by compare-and-set and appends the event (Event.Seq and At are given by the store;
// an event with an empty Kind is not appended).
type Journal interface {
	// Job returns a job with its steps and unrestored settings.
	Job(ctx context.Context, id string) (Job, error)
	// SetJob moves a job from one of the states From to State.
	SetJob(ctx context.Context, l Lease, c JobChange) error
	// SetStep stores the whole step as it is now, from one of the states From.
	SetStep(ctx context.Context, l Lease, c StepChange) error
	// SetSetting records a server setting before it is changed, or marks it restored.
	SetSetting(ctx context.Context, l Lease, s Setting, e Event) error
}

// JobChange is one transition of a job. State empty means: only append the event.
type JobChange struct {
	From   []JobState
	State  JobState
	Reason string
	Event  Event
}

// StepChange is one transition of a step.
type StepChange struct {
	From  []StepState
	Step  Step
	Event Event
}

// Leases hand out the right to run a job. Times are the database's clock.
type Leases interface {
	// Take gives the next epoch when nobody alive holds the job, else ErrLeaseHeld.
	Take(ctx context.Context, jobID, owner string, ttl time.Duration) (Lease, error)
	// Renew prolongs the lease and answers what people want of the job now.
	Renew(ctx context.Context, l Lease, ttl time.Duration) (Wishes, error)
	// Release ends the lease at once.
	Release(ctx context.Context, l Lease) error
}

// ErrLeaseHeld says that a live worker holds the job.
var ErrLeaseHeld = errors.New("another worker holds the job")

// Discoveries keeps what approved discoveries found.
type Discoveries interface {
	// SaveDiscovery stores it and appends EventDiscovered in one transaction.
	SaveDiscovery(ctx context.Context, l Lease, d Discovery) error
	// NewestDiscovery returns the newest one of a cluster that inventoried host (any host when
	// empty), or ErrNotFound.
	NewestDiscovery(ctx context.Context, cluster, host string) (Discovery, error)
}

// Refusals tells what the guard refused lately; *Recall does. It can only speak against a host.
type Refusals interface {
	// Refused is a refusal of a server after since; false says nothing.
	Refused(ctx context.Context, cluster string, in topology.Instance, since time.Time) (guard.Verdict, bool)
}

// Neighbours tells a job about others.
type Neighbours interface {
	// Neighbours lists the recycle jobs of a cluster that run or are paused, and all of a request,
	// without their steps.
	Neighbours(ctx context.Context, cluster, requestID string) ([]Job, error)
	// Leftovers lists the ended jobs that have settings to restore on a host, oldest first; with an
	// empty host those on all hosts that have no live job.
	Leftovers(ctx context.Context, host string) ([]string, error)
}

// Problem is an error with a sentence and the next step for people. Code is a stable word for
// scripts and translations.
type Problem struct {
	Code    string
	Text    string
	Next    string   // what to do about it
	Reasons []string // further sentences, one each: a guard's findings
	Err     error    // cause, for the log
}

// Error implements error.
func (p *Problem) Error() string {
	s := strings.Join(append([]string{p.Code + ": " + p.Text}, p.Reasons...), " ")
	if p.Err != nil {
		s += ": " + p.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Err }

// Sentence is what a person reads.
func (p *Problem) Sentence() string { return p.Text }

// Hint is what a person can do about it; it may be empty.
func (p *Problem) Hint() string { return p.Next }
