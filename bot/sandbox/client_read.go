package sandbox

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Messages lists the messages of a channel, threads and ephemeral ones included,
// oldest first. An empty channel means all channels.
func (c *Client) Messages(ctx context.Context, channel string) ([]Message, error) {
	return c.messages(ctx, query("channel", channel))
}

// Thread lists a message and its replies.
func (c *Client) Thread(ctx context.Context, channel, ts string) ([]Message, error) {
	return c.messages(ctx, query("channel", channel, "thread_ts", ts))
}

// Ephemerals lists what only this person sees.
func (c *Client) Ephemerals(ctx context.Context, user string) ([]Message, error) {
	all, err := c.messages(ctx, query("user", user))
	if err != nil {
		return nil, err
	}
	var out []Message
	for _, m := range all {
		if m.For != "" {
			out = append(out, m)
		}
	}
	return out, nil
}

// Edits lists all versions of a message, oldest first.
func (c *Client) Edits(ctx context.Context, ts string) ([]Message, error) {
	var out struct{ Versions []Message }
	err := c.Read(ctx, "messages/"+ts+"/edits", &out)
	return out.Versions, err
}

func (c *Client) messages(ctx context.Context, q string) ([]Message, error) {
	var out struct{ Messages []Message }
	err := c.Read(ctx, "messages"+q, &out)
	return out.Messages, err
}

// WaitMessage waits until some message, in its newest version, satisfies want,
// and returns the first such. It ends with ctx.
func (c *Client) WaitMessage(ctx context.Context, want func(Message) bool) (Message, error) {
	var found Message
	seen := 0
	err := c.Wait(ctx, func() (bool, error) {
		all, err := c.Messages(ctx, "")
		seen = len(all)
		for _, m := range all {
			if want(m) {
				found = m
				return true, nil
			}
		}
		return false, err
	})
	if err != nil {
		return Message{}, fmt.Errorf("wait for a message (%d were there): %w", seen, err)
	}
	return found, nil
}

// Wait asks done again after each change in the workspace until it says true.
func (c *Client) Wait(ctx context.Context, done func() (bool, error)) error {
	rev := int64(-1) // the first look is at once
	for {
		var now struct{ Rev int64 }
		if err := c.Read(ctx, "wait?timeout_ms=5000&rev="+strconv.FormatInt(rev, 10), &now); err != nil {
			return err
		}
		rev = now.Rev
		ok, err := done()
		if ok || err != nil {
			return err
		}
	}
}

// WaitSockets waits until the app holds n sockets.
func (c *Client) WaitSockets(ctx context.Context, n int) error {
	return c.Wait(ctx, func() (bool, error) {
		var out struct{ Sockets []int }
		err := c.Read(ctx, "sockets", &out)
		return len(out.Sockets) == n, err
	})
}

// View is an open modal or a Home tab, as the app knows it.
type View struct {
	ID              string           `json:"id"`
	Hash            string           `json:"hash"`
	Type            string           `json:"type"`
	CallbackID      string           `json:"callback_id"`
	PrivateMetadata string           `json:"private_metadata"`
	Title           map[string]any   `json:"title"`
	Blocks          []map[string]any `json:"blocks"`
}

// Text is everything a person reads in the view.
func (v View) Text() string {
	var b strings.Builder
	spell(&b, map[string]any{"t": v.Title})
	for _, bl := range v.Blocks {
		spell(&b, bl)
	}
	return strings.TrimSpace(b.String())
}

// Views lists a person's open modals, the top one last.
func (c *Client) Views(ctx context.Context, user string) ([]View, error) {
	var out struct{ Views []View }
	err := c.Read(ctx, "views/"+user, &out)
	return out.Views, err
}

// WaitView waits until a modal is open whose top satisfies want; nil takes any.
func (c *Client) WaitView(ctx context.Context, user string, want func(View) bool) (View, error) {
	var top View
	err := c.Wait(ctx, func() (bool, error) {
		views, err := c.Views(ctx, user)
		if err != nil || len(views) == 0 {
			return false, err
		}
		top = views[len(views)-1]
		return want == nil || want(top), nil
	})
	return top, err
}

// Home is the person's Home tab; nil when the app has published none.
func (c *Client) Home(ctx context.Context, user string) (*View, error) {
	var out struct{ View *View }
	err := c.Read(ctx, "home/"+user, &out)
	return out.View, err
}

// Calls lists the Web API calls of the app, of one method when it is given.
func (c *Client) Calls(ctx context.Context, method string) ([]Call, error) {
	var out struct{ Calls []Call }
	err := c.Read(ctx, "calls"+query("method", method), &out)
	return out.Calls, err
}

// Deliveries lists envelopes; kind is an envelope type or a payload type.
func (c *Client) Deliveries(ctx context.Context, kind string) ([]Delivery, error) {
	var out struct{ Deliveries []Delivery }
	err := c.Read(ctx, "deliveries"+query("type", kind), &out)
	return out.Deliveries, err
}

// Lints lists the findings about what the app has sent.
func (c *Client) Lints(ctx context.Context) ([]Lint, error) {
	var out struct{ Lint []Lint }
	err := c.Read(ctx, "lint", &out)
	return out.Lint, err
}

// Files lists what was uploaded.
func (c *Client) Files(ctx context.Context) ([]File, error) {
	var out struct{ Files []File }
	err := c.Read(ctx, "files", &out)
	return out.Files, err
}

// Button is a button of a message.
type Button struct {
	ActionID, BlockID, Label, Value, Style, URL string
	Confirm                                     bool // it asks first
}

// Buttons lists the buttons of the message in its present version.
func (m Message) Buttons() []Button {
	var out []Button
	for _, b := range m.Blocks {
		bo, _ := b.(obj)
		for _, e := range elementsOf(bo) {
			if str(e["type"]) == "button" {
				out = append(out, Button{str(e["action_id"]), str(bo["block_id"]), textOf(e["text"]), str(e["value"]),
					str(e["style"]), str(e["url"]), e["confirm"] != nil})
			}
		}
	}
	return out
}

// Plain is everything a person reads in the message: its blocks, or its text when
// it has none, one line for each piece.
func (m Message) Plain() string {
	if len(m.Blocks) == 0 {
		return m.Text
	}
	var b strings.Builder
	spell(&b, m.Blocks)
	return strings.TrimSpace(b.String())
}

// spell writes the texts below v in reading order.
func spell(b *strings.Builder, v any) {
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			spell(b, e)
		}
	case obj:
		for _, key := range []string{"t", "title", "label", "text", "url", "user_id", "fields", "elements", "element", "rows", "accessory", "hint", "alt_text", "options"} {
			e, ok := x[key]
			if s, isText := e.(string); isText && key != "url" {
				b.WriteString(s)
				if str(x["type"]) != "text" { // leaves of rich text run on
					b.WriteByte('\n')
				}
			} else if ok {
				spell(b, e)
			}
		}
		if t := str(x["type"]); strings.HasPrefix(t, "rich_text_") {
			b.WriteByte('\n')
		}
	}
}
