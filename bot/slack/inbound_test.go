package slack

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/bot"
	"mysql-recycler/bot/sandbox"
)

func TestCommandIsStoredAcknowledgedAndHandled(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	out, err := s.sb.Slash(s.ctx, "alice", "#db-ops", "discover db-prod-3")
	require.NoError(t, err)
	require.True(t, out.OK)
	require.Less(t, out.MS, int64(1000))
	s.until("handled", func() bool { _, handled := s.in.counts(); return handled == 1 })
	commands, _, _ := s.h.got()
	require.Len(t, commands, 1)
	c := commands[0]
	require.Equal(t, "discover db-prod-3", c.Text)
	require.Equal(t, alice, c.User.ID)
	require.Equal(t, "T0RECYCLE", c.User.Team)
	require.Equal(t, dbOps, c.Channel)
	require.NotEmpty(t, c.Reply.URL)
	require.NotEmpty(t, c.Reply.Trigger)
}

func TestAckTextIsWhatThePersonReadsAtOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(o *Options) { o.AckText = func(c string) string { return "On it: <" + c + ">" } })
	out, err := s.sb.Slash(s.ctx, "alice", "#db-ops", "status")
	require.NoError(t, err)
	require.Contains(t, out.UserVisible, "On it")
	s.whispered("alice", "On it: &lt;status&gt;")
}

// A command delivered three times, with the same envelope id and with another one, is one call.
func TestDuplicateDeliveriesAreOneCall(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	_, err := s.sb.Slash(s.ctx, "alice", "#db-ops", "list")
	require.NoError(t, err)
	d, err := s.sb.Deliveries(s.ctx, kindSlash)
	require.NoError(t, err)
	require.Len(t, d, 1)
	s.do("duplicate", map[string]any{"envelope_id": d[0].EnvelopeID, "same_id": true})
	s.do("duplicate", map[string]any{"envelope_id": d[0].EnvelopeID, "same_id": false})
	s.do("duplicate", map[string]any{"envelope_id": d[0].EnvelopeID, "same_id": false})
	s.until("all arrived", func() bool { return s.c.Stats().In.Duplicates == 3 })
	s.until("all acknowledged", func() bool { return s.c.Stats().In.Received == 4 })
	commands, _, _ := s.h.got()
	require.Len(t, commands, 1)
}

// clickable posts a card with buttons and returns its message.
func (s *stage) clickable(buttons ...bot.Button) sandbox.Message {
	s.put(bot.Post{Key: "card", Channel: dbOps, Body: say("Approve it?", buttons...)})
	return s.shows(dbOps, "Approve it?")
}

func (s *stage) click(user string, m sandbox.Message, actionID string) sandbox.Outcome {
	s.t.Helper()
	out, err := s.sb.Click(s.ctx, sandbox.Click{User: user, Channel: m.Channel, TS: m.TS, ActionID: actionID})
	require.NoError(s.t, err)
	return out
}

func TestClicksArriveWithTheirValueAndInOrder(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	var running, most atomic.Int32
	s.h.onClick = func(context.Context, bot.Click) error {
		most.Store(max(most.Load(), running.Add(1)))
		time.Sleep(20 * time.Millisecond) // long enough for the next to overlap if it could
		running.Add(-1)
		return nil
	}
	m := s.clickable(bot.Button{Action: "approve", Value: "a1|R-7QK2|1a2b", Label: "Approve", Style: "primary"},
		bot.Button{Action: "approve", Value: "a1|R-7QK2|other", Label: "Approve this one"})
	buttons := m.Buttons()
	require.Equal(t, []string{"approve", "approve~2"}, []string{buttons[0].ActionID, buttons[1].ActionID})
	for n, by := range [][2]string{{"bob", "approve"}, {"bob", "approve~2"}, {"alice", "approve"}} {
		require.True(t, s.click(by[0], m, by[1]).OK)
		s.until("begun", func() bool { _, clicks, _ := s.h.got(); return len(clicks) > n })
	}
	s.until("handled", func() bool { _, n := s.in.counts(); return n == 3 })
	_, clicks, _ := s.h.got()
	require.Len(t, clicks, 3)
	require.Equal(t, "a1|R-7QK2|1a2b", clicks[0].Value)
	require.Equal(t, "a1|R-7QK2|other", clicks[1].Value)
	require.Equal(t, []string{"approve", "approve", "approve"}, []string{clicks[0].Action, clicks[1].Action, clicks[2].Action})
	require.Equal(t, []string{bob, bob, alice}, []string{clicks[0].User.ID, clicks[1].User.ID, clicks[2].User.ID})
	require.Equal(t, m.TS, clicks[0].Message)
	require.WithinDuration(t, time.Now(), clicks[0].At, time.Minute)
	require.Equal(t, int32(1), most.Load(), "clicks on one message are handled one after the other")
}

