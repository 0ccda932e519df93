package sandbox

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
	"github.com/slack-go/slack/socketmode"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// app is a small bot on slack-go: what the product's own transport builds on.
type app struct {
	api    *slack.Client
	mu     sync.Mutex
	seen   map[string]int // deliveries by kind
	hold   bool           // do not acknowledge
	events []string
}

func (a *app) count(kind string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.seen[kind]
}

func (a *app) holdAcks(v bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hold = v
}

func newApp(t *testing.T, ctx context.Context, s *Server, sockets int) *app {
	t.Helper()
	tr := &http.Transport{}
	ws := s.cfg.Workspace
	a := &app{seen: map[string]int{}, api: slack.New(ws.BotToken, slack.OptionAppLevelToken(ws.AppToken),
		slack.OptionAPIURL(s.URL()+"/api/"), slack.OptionHTTPClient(&http.Client{Transport: tr, Timeout: 10 * time.Second}))}
	ctx, cancel := context.WithCancel(ctx)
	g, ctx := errgroup.WithContext(ctx)
	for range sockets {
		smc := socketmode.New(a.api)
		g.Go(func() error { return smc.RunContext(ctx) })
		g.Go(func() error { return a.loop(ctx, smc) })
	}
	t.Cleanup(func() {
		cancel()
		if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("app ended: %v", err)
		}
		tr.CloseIdleConnections()
	})
	c := &Client{BaseURL: s.URL()}
	require.NoError(t, c.WaitSockets(ctx, sockets))
	return a
}

func (a *app) loop(ctx context.Context, smc *socketmode.Client) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case ev := <-smc.Events:
			if ev.Request == nil || ev.Request.EnvelopeID == "" {
				continue
			}
			if err := a.handle(ctx, smc, ev); err != nil {
				return err
			}
		}
	}
}

func (a *app) handle(ctx context.Context, smc *socketmode.Client, ev socketmode.Event) error {
	kind := string(ev.Type)
	if cb, ok := ev.Data.(slack.InteractionCallback); ok {
		kind = string(cb.Type)
	}
	a.mu.Lock()
	a.seen[kind]++
	hold := a.hold
	if e, ok := ev.Data.(slackevents.EventsAPIEvent); ok {
		a.events = append(a.events, e.InnerEvent.Type)
	}
	a.mu.Unlock()
	if hold {
		return nil
	}
	switch d := ev.Data.(type) {
	case slack.SlashCommand:
		if err := smc.AckCtx(ctx, ev.Request.EnvelopeID, map[string]any{"text": "On it: " + d.Text}); err != nil {
			return err
		}
		_, _, err := a.api.PostMessageContext(ctx, d.ChannelID, slack.MsgOptionText("A card for "+d.Text, false),
			slack.MsgOptionBlocks(card(d.UserID)...))
		return err
	case slack.InteractionCallback:
		return a.interact(ctx, smc, ev, d)
	}
	return smc.AckCtx(ctx, ev.Request.EnvelopeID, nil)
}

// card asks for an approval by anybody but the requester.
func card(requester string) []slack.Block {
	plain := func(s string) *slack.TextBlockObject { return slack.NewTextBlockObject("plain_text", s, false, false) }
	text := slack.NewTextBlockObject("mrkdwn", "*A card*", false, false)
	ok := slack.NewButtonBlockElement("approve", requester, plain("Approve")).WithStyle(slack.StylePrimary).
		WithConfirm(slack.NewConfirmationBlockObject(plain("Approve?"), plain("It starts now."), plain("Approve"), plain("Not yet")))
	no := slack.NewButtonBlockElement("deny", requester, plain("Deny"))
	return []slack.Block{slack.NewSectionBlock(text, nil, nil), slack.NewActionBlock("decide", ok, no)}
}

func (a *app) interact(ctx context.Context, smc *socketmode.Client, ev socketmode.Event, d slack.InteractionCallback) error {
	id := ev.Request.EnvelopeID
	switch d.Type {
	case slack.InteractionTypeViewSubmission:
		reason := d.View.State.Values["why"]["reason"].Value
		if reason == "bad" {
			return smc.AckCtx(ctx, id, slack.NewErrorsViewSubmissionResponse(map[string]string{"why": "Say more."}))
		}
		if err := smc.AckCtx(ctx, id, nil); err != nil {
			return err
		}
		_, _, err := a.api.PostMessageContext(ctx, d.View.PrivateMetadata, slack.MsgOptionText("Denied: "+reason, true))
		return err
	case slack.InteractionTypeBlockActions:
		if err := smc.AckCtx(ctx, id, nil); err != nil {
			return err
		}
		action := d.ActionCallback.BlockActions[0]
		if action.ActionID == "deny" {
			_, err := a.api.OpenViewContext(ctx, d.TriggerID, modal(d.Channel.ID))
			return err
		}
		if action.Value == d.User.ID {
			_, err := a.api.PostEphemeralContext(ctx, d.Channel.ID, d.User.ID, slack.MsgOptionText("You asked; someone else must approve.", false))
			return err
		}
		_, _, _, err := a.api.UpdateMessageContext(ctx, d.Channel.ID, d.Message.Timestamp,
			slack.MsgOptionText("Approved by <@"+d.User.ID+">", false),
			slack.MsgOptionBlocks(slack.NewSectionBlock(slack.NewTextBlockObject("mrkdwn", "Approved by <@"+d.User.ID+">", false, false), nil, nil)))
		return err
	}
	return smc.AckCtx(ctx, id, nil)
}

