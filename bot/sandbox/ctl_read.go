package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// readings are the GET side of the control API.
var readings = map[string]func(*Server, url.Values) (any, error){
	"state":               readState,
	"messages":            readMessages,
	"messages/{ts}/edits": readEdits,
	"calls":               readCalls,
	"deliveries":          readDeliveries,
	"files":               readFiles,
	"home/{user}":         readHome,
	"views/{user}":        readViews,
	"lint":                readLint,
	"sockets":             readSockets,
}

// plain encodes under the lock, because readings share maps with the state.
func (s *Server) plain(v any) (any, error) {
	raw, err := json.Marshal(v)
	return json.RawMessage(raw), err
}

// readState is what the page needs first, for one person.
func readState(s *Server, q url.Values) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.st.user(q.Get("user"))
	if u == nil {
		for i := range s.st.ws.Users {
			if !s.st.ws.Users[i].Bot {
				u = &s.st.ws.Users[i]
				break
			}
		}
	}
	if u == nil {
		return nil, cannot("no_such_user", "the workspace has no people")
	}
	rooms := []*Channel{}
	for _, c := range s.st.ws.Channels {
		if live := s.st.channels[c.ID]; live.has(u.ID) {
			rooms = append(rooms, live)
		}
	}
	ws := s.st.ws
	return s.plain(obj{
		"team": obj{"id": ws.TeamID, "name": ws.TeamName}, "me": u, "users": ws.Users, "groups": ws.Groups,
		"channels": rooms, "dm": s.st.dm(u.ID).ID, "sockets": s.hub.size(), "now": s.clock.now().UnixMilli(),
		"app": obj{"id": ws.AppID, "user": ws.BotUserID, "command": ws.Command, "hint": ws.CommandHint, "shortcuts": ws.Shortcuts,
			"message_shortcuts": ws.MessageShortcuts},
	})
}

func (h *hub) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.sockets)
}

// readMessages lists messages, oldest first. user sees what that person sees,
// without it everything is listed; deleted ones are left out unless all=1.
func readMessages(s *Server, q url.Values) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := s.st.channel(q.Get("channel"))
	if ch == nil && q.Get("channel") != "" {
		return nil, cannot("no_such_channel", "no channel %q", q.Get("channel"))
	}
	user := ""
	if u := s.st.user(q.Get("user")); u != nil {
		user = u.ID
	}
	thread := q.Get("thread_ts")
	out := []*Message{}
	for _, m := range s.st.rooms.list {
		switch {
		case ch != nil && m.Channel != ch.ID,
			m.Deleted && q.Get("all") == "",
			!m.visibleTo(user, s.st.channels[m.Channel]),
			thread != "" && m.TS != thread && m.ThreadTS != thread:
			continue
		}
		out = append(out, m)
	}
	return s.plain(obj{"ok": true, "messages": out, "rev": s.feed.now()})
}

func readEdits(s *Server, q url.Values) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.st.rooms.list {
		if m.TS == q.Get("ts") {
			all := s.st.rooms.versions(m)
			slices.Reverse(all)
			return s.plain(obj{"ok": true, "versions": all})
		}
	}
	return nil, cannot("message_not_found", "no message %s", q.Get("ts"))
}

func readCalls(s *Server, q url.Values) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []*Call{}
	for _, c := range s.st.ledger.calls {
		if m := q.Get("method"); m == "" || m == c.Method {
			out = append(out, c)
		}
	}
	return s.plain(obj{"ok": true, "calls": out})
}

func readDeliveries(s *Server, q url.Values) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []*Delivery{}
	for _, d := range s.st.ledger.deliveries {
		if t := q.Get("type"); t == "" || t == d.Type || t == d.Kind {
			out = append(out, d)
		}
	}
	return s.plain(obj{"ok": true, "deliveries": out, "stray_acks": s.st.ledger.strayAcks})
}

func readFiles(s *Server, _ url.Values) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []*File{}
	for _, f := range s.st.files {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b *File) int { return strings.Compare(a.ID, b.ID) })
	return s.plain(obj{"ok": true, "files": out})
}

func readHome(s *Server, q url.Values) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.st.user(q.Get("user"))
	if u == nil {
		return nil, cannot("no_such_user", "no person %q", q.Get("user"))
	}
	v := s.st.views.homes[u.ID]
	if v == nil {
		return obj{"ok": true, "view": nil}, nil
	}
	return s.plain(obj{"ok": true, "view": s.st.viewWire(v)})
}

// readViews lists a person's open modals, the top one last.
func readViews(s *Server, q url.Values) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.st.user(q.Get("user"))
	if u == nil {
		return nil, cannot("no_such_user", "no person %q", q.Get("user"))
	}
	out := []any{}
	for _, v := range s.st.views.stacks[u.ID] {
		out = append(out, s.st.viewWire(v))
	}
	return s.plain(obj{"ok": true, "views": out})
}

func readLint(s *Server, _ url.Values) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.plain(obj{"ok": true, "lint": append([]Lint{}, s.st.ledger.lints...)})
}

func readSockets(s *Server, _ url.Values) (any, error) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	ids := []int{}
	for _, k := range s.hub.sockets {
		ids = append(ids, k.id)
	}
	return obj{"ok": true, "sockets": ids, "opened": s.hub.count, "enabled": !s.hub.off, "rules": s.hub.rules}, nil
}

// serveWait answers as soon as anything has happened after revision rev, or
// with the same revision when timeout_ms (at most 30 s) is over. A caller reads
// what it is interested in, and waits again when that is not there yet.
func (s *Server) serveWait(w http.ResponseWriter, r *http.Request) {
	rev, _ := strconv.ParseInt(r.URL.Query().Get("rev"), 10, 64)
	ms, err := strconv.Atoi(r.URL.Query().Get("timeout_ms"))
	if err != nil || ms <= 0 || ms > 30_000 {
		ms = 10_000
	}
	ctx, cancel := context.WithTimeout(r.Context(), time.Duration(ms)*time.Millisecond)
	defer cancel()
	writeJSON(w, http.StatusOK, obj{"ok": true, "rev": s.feed.after(ctx, rev)})
}

// serveStream is the page's live feed: server-sent events for one person.
func (s *Server) serveStream(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	user := ""
	if u := s.st.user(r.URL.Query().Get("user")); u != nil {
		user = u.ID
	}
	s.mu.Unlock()
	l := s.feed.listen(user)
	defer s.feed.leave(l)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	rc := http.NewResponseController(w)
	beat := time.NewTicker(15 * time.Second)
	defer beat.Stop()
	_, err := fmt.Fprint(w, ": hello\n\n")
	for err == nil {
		if err = rc.Flush(); err != nil {
			return
		}
		select {
		case c := <-l.out:
			raw, jerr := json.Marshal(c)
			if jerr != nil {
				continue
			}
			_, err = fmt.Fprintf(w, "data: %s\n\n", raw)
		case <-beat.C:
			_, err = fmt.Fprint(w, ": beat\n\n")
		case <-r.Context().Done():
			return
		}
	}
}
