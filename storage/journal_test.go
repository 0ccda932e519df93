package storage

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"mysql-recycler/engine"
	"mysql-recycler/engine/rebuild"
)

// change is one changed setting.
func change(name, before, after string) rebuild.Change {
	return rebuild.Change{Name: name, Before: before, After: after}
}

// running is a job that w1 has just begun.
func running(t *testing.T, db *DB, id string) engine.Lease {
	t.Helper()
	s, _ := newRequests(db)
	approve(t, s, recycle(id, "host-"+id))
	l, err := NewLeases(db).Take(t.Context(), id, "w1", time.Minute)
	require.NoError(t, err)
	require.NoError(t, NewJournal(db).SetJob(t.Context(), l, engine.JobChange{
		From: []engine.JobState{engine.JobQueued}, State: engine.JobRunning, Event: engine.Event{Kind: engine.EventJobStarted},
	}))
	return l
}

func TestJournalStepRoundTrip(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	j := NewJournal(db)
	l := running(t, db, "R-AAAA")
	at := time.Now().UTC().Truncate(time.Millisecond)
	step := engine.Step{
		Seq: 2, State: engine.StepRunning, Before: 900, Runs: 1, Started: at, Took: 1234567 * time.Nanosecond,
		Mark: rebuild.Mark{ServerNow: at, ConnectionID: 77, CreateTime: at.Add(-time.Hour), SpaceID: 5, BeforeBytes: 900},
	}
	require.NoError(t, j.SetStep(t.Context(), l, engine.StepChange{
		From: []engine.StepState{engine.StepPending}, Step: step,
		Event: engine.Event{Kind: engine.EventStepStarted, Data: json.RawMessage(`{"a":1}`)},
	}))
	got, err := j.Job(t.Context(), "R-AAAA")
	require.NoError(t, err)
	step.Plan = got.Steps[1].Plan
	require.Equal(t, "carts", step.Plan.Table)
	require.Equal(t, step, got.Steps[1])
	require.False(t, got.Started.IsZero())
	require.True(t, got.Ended.IsZero())

	err = j.SetStep(t.Context(), l, engine.StepChange{From: []engine.StepState{engine.StepPending}, Step: step})
	var wrong *StateError
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "running", wrong.Is)
	require.ErrorIs(t, j.SetStep(t.Context(), l, engine.StepChange{Step: engine.Step{Seq: 9, State: engine.StepRunning}}), engine.ErrNotFound)

	step.State, step.After, step.Outcome = engine.StepDone, 400, rebuild.Adopted
	require.NoError(t, j.SetStep(t.Context(), l, engine.StepChange{Step: step, Event: engine.Event{Kind: engine.EventTableProcessed}}))
	require.Error(t, j.SetStep(t.Context(), l, engine.StepChange{Step: engine.Step{Seq: 2, State: engine.StepPending}}), "an ended step stays")
	events, err := NewFacts(db).EventsAfter(t.Context(), 4, 10)
	require.NoError(t, err)
	require.Len(t, events, 2)
	require.Equal(t, engine.EventStepStarted, events[0].Kind)
	require.Equal(t, "R-AAAA", events[0].RequestID)
	require.Equal(t, "R-AAAA", events[0].JobID)
	require.Equal(t, 2, events[0].Step)
	require.JSONEq(t, `{"a":1}`, string(events[0].Data))

	require.NoError(t, j.SetJob(t.Context(), l, engine.JobChange{State: engine.JobFailed, Reason: "why", Event: engine.Event{Kind: engine.EventJobFailed}}))
	require.Error(t, j.SetJob(t.Context(), l, engine.JobChange{State: engine.JobRunning}))
	require.NoError(t, j.SetJob(t.Context(), l, engine.JobChange{Event: engine.Event{Kind: engine.EventSettingRestored}}), "facts may follow an end")
	got, err = j.Job(t.Context(), "R-AAAA")
	require.NoError(t, err)
	require.Equal(t, engine.JobFailed, got.State)
	require.Equal(t, "why", got.Reason)
	require.False(t, got.Ended.IsZero())
}

