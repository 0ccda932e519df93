package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/bot/sandbox"
	"mysql-recycler/engine"
	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/storage"
)

// faultTables is how many tables every job of these tests rebuilds.
const faultTables = 5

// faultWait bounds what recovery may take on a slow machine.
const faultWait = time.Minute

// fault is a workspace, a database and a host on which jobs run while something goes wrong, and
// what must be right afterwards.
type fault struct {
	*chatWorld
	t      *testing.T
	url    string
	name   string // of the host
	target *mysqltest.Node
	store  *storage.DB
	cards  map[string]string // of a request: the time stamp of its card
}

// faultCluster is a primary with replicas, and a schema of small tables for every job.
func faultCluster(t *testing.T, replicas int, schemas ...string) *mysqltest.Cluster {
	t.Helper()
	c := mysqltest.MustStart(t, mysqltest.Options{Shape: fmt.Sprintf("1+%d", replicas), GeneralLog: true})
	require.NoError(t, c.CreateRecycler(t.Context(), "recycler", nodesPassword))
	var specs []mysqltest.TableSpec
	for _, schema := range schemas {
		for i := range faultTables {
			specs = append(specs, mysqltest.TableSpec{Schema: schema, Name: fmt.Sprintf("t%d", i), Rows: 8000, DeletePercent: 60})
		}
	}
	require.NoError(t, mysqltest.Fill(t.Context(), c.Nodes[0], specs...))
	require.NoError(t, c.WaitReplicated(t.Context()))
	require.NoError(t, c.WaitPurged(t.Context()))
	return c
}

// newFault makes the world of one fault; its leases are as short as may be configured.
func newFault(t *testing.T, c *mysqltest.Cluster, at int, url string) *fault {
	t.Helper()
	w := &fault{chatWorld: newChatWorld(t, c, at, url), t: t, url: url, name: fmt.Sprintf("db-%d", at+1), target: c.Nodes[at], cards: map[string]string{}}
	// With the right to read history, a bot that was killed finds what it had posted.
	require.NoError(t, w.Do(t.Context(), "scopes", map[string]any{"scopes": []string{"commands", "chat:write", "im:write", "users:read",
		"usergroups:read", "channels:read", "groups:read", "files:write", "reactions:write", "channels:history"}}, nil))
	text := w.read(t)
	for from, to := range map[string]string{
		"engine: {":                       "engine: {lease_ttl: 5s, rescue_after: 5s, ",
		"min_gain: 1MiB, min_share: 0.05": "min_gain: 1KiB, min_share: 0.01",
		"    limits: {disk_free: 0}":      "    limits: {disk_free: 0, long_trx: 1s}",
	} {
		require.Contains(t, text, from)
		text = strings.ReplaceAll(text, from, to)
	}
	require.NoError(t, os.WriteFile(w.config, []byte(text), 0o600))
	return w
}

// open opens the database beside the processes, which have made it.
func (w *fault) open() {
	w.t.Helper()
	var err error
	w.store, err = storage.Open(w.t.Context(), w.url, zap.NewNop())
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, w.store.Close()) })
}

// discover has the host looked at, before anything goes wrong.
func (w *fault) discover() {
	w.t.Helper()
	require.NoError(w.t, w.WaitSockets(w.t.Context(), 2))
	w.open()
	out, err := w.Slash(w.t.Context(), "alice", "#db-ops", "discover "+w.name)
	require.NoError(w.t, err)
	require.True(w.t, out.OK)
	w.wait(w.t, "the discovery", func(m sandbox.Message) bool { return m.ThreadTS != "" && strings.Contains(m.Plain(), ".t1") })
}

// number asks the database for one number; -1 when there is no such row.
func (w *fault) number(query string, args ...any) (n int64) {
	err := w.store.Read(w.t.Context(), func(ctx context.Context, tx storage.Tx) error { return tx.QueryRow(ctx, query, args...).Scan(&n) })
	if err != nil {
		return -1
	}
	return n
}

// requested is the request that a command about a schema became.
func (w *fault) requested(schema string) (id string) {
	all, err := storage.NewFacts(w.store).Requests(w.t.Context(), "", "", 1000)
	if err != nil {
		return ""
	}
	for _, r := range all {
		if r.Kind == approvals.KindRecycle && strings.Contains(r.Command, schema) {
			id = r.ID // the oldest: who got no answer may have asked twice
		}
	}
	return id
}

func (w *fault) state(id string) approvals.State {
	r, err := storage.NewFacts(w.store).Request(w.t.Context(), id)
	if err != nil {
		return ""
	}
	return r.State
}

// until polls.
func (w *fault) until(limit time.Duration, done func() bool) bool {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if done() {
			return true
		}
	}
	return false
}

// insist does something in the chat until it was acknowledged or happened. What was acknowledged
// must happen, whoever dies then.
func (w *fault) insist(what string, act func() (sandbox.Outcome, error), happened func() bool) {
	w.t.Helper()
	for end := time.Now().Add(faultWait); time.Now().Before(end); {
		out, err := act()
		if err == nil && out.OK {
			require.True(w.t, w.until(faultWait, happened), "%s: acknowledged, and it never happened; alice sees %s", what, w.whispers())
			return
		}
		if w.until(time.Second, happened) {
			return
		}
	}
	w.t.Fatalf("%s: never acknowledged", what)
}