func modal(channel string) slack.ModalViewRequest {
	plain := func(s string) *slack.TextBlockObject { return slack.NewTextBlockObject("plain_text", s, false, false) }
	in := slack.NewInputBlock("why", plain("Reason"), nil, slack.NewPlainTextInputBlockElement(nil, "reason"))
	return slack.ModalViewRequest{Type: "modal", Title: plain("Deny"), Submit: plain("Deny"), Close: plain("Back"),
		PrivateMetadata: channel, Blocks: slack.Blocks{BlockSet: []slack.Block{in}}}
}

func TestSlashPostClickUpdateModal(t *testing.T) {
	t.Parallel()
	ctx, s, c := world(t, nil)
	a := newApp(t, ctx, s, 1)

	out, err := c.Slash(ctx, "alice", "#db-ops", "discover db-prod-3")
	require.NoError(t, err)
	require.True(t, out.OK)
	require.Equal(t, "On it: discover db-prod-3", out.UserVisible)
	require.Less(t, out.MS, int64(3000))
	eph, err := c.Ephemerals(ctx, "alice")
	require.NoError(t, err)
	require.Len(t, eph, 1)
	none, err := c.Ephemerals(ctx, "bob")
	require.NoError(t, err)
	require.Empty(t, none)

	m, err := c.WaitMessage(ctx, func(m Message) bool { return len(m.Buttons()) == 2 })
	require.NoError(t, err)
	require.Equal(t, "primary", m.Buttons()[0].Style)

	out, err = c.Click(ctx, Click{User: "bob", Channel: "#db-ops", TS: m.TS, ActionID: "approve", Decline: true})
	require.NoError(t, err)
	require.True(t, out.Dismissed)
	_, err = c.Click(ctx, Click{User: "bob", Channel: "#db-ops", TS: m.TS, ActionID: "approve", Unconfirmed: true})
	require.ErrorContains(t, err, "confirm_required")
	require.Zero(t, a.count("block_actions"))
	_, err = c.Click(ctx, Click{User: "alice", Channel: "#db-ops", TS: m.TS, ActionID: "approve"})
	require.NoError(t, err)
	_, err = c.WaitMessage(ctx, func(m Message) bool { return m.For == "U0ALICE" && m.Text == "You asked; someone else must approve." })
	require.NoError(t, err)

	denyInModal(t, ctx, c, a, m)

	_, err = c.Click(ctx, Click{User: "bob", Channel: "#db-ops", TS: m.TS, ActionID: "approve"})
	require.NoError(t, err)
	m, err = c.WaitMessage(ctx, func(n Message) bool { return n.TS == m.TS && n.Version == 2 })
	require.NoError(t, err)
	require.Empty(t, m.Buttons())
	_, err = c.Click(ctx, Click{User: "carol", Channel: "#db-ops", TS: m.TS, ActionID: "approve"})
	var ce *ControlError
	require.ErrorAs(t, err, &ce)
	require.Equal(t, "action_not_found", ce.Code)
	_, err = c.Click(ctx, Click{User: "carol", Channel: "#db-ops", TS: m.TS, ActionID: "approve", Stale: true})
	require.NoError(t, err)
	require.Equal(t, 4, a.count("block_actions"))
	edits, err := c.Edits(ctx, m.TS)
	require.NoError(t, err)
	require.Len(t, edits[0].Buttons(), 2)
	lints, err := c.Lints(ctx)
	require.NoError(t, err)
	require.Empty(t, lints)
}

// denyInModal presses Deny and fills the form wrongly, badly and well.
func denyInModal(t *testing.T, ctx context.Context, c *Client, a *app, m Message) {
	t.Helper()
	_, err := c.Click(ctx, Click{User: "bob", Channel: "#db-ops", TS: m.TS, Label: "Deny"})
	require.NoError(t, err)
	v, err := c.WaitView(ctx, "bob", nil)
	require.NoError(t, err)
	require.Contains(t, v.Text(), "Reason")

	out, err := c.Submit(ctx, "bob", v.ID, nil)
	require.NoError(t, err)
	require.True(t, out.Invalid, "a required field is empty: the form itself refuses")
	require.Zero(t, a.count("view_submission"))
	out, err = c.Submit(ctx, "bob", v.ID, map[string]any{"why": "bad"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"why": "Say more."}, out.Errors)
	out, err = c.Submit(ctx, "bob", v.ID, map[string]any{"reason": "peak <hours>"})
	require.NoError(t, err)
	require.Equal(t, "close", out.Action)
	_, err = c.WaitMessage(ctx, func(m Message) bool { return m.Text == "Denied: peak &lt;hours&gt;" })
	require.NoError(t, err)
}
