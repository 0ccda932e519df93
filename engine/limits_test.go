package engine_test

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/throttle"
)

// eventually waits for what must come to be.
func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	require.Eventually(w.t, ok, 60*time.Second, 20*time.Millisecond, what)
}

// waited reports whether a request was held back by a reason that contains a text.
func (w *world) waited(id, text string) bool {
	w.t.Helper()
	return strings.Contains(strings.Join(w.waits(id), "\n"), text)
}

// Two tables go at once only where the new files of both fit, and nobody's word about the disk is no
// room.
func TestTwoTablesAtOnceNeedRoomForBoth(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", small1, small2)
	w.adjust = func(s *engine.ClusterSettings) { s.Parallel, s.LockWait = 2, 5*time.Minute }
	var free atomic.Int64
	w.options.Disks = func(string, string) throttle.Outside {
		return throttle.Outside{Data: throttle.FirstKnown{throttle.Fixed(free.Load())}}
	}
	w.dispatcher = engine.NewDispatcher(w.options)
	w.discover("db-2")
	p := w.plan("db-2")
	require.Equal(t, 2, p.Parallel)
	both := p.Hosts[0].Steps[0].High + p.Hosts[0].Steps[1].High
	for _, c := range []struct {
		free int64
		why  string // the second table waits for the first; empty: it does not
	}{
		{both - 1, "disk_free "},
		{0, "disk_free unknown on db-2: nobody tells what is free, so tables go one after the other"},
		{both, ""},
	} {
		free.Store(c.free)
		id := w.recycle("db-2", p)
		release := w.holds(1, "shop.carts", "shop.visits")
		end := w.background(t.Context(), id)
		w.running(1)
		if c.why == "" {
			w.eventually("both run at once", func() bool { return w.ours(1) == 2 })
		} else {
			w.eventually("the second table waits", func() bool { return w.waited(id, c.why) })
			require.Equal(t, 1, w.ours(1))
		}
		release()
		require.NoError(t, end())
		require.Equal(t, engine.JobSucceeded, w.job(id).State, w.job(id).Reason)
	}
}

// writes changes a row of a table on the primary.
func (w *world) writes(table string) {
	w.t.Helper()
	require.NoError(w.t, w.cluster.Nodes[0].Exec(w.t.Context(), "UPDATE "+table+" SET payload = CONCAT(UUID(), LEFT(payload, 10)) ORDER BY id LIMIT 1"))
}

// lag writes into a table on the primary until the replica, where something holds it, is behind.
func (w *world) lag(table string, seconds int) {
	w.t.Helper()
	w.eventually("the replica falls behind", func() bool { w.writes(table); return w.behind() >= seconds })
}

// behind is the lag of the replica by its own status, in seconds.
func (w *world) behind() (seconds int) {
	w.t.Helper()
	show, column := "SHOW SLAVE STATUS", "Seconds_Behind_Master"
	if w.cluster.Flavor == mysqltest.MySQL {
		show, column = "SHOW REPLICA STATUS", "Seconds_Behind_Source"
	}
	rows, err := w.cluster.Nodes[1].DB().QueryContext(w.t.Context(), show)
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, rows.Close()) }()
	names, err := rows.Columns()
	require.NoError(w.t, err)
	for rows.Next() {
		texts, values := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range values {
			values[i] = &texts[i]
		}
		require.NoError(w.t, rows.Scan(values...))
		seconds, err = strconv.Atoi(texts[slices.Index(names, column)].String)
		require.NoError(w.t, err)
	}
	require.NoError(w.t, rows.Err())
	return seconds
}

// fulltext gives a table an index that cannot be rebuilt without a lock, and deletes rows of it: adding
// the index has packed the table.
func (w *world) fulltext(table string) {
	w.t.Helper()
	for _, sql := range []string{"ALTER TABLE " + table + " ADD FULLTEXT INDEX words (payload)", "DELETE FROM " + table + " WHERE id % 4 > 0"} {
		require.NoError(w.t, w.cluster.Nodes[0].Exec(w.t.Context(), sql))
	}
	require.NoError(w.t, w.cluster.WaitReplicated(w.t.Context()))
	require.NoError(w.t, w.cluster.WaitPurged(w.t.Context()))
}

