package bot

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/throttle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	alice = approvals.Actor{Team: "T1", ID: "UALICE", Name: "alice"}
	bob   = approvals.Actor{Team: "T1", ID: "UBOB", Name: "bob"}
	carol = approvals.Actor{Team: "T1", ID: "UCAROL", Name: "carol"} // reads Chinese
	mal   = approvals.Actor{Team: "T1", ID: "UMAL", Name: "mal"}     // no approver
)

// world is everything around a Bot in memory: the store's small interfaces are this package's own,
// and the import rule keeps the real database out. Approvals and planning are the real ones.
type world struct {
	t   *testing.T
	bot *Bot
	now time.Time

	mu       sync.Mutex
	requests []approvals.Request
	jobs     map[string][]engine.Job
	events   []engine.Event
	found    []engine.Discovery
	cursor   int64
	in       string // the channel in which buttons are pressed; C1
	week     int64  // the mark of the weekly summary
	posts    []Post
	edits    map[string]int
	ids      int
	putErr   error
	live     map[string][]engine.LiveStep
	whispers []whisper
	forms    []Form
	groupErr error
	group    []string // members of every group
	commands map[approvals.Act]approvals.People
	minimum  int
	settings engine.ClusterSettings
	glass    approvals.BreakGlass
	standing *standingBook
}

type whisper struct {
	to string
	m  Message
}

// options changes what a test needs different before the Bot is made.
func newWorld(t *testing.T, change ...func(*Options)) *world {
	w := &world{standing: &standingBook{},
		t: t, now: time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC), jobs: map[string][]engine.Job{}, edits: map[string]int{},
		live: map[string][]engine.LiveStep{}, minimum: 1,
		settings: engine.ClusterSettings{Environment: "production", Limits: throttle.Limits{MaxLag: 10 * time.Second}, LockWait: 5 * time.Second,
			Parallel: 1, MinGain: 1 << 20, MinShare: 0.1, SnapshotAge: time.Hour},
	}
	clock := func() time.Time { return w.now }
	service := approvals.NewService(approvals.Options{Store: storeOf{w}, Directory: w, NewID: w.newID, Now: clock,
		Policy: func(string) approvals.Policy {
			return approvals.Policy{Users: []string{bob.ID, carol.ID, alice.ID}, MinApprovals: w.minimum, BreakGlass: w.glass, Commands: w.commands}
		}, Standing: w.standing, StandingMax: 90 * 24 * time.Hour})
	o := Options{
		Targets: w, Facts: w, Lists: w, Wanter: w, Live: liveOf{w}, Outbox: w, Responder: w, Directory: w,
		Planner:  &engine.Planner{Discoveries: discoveriesOf{w}, Guards: func(string) *guard.Guard { return guard.Default(guard.ExternalConfig{}) }, Now: clock},
		Requests: service,
		Channels: func() map[string]Channel {
			return map[string]Channel{"C1": {Clusters: []string{"shop"}}, "CZH": {Locale: Chinese, Clusters: []string{"shop"}}, "COTHER": {Clusters: []string{"crm"}}}
		},
		Tuning: Tuning{Version: "1.2.3", BigTable: 1 << 30, Poll: time.Millisecond, ProgressEvery: time.Millisecond, Now: clock, StandingMax: 90 * day},
		Log:    zaptest.NewLogger(t),
	}
	for _, c := range change {
		c(&o)
	}
	w.bot = New(o)
	return w
}

func (w *world) newID(context.Context) (string, error) {
	w.ids++
	return fmt.Sprintf("R-7QK%d", w.ids), nil
}

// The directory.

func (w *world) Person(_ context.Context, _, id string) (approvals.Person, error) {
	for _, a := range []approvals.Actor{alice, bob, carol, mal} {
		if a.ID == id {
			p := approvals.Person{Actor: a, Locale: "en-US"}
			if a == carol {
				p.Locale = "zh-CN"
			}
			return p, nil
		}
	}
	return approvals.Person{}, fmt.Errorf("no user %s", id)
}

func (w *world) Members(context.Context, string) ([]string, error) { return w.group, w.groupErr }

// Targets.

func (w *world) Find(name string) (engine.Target, error) {
	switch name {
	case "shop":
		return engine.Target{Cluster: "shop", Settings: w.settings}, nil
	case "db-prod-1", "db-prod-2", "db-prod-3":
		return engine.Target{Cluster: "shop", Host: dbconn.Host{Name: name, Addr: dbconn.Addr{Host: name, Port: 3307}}, Settings: w.settings}, nil
	}
	return engine.Target{}, UnknownTarget(name, w.Names())
}

func (w *world) Access(string) *dbconn.Access { return nil }
func (w *world) Names() []string              { return []string{"db-prod-1", "db-prod-2", "db-prod-3", "shop"} }

// The store.

type storeOf struct{ *world }

func (w *world) append(e engine.Event) {
	e.Seq, e.At = int64(len(w.events)+1), w.now
	w.events = append(w.events, e)
}

