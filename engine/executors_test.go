package engine_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"mysql-recycler/engine"
	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/engine/plugin"
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/tablespace"
)

// The account of executors in these tests, and what our own needs beside its usual rights.
const (
	oscUser = "recycler_osc"
	oscPass = "the-executor-s-secret"
)

// executed is a world with tables a to h, of which executors rebuild every one.
func executed(t *testing.T) *world {
	t.Helper()
	var specs []mysqltest.TableSpec
	for _, name := range strings.Split("abcdefgh", "") {
		specs = append(specs, mysqltest.TableSpec{Schema: "shop", Name: name, Rows: 15_000, RowBytes: 200, DeletePercent: 60})
	}
	w := newWorld(t, "1+1", specs...)
	primary := w.cluster.Nodes[0]
	require.NoError(t, primary.CreateUser(t.Context(), oscUser, oscPass, "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, TRIGGER, PROCESS, "+
		"BINLOG MONITOR, SLAVE MONITOR, SUPER, BINLOG ADMIN, READ ONLY ADMIN ON *.*"))
	require.NoError(t, primary.Exec(t.Context(), "GRANT CONNECTION ADMIN, TRIGGER ON *.* TO recycler@'%'"))
	require.NoError(t, w.cluster.WaitReplicated(t.Context()))
	require.NoError(t, os.WriteFile(w.login(), []byte("[client]\nuser="+oscUser+"\npassword="+oscPass+"\n"), 0o600))
	return w
}

func (w *world) login() string { return filepath.Join(w.dir, "osc.cnf") }

// ptOSC is the example that is shipped.
func ptOSC(login string) plugin.Spec {
	script, err := filepath.Abs("../configs/plugins/pt-online-schema-change")
	if err != nil {
		panic(err)
	}
	return plugin.Spec{Name: "pt-osc", Kind: plugin.Executor, Command: []string{"/usr/bin/perl", script}, Env: map[string]string{"PT_DEFAULTS": login}, Account: oscUser, Always: true}
}

// use makes one executor the only one and plans one table with it.
func (w *world) use(s plugin.Spec, table string) engine.Plan {
	w.t.Helper()
	set := plugin.NewSet()
	set.Add(s, zaptest.NewLogger(w.t))
	w.options.Plugins, w.planner.Plugins = set, set
	w.dispatcher = engine.NewDispatcher(w.options)
	target, err := w.Find("db-2")
	require.NoError(w.t, err)
	p, err := w.planner.Plan(w.t.Context(), engine.PlanSpec{Target: target, Filter: tablespace.Filter{Schemas: []string{"shop"}, Tables: []string{table}}})
	require.NoError(w.t, err)
	require.Len(w.t, p.Hosts[0].Steps, 1)
	require.Equal(w.t, rebuild.Plugin, p.Hosts[0].Steps[0].Method.Kind, p.Hosts[0].Steps[0].Method.Reason)
	return p
}

// traces counts what an executor could have left of a table on a server, and its sessions.
func (w *world) traces(node int, table string) (n int) {
	w.t.Helper()
	require.NoError(w.t, w.cluster.Nodes[node].DB().QueryRowContext(w.t.Context(), `SELECT
		(SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME IN (?, ?)) +
		(SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_TABLE = ?) +
		(SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = ?)`, "_"+table+"_new", "_"+table+"_old", table, oscUser).Scan(&n))
	return n
}

// hold keeps pt-online-schema-change from making its triggers, however fast the machine is; the
// answer lets it go on.
func (w *world) hold(table string) func() {
	w.t.Helper()
	conn, err := w.cluster.Nodes[1].DB().Conn(w.t.Context())
	require.NoError(w.t, err)
	_, err = conn.ExecContext(w.t.Context(), "LOCK TABLES shop."+table+" READ")
	require.NoError(w.t, err)
	return func() {
		_, err := conn.ExecContext(w.t.Context(), "UNLOCK TABLES")
		require.NoError(w.t, err)
		require.NoError(w.t, conn.Close())
	}
}

// held waits until it stands there.
func (w *world) held() {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		var n int
		err := w.cluster.Nodes[1].DB().QueryRowContext(w.t.Context(),
			"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = ? AND INFO LIKE 'CREATE TRIGGER%'", oscUser).Scan(&n)
		return err == nil && n == 1
	}, 60*time.Second, 5*time.Millisecond, "the executor does not come to its triggers")
}

// Tables rebuilt by pt-online-schema-change, with what the server says of it; and what becomes of
// executors that lie, break, escape or lose us.
func TestExecutors(t *testing.T) {
	t.Parallel()
	w := executed(t)
	w.discover("db-2")
	w.withPTOSC(t)
	w.cancelled(t)
	w.orphaned(t)
	w.liars(t)
	require.True(t, w.readOnly(1))
	require.NoError(t, w.cluster.WaitReplicated(t.Context()), "the applier runs")
}

