package sandbox

import (
	"net/http"
)

// submission is a form that a person sends.
type submission struct {
	ViewID string `json:"view_id"`
	Values obj    `json:"values"`
	Clear  bool   `json:"clear"` // close_view: close the whole stack
}

// ownView finds a person's open modal; without an id the one on top.
func (s *Server) ownView(c command, id string) (*User, *view, error) {
	u, _, err := s.actor(command{User: c.User})
	if err != nil {
		return nil, nil, err
	}
	stack := s.st.views.stacks[u.ID]
	if id == "" && len(stack) > 0 {
		return u, stack[len(stack)-1], nil
	}
	for _, v := range stack {
		if v.id == id {
			return u, v, nil
		}
	}
	return nil, nil, cannot("view_not_found", "%s has no open view %s", u.Name, id)
}

func doSubmitView(s *Server, r *http.Request, c command) (any, error) {
	var in submission
	if err := c.into(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	u, v, err := s.ownView(c, in.ViewID)
	if err == nil {
		if ferr := v.fill(in.Values); ferr != nil {
			err = cannot("bad_value", "%v", ferr)
		}
	}
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	if bad := v.problems(); len(bad) > 0 {
		s.mu.Unlock()
		return Outcome{Action: "errors", Errors: bad, Invalid: true}, nil
	}
	p := s.interactivePayload("view_submission", u)
	s.onView(p, v)
	delete(p, "container")
	p["response_urls"] = []any{}
	d := &Delivery{Type: "interactive", Kind: "view_submission", User: u.ID, Payload: p, wantsPayload: true}
	s.mu.Unlock()

	out := s.acted(r, d, u.ID, false)
	if out.Problem != "" {
		out.UserVisible = "We had some trouble connecting. Try again?"
		return out, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.afterSubmit(v, &out)
	s.feed.tell(change{Kind: "view", User: u.ID})
	return out, nil
}

// afterSubmit does what the app's answer to a form says.
func (s *Server) afterSubmit(v *view, out *Outcome) {
	answer, _ := out.Payload.(obj)
	out.Action = str(answer["response_action"])
	trouble := func(why string) {
		out.OK, out.UserVisible = false, "We had some trouble connecting. Try again?"
		s.st.ledger.lints = append(s.st.ledger.lints, Lint{Where: "view_submission", Problem: why})
	}
	switch out.Action {
	case "":
		out.Action = "close"
		s.st.views.close(v)
	case "clear":
		delete(s.st.views.stacks, v.user)
	case "errors":
		out.OK, out.Errors = false, map[string]string{}
		errs, _ := answer["errors"].(obj)
		for bid, text := range errs {
			if _, ok := v.values[bid]; !ok {
				trouble("errors name the block " + bid + ", which is no input of the view")
				return
			}
			out.Errors[bid] = str(text)
		}
		if len(out.Errors) == 0 {
			trouble("response_action errors without errors")
		}
	case "update", "push":
		body, _ := answer["view"].(obj)
		body, err := s.checkedView(body, SurfaceModal)
		if err != nil {
			trouble("view in the answer refused: " + err.Error())
			return
		}
		if out.Action == "update" {
			s.replaceView(v, body)
			return
		}
		stack := s.st.views.stacks[v.user]
		if len(stack) >= 3 {
			trouble("push onto a full stack")
			return
		}
		next := s.newView(v.user, body)
		next.root, next.previous = v.root, v.id
		s.st.views.stacks[v.user] = append(stack, next)
	default:
		trouble("unknown response_action " + out.Action)
	}
}

func doCloseView(s *Server, r *http.Request, c command) (any, error) {
	var in submission
	if err := c.into(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	u, v, err := s.ownView(c, in.ViewID)
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	var d *Delivery
	if notify, _ := v.body["notify_on_close"].(bool); notify {
		p := s.interactivePayload("view_closed", u)
		s.onView(p, v)
		delete(p, "container")
		delete(p, "trigger_id")
		p["is_cleared"] = in.Clear
		d = &Delivery{Type: "interactive", Kind: "view_closed", User: u.ID, Payload: p}
	}
	if in.Clear {
		delete(s.st.views.stacks, u.ID)
	} else {
		s.st.views.close(v)
	}
	s.mu.Unlock()
	s.feed.tell(change{Kind: "view", User: u.ID})
	if d == nil {
		return Outcome{OK: true}, nil
	}
	return s.acted(r, d, u.ID, false), nil
}
