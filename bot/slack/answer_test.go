package slack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/bot"
	"mysql-recycler/bot/sandbox"
	"mysql-recycler/engine"
)

func whisper(text string) bot.Message {
	return bot.Message{Summary: text, Blocks: []bot.Block{{Text: []bot.Span{{Text: text}}}}}
}

// Six answers to one command: five by the response URL, the sixth still reaches the person.
func TestWhisperOutlivesTheResponseURL(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.h.onCommand = func(ctx context.Context, c bot.Command) error {
		for i := range 7 {
			if err := s.c.Whisper(ctx, c.Reply, whisper(fmt.Sprint("answer ", i))); err != nil {
				return err
			}
		}
		return nil
	}
	_, err := s.sb.Slash(s.ctx, "alice", "#db-ops", "help")
	require.NoError(t, err)
	s.whispered("alice", "answer 6")
	require.Len(t, s.calls(mEphemeral), 2)
	all, err := s.sb.Ephemerals(s.ctx, "bob")
	require.NoError(t, err)
	require.Empty(t, all)
	require.Empty(t, s.messages(dbOps))
	s.clean()
}

// In a channel without the bot a command is still answered; a later answer that finds no way
// into the channel comes as a direct message and says why.
func TestWhisperWhereTheBotIsNot(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.h.onCommand = func(ctx context.Context, c bot.Command) error {
		if err := s.c.Whisper(ctx, c.Reply, whisper("by the response URL")); err != nil {
			return err
		}
		c.Reply.URL = ""
		return s.c.Whisper(ctx, c.Reply, whisper("by hand"))
	}
	_, err := s.sb.Slash(s.ctx, "alice", "#random", "help")
	require.NoError(t, err)
	s.whispered("alice", "by the response URL")
	var dm sandbox.Message
	s.until("direct message", func() bool {
		for _, m := range s.messages("") {
			if strings.Contains(m.Plain(), "by hand") {
				dm = m
				return true
			}
		}
		return false
	})
	require.True(t, strings.HasPrefix(dm.Channel, "D"), dm.Channel)
	require.Contains(t, dm.Plain(), "/invite")
}

func TestWhisperNeverLeavesSlack(t *testing.T) {
	t.Parallel()
	c, err := New(Options{BotToken: "xoxb-1", AppToken: "xapp-1", Inbox: newInbox(), Outbox: newOutbox()})
	require.NoError(t, err)
	for u, want := range map[string]bool{"https://hooks.slack.com/commands/T/1/x": true, "https://evil.example/x": false,
		"http://hooks.slack.com/x": false, "https://slack.com.evil.example/": false, "https://a@slack.com/": false, "": false,
		"http://169.254.169.254/": false, "https://xslack.com/": false} {
		require.Equal(t, want, c.trusted(u), u)
	}
}

var denyForm = bot.Form{ID: "deny_reason", Ref: "R-7QK2|1a2b", Title: "Deny R-7QK2", Submit: "Deny", Cancel: "Back",
	Intro: []bot.Span{{Text: "Tell alice why."}}, Inputs: []bot.Input{
		{ID: "reason", Label: "Reason", Multi: true, MaxLen: 300},
		{ID: "mode", Label: "Mode", Optional: true, Initial: "off", Options: []bot.Option{{Value: "on", Label: "binlog on"}, {Value: "off", Label: "binlog off"}}}}}

// denyStage is a card whose Deny button opens a form.
func denyStage(t *testing.T, setup func(*Options)) (*stage, sandbox.Message) {
	s := newStage(t, setup)
	s.h.onClick = func(ctx context.Context, c bot.Click) error { return s.c.OpenForm(ctx, c.Reply, denyForm) }
	return s, s.clickable(bot.Button{Action: "deny", Value: "R-7QK2", Label: "Deny", Style: "danger"})
}

