package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/bot"
)

const (
	handleWithin = 2 * time.Minute
	handleTries  = 5
	tooOld       = 24 * time.Hour // what nobody could handle for a day is ended, and said
)

// replay queues what the inbox still holds and is at least age old.
func (c *Client) replay(ctx context.Context, age time.Duration) error {
	pending, err := c.o.Inbox.Pending(ctx)
	if err != nil {
		return err
	}
	now := c.o.Clock()
	for _, e := range pending {
		if now.Sub(e.At) >= age {
			c.lanes.put(c.lane(e.Kind, e.Payload, e.Key), e)
		}
	}
	return nil
}

// giveUp ends an envelope that nobody could handle for a day, once its person was told. For another
// day it is kept while that cannot be done.
func (c *Client) giveUp(ctx context.Context, e bot.Envelope) {
	log := c.log.With(zap.String("key", e.Key), zap.Time("at", e.At))
	err := c.regret(ctx, e)
	if err != nil && code(err) == "" && c.o.Clock().Sub(e.At) < 2*tooOld {
		log.Error("who sent an envelope that is given up cannot be told now; it is tried again later", zap.Error(err))
		return
	}
	log.Error("an envelope could not be handled for a day and is given up", zap.NamedError("not_told", err))
	c.handled(ctx, e.Key)
}

// regret tells the person behind an envelope that it is given up. Who only opened a page is not told.
func (c *Client) regret(ctx context.Context, e bot.Envelope) (err error) {
	defer recovered(&err)
	h, ok := c.o.Handler.(bot.Regrets)
	if !ok || e.Kind == kindEvent {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, handleWithin)
	defer cancel()
	cmd := bot.Command{At: e.At, Envelope: e.Key}
	if e.Kind == kindSlash {
		var p slashPayload
		if err := json.Unmarshal(e.Payload, &p); err != nil {
			return fmt.Errorf("read slash command: %w", err)
		}
		cmd.Text, cmd.User, cmd.Channel = p.Text, p.actor(), p.ChannelID
	} else {
		var p interaction
		if err := json.Unmarshal(e.Payload, &p); err != nil {
			return fmt.Errorf("read interaction: %w", err)
		}
		cmd.User, cmd.Channel = p.actor(), p.channel()
	}
	cmd.Reply = bot.Reply{User: cmd.User.ID, Channel: cmd.Channel} // its response URL has ended
	return h.GaveUp(ctx, cmd)
}

// handle gives one envelope to the handler until it is done, with growing pauses in between.
func (c *Client) handle(ctx context.Context, e bot.Envelope) {
	if c.o.Clock().Sub(e.At) > tooOld {
		c.giveUp(ctx, e)
		return
	}
	wait := c.o.Tuning.Retry
	for try := 1; ; try++ {
		err := c.dispatch(ctx, e)
		if err == nil {
			c.handled(ctx, e.Key)
			return
		}
		if ctx.Err() != nil {
			return // kept; the next run handles it
		}
		if try == handleTries {
			c.count.do(func(s *Stats) { s.In.GaveUp++ })
			c.log.Error("an envelope cannot be handled; it is kept and tried again later", zap.String("key", e.Key), zap.Error(err))
			return
		}
		c.count.do(func(s *Stats) { s.In.Retried++ })
		c.log.Warn("an envelope is handled again", zap.String("key", e.Key), zap.Int("attempt", try), zap.Error(err))
		if !pause(c.lanes.stop, wait) {
			return
		}
		wait *= 2
	}
}

// handled ends an envelope. When that cannot be stored it will be handled twice, which every
// handler must bear anyway.
func (c *Client) handled(ctx context.Context, k string) {
	for try := 0; ; try++ {
		err := c.o.Inbox.Handled(ctx, k)
		if err == nil {
			c.count.do(func(s *Stats) { s.In.Handled++ })
			return
		}
		if try == 3 || !pause(ctx, 200*time.Millisecond<<try) {
			c.log.Error("an envelope was handled but that cannot be stored", zap.String("key", k), zap.Error(err))
			return
		}
	}
}

// recovered makes a handler's panic an error: one click must not end the process that runs the
// jobs.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("handler panicked: %v\n%s", p, debug.Stack())
	}
}

// dispatch makes one call of the handler.
func (c *Client) dispatch(ctx context.Context, e bot.Envelope) (err error) {
	ctx, cancel := context.WithTimeout(Fresh(ctx), handleWithin)
	defer cancel()
	defer recovered(&err)
	switch e.Kind {
	case kindSlash:
		var p slashPayload
		if err := json.Unmarshal(e.Payload, &p); err != nil {
			return fmt.Errorf("read slash command: %w", err)
		}
		return c.command(ctx, e, p)
	case kindInteractive:
		var p interaction
		if err := json.Unmarshal(e.Payload, &p); err != nil {
			return fmt.Errorf("read interaction: %w", err)
		}
		return c.interaction(ctx, e, p)
	case kindEvent:
		var p outerEvent
		if err := json.Unmarshal(e.Payload, &p); err != nil {
			return fmt.Errorf("read event: %w", err)
		}
		if u := bareString(p.Event.User); u != "" {
			return c.homes.publish(ctx, approvals.Actor{Team: orgOf(p.EnterpriseID, p.TeamID), ID: u})
		}
	}
	return nil
}

func (c *Client) command(ctx context.Context, e bot.Envelope, p slashPayload) error {
	c.hooks.minted(p.ResponseURL, e.At)
	who := p.actor()
	return c.o.Handler.Command(ctx, bot.Command{Text: p.Text, User: who, Channel: p.ChannelID, At: e.At, Envelope: e.Key,
		Reply: bot.Reply{User: who.ID, Channel: p.ChannelID, URL: p.ResponseURL, Trigger: p.TriggerID}})
}

func (c *Client) interaction(ctx context.Context, e bot.Envelope, p interaction) error {
	who := p.actor()
	c.hooks.minted(p.ResponseURL, e.At)
	reply := bot.Reply{User: who.ID, Channel: p.channel(), URL: p.ResponseURL, Trigger: p.TriggerID}
	switch p.Type {
	case "block_actions":
		a := p.Actions[0]
		at := stamp(first(a.ActionTS, p.ActionTS))
		if at.IsZero() {
			at = e.At
		}
		return c.o.Handler.Click(ctx, bot.Click{Action: action(a.ActionID), Value: a.Value, User: who,
			Channel: p.channel(), Message: p.Container.MessageTS, Reply: reply, At: at, Envelope: e.Key})
	case "shortcut": // the same as the command without words: a form
		return c.o.Handler.Command(ctx, bot.Command{User: who, Reply: reply, At: e.At, Envelope: e.Key})
	case "message_action":
		cmd := bot.Command{User: who, Channel: p.channel(), Reply: reply, At: e.At, Envelope: e.Key}
		if h, ok := c.o.Handler.(bot.Shortcuts); ok {
			return h.Shortcut(ctx, cmd, string(p.Message))
		}
		return c.o.Handler.Command(ctx, cmd)
	case "view_submission": // left from before a crash: its form is closed, so problems are whispered
		problems, s, err := c.submit(ctx, e.Key, p)
		if err == nil && len(problems) > 0 {
			c.tellProblems(ctx, s.Reply, problems)
		}
		return err
	}
	return nil
}
