package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// method is one Web API method: which token it takes, which scope it needs, how
// often it may be called, and what it does. run holds Server.mu.
type method struct {
	app   bool // takes the app-level token
	scope string
	tier  tier
	run   func(*Server, *call) (obj, error)
}

// call is one request with its arguments, wherever they were carried.
type call struct {
	method string
	args   obj
	kind   string // bot, app, none, unknown
	host   string
}

// refusal is an answer with ok:false.
type refusal struct {
	code  string
	extra obj
}

func (r *refusal) Error() string { return r.code }

func refuse(code string) error { return &refusal{code: code} }

func (c *call) str(key string) string {
	switch v := c.args[key].(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

func (c *call) flag(key string) bool { v := c.str(key); return v == "true" || v == "1" }

// json reads an argument that is JSON, or JSON inside a form string (all of the
// official Node client sends blocks, views and metadata that way).
func (c *call) json(key string) (any, error) {
	s, isText := c.args[key].(string)
	if !isText {
		return c.args[key], nil
	}
	if s == "" {
		return nil, nil
	}
	var out any
	if err := json.Unmarshal([]byte(s), &out); err != nil {
		return nil, refuse("invalid_json")
	}
	return out, nil
}

func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("method")
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	c, err := s.readCall(name, r)
	rec := s.record(c)
	if err != nil {
		s.answer(w, rec, nil, err)
		return
	}
	f := s.takeFault(name)
	if f != nil {
		s.mu.Lock()
		rec.Fault = f.name()
		s.mu.Unlock()
		if f.DelayMS > 0 && !s.clock.sleep(r.Context(), time.Duration(f.DelayMS)*time.Millisecond, nil) {
			return
		}
		if f.answer(w) {
			s.mu.Lock()
			rec.HTTP, rec.Error = f.HTTP, f.Error
			s.mu.Unlock()
			return
		}
	}
	out, err := s.perform(c)
	if f != nil && f.DropResponse {
		s.mu.Lock()
		rec.OK = err == nil
		s.mu.Unlock()
		dropConn(w)
		return
	}
	s.answer(w, rec, out, err)
}

// perform judges and runs a call.
func (s *Server) perform(c *call) (obj, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := methods[c.method]
	if !ok {
		return nil, refuse("unknown_method")
	}
	switch {
	case c.kind == "none":
		return nil, refuse("not_authed")
	case c.kind == "unknown":
		return nil, refuse("invalid_auth")
	case m.app != (c.kind == "app") && c.method != "auth.test" && c.method != "api.test":
		return nil, refuse("not_allowed_token_type")
	}
	if m.scope != "" && c.kind == "bot" && !slices.Contains(s.st.scopes, m.scope) {
		return nil, &refusal{"missing_scope", obj{"needed": m.scope, "provided": strings.Join(s.st.scopes, ",")}}
	}
	key := c.method
	if m.tier == tierPost {
		key += " " + c.str("channel")
	}
	if wait := s.st.rates.take(key, m.tier, s.clock.now()); wait > 0 {
		return nil, &limited{after: wait}
	}
	return m.run(s, c)
}

func (s *Server) readCall(name string, r *http.Request) (*call, error) {
	c := &call{method: name, args: obj{}, kind: "none", host: r.Host}
	for k, v := range r.URL.Query() {
		c.args[k] = v[0]
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
	if err != nil {
		return c, refuse("invalid_post_type")
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case len(body) == 0:
	case kind == "application/json":
		var in obj
		if json.Unmarshal(body, &in) != nil {
			return c, refuse("invalid_json")
		}
		maps.Copy(c.args, in)
	case kind == "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return c, refuse("invalid_form_data")
		}
		for k, v := range form {
			c.args[k] = v[0]
		}
	default:
		return c, refuse("invalid_post_type")
	}
	token := c.str("token")
	if h := r.Header.Get("Authorization"); strings.HasPrefix(h, "Bearer ") {
		token = strings.TrimPrefix(h, "Bearer ")
	}
	delete(c.args, "token") // the record must not hold it
	switch token {
	case "":
	case s.cfg.Workspace.BotToken:
		c.kind = "bot"
	case s.cfg.Workspace.AppToken:
		c.kind = "app"
	default:
		c.kind = "unknown"
	}
	return c, nil
}

func (s *Server) record(c *call) *Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := &Call{N: len(s.st.ledger.calls) + 1, At: s.clock.now(), Method: c.method, Token: c.kind,
		Args: maps.Clone(c.args), HTTP: http.StatusOK}
	s.st.ledger.calls = append(s.st.ledger.calls, rec)
	return rec
}

// answer writes what Slack would: HTTP 200 with ok, or 429 with Retry-After.
func (s *Server) answer(w http.ResponseWriter, rec *Call, out obj, err error) {
	s.mu.Lock()
	scopes := strings.Join(s.st.scopes, ",")
	status := http.StatusOK
	if out == nil {
		out = obj{}
	}
	out["ok"] = err == nil
	var slow *limited
	var no *refusal
	switch {
	case err == nil:
		rec.OK = true
	case errors.As(err, &slow):
		status = http.StatusTooManyRequests
		secs := int(slow.after/time.Second) + 1
		w.Header().Set("Retry-After", strconv.Itoa(secs))
		out["error"] = "ratelimited"
	case errors.As(err, &no):
		out["error"] = no.code
		maps.Copy(out, no.extra)
	default:
		out["error"] = "internal_error"
	}
	rec.HTTP, rec.Error = status, str(out["error"])
	raw, jerr := json.Marshal(out)
	s.mu.Unlock()
	if jerr != nil {
		http.Error(w, fmt.Sprintf("encode answer: %v", jerr), http.StatusInternalServerError)
		return
	}
	s.feed.tell(change{Kind: "call", User: "-"})
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-OAuth-Scopes", scopes)
	w.Header().Set("X-Accepted-OAuth-Scopes", methods[rec.Method].scope)
	w.WriteHeader(status)
	_, _ = w.Write(raw) // a client that went away has its own error
}
