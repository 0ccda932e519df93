package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Client plays the people of a sandbox, and directs it, over HTTP only.
//
// A user is named by id or name ("alice"), a channel by id or name ("#db-ops").
type Client struct {
	// BaseURL is Server.URL of the sandbox.
	BaseURL string
	// HTTP defaults to a client of its own without a timeout; calls end with their context.
	HTTP *http.Client
}

// ControlError is a control call the sandbox refused, for instance
// "message_not_found" or "confirm_required".
type ControlError struct {
	Code    string
	Message string
}

func (e *ControlError) Error() string { return e.Code + ": " + e.Message }

// Slash types the app's command with the given text in a channel. The outcome
// is not OK when the app did not acknowledge within three seconds.
func (c *Client) Slash(ctx context.Context, user, channel, text string) (Outcome, error) {
	return c.act(ctx, "slash", obj{"user": user, "channel": channel, "text": text})
}

// Say posts a plain message, in a thread when threadTS is given, and returns its ts.
func (c *Client) Say(ctx context.Context, user, channel, threadTS, text string) (string, error) {
	var out struct {
		TS string `json:"ts"`
	}
	err := c.Do(ctx, "say", obj{"user": user, "channel": channel, "thread_ts": threadTS, "text": text}, &out)
	return out.TS, err
}

// Click says what to press on a message. Either ActionID or Label names the element.
type Click struct {
	User, Channel, TS string
	ActionID, BlockID string
	Label             string // the visible text of a button
	ViewID            string // press inside a modal or Home tab instead of a message
	Stale             bool   // press it on an earlier version of the message
	Decline           bool   // answer the confirm dialog with no
	Unconfirmed       bool   // do not answer the confirm dialog: refused if there is one
	Value             any    // the choice in a select, picker, overflow
}

// Click presses an element. A confirm dialog is answered with yes unless told otherwise.
func (c *Client) Click(ctx context.Context, k Click) (Outcome, error) {
	in := obj{"user": k.User, "channel": k.Channel, "ts": k.TS, "action_id": k.ActionID, "block_id": k.BlockID,
		"text": k.Label, "view_id": k.ViewID, "stale": k.Stale, "value": k.Value}
	if !k.Unconfirmed {
		in["confirm"] = !k.Decline
	}
	return c.act(ctx, "click", in)
}

// Submit fills and sends the person's open modal; viewID "" is the one on top.
// values maps a block id or an action id to what was chosen: a string, a list of
// strings for several, or a whole option object.
func (c *Client) Submit(ctx context.Context, user, viewID string, values map[string]any) (Outcome, error) {
	return c.act(ctx, "submit_view", obj{"user": user, "view_id": viewID, "values": values})
}

// CloseView closes the person's open modal without sending it.
func (c *Client) CloseView(ctx context.Context, user, viewID string) (Outcome, error) {
	return c.act(ctx, "close_view", obj{"user": user, "view_id": viewID})
}

// Suggest types into an external select of an open view and returns the app's options.
func (c *Client) Suggest(ctx context.Context, user, viewID, actionID, query string) (Outcome, error) {
	return c.act(ctx, "suggest", obj{"user": user, "view_id": viewID, "action_id": actionID, "value": query})
}

// OpenHome opens the app's Home tab.
func (c *Client) OpenHome(ctx context.Context, user string) (Outcome, error) {
	return c.act(ctx, "open_home", obj{"user": user})
}

// Shortcut runs a global shortcut of the app.
func (c *Client) Shortcut(ctx context.Context, user, callbackID string) (Outcome, error) {
	return c.act(ctx, "shortcut", obj{"user": user, "callback_id": callbackID})
}

// MessageShortcut picks a shortcut in the menu of a message.
func (c *Client) MessageShortcut(ctx context.Context, user, channel, ts, callbackID string) (Outcome, error) {
	return c.act(ctx, "shortcut", obj{"user": user, "channel": channel, "ts": ts, "callback_id": callbackID})
}

func (c *Client) act(ctx context.Context, name string, in obj) (Outcome, error) {
	var out Outcome
	err := c.Do(ctx, name, in, &out)
	return out, err
}

// Do posts to /_ctl/<name>; it is the way to everything without a method of its
// own: fault, limits, disconnect, duplicate, clock/advance, group, archive, kick, …
// out may be nil.
func (c *Client) Do(ctx context.Context, name string, in, out any) error {
	raw, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("sandbox %s: %w", name, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.BaseURL+"/_ctl/"+name, bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("sandbox %s: %w", name, err)
	}
	return c.send(req, name, out)
}

// Read gets /_ctl/<name>, for instance "calls?method=chat.update".
func (c *Client) Read(ctx context.Context, name string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.BaseURL+"/_ctl/"+name, nil)
	if err != nil {
		return fmt.Errorf("sandbox %s: %w", name, err)
	}
	return c.send(req, name, out)
}

func (c *Client) send(req *http.Request, name string, out any) error {
	h := c.HTTP
	if h == nil {
		h = http.DefaultClient
	}
	resp, err := h.Do(req)
	if err != nil {
		return fmt.Errorf("sandbox %s: %w", name, err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("sandbox %s: %w", name, err)
	}
	if resp.StatusCode != http.StatusOK {
		var bad struct{ Error, Message string }
		if json.Unmarshal(raw, &bad) != nil {
			return fmt.Errorf("sandbox %s: http %d: %s", name, resp.StatusCode, strings.TrimSpace(string(raw)))
		}
		return fmt.Errorf("sandbox %s: %w", name, &ControlError{bad.Error, bad.Message})
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("sandbox %s: read answer: %w", name, err)
	}
	return nil
}

func query(kv ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(kv); i += 2 {
		if kv[i+1] != "" {
			q.Set(kv[i], kv[i+1])
		}
	}
	return "?" + q.Encode()
}
