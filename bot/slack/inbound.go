package slack

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"mysql-recycler/bot"
)

const (
	storeWithin = 1500 * time.Millisecond // of the 3 s Slack waits for an acknowledgement
	ackWithin   = time.Second
)

// acker acknowledges; a socketmode.Client is one.
type acker interface {
	AckCtx(ctx context.Context, envelope string, payload any) error
}

// incoming is an envelope as a socket delivered it.
type incoming struct {
	kind    string
	id      string // envelope id: for the acknowledgement, not an identity
	payload json.RawMessage
}

// receive stores, acknowledges and hands on one envelope.
func (c *Client) receive(ctx context.Context, a acker, in incoming) {
	c.count.do(func(s *Stats) { s.In.Received++ })
	k, err := key(in.kind, in.payload, in.id)
	if err != nil {
		c.count.do(func(s *Stats) { s.In.Unreadable++ })
		c.log.Warn("an envelope cannot be read", zap.String("kind", cut(in.kind, 40)), zap.Error(err))
		c.ack(ctx, a, in, nil) // delivered again it would be no more readable
		return
	}
	sort := c.sort(in)
	if sort.search {
		c.lanes.wg.Go(func() { c.ack(c.lanes.work, a, in, c.suggestions(c.lanes.work, in)) })
		return
	}
	if !sort.keep {
		c.ack(ctx, a, in, sort.reply)
		return
	}
	fresh, err := c.store(ctx, k, in)
	if err != nil {
		c.refuse(ctx, a, in, err)
		return
	}
	if !fresh {
		c.count.do(func(s *Stats) { s.In.Duplicates++ })
	}
	e := bot.Envelope{Key: k, Kind: in.kind, Payload: in.payload, At: c.o.Clock()}
	if sort.form {
		c.lanes.wg.Go(func() { c.answerForm(c.lanes.work, a, in, e, fresh) })
		return
	}
	c.ack(ctx, a, in, sort.reply)
	if fresh {
		c.lanes.put(sort.lane, e)
	}
}

// store tries a few times: a database that is busy for a moment must not cost a click.
func (c *Client) store(ctx context.Context, k string, in incoming) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	for {
		fresh, err := c.o.Inbox.Receive(ctx, k, in.kind, in.payload)
		if err == nil || !pause(ctx, 100*time.Millisecond) {
			return fresh, err
		}
	}
}

// refuse is what happens when an envelope cannot be stored. A command gets an answer, because it
// can be typed again; anything else is not acknowledged, so that Slack delivers it again.
func (c *Client) refuse(ctx context.Context, a acker, in incoming, err error) {
	c.count.do(func(s *Stats) { s.In.Refused++ })
	c.log.Error("an envelope cannot be stored", zap.String("kind", in.kind), zap.Error(err))
	if in.kind == kindSlash {
		c.ack(ctx, a, in, ackText("I could not store your command, so nothing was done. Please try again in a minute."))
	}
}

func ackText(s string) any {
	return map[string]string{"response_type": "ephemeral", "text": cutEscaped(clean(s), 1000)}
}

func (c *Client) ack(ctx context.Context, a acker, in incoming, payload any) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackWithin)
	defer cancel()
	if err := a.AckCtx(ctx, in.id, payload); err != nil {
		c.count.do(func(s *Stats) { s.In.AckErrors++ })
		if !errors.Is(err, context.Canceled) {
			c.log.Warn("acknowledge", zap.String("kind", in.kind), zap.Error(err))
		}
	}
}

// sorted says what becomes of an envelope.
type sorted struct {
	keep   bool   // it must be handled, so it is stored first
	form   bool   // its acknowledgement holds the answer
	search bool   // the same, and nobody misses it later: it is not stored
	lane   string // what it is ordered with
	reply  any    // the acknowledgement's payload
}

func (c *Client) sort(in incoming) sorted {
	switch in.kind {
	case kindSlash:
		var p slashPayload
		_ = json.Unmarshal(in.payload, &p) // key has read it already
		s := sorted{keep: true, lane: c.lane(in.kind, in.payload, in.id)}
		if c.o.AckText != nil {
			if text := c.o.AckText(p.Text); text != "" {
				s.reply = ackText(text)
			}
		}
		return s
	case kindInteractive:
		return c.sortInteraction(in)
	case kindEvent:
		return c.sortEvent(in)
	}
	return sorted{}
}

func (c *Client) sortInteraction(in incoming) sorted {
	var p interaction
	_ = json.Unmarshal(in.payload, &p) // key has read it already
	switch p.Type {
	case "block_actions":
		if len(p.Actions) != 1 || p.User.ID == "" {
			return sorted{} // no client sends that
		}
	case "view_submission":
		return sorted{keep: true, form: true}
	case "shortcut", "message_action":
	case "block_suggestion":
		return sorted{search: true}
	default: // view_closed
		return sorted{}
	}
	return sorted{keep: true, lane: c.lane(in.kind, in.payload, in.id)}
}

func (c *Client) sortEvent(in incoming) sorted {
	var p outerEvent
	_ = json.Unmarshal(in.payload, &p) // key has read it already
	switch p.Event.Type {
	case "app_home_opened":
		if p.Event.Tab == "" || p.Event.Tab == "home" {
			return sorted{keep: true, lane: join("home", bareString(p.Event.User))}
		}
	case "subteam_members_changed", "subteam_updated":
		c.people.forget(p.Event.Subteam)
	case "member_joined_channel":
		c.Wake() // it may be the invitation a post waits for
	}
	return sorted{}
}

// lane names what an envelope is ordered with: a message and its thread, or a person's commands.
// What opens a form waits for nothing.
func (c *Client) lane(kind string, payload []byte, fallback string) string {
	switch kind {
	case kindSlash:
		var p slashPayload
		if json.Unmarshal(payload, &p) == nil && p.Text != "" {
			return join("user", p.UserID)
		}
	case kindInteractive:
		var p interaction
		if json.Unmarshal(payload, &p) != nil || p.Type != "block_actions" || len(p.Actions) == 0 {
			break
		}
		if slices.Contains(c.o.FormActions, action(p.Actions[0].ActionID)) {
			break
		}
		if p.Container.ViewID != "" {
			return join("view", p.Container.ViewID)
		}
		return join("message", p.channel(), first(p.Container.ThreadTS, p.Container.MessageTS))
	case kindEvent:
		var p outerEvent
		if json.Unmarshal(payload, &p) == nil {
			return join("home", bareString(p.Event.User))
		}
	}
	return join("alone", fallback)
}
