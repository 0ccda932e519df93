package guard_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/engine/topology"
)

// race is a failover tool and a rebuild meeting on one replica.
type race struct {
	l     *lab
	n     int
	topo  topology.Topology
	guard *guard.Guard
	table string
	size  int    // rows of it
	alter string // what follows ALTER TABLE <table>
}

// moments are hooks into a rebuild, nil for none.
type moments struct {
	beforeGuard     func()
	beforeStatement func()
	sent            func() // runs beside the statement
}

// outcome is what came of one rebuild.
type outcome struct {
	permit    error // refusal before the statement
	watch     error // refusal during it
	statement error
	sent      bool
	ended     time.Time
	kills     int
	how       string        // what came of it, in words
	took      time.Duration // the statement
	stall     time.Duration // worst round trip of a SELECT 1 beside it: what the machine itself was late by
}

// run does what the dispatcher does: permit on the executing session, the tagged statement with
// the binary log off, the watch on its own connection, and a kill for what the watch refuses.
func (r *race) run(t *testing.T, m moments) outcome {
	t.Helper()
	ctx := t.Context()
	srv, err := r.l.access.Open(ctx, addr(t, r.l.Nodes[r.n]))
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	sess, err := srv.Session(ctx)
	require.NoError(t, err)
	defer func() { require.NoError(t, sess.Close()) }()
	_, err = sess.ExecContext(ctx, "SET SESSION sql_log_bin=0, SESSION lock_wait_timeout=5")
	require.NoError(t, err)

	var o outcome
	if m.beforeGuard != nil {
		m.beforeGuard()
	}
	e := r.l.expect(t, r.topo, r.n)
	if _, o.permit = r.guard.Permit(ctx, sess, r.topo, e); o.permit != nil {
		return o
	}
	if m.beforeStatement != nil {
		m.beforeStatement()
	}
	tag := fmt.Sprintf("recycle race=%d", rand.Uint64())
	watchCtx, done := context.WithCancel(ctx)
	defer done()
	group, groupCtx := errgroup.WithContext(watchCtx)
	group.Go(func() error {
		o.watch = watch(groupCtx, r.guard, srv, r.topo, e, 100*time.Millisecond)
		for o.watch != nil && watchCtx.Err() == nil { // a kill may come before the statement or in a phase that ignores it
			if err := srv.KillQuery(watchCtx, sess.ID, tag); err == nil {
				o.kills++
			}
			select {
			case <-watchCtx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
		return nil
	})
	group.Go(func() error { o.stall = r.stall(watchCtx); return nil })
	var failover errgroup.Group
	if m.sent != nil {
		failover.Go(func() error { m.sent(); return nil })
	}
	o.sent = true
	begin := time.Now()
	_, o.statement = sess.ExecContext(ctx, fmt.Sprintf("ALTER /* %s */ TABLE %s %s", tag, r.table, r.alter))
	o.ended = time.Now()
	o.took = o.ended.Sub(begin)
	require.NoError(t, failover.Wait()) // a promotion planned for later than the end still happens
	done()
	require.NoError(t, group.Wait())
	return o
}

// stall measures how long the machine lets a trivial statement wait, so that a loaded test machine
// is not taken for a slow guard.
func (r *race) stall(ctx context.Context) (worst time.Duration) {
	for ctx.Err() == nil {
		begin := time.Now()
		_, _ = r.l.Nodes[r.n].DB().ExecContext(ctx, "DO 1")
		worst = max(worst, time.Since(begin))
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	return worst
}

// record is what the server itself says of its history and its files.
type record struct {
	executed string
	readOnly bool
	strays   []string
}

// record asks the node over root's socket.
func (r *race) record(t *testing.T) record {
	t.Helper()
	n := r.l.Nodes[r.n]
	q := "SELECT @@global.gtid_executed"
	if r.l.Flavor == mysqltest.MariaDB {
		q = "SELECT @@global.gtid_binlog_state"
	}
	var rec record
	require.NoError(t, n.DB().QueryRowContext(t.Context(), q).Scan(&rec.executed))
	require.NoError(t, n.DB().QueryRowContext(t.Context(), "SELECT @@global.read_only").Scan(&rec.readOnly))
	require.NoError(t, filepath.WalkDir(n.Dir, func(path string, _ os.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(filepath.Base(path), "#sql-") && filepath.Base(filepath.Dir(path)) == "own" {
			rec.strays = append(rec.strays, path)
		}
		return nil // files come and go while we look
	}))
	return rec
}

// rows counts the table, which must be whole whatever happened.
func (r *race) rows(t *testing.T) (n int) {
	t.Helper()
	require.NoError(t, r.l.Nodes[r.n].DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+r.table).Scan(&n))
	return n
}

// promote is the failover; it returns when the node takes writes.
func (r *race) promote(t *testing.T) time.Time {
	t.Helper()
	require.NoError(t, r.l.Promote(t.Context(), r.l.Nodes[r.n]))
	return time.Now()
}

// demote makes the node a replica again, with super_read_only lifted as during a rebuild.
func (r *race) demote(t *testing.T) {
	t.Helper()
	n := r.l.Nodes[r.n]
	require.NoError(t, r.l.Demote(t.Context(), n, r.l.Nodes[0]))
	r.lift(t)
	sess := r.l.session(t, r.n)
	require.Eventually(t, func() bool { // until it has read from its source, it is rightly refused
		_, err := r.guard.Permit(t.Context(), sess, r.topo, r.l.expect(t, r.topo, r.n))
		return err == nil
	}, 20*time.Second, 20*time.Millisecond)
}

// lift takes super_read_only away, as the rebuild does before its first statement.
func (r *race) lift(t *testing.T) {
	t.Helper()
	if r.l.Flavor != mysqltest.MariaDB {
		require.NoError(t, r.l.Nodes[r.n].Exec(t.Context(), "SET GLOBAL super_read_only=0"))
	}
}

// newRace makes a table that exists on the replica alone, so that nothing of it replicates.
func newRace(t *testing.T, l *lab, topo topology.Topology, n, rows, indexes int, alter string) *race {
	t.Helper()
	r := &race{l: l, n: n, topo: topo, guard: guard.Default(guard.ExternalConfig{}), table: "own.t", size: rows, alter: alter}
	r.lift(t)
	columns, values, keys := "", "", ""
	for k := range indexes {
		columns += fmt.Sprintf(", k%d INT UNSIGNED NOT NULL", k)
		keys += fmt.Sprintf(", ADD KEY (k%d)", k)
		values += fmt.Sprintf(", CRC32(n*%d)", 2*k+3)
	}
	source := fmt.Sprintf("SELECT seq AS n FROM own.seq_1_to_%d", rows)
	if l.Flavor != mysqltest.MariaDB {
		source = fmt.Sprintf("WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM s WHERE n < %d) SELECT n FROM s", rows)
	}
	depth := ""
	if l.Flavor != mysqltest.MariaDB {
		depth = fmt.Sprintf("SET SESSION cte_max_recursion_depth=%d; ", rows+1)
	}
	require.NoError(t, l.Nodes[n].Exec(t.Context(), depth+"SET SESSION sql_log_bin=0; CREATE DATABASE own;"+
		" CREATE TABLE own.t (id BIGINT NOT NULL PRIMARY KEY, pad VARCHAR(200) NOT NULL"+columns+");"+
		" INSERT INTO own.t SELECT n, REPEAT('x', 180)"+values+" FROM ("+source+") AS numbers;"+
		" ALTER TABLE own.t "+strings.TrimPrefix(keys, ", ")))
	return r
}

// double makes the table twice as large, out of itself.
func (r *race) double(t *testing.T) {
	t.Helper()
	require.NoError(t, r.l.Nodes[r.n].Exec(t.Context(), fmt.Sprintf("SET SESSION sql_log_bin=0;"+
		" CREATE TEMPORARY TABLE own.more AS SELECT * FROM own.t; UPDATE own.more SET id = id + %d;"+
		" INSERT INTO own.t SELECT * FROM own.more; DROP TEMPORARY TABLE own.more", r.size)))
	r.size *= 2
}

// check holds what must be true after any race that the node was promoted in: it is still a
// writable server, nothing of ours is in its history, no file is left, and the table is whole.
func (r *race) check(t *testing.T, before record, o outcome, rows int) {
	t.Helper()
	after := r.record(t)
	require.False(t, after.readOnly, "nothing of ours makes a promoted server read-only")
	require.Equal(t, before.executed, after.executed, "nothing of ours is in its binary log")
	require.Empty(t, after.strays)
	require.Equal(t, rows, r.rows(t))
	if o.statement != nil {
		require.EqualValues(t, 1317, dbconn.Code(o.statement), "%v", o.statement)
	}
}

// deadline is how soon after a promotion the statement has to be gone.
const deadline = time.Second

// A failover meets a rebuild: before the guard, between guard and statement, and in fixed and
// random moments of the statement.
func TestFailoverRaces(t *testing.T) {
	t.Parallel()
	for _, o := range mysqltest.Matrix(mysqltest.MariaDB, mysqltest.MySQL) {
		o.Shape = "1+2"
		t.Run(string(o.Flavor), func(t *testing.T) {
			t.Parallel()
			l := start(t, o)
			topo := l.walk(t, 0)
			for n := 1; n <= 2; n++ {
				t.Run(l.Nodes[n].Name, func(t *testing.T) {
					t.Parallel()
					races(t, newRace(t, l, topo, n, raceRows, 2, "FORCE, ALGORITHM=INPLACE, LOCK=NONE"))
				})
			}
		})
	}
}

// Size of the race: rows of the table, and rounds in random moments per replica (four replicas).
const (
	raceRows   = 60_000
	raceRounds = 10
	longRows   = 110_000 // about 6 s on a slow machine; doubled where that is not enough
)

// races runs all moments on one replica.
func races(t *testing.T, r *race) {
	calm := r.run(t, moments{})
	require.NoError(t, calm.permit)
	require.NoError(t, calm.statement, "without a failover the rebuild ends well")
	require.NoError(t, calm.watch)

	before := r.record(t)
	o := r.run(t, moments{beforeGuard: func() { r.promote(t) }})
	require.Error(t, o.permit)
	require.False(t, o.sent, "nothing is sent to a server promoted before the guard was asked")
	var refused *guard.Refused
	require.ErrorAs(t, o.permit, &refused)
	require.GreaterOrEqual(t, len(refused.Verdict.Reasons()), 3)
	r.check(t, before, o, raceRows)
	r.demote(t)

	r.during(t, "between guard and statement", func(promote func()) moments { return moments{beforeStatement: promote} })
	ends := map[string]int{}
	for k := range raceRounds {
		wait := rand.N(calm.took * 8 / 10) // of what a statement takes here; the last fifth can often not be stopped
		if k == 0 {
			wait = min(wait, 100*time.Millisecond)
		}
		o := r.during(t, fmt.Sprintf("%s into it", wait.Round(time.Millisecond)), func(promote func()) moments {
			return moments{sent: func() { time.Sleep(wait); promote() }} // the moment is the point here, not a hope
		})
		ends[o.how]++
	}
	t.Logf("%s: a statement takes %s; ends of %d promotions: %v", r.l.Nodes[r.n].Name, calm.took.Round(time.Millisecond), raceRounds, ends)
	require.GreaterOrEqual(t, ends["killed"], raceRounds/4, "promotions met statements that ran, and ended them: %v", ends)
}

// during runs one rebuild with a promotion in it and holds the promise.
func (r *race) during(t *testing.T, when string, hooks func(promote func()) moments) outcome {
	t.Helper()
	before := r.record(t)
	var promoted time.Time
	o := r.run(t, hooks(func() { promoted = r.promote(t) }))
	require.NoError(t, o.permit)
	late := o.ended.Sub(promoted)
	o.how = "killed"
	switch {
	case o.statement == nil && o.ended.Before(promoted):
		o.how = "over before"
	case o.statement == nil:
		o.how = "ended well, the kill came too late or was ignored"
	}
	t.Logf("%s %s: %s, %s after the promotion, %d kills, worst round trip %s",
		r.l.Nodes[r.n].Name, when, o.how, late.Round(time.Millisecond), o.kills, o.stall.Round(time.Millisecond))
	if o.statement != nil {
		var refused *guard.Refused
		require.ErrorAs(t, o.watch, &refused, "the watch said why")
	}
	require.Less(t, late, deadline+4*o.stall, "worst round trip %s", o.stall)
	r.check(t, before, o, r.size)
	r.demote(t)
	return o
}

// Promotions 1 s and 5 s into a long rebuild.
func TestFailoverInLongRebuild(t *testing.T) {
	t.Parallel()
	l := start(t, mysqltest.Options{Flavor: mysqltest.MySQL, Shape: "1+1"})
	r := newRace(t, l, l.walk(t, 0), 1, longRows, 10, "FORCE, ALGORITHM=COPY, LOCK=SHARED")
	for _, wait := range []time.Duration{time.Second, 5 * time.Second} {
		into := func() outcome {
			return r.during(t, fmt.Sprintf("%s into it", wait), func(promote func()) moments {
				return moments{sent: func() { time.Sleep(wait); promote() }}
			})
		}
		o := into()
		for o.statement == nil { // this machine was done with it before
			r.double(t)
			o = into()
		}
	}
}
