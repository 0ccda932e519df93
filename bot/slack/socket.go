package slack

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	sdk "github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// loudAfter is how many failed attempts in a row are said as an error and not as a warning.
const loudAfter = 5

// socket is one Socket Mode connection that is always opened again. The slack-go client in it
// outlives its connections, so an acknowledgement queued on one is sent on the next.
type socket struct {
	c   *Client
	n   int
	log *zap.Logger
	smc *socketmode.Client

	mu     sync.Mutex
	cancel context.CancelFunc // ends the present connection
	fatal  error              // why, when Slack refused for good

	// The rest belongs to the draining goroutine.
	suspect bool        // the newest hello counted sockets that are not ours
	check   *time.Timer // when to look again
}

// everIn is set by the first hello: from then on a refusal does not end Run.
type everIn struct{ atomic.Bool }

func newSocket(c *Client, n int) *socket {
	s := &socket{c: c, n: n, log: c.log.With(zap.Int("socket", n)), check: time.NewTimer(time.Hour)}
	s.check.Stop()
	s.smc = socketmode.New(c.api, socketmode.OptionPingInterval(c.o.Tuning.Ping),
		socketmode.OptionReadLimit(8<<20), socketmode.OptionLog(log.New(io.Discard, "", 0)))
	return s
}

// run keeps the connection and drains its events until ctx ends.
func (s *socket) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.supervise(ctx) })
	g.Go(func() error { return s.drain(ctx) })
	return g.Wait()
}

// supervise opens the connection again whenever slack-go gives up.
func (s *socket) supervise(ctx context.Context) error {
	for ctx.Err() == nil {
		run, cancel := context.WithCancel(ctx)
		s.mu.Lock()
		s.cancel, s.fatal = cancel, nil
		s.mu.Unlock()
		err := s.smc.RunContext(run)
		cancel()
		s.state(func(st *SocketStats) { st.Connected = false })
		if ctx.Err() != nil {
			break
		}
		s.mu.Lock()
		if s.fatal != nil {
			err = s.fatal
		}
		s.mu.Unlock()
		wait := s.c.o.Tuning.Retry
		if refused(err) {
			c := first(code(err), "not_found")
			s.c.count.do(func(st *Stats) { st.Fatal = c })
			if !s.c.in.Load() {
				return scrub("connect to Slack", err)
			}
			wait *= 60
			s.log.Error("slack refuses the app; jobs go on, nothing can be said or decided in Slack until this is mended",
				zap.Error(scrub("connect to Slack", err)), zap.Duration("next_try", wait))
		}
		pause(ctx, wait)
	}
	return nil //nolint:nilerr // ctx ended, and what the last connection said is in the log
}

// refused says whether trying again cannot help.
func refused(err error) bool {
	var status sdk.StatusCodeError
	return fatal[code(err)] || errors.As(err, &status) && status.Code == http.StatusNotFound
}

func (s *socket) state(f func(*SocketStats)) {
	s.c.count.do(func(st *Stats) { f(&st.Sockets[s.n]) })
}

// recycle ends the present connection; supervise opens the next.
func (s *socket) recycle(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fatal = why
	if s.cancel != nil {
		s.cancel()
	}
}

// drain takes every event at once: when nobody reads for 30 s slack-go takes its link for dead.
func (s *socket) drain(ctx context.Context) error {
	defer s.check.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.check.C:
			s.recycle(nil) // the hello of a new connection is the only place that counts sockets
		case ev := <-s.smc.Events:
			s.event(ctx, ev)
		}
	}
}

func (s *socket) event(ctx context.Context, ev socketmode.Event) {
	switch ev.Type {
	case socketmode.EventTypeSlashCommand, socketmode.EventTypeInteractive, socketmode.EventTypeEventsAPI:
		r := ev.Request
		s.c.receive(ctx, s.smc, incoming{kind: r.Type, id: r.EnvelopeID, payload: r.Payload})
	case socketmode.EventTypeErrorBadMessage:
		s.unreadable(ctx, ev)
	case socketmode.EventTypeHello:
		s.hello(ev.Request.NumConnections)
	case socketmode.EventTypeConnecting:
		s.state(func(st *SocketStats) { st.Connected = false })
	case socketmode.EventTypeConnectionError:
		s.failed(ev)
	case socketmode.EventTypeErrorWriteFailed:
		s.c.count.do(func(st *Stats) { st.In.AckErrors++ })
		s.log.Warn("an acknowledgement was not written; Slack will deliver again")
	default: // connected, incoming_error, invalid_auth: told by hello, by the next attempt, by RunContext
	}
}

// unreadable saves an envelope that slack-go could not decode but we can.
func (s *socket) unreadable(ctx context.Context, ev socketmode.Event) {
	bad, ok := ev.Data.(*socketmode.ErrorBadMessage)
	if !ok {
		return
	}
	var r struct {
		Type       string          `json:"type"`
		EnvelopeID string          `json:"envelope_id"`
		Payload    json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(bad.Message, &r); err != nil || r.EnvelopeID == "" {
		s.c.count.do(func(st *Stats) { st.In.Unreadable++ })
		s.log.Warn("slack sent something unreadable", zap.Int("bytes", len(bad.Message)))
		return
	}
	s.c.receive(ctx, s.smc, incoming{kind: r.Type, id: r.EnvelopeID, payload: r.Payload})
}

func (s *socket) hello(sockets int) {
	s.c.in.Store(true)
	foreign := max(0, sockets-s.c.o.Sockets)
	s.c.count.do(func(st *Stats) {
		st.Fatal, st.ForeignSockets = "", foreign
		me := &st.Sockets[s.n]
		me.Connected, me.Failures = true, 0
		me.Hellos++
	})
	s.log.Info("connected to Slack", zap.Int("sockets_of_the_app", sockets))
	switch {
	case foreign == 0:
		s.suspect = false
		s.check.Stop()
	case !s.suspect: // sockets of a process that just ended linger for a while
		s.suspect = true
		s.check.Reset(s.c.o.Tuning.Recheck)
	default:
		s.log.Error("another process uses the same Slack app token and takes commands and clicks away from this one; "+
			"stop it, or give it an app of its own", zap.Int("foreign_sockets", foreign))
		s.check.Reset(30 * s.c.o.Tuning.Recheck)
	}
}

func (s *socket) failed(ev socketmode.Event) {
	e, ok := ev.Data.(*sdk.ConnectionErrorEvent)
	if !ok {
		return
	}
	var failures int64
	s.state(func(st *SocketStats) {
		st.Connected = false
		st.Failures++
		failures = st.Failures
	})
	if refused(e.ErrorObj) {
		s.recycle(e.ErrorObj) // slack-go would try for ever
		return
	}
	say := s.log.Warn
	if failures >= loudAfter {
		say = s.log.Error
	}
	say("cannot connect to Slack", zap.Error(scrub("connect to Slack", e.ErrorObj)),
		zap.Int64("attempt", failures), zap.Duration("next_try", e.Backoff))
}
