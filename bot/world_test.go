package bot

import (
	"cmp"
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
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/tablespace"
	"mysql-recycler/engine/throttle"
	"mysql-recycler/engine/topology"
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
	posts    []Post
	edits    map[string]int
	ids      int
	putErr   error
	live     map[string]engine.LiveStep
	whispers []whisper
	forms    []Form
	groupErr error
	minimum  int
	settings engine.ClusterSettings
}

type whisper struct {
	to string
	m  Message
}

// options changes what a test needs different before the Bot is made.
func newWorld(t *testing.T, change ...func(*Options)) *world {
	w := &world{
		t: t, now: time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC), jobs: map[string][]engine.Job{}, edits: map[string]int{},
		live: map[string]engine.LiveStep{}, minimum: 1,
		settings: engine.ClusterSettings{Environment: "production", Limits: throttle.Limits{MaxLag: 10 * time.Second}, LockWait: 5 * time.Second,
			Parallel: 1, MinGain: 1 << 20, MinShare: 0.1, SnapshotAge: time.Hour},
	}
	clock := func() time.Time { return w.now }
	o := Options{
		Targets: w, Facts: w, Lists: w, Wanter: w, Live: liveOf{w}, Outbox: w, Responder: w, Directory: w,
		Planner: &engine.Planner{Discoveries: discoveriesOf{w}, Guards: func(string) *guard.Guard { return guard.Default(guard.ExternalConfig{}) }, Now: clock},
		Requests: approvals.NewService(approvals.Options{Store: storeOf{w}, Directory: w, NewID: w.newID, Now: clock,
			Policy: func(string) approvals.Policy {
				return approvals.Policy{Users: []string{bob.ID, carol.ID, alice.ID}, MinApprovals: w.minimum}
			}}),
		Channels: map[string]Channel{"C1": {Clusters: []string{"shop"}}, "CZH": {Locale: Chinese, Clusters: []string{"shop"}}, "COTHER": {Clusters: []string{"crm"}}},
		Tuning:   Tuning{Version: "1.2.3", BigTable: 1 << 30, Poll: time.Millisecond, ProgressEvery: time.Millisecond, Now: clock},
		Log:      zaptest.NewLogger(t),
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

func (w *world) Members(context.Context, string) ([]string, error) { return nil, w.groupErr }

// Targets.

func (w *world) Find(name string) (engine.Target, error) {
	switch name {
	case "shop":
		return engine.Target{Cluster: "shop", Settings: w.settings}, nil
	case "db-prod-1", "db-prod-2", "db-prod-3":
		return engine.Target{Cluster: "shop", Host: dbconn.Host{Name: name, Addr: dbconn.Addr{Host: name, Port: 3307}}, Settings: w.settings}, nil
	}
	p := &engine.Problem{Code: "unknown_target", Text: "I do not know a host or cluster " + name + "."}
	if near := nearest(name, w.Names()); near != "" {
		p.Next = "Did you mean " + near + "?"
	}
	return engine.Target{}, p
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

func (w storeOf) CreateRequest(_ context.Context, r approvals.Request) error {
	w.requests = append(w.requests, r)
	w.append(engine.Event{Kind: engine.EventRequestCreated, RequestID: r.ID, Actor: r.Requester.ID})
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

func (w *world) Cursor(context.Context, string) (int64, error) { return w.cursor, nil }

func (w *world) Requests(_ context.Context, filter, arg string, limit int) ([]approvals.Request, error) {
	var out []approvals.Request
	for _, r := range w.requests {
		live := slices.ContainsFunc(w.jobs[r.ID], func(j engine.Job) bool { return !j.State.Final() })
		ok := map[string]bool{"": true, "pending": r.State == approvals.Pending, "running": live, "mine": r.Requester.ID == arg, "history": r.Target == arg}[filter]
		if ok {
			out = append(out, r)
		}
	}
	slices.Reverse(out)
	return out[:min(limit, len(out))], nil
}

type discoveriesOf struct{ *world }

func (w discoveriesOf) SaveDiscovery(context.Context, engine.Lease, engine.Discovery) error {
	return nil
}

func (w *world) NewestDiscovery(_ context.Context, cluster, host string) (engine.Discovery, error) {
	for _, d := range slices.Backward(w.found) {
		if d.Cluster == cluster && (host == "" || slices.ContainsFunc(d.Hosts, func(h engine.HostInventory) bool { return h.Name == host && h.Error == "" })) {
			return d, nil
		}
	}
	return engine.Discovery{}, engine.ErrNotFound
}

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
	j.Wanted = want
	data, _ := json.Marshal(map[string]engine.Wanted{"wanted": want})
	w.append(engine.Event{Kind: engine.EventJobWanted, RequestID: j.RequestID, JobID: id, Actor: by.ID, Data: data})
	return *j, nil
}

type liveOf struct{ *world }

func (w liveOf) Progress(id string) (engine.LiveStep, bool) { s, ok := w.live[id]; return s, ok }

// The outbox keeps the newest body of each post, and counts its revisions.

func (w *world) Put(_ context.Context, _ string, upto int64, posts []Post) error {
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
	w.cursor = max(w.cursor, upto)
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

// What people and the engine do.

func (w *world) says(who approvals.Actor, text string) string {
	return w.saysIn(who, "C1", text)
}

// saysIn types a command and returns what its author alone is answered.
func (w *world) saysIn(who approvals.Actor, channel, text string) string {
	w.t.Helper()
	n := len(w.whispers)
	require.NoError(w.t, w.bot.Command(w.t.Context(), Command{Text: text, User: who, Channel: channel, Reply: Reply{User: who.ID, Channel: channel}, At: w.now}))
	w.now = w.now.Add(time.Second)
	return w.heard(n, who)
}

// heard is what was whispered since n, which must have been to one person only.
func (w *world) heard(n int, who approvals.Actor) string {
	w.t.Helper()
	var out []string
	for _, x := range w.whispers[n:] {
		require.Equal(w.t, who.ID, x.to)
		out = append(out, Text(x.m))
	}
	require.LessOrEqual(w.t, len(out), 1, "a person is answered once")
	return strings.Join(out, "")
}

// clicks presses a button of a post by its label, as the post is now.
func (w *world) clicks(who approvals.Actor, key, action string) string {
	w.t.Helper()
	for _, b := range w.message(key).Blocks {
		for _, a := range b.Actions {
			if a.Action == action {
				return w.presses(who, action, a.Value)
			}
		}
	}
	w.t.Fatalf("%s has no button %s:\n%s", key, action, w.show(key))
	return ""
}

// presses sends a click with any value.
func (w *world) presses(who approvals.Actor, action, value string) string {
	w.t.Helper()
	n := len(w.whispers)
	require.NoError(w.t, w.bot.Click(w.t.Context(), Click{Action: action, Value: value, User: who, Channel: "C1", Reply: Reply{User: who.ID, Channel: "C1"}}))
	w.now = w.now.Add(time.Second)
	return w.heard(n, who)
}

// tells lets the teller catch up.
func (w *world) tells() {
	w.t.Helper()
	t := w.bot.Teller()
	started, next := false, time.Time{}
	for {
		before := len(w.events)
		require.NoError(w.t, t.round(w.t.Context(), &started, &next))
		if len(w.events) == before && int(w.cursor) >= before {
			return
		}
	}
}

func (w *world) message(key string) Message {
	w.t.Helper()
	i := slices.IndexFunc(w.posts, func(p Post) bool { return p.Key == key })
	require.GreaterOrEqual(w.t, i, 0, "no post %s", key)
	var m Message
	require.NoError(w.t, json.Unmarshal(w.posts[i].Body, &m))
	w.fits(m)
	return m
}

func (w *world) show(key string) string { return Text(w.message(key)) }

// thread is everything posted under a card, in order.
func (w *world) thread(card string) string {
	w.t.Helper()
	var out strings.Builder
	for _, p := range w.posts {
		if p.Parent == card {
			out.WriteString("> " + strings.ReplaceAll(strings.TrimRight(w.show(p.Key), "\n"), "\n", "\n  ") + "\n")
		}
	}
	return out.String()
}

func (w *world) job(id string) *engine.Job {
	for _, jobs := range w.jobs {
		for i := range jobs {
			if jobs[i].ID == id {
				return &jobs[i]
			}
		}
	}
	w.t.Fatalf("no job %s", id)
	return nil
}

// moves is what the engine stores when a job changes.
func (w *world) moves(id string, state engine.JobState, kind engine.EventKind, reason string, data any) {
	j := w.job(id)
	if state != "" {
		j.State, j.Reason = state, reason
	}
	if j.Started.IsZero() && state == engine.JobRunning {
		j.Started = w.now
	}
	if state.Final() {
		j.Ended = w.now
	}
	e := engine.Event{Kind: kind, RequestID: j.RequestID, JobID: id}
	if data != nil {
		e.Data, _ = json.Marshal(data)
	}
	w.append(e)
	w.now = w.now.Add(time.Second)
}

// rebuilds is a finished table.
func (w *world) rebuilds(id string, seq int, after int64, took time.Duration) {
	j := w.job(id)
	st := &j.Steps[seq-1]
	w.now = w.now.Add(took)
	st.State, st.Before, st.After, st.Took, st.Ended, st.Outcome = engine.StepDone, st.Plan.Bytes, after, took, w.now, rebuild.Done
	w.append(engine.Event{Kind: engine.EventTableProcessed, RequestID: j.RequestID, JobID: id, Step: seq})
}

// discovers is what the engine stores of a look at the cluster.
func (w *world) discovers(id string) {
	w.moves(id, engine.JobRunning, engine.EventJobStarted, "", nil)
	w.found = append(w.found, discovery(id, w.now))
	w.moves(id, "", engine.EventDiscovered, "", nil)
	w.moves(id, engine.JobSucceeded, engine.EventJobCompleted, "", nil)
}

const gib, mib = int64(1) << 30, int64(1) << 20

// discovery is a primary with two replicas and what is on the second.
func discovery(id string, at time.Time) engine.Discovery {
	v := dbconn.Version{Flavor: dbconn.MySQL, Major: 9, Minor: 7, Patch: 4, Raw: "9.7.4"}
	node := func(name string, role topology.Role, source string) topology.Instance {
		in := topology.Instance{Name: name, Addr: dbconn.Addr{Host: name, Port: 3307}, Identity: dbconn.Identity("id-" + name), Version: v,
			Role: role, Reached: true, At: at, State: topology.State{ReadOnly: source != "", SuperReadOnly: source != ""}}
		if source != "" {
			in.Links = []topology.Link{{Source: dbconn.Addr{Host: source, Port: 3307}, SourceIdentity: dbconn.Identity("id-" + source),
				SourceLogFile: "b.000001", IORunning: "Yes", SQLRunning: "Yes", Lag: &topology.Lag{From: "status"}}}
		}
		return in
	}
	primary := node("db-prod-1", topology.RolePrimary, "")
	for _, r := range []string{"db-prod-2", "db-prod-3"} {
		primary.Replicas = append(primary.Replicas, topology.Downstream{Addr: dbconn.Addr{Host: r, Port: 3307}, Identity: dbconn.Identity("id-" + r), From: "show_replicas"})
	}
	table := func(schema, name string, bytes, after int64) engine.TableReport {
		return engine.TableReport{
			Table:      tablespace.Table{Schema: schema, Name: name, Engine: "InnoDB", FileBytes: bytes, Space: tablespace.SpaceOwn},
			Prediction: tablespace.Prediction{Bytes: after, Low: after - after/20, High: after + after/20, How: "sampled"},
			Method:     rebuild.Method{Kind: rebuild.Alter, Algorithm: "INPLACE", Lock: "NONE"},
		}
	}
	tables := []engine.TableReport{
		table("shop", "orders", 3*gib, gib), table("shop", "carts", 300*mib, 100*mib), table("shop", "visits", 200*mib, 120*mib),
		table("crm", "notes", 90*mib, 40*mib), table("shop", "small", 10*mib, 9*mib+mib/2),
	}
	slices.SortStableFunc(tables, func(a, b engine.TableReport) int { return cmp.Compare(b.Gain(), a.Gain()) })
	return engine.Discovery{
		ID: id, Cluster: "shop", Target: "db-prod-3", At: at,
		Topology: topology.Topology{Cluster: "shop", Seed: "db-prod-3", At: at, Instances: []topology.Instance{
			primary, node("db-prod-2", topology.RoleReplica, "db-prod-1"), node("db-prod-3", topology.RoleReplica, "db-prod-1"),
		}},
		Hosts: []engine.HostInventory{{Name: "db-prod-3", Tables: tables}},
	}
}
