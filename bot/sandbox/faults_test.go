package sandbox

import (
	"context"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/stretchr/testify/require"
)

// eventually polls a condition of the app, which has no way to tell the test.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 10*time.Second, 5*time.Millisecond, what)
}

func TestDuplicateIsDeliveredAgain(t *testing.T) {
	t.Parallel()
	ctx, s, c := world(t, nil)
	a := newApp(t, ctx, s, 1)
	out, err := c.Slash(ctx, "alice", "#db-ops", "help")
	require.NoError(t, err)
	for _, same := range []bool{true, false} {
		require.NoError(t, c.Do(ctx, "duplicate", obj{"envelope_id": out.EnvelopeID, "same_id": same}, nil))
	}
	eventually(t, "three deliveries", func() bool { return a.count("slash_commands") == 3 })
	all, err := c.Deliveries(ctx, "slash_commands")
	require.NoError(t, err)
	require.Len(t, all[0].Attempts, 3)
	require.Equal(t, all[0].Attempts[0].EnvelopeID, all[0].Attempts[1].EnvelopeID)
	require.NotEqual(t, all[0].Attempts[0].EnvelopeID, all[0].Attempts[2].EnvelopeID)
}

func TestUnackedEventIsRedelivered(t *testing.T) {
	t.Parallel()
	ctx, s, c := world(t, nil)
	a := newApp(t, ctx, s, 1)
	require.NoError(t, c.Do(ctx, "sockets", obj{"ack_ms": 150, "retry_ms": []int{10, 10, 10}}, nil))
	a.holdAcks(true)
	out, err := c.OpenHome(ctx, "alice")
	require.NoError(t, err)
	require.Equal(t, "operation_timeout", out.Problem)
	eventually(t, "first try and three more", func() bool { return a.count("events_api") == 4 })
	all, err := c.Deliveries(ctx, "app_home_opened")
	require.NoError(t, err)
	require.Equal(t, 3, all[0].Attempts[3].RetryAttempt)
	require.Equal(t, "timeout", all[0].Attempts[3].RetryReason)
	a.mu.Lock()
	require.Equal(t, "app_home_opened", a.events[0])
	a.mu.Unlock()

	out, err = c.Slash(ctx, "alice", "#db-ops", "help")
	require.NoError(t, err)
	require.False(t, out.OK)
	require.Contains(t, out.UserVisible, "operation_timeout")
	eph, err := c.Ephemerals(ctx, "alice")
	require.NoError(t, err)
	require.Contains(t, eph[0].Text, "operation_timeout")
}

func TestNoSocketIsDispatchFailed(t *testing.T) {
	t.Parallel()
	ctx, _, c := world(t, nil)
	out, err := c.Slash(ctx, "alice", "#db-ops", "help")
	require.NoError(t, err)
	require.Equal(t, "dispatch_failed", out.Problem)
}

func TestDisconnects(t *testing.T) {
	t.Parallel()
	ctx, s, c := world(t, nil)
	newApp(t, ctx, s, 2)
	opened := func() int {
		var out struct{ Opened int }
		require.NoError(t, c.Read(ctx, "sockets", &out))
		return out.Opened
	}
	for n, reason := range []string{"refresh_requested", "drop", "warning"} {
		require.NoError(t, c.Do(ctx, "disconnect", obj{"reason": reason, "which": "oldest"}, nil))
		eventually(t, reason, func() bool { return opened() == 3+n })
		require.NoError(t, c.WaitSockets(ctx, 2))
	}
	out, err := c.Slash(ctx, "alice", "#db-ops", "help")
	require.NoError(t, err)
	require.True(t, out.OK)

	require.NoError(t, c.Do(ctx, "disconnect", obj{"reason": "link_disabled"}, nil))
	require.NoError(t, c.WaitSockets(ctx, 0))
	require.NoError(t, c.Do(ctx, "disconnect", obj{"reason": "link_enabled"}, nil))
	require.NoError(t, c.WaitSockets(ctx, 2))
}

