package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/throttle"
	"mysql-recycler/storage"
)

func TestMain(m *testing.M) {
	if order := os.Getenv(envChild); order != "" {
		child(order)
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("mysql-recycler/engine/mysqltest.(*process).wait"))
}

const password = "secret-of-a-throw-away-cluster"

var (
	alice = approvals.Actor{Team: "T1", ID: "U0ALICE", Name: "alice"}
	bob   = approvals.Actor{Team: "T1", ID: "U0BOB", Name: "bob"}
)

// world is a real cluster of one primary (db-1) and replicas, a real database file, and the engine
// between them. Approvals go through the real service: there is no other way to a job.
type world struct {
	t       testing.TB
	cluster *mysqltest.Cluster
	access  *dbconn.Access
	policy  engine.Policy
	adjust  func(*engine.ClusterSettings) // changes the settings a plan is made with
	dir     string

	service    *approvals.Service
	journal    *storage.Journal
	facts      *storage.Facts
	planner    *engine.Planner
	dispatcher *engine.Dispatcher
	options    engine.Options // of the dispatcher
	live       *engine.Live

	mu     sync.Mutex
	handed []string // jobs the queue would have got, in order
}

// hand is the queue of these tests: it remembers what it was given, as the real one by a row in
// the same transaction.
func (w *world) hand(ctx context.Context, tx storage.Tx, jobID, _ string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handed = append(w.handed, jobID)
	_, err := tx.Exec(ctx, "UPDATE jobs SET engine_id = $2 WHERE id = $1", jobID, len(w.handed))
	return err
}

// directory knows everybody as a member; bob is the approver.
type directory struct{}

func (directory) Person(_ context.Context, _, id string) (approvals.Person, error) {
	return approvals.Person{Actor: approvals.Actor{ID: id}}, nil
}
func (directory) Members(context.Context, string) ([]string, error) { return nil, nil }

func newWorld(t *testing.T, shape string, tables ...mysqltest.TableSpec) *world {
	t.Helper()
	return newWorldOf(t, mysqltest.Options{Shape: shape, GeneralLog: true}, tables...)
}

func newWorldOf(t testing.TB, o mysqltest.Options, tables ...mysqltest.TableSpec) *world {
	t.Helper()
	c := mysqltest.MustStart(t, o)
	ctx := t.Context()
	require.NoError(t, c.CreateRecycler(ctx, "recycler", password))
	require.NoError(t, mysqltest.Fill(ctx, c.Nodes[0], tables...))
	require.NoError(t, c.WaitReplicated(ctx))
	w := &world{t: t, cluster: c, dir: t.TempDir(), access: &dbconn.Access{
		Cluster: "db", User: "recycler", Password: func() (string, error) { return password, nil },
	}}
	for i, n := range c.Nodes {
		w.access.Hosts = append(w.access.Hosts, dbconn.Host{Name: fmt.Sprintf("db-%d", i+1), Addr: dbconn.Addr{Host: n.Host, Port: n.Port}})
	}
	w.wire()
	return w
}

// wire opens the database and builds the engine on it.
func (w *world) wire() {
	db, err := storage.Open(w.t.Context(), w.url(), zap.NewNop())
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, db.Close()) })
	requests := storage.NewRequests(db, w.hand, nil)
	w.journal, w.facts, w.live = storage.NewJournal(db), storage.NewFacts(db), engine.NewLive()
	w.journal.HandTo(w.hand)
	w.service = approvals.NewService(approvals.Options{
		Store: requests, Directory: directory{}, NewID: requests.NewID,
		Policy: func(string) approvals.Policy { return approvals.Policy{Users: []string{bob.ID}} },
	})
	guards := func(string) *guard.Guard { return guard.Default(guard.ExternalConfig{}) }
	w.planner = &engine.Planner{Discoveries: w.journal, Guards: guards, Now: time.Now}
	w.options = engine.Options{
		Journal: w.journal, Leases: storage.NewLeases(db), Discoveries: w.journal, Neighbours: w.journal, Targets: w, Guards: guards,
		Live: w.live, Owner: "test", Heartbeat: 20 * time.Millisecond, WatchEvery: 50 * time.Millisecond, Log: zaptest.NewLogger(w.t),
	}
	w.dispatcher = engine.NewDispatcher(w.options)
}