func TestSettingKeepsFirstValue(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	j := NewJournal(db)
	l := running(t, db, "R-AAAA")
	open := func() []engine.Setting {
		job, err := j.Job(t.Context(), "R-AAAA")
		require.NoError(t, err)
		return job.Settings
	}
	set := func(before, after string, restored bool) {
		require.NoError(t, j.SetSetting(t.Context(), l, engine.Setting{Change: change("super_read_only", before, after), Restored: restored},
			engine.Event{Kind: engine.EventSettingChanged}))
	}
	set("ON", "OFF", false)
	set("OFF", "OFF", false) // a second run sees the value of the first
	require.Equal(t, []engine.Setting{{Change: change("super_read_only", "ON", "OFF")}}, open())
	set("", "", true)
	set("", "", true)
	require.Empty(t, open())
	set("ON", "OFF", false)
	require.Len(t, open(), 1)
	require.ErrorIs(t, j.SetSetting(t.Context(), l, engine.Setting{Change: change("unheard_of", "", ""), Restored: true}, engine.Event{}), engine.ErrNotFound)
}

func TestLeaseFencing(t *testing.T) {
	t.Parallel()
	at := time.Now()
	db := newDB(t, WithClock(func() time.Time { return at }))
	j, leases := NewJournal(db), NewLeases(db)
	old := running(t, db, "R-AAAA")
	_, err := leases.Take(t.Context(), "R-AAAA", "w2", time.Minute)
	require.ErrorIs(t, err, engine.ErrLeaseHeld)
	_, err = leases.Take(t.Context(), "R-AAAA", "w1", time.Minute)
	require.ErrorIs(t, err, engine.ErrLeaseHeld, "the same process is another run")
	_, err = leases.Take(t.Context(), "R-NONE", "w1", time.Minute)
	require.ErrorIs(t, err, engine.ErrNotFound)
	_, err = leases.Take(t.Context(), "R-AAAA", "", time.Minute)
	require.Error(t, err)

	at = at.Add(59 * time.Second)
	wanted, err := leases.Renew(t.Context(), old, time.Minute)
	require.NoError(t, err)
	require.Equal(t, engine.WantRun, wanted.Want)
	at = at.Add(59 * time.Second)
	alive, err := leases.Alive(t.Context(), "R-AAAA")
	require.NoError(t, err)
	require.True(t, alive)

	at = at.Add(time.Second)
	require.NoError(t, j.SetJob(t.Context(), old, engine.JobChange{Event: engine.Event{Kind: engine.EventJobNotice}}), "late, but nobody took over")
	heir, err := leases.Take(t.Context(), "R-AAAA", "w2", time.Minute)
	require.NoError(t, err)
	require.Equal(t, old.Epoch+1, heir.Epoch)
	before := dump(t, db)
	forged := heir
	forged.Owner = "w1"
	for name, l := range map[string]engine.Lease{"old": old, "forged": forged, "none": {JobID: "R-AAAA"}, "future": {JobID: "R-AAAA", Owner: "w2", Epoch: 9}} {
		_, renew := leases.Renew(t.Context(), l, time.Minute)
		for what, err := range map[string]error{
			"job":       j.SetJob(t.Context(), l, engine.JobChange{State: engine.JobFailed}),
			"event":     j.SetJob(t.Context(), l, engine.JobChange{Event: engine.Event{Kind: engine.EventJobNotice}}),
			"step":      j.SetStep(t.Context(), l, engine.StepChange{Step: engine.Step{Seq: 1, State: engine.StepRunning}}),
			"setting":   j.SetSetting(t.Context(), l, engine.Setting{Change: change("a", "b", "c")}, engine.Event{}),
			"discovery": j.SaveDiscovery(t.Context(), l, engine.Discovery{ID: "R-AAAA", At: at}),
			"renew":     renew,
			"release":   leases.Release(t.Context(), l),
		} {
			require.ErrorIs(t, err, engine.ErrLeaseLost, "%s %s", name, what)
		}
	}
	require.Equal(t, before, dump(t, db))
	require.NoError(t, leases.Release(t.Context(), heir))
	require.ErrorIs(t, j.SetJob(t.Context(), heir, engine.JobChange{State: engine.JobFailed}), engine.ErrLeaseLost)
	alive, err = leases.Alive(t.Context(), "R-AAAA")
	require.NoError(t, err)
	require.False(t, alive)
	_, err = leases.Take(t.Context(), "R-AAAA", "w3", time.Minute)
	require.NoError(t, err)
	require.NoError(t, db.InTx(t.Context(), leases.EndAll))
	last, err := leases.Take(t.Context(), "R-AAAA", "w4", time.Minute)
	require.NoError(t, err)
	require.EqualValues(t, 4, last.Epoch)
}

