package schedule

import (
	"context"
	"time"

	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/bot"
	"mysql-recycler/engine"
)

// Book keeps schedules.
type Book interface {
	// CreateSchedule stores s and answers it, or the one that the same act (its Origin) made before.
	CreateSchedule(ctx context.Context, s approvals.Schedule, e engine.Event) (approvals.Schedule, error)
	// ChangeSchedule stores s, whose Rev is one more than before, or answers approvals.ErrConflict.
	ChangeSchedule(ctx context.Context, s approvals.Schedule, by approvals.Actor, what string, e engine.Event) error
	// Schedule returns one, also a removed one, or engine.ErrNotFound.
	Schedule(ctx context.Context, id string) (approvals.Schedule, error)
	// Schedules lists those that were not removed.
	Schedules(ctx context.Context) ([]approvals.Schedule, error)
}

// Runs keeps what became of slots.
type Runs interface {
	// ClaimRun inserts a slot; false when somebody handled it before.
	ClaimRun(ctx context.Context, r approvals.ScheduleRun, e engine.Event) (bool, error)
	// MoveRun stores a slot that was as in from, with the same requests, or answers
	// approvals.ErrConflict.
	MoveRun(ctx context.Context, from, to approvals.ScheduleRun, e engine.Event) error
	OpenRuns(ctx context.Context) ([]approvals.ScheduleRun, error)
	LastSlot(ctx context.Context, schedule string) (time.Time, error)
}

// Requests is where the runs are asked for.
type Requests interface {
	Submit(ctx context.Context, d approvals.Draft) (approvals.Request, error)
	// Recall takes a pending request of a schedule back.
	Recall(ctx context.Context, id string, by approvals.Actor, reason string) (approvals.Request, error)
	Supersede(ctx context.Context, id, reason string) (approvals.Request, error)
	// MayStop lets owners and approvers through.
	MayStop(ctx context.Context, cluster string, by approvals.Actor, owners ...approvals.Actor) error
}

// Standing asks and ends the standing approvals of a schedule.
type Standing interface {
	// Covered asks them about a plan that starts at a time; what cannot be read covers nothing.
	Covered(ctx context.Context, x approvals.Schedule, p engine.Plan, at time.Time) (approvals.Cover, error)
	// Stand approves a request under them, if they still hold at this moment.
	Stand(ctx context.Context, id string) (approvals.Request, approvals.Cover, error)
	// EndStanding ends them; for "expired" those whose time is over.
	EndStanding(ctx context.Context, x approvals.Schedule, by approvals.Actor, what string) (int, error)
}

// Facts is what became of the requests.
type Facts interface {
	Request(ctx context.Context, id string) (approvals.Request, error)
	Jobs(ctx context.Context, requestID string) ([]engine.Job, error)
}

// IDs makes ids nobody has.
type IDs interface {
	NewID(ctx context.Context) (string, error)
	NewScheduleID(ctx context.Context) (string, error)
}

// Options are the parts of a Scheduler.
type Options struct {
	Book     Book
	Runs     Runs
	Requests Requests
	Standing Standing
	Facts    Facts
	Wanter   bot.Wanter
	IDs      IDs
	// Plan freezes what a schedule would do now; its refusals are *engine.Problem.
	Plan     func(ctx context.Context, s approvals.Schedule) (engine.Plan, error)
	Defaults func() approvals.Timing // as configured now, of what a person left out
	Every    time.Duration           // between two looks at the clock; 5 s
	Now      func() time.Time        // time.Now
	Wake     func()                  // called when there is something to tell; may be nil
	Log      *zap.Logger
}

// Scheduler keeps schedules and asks at their times.
type Scheduler struct{ o Options }

var _ bot.Schedules = (*Scheduler)(nil)

// New returns a Scheduler over the given parts.
func New(o Options) *Scheduler {
	if o.Every <= 0 {
		o.Every = 5 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wake == nil {
		o.Wake = func() {}
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return &Scheduler{o: o}
}

// Run looks at the clock until ctx ends. It answers no error: what cannot be done now is logged and
// tried again.
func (s *Scheduler) Run(ctx context.Context) error {
	tick := time.NewTicker(s.o.Every)
	defer tick.Stop()
	for {
		if err := s.Round(ctx); err != nil && ctx.Err() == nil {
			s.o.Log.Error("schedules are late", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
