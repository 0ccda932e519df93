package engine_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
	"mysql-recycler/engine/throttle"
)

// A run over a cluster: leaves first, one host at a time, the primary left out; a host that fails
// ends the rest.
func TestRollingOverACluster(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "demo", small1)
	w.adjust = func(s *engine.ClusterSettings) { s.MinServing = 1 }
	target, err := w.Find("db")
	require.NoError(t, err)
	_, err = w.planner.Plan(t.Context(), engine.PlanSpec{Target: target})
	var no *engine.Problem
	require.ErrorAs(t, err, &no)
	require.Equal(t, "no_snapshot", no.Code)

	w.discover("db")
	p := w.plan("db")
	var hosts []string
	for _, h := range p.Hosts {
		hosts = append(hosts, h.Name)
	}
	t.Log(hosts, p.Left)
	require.Len(t, hosts, 3)
	last := p.Hosts[2]
	require.Equal(t, "intermediate", string(last.Role), "what is below a server is done before it")
	require.Equal(t, []engine.LeftOut{{Name: "db-1", Reason: "it is the primary; after the next switchover it can be done as a replica", Primary: true}}, p.Left)

	id := w.approved(approvals.Draft{Kind: approvals.KindRecycle, Target: "db", Plan: &p})
	require.Equal(t, []string{id}, w.handed[len(w.handed)-1:], "one host is handed to the queue")
	for i, job := range []string{id, id + ".2", id + ".3"} {
		require.Equal(t, job, w.handed[len(w.handed)-1])
		require.NoError(t, w.dispatcher.Run(t.Context(), job))
		require.Equal(t, engine.JobSucceeded, w.job(job).State, w.job(job).Reason)
		require.Equal(t, p.Hosts[i].Name, w.job(job).Host)
	}
	require.Empty(t, w.sent(0))
	for node := 1; node < 4; node++ {
		require.Len(t, w.sent(node), 1)
		require.Empty(t, w.ownTransactions(node))
	}

	p.Bounds.AtOnce = 2
	again := w.approved(approvals.Draft{Kind: approvals.KindRecycle, Target: "db", Plan: &p})
	require.Equal(t, []string{again, again + ".2"}, w.handed[len(w.handed)-2:], "two at once, when the plan says so")
	_, err = w.facts.Want(t.Context(), again, engine.WantCancel, bob)
	require.NoError(t, err)
	require.NoError(t, w.dispatcher.Run(t.Context(), again))
	require.Equal(t, engine.JobCancelled, w.job(again).State)
	for _, rest := range []string{again + ".2", again + ".3"} {
		require.Equal(t, engine.JobCancelled, w.job(rest).State, "a host that does not succeed ends the rest")
		require.Contains(t, w.job(rest).Reason, "not started, because "+w.job(again).Host+" is cancelled")
	}
}

// A host does not leave service while too few others of its tier serve.
func TestMinServing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+2", small1)
	w.adjust = func(s *engine.ClusterSettings) { s.MinServing = 1 }
	w.options.Disks = func(_, host string) throttle.Outside {
		require.Equal(t, "db-2", host)
		return throttle.Outside{Data: throttle.FirstKnown{throttle.Fixed(9 << 30)}}
	}
	w.dispatcher = engine.NewDispatcher(w.options)
	w.discover("db-2")
	p := w.plan("db-2")
	require.Equal(t, throttle.Free{Data: 9 << 30}, p.Hosts[0].Free, "what was free is on the card")
	id := w.recycle("db-2", p)
	require.NoError(t, w.cluster.Nodes[2].Exec(t.Context(), "STOP SLAVE SQL_THREAD"))
	end := w.background(t.Context(), id)
	require.Eventually(t, func() bool { return len(w.waits(id)) > 0 }, 60*time.Second, 10*time.Millisecond)
	require.Equal(t, "replicas_missing 1 > 0 on db-1: 1 of the replicas must serve beside db-2, 0 do", w.waits(id)[0])
	require.Empty(t, w.sent(1))
	require.NoError(t, w.cluster.Nodes[2].Exec(t.Context(), "START SLAVE SQL_THREAD"))
	require.NoError(t, end())
	require.Equal(t, engine.JobSucceeded, w.job(id).State, w.job(id).Reason)
}

