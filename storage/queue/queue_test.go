package queue

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
	"mysql-recycler/storage"
	"mysql-recycler/storage/pgtest"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(childEnv); url != "" {
		os.Exit(child(url))
	}
	if url := os.Getenv(idleEnv); url != "" {
		os.Exit(idle(url, os.Getenv(bareEnv) != ""))
	}
	flag.Parse()
	// These tests wait much more than they work.
	if err := flag.Set("test.parallel", "10"); err != nil {
		panic(err)
	}
	code := m.Run()
	var problems []error
	if server.s != nil {
		problems = append(problems, server.s.Stop())
	}
	problems = append(problems, goleak.Find())
	if err := errors.Join(problems...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// server is one PostgreSQL server for all tests.
var server struct {
	once sync.Once
	s    *pgtest.Server
	err  error
}

// onPostgres reports whether a test runs under TestPostgres, or a benchmark on that database.
func onPostgres(t testing.TB) bool {
	return strings.HasPrefix(t.Name(), "TestPostgres/") || strings.Contains(t.Name(), "/postgres")
}

// fresh is the URL of an empty database of the dialect under test.
func fresh(t testing.TB) string {
	t.Helper()
	if !onPostgres(t) {
		return "sqlite://" + filepath.Join(t.TempDir(), "state.db")
	}
	server.once.Do(func() { server.s, server.err = pgtest.Start(context.Background()) })
	require.NoError(t, server.err)
	url, _, err := server.s.Create(t.Context(), "")
	require.NoError(t, err)
	return url
}

// TestPostgres runs all tests of this package on a real PostgreSQL server.
func TestPostgres(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T){
		"RunsApprovedWork": TestRunsApprovedWork, "StartsAtItsTime": TestStartsAtItsTime, "EnqueueRollsBack": TestEnqueueRollsBack,
		"SnoozesInsteadOfFailing": TestSnoozesInsteadOfFailing, "StopAndGoOn": TestStopAndGoOn, "RowGone": TestRowGone,
		"PauseRegion": TestPauseRegion, "Drain": TestDrain, "RestartAfterKill": TestRestartAfterKill,
		"TakeoverByOtherProcess": TestTakeoverByOtherProcess, "LongJobIsLeftAlone": TestLongJobIsLeftAlone,
		"FrozenWorkerIsFenced": TestFrozenWorkerIsFenced,
	} {
		t.Run(name, test)
	}
}

// wait bounds every poll of these tests; the machine may be busy.
const wait = 60 * time.Second

