package slack

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"

	sdk "github.com/slack-go/slack"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"mysql-recycler/approvals"
	"mysql-recycler/bot"
)

var (
	_ bot.Responder       = (*Client)(nil)
	_ approvals.Directory = (*Client)(nil)
)

// Options is what a Client needs. Tokens never appear in a log or an error.
type Options struct {
	BotToken string // xoxb-…
	AppToken string // xapp-…, scope connections:write
	// APIURL is the base of the Web API. Defaults to https://slack.com/api/.
	APIURL  string
	Inbox   bot.Inbox
	Outbox  bot.Sending
	Handler bot.Handler // may be set later with Handle, before Run
	Log     *zap.Logger // defaults to none
	// Clock tells the time. Defaults to time.Now.
	Clock func() time.Time
	// Sockets is how many sockets are kept open, at most 10. Defaults to 2.
	Sockets int
	// AckText is what a person reads at once after a command, or "" for nothing.
	AckText func(command string) string
	// FormActions are the actions of buttons that open a form: they wait for nothing else.
	FormActions []string
	// Fallback is the channel for messages that their own cannot take. Empty: an archived channel's
	// are given up, the others wait for an invitation.
	Fallback string
	// Undelivered is told once of a post that cannot be shown where it should, with the reason.
	Undelivered func(ctx context.Context, p bot.Post, why *Problem)
	Tuning      Tuning
}

// Tuning holds rates and pauses. The zero value is right for the live service.
type Tuning struct {
	// Rate multiplies every rate of ours; tests use more. Defaults to 1.
	Rate float64
	// Poll is how often the outbox is asked without being woken. Defaults to 2 s.
	Poll time.Duration
	// EditEvery is the least time between two progress edits of one message. Defaults to 5 s.
	EditEvery time.Duration
	// Retry is the first pause after a failed call or handler; it doubles. Defaults to 1 s.
	Retry time.Duration
	// Unsure is the pause before a post of unknown outcome is sent again. Defaults to 20 s.
	Unsure time.Duration
	// Recheck is how long foreign sockets may linger before they are warned of. Defaults to 60 s.
	Recheck time.Duration
	// Ping is how long a socket may be silent. Defaults to 30 s, Slack's own.
	Ping time.Duration
	// Grace is how long work in hand may take after Run was told to end. Defaults to 10 s.
	Grace time.Duration
	// Sweep is how often envelopes that could not be handled are tried again. Defaults to 5 min.
	Sweep time.Duration
}

func (t Tuning) withDefaults() Tuning {
	or := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	if t.Rate <= 0 {
		t.Rate = 1
	}
	or(&t.Poll, 2*time.Second)
	or(&t.EditEvery, 5*time.Second)
	or(&t.Retry, time.Second)
	or(&t.Unsure, 20*time.Second)
	or(&t.Recheck, time.Minute)
	or(&t.Ping, 30*time.Second)
	or(&t.Grace, 10*time.Second)
	or(&t.Sweep, 5*time.Minute)
	return t
}

// Client is the transport. It implements bot.Responder and approvals.Directory.
type Client struct {
	o      Options
	log    *zap.Logger
	http   *http.Client
	api    *sdk.Client
	count  counters
	gates  *gates
	sender *sender
	people *people
	hooks  *hooks
	homes  *homes
	lanes  *lanes // set by Run
	forms  *answers
	in     everIn
}

// New checks options and prepares a client. Nothing is sent before Run.
func New(o Options) (*Client, error) {
	if !strings.HasPrefix(o.BotToken, "xoxb-") || !strings.HasPrefix(o.AppToken, "xapp-") {
		return nil, errors.New("slack: the bot token must start with xoxb- and the app token with xapp-")
	}
	if o.Inbox == nil || o.Outbox == nil {
		return nil, errors.New("slack: inbox and outbox must be set")
	}
	if o.APIURL == "" {
		o.APIURL = sdk.APIURL
	}
	o.APIURL = strings.TrimRight(o.APIURL, "/") + "/" // slack-go appends the method to it as it is
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Sockets <= 0 {
		o.Sockets = 2
	}
	if o.Sockets > 10 {
		return nil, fmt.Errorf("slack: %d sockets, Slack allows 10", o.Sockets)
	}
	o.Tuning = o.Tuning.withDefaults()
	c := &Client{o: o, log: o.Log, http: httpClient()}
	c.api = sdk.New(o.BotToken, sdk.OptionAppLevelToken(o.AppToken), sdk.OptionAPIURL(o.APIURL),
		sdk.OptionHTTPClient(c.http), sdk.OptionLog(log.New(discard{}, "", 0)))
	c.count.s.Sockets = make([]SocketStats, o.Sockets)
	c.gates = newGates(o.Tuning.Rate, o.Clock, func() { c.count.do(func(s *Stats) { s.Out.RateLimited++ }) })
	c.sender = newSender(c)
	c.people = newPeople(c)
	c.hooks = newHooks(o.Clock)
	c.homes = newHomes(c)
	c.forms = newAnswers()
	return c, nil
}

// httpClient has a deadline, which slack-go's own has not, and keeps a connection for each call
// that may be in the air.
func httpClient() *http.Client {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: flights, IdleConnTimeout: 90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true}
	return &http.Client{Timeout: 15 * time.Second, Transport: t}
}

// discard swallows slack-go's own log, which may hold payloads.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// Handle sets who handles what people do; it must be called before Run.
func (c *Client) Handle(h bot.Handler) { c.o.Handler = h }

// Stats returns the counters now.
func (c *Client) Stats() Stats { return c.count.snapshot() }

// Wake makes the sender look into the outbox at once.
func (c *Client) Wake() { c.sender.wakeUp() }

// Run connects, receives and sends until ctx ends, and returns when all work in hand has ended.
// It returns an error only when Slack refuses the app for good before it ever let it in.
func (c *Client) Run(ctx context.Context) error {
	if c.o.Handler == nil {
		return errors.New("slack: no handler was set")
	}
	defer c.http.CloseIdleConnections()
	// Work in hand outlives ctx for a moment: a post that is cut off may or may not have arrived.
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	g, run := errgroup.WithContext(ctx)
	c.lanes = newLanes(run, work, c.handle)
	defer func() {
		end := time.AfterFunc(c.o.Tuning.Grace, stopWork)
		defer end.Stop()
		c.lanes.wait()
	}()
	if err := c.replay(run, 0); err != nil {
		return fmt.Errorf("read envelopes left from before: %w", err)
	}
	for i := range c.o.Sockets {
		s := newSocket(c, i)
		g.Go(func() error { return s.run(run) })
	}
	g.Go(func() error { return c.sender.run(run, work) })
	g.Go(func() error { return c.sweep(run) })
	g.Go(func() error { return c.homes.run(run) })
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// sweep handles again what was given up, and what another run left behind.
func (c *Client) sweep(ctx context.Context) error {
	for pause(ctx, c.o.Tuning.Sweep) {
		if err := c.replay(ctx, c.o.Tuning.Sweep); err != nil {
			c.log.Warn("sweep of the inbox", zap.Error(err))
		}
	}
	return nil
}

// pause waits, and returns false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
