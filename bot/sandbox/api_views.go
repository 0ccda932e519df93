package sandbox

import (
	"slices"
	"strconv"
)

// view is one modal, or one person's App Home.
type view struct {
	id, root, hash, user, previous string
	body                           obj // what the app sent, blocks numbered
	values                         obj // state.values
}

// viewStore holds each person's stack of modals and Home.
type viewStore struct {
	stacks map[string][]*view
	homes  map[string]*view
}

func newViews() *viewStore {
	return &viewStore{stacks: map[string][]*view{}, homes: map[string]*view{}}
}

// find looks a view up by id among the open modals and the homes.
func (vs *viewStore) find(id string) *view {
	for _, stack := range vs.stacks {
		for _, v := range stack {
			if v.id == id {
				return v
			}
		}
	}
	for _, v := range vs.homes {
		if v.id == id {
			return v
		}
	}
	return nil
}

func (vs *viewStore) external(id string) *view {
	for _, stack := range vs.stacks {
		for _, v := range stack {
			if id != "" && str(v.body["external_id"]) == id {
				return v
			}
		}
	}
	return nil
}

// close removes v and everything above it.
func (vs *viewStore) close(v *view) {
	stack := vs.stacks[v.user]
	if i := slices.Index(stack, v); i >= 0 {
		vs.stacks[v.user] = slices.Clip(stack[:i])
	}
}

func (st *state) viewWire(v *view) obj {
	o := obj{"id": v.id, "team_id": st.ws.TeamID, "app_id": st.ws.AppID, "app_installed_team_id": st.ws.TeamID,
		"bot_id": st.botID(), "hash": v.hash, "root_view_id": v.root, "previous_view_id": nil,
		"private_metadata": "", "callback_id": "", "external_id": "", "clear_on_close": false,
		"notify_on_close": false, "submit": nil, "close": nil, "state": obj{"values": v.values}}
	if v.previous != "" {
		o["previous_view_id"] = v.previous
	}
	for k, val := range v.body {
		o[k] = val
	}
	return o
}

// readView takes and judges the view argument.
func (s *Server) readView(c *call, kind Surface) (obj, error) {
	in, err := c.json("view")
	body, ok := in.(obj)
	if err != nil || !ok {
		return nil, refuse("invalid_arguments")
	}
	return s.checkedView(body, kind)
}

func (s *Server) checkedView(body obj, kind Surface) (obj, error) {
	if str(body["type"]) != string(kind) {
		return nil, &refusal{"invalid_arguments", obj{"response_metadata": obj{"messages": []string{
			"[ERROR] must be a " + string(kind) + " view [json-pointer:/view/type]"}}}}
	}
	if found := CheckView(body); len(found) > 0 {
		return nil, &refusal{"invalid_arguments", obj{"response_metadata": obj{"messages": messages(found)}}}
	}
	s.lintView(body)
	body["blocks"] = s.st.number(list(body["blocks"]))
	return body, nil
}

func (s *Server) newHash() string {
	return strconv.FormatInt(s.clock.now().Unix(), 10) + "." + s.st.ids.next("", 8)
}

func (s *Server) newView(user string, body obj) *view {
	v := &view{id: s.st.ids.next("V0", 9), hash: s.newHash(), user: user, body: body}
	v.root = v.id
	v.values = initialValues(body)
	return v
}

func viewsOpen(s *Server, c *call) (obj, error) {
	return s.openView(c, false)
}

func viewsPush(s *Server, c *call) (obj, error) {
	return s.openView(c, true)
}

func (s *Server) openView(c *call, push bool) (obj, error) {
	body, err := s.readView(c, SurfaceModal)
	if err != nil {
		return nil, err
	}
	t, err := s.spendTrigger(c.str("trigger_id"))
	if err != nil {
		return nil, err
	}
	stack := s.st.views.stacks[t.user]
	if push && len(stack) >= 3 {
		return nil, refuse("push_limit_reached")
	}
	if s.st.views.external(str(body["external_id"])) != nil {
		return nil, refuse("duplicate_external_id")
	}
	v := s.newView(t.user, body)
	if push && len(stack) > 0 {
		top := stack[len(stack)-1]
		v.root, v.previous = top.root, top.id
		s.st.views.stacks[t.user] = append(stack, v)
	} else {
		s.st.views.stacks[t.user] = []*view{v}
	}
	s.feed.tell(change{Kind: "view", User: t.user})
	return obj{"view": s.st.viewWire(v)}, nil
}

func viewsUpdate(s *Server, c *call) (obj, error) {
	v := s.st.views.find(c.str("view_id"))
	if c.str("view_id") == "" {
		v = s.st.views.external(c.str("external_id"))
	}
	if v == nil || str(v.body["type"]) == "home" {
		return nil, refuse("not_found")
	}
	body, err := s.readView(c, SurfaceModal)
	if err != nil {
		return nil, err
	}
	if h := c.str("hash"); h != "" && h != v.hash {
		return nil, refuse("hash_conflict")
	}
	s.replaceView(v, body)
	return obj{"view": s.st.viewWire(v)}, nil
}

// replaceView gives v a new body. What people typed into blocks and actions that
// keep their ids stays, as in the live product.
func (s *Server) replaceView(v *view, body obj) {
	old := v.values
	v.body, v.hash, v.values = body, s.newHash(), initialValues(body)
	for bid, acts := range v.values {
		before, _ := old[bid].(obj)
		now, _ := acts.(obj)
		for aid := range now {
			if kept, ok := before[aid]; ok {
				now[aid] = kept
			}
		}
	}
	s.feed.tell(change{Kind: "view", User: v.user})
}

func viewsPublish(s *Server, c *call) (obj, error) {
	u := s.st.user(c.str("user_id"))
	if u == nil {
		return nil, refuse("user_not_found")
	}
	body, err := s.readView(c, SurfaceHome)
	if err != nil {
		return nil, err
	}
	old := s.st.views.homes[u.ID]
	if h := c.str("hash"); h != "" && (old == nil || h != old.hash) {
		return nil, refuse("hash_conflict")
	}
	v := s.newView(u.ID, body)
	if old != nil {
		v.id, v.root = old.id, old.id
	}
	s.st.views.homes[u.ID] = v
	s.feed.tell(change{Kind: "home", User: u.ID})
	return obj{"view": s.st.viewWire(v)}, nil
}

// blocksValidate judges blocks, a message or a view without sending them.
func blocksValidate(_ *Server, c *call) (obj, error) {
	found, code := []Violation(nil), "invalid_blocks"
	switch {
	case c.args["blocks"] != nil:
		in, err := c.json("blocks")
		if err != nil {
			return nil, err
		}
		found = CheckBlocks(list(in), SurfaceMessage)
	case c.args["message"] != nil:
		in, err := c.json("message")
		if err != nil {
			return nil, err
		}
		o, _ := in.(obj)
		found, code = CheckBlocks(list(o["blocks"]), SurfaceMessage), "invalid_message"
	case c.args["view"] != nil:
		in, err := c.json("view")
		if err != nil {
			return nil, err
		}
		o, _ := in.(obj)
		found, code = CheckView(o), "invalid_view"
	default:
		return nil, refuse("invalid_arguments")
	}
	if len(found) > 0 {
		return nil, &refusal{code, obj{"errors": found}}
	}
	return nil, nil
}