func TestFormOpensAndComesBack(t *testing.T) {
	t.Parallel()
	s, m := denyStage(t, nil)
	s.h.onSubmit = func(ctx context.Context, sub bot.Submission) (map[string]string, error) {
		if len(sub.Values["reason"]) < 10 {
			return map[string]string{"reason": "At least 10 characters.", "nowhere": "And more."}, nil
		}
		return nil, s.c.Whisper(ctx, sub.Reply, whisper("denied"))
	}
	require.True(t, s.click("bob", m, "deny").OK)
	v, err := s.sb.WaitView(s.ctx, "bob", nil)
	require.NoError(t, err)
	require.Contains(t, v.Text(), "Tell alice why.")

	out, err := s.sb.Submit(s.ctx, "bob", v.ID, map[string]any{"reason": "no"})
	require.NoError(t, err)
	require.Equal(t, "errors", out.Action)
	require.Contains(t, out.Errors["reason"], "At least 10")
	require.Contains(t, out.Errors["reason"], "And more.")

	// The same view, with the same hash, once more: it is another submission.
	out, err = s.sb.Submit(s.ctx, "bob", v.ID, map[string]any{"reason": "peak hours, come back at night"})
	require.NoError(t, err)
	require.True(t, out.OK)
	require.Less(t, out.MS, int64(2500))
	require.Equal(t, "close", out.Action)
	s.whispered("bob", "denied")
	_, _, subs := s.h.got()
	require.Len(t, subs, 2)
	last := subs[1]
	require.Equal(t, "deny_reason", last.Form)
	require.Equal(t, denyForm.Ref, last.Ref)
	require.Equal(t, map[string]string{"reason": "peak hours, come back at night", "mode": "off"}, last.Values)
	require.Equal(t, bob, last.User.ID)
	require.Equal(t, dbOps, last.Reply.Channel)
	s.clean()
}

// The handler of another click on the same card is stuck; the form still opens in time.
func TestFormActionWaitsForNothing(t *testing.T) {
	t.Parallel()
	s, m := denyStage(t, func(o *Options) { o.FormActions = []string{"deny"} })
	open := s.h.onClick
	stuck := make(chan struct{})
	var seen atomic.Int32
	s.h.onClick = func(ctx context.Context, c bot.Click) error {
		if seen.Add(1) == 1 {
			<-stuck
			return nil
		}
		return open(ctx, c)
	}
	s.click("alice", m, "deny")
	s.until("stuck", func() bool { return seen.Load() == 1 })
	begun := time.Now()
	s.click("bob", m, "deny")
	_, err := s.sb.WaitView(s.ctx, "bob", nil)
	require.NoError(t, err)
	require.Less(t, time.Since(begun), 3*time.Second)
	close(stuck)
}

// A submission delivered three times is handled once, and each delivery gets the same answer.
func TestSubmissionDeliveredAgain(t *testing.T) {
	t.Parallel()
	s, m := denyStage(t, nil)
	s.h.onSubmit = func(context.Context, bot.Submission) (map[string]string, error) {
		return map[string]string{"reason": "no"}, nil
	}
	s.click("bob", m, "deny")
	v, err := s.sb.WaitView(s.ctx, "bob", nil)
	require.NoError(t, err)
	_, err = s.sb.Submit(s.ctx, "bob", v.ID, map[string]any{"reason": "x"})
	require.NoError(t, err)
	d, err := s.sb.Deliveries(s.ctx, "view_submission")
	require.NoError(t, err)
	s.do("duplicate", map[string]any{"envelope_id": d[0].EnvelopeID, "same_id": true})
	s.do("duplicate", map[string]any{"envelope_id": d[0].EnvelopeID, "same_id": false})
	s.until("arrived", func() bool { return s.c.Stats().In.Duplicates == 2 })
	_, _, subs := s.h.got()
	require.Len(t, subs, 1)
}

// A slow handler does not make the form fail: it is closed in time, and a problem that is found
// later is told.
func TestSlowSubmission(t *testing.T) {
	t.Parallel()
	s, m := denyStage(t, nil)
	s.h.onSubmit = func(context.Context, bot.Submission) (map[string]string, error) {
		time.Sleep(formWithin + 200*time.Millisecond)
		return map[string]string{"reason": "somebody was faster"}, nil
	}
	s.click("bob", m, "deny")
	v, err := s.sb.WaitView(s.ctx, "bob", nil)
	require.NoError(t, err)
	out, err := s.sb.Submit(s.ctx, "bob", v.ID, map[string]any{"reason": "x"})
	require.NoError(t, err)
	require.True(t, out.OK)
	s.whispered("bob", "somebody was faster")
	require.Equal(t, int64(1), s.c.Stats().In.SlowForms)
}

