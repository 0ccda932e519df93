package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"mysql-recycler/approvals"
	"mysql-recycler/bot"
	"mysql-recycler/bot/sandbox"
)

const (
	dbOps  = "C0DBOPS"
	alice  = "U0ALICE"
	bob    = "U0BOB"
	random = "C0RANDOM" // the bot is not in it
)

func TestMain(m *testing.M) {
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// handler records what arrives; the functions say how to answer.
type handler struct {
	mu       sync.Mutex
	commands []bot.Command
	clicks   []bot.Click
	subs     []bot.Submission
	searched []bot.Suggestion

	onCommand func(context.Context, bot.Command) error
	onClick   func(context.Context, bot.Click) error
	onSubmit  func(context.Context, bot.Submission) (map[string]string, error)
	onGaveUp  func(context.Context, bot.Command) error
	home      bot.Message
}

func (h *handler) Command(ctx context.Context, c bot.Command) error {
	h.mu.Lock()
	h.commands = append(h.commands, c)
	f := h.onCommand
	h.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(ctx, c)
}

func (h *handler) Click(ctx context.Context, c bot.Click) error {
	h.mu.Lock()
	h.clicks = append(h.clicks, c)
	f := h.onClick
	h.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(ctx, c)
}

func (h *handler) Submit(ctx context.Context, s bot.Submission) (map[string]string, error) {
	h.mu.Lock()
	h.subs = append(h.subs, s)
	f := h.onSubmit
	h.mu.Unlock()
	if f == nil {
		return nil, nil
	}
	return f(ctx, s)
}

func (h *handler) Home(context.Context, approvals.Actor) (bot.Message, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.home, nil
}

// Suggest offers what was typed, twice.
func (h *handler) Suggest(_ context.Context, s bot.Suggestion) []bot.Option {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.searched = append(h.searched, s)
	if s.Query == "panic" {
		panic("no such host")
	}
	return []bot.Option{{Value: s.Query + "-1", Label: s.Query + "-1"}, {Value: s.Query + "-2"}, {Value: strings.Repeat("x", 200)}}
}

// Shortcut is a command with what the message says.
func (h *handler) Shortcut(ctx context.Context, c bot.Command, message string) error {
	c.Text = message
	return h.Command(ctx, c)
}

// GaveUp tells as the test wants it.
func (h *handler) GaveUp(ctx context.Context, c bot.Command) error {
	h.mu.Lock()
	f := h.onGaveUp
	h.mu.Unlock()
	return f(ctx, c)
}

func (h *handler) got() (commands []bot.Command, clicks []bot.Click, subs []bot.Submission) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.commands), slices.Clone(h.clicks), slices.Clone(h.subs)
}

// stage is a sandbox with one running Client and its stores.
type stage struct {
	t     testing.TB
	ctx   context.Context
	srv   *sandbox.Server
	sb    *sandbox.Client
	in    *inbox
	out   *outbox
	h     *handler
	c     *Client
	logs  *observer.ObservedLogs
	setup func(*Options)
	stop  func()
}

func newStage(t testing.TB, setup func(*Options)) *stage {
	t.Helper()
	s := coldStage(t, setup)
	s.start()
	return s
}

// coldStage is a stage whose client does not run yet.
func coldStage(t testing.TB, setup func(*Options)) *stage {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	srv, err := sandbox.Start(ctx, sandbox.Config{Seed: 7})
	require.NoError(t, err)
	s := &stage{t: t, ctx: ctx, srv: srv, sb: &sandbox.Client{BaseURL: srv.URL()}, in: newInbox(), out: newOutbox(),
		h: &handler{}, setup: setup, stop: func() {}}
	t.Cleanup(func() {
		s.stop()
		require.NoError(t, srv.Close())
		cancel()
	})
	return s
}

