package slack

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	sdk "github.com/slack-go/slack"
	"golang.org/x/time/rate"
)

// Names of the Web API methods that have a budget here.
const (
	mPost      = "chat.postMessage"
	mUpload    = "files.getUploadURLExternal"
	mUpdate    = "chat.update"
	mEphemeral = "chat.postEphemeral"
	mOpen      = "views.open"
	mPublish   = "views.publish"
	mUser      = "users.info"
	mGroup     = "usergroups.users.list"
	mHistory   = "conversations.history"
	mReplies   = "conversations.replies"
	mInfo      = "conversations.info"
	mAuth      = "auth.test"
)

// budget is what we allow ourselves of a method: in any minute at most perMinute + burst calls.
// Slack's own numbers (docs.slack.dev/apis/web-api/rate-limits) are in the comments.
type budget struct {
	perMinute float64
	burst     int
}

var budgets = map[string]budget{
	mPost:      {240, 20}, // several hundred a minute in all
	mUpload:    {30, 10},  // 100, and each upload is three calls
	mEphemeral: {80, 20},  // 100
	mOpen:      {70, 30},  // 100
	mPublish:   {60, 20},  // 100
	mUser:      {70, 30},  // 100
	mGroup:     {12, 8},   // 20
	mHistory:   {20, 5},   // 50, and much less for some apps
	mReplies:   {20, 5},
	mInfo:      {30, 20}, // 50
	mAuth:      {30, 5},
}

// Edits share chat.update, 50 a minute for the whole app. Progress has 40; the rest is kept for
// final states and decisions, which may also take from progress. Each pair keeps any minute
// within its share.
var (
	editProgress = budget{36, 4}
	editReserve  = budget{4, 6}
	perChannel   = budget{52, 4} // 1 a second into one channel, short bursts tolerated
)

// errBusy says that the caller's deadline comes before its turn.
var errBusy = errors.New("the budget of this Slack method is used up")

// gates holds the budgets of all methods and what Slack's 429 answers asked for.
type gates struct {
	scale    float64
	now      func() time.Time
	counted  func()
	progress *rate.Limiter
	reserve  *rate.Limiter

	mu       sync.Mutex
	methods  map[string]*rate.Limiter
	channels map[string]*rate.Limiter
	shut     map[string]time.Time
}

func newGates(scale float64, now func() time.Time, counted func()) *gates {
	g := &gates{scale: scale, now: now, counted: counted, methods: map[string]*rate.Limiter{},
		channels: map[string]*rate.Limiter{}, shut: map[string]time.Time{}}
	g.progress, g.reserve = g.limiter(editProgress), g.limiter(editReserve)
	for m, b := range budgets {
		g.methods[m] = g.limiter(b)
	}
	return g
}

func (g *gates) limiter(b budget) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(b.perMinute/60*g.scale), max(1, int(float64(b.burst)*g.scale)))
}

// limited notes a 429: nobody calls the method before its time. Jitter keeps two processes from
// coming back in the same moment.
func (g *gates) limited(method string, err error) bool {
	var r *sdk.RateLimitedError
	var s sdk.StatusCodeError
	wait := time.Duration(0)
	switch {
	case errors.As(err, &r):
		wait = max(r.RetryAfter, time.Second)
	case errors.As(err, &s) && s.Code == http.StatusTooManyRequests: // without the header
		wait = 30 * time.Second
	default:
		return false
	}
	wait += rand.N(max(wait/10, time.Millisecond)) //nolint:gosec // not a secret
	g.counted()
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := g.now().Add(wait); until.After(g.shut[method]) {
		g.shut[method] = until
	}
	return true
}

// open is how long a method must not be called because Slack said so.
func (g *gates) open(method string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(0, g.shut[method].Sub(g.now()))
}

// take spends one token now, or tells when there will be one.
func (g *gates) take(l *rate.Limiter) time.Duration {
	now := g.now()
	r := l.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// edit asks for one chat.update now.
func (g *gates) edit(routine bool) time.Duration {
	if wait := g.open(mUpdate); wait > 0 {
		return wait
	}
	wait := g.take(g.progress)
	if wait == 0 || routine {
		return wait
	}
	return min(wait, g.take(g.reserve))
}

// post asks for one chat.postMessage into a channel now.
func (g *gates) post(channel string) time.Duration {
	if wait := g.open(mPost); wait > 0 {
		return wait
	}
	g.mu.Lock()
	l := g.channels[channel]
	if l == nil {
		if len(g.channels) > 10_000 { // one each; forgetting gives a short burst at most
			clear(g.channels)
		}
		l = g.limiter(perChannel)
		g.channels[channel] = l
	}
	g.mu.Unlock()
	if wait := g.take(l); wait > 0 {
		return wait
	}
	return g.take(g.methods[mPost])
}

// wait waits for a method's turn, at most as long as ctx allows.
func (g *gates) wait(ctx context.Context, method string) error {
	for {
		d := g.open(method)
		if d == 0 {
			d = g.take(g.methods[method])
		}
		if d == 0 {
			return nil
		}
		if end, ok := ctx.Deadline(); ok && g.now().Add(d).After(end) {
			return errBusy
		}
		if !pause(ctx, d) {
			return ctx.Err()
		}
	}
}

// call makes a call that is answered at once or not at all: it waits its turn, notes a 429 and
// tries once more when there is time for that.
func (c *Client) call(ctx context.Context, method string, do func() error) error {
	for try := 0; ; try++ {
		if err := c.gates.wait(ctx, method); err != nil {
			return scrub(method, err)
		}
		err := do()
		if err == nil {
			return nil
		}
		if !c.gates.limited(method, err) || try > 0 {
			return scrub(method, err)
		}
	}
}
