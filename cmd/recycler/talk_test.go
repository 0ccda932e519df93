package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"mysql-recycler/approvals"
	"mysql-recycler/bot"
	"mysql-recycler/bot/sandbox"
	"mysql-recycler/bot/slack"
	"mysql-recycler/engine"
	"mysql-recycler/engine/dbconn"
	"mysql-recycler/storage"
)

// talk is a night in which people talk to the bot: the sandbox as the chat, the real transport, bot,
// approvals and storage, and a clock that the test sets and that runs on from there. Only plans are
// made up. bob and carol are the approvers; alice may break the glass.
type talk struct {
	*night
	*process
	chat *sandbox.Client
	dies atomic.Bool // the process ends before it could store that an envelope was handled
	end  func()
}

func newTalk(t *testing.T) *talk {
	t.Helper()
	ws := sandbox.DefaultWorkspace()
	for i := range ws.Users {
		ws.Users[i].Locale = "en-US"
	}
	s, err := sandbox.Start(context.WithoutCancel(t.Context()), sandbox.Config{Workspace: ws, Seed: 3})
	require.NoError(t, err)
	k := &talk{night: newNight(t), chat: &sandbox.Client{BaseURL: s.URL()}}
	t.Cleanup(func() {
		k.end()
		require.NoError(t, s.Close())
	})
	k.since = time.Now()
	k.policy = approvals.Policy{Groups: []string{"S0DBA"}, MinApprovals: 1,
		BreakGlass: approvals.BreakGlass{Users: []string{"U0ALICE"}, Notice: "C0DBAUDIT"}}
	require.NoError(t, k.chat.Do(t.Context(), "sockets", map[string]any{"strategy": "round_robin"}, nil))
	k.start(t)
	return k
}

// planning answers the night's plan as the planner.
type planning struct{ *night }

func (p planning) Plan(ctx context.Context, s engine.PlanSpec) (engine.Plan, error) {
	return p.plan(ctx, approvals.Schedule{Cluster: s.Target.Cluster, Target: s.Target.Host.Name})
}

// oneHost is a configuration of one host.
type oneHost struct{}

func (h oneHost) Find(name string) (engine.Target, error) {
	if name != "db-3" {
		return engine.Target{}, bot.UnknownTarget(name, h.Names())
	}
	return engine.Target{Cluster: "db", Host: dbconn.Host{Name: name}, Settings: engine.ClusterSettings{Environment: "production"}}, nil
}
func (oneHost) Access(string) *dbconn.Access { return nil }
func (oneHost) Names() []string              { return []string{"db-3"} }

// found is what is known of the host.
type found struct{ *storage.Facts }

func (found) NewestDiscovery(context.Context, string, string) (engine.Discovery, error) {
	return engine.Discovery{}, engine.ErrNotFound
}

// mortal is an inbox whose process can end at the worst moment.
type mortal struct {
	inbox
	dies *atomic.Bool
}

func (m mortal) Handled(ctx context.Context, key string) error {
	if m.dies.Load() {
		return errors.New("killed")
	}
	return m.inbox.Handled(ctx, key)
}

// start runs a process, as a restart would.
func (k *talk) start(t *testing.T) {
	t.Helper()
	p := k.night.process()
	ws := sandbox.DefaultWorkspace()
	out := storage.NewOutbox(p.db)
	c, err := slack.New(slack.Options{BotToken: ws.BotToken, AppToken: ws.AppToken, APIURL: k.chat.BaseURL + "/api/", Sockets: 2,
		Inbox: mortal{inbox{storage.NewInbox(p.db)}, &k.dies}, Outbox: outbox{out, func() {}}, FormActions: bot.FormActions(), Clock: k.clock,
		Tuning: slack.Tuning{Retry: 30 * time.Millisecond, Poll: 50 * time.Millisecond, EditEvery: 20 * time.Millisecond, Rate: 20}, Log: zap.NewNop()})
	require.NoError(t, err)
	b := bot.New(bot.Options{Targets: oneHost{}, Planner: planning{k.night}, Requests: p.service, Schedules: p.loop, Facts: p.facts, Lists: found{p.facts},
		Wanter: p.facts, Live: engine.NewLive(), Outbox: outbox{out, c.Wake}, Responder: c, Directory: c,
		Tuning: bot.Tuning{Poll: 20 * time.Millisecond, Now: k.clock, StandingMax: 90 * 24 * time.Hour}})
	c.Handle(b)
	k.process, k.people = p, c
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var g errgroup.Group
	g.Go(func() error { return c.Run(ctx) })
	g.Go(func() error { return b.Teller().Run(ctx) })
	k.end = func() {
		cancel()
		require.NoError(t, g.Wait())
		k.end = func() {}
	}
	require.NoError(t, k.chat.WaitSockets(t.Context(), 2))
}