// A table is started only when it is expected to end in the maintenance window.
func TestMaintenanceWindow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", small1)
	w.adjust = func(s *engine.ClusterSettings) {
		s.Bounds.Window = engine.Window{From: "22:00", To: "05:30", Zone: "Europe/Berlin"}
	}
	w.discover("db-2")
	p := w.plan("db-2")
	id := w.recycle("db-2", p)
	var clock atomic.Int64
	clock.Store(time.Date(2026, 3, 3, 4, 29, 59, 0, time.UTC).Unix()) // a second before the end: winter time
	w.options.Now = func() time.Time { return time.Unix(clock.Load(), 0) }
	w.dispatcher = engine.NewDispatcher(w.options)
	end := w.background(t.Context(), id)
	require.Eventually(t, func() bool { return len(w.waits(id)) > 0 }, 60*time.Second, 10*time.Millisecond)
	require.Contains(t, w.waits(id)[0], "maintenance_window 1 min > 0 min on db-2: opens again Tue 22:00 CET")
	require.Empty(t, w.sent(1))
	clock.Store(time.Date(2026, 3, 3, 21, 0, 1, 0, time.UTC).Unix())
	require.NoError(t, end())
	require.Equal(t, engine.JobSucceeded, w.job(id).State, w.job(id).Reason)
}

func TestWindowOpens(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	at := func(s string) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04", s, berlin)
		require.NoError(t, err)
		return v
	}
	night := engine.Window{From: "22:00", To: "05:30", Zone: "Europe/Berlin"}
	weekend := engine.Window{From: "01:00", To: "04:00", Zone: "Europe/Berlin", Days: []string{"sun"}}
	for _, row := range []struct {
		name           string
		w              engine.Window
		now, open, end string
	}{
		{"before midnight", night, "2026-03-03 23:00", "2026-03-03 22:00", "2026-03-04 05:30"},
		{"after midnight", night, "2026-03-04 05:29", "2026-03-03 22:00", "2026-03-04 05:30"},
		{"at its end", night, "2026-03-04 05:30", "2026-03-04 22:00", "2026-03-05 05:30"},
		{"by day", night, "2026-03-04 12:00", "2026-03-04 22:00", "2026-03-05 05:30"},
		{"next week", weekend, "2026-03-22 04:00", "2026-03-29 01:00", "2026-03-29 04:00"},
	} {
		open, end := row.w.Next(at(row.now))
		require.Equal(t, at(row.open).UTC(), open.UTC(), row.name)
		require.Equal(t, at(row.end).UTC(), end.UTC(), row.name)
	}
	open, end := weekend.Next(at("2026-03-29 01:30"))
	require.Equal(t, 2*time.Hour, end.Sub(open), "the night of the change to summer time has an hour less")
	require.Error(t, engine.Window{From: "22", To: "05:00"}.Check())
	require.Error(t, engine.Window{From: "22:00", To: "05:00", Zone: "Mars"}.Check())
	require.Error(t, engine.Window{From: "22:00", To: "05:00", Days: []string{"Sunday"}}.Check())
	require.NoError(t, night.Check())
	require.NoError(t, engine.Window{}.Check())
}

// After a switchover the old primary is seen to be a replica, by walking the cluster and by a
// discovery; who only tried and who is not configured is not.
func TestReplicaNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1+1", small1)
	w.discover("db")
	p := w.plan("db")
	require.Equal(t, "db-1", p.Left[0].Name)
	require.True(t, p.Left[0].Primary)
	now := func(host string, since time.Time, look bool) bool {
		is, err := w.dispatcher.ReplicaNow(t.Context(), "db", host, since, look)
		require.NoError(t, err)
		return is
	}
	begin := time.Now()
	require.False(t, now("db-1", begin, true))
	require.NoError(t, w.cluster.Promote(t.Context(), w.cluster.Nodes[1]))
	require.NoError(t, w.cluster.Demote(t.Context(), w.cluster.Nodes[0], w.cluster.Nodes[1]))
	require.Eventually(t, func() bool { return now("db-1", begin, true) }, 30*time.Second, 100*time.Millisecond)
	require.False(t, now("db-2", begin, true))
	require.False(t, now("db-9", begin, true))
	require.False(t, now("db-1", begin, false), "nobody discovered it since")
	w.discover("db")
	require.True(t, now("db-1", begin, false))
}
