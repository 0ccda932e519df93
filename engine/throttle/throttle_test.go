package throttle

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/engine/topology"
)

// The whole story of a throttle on a real replica, one thing after the other.
func TestThrottle(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		superReadOnlyOff(t, e)
		require.NoError(t, e.primary.Exec(t.Context(), "CREATE DATABASE shop"))
		require.NoError(t, e.primary.Exec(t.Context(), "CREATE TABLE shop.t (id INT PRIMARY KEY, v INT)"))
		require.NoError(t, e.primary.Exec(t.Context(), "CREATE TABLE shop.other (id INT PRIMARY KEY)"))
		require.NoError(t, e.primary.Exec(t.Context(), "INSERT INTO shop.t VALUES (1, 0)"))
		require.NoError(t, e.WaitReplicated(t.Context()))
		t.Run("quiet", func(t *testing.T) { e.quiet(t) })
		t.Run("calm", func(t *testing.T) { e.calm(t) })
		t.Run("lag", func(t *testing.T) { e.lag(t) })
		t.Run("downstream", func(t *testing.T) { e.downstream(t) })
		t.Run("transactions", func(t *testing.T) { e.transactions(t) })
		t.Run("neighbour", func(t *testing.T) { e.neighbour(t) })
		t.Run("load", func(t *testing.T) { e.load(t) })
		t.Run("heartbeat", func(t *testing.T) { e.heartbeat(t) })
		t.Run("disk", func(t *testing.T) { e.disk(t) })
	})
}

// superReadOnlyOff lets root write on the replica.
func superReadOnlyOff(t *testing.T, e *env) {
	t.Helper()
	if e.Flavor == mysqltest.MySQL {
		require.NoError(t, e.replica.Exec(t.Context(), "SET GLOBAL super_read_only = 0"))
	}
}

var table = Table{Schema: "shop", Name: "t"}

// everything limits all there is, at bounds a quiet server keeps.
var everything = Limits{MaxLag: 5 * time.Second, CriticalLag: time.Minute, ThreadsRunning: 100, HistoryLength: 1_000_000, LongTrx: time.Second, DiskFree: 1}

func (e *env) quiet(t *testing.T) {
	th := New(everything, e.node(), []Node{e.node()}, Disks{Data: Fixed(1 << 40)})
	v := th.Check(t.Context(), table)
	require.False(t, v.Throttled, v.String())
	require.NoError(t, th.Wait(t.Context(), table, func(v Verdict) { t.Error("told of", v) }))
}

// calm: what concerns the server as a whole is asked once for many tables that start within a second, and
// again after it.
func (e *env) calm(t *testing.T) {
	asked := func() (n int) {
		rows, err := e.replica.DB().QueryContext(t.Context(), "SHOW GLOBAL STATUS WHERE Variable_name IN ('Com_show_slave_status', 'Com_show_replica_status')")
		require.NoError(t, err)
		defer func() { require.NoError(t, rows.Close()) }()
		for rows.Next() {
			var name string
			var times int
			require.NoError(t, rows.Scan(&name, &times))
			n += times
		}
		require.NoError(t, rows.Err())
		return n
	}
	th := New(everything, e.node(), nil, Disks{})
	require.False(t, th.Check(t.Context(), table).Throttled)
	first := asked()
	for range 5 {
		require.False(t, th.With(Disks{Data: Fixed(1 << 40)}).Check(t.Context(), table).Throttled)
	}
	require.Equal(t, first, asked())
	require.True(t, th.With(Disks{Data: Fixed(1)}).Check(t.Context(), Table{Schema: "shop", Name: "t", NeedBytes: 1}).Throttled, "what concerns the table is asked each time")
	e.applier(t, false)
	defer e.applier(t, true)
	require.Eventually(t, func() bool { return th.Check(t.Context(), table).Throttled }, 3*calmFor, 50*time.Millisecond)
	require.True(t, th.Check(t.Context(), table).Throttled, "nothing else is remembered")
}

