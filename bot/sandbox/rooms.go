package sandbox

import (
	"encoding/json"
	"slices"
	"strings"
)

// Message is one message as people see it, in its newest version.
type Message struct {
	Channel     string     `json:"channel"`
	TS          string     `json:"ts"`
	ThreadTS    string     `json:"thread_ts,omitempty"`
	User        string     `json:"user"` // the sender's id
	Subtype     string     `json:"subtype,omitempty"`
	Text        string     `json:"text"`
	Blocks      []any      `json:"blocks,omitempty"`
	Attachments []any      `json:"attachments,omitempty"`
	Metadata    any        `json:"metadata,omitempty"`
	For         string     `json:"ephemeral_for,omitempty"` // the one user who sees an ephemeral message
	Version     int        `json:"version"`                 // 1 as posted, one more for each edit
	Deleted     bool       `json:"deleted,omitempty"`
	Reactions   []Reaction `json:"reactions,omitempty"`
	Files       []File     `json:"files,omitempty"`
	FromBot     bool       `json:"from_bot,omitempty"`
}

// Reaction is one emoji on a message and who set it.
type Reaction struct {
	Name  string   `json:"name"`
	Users []string `json:"users"`
}

// visibleTo says whether user may see m in channel c. An empty user is the
// director, who sees everything.
func (m *Message) visibleTo(user string, c *Channel) bool {
	if user == "" {
		return true
	}
	if m.For != "" {
		return m.For == user
	}
	return c == nil || c.has(user) || (!c.Private && !c.isDM())
}

// rooms holds every message with all its earlier versions.
type rooms struct {
	list  []*Message
	edits map[string][]Message // channel/ts -> earlier versions, oldest first
	state map[string]obj       // channel/ts -> state.values people set on its inputs
}

func newRooms() *rooms {
	return &rooms{edits: map[string][]Message{}, state: map[string]obj{}}
}

func (r *rooms) find(channel, ts string) *Message {
	for _, m := range r.list {
		if m.TS == ts && m.Channel == channel && !m.Deleted {
			return m
		}
	}
	return nil
}

func (r *rooms) add(m *Message) {
	m.Version = 1
	r.list = append(r.list, m)
}

// edit keeps the present version and applies change to the message.
func (r *rooms) edit(m *Message, change func(*Message)) {
	key := m.Channel + "/" + m.TS
	r.edits[key] = append(r.edits[key], *m)
	change(m)
	m.Version++
}

// versions are all versions of a message, newest first.
func (r *rooms) versions(m *Message) []Message {
	old := slices.Clone(r.edits[m.Channel+"/"+m.TS])
	slices.Reverse(old)
	return append([]Message{*m}, old...)
}

// wire is the message as the Web API and interaction payloads show it.
func (st *state) wire(m *Message) obj {
	o := obj{"type": "message", "ts": m.TS, "user": m.User, "text": m.Text, "team": st.ws.TeamID}
	if m.FromBot {
		o["bot_id"], o["app_id"] = st.botID(), st.ws.AppID
	}
	put(o, "subtype", m.Subtype)
	put(o, "thread_ts", m.ThreadTS)
	if len(m.Blocks) > 0 {
		o["blocks"] = m.Blocks
	}
	if len(m.Attachments) > 0 {
		o["attachments"] = m.Attachments
	}
	if m.Metadata != nil {
		o["metadata"] = m.Metadata
	}
	if m.Version > 1 {
		o["edited"] = obj{"user": m.User, "ts": m.TS}
	}
	if len(m.Files) > 0 {
		files := make([]any, len(m.Files))
		for i, f := range m.Files {
			files[i] = f.wire("")
		}
		o["files"] = files
	}
	if len(m.Reactions) > 0 {
		list := make([]any, len(m.Reactions))
		for i, r := range m.Reactions {
			list[i] = obj{"name": r.Name, "users": r.Users, "count": len(r.Users)}
		}
		o["reactions"] = list
	}
	return o
}

func (st *state) botID() string { return "B" + strings.TrimPrefix(st.ws.BotUserID, "U") }

// number gives every block without a block_id one, as Slack does, and every
// interactive element without an action_id too.
func (st *state) number(blocks []any) []any {
	blocks = clone(blocks)
	for _, b := range blocks {
		bo, _ := b.(obj)
		if bo == nil {
			continue
		}
		if str(bo["block_id"]) == "" {
			bo["block_id"] = st.ids.next("", 5)
		}
		for _, e := range elementsOf(bo) {
			if str(e["action_id"]) == "" && interactive[str(e["type"])] {
				e["action_id"] = st.ids.next("", 5)
			}
		}
	}
	return blocks
}

// interactive are the element types that carry an action_id.
var interactive = map[string]bool{
	"button": true, "static_select": true, "external_select": true, "users_select": true,
	"conversations_select": true, "channels_select": true, "multi_static_select": true,
	"multi_external_select": true, "multi_users_select": true, "multi_conversations_select": true,
	"multi_channels_select": true, "overflow": true, "datepicker": true, "timepicker": true,
	"datetimepicker": true, "checkboxes": true, "radio_buttons": true, "plain_text_input": true,
	"email_text_input": true, "url_text_input": true, "number_input": true, "rich_text_input": true,
	"file_input": true, "workflow_button": true, "feedback_buttons": true, "icon_button": true,
}

// elementsOf lists the interactive elements of one block.
func elementsOf(block obj) []obj {
	var out []obj
	for _, key := range []string{"accessory", "element"} {
		if e, ok := block[key].(obj); ok {
			out = append(out, e)
		}
	}
	switch str(block["type"]) {
	case "actions", "context_actions":
		for _, e := range list(block["elements"]) {
			if eo, ok := e.(obj); ok {
				out = append(out, eo)
			}
		}
	}
	return out
}

// clone copies JSON deeply, so that no two owners share a map.
func clone(v []any) []any {
	if v == nil {
		return nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	var out []any
	if json.Unmarshal(raw, &out) != nil {
		return nil
	}
	return out
}

func str(v any) string { s, _ := v.(string); return s }

func list(v any) []any { l, _ := v.([]any); return l }

// put sets a string field only when it says something.
func put(o obj, key, value string) {
	if value != "" {
		o[key] = value
	}
}
