package bot

import (
	"context"
	"time"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// Facts is what the conversation reads. It never writes facts of jobs; it can only ask
// (approvals.Service) and want (Wanter).
type Facts interface {
	// EventsAfter lists facts in order, at most limit.
	EventsAfter(ctx context.Context, seq int64, limit int) ([]engine.Event, error)
	// Cursor is the last event a reader has told.
	Cursor(ctx context.Context, reader string) (int64, error)
	// Request returns one request, or engine.ErrNotFound.
	Request(ctx context.Context, id string) (approvals.Request, error)
	// Jobs returns the jobs of a request with steps.
	Jobs(ctx context.Context, requestID string) ([]engine.Job, error)
}

// Lists answers the list commands.
type Lists interface {
	// Requests lists newest first, with summaries instead of plans; filter: "", "pending", "running", "mine" (with user), "history" (with host),
	// "channel" (with its id).
	Requests(ctx context.Context, filter, arg string, limit int) ([]approvals.Request, error)
	// Briefs returns the jobs of requests, by request, with figures instead of plans and steps.
	Briefs(ctx context.Context, requestIDs []string) (map[string][]engine.Job, error)
	Discoveries
	// Rebuilt are the tables (schema.table) of a host that jobs have rebuilt since a time.
	Rebuilt(ctx context.Context, host string, since time.Time) (map[string]bool, error)
}

// Discoveries answers what was found.
type Discoveries interface {
	// NewestDiscovery as in engine.Discoveries.
	NewestDiscovery(ctx context.Context, cluster, host string) (engine.Discovery, error)
	// Discovery returns the one a request made.
	Discovery(ctx context.Context, requestID string) (engine.Discovery, error)
}

// Wanter stores what a person wants of a live job (pause, resume, cancel), or of one of its tables by
// the number of its step, and appends EventJobWanted. StopCampaign ends the wait of an ended run for
// its old primary and appends EventCampaignStopped; without one it answers engine.ErrNotFound.
type Wanter interface {
	Want(ctx context.Context, jobID string, w engine.Wanted, by approvals.Actor) (engine.Job, error)
	Skip(ctx context.Context, jobID string, step int, by approvals.Actor) (engine.Job, error)
	StopCampaign(ctx context.Context, requestID string, by approvals.Actor) error
}

// Live is the newest progress of running steps in this process: never stored, may be missing.
type Live interface {
	Progress(jobID string) []engine.LiveStep
}

// Weeks looks back over what ended.
type Weeks interface {
	// Ended lists the rebuild jobs that ended from a time on and before another, oldest first.
	Ended(ctx context.Context, from, to time.Time) ([]engine.Ended, error)
}