// The process dies between acknowledgement and handling: the next one handles it.
func TestCrashBetweenAckAndHandlingIsReplayed(t *testing.T) {
	t.Parallel()
	s := coldStage(t, func(o *Options) { o.Tuning.Grace = 50 * time.Millisecond })
	entered := make(chan struct{})
	s.h.onCommand = func(ctx context.Context, _ bot.Command) error {
		close(entered)
		<-ctx.Done() // killed while at it
		return ctx.Err()
	}
	s.start()
	out, err := s.sb.Slash(s.ctx, "alice", "#db-ops", "run db-prod-3")
	require.NoError(t, err)
	require.True(t, out.OK)
	<-entered
	s.stop()
	stored, handled := s.in.counts()
	require.Equal(t, 1, stored)
	require.Zero(t, handled)
	s.h.mu.Lock()
	s.h.onCommand = nil
	s.h.mu.Unlock()
	s.start()
	s.until("replayed", func() bool { _, n := s.in.counts(); return n == 1 })
	commands, _, _ := s.h.got()
	require.Len(t, commands, 2)
	require.Equal(t, commands[0].Text, commands[1].Text)
}

func TestHandlerErrorAndPanicAreTriedAgain(t *testing.T) {
	t.Parallel()
	s := coldStage(t, nil)
	var n atomic.Int32
	s.h.onCommand = func(context.Context, bot.Command) error {
		switch n.Add(1) {
		case 1:
			return errors.New("database is locked")
		case 2:
			panic("nil map")
		}
		return nil
	}
	s.start()
	_, err := s.sb.Slash(s.ctx, "alice", "#db-ops", "list")
	require.NoError(t, err)
	s.until("third time", func() bool { _, h := s.in.counts(); return h == 1 })
	require.Equal(t, int32(3), n.Load())
	require.Equal(t, int64(2), s.c.Stats().In.Retried)
}

// What could not be stored is not acknowledged as if it were: a command is answered, a click is
// delivered again by Slack.
func TestNothingIsAcknowledgedUnstored(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	m := s.clickable(bot.Button{Action: "approve", Value: "v", Label: "Approve"})
	s.in.breakIt(errors.New("disk full"))
	out, err := s.sb.Slash(s.ctx, "alice", "#db-ops", "list")
	require.NoError(t, err)
	require.Contains(t, out.UserVisible, "could not store")
	require.False(t, s.click("bob", m, "approve").OK)
	require.GreaterOrEqual(t, s.c.Stats().In.Refused, int64(2))
	commands, clicks, _ := s.h.got()
	require.Empty(t, commands)
	require.Empty(t, clicks)
}