// lag: a stopped applier is not "no lag", neither before a start nor when told to ignore it; beside
// a running statement it is not a reason to kill.
func (e *env) lag(t *testing.T) {
	th := New(everything, e.node(), nil, Disks{})
	e.applier(t, false)
	v := th.Check(t.Context(), table)
	require.True(t, v.Throttled)
	require.False(t, v.Critical)
	require.Equal(t, MetricLag, v.Reasons[0].Metric)
	require.Contains(t, v.String(), "replica_lag unknown on "+e.replica.Name+": its applier is stopped")
	own := table
	own.ApplierStopped = true
	require.False(t, th.Check(t.Context(), own).Throttled)
	e.applier(t, true)
	require.Eventually(t, func() bool { return !th.Check(t.Context(), table).Throttled }, 20*time.Second, 50*time.Millisecond)

	// Real lag: the applier waits for a lock that we hold.
	hold := e.begin(t, "SELECT * FROM shop.t FOR UPDATE")
	require.NoError(t, e.primary.Exec(t.Context(), "UPDATE shop.t SET v = v + 1"))
	tight := New(Limits{MaxLag: time.Second, CriticalLag: 2 * time.Second}, e.node(), nil, Disks{})
	tight.every = 100 * time.Millisecond
	start := time.Now()
	err := tight.During(t.Context(), table)
	var critical *Critical
	require.ErrorAs(t, err, &critical)
	require.Greater(t, time.Since(start), time.Second)
	require.Regexp(t, `replica_lag \d+ s > 1 s on `+e.replica.Name, critical.Error())
	require.NotEmpty(t, critical.Hint())
	require.True(t, tight.Check(t.Context(), table).Critical)

	var looks atomic.Int64
	tight.disks.Data = &looked{&looks}
	var told []Verdict
	done := make(chan error, 1)
	go func() { done <- tight.Wait(t.Context(), table, func(v Verdict) { told = append(told, v) }) }()
	// Several looks, one telling: the lag grows, the reason is the same.
	require.Eventually(t, func() bool { return looks.Load() >= 5 }, 20*time.Second, 10*time.Millisecond)
	held := looks.Load()
	hold()
	require.NoError(t, <-done)
	require.True(t, told[0].Throttled)
	require.False(t, told[len(told)-1].Throttled, "the end of waiting is told")
	require.Less(t, int64(len(told)), held, "fewer tellings than looks while nothing changed")

	// The delay a replica keeps on purpose is no lag.
	delayed := e.node()
	delayed.Delay = time.Hour
	lag, err := Lag(t.Context(), delayed)
	require.NoError(t, err)
	require.Zero(t, lag)
}

// downstream: a replica below that does not answer holds a start back; the reason has words and no
// addresses.
func (e *env) downstream(t *testing.T) {
	below := Node{Server: e.open(t, e.replica), Name: "db-below", Replica: true}
	require.NoError(t, e.replica.Pause())
	defer func() { require.NoError(t, e.replica.Continue()) }()
	target := Node{Server: e.open(t, e.primary), Name: e.primary.Name}
	th := New(Limits{MaxLag: time.Second}, target, []Node{below}, Disks{})
	v := th.Check(t.Context(), table)
	require.True(t, v.Throttled)
	require.Contains(t, v.String(), "replica_lag unknown on db-below: ")
	require.NotContains(t, v.String(), e.replica.Host)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	require.ErrorIs(t, th.During(ctx, table), context.DeadlineExceeded, "not being able to look is no reason to kill")
}

