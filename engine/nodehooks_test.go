package engine_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"mysql-recycler/engine"
	"mysql-recycler/engine/plugin"
	"mysql-recycler/engine/rebuild"
)

// hooks gives the world two node hooks; the answer is where each writes down what it was asked.
func (w *world) hooks() (first, second string) {
	set := plugin.NewSet()
	files := []string{filepath.Join(w.dir, "first"), filepath.Join(w.dir, "second")}
	addHooks(set, files...)
	w.options.Plugins = set
	w.dispatcher = engine.NewDispatcher(w.options)
	w.adjust = func(s *engine.ClusterSettings) { s.Plugins.Hooks = []string{"first", "second"} }
	return files[0], files[1]
}

// addHooks adds hooks that write down in files what they are asked.
func addHooks(set *plugin.Set, files ...string) {
	script, err := filepath.Abs("testdata/hook.sh")
	if err != nil {
		panic(err)
	}
	for _, file := range files {
		set.Add(plugin.Spec{Name: filepath.Base(file), Kind: plugin.Hook, Command: []string{"/bin/sh", script, file}}, zap.NewNop())
	}
}

// asked is what a hook was asked since the last time.
func (w *world) asked(file string) []string {
	w.t.Helper()
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(w.t, err)
	require.NoError(w.t, os.Remove(file))
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// written waits until a hook has written down what it was asked; its file is made a moment before.
func written(t *testing.T, file string) {
	t.Helper()
	require.Eventually(t, func() bool {
		info, err := os.Stat(file)
		return err == nil && info.Size() > 0
	}, 60*time.Second, 5*time.Millisecond)
}

// A node is taken out of service before its first statement and put back after the last, however
// the job ends and whoever comes next.
func TestNodeHooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", small1)
	first, second := w.hooks()
	whole := []string{"before_node db-2", "after_node db-2"}
	w.discover("db-2")
	require.Empty(t, w.asked(first), "a discovery changes nothing")
	p := w.plan("db-2")
	require.Equal(t, []string{"first", "second"}, p.Plugins.Hooks)
	plain := p
	plain.Plugins = engine.PluginPlan{}
	require.NotEqual(t, plain.Digest(), p.Digest(), "the approver approves the hooks too")

	id := w.recycle("db-2", p)
	require.NoError(t, w.dispatcher.Run(t.Context(), id))
	require.Equal(t, engine.JobSucceeded, w.job(id).State, w.job(id).Reason)
	require.Equal(t, whole, w.asked(first))
	require.Equal(t, whole, w.asked(second))
	kinds := w.kinds(id)
	require.Equal(t, []engine.EventKind{engine.EventSettingChanged, engine.EventSettingChanged, engine.EventStepStarted},
		kinds[len(kinds)-7:len(kinds)-4], "told, and written down, before the first statement: %v", kinds)
	require.Empty(t, w.job(id).Settings)

	// One that says no to before: the host is not touched, and nothing stays half out.
	require.NoError(t, os.WriteFile(second+".no", []byte("before_node"), 0o600))
	sent := len(w.sent(1))
	no := w.recycle("db-2", p)
	require.NoError(t, w.dispatcher.Run(t.Context(), no))
	require.Equal(t, engine.JobRefused, w.job(no).State)
	require.Equal(t, "db-2 could not be taken out of service", w.job(no).Reason)
	require.Len(t, w.sent(1), sent)
	require.Equal(t, whole, w.asked(first))
	require.Equal(t, whole, w.asked(second), "it may be half out")
	require.Empty(t, w.job(no).Settings)

	// One that says no to after: the job says so, the other hook is asked all the same, and the sweep
	// goes on asking.
	require.NoError(t, os.WriteFile(second+".no", []byte("after_node"), 0o600))
	stuck := w.recycle("db-2", p)
	require.NoError(t, w.dispatcher.Run(t.Context(), stuck))
	require.Equal(t, engine.JobFailed, w.job(stuck).State)
	require.Equal(t, whole, w.asked(first))
	require.Equal(t, whole, w.asked(second))
	require.Contains(t, strings.Join(w.notices(stuck), "\n"), "db-2 may still be out of service. The plugin second says no to after_node: the balancer is away.")
	require.Len(t, w.job(stuck).Settings, 1)
	require.Error(t, w.dispatcher.Sweep(t.Context()))
	require.NoError(t, os.Remove(second+".no"))
	require.NoError(t, w.dispatcher.Sweep(t.Context()))
	require.Empty(t, w.job(stuck).Settings)
	require.Equal(t, []string{"after_node db-2", "after_node db-2"}, w.asked(second))
	require.Empty(t, w.asked(first))
	require.Contains(t, w.notices(stuck), "db-2, left out of service when "+stuck+" ended, is back in service (second).")

	// A process that died with the node out: the next job on the host finds it.
	w.leave(stuck, rebuild.Change{Name: "hook:first", Before: "in service", After: "out of service"})
	next := w.recycle("db-2", p)
	require.NoError(t, w.dispatcher.Run(t.Context(), next))
	require.Equal(t, engine.JobSucceeded, w.job(next).State)
	require.Equal(t, append([]string{"after_node db-2"}, whole...), w.asked(first))
	w.asked(second)

	// A plan that names a hook nobody configured is not run.
	p.Plugins.Hooks = []string{"first", "gone"}
	gone := w.recycle("db-2", p)
	require.NoError(t, w.dispatcher.Run(t.Context(), gone))
	require.Equal(t, engine.JobRefused, w.job(gone).State)
	require.Contains(t, w.job(gone).Reason, "the approved plan names gone, which is not configured any more")
	require.Empty(t, w.asked(first))
}