func (w *world) url() string { return "sqlite://" + filepath.Join(w.dir, "state.db") }

// readOnly asks a server.
func (w *world) readOnly(node int) (on bool) {
	w.t.Helper()
	require.NoError(w.t, w.cluster.Nodes[node].DB().QueryRowContext(w.t.Context(), "SELECT @@global.read_only").Scan(&on))
	return on
}

// Find implements engine.Targets.
func (w *world) Find(name string) (engine.Target, error) {
	s := engine.ClusterSettings{
		Mode: rebuild.BinlogOff, Parallel: 1, LockWait: 3 * time.Second, MinGain: 1 << 20, MinShare: 0.1, Tolerance: 0.2,
		SnapshotAge: time.Hour, Policy: w.policy, Limits: throttle.Limits{MaxLag: 30 * time.Second},
	}
	if w.adjust != nil {
		w.adjust(&s)
	}
	if h, ok := w.access.Lookup(name); ok {
		return engine.Target{Cluster: "db", Host: h, Settings: s}, nil
	}
	return engine.Target{Cluster: "db", Settings: s}, nil
}

// Access implements engine.Targets.
func (w *world) Access(string) *dbconn.Access { return w.access }

// Names implements engine.Targets.
func (w *world) Names() []string { return nil }

// approved submits as alice and approves as bob; the answer is the job's id.
func (w *world) approved(d approvals.Draft) string {
	w.t.Helper()
	d.Cluster, d.Requester, d.Channel = "db", alice, "C1"
	r, err := w.service.Submit(w.t.Context(), d)
	require.NoError(w.t, err)
	_, err = w.service.Review(w.t.Context(), approvals.ReviewInput{RequestID: r.ID, Digest: r.Digest, Reviewer: bob, Decision: approvals.Approve})
	require.NoError(w.t, err)
	return r.ID
}

// discover runs an approved discovery to its end.
func (w *world) discover(target string) {
	w.t.Helper()
	id := w.approved(approvals.Draft{Kind: approvals.KindDiscover, Target: target})
	require.NoError(w.t, w.dispatcher.Run(w.t.Context(), id))
	j := w.job(id)
	require.Equal(w.t, engine.JobSucceeded, j.State, j.Reason)
}

// plan freezes a plan for a host.
func (w *world) plan(host string) engine.Plan {
	w.t.Helper()
	target, err := w.Find(host)
	require.NoError(w.t, err)
	p, err := w.planner.Plan(w.t.Context(), engine.PlanSpec{Target: target})
	require.NoError(w.t, err)
	return p
}

// recycle approves a plan; it does not run it.
func (w *world) recycle(host string, p engine.Plan) string {
	w.t.Helper()
	return w.approved(approvals.Draft{Kind: approvals.KindRecycle, Target: host, Plan: &p})
}

func (w *world) job(id string) engine.Job {
	w.t.Helper()
	j, err := w.journal.Job(w.t.Context(), id)
	require.NoError(w.t, err)
	return j
}

// kinds lists the facts of a request in order.
func (w *world) kinds(id string) (kinds []engine.EventKind) {
	w.t.Helper()
	es, err := w.facts.EventsAfter(w.t.Context(), 0, 10_000)
	require.NoError(w.t, err)
	for _, e := range es {
		if e.RequestID == id {
			kinds = append(kinds, e.Kind)
		}
	}
	return kinds
}

// notices lists what people were told beside the steps.
func (w *world) notices(id string) (out []string) {
	w.t.Helper()
	es, err := w.facts.EventsAfter(w.t.Context(), 0, 10_000)
	require.NoError(w.t, err)
	for _, e := range es {
		var n engine.Notice
		if e.RequestID == id && e.Kind == engine.EventJobNotice {
			require.NoError(w.t, json.Unmarshal(e.Data, &n))
			out = append(out, n.Sentence)
		}
	}
	return out
}

