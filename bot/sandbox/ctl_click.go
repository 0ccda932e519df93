package sandbox

import (
	"net/http"
)

// click is a press on an element of a message, a modal or a Home tab.
type click struct {
	ViewID   string `json:"view_id"`
	ActionID string `json:"action_id"`
	BlockID  string `json:"block_id"`
	Label    string `json:"text"`    // the visible text, instead of action_id
	Stale    bool   `json:"stale"`   // press it on the newest earlier version that has it
	Confirm  *bool  `json:"confirm"` // the answer to the confirm dialog
	Value    any    `json:"value"`   // the choice in a select, picker, checkboxes
	Values   obj    `json:"values"`  // what else is typed into the view so far
	Team     string `json:"team"`    // another team id than the workspace's
}

// fits says whether an element is the one that was meant.
func (k click) fits(block, e obj) bool {
	switch {
	case k.BlockID != "" && k.BlockID != str(block["block_id"]):
		return false
	case k.ActionID != "":
		return str(e["action_id"]) == k.ActionID
	}
	return k.Label != "" && textOf(e["text"]) == k.Label
}

func (k click) in(blocks []any) (block, e obj) {
	for _, b := range blocks {
		bo, _ := b.(obj)
		for _, el := range elementsOf(bo) {
			if k.fits(bo, el) {
				return bo, el
			}
		}
	}
	return nil, nil
}

// inMessage looks into blocks and into the blocks of attachments.
func (k click) inMessage(m *Message) (block, e obj) {
	if block, e = k.in(m.Blocks); e != nil {
		return block, e
	}
	for _, a := range m.Attachments {
		ao, _ := a.(obj)
		if block, e = k.in(list(ao["blocks"])); e != nil {
			return block, e
		}
	}
	return nil, nil
}

func doClick(s *Server, r *http.Request, c command) (any, error) {
	var k click
	if err := c.into(&k); err != nil {
		return nil, err
	}
	s.mu.Lock()
	d, dismissed, err := s.clicked(c, k)
	s.mu.Unlock()
	switch {
	case err != nil:
		return nil, err
	case dismissed:
		return Outcome{OK: true, Dismissed: true}, nil
	case d == nil: // a value was kept; inputs do not tell the app
		return Outcome{OK: true}, nil
	}
	return s.acted(r, d, d.User, true), nil
}

// clicked finds the element and makes the payload; the caller holds Server.mu.
func (s *Server) clicked(c command, k click) (*Delivery, bool, error) {
	if k.ViewID != "" {
		c.Channel = ""
	}
	u, ch, err := s.actor(c)
	if err != nil {
		return nil, false, err
	}
	var place func(obj)
	var block, e, values obj
	if k.ViewID != "" {
		v := s.st.views.find(k.ViewID)
		if v == nil || v.user != u.ID {
			return nil, false, cannot("view_not_found", "%s has no view %s", u.Name, k.ViewID)
		}
		if err := v.fill(k.Values); err != nil {
			return nil, false, cannot("bad_value", "%v", err)
		}
		block, e = k.in(list(v.body["blocks"]))
		values, place = v.values, func(p obj) { s.onView(p, v) }
	} else {
		m, err := s.clickedMessage(u, ch, c.TS, k)
		if err != nil {
			return nil, false, err
		}
		block, e = k.inMessage(m)
		values, place = s.messageState(m), func(p obj) { s.onMessage(p, u, m) }
	}
	if e == nil {
		return nil, false, cannot("action_not_found", "nothing to click: action_id %q text %q", k.ActionID, k.Label)
	}
	if conf, ok := e["confirm"].(obj); ok {
		if k.Confirm == nil {
			return nil, false, &ctlError{"confirm_required", "the element asks first: pass confirm", obj{"confirm": conf}}
		}
		if !*k.Confirm {
			return nil, true, nil
		}
	}
	return s.actionDelivery(u, block, e, values, k, place)
}