// Sockets are cut one after the other, with and without warning, while people click: every click
// is handled exactly once. A frame in a socket that dies is lost to any client; Slack delivers it
// again, and so does the sandbox here.
func TestDisconnectsLoseNoClick(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.do("sockets", map[string]any{"interactive": true, "ack_ms": 1000, "retry_ms": []int{200, 300, 400}})
	m := s.clickable(bot.Button{Action: "approve", Value: "v", Label: "Approve"})
	const clicks = 40
	var wg sync.WaitGroup
	var late atomic.Int32
	for i := range clicks {
		switch i % 10 {
		case 3:
			s.do("disconnect", map[string]any{"reason": "warning", "which": "oldest"})
		case 6:
			s.do("disconnect", map[string]any{"reason": "refresh_requested", "which": "newest"})
		case 9:
			s.do("disconnect", map[string]any{"reason": "drop", "which": "oldest"})
		}
		wg.Go(func() {
			out, err := s.sb.Click(s.ctx, sandbox.Click{User: "bob", Channel: dbOps, TS: m.TS, ActionID: "approve"})
			if err != nil || !out.OK {
				late.Add(1)
			}
		})
		time.Sleep(15 * time.Millisecond) // spread over several connections
	}
	wg.Wait()
	s.until("all handled", func() bool { _, handled := s.in.counts(); return handled == clicks })
	_, got, _ := s.h.got()
	require.Len(t, got, clicks, "none twice")
	t.Logf("%d of %d clicks needed a second delivery; sockets %+v", late.Load(), clicks, s.c.Stats().Sockets)
}

func TestTokenRefusedAtStartEndsRun(t *testing.T) {
	t.Parallel()
	s := coldStage(t, func(o *Options) { o.AppToken = "xapp-wrong" })
	c, err := New(s.options())
	require.NoError(t, err)
	err = c.Run(s.ctx)
	var p *Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, "invalid_auth", p.Code)
	require.NotEmpty(t, p.Hint())
	require.NotContains(t, err.Error(), "xapp-wrong")
}

// Socket Mode is switched off and on again while the bot runs: it says so and comes back.
func TestLinkDisabledIsSaidAndSurvived(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.do("disconnect", map[string]any{"reason": "link_disabled"})
	s.until("told", func() bool { return s.c.Stats().Fatal == "link_disabled" })
	require.NotZero(t, s.logs.FilterMessageSnippet("slack refuses the app").Len())
	s.do("disconnect", map[string]any{"reason": "link_enabled"})
	s.until("back", func() bool {
		st := s.c.Stats()
		return st.Fatal == "" && st.Sockets[0].Connected && st.Sockets[1].Connected
	})
	out, err := s.sb.Slash(s.ctx, "alice", "#db-ops", "list")
	require.NoError(t, err)
	require.True(t, out.OK)
}

// A second process on the same app token is warned of, but only when it stays.
func TestForeignSocketsAreWarnedOf(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(o *Options) { o.Sockets = 1 })
	require.Zero(t, s.c.Stats().ForeignSockets)
	other := &stage{t: t, ctx: s.ctx, srv: s.srv, sb: s.sb, in: newInbox(), out: newOutbox(), h: &handler{}, stop: func() {}}
	other.start()
	t.Cleanup(func() { other.stop() })
	s.until("warned", func() bool {
		return other.logs.FilterMessageSnippet("another process uses the same Slack app token").Len() > 0
	})
	require.Equal(t, 1, other.c.Stats().ForeignSockets)
	other.stop()
}

func TestEnvelopesOfNoInterestAreAcknowledgedAndNotStored(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.do("event", map[string]any{"type": "reaction_added", "user": alice})
	s.until("acknowledged", func() bool {
		d, err := s.sb.Deliveries(s.ctx, kindEvent)
		require.NoError(t, err)
		return len(d) == 1 && d[0].Acked
	})
	stored, _ := s.in.counts()
	require.Zero(t, stored)
}

func TestManyCommandsAtOnceAreAcknowledgedInTime(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	var wg sync.WaitGroup
	slow := make(chan string, 100)
	for i := range 100 {
		wg.Go(func() {
			out, err := s.sb.Slash(s.ctx, "alice", "#db-ops", fmt.Sprint("status R-", i))
			if err != nil || !out.OK || out.MS > 1000 {
				slow <- fmt.Sprint(err, out)
			}
		})
	}
	wg.Wait()
	require.Empty(t, slow)
	s.until("handled", func() bool { _, n := s.in.counts(); return n == 100 })
}