// A submission that cannot be handled now is kept and handled again.
func TestSubmissionErrorIsHandledAgain(t *testing.T) {
	t.Parallel()
	s, m := denyStage(t, nil)
	var n atomic.Int32
	s.h.onSubmit = func(context.Context, bot.Submission) (map[string]string, error) {
		if n.Add(1) == 1 {
			return nil, errors.New("database is locked")
		}
		return nil, nil
	}
	s.click("bob", m, "deny")
	v, err := s.sb.WaitView(s.ctx, "bob", nil)
	require.NoError(t, err)
	out, err := s.sb.Submit(s.ctx, "bob", v.ID, map[string]any{"reason": "x"})
	require.NoError(t, err)
	require.True(t, out.OK)
	s.until("handled", func() bool { _, h := s.in.counts(); return h == 2 })
	require.Equal(t, int32(2), n.Load())
}

func TestExpiredTriggerIsAProblemInWords(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.do("fault", map[string]any{"method": mOpen, "error": "expired_trigger_id"})
	err := s.c.OpenForm(s.ctx, bot.Reply{User: bob, Trigger: "1.2.x"}, denyForm)
	var p *Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, "Click again.", p.Hint())
}

func TestShortcutIsTheCommandWithoutWords(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.h.onCommand = func(ctx context.Context, c bot.Command) error { return s.c.OpenForm(ctx, c.Reply, denyForm) }
	_, err := s.sb.Shortcut(s.ctx, "alice", "recycle_new")
	require.NoError(t, err)
	_, err = s.sb.WaitView(s.ctx, "alice", nil)
	require.NoError(t, err)
	commands, _, _ := s.h.got()
	require.Empty(t, commands[0].Text)
}

func TestHomeIsDrawnOnOpenAndOnChange(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.h.home = bot.Message{Blocks: []bot.Block{{Header: "Waiting for you"}, {Actions: []bot.Button{{Action: "new", Value: "v", Label: "New recycle"}}}}}
	_, err := s.sb.OpenHome(s.ctx, "alice")
	require.NoError(t, err)
	shows := func(text string) {
		s.until("home shows "+text, func() bool {
			v, err := s.sb.Home(s.ctx, "alice")
			require.NoError(t, err)
			return v != nil && strings.Contains(v.Text(), text)
		})
	}
	shows("Waiting for you")
	s.h.mu.Lock()
	s.h.home = whisper("Running: R-7QK2")
	s.h.mu.Unlock()
	s.c.RefreshHomes()
	shows("R-7QK2")
	n := len(s.calls(mPublish))
	s.c.RefreshHomes() // nothing changed, nothing is sent
	_, err = s.sb.OpenHome(s.ctx, "alice")
	require.NoError(t, err)
	s.until("handled", func() bool { _, h := s.in.counts(); return h == 2 })
	require.Len(t, s.calls(mPublish), n)
}

func TestDirectoryPerson(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p, err := s.c.Person(s.ctx, "T0RECYCLE", alice)
	require.NoError(t, err)
	require.Equal(t, "zh-CN", p.Locale)
	require.Equal(t, "alice@example.com", p.Email)
	require.False(t, p.Bot || p.Deleted || p.Guest || p.Foreign)
	_, err = s.c.Person(s.ctx, "T0RECYCLE", alice)
	require.NoError(t, err)
	require.Len(t, s.calls(mUser), 1, "the second answer is cached")
	p, err = s.c.Person(s.ctx, "T0RECYCLE", "U0DAVE")
	require.NoError(t, err)
	require.True(t, p.Guest)
	p, err = s.c.Person(s.ctx, "T0RECYCLE", "U0RECYCLE")
	require.NoError(t, err)
	require.True(t, p.Bot)
	_, err = s.c.Person(s.ctx, "T0RECYCLE", "U0NOBODY")
	require.ErrorIs(t, err, engine.ErrNotFound)
	s.do("fault", map[string]any{"method": mUser, "times": 1, "error": "internal_error"})
	_, err = s.c.Person(s.ctx, "T0RECYCLE", "U0BOB")
	require.Error(t, err)
	require.NotErrorIs(t, err, engine.ErrNotFound, "unknown is not absent")
	_, err = s.c.Person(s.ctx, "T0RECYCLE", "alice")
	require.Error(t, err)
}