func TestHalfOpenSocketTakesEnvelopesAndSaysNothing(t *testing.T) {
	t.Parallel()
	ctx, s, c := world(t, nil)
	a := newApp(t, ctx, s, 1)
	require.NoError(t, c.Do(ctx, "sockets", obj{"ack_ms": 100}, nil))
	require.NoError(t, c.Do(ctx, "disconnect", obj{"reason": "half_open"}, nil))
	eventually(t, "frozen", func() bool {
		out, err := c.Slash(ctx, "alice", "#db-ops", "help")
		return err == nil && out.Problem == "operation_timeout"
	})
	before := a.count("slash_commands")
	_, err := c.Slash(ctx, "alice", "#db-ops", "help")
	require.NoError(t, err)
	require.Equal(t, before, a.count("slash_commands"))
}

func TestRatesWhenEnforced(t *testing.T) {
	t.Parallel()
	ctx, s, c := world(t, func(c *Config) { c.EnforceRates = true })
	api := slack.New(s.cfg.Workspace.BotToken, slack.OptionAPIURL(s.URL()+"/api/"))
	post := func() error {
		_, _, err := api.PostMessageContext(ctx, "C0DBOPS", slack.MsgOptionText("x", false))
		return err
	}
	for range 5 {
		require.NoError(t, post())
	}
	var limit *slack.RateLimitedError
	require.ErrorAs(t, post(), &limit)
	require.Equal(t, time.Second, limit.RetryAfter)
	_, _, err := api.PostMessageContext(ctx, "C0DBAUDIT", slack.MsgOptionText("x", false))
	require.NoError(t, err, "another channel has its own bucket")
	require.NoError(t, c.Do(ctx, "clock/advance", obj{"seconds": 2}, nil))
	require.NoError(t, post())

	m, err := c.WaitMessage(ctx, func(Message) bool { return true })
	require.NoError(t, err)
	passed := 0
	for range 60 {
		if _, _, _, err = api.UpdateMessageContext(ctx, m.Channel, m.TS, slack.MsgOptionText("y", false)); err == nil {
			passed++
		}
	}
	require.InDelta(t, 50, passed, 3)
	require.NoError(t, c.Do(ctx, "limits", obj{"enforce": false}, nil))
	require.NoError(t, post())
}

func TestFaults(t *testing.T) {
	t.Parallel()
	ctx, s, c := world(t, nil)
	api := slack.New(s.cfg.Workspace.BotToken, slack.OptionAPIURL(s.URL()+"/api/"))
	post := func(ctx context.Context) error {
		_, _, err := api.PostMessageContext(ctx, "C0DBOPS", slack.MsgOptionText("x", false))
		return err
	}
	fault := func(f obj) {
		f["method"] = "chat.postMessage"
		require.NoError(t, c.Do(ctx, "fault", f, nil))
	}
	count := func() int {
		all, err := c.Messages(ctx, "#db-ops")
		require.NoError(t, err)
		return len(all)
	}
	fault(obj{"http": 429, "retry_after": 7})
	var limit *slack.RateLimitedError
	require.ErrorAs(t, post(ctx), &limit)
	require.Equal(t, 7*time.Second, limit.RetryAfter)
	fault(obj{"http": 503, "times": 2})
	var status slack.StatusCodeError
	require.ErrorAs(t, post(ctx), &status)
	require.Equal(t, 503, status.Code)
	require.Error(t, post(ctx))
	fault(obj{"error": "is_archived"})
	require.ErrorContains(t, post(ctx), "is_archived")
	require.Zero(t, count())
	fault(obj{"drop_request": true})
	require.Error(t, post(ctx))
	require.Zero(t, count())
	fault(obj{"drop_response": true})
	require.Error(t, post(ctx))
	require.Equal(t, 1, count(), "processed, but the answer was lost")
	fault(obj{"delay_ms": 5000})
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, post(short), context.DeadlineExceeded)
	require.NoError(t, post(ctx))
	require.Equal(t, 2, count())
}
