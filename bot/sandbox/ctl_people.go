package sandbox

import (
	"net/http"
	"regexp"
	"strings"
)

type handler = func(*Server, *http.Request, command) (any, error)

// people is what a person can do with a mouse and a keyboard.
var people = map[string]handler{
	"slash":       doSlash,
	"say":         doSay,
	"click":       doClick,
	"suggest":     doSuggest,
	"submit_view": doSubmitView,
	"close_view":  doCloseView,
	"open_home":   doOpenHome,
	"open_dm":     doOpenDM,
	"shortcut":    doShortcut,
	"dismiss":     doDismiss,
	"react":       doReact,
	"invite":      doInvite,
}

// Outcome is what came of a person's action.
type Outcome struct {
	OK bool `json:"ok"`
	Ack
	// UserVisible is what the person saw at once: the ack's message, or the error.
	UserVisible string `json:"user_visible,omitempty"`
	// Action is the response_action of a submitted view: "close" when the app named
	// none, errors, update, push, clear.
	Action string `json:"response_action,omitempty"`
	// Errors are by block id: the app's, or the form's own ("invalid": true).
	Errors  map[string]string `json:"errors,omitempty"`
	Invalid bool              `json:"invalid,omitempty"`
	// Dismissed is set when a confirm dialog was answered with no.
	Dismissed bool  `json:"dismissed,omitempty"`
	Options   []any `json:"options,omitempty"`
}

func doSlash(s *Server, r *http.Request, c command) (any, error) {
	var in struct {
		Command string `json:"command"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	u, ch, err := s.actor(c)
	if err != nil || ch == nil {
		s.mu.Unlock()
		return nil, orMissing(err)
	}
	if in.Command == "" {
		in.Command = s.st.ws.Command
	}
	if ch.Archived {
		s.mu.Unlock()
		return nil, cannot("is_archived", "%s is archived", ch.Name)
	}
	if in.Command != s.st.ws.Command {
		s.whisper(u.ID, ch.ID, "`"+in.Command+"` is not a valid command.")
		s.mu.Unlock()
		return nil, cannot("no_such_command", "%s is not a valid command", in.Command)
	}
	p := s.slashPayload(u, ch, in.Command, c.Text)
	d := &Delivery{Type: "slash_commands", Kind: in.Command, User: u.ID, Payload: p, wantsPayload: true}
	s.mu.Unlock()

	out := Outcome{OK: true, Ack: s.deliver(r.Context(), d)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if out.Problem != "" {
		out.OK, out.UserVisible = false, in.Command+" failed with the error \""+out.Problem+"\""
		s.whisper(u.ID, ch.ID, out.UserVisible)
		return out, nil
	}
	if answer, ok := out.Payload.(obj); ok && (answer["text"] != nil || answer["blocks"] != nil) {
		if str(answer["response_type"]) == "in_channel" {
			s.place(&Message{User: u.ID, Text: strings.TrimSpace(in.Command + " " + c.Text)}, ch, nil)
		}
		out.UserVisible = s.ackMessage(&hook{user: u.ID, channel: ch.ID}, answer)
	}
	return out, nil
}

// ackMessage posts the message an ack carried.
func (s *Server) ackMessage(h *hook, answer obj) string {
	call := &call{method: "ack", args: answer}
	m, err := s.content(call, maxPostText)
	if err != nil {
		// Slack drops a bad message in an ack without telling the app.
		s.st.ledger.lints = append(s.st.ledger.lints, Lint{Channel: h.channel, Where: "ack", Problem: "message in the ack refused: " + err.Error()})
		return ""
	}
	s.respond(h, m, call)
	return m.Text
}

// whisper is Slackbot's private word to a person.
func (s *Server) whisper(user, channel, text string) {
	s.place(&Message{User: "USLACKBOT", Text: text, For: user}, s.st.channels[channel], nil)
}

// orMissing is the error of a look for a channel that found none.
func orMissing(err error) error {
	if err != nil {
		return err
	}
	return cannot("missing", "channel is missing")
}

func doSay(s *Server, _ *http.Request, c command) (any, error) {
	var in struct {
		ThreadTS string `json:"thread_ts"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ch, err := s.actor(c)
	if err != nil || ch == nil {
		return nil, orMissing(err)
	}
	if ch.Archived {
		return nil, cannot("is_archived", "%s is archived", ch.Name)
	}
	m := &Message{User: u.ID, Text: s.st.typed(c.Text), ThreadTS: in.ThreadTS}
	s.place(m, ch, nil)
	return obj{"ok": true, "ts": m.TS}, nil
}

var atName = regexp.MustCompile(`(^|[\s(])@([a-z0-9][a-z0-9._-]*)`)

// typed is what the composer makes of a person's words: signs are escaped and
// names that exist become mentions.
func (st *state) typed(s string) string {
	s = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
	return atName.ReplaceAllStringFunc(s, func(hit string) string {
		lead, name, _ := strings.Cut(hit, "@")
		if u := st.user(name); u != nil {
			return lead + "<@" + u.ID + ">"
		}
		if g := st.group(name); g != nil {
			return lead + "<!subteam^" + g.ID + ">"
		}
		return hit
	})
}

func doOpenHome(s *Server, r *http.Request, c command) (any, error) {
	s.mu.Lock()
	u, _, err := s.actor(command{User: c.User})
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	ch := s.st.dm(u.ID)
	ev := obj{"type": "app_home_opened", "user": u.ID, "channel": ch.ID, "tab": "home"}
	if v := s.st.views.homes[u.ID]; v != nil {
		ev["view"] = s.st.viewWire(v)
	}
	d := &Delivery{Type: "events_api", Kind: "app_home_opened", User: u.ID, Payload: s.eventPayload(ev)}
	s.mu.Unlock()
	return s.acted(r, d, u.ID, false), nil
}

func doOpenDM(s *Server, _ *http.Request, c command) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, _, err := s.actor(command{User: c.User})
	if err != nil {
		return nil, err
	}
	return obj{"ok": true, "channel": s.st.dm(u.ID).ID}, nil
}