// whispers are the answers that only alice sees.
func (w *fault) whispers() (all []string) {
	ms, err := w.Ephemerals(w.t.Context(), "alice")
	if err != nil {
		return []string{err.Error()}
	}
	for _, m := range ms {
		all = append(all, m.Plain())
	}
	return all
}

// approved asks for the rebuild of a schema and has it approved; the answer is the job's id.
func (w *fault) approved(schema string) (id string) {
	w.t.Helper()
	w.insist("run "+schema, func() (sandbox.Outcome, error) {
		return w.Slash(w.t.Context(), "alice", "#db-ops", "run "+w.name+" --schema "+schema)
	}, func() bool { id = w.requested(schema); return id != "" })
	var card sandbox.Message
	ctx, cancel := context.WithTimeout(w.t.Context(), faultWait)
	defer cancel()
	card, err := w.WaitMessage(ctx, func(m sandbox.Message) bool { return has(m, "Approve") && strings.Contains(m.Plain(), id) })
	require.NoError(w.t, err, "the card of %s", id)
	w.cards[id] = card.TS
	w.insist("approve "+id, func() (sandbox.Outcome, error) {
		for _, b := range card.Buttons() {
			if b.Label == "Approve" {
				return w.Click(w.t.Context(), sandbox.Click{User: "bob", Channel: card.Channel, TS: card.TS, ActionID: b.ActionID, BlockID: b.BlockID})
			}
		}
		return sandbox.Outcome{}, nil
	}, func() bool { return w.state(id) == approvals.Approved })
	return id
}

// ended waits until a job succeeded.
func (w *fault) ended(id string) {
	w.t.Helper()
	var j engine.Job
	require.True(w.t, w.until(faultWait, func() bool {
		var err error
		j, err = storage.NewJournal(w.store).Job(w.t.Context(), id)
		return err == nil && j.State.Final()
	}), "job %s is %s", id, j.State)
	require.Equal(w.t, engine.JobSucceeded, j.State, j.Reason)
	require.Len(w.t, j.Steps, faultTables)
	for _, s := range j.Steps {
		require.Equal(w.t, engine.StepDone, s.State, s.Plan.Table)
	}
	require.Empty(w.t, j.Settings)
}

var rebuildOfJob = regexp.MustCompile(`ALTER /\* recycler job=(\S+) step=(\d+) \*/`)

// sent counts the statements of a job in the server's own record, by step.
func (w *fault) sent(id string) map[string]int {
	w.t.Helper()
	log, err := w.target.GeneralLog()
	require.NoError(w.t, err)
	n := map[string]int{}
	for _, m := range rebuildOfJob.FindAllStringSubmatch(log, -1) {
		if m[1] == id {
			n[m[2]]++
		}
	}
	return n
}

// right looks at everything that must be as if nothing had gone wrong.
func (w *fault) right(ids ...string) {
	w.t.Helper()
	ctx := w.t.Context()
	once := map[string]int{}
	for i := range faultTables {
		once[fmt.Sprint(i+1)] = 1
	}
	for _, id := range ids {
		w.ended(id)
		require.Equal(w.t, once, w.sent(id), "%s: each table once, by the server's word", id)
		require.EqualValues(w.t, 1, w.number("SELECT COUNT(*) FROM reviews WHERE request_id = $1 AND decision = 'approve'", id))
		w.told(id)
	}
	require.EqualValues(w.t, len(ids), w.number("SELECT COUNT(*) FROM jobs WHERE kind = 'recycle'"))
	require.Zero(w.t, w.number("SELECT COUNT(*) FROM settings WHERE restored = 0"))
	_, err := storage.NewAudit(w.store).Verify(ctx)
	require.NoError(w.t, err)
	var readOnly bool
	var temporary int
	require.NoError(w.t, w.target.DB().QueryRowContext(ctx, "SELECT @@global.read_only").Scan(&readOnly))
	require.True(w.t, readOnly)
	require.NoError(w.t, w.target.DB().QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.INNODB_SYS_TABLESPACES WHERE NAME LIKE '%#sql%'").Scan(&temporary))
	require.Zero(w.t, temporary)
}

// told waits until a job's card says its end, and looks through its thread.
func (w *fault) told(id string) {
	w.t.Helper()
	ts := w.cards[id]
	w.wait(w.t, "the end of "+id, func(m sandbox.Message) bool {
		return m.TS == ts && len(m.Buttons()) == 0 && strings.Contains(m.Plain(), "given back") && strings.Contains(strings.ToLower(m.Text), "done")
	})
	all, err := w.Thread(w.t.Context(), "#db-ops", ts)
	require.NoError(w.t, err)
	said := map[string]int{}
	for _, m := range all {
		said[m.Plain()]++
	}
	for text, n := range said {
		if strings.Contains(text, "resumed at table") {
			continue // one for each restart
		}
		require.Equal(w.t, 1, n, "%s: said twice: %s", id, text)
	}
}
