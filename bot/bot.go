package bot

import (
	"context"
	"time"

	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// Planner freezes plans from stored discoveries without touching a host. Its refusals are
// *engine.Problem.
type Planner interface {
	Plan(ctx context.Context, s engine.PlanSpec) (engine.Plan, error)
}

// Requests is where work is asked for and decided; its refusals are *engine.Problem.
type Requests interface {
	Submit(ctx context.Context, d approvals.Draft) (approvals.Request, error)
	Review(ctx context.Context, in approvals.ReviewInput) (approvals.Request, error)
	Withdraw(ctx context.Context, id string, by approvals.Actor) (approvals.Request, error)
	// Approvers lists the user ids that may approve work on a cluster now.
	Approvers(ctx context.Context, cluster string) ([]string, error)
}

// Permissions say who may use which commands; its refusals are *engine.Problem.
type Permissions interface {
	MayUse(ctx context.Context, cluster string, act approvals.Act, by approvals.Actor) error
}

// Approvals is where work is asked for and decided, by whichever rule.
type Approvals interface {
	Requests
	Exceptions
	Permissions
}

// Channel is what is configured for one channel.
type Channel struct {
	Locale   Locale   // language of what everybody in it sees; empty: English
	Clusters []string // clusters that may be worked on from here; empty: all
}

// Options are the parts of a Bot.
type Options struct {
	Targets   engine.Targets
	Planner   Planner
	Requests  Approvals
	Facts     Facts
	Lists     Lists
	Wanter    Wanter
	Live      Live
	Outbox    Outbox
	Responder Responder
	Directory approvals.Directory       // names and languages of people
	Channels  func() map[string]Channel // by channel id, as configured now; nil: all are for all clusters
	Schedules Schedules                 // nil: there are none here
	Changed   func()                    // told when people's own pages may show something new; may be nil
	Tuning    Tuning
	Log       *zap.Logger
}

// RemindGroups answers the user group ids to mention when a request on a cluster waits long.
type RemindGroups func(cluster string) []string

// Tuning holds what tests, the demo and the configuration change. Zero values mean the defaults named here.
type Tuning struct {
	Version       string           // of this program, for the version command; "dev"
	Poll          time.Duration    // how often the event log is read when nobody calls Wake; 250 ms
	ProgressEvery time.Duration    // least time between two progress edits of one card; 5 s
	EditsPerMin   int              // progress edits of all cards together; 40, of the 50 that Slack allows
	BigTable      int64            // bytes from which a table gets a line of its own in the thread; 1 GiB
	SlowTable     time.Duration    // time from which a table gets a line of its own; 1 min
	Digest        Digest           // when the week is told
	Fleet         Fleet            // nodes and regions; nil: there are none to see or pause
	Quiet         bool             // the last reply of a run names people without telling them
	Standing      time.Duration    // how long a standing approval is for, as its form proposes it; 30 days
	StandingMax   time.Duration    // the longest one; 0: there are none
	RemindGroups  RemindGroups     // whom the first reminder of a request mentions; nil: nobody
	Now           func() time.Time // time.Now
	// CampaignLife is how long a run over a cluster waits for a switchover, as configured now; 30 days
	CampaignLife func() time.Duration
}

func (t Tuning) withDefaults() Tuning {
	if t.Version == "" {
		t.Version = "dev"
	}
	if t.Standing <= 0 {
		t.Standing = min(30*day, t.StandingMax)
	}
	if t.Poll <= 0 {
		t.Poll = 250 * time.Millisecond
	}
	if t.ProgressEvery <= 0 {
		t.ProgressEvery = 5 * time.Second
	}
	if t.EditsPerMin <= 0 {
		t.EditsPerMin = 40
	}
	if t.BigTable <= 0 {
		t.BigTable = 1 << 30
	}
	if t.SlowTable <= 0 {
		t.SlowTable = time.Minute
	}
	if t.CampaignLife == nil {
		t.CampaignLife = func() time.Duration { return 30 * day }
	}
	if t.Now == nil {
		t.Now = time.Now
	}
	return t
}

// Bot is the conversation: it is the Handler of a transport, and its Teller tells the event log.
type Bot struct {
	o     Options
	waits waits
	wake  chan struct{}
}

var (
	_ Handler   = (*Bot)(nil)
	_ Suggester = (*Bot)(nil)
	_ Shortcuts = (*Bot)(nil)
	_ Regrets   = (*Bot)(nil)
)

// New returns a Bot over the given parts.
func New(o Options) *Bot {
	o.Tuning = o.Tuning.withDefaults()
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	if o.Channels == nil {
		o.Channels = func() map[string]Channel { return nil }
	}
	return &Bot{o: o, waits: waits{by: map[string]wait{}}, wake: make(chan struct{}, 1)}
}

// Teller returns the reader of the event log that writes this bot's messages.
func (b *Bot) Teller() *Teller { return &Teller{Bot: b, tries: map[int64]int{}} }

// Wake makes the teller read the event log at once instead of at its next poll.
func (b *Bot) Wake() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// shared is the language of what everybody in a channel sees.
func (b *Bot) shared(channel string) Locale {
	if c, ok := b.o.Channels()[channel]; ok && c.Locale != "" {
		return c.Locale
	}
	return English
}

// personal is the language of one person; the channel's when the directory does not know.
func (b *Bot) personal(ctx context.Context, a approvals.Actor, channel string) Locale {
	if b.o.Directory == nil {
		return b.shared(channel)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	p, err := b.o.Directory.Person(ctx, a.Team, a.ID)
	if err != nil || p.Locale == "" {
		return b.shared(channel)
	}
	return LocaleOf(p.Locale)
}
