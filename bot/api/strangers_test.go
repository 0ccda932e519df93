package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"mysql-recycler/engine"
)

// from makes one call from an address.
func from(s *Server, addr, token, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.RemoteAddr = addr
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	rec := httptest.NewRecorder()
	s.Handler().ServeHTTP(rec, r)
	return rec
}

// Who has no live token is held back by address; who has one is not, also behind the same address.
func TestStrangersAreHeldBack(t *testing.T) {
	t.Parallel()
	s, _ := serve(t, newWorld(), Tuning{Strangers: 1})
	s.strangers.every = rate.Every(time.Hour) // however slow this machine is, nobody has rested
	const here, job = "192.0.2.1:1000", "/api/v1/jobs/J-0"
	require.Equal(t, 404, from(s, here, "reader", job).Code)
	codes := map[int]int{}
	for range 50 {
		codes[from(s, here, "guess", job).Code]++
	}
	require.Equal(t, map[int]int{401: 5, 429: 45}, codes)
	held := from(s, here, "", "/api/v1/openapi.json")
	require.Equal(t, 429, held.Code)
	require.Equal(t, "1", held.Header().Get("Retry-After"))
	require.Equal(t, 404, from(s, here, "reader", job).Code, "a token that was live is known")
	require.Equal(t, 200, from(s, here, "", "/api/v1/health/live").Code, "probes are never held back")
	require.Equal(t, 401, from(s, "192.0.2.2:1000", "guess", job).Code, "others are not held back")
}

// The memory of strangers is bounded, and an IPv6 subscriber is one.
func TestStrangersAreForgotten(t *testing.T) {
	t.Parallel()
	at := func(addr string) *http.Request { return &http.Request{RemoteAddr: addr} }
	require.Equal(t, place(at("[2001:db8::1]:1")), place(at("[2001:db8::ffff:2]:9")))
	require.Equal(t, place(at("192.0.2.1:1")), place(at("[::ffff:192.0.2.1]:9")))
	require.NotEqual(t, place(at("192.0.2.1:1")), place(at("192.0.2.2:1")))
	s := newStrangers(1)
	s.every = rate.Every(time.Hour)
	for i := range 2 * manyStrangers {
		s.of(place(at(fmt.Sprintf("10.0.%d.%d:1", i/256, i%256)))).Allow()
	}
	require.Len(t, s.by, manyStrangers)
	for _, l := range s.by {
		l.SetLimitAt(time.Now().Add(-time.Hour), 1e9) // they have rested
	}
	s.swept = time.Time{}
	s.of(place(at("203.0.113.1:1")))
	require.Less(t, len(s.by), manyStrangers)
	for i := range 2 * manyKnown {
		s.seen(at("192.0.2.1:1"), fmt.Sprint(i), true)
	}
	require.Len(t, s.known, manyKnown)
}

// A path that takes another method says which.
func TestWrongMethod(t *testing.T) {
	t.Parallel()
	_, url := serve(t, newWorld(), Tuning{})
	for path, allow := range map[string]string{"/api/v1/requests": "GET, POST", "/api/v1/schedules/S-1": "PATCH, DELETE", "/": "GET"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url+path, nil)
		require.NoError(t, err)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, 405, res.StatusCode, path)
		require.Equal(t, allow, res.Header.Get("Allow"), path)
	}
}

// Kinds narrow the log, live and page by page.
func TestEventsOfKinds(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.happen(engine.Event{Kind: engine.EventJobCreated, JobID: "J-1"}, engine.Event{Kind: engine.EventJobStarted, JobID: "J-1"},
		engine.Event{Kind: engine.EventJobStarted, JobID: "J-2"}, engine.Event{Kind: engine.EventJobCompleted, JobID: "J-2"})
	_, url := serve(t, w, Tuning{})
	code, text := get(t, url+"/api/v1/events?kind=job.completed,job.created", "reader")
	require.Equal(t, 200, code)
	require.Contains(t, text, `"seq":1`)
	require.Contains(t, text, `"seq":4`)
	require.NotContains(t, text, `"job.started"`)
	feed, err := client(t, url).Events(t.Context(), 0, "J-2")
	require.NoError(t, err)
	defer feed.Close()
	e, err := feed.Next(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 3, e.Seq)
}
