package sandbox

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// director is what nobody in the workspace can do: faults, time, settings.
var director = map[string]handler{
	"event":         doEvent,
	"group":         doGroup,
	"user":          doUser,
	"archive":       doArchive,
	"kick":          doKick,
	"disconnect":    doDisconnect,
	"duplicate":     doDuplicate,
	"fault":         doFault,
	"limits":        doLimits,
	"scopes":        doScopes,
	"sockets":       doSockets,
	"clock/advance": doAdvance,
	"reset":         doReset,
}

func doEvent(s *Server, r *http.Request, c command) (any, error) {
	ev := obj{}
	if err := c.into(&ev); err != nil {
		return nil, err
	}
	if str(ev["type"]) == "" {
		return nil, cannot("missing", "an event needs a type")
	}
	s.mu.Lock()
	d := &Delivery{Type: "events_api", Kind: str(ev["type"]), Payload: s.eventPayload(ev)}
	s.mu.Unlock()
	return s.acted(r, d, "", false), nil
}

// doGroup replaces the members of a user group and tells the app.
func doGroup(s *Server, r *http.Request, c command) (any, error) {
	var in struct {
		ID    string   `json:"id"`
		Users []string `json:"users"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	g := s.st.group(in.ID)
	if g == nil {
		s.mu.Unlock()
		return nil, cannot("no_such_group", "no group %q", in.ID)
	}
	var ids, added, removed []string
	for _, ref := range in.Users {
		u := s.st.user(ref)
		if u == nil {
			s.mu.Unlock()
			return nil, cannot("no_such_user", "no person %q", ref)
		}
		ids = append(ids, u.ID)
		if !slices.Contains(g.Users, u.ID) {
			added = append(added, u.ID)
		}
	}
	for _, id := range g.Users {
		if !slices.Contains(ids, id) {
			removed = append(removed, id)
		}
	}
	g.Users = ids
	now := s.clock.now().Unix()
	d := &Delivery{Type: "events_api", Kind: "subteam_members_changed", Payload: s.eventPayload(obj{
		"type": "subteam_members_changed", "subteam_id": g.ID, "team_id": s.st.ws.TeamID,
		"date_previous_update": now, "date_update": now, "added_users": added, "added_users_count": len(added),
		"removed_users": removed, "removed_users_count": len(removed)})}
	s.mu.Unlock()
	s.feed.tell(change{Kind: "people"})
	return s.acted(r, d, "", false), nil
}

// doUser changes a member: deactivate, make a guest.
func doUser(s *Server, _ *http.Request, c command) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.st.user(c.User)
	if u == nil {
		return nil, cannot("no_such_user", "no person %q", c.User)
	}
	id := u.ID
	s.st.ws.Users = slices.Clone(s.st.ws.Users) // the configuration keeps its own
	u = s.st.user(id)
	if err := c.into(u); err != nil {
		return nil, err
	}
	u.ID = id
	s.feed.tell(change{Kind: "people"})
	return obj{"ok": true, "user": *u}, nil
}

func doArchive(s *Server, _ *http.Request, c command) (any, error) {
	in := struct {
		Archived *bool `json:"archived"`
	}{}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := s.st.channel(c.Channel)
	if ch == nil {
		return nil, cannot("no_such_channel", "no channel %q", c.Channel)
	}
	ch.Archived = in.Archived == nil || *in.Archived
	s.feed.tell(change{Kind: "people"})
	return nil, nil
}

// doKick takes the bot, or a person, out of a channel.
func doKick(s *Server, _ *http.Request, c command) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := s.st.channel(c.Channel)
	if ch == nil {
		return nil, cannot("no_such_channel", "no channel %q", c.Channel)
	}
	if c.User == "" {
		ch.BotMember = false
	} else if u := s.st.user(c.User); u != nil {
		ch.Members = slices.DeleteFunc(slices.Clone(ch.Members), func(id string) bool { return id == u.ID })
	} else {
		return nil, cannot("no_such_user", "no person %q", c.User)
	}
	s.feed.tell(change{Kind: "people"})
	return nil, nil
}

// disconnect asks for the end of sockets.
type disconnect struct {
	Reason string  `json:"reason"`  // warning, refresh_requested, link_disabled, link_enabled, drop, half_open
	AfterS float64 `json:"after_s"` // of workspace time; after a warning the cut follows 10 s later
	Which  string  `json:"which"`   // all (default), oldest, newest
}

func doDisconnect(s *Server, _ *http.Request, c command) (any, error) {
	var in disconnect
	if err := c.into(&in); err != nil {
		return nil, err
	}
	switch in.Reason {
	case "link_enabled", "link_disabled":
		s.hub.mu.Lock()
		s.hub.off = in.Reason == "link_disabled"
		s.hub.mu.Unlock()
	case "warning", "refresh_requested", "too_many_websockets", "drop", "half_open":
	default:
		return nil, cannot("bad_reason", "unknown reason %q", in.Reason)
	}
	hit := s.hub.choose(in.Which)
	if in.Reason == "link_enabled" {
		hit = nil
	}
	for _, sock := range hit {
		s.spawn(func() { s.endSocket(sock, in) })
	}
	return obj{"ok": true, "sockets": len(hit)}, nil
}

func (h *hub) choose(which string) []*socket {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(h.sockets)
	switch {
	case n == 0:
		return nil
	case which == "oldest":
		return h.sockets[:1:1]
	case which == "newest":
		return slices.Clone(h.sockets[n-1:])
	}
	return slices.Clone(h.sockets)
}

func (s *Server) endSocket(sock *socket, in disconnect) {
	if !s.clock.sleep(s.life, time.Duration(in.AfterS*float64(time.Second)), sock.cut) {
		return
	}
	switch in.Reason {
	case "drop":
		sock.drop()
	case "half_open":
		s.hub.mu.Lock()
		if !sock.dead() {
			close(sock.frozen)
		}
		s.hub.mu.Unlock()
	case "warning":
		s.dismiss(s.life, sock, "warning")
		if s.clock.sleep(s.life, 10*time.Second, sock.cut) {
			s.dismiss(s.life, sock, "refresh_requested")
		}
	default:
		s.dismiss(s.life, sock, in.Reason)
	}
}

// doDuplicate delivers an envelope once more.
func doDuplicate(s *Server, _ *http.Request, c command) (any, error) {
	in := struct {
		EnvelopeID string  `json:"envelope_id"`
		SameID     *bool   `json:"same_id"`
		Delay      float64 `json:"delay"` // seconds of workspace time
	}{}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	d, _ := s.st.ledger.byEnvelope(in.EnvelopeID)
	id := in.EnvelopeID
	if in.SameID != nil && !*in.SameID {
		id = s.st.ids.uuid()
	}
	s.mu.Unlock()
	if d == nil {
		return nil, cannot("no_such_envelope", "no envelope %q", in.EnvelopeID)
	}
	if in.Delay > 0 {
		s.spawn(func() {
			if s.clock.sleep(s.life, time.Duration(in.Delay*float64(time.Second)), nil) {
				s.attempt(d, id, 0, "")
			}
		})
		return obj{"ok": true, "envelope_id": id}, nil
	}
	return obj{"ok": s.attempt(d, id, 0, ""), "envelope_id": id}, nil
}

func doFault(s *Server, _ *http.Request, c command) (any, error) {
	var f fault
	if err := c.into(&f); err != nil {
		return nil, err
	}
	if f.Method == "" {
		return nil, cannot("missing", "a fault needs a method")
	}
	if f.Times == 0 {
		f.Times = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.faults = append(s.st.faults, &f)
	return nil, nil
}

func doLimits(s *Server, _ *http.Request, c command) (any, error) {
	in := struct {
		Enforce bool    `json:"enforce"`
		Scale   float64 `json:"scale"`
	}{}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.rates = newRates(in.Enforce)
	if in.Scale > 0 {
		s.st.rates.scale = in.Scale
	}
	return nil, nil
}

func doScopes(s *Server, _ *http.Request, c command) (any, error) {
	in := struct {
		Scopes []string `json:"scopes"`
	}{}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.scopes = in.Scopes
	return nil, nil
}

// doSockets changes the rules of Socket Mode; what is not named stays.
func doSockets(s *Server, _ *http.Request, c command) (any, error) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	rules := s.hub.rules
	rules.RetryMS = slices.Clone(rules.RetryMS)
	if err := json.Unmarshal(c.raw, &rules); err != nil {
		return nil, cannot("bad_json", "read rules: %v", err)
	}
	s.hub.rules = rules
	return obj{"ok": true, "rules": rules}, nil
}

func doAdvance(s *Server, _ *http.Request, c command) (any, error) {
	in := struct {
		Seconds float64 `json:"seconds"`
	}{}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	if in.Seconds < 0 {
		return nil, cannot("backwards", "the clock goes forward only")
	}
	now := s.clock.advance(time.Duration(in.Seconds * float64(time.Second)))
	return obj{"ok": true, "now": now}, nil
}

// doReset forgets everything but the sockets that are open.
func doReset(s *Server, _ *http.Request, _ command) (any, error) {
	s.mu.Lock()
	base := s.st.appBase
	s.st = newState(s.cfg)
	s.st.appBase = base
	s.mu.Unlock()
	s.hub.mu.Lock()
	s.hub.rules, s.hub.off = defaultRules(), false
	s.hub.mu.Unlock()
	s.feed.tell(change{Kind: "reset"})
	return nil, nil
}