// open opens a database for a test.
func open(t testing.TB, url string) *storage.DB {
	t.Helper()
	db, err := storage.Open(t.Context(), url, zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// newQueue makes a queue that is stopped with the test, before its database closes.
func newQueue(t testing.TB, db *storage.DB, run func(context.Context, string) error, opts Options) *Queue {
	t.Helper()
	if opts.LeaseTTL == 0 {
		opts.LeaseTTL = 2 * time.Second
	}
	q, err := New(db, run, opts, zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		require.NoError(t, q.Stop(ctx))
	})
	return q
}

// one is the usual choice of regions.
func one() map[string]int { return map[string]int{"": 4} }

// walk is what a runner does to a job: take the lease, say running, work, say succeeded.
func walk(db *storage.DB, owner string, ttl time.Duration, work func(ctx context.Context) error) func(context.Context, string) error {
	journal, leases := storage.NewJournal(db), storage.NewLeases(db)
	return func(ctx context.Context, id string) error {
		l, err := leases.Take(ctx, id, owner, ttl)
		if err != nil {
			return err
		}
		live := []engine.JobState{engine.JobQueued, engine.JobRunning}
		if err := journal.SetJob(ctx, l, engine.JobChange{From: live, State: engine.JobRunning, Event: engine.Event{Kind: engine.EventJobStarted, Actor: owner}}); err != nil {
			return err
		}
		beat, stop := context.WithCancel(ctx)
		var wg sync.WaitGroup
		wg.Go(func() {
			tick := time.NewTicker(ttl / 3)
			defer tick.Stop()
			for {
				select {
				case <-beat.Done():
					return
				case <-tick.C:
					_, _ = leases.Renew(beat, l, ttl)
				}
			}
		})
		err = work(ctx)
		stop()
		wg.Wait()
		if err != nil {
			return errors.Join(err, leases.Release(context.WithoutCancel(ctx), l))
		}
		if err := journal.SetJob(ctx, l, engine.JobChange{State: engine.JobSucceeded, Event: engine.Event{Kind: engine.EventJobCompleted, Actor: owner}}); err != nil {
			return err
		}
		return leases.Release(ctx, l)
	}
}

// stateOf reads the state of a job.
func stateOf(t testing.TB, db *storage.DB, id string) engine.JobState {
	t.Helper()
	j, err := storage.NewJournal(db).Job(context.Background(), id)
	require.NoError(t, err)
	return j.State
}

// ended waits until a job has succeeded.
func ended(t testing.TB, db *storage.DB, id string) {
	t.Helper()
	require.Eventually(t, func() bool { return stateOf(t, db, id) == engine.JobSucceeded }, wait, 20*time.Millisecond, id)
}

// starts lists who started a job, in order.
func starts(t testing.TB, db *storage.DB, id string) []string {
	t.Helper()
	events, err := storage.NewFacts(db).EventsAfter(t.Context(), 0, 1000)
	require.NoError(t, err)
	var who []string
	for _, e := range events {
		if e.JobID == id && e.Kind == engine.EventJobStarted {
			who = append(who, e.Actor)
		}
	}
	return who
}

func nothing(context.Context) error { return nil }

func TestRunsApprovedWork(t *testing.T) {
	t.Parallel()
	db := open(t, fresh(t))
	q := newQueue(t, db, walk(db, "me", time.Second, nothing), Options{Regions: map[string]int{"": 2, "eu": 2}})
	require.NoError(t, q.Start(t.Context()))
	for i := range 6 {
		id := fmt.Sprintf("R-%04d", i)
		approve(t, db, q, id, "host-"+id, []string{"", "eu"}[i%2])
	}
	for i := range 6 {
		id := fmt.Sprintf("R-%04d", i)
		ended(t, db, id)
		require.Equal(t, []string{"me"}, starts(t, db, id))
	}
}

// A failed review must take the River row with it.
func TestEnqueueRollsBack(t *testing.T) {
	t.Parallel()
	db := open(t, fresh(t))
	q := newQueue(t, db, nil, Options{})
	boom := errors.New("boom")
	err := db.InTx(t.Context(), func(ctx context.Context, tx storage.Tx) error {
		require.NoError(t, q.Enqueue(ctx, tx, "R-AAAA", ""))
		require.Error(t, q.Enqueue(ctx, tx, "R-AAAA", "eu"), "a job has one row")
		return boom
	})
	require.ErrorIs(t, err, boom)
	require.NoError(t, db.Read(t.Context(), func(ctx context.Context, tx storage.Tx) error {
		var n int
		require.NoError(t, tx.QueryRow(ctx, "SELECT COUNT(*) FROM river_job").Scan(&n))
		require.Zero(t, n)
		return nil
	}))
}

// Held and lost leases and a runner that returns early are no failures: the job goes on.
func TestSnoozesInsteadOfFailing(t *testing.T) {
	t.Parallel()
	db := open(t, fresh(t))
	var mu sync.Mutex
	answers := []error{engine.ErrLeaseHeld, fmt.Errorf("write: %w", engine.ErrLeaseLost), nil, errors.New("the server is away")}
	good := walk(db, "me", time.Second, nothing)
	q := newQueue(t, db, func(ctx context.Context, id string) error {
		mu.Lock()
		defer mu.Unlock()
		if len(answers) > 0 {
			err := answers[0]
			answers = answers[1:]
			return err
		}
		return good(ctx, id)
	}, Options{Regions: one(), LeaseTTL: 50 * time.Millisecond})
	require.NoError(t, q.Start(t.Context()))
	approve(t, db, q, "R-AAAA", "db-1", "")
	ended(t, db, "R-AAAA")
	var attempts, failures int
	count := "json_array_length(errors)"
	if onPostgres(t) {
		count = "array_length(errors, 1)"
	}
	require.NoError(t, db.Read(t.Context(), func(ctx context.Context, tx storage.Tx) error {
		return tx.QueryRow(ctx, "SELECT attempt, "+count+" FROM river_job").Scan(&attempts, &failures)
	}))
	require.Equal(t, 1, failures, "only the true error is one")
	require.Equal(t, 2, attempts)
}

// Stop ends claiming, then contexts; the job goes on at once with the next start.
func TestStopAndGoOn(t *testing.T) {
	t.Parallel()
	db := open(t, fresh(t))
	running := make(chan struct{})
	q := newQueue(t, db, walk(db, "first", time.Second, func(ctx context.Context) error {
		close(running)
		<-ctx.Done()
		return ctx.Err()
	}), Options{Regions: one()})
	require.NoError(t, q.Start(t.Context()))
	approve(t, db, q, "R-AAAA", "db-1", "")
	<-running
	soft, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	require.NoError(t, q.Stop(soft))
	require.Less(t, time.Since(begin), 10*time.Second)
	require.Equal(t, engine.JobRunning, stateOf(t, db, "R-AAAA"))

	next := newQueue(t, db, walk(db, "second", time.Second, nothing), Options{Regions: one()})
	begin = time.Now()
	require.NoError(t, next.Start(t.Context()))
	ended(t, db, "R-AAAA")
	t.Logf("went on after %s", time.Since(begin))
	require.Equal(t, []string{"first", "second"}, starts(t, db, "R-AAAA"))
}

// A job whose River row is gone (retention, a restored backup) is run all the same.
func TestRowGone(t *testing.T) {
	t.Parallel()
	db := open(t, fresh(t))
	q := newQueue(t, db, walk(db, "me", time.Second, nothing), Options{Regions: one()})
	approve(t, db, q, "R-AAAA", "db-1", "")
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx storage.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM river_job")
		return err
	}))
	require.NoError(t, q.Start(t.Context()))
	ended(t, db, "R-AAAA")
}