// load: threads running and the history list, against bounds that any server breaks.
func (e *env) load(t *testing.T) {
	n, err := status(t.Context(), e.node(), "Threads_running")
	require.NoError(t, err)
	require.Positive(t, n)
	th := New(Limits{ThreadsRunning: 1}, e.node(), nil, Disks{})
	ends := []func(){e.sleeper(t), e.sleeper(t)}
	require.Eventually(t, func() bool { return th.Check(t.Context(), table).Throttled }, 10*time.Second, 20*time.Millisecond)
	require.Regexp(t, `threads_running \d+ > 1 on `, th.Check(t.Context(), table).String())
	for _, end := range ends {
		end()
	}
	end := e.begin(t, "SELECT v FROM shop.t") // keeps purge from going on
	for range 40 {
		e.local(t, "UPDATE shop.t SET v = v + 1")
	}
	th = New(Limits{HistoryLength: 5}, e.node(), nil, Disks{})
	require.Eventually(t, func() bool { return th.Check(t.Context(), table).Throttled }, 10*time.Second, 50*time.Millisecond)
	require.Regexp(t, `history_length \d+ > 5 on `, th.Check(t.Context(), table).String())
	end()
}

// sleeper is a session that runs until it is ended.
func (e *env) sleeper(t *testing.T) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = e.replica.Exec(ctx, "DO SLEEP(15)")
	}()
	return func() { cancel(); <-done }
}

// heartbeat: the age of pt-heartbeat's row is the lag; no row is not "no lag".
func (e *env) heartbeat(t *testing.T) {
	require.NoError(t, e.primary.Exec(t.Context(), "CREATE TABLE shop.heartbeat (server_id INT PRIMARY KEY, ts VARCHAR(26) NOT NULL)"))
	require.NoError(t, e.WaitReplicated(t.Context()))
	n := e.node()
	n.Heartbeat = topology.Heartbeat{Table: "shop.heartbeat", UTC: true}
	_, err := Lag(t.Context(), n)
	require.EqualError(t, err, "the heartbeat table is empty")
	require.NoError(t, e.primary.Exec(t.Context(), "INSERT INTO shop.heartbeat VALUES (1, UTC_TIMESTAMP(6) - INTERVAL 90 SECOND)"))
	require.NoError(t, e.WaitReplicated(t.Context()))
	lag, err := Lag(t.Context(), n)
	require.NoError(t, err)
	require.InDelta(t, 90, lag.Seconds(), 10)

	// A heartbeat from the future, as a wrong heartbeat_utc makes it east of Greenwich, is not "no lag".
	require.NoError(t, e.primary.Exec(t.Context(), "UPDATE shop.heartbeat SET ts = UTC_TIMESTAMP(6) + INTERVAL 8 HOUR - INTERVAL 90 SECOND"))
	require.NoError(t, e.WaitReplicated(t.Context()))
	v := New(Limits{MaxLag: time.Second}, n, nil, Disks{}).Check(t.Context(), table)
	require.True(t, v.Throttled)
	require.Contains(t, v.String(), "replica_lag unknown on "+e.replica.Name+": the heartbeat of server_id 1 lies in the future: heartbeat_utc does not fit")

	n.Heartbeat.Table = "shop.nothing"
	th := New(Limits{MaxLag: time.Second}, n, nil, Disks{})
	require.Contains(t, th.Check(t.Context(), table).String(), "(error 1146)")
}