func (k *talk) restart(t *testing.T) {
	t.Helper()
	k.end()
	k.dies.Store(false)
	k.start(t)
}

func (k *talk) types(t *testing.T, user, text string) {
	t.Helper()
	out, err := k.chat.Slash(t.Context(), user, "#db-ops", text)
	require.NoError(t, err)
	require.True(t, out.OK)
}

// sees waits for a message that everybody sees and that holds all the words.
func (k *talk) sees(t *testing.T, channel string, words ...string) sandbox.Message {
	t.Helper()
	var m sandbox.Message
	var all []sandbox.Message
	if !k.soon(t, func() bool {
		var err error
		all, err = k.chat.Messages(t.Context(), channel)
		require.NoError(t, err)
		for _, x := range all {
			if x.FromBot && x.For == "" && holds(x, words) {
				m = x
				return true
			}
		}
		return false
	}) {
		for _, x := range all {
			t.Log(x.Plain())
		}
		t.Fatalf("no message in %s holds %q", channel, words)
	}
	return m
}

// hears waits for a message that only one person sees and that holds all the words.
func (k *talk) hears(t *testing.T, user string, words ...string) sandbox.Message {
	t.Helper()
	var m sandbox.Message
	var all []sandbox.Message
	if !k.soon(t, func() bool {
		var err error
		all, err = k.chat.Ephemerals(t.Context(), user)
		require.NoError(t, err)
		i := slices.IndexFunc(all, func(x sandbox.Message) bool { return holds(x, words) })
		if i >= 0 {
			m = all[i]
		}
		return i >= 0
	}) {
		for _, x := range all {
			t.Log(x.Plain())
		}
		t.Fatalf("%s does not hear %q", user, words)
	}
	return m
}

func holds(m sandbox.Message, words []string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(m.Text+" "+m.Plain(), w) })
}

// soon polls a condition with plenty of room.
func (k *talk) soon(t *testing.T, ok func() bool) bool {
	t.Helper()
	for until := time.Now().Add(50 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return true
		}
	}
	return ok()
}

func (k *talk) press(t *testing.T, user string, m sandbox.Message, label string) {
	t.Helper()
	out, err := k.chat.Click(t.Context(), sandbox.Click{User: user, Channel: m.Channel, TS: m.TS, Label: label})
	require.NoError(t, err)
	require.True(t, out.OK)
}

// fills sends in the form that a person has open.
func (k *talk) fills(t *testing.T, user, title string, values map[string]any) sandbox.Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	v, err := k.chat.WaitView(ctx, user, func(v sandbox.View) bool { return strings.Contains(v.Text(), title) })
	require.NoError(t, err)
	if values["verb"] != nil { // the form whose host is searched
		found, err := k.chat.Suggest(t.Context(), user, v.ID, "host", values["host"].(string))
		require.NoError(t, err)
		values["host"] = found.Options[0]
	}
	out, err := k.chat.Submit(t.Context(), user, v.ID, values)
	require.NoError(t, err)
	return out
}

// again delivers the newest envelope of a kind twice more, with its own id and with another one: to
// the sockets in turn. It returns when both were acknowledged: what asks is stored by then.
func (k *talk) again(t *testing.T, kind string) {
	t.Helper()
	all, err := k.chat.Deliveries(t.Context(), kind)
	require.NoError(t, err)
	id := all[len(all)-1].EnvelopeID
	for _, same := range []bool{true, false} {
		require.NoError(t, k.chat.Do(t.Context(), "duplicate", map[string]any{"envelope_id": id, "same_id": same}, nil))
	}
	require.True(t, k.soon(t, func() bool {
		all, err := k.chat.Deliveries(t.Context(), kind)
		require.NoError(t, err)
		last := all[len(all)-1].Attempts
		return len(last) >= 3 && !slices.ContainsFunc(last, func(a sandbox.Attempt) bool { return a.AckedBy == 0 })
	}))
}

// waits returns when there are as many requests.
func (k *talk) waits(t *testing.T, n int) {
	t.Helper()
	require.True(t, k.soon(t, func() bool { return len(k.asked()) == n }))
}
