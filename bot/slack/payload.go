package slack

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"mysql-recycler/approvals"
)

// Kinds of envelopes, as Slack names them.
const (
	kindSlash       = "slash_commands"
	kindInteractive = "interactive"
	kindEvent       = "events_api"
)

// slashPayload is what is read of a slash command. Payloads are decoded here and not by slack-go,
// whose stricter decoding may refuse a whole envelope for one field that nobody reads.
type slashPayload struct {
	TeamID       string `json:"team_id"`
	EnterpriseID string `json:"enterprise_id"`
	ChannelID    string `json:"channel_id"`
	UserID       string `json:"user_id"`
	UserName     string `json:"user_name"`
	Text         string `json:"text"`
	ResponseURL  string `json:"response_url"`
	TriggerID    string `json:"trigger_id"`
}

// idOf is an object of which only the id matters.
type idOf struct {
	ID string `json:"id"`
}

// interaction is what is read of a click, a submitted form or a shortcut.
type interaction struct {
	Type        string   `json:"type"`
	CallbackID  string   `json:"callback_id"`
	TriggerID   string   `json:"trigger_id"`
	ResponseURL string   `json:"response_url"`
	ActionTS    string   `json:"action_ts"`
	BlockID     string   `json:"block_id"` // block_suggestion: the input
	Value       string   `json:"value"`    // block_suggestion: what was typed so far
	Message     raw      `json:"message"`
	Team        *idOf    `json:"team"`
	Enterprise  *idOf    `json:"enterprise"`
	User        person   `json:"user"`
	Channel     *idOf    `json:"channel"`
	Container   place    `json:"container"`
	Actions     []pushed `json:"actions"`
	View        view     `json:"view"`
}

// raw is a part that is only searched, not read.
type raw = json.RawMessage

type person struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	Name     string `json:"name"`
	TeamID   string `json:"team_id"`
}

type place struct {
	MessageTS string `json:"message_ts"`
	ThreadTS  string `json:"thread_ts"`
	ChannelID string `json:"channel_id"`
	ViewID    string `json:"view_id"`
}

type pushed struct {
	ActionID string `json:"action_id"`
	Value    string `json:"value"`
	ActionTS string `json:"action_ts"`
}

type view struct {
	ID       string `json:"id"`
	Hash     string `json:"hash"`
	Callback string `json:"callback_id"`
	Metadata string `json:"private_metadata"`
	Blocks   []struct {
		Type    string `json:"type"`
		BlockID string `json:"block_id"`
	} `json:"blocks"`
	State struct {
		Values map[string]map[string]answer `json:"values"`
	} `json:"state"`
}

type answer struct {
	Value    *string `json:"value"`
	Selected *struct {
		Value string `json:"value"`
	} `json:"selected_option"`
}

func (a answer) text() string {
	switch {
	case a.Value != nil:
		return *a.Value
	case a.Selected != nil:
		return a.Selected.Value
	}
	return ""
}

// outerEvent is what is read of an Events API callback.
type outerEvent struct {
	TeamID       string `json:"team_id"`
	EnterpriseID string `json:"enterprise_id"`
	EventID      string `json:"event_id"`
	Event        struct {
		Type    string          `json:"type"`
		User    json.RawMessage `json:"user"` // an id, in a few events an object
		Tab     string          `json:"tab"`
		Channel json.RawMessage `json:"channel"`
		Subteam string          `json:"subteam_id"`
	} `json:"event"`
}

// bareString reads a JSON string, or nothing.
func bareString(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// orgOf identifies where a person comes from the same way in a command and in a click. In an
// Enterprise Grid the workspace may differ between the two, the organisation does not, and user
// ids are unique in the organisation.
func orgOf(enterprise, workspace string) string {
	if enterprise != "" {
		return enterprise
	}
	return workspace
}

func (p slashPayload) actor() approvals.Actor {
	return approvals.Actor{Team: orgOf(p.EnterpriseID, p.TeamID), ID: p.UserID, Name: line(p.UserName)}
}

func (in interaction) actor() approvals.Actor {
	name := in.User.Username
	if name == "" {
		name = in.User.Name
	}
	workspace := in.Team.get()
	if workspace == "" {
		workspace = in.User.TeamID
	}
	return approvals.Actor{Team: orgOf(in.Enterprise.get(), workspace), ID: in.User.ID, Name: line(name)}
}

func (p *idOf) get() string {
	if p == nil {
		return ""
	}
	return p.ID
}

func (in interaction) channel() string {
	if c := in.Channel.get(); c != "" {
		return c
	}
	return in.Container.ChannelID
}

// key names one act of one person, so that a second delivery of it is recognised. Slack's retry
// counter is no help: a retry may say attempt 0 and may carry another envelope id.
func key(kind string, payload []byte, envelope string) (string, error) {
	switch kind {
	case kindSlash:
		var p slashPayload
		if err := json.Unmarshal(payload, &p); err != nil {
			return "", fmt.Errorf("read slash command: %w", err)
		}
		return join("slash", first(p.TriggerID, envelope)), nil
	case kindEvent:
		var p outerEvent
		if err := json.Unmarshal(payload, &p); err != nil {
			return "", fmt.Errorf("read event: %w", err)
		}
		return join("event", first(p.EventID, envelope)), nil
	case kindInteractive:
		var in interaction
		if err := json.Unmarshal(payload, &in); err != nil {
			return "", fmt.Errorf("read interaction: %w", err)
		}
		return in.key(envelope), nil
	}
	return "", fmt.Errorf("unknown kind of envelope %q", cut(kind, 40))
}

func (in interaction) key(envelope string) string {
	switch in.Type {
	case "block_actions":
		if len(in.Actions) == 0 || in.Actions[0].ActionTS == "" {
			return join("click", envelope)
		}
		a := in.Actions[0]
		return join("click", in.User.ID, in.channel(), first(in.Container.MessageTS, in.Container.ViewID), a.ActionID, a.ActionTS)
	case "view_submission":
		// The hash alone does not do: after an answer with errors the same view, with the same
		// hash, is sent again with other values.
		values, _ := json.Marshal(in.View.State.Values) // maps are sorted; nothing in it can fail
		sum := sha256.Sum256(values)
		return join("form", in.View.ID, in.View.Hash, in.User.ID, in.TriggerID, hex.EncodeToString(sum[:8]))
	}
	return join(in.Type, in.User.ID, in.CallbackID, first(in.ActionTS, in.TriggerID, envelope))
}

func join(parts ...string) string { return strings.Join(parts, ":") }

func first(parts ...string) string {
	for _, p := range parts {
		if p != "" {
			return p
		}
	}
	return ""
}

// stamp reads Slack's "1700000000.123456".
func stamp(ts string) time.Time {
	secs, frac, _ := strings.Cut(ts, ".")
	s, err := strconv.ParseInt(secs, 10, 64)
	if err != nil || s <= 0 {
		return time.Time{}
	}
	us, _ := strconv.ParseInt(frac, 10, 64) // display only: a missing fraction is none
	return time.Unix(s, us*int64(time.Microsecond)).UTC()
}