// A pause puts the node back into service, the resumption takes it out again; a cancel puts it back.
func TestNodeHooksAcrossAPause(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", small1, small2)
	first, _ := w.hooks()
	w.discover("db-2")
	id := w.recycle("db-2", w.plan("db-2"))
	lock, err := w.cluster.Nodes[1].DB().Conn(t.Context()) // holds the first table back, whatever the machine
	require.NoError(t, err)
	var one int
	require.NoError(t, lock.QueryRowContext(t.Context(), "SELECT GET_LOCK('recycler:0', 10)").Scan(&one))
	end := w.background(t.Context(), id)
	written(t, first)
	_, err = w.facts.Want(t.Context(), id, engine.WantPause, bob)
	require.NoError(t, err)
	w.state(id, engine.JobPaused)
	require.Equal(t, []string{"before_node db-2", "after_node db-2"}, w.asked(first))
	_, err = w.facts.Want(t.Context(), id, engine.WantRun, bob)
	require.NoError(t, err)
	written(t, first)
	_, err = w.facts.Want(t.Context(), id, engine.WantCancel, bob)
	require.NoError(t, err)
	require.NoError(t, end())
	require.NoError(t, lock.Close())
	require.Equal(t, engine.JobCancelled, w.job(id).State)
	require.Equal(t, []string{"before_node db-2", "after_node db-2"}, w.asked(first))
	require.Empty(t, w.sent(1))
}

// Our process is killed when the node is out and no statement was sent. Whoever comes next puts it
// back once: at the end of the work, or at once where a person has cancelled it meanwhile.
func TestKilledBehindTheHooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", small1, small2)
	first, second := w.hooks()
	w.discover("db-2")
	p := w.plan("db-2")
	killed := func() string {
		lock, err := w.cluster.Nodes[1].DB().Conn(t.Context()) // holds the first table back, whatever the machine
		require.NoError(t, err)
		var one int
		require.NoError(t, lock.QueryRowContext(t.Context(), "SELECT GET_LOCK('recycler:0', 10)").Scan(&one))
		id := w.recycle("db-2", p)
		c, out := w.process(order{Job: id, Hooks: []string{first, second}})
		require.NoError(t, c.Start())
		written(t, second)
		require.NoError(t, c.Process.Kill())
		require.EqualError(t, c.Wait(), "signal: killed", out)
		require.Equal(t, engine.JobRunning, w.job(id).State)
		require.Len(t, w.job(id).Settings, 2, "written down before they were asked")
		require.Equal(t, []string{"before_node db-2"}, w.asked(first))
		require.Equal(t, []string{"before_node db-2"}, w.asked(second))
		require.NoError(t, lock.QueryRowContext(t.Context(), "SELECT RELEASE_LOCK('recycler:0')").Scan(&one))
		require.NoError(t, lock.Close())
		return id
	}
	next := func(id string) {
		c, out := w.process(order{Job: id, Hooks: []string{first, second}})
		require.NoError(t, c.Start())
		require.NoError(t, c.Wait(), out)
		require.Empty(t, w.job(id).Settings)
	}

	id := killed()
	_, err := w.facts.Want(t.Context(), id, engine.WantCancel, bob)
	require.NoError(t, err)
	next(id)
	require.Equal(t, engine.JobCancelled, w.job(id).State)
	require.Equal(t, []string{"after_node db-2"}, w.asked(first))
	require.Equal(t, []string{"after_node db-2"}, w.asked(second))
	require.Empty(t, w.sent(1))

	id = killed()
	next(id)
	require.Equal(t, engine.JobSucceeded, w.job(id).State, w.job(id).Reason)
	require.Equal(t, []string{"before_node db-2", "after_node db-2"}, w.asked(first), "out for the work, and back once")
	require.Equal(t, []string{"before_node db-2", "after_node db-2"}, w.asked(second))
	require.Equal(t, map[string]int{"1": 1, "2": 1}, w.sent(1))
}