func (s *stage) options() Options {
	core, logs := observer.New(zap.DebugLevel)
	s.logs = logs
	ws := sandbox.DefaultWorkspace()
	o := Options{BotToken: ws.BotToken, AppToken: ws.AppToken, APIURL: s.srv.URL() + "/api/", Inbox: s.in, Outbox: s.out,
		Handler: s.h, Log: zap.New(core), Tuning: Tuning{Retry: 30 * time.Millisecond, Unsure: 150 * time.Millisecond,
			EditEvery: 20 * time.Millisecond, Poll: 100 * time.Millisecond, Rate: 20, Recheck: 200 * time.Millisecond}}
	if s.setup != nil {
		s.setup(&o)
	}
	return o
}

// start runs a new client, as a restarted process would.
func (s *stage) start() {
	s.t.Helper()
	o := s.options()
	c, err := New(o)
	require.NoError(s.t, err)
	s.c = c
	ctx, cancel := context.WithCancel(s.ctx)
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	var once sync.Once
	s.stop = func() {
		once.Do(func() {
			cancel()
			require.NoError(s.t, <-done)
			s.noSecrets()
		})
	}
	s.until("sockets are up", func() bool {
		st := c.Stats()
		n := 0
		for _, k := range st.Sockets {
			if k.Connected {
				n++
			}
		}
		return n == len(st.Sockets)
	})
}

// noSecrets looks for tokens and capability addresses in everything that was logged.
func (s *stage) noSecrets() {
	ws := sandbox.DefaultWorkspace()
	for _, e := range s.logs.All() {
		raw, err := json.Marshal(e.ContextMap())
		require.NoError(s.t, err)
		for _, secret := range []string{ws.BotToken, ws.AppToken, "ticket=", "/commands/", "/actions/"} {
			require.NotContains(s.t, e.Message+string(raw), secret)
		}
	}
}

// until polls a condition with a deadline.
func (s *stage) until(what string, ok func() bool) {
	s.t.Helper()
	require.Eventually(s.t, ok, 30*time.Second, 5*time.Millisecond, what)
}

func (s *stage) do(name string, in map[string]any) {
	s.t.Helper()
	require.NoError(s.t, s.sb.Do(s.ctx, name, in, nil))
}

func (s *stage) put(posts ...bot.Post) {
	s.t.Helper()
	require.NoError(s.t, s.out.Put(s.ctx, "teller", 0, posts))
	if s.c != nil {
		s.c.Wake()
	}
}

// messages lists what the bot shows in a channel now.
func (s *stage) messages(channel string) []sandbox.Message {
	s.t.Helper()
	all, err := s.sb.Messages(s.ctx, channel)
	require.NoError(s.t, err)
	return slices.DeleteFunc(all, func(m sandbox.Message) bool { return !m.FromBot || m.For != "" || m.Deleted })
}

func (s *stage) shows(channel, text string) sandbox.Message {
	s.t.Helper()
	var found sandbox.Message
	s.until(channel+" shows "+text, func() bool {
		for _, m := range s.messages(channel) {
			if strings.Contains(m.Plain()+m.Text, text) {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

func (s *stage) whispered(user, text string) sandbox.Message {
	s.t.Helper()
	var found sandbox.Message
	s.until(user+" reads "+text, func() bool {
		all, err := s.sb.Ephemerals(s.ctx, user)
		require.NoError(s.t, err)
		for _, m := range all {
			if strings.Contains(m.Plain()+m.Text, text) {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

func (s *stage) calls(method string) []sandbox.Call {
	s.t.Helper()
	calls, err := s.sb.Calls(s.ctx, method)
	require.NoError(s.t, err)
	return calls
}

func (s *stage) clean() {
	s.t.Helper()
	lints, err := s.sb.Lints(s.ctx)
	require.NoError(s.t, err)
	require.Empty(s.t, lints)
}

// say is a message of one line of text.
func say(text string, buttons ...bot.Button) []byte {
	m := bot.Message{Summary: text, Blocks: []bot.Block{{Text: []bot.Span{{Text: text}}}}}
	if len(buttons) > 0 {
		m.Blocks = append(m.Blocks, bot.Block{Actions: buttons})
	}
	raw, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return raw
}