func (w *world) withPTOSC(t *testing.T) {
	t.Helper()
	p := w.use(ptOSC(w.login()), "a")
	m := p.Hosts[0].Steps[0].Method
	require.Equal(t, "pt-osc", m.Executor)
	require.Regexp(t, `^1\.0\+3\.`, m.Version)
	require.True(t, m.StopSQL)
	other := p
	other.Hosts = []engine.HostPlan{p.Hosts[0]}
	other.Hosts[0].Steps = []engine.PlannedStep{p.Hosts[0].Steps[0]}
	other.Hosts[0].Steps[0].Method.Version = "another"
	require.NotEqual(t, other.Digest(), p.Digest(), "the approver approves the version too")
	refused := w.recycle("db-2", other)
	require.NoError(t, w.dispatcher.Run(t.Context(), refused))
	require.Equal(t, engine.JobFailed, w.job(refused).State)
	require.Contains(t, w.job(refused).Steps[0].Reason, "another was approved")

	id := w.recycle("db-2", p)
	require.NoError(t, w.dispatcher.Run(t.Context(), id))
	j := w.job(id)
	require.Equal(t, engine.JobSucceeded, j.State, j.Reason)
	s := j.Steps[0]
	require.Equal(t, rebuild.Done, s.Outcome)
	require.Equal(t, s.After, w.bytes(1, "shop.a"), "measured on the server")
	require.Less(t, s.After, s.Before)
	require.NotNil(t, s.Rows)
	require.Equal(t, s.Rows.Before, s.Rows.After)
	require.Zero(t, w.traces(1, "a"))
	require.Empty(t, w.sent(1), "no statement of ours")
	require.Empty(t, w.ownTransactions(1))
	require.Empty(t, j.Settings)
}

// cancelled stops an executor in the middle: nothing of it is left.
func (w *world) cancelled(t *testing.T) {
	t.Helper()
	p := w.use(ptOSC(w.login()), "b")
	id := w.recycle("db-2", p)
	release := w.hold("b")
	end := w.background(t.Context(), id)
	w.held()
	before := w.bytes(1, "shop.b")
	_, err := w.facts.Want(t.Context(), id, engine.WantCancel, bob)
	require.NoError(t, err)
	require.NoError(t, end())
	release()
	require.Equal(t, engine.JobCancelled, w.job(id).State, w.job(id).Reason)
	require.Equal(t, engine.StepPending, w.job(id).Steps[0].State)
	require.Zero(t, w.traces(1, "b"))
	require.Equal(t, before, w.bytes(1, "shop.b"))
	require.Empty(t, w.job(id).Settings)
}

// orphaned kills our process under an executor: the next one ends what is left of the first before it
// starts a second.
func (w *world) orphaned(t *testing.T) {
	t.Helper()
	p := w.use(ptOSC(w.login()), "c")
	id := w.recycle("db-2", p)
	release := w.hold("c")
	text, err := json.Marshal(order{DB: w.url(), Job: id, Hosts: w.access.Hosts, Login: w.login()})
	require.NoError(t, err)
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), envChild+"="+string(text))
	require.NoError(t, c.Start())
	w.held()
	require.NoError(t, c.Process.Kill())
	require.Error(t, c.Wait())
	require.Equal(t, engine.StepRunning, w.job(id).Steps[0].State)
	require.NotZero(t, w.traces(1, "c"), "the dead executor left something")
	release()

	c = exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), envChild+"="+string(text))
	out, err := c.CombinedOutput()
	require.NoError(t, err, string(out))
	j := w.job(id)
	require.Equal(t, engine.JobSucceeded, j.State, j.Reason+j.Steps[0].Reason)
	if j.Steps[0].Outcome == rebuild.Done {
		require.Equal(t, j.Steps[0].Rows.Before, j.Steps[0].Rows.After)
	} else { // the dead one's last statement came to its end on the server; its rows were not counted before
		require.Equal(t, rebuild.Adopted, j.Steps[0].Outcome)
	}
	require.Zero(t, w.traces(1, "c"))
	require.NoError(t, w.cluster.WaitReplicated(t.Context()))
	log, err := w.cluster.Nodes[1].GeneralLog()
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(log, "RENAME TABLE `shop`.`c` TO"), "one of the two came to its end")
}

// liars are executors that do other than they say. The server's word counts.
func (w *world) liars(t *testing.T) {
	t.Helper()
	script, err := filepath.Abs("testdata/executor.sh")
	require.NoError(t, err)
	for n, row := range []struct {
		behaviour string
		job       engine.JobState
		want      string
	}{
		{"lies", engine.JobFailed, "The executor liar says that it rebuilt the table, and the server shows that it did not."},
		{"escapes", engine.JobFailed, "The plugin liar says no to rebuild: it has had enough. The table is as it was."},
		{"denies", engine.JobSucceeded, "The executor did not report success; the server shows that the table was rebuilt as it should be."},
		{"alters", engine.JobFailed, "is defined otherwise after the executor liar worked on it."},
		{"loses", engine.JobFailed, "rows before the rebuild and has"},
		{"litters", engine.JobFailed, "The executor liar left _h_new behind."},
		{"logs", engine.JobRefused, "is written to: transactions of its own"},
	} {
		table := []string{"d", "d", "d", "e", "f", "h", "g"}[n]
		p := w.use(plugin.Spec{Name: "liar", Kind: plugin.Executor, Command: []string{"/bin/sh", script, row.behaviour, w.login()}, Account: oscUser, Always: true}, table)
		id := w.recycle("db-2", p)
		require.NoError(t, w.dispatcher.Run(t.Context(), id))
		j := w.job(id)
		require.Equal(t, row.job, j.State, "%s: %s %s", row.behaviour, j.Reason, j.Steps[0].Reason)
		require.Contains(t, j.Steps[0].Reason+j.Reason, row.want, row.behaviour)
		require.Empty(t, j.Settings)
		var sessions int
		require.NoError(t, w.cluster.Nodes[1].DB().QueryRowContext(t.Context(),
			"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = ?", oscUser).Scan(&sessions))
		require.Zero(t, sessions, "%s has sessions left", row.behaviour)
	}
	require.NotContains(t, fmt.Sprint(w.kinds("")), oscPass)
}

// childPlugins are those of a process that a test kills.
func childPlugins(o order) *plugin.Set {
	set := plugin.NewSet()
	if o.Login != "" {
		set.Add(ptOSC(o.Login), zap.NewNop())
	}
	addHooks(set, o.Hooks...)
	return set
}
