package engine_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/mysqltest"
)

// flaky is a real store that can stop answering, and counts the discoveries read.
type flaky struct {
	engine.RecallStore
	away error
	read int
}

func (f *flaky) NewestLook(ctx context.Context, cluster, host string) (engine.Look, error) {
	if f.away != nil {
		return engine.Look{}, f.away
	}
	return f.RecallStore.NewestLook(ctx, cluster, host)
}

func (f *flaky) Discovery(ctx context.Context, id string) (engine.Discovery, error) {
	f.read++
	return f.RecallStore.Discovery(ctx, id)
}

// What is known of a host comes from memory, from the store when another node found something
// newer, and from the disk when the store is away at the start; a refusal of a job refuses the next
// plan until the host is discovered again, also on a node that did not see it, and no permission
// is ever taken from any of it.
func TestWhatIsRemembered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", mysqltest.TableSpec{Schema: "shop", Name: "orders", Rows: 20_000, DeletePercent: 70})
	ctx := t.Context()
	store, now, dir := &flaky{RecallStore: w.journal}, time.Now(), filepath.Join(t.TempDir(), "seen")
	refusals := guard.NewCache(time.Hour, func() time.Time { return now })
	node := func(r *guard.Cache) *engine.Recall {
		return engine.NewRecall(engine.RecallOptions{Store: store, Keep: time.Minute, Refusals: r, Refuse: time.Hour, Dir: dir, Now: func() time.Time { return now }})
	}
	recall := node(refusals)
	guards := func(string) *guard.Guard { return guard.Default(guard.ExternalConfig{}).Remember(refusals) }
	w.planner.Discoveries, w.planner.Refusals, w.options.Guards = recall, recall, guards
	other := engine.NewDispatcher(w.options) // saves past this node's recall
	w.options.Discoveries = recall
	w.dispatcher = engine.NewDispatcher(w.options)

	_, err := recall.NewestDiscovery(ctx, "db", "db-2")
	require.ErrorIs(t, err, engine.ErrNotFound)
	w.discover("db-2")
	first, err := recall.NewestDiscovery(ctx, "db", "db-2")
	require.NoError(t, err)
	for range 3 {
		again, err := recall.NewestDiscovery(ctx, "db", "")
		require.NoError(t, err)
		require.Equal(t, first.ID, again.ID)
	}
	require.Zero(t, store.read, "what this node saved is in its memory, whoever asks for it")
	now = now.Add(time.Minute)
	_, err = recall.NewestDiscovery(ctx, "db", "db-2")
	require.NoError(t, err)
	require.Equal(t, 1, store.read, "memory has a time limit")

	w.dispatcher = other
	w.discover("db-2")
	newer, err := recall.NewestDiscovery(ctx, "db", "db-2")
	require.NoError(t, err)
	require.NotEqual(t, first.ID, newer.ID, "what another node found is seen at once")

	store.away = errors.New("the database is away")
	for _, r := range []*engine.Recall{recall, node(nil)} { // memory, and a cold start
		d, err := r.NewestDiscovery(ctx, "db", "db-2")
		require.NoError(t, err)
		require.Equal(t, newer.ID, d.ID)
	}
	_, err = recall.NewestDiscovery(ctx, "other", "")
	require.ErrorContains(t, err, "the database is away")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "db.json"), []byte("{"), 0o600))
	_, err = node(nil).NewestDiscovery(ctx, "db", "")
	require.ErrorContains(t, err, "snapshot", "a broken snapshot is no answer")
	store.away = nil
	reads := recall.Reads()
	require.Positive(t, reads[engine.Read{What: "discovery", Layer: "memory", Hit: true}])
	require.EqualValues(t, 2, reads[engine.Read{What: "discovery", Layer: "store", Hit: true}])
	require.EqualValues(t, 1, reads[engine.Read{What: "discovery", Layer: "disk", Hit: false}])

	job := w.recycle("db-2", w.plan("db-2"))
	target, err := w.Find("db-2")
	require.NoError(t, err)
	spec := engine.PlanSpec{Target: target}
	require.NoError(t, w.cluster.Nodes[1].Exec(ctx, "SET GLOBAL read_only = 0")) // behind our back
	require.NoError(t, w.dispatcher.Run(ctx, job))
	require.Equal(t, engine.JobRefused, w.job(job).State)
	for name, r := range map[string]*engine.Recall{"this node": recall, "another node": node(guard.NewCache(time.Hour, time.Now))} {
		w.planner.Refusals = r
		_, err = w.planner.Plan(ctx, spec)
		var no *engine.Problem
		require.ErrorAs(t, err, &no, name)
		require.Equal(t, "host_refused", no.Code, name)
		require.Contains(t, no.Reasons[0], "read_only", name)
	}
	require.Positive(t, recall.Reads()[engine.Read{What: "refusal", Layer: "memory", Hit: true}])
	require.NoError(t, w.cluster.Nodes[1].Exec(ctx, "SET GLOBAL read_only = 1"))
	w.discover("db-2")
	p := w.plan("db-2") // the discovery is newer than the refusal

	// The permission is asked for on the server, whatever memory says.
	job = w.recycle("db-2", p)
	refusals.Note(w.job(job).Plan.Hosts[0].Identity, guard.Verdict{Findings: []guard.Finding{{Validator: "read_only", Refused: true, Sentence: "x", At: now}}})
	require.NoError(t, w.dispatcher.Run(ctx, job))
	require.Equal(t, engine.JobSucceeded, w.job(job).State)
	_, refused := refusals.Refusal(w.job(job).Plan.Hosts[0].Identity)
	require.False(t, refused, "an allowed host is remembered as nothing")
}