// acted delivers and tells the person when the app did not answer.
func (s *Server) acted(r *http.Request, d *Delivery, user string, tell bool) Outcome {
	out := Outcome{Ack: s.deliver(r.Context(), d)}
	out.OK = out.Problem == ""
	if tell && out.Problem != "" {
		out.UserVisible = "The app did not respond (" + out.Problem + ")."
		s.feed.tell(change{Kind: "toast", User: user, Text: out.UserVisible})
	}
	return out
}

func doShortcut(s *Server, r *http.Request, c command) (any, error) {
	var in struct {
		CallbackID string `json:"callback_id"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	u, ch, err := s.actor(c)
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	kind := "shortcut"
	p := obj(nil)
	if c.TS != "" && ch != nil {
		m := s.st.rooms.find(ch.ID, c.TS)
		if m == nil {
			s.mu.Unlock()
			return nil, cannot("message_not_found", "no message %s", c.TS)
		}
		kind = "message_action"
		p = s.interactivePayload(kind, u)
		s.onMessage(p, u, m)
		p["message_ts"] = m.TS
		delete(p, "container")
	} else {
		p = s.interactivePayload(kind, u)
	}
	p["callback_id"], p["action_ts"] = in.CallbackID, s.st.ids.ts(s.clock.now())
	d := &Delivery{Type: "interactive", Kind: kind, User: u.ID, Payload: p}
	s.mu.Unlock()
	return s.acted(r, d, u.ID, true), nil
}

func doDismiss(s *Server, _ *http.Request, c command) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ch, err := s.actor(c)
	if err != nil || ch == nil {
		return nil, orMissing(err)
	}
	m := s.st.rooms.find(ch.ID, c.TS)
	if m == nil || m.For != u.ID {
		return nil, cannot("message_not_found", "no ephemeral message %s for %s", c.TS, u.Name)
	}
	s.remove(m)
	return nil, nil
}

func doReact(s *Server, _ *http.Request, c command) (any, error) {
	var in struct {
		Name   string `json:"name"`
		Remove bool   `json:"remove"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ch, err := s.actor(c)
	if err != nil || ch == nil {
		return nil, orMissing(err)
	}
	m := s.st.rooms.find(ch.ID, c.TS)
	if m == nil {
		return nil, cannot("message_not_found", "no message %s", c.TS)
	}
	if in.Remove {
		m.unreact(in.Name, u.ID)
	} else {
		m.react(in.Name, u.ID)
	}
	s.tellMessage(m)
	return nil, nil
}

// doInvite is "/invite @recycle": the bot joins a channel and hears of it.
func doInvite(s *Server, r *http.Request, c command) (any, error) {
	s.mu.Lock()
	u, ch, err := s.actor(c)
	if err != nil || ch == nil {
		s.mu.Unlock()
		return nil, orMissing(err)
	}
	already := ch.BotMember
	ch.BotMember = true
	kind := "C"
	if ch.Private {
		kind = "G"
	}
	d := &Delivery{Type: "events_api", Kind: "member_joined_channel", User: u.ID, Payload: s.eventPayload(obj{
		"type": "member_joined_channel", "user": s.st.ws.BotUserID, "channel": ch.ID, "channel_type": kind,
		"team": s.st.ws.TeamID, "inviter": u.ID})}
	if !already {
		s.place(&Message{User: s.st.ws.BotUserID, Subtype: "channel_join", Text: "was added to #" + ch.Name + " by <@" + u.ID + ">"}, ch, nil)
	}
	s.mu.Unlock()
	s.feed.tell(change{Kind: "people"})
	if already {
		return Outcome{OK: true}, nil
	}
	return s.acted(r, d, u.ID, false), nil
}