// alerts lists the kinds of a request's alerts.
func (w *world) alerts(id string) (out []engine.AlertKind) {
	w.t.Helper()
	es, err := w.facts.EventsAfter(w.t.Context(), 0, 10_000)
	require.NoError(w.t, err)
	for _, e := range es {
		if kind, _, is := engine.AlertOf(e); is && e.RequestID == id {
			out = append(out, kind)
		}
	}
	return out
}

// background runs a job and answers a function that waits for its end.
func (w *world) background(ctx context.Context, id string) func() error {
	var wg sync.WaitGroup
	var err error
	wg.Go(func() { err = w.dispatcher.Run(ctx, id) })
	w.t.Cleanup(wg.Wait)
	return func() error { wg.Wait(); return err }
}

// running waits until the server's own process list shows a statement of ours.
func (w *world) running(node int) {
	w.t.Helper()
	require.Eventually(w.t, func() bool { return w.ours(node) > 0 }, 30*time.Second, 2*time.Millisecond, "no statement of ours on the server")
}

func (w *world) ours(node int) (n int) {
	w.t.Helper()
	err := w.cluster.Nodes[node].DB().QueryRowContext(w.t.Context(),
		"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'ALTER /* recycler%'").Scan(&n)
	require.NoError(w.t, err)
	return n
}

var tagged = regexp.MustCompile(`ALTER /\* recycler job=(\S+) step=(\d+) \*/`)

// sent counts the statements of ours in a server's general log.
func (w *world) sent(node int) map[string]int {
	w.t.Helper()
	text, err := w.cluster.Nodes[node].GeneralLog()
	require.NoError(w.t, err)
	n := map[string]int{}
	for _, m := range tagged.FindAllStringSubmatch(text, -1) {
		n[m[2]]++
	}
	return n
}

// bytes is a table's file on a server, by the server's own account.
func (w *world) bytes(node int, name string) (n int64) {
	w.t.Helper()
	err := w.cluster.Nodes[node].DB().QueryRowContext(w.t.Context(),
		"SELECT FILE_SIZE FROM information_schema."+w.tablespaces()+" WHERE NAME = ?", strings.Replace(name, ".", "/", 1)).Scan(&n)
	require.NoError(w.t, err)
	return n
}

// tablespaces is where a server lists its files.
func (w *world) tablespaces() string {
	if w.cluster.Flavor == mysqltest.MySQL {
		return "INNODB_TABLESPACES"
	}
	return "INNODB_SYS_TABLESPACES"
}

// leftovers counts temporary tables of ours on a server.
func (w *world) leftovers(node int) (n int) {
	w.t.Helper()
	err := w.cluster.Nodes[node].DB().QueryRowContext(w.t.Context(),
		"SELECT COUNT(*) FROM information_schema."+w.tablespaces()+" WHERE NAME LIKE '%#sql%'").Scan(&n)
	require.NoError(w.t, err)
	return n
}

// ownTransactions are those in a replica's binary log state that carry its own server id, or uuid.
func (w *world) ownTransactions(node int) string {
	w.t.Helper()
	var state string
	n := w.cluster.Nodes[node]
	if w.cluster.Flavor == mysqltest.MySQL {
		require.NoError(w.t, n.DB().QueryRowContext(w.t.Context(), "SELECT IF(LOCATE(@@server_uuid, @@global.gtid_executed) > 0, @@global.gtid_executed, '')").Scan(&state))
		return state
	}
	require.NoError(w.t, n.DB().QueryRowContext(w.t.Context(), "SELECT @@global.gtid_binlog_state").Scan(&state))
	for _, g := range strings.Split(state, ",") {
		if p := strings.Split(g, "-"); len(p) == 3 && p[1] == fmt.Sprint(n.ServerID) {
			return g
		}
	}
	return ""
}
