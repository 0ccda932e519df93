package sandbox

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"
)

// trigger is a trigger_id: three seconds, one use, bound to a person.
type trigger struct {
	user string
	made time.Time
	used bool
}

func (s *Server) newTrigger(user string) string {
	id := s.st.ids.next("", 10) + "." + s.st.ids.next("", 12)
	s.st.triggers[id] = &trigger{user: user, made: s.clock.now()}
	return id
}

func (s *Server) spendTrigger(id string) (*trigger, error) {
	t := s.st.triggers[id]
	switch {
	case t == nil:
		return nil, refuse("invalid_trigger_id")
	case t.used:
		return nil, refuse("exchanged_trigger_id")
	case s.clock.now().Sub(t.made) > 3*time.Second:
		return nil, refuse("expired_trigger_id")
	}
	t.used = true
	return t, nil
}

// hook is a response_url: five uses within thirty minutes.
type hook struct {
	user, channel string
	source        string // ts of the message clicked, "" for a slash command
	thread        string
	made          time.Time
	uses          int
}

func (s *Server) newHook(kind, base string, h hook) string {
	h.made = s.clock.now()
	id := s.st.ids.next("", 24)
	s.st.hooks[id] = &h
	return base + "/" + kind + "/" + s.st.ws.TeamID + "/" + id
}

// serveHook answers a POST to a response_url. The words used_url and
// expired_url are known from practice, not from a page.
func (s *Server) serveHook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	in := obj{}
	if err != nil || json.Unmarshal(body, &in) != nil {
		writeJSON(w, http.StatusBadRequest, obj{"ok": false, "error": "invalid_payload"})
		return
	}
	c := &call{method: "response_url", args: in, kind: "none", host: r.Host}
	rec := s.record(c)
	if f := s.takeFault("response_url"); f != nil && f.answer(w) {
		return
	}
	s.mu.Lock()
	status, code := s.useHook(r.PathValue("id"), c)
	rec.HTTP, rec.Error, rec.OK = status, code, code == ""
	s.mu.Unlock()
	if code != "" {
		writeJSON(w, status, obj{"ok": false, "error": code})
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, "ok")
}

func (s *Server) useHook(id string, c *call) (int, string) {
	h := s.st.hooks[id]
	switch {
	case h == nil, s.clock.now().Sub(h.made) > 30*time.Minute:
		return http.StatusNotFound, "expired_url"
	case h.uses >= 5:
		return http.StatusNotFound, "used_url"
	}
	h.uses++
	source := s.st.rooms.find(h.channel, h.source)
	if c.flag("delete_original") {
		if source == nil {
			return http.StatusNotFound, "message_not_found"
		}
		s.remove(source)
		return http.StatusOK, ""
	}
	m, err := s.content(c, maxPostText)
	if err != nil {
		var r *refusal
		if errors.As(err, &r) {
			return http.StatusBadRequest, r.code
		}
		return http.StatusInternalServerError, "internal_error"
	}
	if c.flag("replace_original") && source != nil {
		s.edit(source, m, c)
		return http.StatusOK, ""
	}
	s.respond(h, m, c)
	return http.StatusOK, ""
}

// respond posts an answer that came over a response_url or inside an ack. The
// bot need not be a member: the person brought it here.
func (s *Server) respond(h *hook, m *Message, c *call) {
	if c.str("response_type") != "in_channel" {
		m.For = h.user
	}
	s.place(m, s.st.channels[h.channel], c)
}