// clock is a time that a test moves.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Now().UnixNano())
	return c
}
func (c *clock) now() time.Time        { return time.Unix(0, c.at.Load()) }
func (c *clock) move(by time.Duration) { c.at.Add(int64(by)) }

// A group is cached, read afresh on a click, and closed when it cannot be read.
func TestDirectoryMembersFailClosed(t *testing.T) {
	t.Parallel()
	now := newClock()
	s := newStage(t, func(o *Options) { o.Clock = now.now })
	ids, err := s.c.Members(s.ctx, "S0DBA")
	require.NoError(t, err)
	require.Equal(t, []string{bob, "U0CAROL"}, ids)
	now.move(2 * time.Minute)
	_, err = s.c.Members(s.ctx, "S0DBA")
	require.NoError(t, err)
	require.Len(t, s.calls(mGroup), 1)
	_, err = s.c.Members(Fresh(s.ctx), "S0DBA")
	require.NoError(t, err)
	require.Len(t, s.calls(mGroup), 2)

	now.move(2 * time.Minute)
	s.do("fault", map[string]any{"method": mGroup, "http": http.StatusServiceUnavailable})
	ids, err = s.c.Members(Fresh(s.ctx), "S0DBA")
	require.Error(t, err)
	require.Empty(t, ids, "an old list is no answer")
	_, err = s.c.Members(Fresh(s.ctx), "S0DBA")
	require.NoError(t, err, "an error is not cached")
	_, err = s.c.Members(s.ctx, "S0NONE")
	require.Error(t, err)

	s.do("group", map[string]any{"id": "S0DBA", "users": []string{"carol"}})
	s.until("the event made it forget", func() bool {
		ids, err := s.c.Members(s.ctx, "S0DBA")
		require.NoError(t, err)
		return len(ids) == 1
	})
}

// The handler's context asks for fresh groups without its doing anything.
func TestClickContextIsFresh(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	fresh := make(chan bool, 1)
	s.h.onClick = func(ctx context.Context, _ bot.Click) error {
		f, _ := ctx.Value(freshKey{}).(bool)
		fresh <- f
		return nil
	}
	m := s.clickable(bot.Button{Action: "approve", Value: "v", Label: "Approve"})
	s.click("bob", m, "approve")
	require.True(t, <-fresh)
}

func TestSelfCheck(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	r, err := s.c.SelfCheck(s.ctx, []string{dbOps})
	require.NoError(t, err)
	require.True(t, r.OK(), r)
	require.Equal(t, "T0RECYCLE", r.TeamID)
	require.Equal(t, "U0RECYCLE", r.BotUserID)
	require.Equal(t, 2, r.Sockets)
	require.Equal(t, "db-ops", r.Channels[0].Name)

	s.do("scopes", map[string]any{"scopes": []string{"chat:write", "channels:read"}})
	r, err = s.c.SelfCheck(s.ctx, []string{random, "C0NONE"})
	require.NoError(t, err)
	require.Contains(t, r.MissingScopes, "usergroups:read")
	var p *Problem
	require.ErrorAs(t, r.Channels[0].Problem, &p)
	require.Equal(t, invite, p.Hint())
	require.Error(t, r.Channels[1].Problem)
	require.False(t, r.OK())
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	good := Options{BotToken: "xoxb-1", AppToken: "xapp-1", Inbox: newInbox(), Outbox: newOutbox()}
	_, err := New(good)
	require.NoError(t, err)
	for _, change := range []func(*Options){func(o *Options) { o.BotToken = "secret" }, func(o *Options) { o.AppToken = "" },
		func(o *Options) { o.Inbox = nil }, func(o *Options) { o.Sockets = 11 }} {
		o := good
		change(&o)
		_, err := New(o)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "secret")
	}
}
