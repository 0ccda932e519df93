package sandbox

import (
	"slices"
	"strconv"
	"strings"
)

func (w Workspace) domain() string {
	return strings.ToLower(strings.ReplaceAll(w.TeamName, " ", "-"))
}

func (st *state) userWire(u *User) obj {
	return obj{
		"id": u.ID, "team_id": st.ws.TeamID, "name": u.Name, "real_name": u.RealName, "tz": u.TZ,
		"locale": u.Locale, "deleted": u.Deleted, "is_bot": u.Bot, "is_app_user": false,
		"is_restricted": u.Restricted || u.UltraRestricted, "is_ultra_restricted": u.UltraRestricted,
		"is_stranger": u.Stranger, "updated": 1,
		"profile": obj{"email": u.Email, "display_name": u.Name, "real_name": u.RealName, "team": st.ws.TeamID},
	}
}

func usersInfo(s *Server, c *call) (obj, error) {
	u := s.st.user(c.str("user"))
	if u == nil || u.ID != c.str("user") {
		return nil, refuse("user_not_found")
	}
	return obj{"user": s.st.userWire(u)}, nil
}

func usersList(s *Server, _ *call) (obj, error) {
	var out []any
	for i := range s.st.ws.Users {
		out = append(out, s.st.userWire(&s.st.ws.Users[i]))
	}
	return obj{"members": out, "response_metadata": obj{"next_cursor": ""}}, nil
}

func (st *state) channelWire(ch *Channel) obj {
	if ch.isDM() {
		return obj{"id": ch.ID, "is_im": true, "user": ch.Members[0], "is_archived": false, "is_org_shared": false}
	}
	n := len(ch.Members)
	if ch.BotMember {
		n++
	}
	return obj{
		"id": ch.ID, "name": ch.Name, "name_normalized": ch.Name, "is_channel": !ch.Private, "is_group": ch.Private,
		"is_im": false, "is_private": ch.Private, "is_archived": ch.Archived, "is_member": ch.BotMember,
		"is_ext_shared": false, "is_shared": false, "context_team_id": st.ws.TeamID, "num_members": n,
	}
}

// readable finds a channel the bot may look at.
func (s *Server) readable(c *call) (*Channel, error) {
	ch := s.st.channels[c.str("channel")]
	if ch == nil || ch.Private && !ch.BotMember {
		return nil, refuse("channel_not_found")
	}
	return ch, nil
}

func conversationsInfo(s *Server, c *call) (obj, error) {
	ch, err := s.readable(c)
	if err != nil {
		return nil, err
	}
	o := s.st.channelWire(ch)
	if !c.flag("include_num_members") {
		delete(o, "num_members")
	}
	return obj{"channel": o}, nil
}

func conversationsMembers(s *Server, c *call) (obj, error) {
	ch, err := s.readable(c)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(ch.Members)
	if ch.BotMember {
		all = append(all, s.st.ws.BotUserID)
	}
	page, next, err := paged(c, all, 100)
	if err != nil {
		return nil, err
	}
	return obj{"members": page, "response_metadata": obj{"next_cursor": next}}, nil
}

// paged cuts one page out of all by the call's cursor and limit.
func paged[T any](c *call, all []T, standard int) ([]T, string, error) {
	limit := standard
	if n, err := strconv.Atoi(c.str("limit")); err == nil && n > 0 {
		limit = min(n, 1000)
	}
	from := 0
	if cur := c.str("cursor"); cur != "" {
		n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(cur, "cur:"), "="))
		if err != nil || n < 0 || n > len(all) {
			return nil, "", refuse("invalid_cursor")
		}
		from = n
	}
	to := min(len(all), from+limit)
	next := ""
	if to < len(all) {
		next = "cur:" + strconv.Itoa(to) + "="
	}
	return all[from:to], next, nil
}

func conversationsList(s *Server, c *call) (obj, error) {
	var all []any
	for _, ch := range s.st.ws.Channels {
		live := s.st.channels[ch.ID]
		if live.Private && !live.BotMember || live.Archived && c.flag("exclude_archived") {
			continue
		}
		all = append(all, s.st.channelWire(live))
	}
	page, next, err := paged(c, all, 100)
	if err != nil {
		return nil, err
	}
	return obj{"channels": page, "response_metadata": obj{"next_cursor": next}}, nil
}

func conversationsOpen(s *Server, c *call) (obj, error) {
	u := s.st.user(c.str("users"))
	switch {
	case strings.Contains(c.str("users"), ","):
		return nil, refuse("method_not_supported_for_channel_type") // group DMs are not played here
	case u == nil:
		return nil, refuse("user_not_found")
	case u.Deleted:
		return nil, refuse("user_disabled")
	case u.ID == s.st.ws.BotUserID || u.Bot:
		return nil, refuse("cannot_dm_bot")
	}
	_, before := s.st.dms[u.ID]
	ch := s.st.dm(u.ID)
	s.feed.tell(change{Kind: "people", User: u.ID})
	out := obj{"channel": obj{"id": ch.ID}, "no_op": before, "already_open": before}
	if c.flag("return_im") {
		out["channel"] = s.st.channelWire(ch)
	}
	return out, nil
}

func conversationsHistory(s *Server, c *call) (obj, error) {
	ch, err := s.readable(c)
	if err != nil {
		return nil, err
	}
	if !ch.BotMember {
		return nil, refuse("not_in_channel")
	}
	return s.timeline(c, func(m *Message) bool {
		return m.Channel == ch.ID && m.For == "" && (m.ThreadTS == "" || m.Subtype == "thread_broadcast")
	}, true)
}

func conversationsReplies(s *Server, c *call) (obj, error) {
	ch, err := s.readable(c)
	if err != nil {
		return nil, err
	}
	ts := c.str("ts")
	if s.st.rooms.find(ch.ID, ts) == nil {
		return nil, refuse("thread_not_found")
	}
	return s.timeline(c, func(m *Message) bool {
		return m.Channel == ch.ID && m.For == "" && (m.TS == ts || m.ThreadTS == ts)
	}, false)
}

func (s *Server) timeline(c *call, want func(*Message) bool, newestFirst bool) (obj, error) {
	var all []any
	for _, m := range s.st.rooms.list {
		if want(m) && !m.Deleted && (c.str("oldest") == "" || m.TS > c.str("oldest")) &&
			(c.str("latest") == "" || m.TS < c.str("latest")) {
			all = append(all, s.st.wire(m))
		}
	}
	if newestFirst {
		slices.Reverse(all)
	}
	page, next, err := paged(c, all, 100)
	if err != nil {
		return nil, err
	}
	return obj{"messages": page, "has_more": next != "", "response_metadata": obj{"next_cursor": next}}, nil
}

func usergroupsUsersList(s *Server, c *call) (obj, error) {
	g := s.st.group(c.str("usergroup"))
	if g == nil || g.ID != c.str("usergroup") {
		return nil, refuse("no_such_subteam")
	}
	return obj{"users": slices.Clone(g.Users)}, nil
}

func usergroupsList(s *Server, c *call) (obj, error) {
	out := []any{}
	for i := range s.st.ws.Groups {
		o := s.st.groupWire(&s.st.ws.Groups[i])
		if !c.flag("include_users") {
			delete(o, "users")
		}
		out = append(out, o)
	}
	return obj{"usergroups": out}, nil
}

func (st *state) groupWire(g *Group) obj {
	return obj{"id": g.ID, "team_id": st.ws.TeamID, "is_usergroup": true, "name": g.Handle, "handle": g.Handle,
		"date_delete": 0, "user_count": len(g.Users), "users": slices.Clone(g.Users)}
}
