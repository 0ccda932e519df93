package sandbox

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Text lengths: posts are cut at 40,000 characters by Slack, which loses the
// end silently; here such a post is refused so that nobody relies on it. An
// edit's text is documented to be refused above 4,000.
const (
	maxPostText   = 40_000
	maxUpdateText = 4_000
)

// target finds the channel of a call and whether the bot may write there.
func (s *Server) target(c *call) (*Channel, error) {
	ref := c.str("channel")
	ch := s.st.channel(ref)
	if ch == nil && strings.HasPrefix(ref, "U") && s.st.user(ref) != nil {
		ch = s.st.dm(ref)
	}
	switch {
	case ch == nil, ch.Private && !ch.BotMember:
		return nil, refuse("channel_not_found")
	case !ch.BotMember && !slices.Contains(s.st.scopes, "chat:write.public"):
		return nil, refuse("not_in_channel")
	case ch.Archived:
		return nil, refuse("is_archived")
	}
	return ch, nil
}

// content reads and judges text, blocks, attachments and metadata.
func (s *Server) content(c *call, limit int) (*Message, error) {
	m := &Message{User: s.st.ws.BotUserID, FromBot: true, Text: c.str("text"), ThreadTS: c.str("thread_ts")}
	blocks, err := c.json("blocks")
	if err != nil {
		return nil, refuse("invalid_blocks_format")
	}
	m.Blocks = list(blocks)
	if blocks != nil && m.Blocks == nil {
		return nil, refuse("invalid_blocks_format")
	}
	att, err := c.json("attachments")
	if err != nil {
		return nil, refuse("invalid_attachments")
	}
	m.Attachments = list(att)
	if m.Text == "" && len(m.Blocks) == 0 && len(m.Attachments) == 0 {
		return nil, refuse("no_text")
	}
	if utf8.RuneCountInString(m.Text) > limit {
		return nil, refuse("msg_too_long")
	}
	if err := judge(m.Blocks, SurfaceMessage); err != nil {
		return nil, err
	}
	for _, a := range m.Attachments {
		ao, _ := a.(obj)
		if err := judge(list(ao["blocks"]), SurfaceMessage); err != nil {
			return nil, err
		}
		if nested := list(ao["blocks"]); nested != nil {
			ao["blocks"] = s.st.number(nested)
		}
	}
	if m.Metadata, err = c.json("metadata"); err != nil {
		return nil, refuse("invalid_metadata_format")
	}
	m.Blocks = s.st.number(m.Blocks)
	return m, nil
}

// judge turns findings of the limits checker into Slack's refusal.
func judge(blocks []any, surface Surface) error {
	found := CheckBlocks(blocks, surface)
	if len(found) == 0 {
		return nil
	}
	if found[0].Code == codeTooLong {
		return refuse("msg_blocks_too_long")
	}
	return &refusal{"invalid_blocks", obj{"errors": messages(found), "response_metadata": obj{"messages": messages(found)}}}
}

func messages(found []Violation) []string {
	out := make([]string, len(found))
	for i, v := range found {
		out[i] = v.String()
	}
	return out
}

// place puts a checked message into its channel and tells everybody.
func (s *Server) place(m *Message, ch *Channel, c *call) {
	m.Channel, m.TS = ch.ID, s.st.ids.ts(s.clock.now())
	s.st.rooms.add(m)
	s.lint(m, c)
	s.tellMessage(m)
}

func chatPostMessage(s *Server, c *call) (obj, error) {
	ch, err := s.target(c)
	if err != nil {
		return nil, err
	}
	m, err := s.content(c, maxPostText)
	if err != nil {
		return nil, err
	}
	if m.ThreadTS != "" {
		root := s.st.rooms.find(ch.ID, m.ThreadTS)
		if root == nil || root.For != "" {
			return nil, refuse("thread_not_found")
		}
		if root.ThreadTS != "" {
			m.ThreadTS = root.ThreadTS // a reply to a reply lands in the same thread
		}
		if c.flag("reply_broadcast") {
			m.Subtype = "thread_broadcast"
		}
	}
	s.place(m, ch, c)
	return obj{"channel": ch.ID, "ts": m.TS, "message": s.st.wire(m)}, nil
}

func chatPostEphemeral(s *Server, c *call) (obj, error) {
	ch, err := s.target(c)
	if err != nil {
		return nil, err
	}
	u := s.st.user(c.str("user"))
	if u == nil || !ch.has(u.ID) {
		return nil, refuse("user_not_in_channel")
	}
	m, err := s.content(c, maxPostText)
	if err != nil {
		return nil, err
	}
	m.For = u.ID
	s.place(m, ch, c)
	return obj{"message_ts": m.TS}, nil
}