// The lag that a rebuild makes by blocking writes was approved with it and does not have it killed;
// the lag that meets an online rebuild does, and not for ever.
func TestCriticalLag(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", small1, small2)
	w.fulltext("shop.visits")
	w.policy.AllowCopy = true
	w.adjust = func(s *engine.ClusterSettings) {
		s.LockWait, s.MinGain, s.MinShare, s.Tolerance = 5*time.Minute, 1, 0.01, 9 // a small file grows by steps
		s.Limits = throttle.Limits{MaxLag: time.Second, CriticalLag: 2 * time.Second}
	}
	w.discover("db-2")
	p := w.plan("db-2")
	steps := p.Hosts[0].Steps
	run := func(table string) (id string, release func(), end func() error) {
		p.Hosts[0].Steps = nil
		for _, s := range steps {
			if s.Table == table {
				p.Hosts[0].Steps = append(p.Hosts[0].Steps, s)
				p.Hosts[0].Steps[0].Seq = 1
			}
		}
		require.Len(t, p.Hosts[0].Steps, 1)
		id, release = w.recycle("db-2", p), w.holds(1, "shop."+table)
		end = w.background(t.Context(), id)
		w.running(1)
		return id, release, end
	}

	id, release, end := run("visits")
	require.True(t, w.job(id).Steps[0].Plan.Method.Blocks())
	w.lag("shop.visits", 6) // two looks of the throttle beyond the limit
	require.Equal(t, 1, w.ours(1), "what was approved goes on")
	release()
	require.NoError(t, end())
	require.Equal(t, engine.JobSucceeded, w.job(id).State, w.job(id).Reason)
	require.Equal(t, 1, w.job(id).Steps[0].Runs)
	require.NoError(t, w.cluster.WaitReplicated(t.Context()))

	id, release, end = run("carts")
	ended := make(chan error, 1)
	go func() { ended <- end() }()
	for over := false; !over; { // each statement waits for the table, and the applier behind it
		if w.ours(1) > 0 {
			w.writes("shop.carts")
		}
		select {
		case err := <-ended:
			require.NoError(t, err)
			over = true
		case <-time.After(500 * time.Millisecond):
		}
	}
	release()
	j := w.job(id)
	require.Equal(t, engine.JobFailed, j.State)
	require.Equal(t, engine.StepFailed, j.Steps[0].State)
	require.Contains(t, j.Steps[0].Reason, "A critical limit was broken: replica_lag")
	require.Equal(t, 4, j.Steps[0].Runs, "tried again three times, and no further")
	require.Zero(t, w.ours(1))
}

// What a plan may do is what the policy says when it is made, and what runs is what the plan says.
func TestPlanFollowsPolicyAndServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", small1, small2)
	w.fulltext("shop.visits")
	w.policy.AllowCopy = true
	w.discover("db-2")
	require.Len(t, w.plan("db-2").Hosts[0].Steps, 2)
	w.policy.AllowCopy = false
	p := w.plan("db-2")
	require.Len(t, p.Hosts[0].Steps, 1, "a permission that was taken back since the discovery is none")

	upgraded := p
	upgraded.Hosts = []engine.HostPlan{p.Hosts[0]}
	upgraded.Hosts[0].Version = "MariaDB 10.6.1"
	id := w.recycle("db-2", upgraded)
	require.NoError(t, w.dispatcher.Run(t.Context(), id))
	require.Equal(t, engine.JobRefused, w.job(id).State)
	require.Contains(t, w.job(id).Reason, "the plan was made for MariaDB 10.6.1")

	id = w.recycle("db-2", p)
	w.fulltext("shop.carts")
	require.NoError(t, w.dispatcher.Run(t.Context(), id))
	require.Equal(t, engine.StepSkipped, w.job(id).Steps[0].State)
	require.Contains(t, w.job(id).Steps[0].Reason, "the table was altered since the plan was made and would be rebuilt in another way: its FULLTEXT index needs a lock")
	require.Empty(t, w.sent(1))
}

// One host of a cluster at a time, whoever asked.
func TestHostsOfAClusterAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+2", small1)
	w.adjust = func(s *engine.ClusterSettings) { s.LockWait = 5 * time.Minute }
	w.discover("db")
	first, second := w.recycle("db-2", w.plan("db-2")), w.recycle("db-3", w.plan("db-3"))
	release := w.holds(1, "shop.carts")
	end := w.background(t.Context(), first)
	w.running(1)
	other := w.background(t.Context(), second)
	w.eventually("the other host waits", func() bool { return w.waited(second, "hosts_at_once 2 > 1 on db: db-2 ("+first+")") })
	require.Empty(t, w.sent(2))
	release()
	require.NoError(t, end())
	require.NoError(t, other())
	require.Equal(t, engine.JobSucceeded, w.job(second).State, w.job(second).Reason)
}

// unsure is a validator that cannot tell while it is on.
type unsure struct{ on atomic.Bool }

func (*unsure) Name() string { return "unsure" }

func (u *unsure) Judge(_ context.Context, s guard.Subject) guard.Finding {
	f := guard.Finding{Validator: u.Name(), Sentence: "the inventory does not answer", At: s.Instance.At}
	f.Refused, f.Unknown = u.on.Load(), u.on.Load()
	return f
}

