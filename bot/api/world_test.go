package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

func TestMain(m *testing.M) {
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// world is what a server reads, held by a test. What the API does with the real storage and the
// real rules is tested where the program is put together.
type world struct {
	mu     sync.Mutex
	events []engine.Event
	jobs   map[string]engine.Job
	tokens map[string]Token // by hash
	broken error
	reads  int // of the event log
	failed int // of them
	chat   ChatStats
}

func newWorld() *world {
	return &world{jobs: map[string]engine.Job{}, tokens: map[string]Token{hashToken("reader"): {ID: "K-1", Name: "reader", Scopes: []string{"read"}}},
		chat: ChatStats{Sockets: 2, Connected: 2}}
}

// happen appends events to the log.
func (w *world) happen(es ...engine.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range es {
		e.Seq, e.At = int64(len(w.events)+1), time.Now()
		w.events = append(w.events, e)
	}
}

func (w *world) do(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *world) EventsAfter(_ context.Context, seq int64, limit int) ([]engine.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	if w.broken != nil {
		w.failed++
	}
	from := min(int(seq), len(w.events))
	return append([]engine.Event(nil), w.events[from:min(len(w.events), from+limit)]...), w.broken
}

func (w *world) LastEvent(context.Context) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int64(len(w.events)), w.broken
}

func (w *world) Live(_ context.Context, hash string) (Token, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t, ok := w.tokens[hash]
	if !ok {
		return t, engine.ErrNotFound
	}
	return t, nil
}

func (w *world) Job(_ context.Context, id string) (engine.Job, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	j, ok := w.jobs[id]
	if !ok {
		return j, engine.ErrNotFound
	}
	return j, nil
}

func (w *world) Freed(context.Context, time.Time) ([]Freed, error) {
	return []Freed{{Day: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), Cluster: "db-prod", Bytes: 193 << 20, Tables: 5}}, nil
}

func (w *world) JobCounts(context.Context) (map[engine.JobState]int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	counts := map[engine.JobState]int64{}
	for _, j := range w.jobs {
		counts[j.State]++
	}
	return counts, w.broken
}

// nothing is the rest of what a server reads; these tests do not ask for it.
var errNothing = errors.New("not in this test")

func (w *world) Request(context.Context, string) (approvals.Request, error) {
	return approvals.Request{}, errNothing
}
func (w *world) Discovery(context.Context, string) (engine.Discovery, error) {
	return engine.Discovery{}, errNothing
}
func (w *world) NewestDiscovery(context.Context, string, string) (engine.Discovery, error) {
	return engine.Discovery{}, errNothing
}
func (w *world) RequestPage(context.Context, Filter, Place, int) ([]approvals.Request, error) {
	return nil, errNothing
}
func (w *world) JobPage(context.Context, Filter, Place, int) ([]engine.Job, error) {
	return nil, errNothing
}
func (w *world) Claim(context.Context, string, string, string) (Key, bool, error) {
	return Key{}, false, errNothing
}
func (w *world) Keep(context.Context, string, string, string) error { return nil }
func (w *world) Prune(context.Context, time.Time) (int64, error)    { return 0, nil }
func (w *world) stats() ChatStats                                   { w.mu.Lock(); defer w.mu.Unlock(); return w.chat }

// serve runs a server over a world until the test ends, and returns it with its URL.
func serve(t *testing.T, w *world, tune Tuning) (*Server, string) {
	t.Helper()
	if tune.Poll == 0 {
		tune.Poll = 5 * time.Millisecond
	}
	tune.Rate, tune.Version = 10_000, "v1.2.3"
	s, err := New(Options{Facts: w, Lists: w, Events: w, Tokens: w, Keys: w, Chat: w.stats, Tuning: tune, Log: zap.NewNop()})
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, l) }() // waited for below
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	return s, "http://" + l.Addr().String()
}

// client calls as the reader.
func client(t *testing.T, url string) *Client {
	t.Helper()
	c, err := NewClient(ClientOptions{Server: url, Token: "reader"})
	require.NoError(t, err)
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

func raw(t *testing.T, v any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return b
}

// soon fails when something does not come true in time.
func soon(t *testing.T, what func() bool, why string) {
	t.Helper()
	require.Eventually(t, what, 10*time.Second, 5*time.Millisecond, why)
}