// own finds a message the bot may change.
func (s *Server) own(c *call, verdict string) (*Message, error) {
	ch := s.st.channel(c.str("channel"))
	if ch == nil || ch.Private && !ch.BotMember {
		return nil, refuse("channel_not_found")
	}
	m := s.st.rooms.find(ch.ID, c.str("ts"))
	switch {
	case m == nil:
		return nil, refuse("message_not_found")
	case !m.FromBot, m.For != "":
		return nil, refuse(verdict)
	case ch.Archived:
		return nil, refuse("is_archived")
	}
	return m, nil
}

func chatUpdate(s *Server, c *call) (obj, error) {
	m, err := s.own(c, "cant_update_message")
	if err != nil {
		return nil, err
	}
	next, err := s.content(c, maxUpdateText)
	if err != nil {
		return nil, err
	}
	s.edit(m, next, c)
	return obj{"channel": m.Channel, "ts": m.TS, "text": m.Text, "message": s.st.wire(m)}, nil
}

// edit replaces the content of m. Blocks that are not given again are dropped
// when text is: slack.com keeps or drops them in ways that are not documented.
func (s *Server) edit(m, next *Message, c *call) {
	s.st.rooms.edit(m, func(m *Message) {
		m.Text, m.Blocks, m.Attachments = next.Text, next.Blocks, next.Attachments
		if next.Metadata != nil {
			m.Metadata = next.Metadata
		}
	})
	s.lint(m, c)
	s.tellMessage(m)
}

func chatDelete(s *Server, c *call) (obj, error) {
	m, err := s.own(c, "cant_delete_message")
	if err != nil {
		return nil, err
	}
	s.remove(m)
	return obj{"channel": m.Channel, "ts": m.TS}, nil
}

func (s *Server) remove(m *Message) {
	s.st.rooms.edit(m, func(m *Message) { m.Deleted = true })
	s.tellMessage(m)
}

func chatGetPermalink(s *Server, c *call) (obj, error) {
	ch := s.st.channel(c.str("channel"))
	if ch == nil {
		return nil, refuse("channel_not_found")
	}
	m := s.st.rooms.find(ch.ID, c.str("message_ts"))
	if m == nil || m.For != "" {
		return nil, refuse("message_not_found")
	}
	link := "https://" + s.st.ws.domain() + ".slack.com/archives/" + ch.ID + "/p" + strings.ReplaceAll(m.TS, ".", "")
	if m.ThreadTS != "" {
		link += "?thread_ts=" + m.ThreadTS + "&cid=" + ch.ID
	}
	return obj{"channel": ch.ID, "permalink": link}, nil
}

// reactable finds a message by the arguments of reactions.*.
func (s *Server) reactable(c *call) (*Message, string, error) {
	name := strings.Trim(c.str("name"), ":")
	if name == "" || strings.ContainsAny(name, " <>&") || !knownEmoji(name) {
		return nil, "", refuse("invalid_name")
	}
	ch := s.st.channel(c.str("channel"))
	if ch == nil {
		return nil, "", refuse("channel_not_found")
	}
	m := s.st.rooms.find(ch.ID, c.str("timestamp"))
	if m == nil || m.For != "" {
		return nil, "", refuse("message_not_found")
	}
	return m, name, nil
}

func reactionsAdd(s *Server, c *call) (obj, error) {
	m, name, err := s.reactable(c)
	if err != nil {
		return nil, err
	}
	if !m.react(name, s.st.ws.BotUserID) {
		return nil, refuse("already_reacted")
	}
	s.tellMessage(m)
	return nil, nil
}

func reactionsRemove(s *Server, c *call) (obj, error) {
	m, name, err := s.reactable(c)
	if err != nil {
		return nil, err
	}
	if !m.unreact(name, s.st.ws.BotUserID) {
		return nil, refuse("no_reaction")
	}
	s.tellMessage(m)
	return nil, nil
}

// react and unreact copy on write: versions of the message share the slices.
func (m *Message) react(name, user string) bool {
	rs := slices.Clone(m.Reactions)
	i := slices.IndexFunc(rs, func(r Reaction) bool { return r.Name == name })
	if i < 0 {
		m.Reactions = append(rs, Reaction{Name: name, Users: []string{user}})
		return true
	}
	if slices.Contains(rs[i].Users, user) {
		return false
	}
	rs[i].Users = append(slices.Clone(rs[i].Users), user)
	m.Reactions = rs
	return true
}

func (m *Message) unreact(name, user string) bool {
	rs := slices.Clone(m.Reactions)
	i := slices.IndexFunc(rs, func(r Reaction) bool { return r.Name == name })
	if i < 0 || !slices.Contains(rs[i].Users, user) {
		return false
	}
	rs[i].Users = slices.DeleteFunc(slices.Clone(rs[i].Users), func(u string) bool { return u == user })
	if len(rs[i].Users) == 0 {
		rs = slices.Delete(rs, i, i+1)
	}
	m.Reactions = rs
	return true
}