// super_read_only is not left off, and nobody is told of a promotion, because a source of truth was
// away when it was to be put back.
func TestSettingsAreRestoredWhenTheGuardKnowsAgain(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, mysqltest.Options{Flavor: mysqltest.MySQL, Shape: "1+1", GeneralLog: true}, small1)
	away := &unsure{}
	w.options.Guards = func(string) *guard.Guard { return guard.Default(guard.ExternalConfig{}, away) }
	w.dispatcher = engine.NewDispatcher(w.options)
	w.adjust = func(s *engine.ClusterSettings) { s.LockWait = 5 * time.Minute }
	w.discover("db-2")
	id := w.recycle("db-2", w.plan("db-2"))
	release := w.holds(1, "shop.carts")
	end := w.background(t.Context(), id)
	w.running(1)
	_, err := w.facts.Want(t.Context(), id, engine.WantPauseNow, alice)
	require.NoError(t, err)
	away.on.Store(true)
	w.eventually("the statement is gone", func() bool { return w.ours(1) == 0 })
	release()
	time.Sleep(2 * time.Second) // long enough for a wrong answer: a look takes milliseconds
	require.Equal(t, "0", w.variable(1, "super_read_only"), "nobody knows whether it may be switched on")
	require.NotEqual(t, engine.JobPaused, w.job(id).State)
	away.on.Store(false)
	w.state(id, engine.JobPaused)
	require.Equal(t, "1", w.variable(1, "super_read_only"))
	require.Empty(t, w.alerts(id))
	_, err = w.facts.Want(t.Context(), id, engine.WantRun, alice)
	require.NoError(t, err)
	require.NoError(t, end())
	require.Equal(t, engine.JobSucceeded, w.job(id).State, w.job(id).Reason)
}

// A host that was taken out of service comes back when it has caught up, not before.
func TestBackInServiceWhenCaughtUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", small1, small2)
	first, _ := w.hooks()
	hooks := w.adjust
	w.adjust = func(s *engine.ClusterSettings) { hooks(s); s.LockWait, s.Limits.MaxLag = 5*time.Minute, 2*time.Second }
	w.discover("db-2")
	p := w.plan("db-2")
	p.Hosts[0].Steps = p.Hosts[0].Steps[:1]
	require.Equal(t, "carts", p.Hosts[0].Steps[0].Table)
	id := w.recycle("db-2", p)
	release := w.holds(1, "shop.carts")
	end := w.background(t.Context(), id)
	w.running(1)
	tx, err := w.cluster.Nodes[1].DB().BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	_, err = tx.ExecContext(t.Context(), "SELECT id FROM shop.visits FOR UPDATE")
	require.NoError(t, err)
	w.lag("shop.visits", 4)
	release()
	w.eventually("it waits to catch up", func() bool { return w.waited(id, "replica_lag ") })
	require.Equal(t, []string{"before_node db-2"}, w.asked(first))
	require.Equal(t, engine.StepDone, w.job(id).Steps[0].State)
	require.NoError(t, tx.Rollback())
	require.NoError(t, end())
	require.Equal(t, []string{"after_node db-2"}, w.asked(first))
	require.Equal(t, engine.JobSucceeded, w.job(id).State, w.job(id).Reason)
}

// Where the policy lets a primary be rebuilt, it is in mode binlog-on, and the statement replicates.
func TestLoggedRebuildOfAPrimary(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "chain3", small1)
	w.policy.AllowPrimary = true
	w.adjust = func(s *engine.ClusterSettings) { s.Mode = rebuild.BinlogOn }
	w.discover("db-1")
	w.adjust = nil
	target, err := w.Find("db-1")
	require.NoError(t, err)
	_, err = w.planner.Plan(t.Context(), engine.PlanSpec{Target: target})
	var no *engine.Problem
	require.ErrorAs(t, err, &no)
	require.Equal(t, "db-1 is the primary of db, where a rebuild is allowed in mode binlog-on only.", no.Text)
	p, err := w.planner.Plan(t.Context(), engine.PlanSpec{Target: target, Mode: rebuild.BinlogOn})
	require.NoError(t, err)
	id := w.recycle("db-1", p)
	require.NoError(t, w.dispatcher.Run(t.Context(), id))
	require.Equal(t, engine.JobSucceeded, w.job(id).State, w.job(id).Reason)
	require.NoError(t, w.cluster.WaitReplicated(t.Context()))
	for node := range 3 {
		require.Equal(t, w.job(id).Steps[0].After, w.bytes(node, "shop.carts"), "db-%d", node+1)
		require.Len(t, w.sent(node), 1, "sent to the primary, and by it to the rest")
	}
	require.NotEmpty(t, w.ownTransactions(0))

	// On a replica it would make a transaction that the primary does not have.
	w.policy.AllowPrimary = false
	w.discover("db-2")
	target, err = w.Find("db-2")
	require.NoError(t, err)
	_, err = w.planner.Plan(t.Context(), engine.PlanSpec{Target: target, Mode: rebuild.BinlogOn, MinGain: 1, MinShare: 0.0001})
	require.ErrorAs(t, err, &no)
	require.Equal(t, "host_refused", no.Code)
	require.Contains(t, strings.Join(no.Reasons, " "), "GTID")
}