// Heartbeats of machines east of Greenwich: the same rule for the throttle and for discovery, and a
// lag of eight hours is eight hours. The server's own time_zone is another one still.
func TestHeartbeatZones(t *testing.T) {
	t.Setenv("TZ", "CST-8")
	c := mysqltest.MustStart(t, mysqltest.Options{Flavor: mysqltest.MariaDB, Shape: "1+1", ServerArgs: []string{"--default-time-zone=-05:00"}})
	require.NoError(t, c.CreateRecycler(t.Context(), testUser, testPass))
	require.NoError(t, c.Nodes[0].Exec(t.Context(), "CREATE DATABASE percona; CREATE TABLE percona.heartbeat (ts VARCHAR(26) NOT NULL, server_id INT UNSIGNED NOT NULL PRIMARY KEY)"))
	e := &env{Cluster: c, primary: c.Nodes[0], replica: c.Nodes[1]}
	e.srv = e.open(t, e.replica)
	n := e.node()
	access := &dbconn.Access{User: testUser, Password: func() (string, error) { return testPass, nil },
		Hosts: []dbconn.Host{{Name: "replica", Addr: dbconn.Addr{Host: e.replica.Host, Port: e.replica.Port}}}}
	for _, row := range []struct {
		name    string
		zone    time.Duration // of what pt-heartbeat writes
		utc     bool          // heartbeat_utc
		age     time.Duration
		unknown bool
	}{
		{"local", 8 * time.Hour, false, time.Second, false},
		{"local, hours late", 8 * time.Hour, false, 8*time.Hour + time.Second, false},
		{"utc", 0, true, time.Second, false},
		{"utc, hours late", 0, true, 8*time.Hour + time.Second, false},
		{"local, said to be utc", 8 * time.Hour, true, time.Second, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			ts := time.Now().UTC().Add(row.zone - row.age).Format("2006-01-02T15:04:05.000000")
			require.NoError(t, e.primary.Exec(t.Context(), "REPLACE INTO percona.heartbeat VALUES (?, @@server_id)", ts))
			require.NoError(t, e.WaitReplicated(t.Context()))
			n.Heartbeat = topology.Heartbeat{Table: "percona.heartbeat", UTC: row.utc}
			lag, err := Lag(t.Context(), n)
			topo, walked := topology.Discover(t.Context(), access, access.Hosts[0].Addr, topology.Options{Heartbeat: n.Heartbeat})
			require.NoError(t, walked)
			i, ok := topo.Find("replica")
			require.True(t, ok)
			seen, known := i.Lag()
			require.Equal(t, !row.unknown, known)
			if row.unknown {
				require.ErrorContains(t, err, "lies in the future")
				require.Contains(t, fmt.Sprint(topo.Warnings), "replica: its lag is not known: the heartbeat of server_id")
				return
			}
			require.NoError(t, err)
			require.InDelta(t, row.age.Seconds(), lag.Seconds(), 10)
			require.InDelta(t, row.age.Seconds(), seen.Seconds, 10)
			require.Equal(t, topology.FromHeartbeat, seen.From)
		})
	}
}