func (w *world) find(id string) (*approvals.Request, error) {
	for i := range w.requests {
		if w.requests[i].ID == id {
			return &w.requests[i], nil
		}
	}
	return nil, engine.ErrNotFound
}

func (w storeOf) CreateRequest(ctx context.Context, r approvals.Request) error {
	bare := r
	bare.Reviews = nil
	w.requests = append(w.requests, bare)
	w.append(engine.Event{Kind: engine.EventRequestCreated, RequestID: r.ID, Actor: r.Requester.ID})
	w.brokeGlass(r, "asked", r.Requester)
	for _, v := range r.Reviews {
		if _, err := w.Review(ctx, v, approvals.JobsFor(r)); err != nil {
			return err
		}
	}
	return nil
}

func (w storeOf) Review(_ context.Context, v approvals.Review, jobs []engine.Job) (approvals.Request, error) {
	r, err := w.find(v.RequestID)
	if err != nil {
		return approvals.Request{}, err
	}
	if r.State != approvals.Pending || r.Digest != v.Digest {
		return *r, approvals.ErrConflict
	}
	w.standing.given(v.Gives)
	r.Reviews = append(r.Reviews, v)
	kind := engine.EventRequestReviewed
	switch {
	case v.Decision == approvals.Deny:
		r.State, kind = approvals.Denied, engine.EventRequestDenied
	case len(r.Reviews) >= r.MinApprovals:
		r.State, kind = approvals.Approved, engine.EventRequestApproved
		w.jobs[r.ID] = jobs
	}
	w.append(engine.Event{Kind: kind, RequestID: r.ID, Actor: v.Reviewer.ID})
	w.brokeGlass(*r, string(r.State), v.Reviewer)
	return *r, nil
}

func (w storeOf) Close(_ context.Context, id string, to approvals.State, by approvals.Actor, reason string) (approvals.Request, error) {
	r, err := w.find(id)
	if err != nil {
		return approvals.Request{}, err
	}
	if r.State != approvals.Pending {
		return *r, approvals.ErrConflict
	}
	r.State = to
	data, _ := json.Marshal(map[string]string{"reason": reason})
	w.append(engine.Event{Kind: engine.EventKind("request." + string(to)), RequestID: id, Actor: by.ID, Data: data})
	return *r, nil
}

func (w *world) Request(_ context.Context, id string) (approvals.Request, error) {
	r, err := w.find(id)
	if err != nil {
		return approvals.Request{}, err
	}
	return *r, nil
}

func (w *world) Jobs(_ context.Context, id string) ([]engine.Job, error) {
	return slices.Clone(w.jobs[id]), nil
}

