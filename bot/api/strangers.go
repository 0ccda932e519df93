package api

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Bounds of what is remembered of callers without a live token.
const (
	manyStrangers = 4096 // addresses; all further ones share one limiter
	manyKnown     = 1024 // tokens that were live
)

// strangers hold back callers that show no live token, by their address. A token that was live is
// known: its holder is not held back by others behind the same address, a proxy for example. It is
// looked up at every call all the same.
type strangers struct {
	mu    sync.Mutex
	every rate.Limit
	burst int
	by    map[netip.Prefix]*rate.Limiter
	rest  *rate.Limiter
	swept time.Time
	known map[string]bool // hashes
}

func newStrangers(perSecond int) *strangers {
	s := &strangers{every: rate.Limit(perSecond), burst: 5 * perSecond, by: map[netip.Prefix]*rate.Limiter{}, known: map[string]bool{}}
	s.rest = rate.NewLimiter(s.every, s.burst)
	return s
}

// place is who is counted as one: an IPv4 address, or the network that one IPv6 subscriber has.
func place(r *http.Request) netip.Prefix {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	bits := 32
	if a = a.Unmap().WithZone(""); a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // of a good address and a length that fits
	return p
}

// of returns the limiter of a place. When there are too many, those that have rested are forgotten:
// a full limiter is as good as a new one.
func (s *strangers) of(p netip.Prefix) *rate.Limiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.by[p]; l != nil {
		return l
	}
	if now := time.Now(); len(s.by) >= manyStrangers && now.Sub(s.swept) > time.Second { // a crowd must not buy a sweep with each call
		s.swept = now
		for q, l := range s.by {
			if l.TokensAt(now) >= float64(s.burst) {
				delete(s.by, q)
			}
		}
	}
	if len(s.by) >= manyStrangers {
		return s.rest
	}
	l := rate.NewLimiter(s.every, s.burst)
	s.by[p] = l
	return l
}

// barred refuses a call whose token is not known from a place that is out of calls; nothing is looked up.
func (s *strangers) barred(r *http.Request, hash string) bool {
	s.mu.Lock()
	known := s.known[hash]
	s.mu.Unlock()
	return !known && s.of(place(r)).Tokens() < 1
}

// seen counts what became of a call.
func (s *strangers) seen(r *http.Request, hash string, live bool) {
	s.mu.Lock()
	if !live {
		delete(s.known, hash)
	} else if len(s.known) < manyKnown {
		s.known[hash] = true
	}
	s.mu.Unlock()
	if !live {
		s.of(place(r)).Allow()
	}
}

// tooFast is what a stranger who calls too often is told.
func tooFast() *Problem {
	return refuse(http.StatusTooManyRequests, "too_fast", "Too many calls without a live token came from this address.", "Wait a second and try again.")
}

// unasked reports whether a call shows no token and is not a probe: those must never be held back, or
// a stranger could have the process taken out of service.
func unasked(r *http.Request) bool {
	return r.Header.Get("Authorization") == "" && !strings.HasPrefix(r.URL.Path, "/api/v1/health/")
}

// methods are those that routes have.
var methods = []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete}

// nowhere answers calls that no route takes: a path that takes other methods says which.
func nowhere(mux *http.ServeMux) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var allow []string
		for _, m := range methods {
			other := r.Clone(r.Context())
			other.Method = m
			if _, pattern := mux.Handler(other); pattern != "/" {
				allow = append(allow, m)
			}
		}
		if len(allow) == 0 {
			refuse(http.StatusNotFound, "no_route", "There is nothing at "+r.URL.Path+".", "GET /api/v1/openapi.json lists what there is.").write(w)
			return
		}
		w.Header().Set("Allow", strings.Join(allow, ", "))
		refuse(http.StatusMethodNotAllowed, "method", r.URL.Path+" does not take "+r.Method+".", "It takes "+strings.Join(allow, ", ")+".").write(w)
	}
}
