package sandbox

// The shapes below follow the samples in slackapi/python-slack-sdk
// (mock_socket_mode_server.py) and slackapi/java-slack-sdk (json-logs).

func (s *Server) base() string {
	if s.st.appBase != "" {
		return s.st.appBase
	}
	return s.url
}

func (s *Server) team() obj { return obj{"id": s.st.ws.TeamID, "domain": s.st.ws.domain()} }

func (s *Server) userRef(u *User) obj {
	return obj{"id": u.ID, "username": u.Name, "name": u.Name, "team_id": s.st.ws.TeamID}
}

func (s *Server) slashPayload(u *User, ch *Channel, command, text string) obj {
	p := obj{
		"token": "sandbox", "team_id": s.st.ws.TeamID, "team_domain": s.st.ws.domain(),
		"channel_id": ch.ID, "channel_name": ch.slackName(), "user_id": u.ID, "user_name": u.Name,
		"command": command, "text": text, "api_app_id": s.st.ws.AppID,
		"response_url": s.newHook("commands", s.base(), hook{user: u.ID, channel: ch.ID}),
		"trigger_id":   s.newTrigger(u.ID),
	}
	switch s.hub.settings().Enterprise { // all three forms are seen in the wild
	case "string":
		p["is_enterprise_install"] = "false"
	case "bool":
		p["is_enterprise_install"] = false
	}
	return p
}

// interactivePayload is what all interactive payloads share.
func (s *Server) interactivePayload(kind string, u *User) obj {
	return obj{
		"type": kind, "token": "sandbox", "api_app_id": s.st.ws.AppID, "team": s.team(), "user": s.userRef(u),
		"enterprise": nil, "is_enterprise_install": false, "trigger_id": s.newTrigger(u.ID),
	}
}

// onMessage adds where a click on a message happened.
func (s *Server) onMessage(p obj, u *User, m *Message) {
	ch := s.st.channels[m.Channel]
	c := obj{"type": "message", "message_ts": m.TS, "channel_id": m.Channel, "is_ephemeral": m.For != ""}
	put(c, "thread_ts", m.ThreadTS)
	p["container"] = c
	p["channel"] = obj{"id": ch.ID, "name": ch.slackName()}
	p["message"] = s.st.wire(m)
	p["response_url"] = s.newHook("actions", s.base(), hook{user: u.ID, channel: m.Channel, source: m.TS, thread: m.ThreadTS})
}

// onView adds the view a payload is about.
func (s *Server) onView(p obj, v *view) {
	p["container"] = obj{"type": "view", "view_id": v.id}
	p["view"] = s.st.viewWire(v)
}

// actionOf is the member of actions[] for an element and what was chosen in it.
func actionOf(block, e obj, chosen obj, ts string) obj {
	a := obj{"action_id": e["action_id"], "block_id": block["block_id"], "type": e["type"], "action_ts": ts}
	for _, key := range []string{"text", "value", "style", "confirm"} {
		if v, ok := e[key]; ok && (str(e["type"]) == "button" || key == "confirm") {
			a[key] = v
		}
	}
	for k, v := range chosen {
		a[k] = v
	}
	return a
}

// eventPayload wraps an Events API event.
func (s *Server) eventPayload(event obj) obj {
	if event["event_ts"] == nil {
		event["event_ts"] = s.st.ids.ts(s.clock.now())
	}
	return obj{
		"token": "sandbox", "team_id": s.st.ws.TeamID, "context_team_id": s.st.ws.TeamID,
		"context_enterprise_id": nil, "api_app_id": s.st.ws.AppID, "event": event, "type": "event_callback",
		"event_id": s.st.ids.next("Ev0", 8), "event_time": s.clock.now().Unix(),
		"authorizations": []any{obj{"enterprise_id": nil, "team_id": s.st.ws.TeamID, "user_id": s.st.ws.BotUserID,
			"is_bot": true, "is_enterprise_install": false}},
		"is_ext_shared_channel": false, "event_context": s.st.ids.next("4-", 20),
	}
}