func (w *world) EventsAfter(_ context.Context, seq int64, limit int) ([]engine.Event, error) {
	rest := w.events[min(int(seq), len(w.events)):]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

func (w *world) Cursor(_ context.Context, reader string) (int64, error) {
	if reader == digestReader {
		return w.week, nil
	}
	return w.cursor, nil
}

func (w *world) Requests(_ context.Context, filter, arg string, limit int) ([]approvals.Request, error) {
	var out []approvals.Request
	for _, r := range w.requests {
		live := slices.ContainsFunc(w.jobs[r.ID], func(j engine.Job) bool { return !j.State.Final() })
		ok := map[string]bool{"": true, "pending": r.State == approvals.Pending, "running": live, "mine": r.Requester.ID == arg, "origin": r.Origin == arg, "history": r.Target == arg, "channel": r.Channel == arg}[filter]
		if ok {
			out = append(out, r)
		}
	}
	slices.Reverse(out)
	return out[:min(limit, len(out))], nil
}

func (w *world) Ended(_ context.Context, from, to time.Time) ([]engine.Ended, error) {
	var out []engine.Ended
	for _, r := range w.requests {
		for _, j := range w.jobs[r.ID] {
			if j.State.Final() && j.Plan.Cluster != "" && !j.Ended.Before(from) && j.Ended.Before(to) {
				s := sum([]engine.Job{j})
				out = append(out, engine.Ended{RequestID: r.ID, Channel: r.Channel, Host: j.Host, State: j.State, Reason: j.Reason, At: j.Ended, Tables: s.done, Bytes: s.given()})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b engine.Ended) int { return a.At.Compare(b.At) })
	return out, nil
}

type discoveriesOf struct{ *world }

func (w discoveriesOf) SaveDiscovery(context.Context, engine.Lease, engine.Discovery) error {
	return nil
}

func (w *world) Briefs(ctx context.Context, ids []string) (map[string][]engine.Job, error) {
	found := map[string][]engine.Job{}
	for _, id := range ids {
		jobs, err := w.Jobs(ctx, id)
		if err != nil {
			return nil, err
		}
		found[id] = jobs
	}
	return found, nil
}

func (w *world) NewestDiscovery(_ context.Context, cluster, host string) (engine.Discovery, error) {
	for _, d := range slices.Backward(w.found) {
		if d.Cluster == cluster && (host == "" || slices.ContainsFunc(d.Hosts, func(h engine.HostInventory) bool { return h.Name == host && h.Error == "" })) {
			return d, nil
		}
	}
	return engine.Discovery{}, engine.ErrNotFound
}

func (w *world) Rebuilt(context.Context, string, time.Time) (map[string]bool, error) { return nil, nil }

func (w *world) Discovery(_ context.Context, id string) (engine.Discovery, error) {
	for _, d := range w.found {
		if d.ID == id {
			return d, nil
		}
	}
	return engine.Discovery{}, engine.ErrNotFound
}

func (w *world) Want(_ context.Context, id string, want engine.Wanted, by approvals.Actor) (engine.Job, error) {
	j := w.job(id)
	if j.State.Final() {
		return *j, &engine.Problem{Code: "job_ended", Text: id + " has ended: it is " + string(j.State) + "."}
	}
	j.Wanted = want
	data, _ := json.Marshal(map[string]engine.Wanted{"wanted": want})
	w.append(engine.Event{Kind: engine.EventJobWanted, RequestID: j.RequestID, JobID: id, Actor: by.ID, Data: data})
	return *j, nil
}

func (w *world) Skip(_ context.Context, id string, step int, by approvals.Actor) (engine.Job, error) {
	j := w.job(id)
	for i := range j.Steps {
		switch st := &j.Steps[i]; {
		case st.Seq != step:
		case st.State != engine.StepPending && st.State != engine.StepRunning:
			return *j, &engine.Problem{Code: "table_ended", Text: st.Plan.Name() + " has ended."}
		default:
			st.Skip = by.Name
		}
	}
	data, _ := json.Marshal(map[string]engine.Wanted{"wanted": engine.WantSkip})
	w.append(engine.Event{Kind: engine.EventJobWanted, RequestID: j.RequestID, JobID: id, Step: step, Actor: by.ID, Data: data})
	return *j, nil
}

type liveOf struct{ *world }

func (w liveOf) Progress(id string) []engine.LiveStep { return w.live[id] }

// The outbox keeps the newest body of each post, and counts its revisions.

func (w *world) Put(_ context.Context, reader string, upto int64, posts []Post) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.putErr != nil {
		return w.putErr
	}
	for _, p := range posts {
		i := slices.IndexFunc(w.posts, func(o Post) bool { return o.Key == p.Key })
		switch {
		case i < 0:
			if p.Parent != "" {
				require.True(w.t, slices.ContainsFunc(w.posts, func(o Post) bool { return o.Key == p.Parent }), "%s has no parent", p.Key)
			}
			w.posts = append(w.posts, p)
			w.edits[p.Key]++
		case string(w.posts[i].Body) != string(p.Body):
			w.posts[i].Body, w.posts[i].Routine = p.Body, p.Routine
			w.edits[p.Key]++
		}
	}
	if reader == digestReader {
		w.week = upto
	} else {
		w.cursor = max(w.cursor, upto)
	}
	return nil
}

func (w *world) Due(context.Context, int) ([]Queued, error)                      { return nil, nil }
func (w *world) Sent(context.Context, string, int64, string, string) error       { return nil }
func (w *world) Postpone(context.Context, string, time.Time, string, bool) error { return nil }
func (w *world) OpenForm(_ context.Context, _ Reply, f Form) error {
	w.forms = append(w.forms, f)
	return nil
}
func (w *world) Whisper(_ context.Context, to Reply, m Message) error {
	w.fits(m)
	w.whispers = append(w.whispers, whisper{to.User, m})
	return nil
}

// fits holds every message against the platform's limits.
func (w *world) fits(m Message) {
	require.NotEmpty(w.t, m.Summary)
	require.LessOrEqual(w.t, len(m.Blocks), 50)
	require.Less(w.t, len([]rune(Text(m))), 13000)
	tables, chars := 0, 0
	for _, b := range m.Blocks {
		require.LessOrEqual(w.t, len([]rune(b.Header)), 150)
		require.LessOrEqual(w.t, len(b.Fields), 10)
		require.LessOrEqual(w.t, len([]rune(line(b.Text))), 3000)
		require.LessOrEqual(w.t, len(b.Actions), 25)
		for _, a := range b.Actions {
			require.LessOrEqual(w.t, len([]rune(a.Label)), 75)
			require.LessOrEqual(w.t, len(a.Value), 2000)
			if a.Confirm != nil {
				require.LessOrEqual(w.t, len([]rune(a.Confirm.Text)), 300)
				require.LessOrEqual(w.t, len([]rune(a.Confirm.Title)), 100)
			}
		}
		if b.Table != nil {
			tables++
			require.LessOrEqual(w.t, len(b.Table.Rows), 99)
			for _, r := range b.Table.Rows {
				chars += len([]rune(strings.Join(r, "")))
			}
		}
	}
	require.LessOrEqual(w.t, tables, 1)
	require.Less(w.t, chars, 10000)
}
