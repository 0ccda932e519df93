package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// controlRoutes is the side of the people and of the rehearsal's director.
func (s *Server) controlRoutes(mux *http.ServeMux) {
	post := func(name string, f func(*Server, *http.Request, command) (any, error)) {
		mux.HandleFunc("POST /_ctl/"+name, s.sameOrigin(func(w http.ResponseWriter, r *http.Request) {
			s.serveCommand(w, r, f)
		}))
	}
	get := func(name string, f func(*Server, url.Values) (any, error)) {
		mux.HandleFunc("GET /_ctl/"+name, s.sameOrigin(func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			for _, k := range []string{"user", "ts"} {
				if v := r.PathValue(k); v != "" {
					q.Set(k, v)
				}
			}
			out, err := f(s, q)
			reply(w, out, err)
		}))
	}
	for name, f := range people {
		post(name, f)
	}
	for name, f := range director {
		post(name, f)
	}
	for name, f := range readings {
		get(name, f)
	}
	mux.HandleFunc("GET /_ctl/wait", s.sameOrigin(s.serveWait))
	mux.HandleFunc("GET /_ctl/stream", s.sameOrigin(s.serveStream))
}

// command is the JSON body of a control call.
type command struct {
	User    string `json:"user"`
	Channel string `json:"channel"`
	TS      string `json:"ts"`
	Text    string `json:"text"`
	raw     []byte
}

// into reads the members a command has beyond the common ones.
func (c command) into(v any) error {
	if err := json.Unmarshal(c.raw, v); err != nil {
		return fmt.Errorf("read command: %w", err)
	}
	return nil
}

// ctlError is a control call that cannot be done; code is for programs.
type ctlError struct {
	code, text string
	extra      obj
}

func (e *ctlError) Error() string { return e.text }

func cannot(code, format string, args ...any) error {
	return &ctlError{code: code, text: fmt.Sprintf(format, args...)}
}

func (s *Server) serveCommand(w http.ResponseWriter, r *http.Request, f func(*Server, *http.Request, command) (any, error)) {
	var c command
	raw, err := io.ReadAll(io.LimitReader(r.Body, 4<<20))
	if err == nil && len(raw) > 0 {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil {
		reply(w, nil, cannot("bad_json", "read command: %v", err))
		return
	}
	if len(raw) == 0 {
		raw = []byte("{}")
	}
	c.raw = raw
	out, err := f(s, r, c)
	reply(w, out, err)
}

func reply(w http.ResponseWriter, out any, err error) {
	if err == nil {
		if out == nil {
			out = obj{"ok": true}
		}
		writeJSON(w, http.StatusOK, out)
		return
	}
	body := obj{"ok": false, "error": "refused", "message": err.Error()}
	var ce *ctlError
	if errors.As(err, &ce) {
		body["error"] = ce.code
		for k, v := range ce.extra {
			body[k] = v
		}
	}
	writeJSON(w, http.StatusBadRequest, body)
}

// sameOrigin refuses calls that a foreign web page makes through the browser.
func (s *Server) sameOrigin(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if o := r.Header.Get("Origin"); o != "" {
			u, err := url.Parse(o)
			if err != nil || u.Host != r.Host {
				http.Error(w, "foreign origin", http.StatusForbidden)
				return
			}
		}
		h(w, r)
	}
}

// actor finds the person and the channel of a command; the caller holds Server.mu.
func (s *Server) actor(c command) (*User, *Channel, error) {
	u := s.st.user(c.User)
	if u == nil || u.Bot {
		return nil, nil, cannot("no_such_user", "no person %q", c.User)
	}
	if c.Channel == "" {
		return u, nil, nil
	}
	ch := s.st.channel(c.Channel)
	if ch == nil && c.Channel == s.st.ws.BotUserID {
		ch = s.st.dm(u.ID)
	}
	switch {
	case ch == nil:
		return nil, nil, cannot("no_such_channel", "no channel %q", c.Channel)
	case !ch.has(u.ID):
		return nil, nil, cannot("user_not_in_channel", "%s is not in %s", u.Name, c.Channel)
	}
	return u, ch, nil
}
