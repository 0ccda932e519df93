package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// Scope is a kind of call a token may make.
type Scope string

// Scopes. Every one but Read is used in a person's name.
const (
	Read    Scope = "read"    // look at everything
	Request Scope = "request" // ask for work, withdraw it
	Operate Scope = "operate" // pause, resume, cancel
	Review  Scope = "review"  // approve, deny
	Admin   Scope = "admin"   // read and reload the configuration
)

// Scopes lists every scope.
func Scopes() []Scope { return []Scope{Read, Request, Operate, Review, Admin} }

// Token is a caller. Its fields are those of storage.Token.
type Token struct {
	ID      string
	Name    string
	Scopes  []string
	Team    string
	User    string // chat user id it stands for; empty: it only reads
	Created time.Time
	By      string
	Expires time.Time
	Revoked time.Time
	Used    time.Time
}

// may reports whether a token has a scope. One that stands for nobody only reads.
func (t Token) may(s Scope) bool {
	return slices.Contains(t.Scopes, string(s)) && (s == Read || t.User != "")
}

// Tokens looks callers up.
type Tokens interface {
	// Live returns the token with this hash, or engine.ErrNotFound when there is none, it was
	// revoked or its time is over.
	Live(ctx context.Context, hash string) (Token, error)
}

// hashToken is how tokens are stored: SHA-256 in hex. They are 256 random bits.
func hashToken(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// caller carries the token of a call.
type callerKey struct{}

func callerOf(ctx context.Context) Token {
	t, _ := ctx.Value(callerKey{}).(Token)
	return t
}

// maxSecret bounds what is hashed and looked up.
const maxSecret = 200

// authenticate finds the caller of a request.
func (s *Server) authenticate(r *http.Request) (Token, error) {
	scheme, secret, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	secret = strings.TrimSpace(secret)
	if !ok || !strings.EqualFold(scheme, "Bearer") || secret == "" || len(secret) > maxSecret {
		return Token{}, refuse(http.StatusUnauthorized, "token_missing", "This call needs a token.",
			"Send the header Authorization: Bearer TOKEN; an administrator makes one with: recycler token create")
	}
	hash := hashToken(secret)
	if s.strangers.barred(r, hash) {
		return Token{}, tooFast()
	}
	t, err := s.o.Tokens.Live(r.Context(), hash)
	if err == nil || errors.Is(err, engine.ErrNotFound) {
		s.strangers.seen(r, hash, err == nil)
	}
	if errors.Is(err, engine.ErrNotFound) {
		return Token{}, refuse(http.StatusUnauthorized, "token_unknown", "This token is not known, was revoked or has expired.",
			"An administrator makes a new one with: recycler token create")
	}
	return t, err
}

// admit checks token, scope and rate of a call.
func (s *Server) admit(r *http.Request, need Scope) (Token, error) {
	t, err := s.authenticate(r)
	if err != nil {
		return t, err
	}
	if !s.rates.of(t.ID).Allow() {
		return t, refuse(http.StatusTooManyRequests, "too_fast", "This token calls too often.", "Wait a second and try again.")
	}
	switch {
	case t.may(need):
		return t, nil
	case slices.Contains(t.Scopes, string(need)):
		return t, refuse(http.StatusForbidden, "no_person", "The token "+t.Name+" stands for no person, and only a person can do this.",
			"An administrator makes a token for one with: recycler token create --user")
	}
	return t, refuse(http.StatusForbidden, "scope_missing", "The token "+t.Name+" lacks the scope "+string(need)+".",
		"An administrator makes a token with it: recycler token create --scope "+string(need))
}

// guard lets only callers with a scope through.
func (s *Server) guard(need Scope, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		t, err := s.admit(r, need)
		if err != nil {
			p := s.problem(err)
			challenge(w.Header(), p)
			p.write(w)
			return
		}
		next(w, r.WithContext(calledBy(r.Context(), t)))
	}
}

// challenge adds the headers that some refusals have.
func challenge(h http.Header, p *Problem) {
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="recycler"`)
	case http.StatusTooManyRequests:
		h.Set("Retry-After", "1")
	}
}

// person is who the caller of a changing call is: the chat's directory must know them now, as a
// full member. Names come from there too; what a token calls itself is never shown as a person.
func (s *Server) person(ctx context.Context) (approvals.Actor, error) {
	t := callerOf(ctx)
	if t.User == "" {
		return approvals.Actor{}, refuse(http.StatusForbidden, "no_person", "The token "+t.Name+" stands for no person, and only a person can do this.", "")
	}
	p, err := s.o.Directory.Person(ctx, t.Team, t.User)
	if err != nil {
		return approvals.Actor{}, &engine.Problem{Code: "unknown_person", Err: err,
			Text: "I could not look up the person this token stands for, so the call does not count.", Next: "Try again in a minute."}
	}
	if p.Bot || p.Deleted || p.Guest || p.Foreign {
		return approvals.Actor{}, &engine.Problem{Code: "not_member", Text: "This token does not stand for a full member of the workspace."}
	}
	return approvals.Actor{Team: t.Team, ID: t.User, Name: p.Name}, nil
}

// rates are the limiters of the callers.
type rates struct {
	mu    sync.Mutex
	every rate.Limit
	burst int
	by    map[string]*rate.Limiter
}

// of returns the limiter of a token. There are as many as live tokens were seen, which people make
// by hand.
func (r *rates) of(id string) *rate.Limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.by[id]
	if l == nil {
		l = rate.NewLimiter(r.every, r.burst)
		r.by[id] = l
	}
	return l
}

// calledBy is the context of a call by the holder of a token; what it does is recorded with its name.
func calledBy(ctx context.Context, t Token) context.Context {
	return approvals.Through(context.WithValue(ctx, callerKey{}, t), approvals.Door{Name: "api", Token: t.Name})
}