// The database's own clock decides without a test's clock.
func TestLeaseDatabaseClock(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	running(t, db, "R-AAAA")
	leases := NewLeases(db)
	require.NoError(t, db.InTx(t.Context(), leases.EndAll))
	_, err := leases.Take(t.Context(), "R-AAAA", "w1", 150*time.Millisecond)
	require.NoError(t, err)
	begin := time.Now()
	require.Eventually(t, func() bool {
		_, err := leases.Take(context.Background(), "R-AAAA", "w2", time.Minute)
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	require.Greater(t, time.Since(begin), 100*time.Millisecond)
}

func TestOneTakes(t *testing.T) {
	t.Parallel()
	dbs := newDBs(t, 2)
	db, second := dbs[0], dbs[1]
	s, _ := newRequests(db)
	approve(t, s, recycle("R-AAAA", "h"))
	var won atomic.Int64
	var g errgroup.Group
	for i := range 100 {
		leases := NewLeases([]*DB{db, second}[i%2])
		g.Go(func() error {
			if _, err := leases.Take(t.Context(), "R-AAAA", "w", time.Minute); err == nil {
				won.Add(1)
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	require.EqualValues(t, 1, won.Load())
}

func TestDiscoveries(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	s, _ := newRequests(db)
	j, leases, facts := NewJournal(db), NewLeases(db), NewFacts(db)
	save := func(id, cluster string, at time.Time, hosts ...engine.HostInventory) {
		r := discover(id, "seed-"+id)
		approve(t, s, r)
		l, err := leases.Take(t.Context(), id, "w", time.Minute)
		require.NoError(t, err)
		require.Error(t, j.SaveDiscovery(t.Context(), l, engine.Discovery{ID: "R-OTHER", Cluster: cluster, At: at}))
		for range 2 { // a run after a crash saves again
			require.NoError(t, j.SaveDiscovery(t.Context(), l, engine.Discovery{ID: id, Cluster: cluster, Target: r.Target, Hosts: hosts, At: at}))
		}
	}
	at := time.Now().UTC().Truncate(time.Millisecond)
	save("R-AAAA", "shop", at, engine.HostInventory{Name: "a"}, engine.HostInventory{Name: "b"})
	save("R-BBBB", "shop", at.Add(time.Minute), engine.HostInventory{Name: "a", Error: "unreachable"}, engine.HostInventory{Name: "b"})
	save("R-CCCC", "mail", at.Add(time.Hour), engine.HostInventory{Name: "c"})
	for _, c := range []struct{ cluster, host, want string }{
		{"shop", "", "R-BBBB"}, {"shop", "a", "R-AAAA"}, {"shop", "b", "R-BBBB"}, {"", "", "R-CCCC"}, {"", "a", "R-AAAA"}, {"mail", "c", "R-CCCC"},
	} {
		d, err := facts.NewestDiscovery(t.Context(), c.cluster, c.host)
		require.NoError(t, err)
		require.Equal(t, c.want, d.ID, "%v", c)
	}
	_, err := j.NewestDiscovery(t.Context(), "shop", "c")
	require.ErrorIs(t, err, engine.ErrNotFound)
	d, err := facts.Discovery(t.Context(), "R-AAAA")
	require.NoError(t, err)
	require.True(t, at.Equal(d.At))
	require.Len(t, d.Hosts, 2)
	_, err = facts.Discovery(t.Context(), "R-NONE")
	require.ErrorIs(t, err, engine.ErrNotFound)
}