// The pause is made before the second process starts, because a running one hears of it only a
// moment later.
func TestPauseRegion(t *testing.T) {
	t.Parallel()
	db := open(t, fresh(t))
	opts := Options{Regions: map[string]int{"": 2, "eu": 2}}
	alice := approvals.Actor{ID: "UALICE", Name: "alice"}
	outside := newQueue(t, db, nil, Options{}) // the bot: it works nothing
	news, err := outside.PauseRegion(t.Context(), "eu", alice, "move of the data centre")
	require.NoError(t, err, "also before any process has worked the region")
	require.True(t, news)
	news, err = outside.PauseRegion(t.Context(), "eu", approvals.Actor{ID: "UBOB"}, "")
	require.NoError(t, err)
	require.False(t, news)

	q := newQueue(t, db, walk(db, "me", time.Second, nothing), opts)
	require.NoError(t, q.Start(t.Context()))
	approve(t, db, q, "R-AAAA", "db-1", "eu")
	approve(t, db, q, "R-BBBB", "db-2", "")
	ended(t, db, "R-BBBB")
	require.Equal(t, engine.JobQueued, stateOf(t, db, "R-AAAA"))
	require.NoError(t, q.Stop(t.Context()))
	q = newQueue(t, db, walk(db, "me", time.Second, nothing), opts)
	require.NoError(t, q.Start(t.Context()))
	approve(t, db, q, "R-CCCC", "db-3", "")
	ended(t, db, "R-CCCC")
	require.Empty(t, starts(t, db, "R-AAAA"), "a restart does not lift it")
	holds, err := storage.NewHolds(db).All(t.Context())
	require.NoError(t, err)
	require.Len(t, holds, 1)
	require.Equal(t, []string{"eu", "UALICE", "move of the data centre"}, []string{holds[0].Name, holds[0].By.ID, holds[0].Reason})

	news, err = outside.ResumeRegion(t.Context(), "eu", alice)
	require.NoError(t, err)
	require.True(t, news)
	ended(t, db, "R-AAAA")
}

// A drained node takes nothing and hands over what it runs; another goes on with it. Later it works again.
func TestDrain(t *testing.T) {
	t.Parallel()
	db := open(t, fresh(t))
	running := make(chan struct{}, 9)
	first := newQueue(t, db, walk(db, "first", time.Second, func(ctx context.Context) error {
		running <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}), Options{Regions: one()})
	require.NoError(t, first.Start(t.Context()))
	approve(t, db, first, "R-AAAA", "db-1", "")
	<-running
	require.Equal(t, 1, first.Running())
	require.NoError(t, first.Drain(t.Context()))
	require.Zero(t, first.Running())
	require.Equal(t, engine.JobRunning, stateOf(t, db, "R-AAAA"), "handed over, not ended")
	approve(t, db, first, "R-BBBB", "db-2", "")

	second := newQueue(t, db, walk(db, "second", time.Second, nothing), Options{Regions: one()})
	require.NoError(t, second.Start(t.Context()))
	ended(t, db, "R-AAAA")
	ended(t, db, "R-BBBB")
	require.Equal(t, []string{"first", "second"}, starts(t, db, "R-AAAA"))
	require.Equal(t, []string{"second"}, starts(t, db, "R-BBBB"))

	require.NoError(t, second.Drain(t.Context()))
	require.NoError(t, first.Undrain(t.Context()))
	approve(t, db, first, "R-CCCC", "db-3", "")
	<-running
	require.Equal(t, []string{"first"}, starts(t, db, "R-CCCC"))
	held := newQueue(t, db, walk(db, "held", time.Second, nothing), Options{Regions: one()})
	require.NoError(t, held.Drain(t.Context()), "a node can be drained before it starts")
	require.NoError(t, held.Start(t.Context()))
	require.NoError(t, first.Drain(t.Context()))
	require.NoError(t, second.Undrain(t.Context()))
	ended(t, db, "R-CCCC")
	require.Equal(t, []string{"first", "second"}, starts(t, db, "R-CCCC"))
}