// disk: what is needed and what must stay free are added; who should know and fails holds a start
// back; nobody knowing does not.
func (e *env) disk(t *testing.T) {
	big := Table{Schema: "shop", Name: "t", NeedBytes: 10 << 30}
	l := Limits{DiskFree: 2 << 30}
	of := func(p DiskProbe) *Throttle { return New(l, e.node(), nil, Disks{Data: p}) }
	v := of(Fixed(11<<30)).Check(t.Context(), big)
	require.Equal(t, "disk_free 11.0 GiB < 12.0 GiB on "+e.replica.Name, v.String())
	require.False(t, of(Fixed(12<<30)).Check(t.Context(), big).Throttled)
	require.False(t, of(nil).Check(t.Context(), big).Throttled)
	broken := place{err: &told{}}
	require.Equal(t, "disk_free unknown on "+e.replica.Name+": The plugin space is ill", of(broken).Check(t.Context(), big).String())
	require.False(t, of(FirstKnown{broken, Fixed(1 << 50)}).Check(t.Context(), big).Throttled)

	// Temporary files have a disk of their own, or share one: then all must fit. Without a reserve
	// the files themselves must.
	big.TempBytes = 3 << 30
	both := func(l Limits, data, temp DiskProbe) Verdict {
		return New(l, e.node(), nil, Disks{Data: data, Temp: temp}).Check(t.Context(), big)
	}
	require.Equal(t, "tmp_free 2.0 GiB < 3.0 GiB on "+e.replica.Name, both(l, Fixed(12<<30), Fixed(2<<30)).String())
	require.False(t, of(Fixed(12<<30)).Check(t.Context(), big).Throttled, "unknown, as the card says")
	on := func(path string) place { return place{s: Space{Bytes: 14 << 30, Known: true, On: path}} }
	require.Equal(t, "disk_free 14.0 GiB < 15.0 GiB on "+e.replica.Name, both(l, on("/"), on("/")).String())
	require.False(t, both(l, on("/"), on("/tmp")).Throttled)
	require.False(t, both(Limits{}, on("/"), on("/")).Throttled)
	require.Equal(t, "tmp_free 1.0 GiB < 3.0 GiB on "+e.replica.Name, both(Limits{}, Fixed(10<<30), Fixed(1<<30)).String())
	require.Equal(t, "disk_free 9.0 GiB < 10.0 GiB on "+e.replica.Name, both(Limits{}, Fixed(9<<30), nil).String())

	th := of(Fixed(1<<30 - 1))
	th.every = 10 * time.Millisecond
	var critical *Critical
	require.ErrorAs(t, th.During(t.Context(), big), &critical)

	probe := DisksPlugin{Server: e.srv}
	space, err := probe.Free(t.Context())
	require.NoError(t, err)
	require.False(t, space.Known, "nothing is installed for it")
	if e.Flavor != mysqltest.MariaDB {
		return
	}
	require.NoError(t, e.replica.Exec(t.Context(), "INSTALL SONAME 'disks'"))
	space, err = probe.Free(t.Context())
	require.NoError(t, err)
	require.False(t, space.Known, "reading it needs FILE")
	e.local(t, "GRANT FILE ON *.* TO "+testUser)
	srv := e.open(t, e.replica)
	for _, temp := range []bool{false, true} {
		space, err = (DisksPlugin{Server: srv, Temp: temp}).Free(t.Context())
		require.NoError(t, err)
		require.True(t, space.Known)
		require.Positive(t, space.Bytes)
		require.Contains(t, space.On, "mounted on /")
	}
	require.Positive(t, Disks{Data: DisksPlugin{Server: srv}}.Ask(t.Context()).Data)
}

// looked is a disk that counts how often it is asked.
type looked struct{ times *atomic.Int64 }

func (l *looked) Free(context.Context) (Space, error) {
	l.times.Add(1)
	return Space{}, nil
}

// place is a probe that knows what it is given.
type place struct {
	s   Space
	err error
}

func (p place) Free(context.Context) (Space, error) { return p.s, p.err }

// told is an error for people.
type told struct{}

func (*told) Error() string    { return "exit status 3" }
func (*told) Sentence() string { return "The plugin space is ill." }

func TestReason(t *testing.T) {
	t.Parallel()
	r := Reason{Metric: MetricLag, Value: 14, Limit: 10, Unit: "s", Where: "db-prod-3"}
	require.Equal(t, "replica_lag 14 s > 10 s on db-prod-3", r.String())
	r.Value, r.Limit = 1.25, 0.5
	require.Equal(t, "replica_lag 1.2 s > 0.5 s on db-prod-3", r.String())
	r = Reason{Metric: MetricDiskFree, Value: 512, Limit: 200 << 20, Unit: "B", Where: "db-1"}
	require.Equal(t, "disk_free 512 B < 200 MiB on db-1", r.String())
	a := Verdict{Throttled: true, Reasons: []Reason{r}}
	b := a
	b.Reasons = []Reason{{Metric: MetricDiskFree, Value: 1, Where: "db-1"}}
	require.True(t, a.same(b))
	b.Reasons = []Reason{{Metric: MetricDiskFree, Value: -1, Where: "db-1"}}
	require.False(t, a.same(b))
	require.Equal(t, "nothing holds it back", Verdict{}.String())
}

// A replica that never was one has no lag to read.
func TestLagOfPrimary(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		_, err := Lag(t.Context(), Node{Server: e.open(t, e.primary), Name: "p"})
		require.EqualError(t, err, "it has no replication source")
		require.Zero(t, dbconn.Code(err))
	})
}