func (s *Server) clickedMessage(u *User, ch *Channel, ts string, k click) (*Message, error) {
	if ch == nil {
		return nil, cannot("missing", "channel is missing")
	}
	m := s.st.rooms.find(ch.ID, ts)
	if m == nil || !m.visibleTo(u.ID, ch) {
		return nil, cannot("message_not_found", "%s sees no message %s in %s", u.Name, ts, ch.ID)
	}
	if !k.Stale {
		return m, nil
	}
	for _, old := range s.st.rooms.versions(m)[1:] {
		if _, e := k.inMessage(&old); e != nil {
			return &old, nil
		}
	}
	return nil, cannot("action_not_found", "no earlier version has action_id %q text %q", k.ActionID, k.Label)
}

func (s *Server) messageState(m *Message) obj {
	key := m.Channel + "/" + m.TS
	if s.st.rooms.state[key] == nil {
		s.st.rooms.state[key] = obj{}
	}
	return s.st.rooms.state[key]
}

// actionDelivery keeps the choice and makes the block_actions payload.
func (s *Server) actionDelivery(u *User, block, e, values obj, k click, place func(obj)) (*Delivery, bool, error) {
	chosen := obj{}
	kind := str(e["type"])
	if stateful[kind] {
		sv, err := stateValue(e, k.Value)
		if err != nil {
			return nil, false, cannot("no_such_option", "%v", err)
		}
		acts, _ := values[str(block["block_id"])].(obj)
		if acts == nil {
			acts = obj{}
			values[str(block["block_id"])] = acts
		}
		acts[str(e["action_id"])] = sv
		chosen = sv
		if dispatch, _ := block["dispatch_action"].(bool); str(block["type"]) == "input" && !dispatch {
			return nil, false, nil
		}
	}
	if kind == "overflow" {
		o, err := option(e, k.Value)
		if err != nil {
			return nil, false, cannot("no_such_option", "%v", err)
		}
		chosen = obj{"selected_option": o}
	}
	p := s.interactivePayload("block_actions", u)
	place(p)
	if p["message"] != nil {
		p["state"] = obj{"values": values}
	}
	if k.Team != "" {
		p["team"] = obj{"id": k.Team, "domain": "elsewhere"}
	}
	p["actions"] = []any{actionOf(block, e, chosen, s.st.ids.ts(s.clock.now()))}
	return &Delivery{Type: "interactive", Kind: "block_actions", User: u.ID, Payload: p}, false, nil
}

// doSuggest asks the app for the options of an external select.
func doSuggest(s *Server, r *http.Request, c command) (any, error) {
	var k click
	if err := c.into(&k); err != nil {
		return nil, err
	}
	s.mu.Lock()
	u, ch, err := s.actor(c)
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	query, _ := k.Value.(string)
	p := s.interactivePayload("block_suggestion", u)
	delete(p, "trigger_id")
	if v := s.st.views.find(k.ViewID); v != nil {
		block, _ := k.in(list(v.body["blocks"]))
		s.onView(p, v)
		k.BlockID = str(block["block_id"])
	} else if m, merr := s.clickedMessage(u, ch, c.TS, k); merr == nil {
		block, _ := k.inMessage(m)
		s.onMessage(p, u, m)
		delete(p, "response_url")
		k.BlockID = str(block["block_id"])
	} else {
		s.mu.Unlock()
		return nil, merr
	}
	p["action_id"], p["block_id"], p["value"] = k.ActionID, k.BlockID, query
	d := &Delivery{Type: "interactive", Kind: "block_suggestion", User: u.ID, Payload: p, wantsPayload: true}
	s.mu.Unlock()
	out := s.acted(r, d, u.ID, false)
	answer, _ := out.Payload.(obj)
	out.Options = list(answer["options"])
	for _, g := range list(answer["option_groups"]) {
		go_, _ := g.(obj)
		out.Options = append(out.Options, list(go_["options"])...)
	}
	if len(out.Options) > 100 {
		out.Options, out.OK, out.UserVisible = nil, false, "The app sent more than 100 options."
	}
	return out, nil
}
