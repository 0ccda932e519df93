package main

import (
	"context"
	"database/sql"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"mysql-recycler/storage"
	"mysql-recycler/storage/pgtest"
)

// faultTTL is the lease of jobs in these tests.
const faultTTL = 5 * time.Second

// TestFaults lets nodes and their databases go wrong in the middle of a job. Each has a host of its
// own, or comes after the one before on its host.
func TestFaults(t *testing.T) {
	t.Parallel()
	c := faultCluster(t, 5, "frozen", "gone", "full", "ahead", "behind")
	fresh := databases(t)
	for name, play := range map[string]func(t *testing.T){
		"sqlite/frozen":   func(t *testing.T) { frozenWorker(newFault(t, c, 1, fresh["sqlite"]), nil) },
		"postgres/frozen": func(t *testing.T) { frozenWorker(newFault(t, c, 2, fresh["postgres"]), []string{"--roles=bot"}) },
		"sqlite/gone": func(t *testing.T) {
			lockedFile(newFault(t, c, 3, fresh["sqlite"]+".locked"))
			fullDisk(newFault(t, c, 3, fresh["sqlite"]+".full"))
		},
		"postgres/gone": func(t *testing.T) {
			goneServer(t, func(url string) *fault { return newFault(t, c, 4, url) })
			skewedClock(t, func(url string) *fault { return newFault(t, c, 4, url) }, "ahead", "10 minutes")
		},
		"postgres/behind": func(t *testing.T) {
			skewedClock(t, func(url string) *fault { return newFault(t, c, 5, url) }, "behind", "-10 minutes")
		},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); play(t) })
	}
}

// begun is a job that its worker has and may not start yet, until let go.
func (w *fault) begun(schema string) (id string, letGo func()) {
	w.t.Helper()
	tx, err := w.target.DB().BeginTx(w.t.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	require.NoError(w.t, err)
	var rows int64
	require.NoError(w.t, tx.QueryRowContext(w.t.Context(), "SELECT COUNT(*) FROM "+schema+".t0").Scan(&rows))
	require.Eventually(w.t, func() bool {
		var old int
		err := w.target.DB().QueryRowContext(w.t.Context(), "SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_started < NOW() - INTERVAL 2 SECOND").Scan(&old)
		return err == nil && old > 0
	}, 20*time.Second, 50*time.Millisecond)
	id = w.approved(schema)
	require.True(w.t, w.until(faultWait, func() bool {
		return w.number("SELECT COUNT(*) FROM events WHERE job_id = $1 AND kind = 'job.throttled'", id) > 0
	}), "the job is held back")
	return id, func() { require.NoError(w.t, tx.Rollback()) }
}

// rebuilding waits until the server got the first statement of a job.
func (w *fault) rebuilding(id string) {
	w.t.Helper()
	require.True(w.t, w.until(faultWait, func() bool { return len(w.sent(id)) > 0 }), "no statement of %s", id)
}

func (w *fault) epoch(id string) int64 {
	return w.number("SELECT epoch FROM leases WHERE job_id = $1", id)
}

// freeze stops a process, but not while it writes: on a file nobody else could write then.
func (n *node) freeze(t *testing.T, db *storage.DB) {
	t.Helper()
	for {
		require.NoError(t, n.cmd.Process.Signal(syscall.SIGSTOP))
		if db.InTx(t.Context(), func(context.Context, storage.Tx) error { return nil }) == nil {
			return
		}
		require.NoError(t, n.cmd.Process.Signal(syscall.SIGCONT))
		time.Sleep(50 * time.Millisecond)
	}
}

// frozenWorker: a worker freezes in a statement for twice its lease. Another takes the job over, and
// the zombie that wakes neither writes nor starts anything. Without roles of its own the bot is one
// of two programs that were started at once on one new file.
func frozenWorker(w *fault, bot []string) {
	t := w.t
	var first, second *node
	if bot != nil {
		serve(t, w.config, bot...)
		first = serve(t, w.config, "--roles=worker")
	} else {
		first = serve(t, w.config)
		bots := serve(t, w.config, "--roles=bot,api") // at once, on a file that is not there yet
		defer func() {
			active := strings.Count(first.text(), "this process is the active bot") + strings.Count(bots.text(), "this process is the active bot")
			require.GreaterOrEqual(t, active, 1)
		}()
	}
	w.discover()
	id, letGo := w.begun("frozen")
	second = serve(t, w.config, "--roles=worker")
	second.says(t, "serving")
	letGo()
	w.rebuilding(id)
	first.freeze(w.t, w.store)
	froze := time.Now()
	require.True(t, w.until(faultWait, func() bool { return w.epoch(id) == 2 }), "nobody took over")
	t.Logf("taken over after %.1f s", time.Since(froze).Seconds())
	time.Sleep(time.Until(froze.Add(2 * faultTTL)))
	require.NoError(t, first.cmd.Process.Signal(syscall.SIGCONT))
	first.says(t, "another worker has the job")
	w.right(id)
	second.says(t, "took over jobs of dead workers")
}

// away has the database go for longer than a lease in the middle of a job.
func (w *fault) away(schema string, gone func() (back func())) {
	w.t.Helper()
	serve(w.t, w.config)
	w.discover()
	id, letGo := w.begun(schema)
	letGo()
	w.rebuilding(id)
	back := gone()
	time.Sleep(faultTTL * 3 / 2)
	sent := w.sent(id)
	time.Sleep(faultTTL / 2)
	require.Equal(w.t, sent, w.sent(id), "a worker that cannot renew its lease starts no further table")
	back()
	came := time.Now()
	w.ended(id)
	w.t.Logf("%s: ended %.1f s after the database came back, %d tables begun before", schema, time.Since(came).Seconds(), len(sent))
	w.right(id)
}

// lockedFile: another program writes to the file for long.
func lockedFile(w *fault) {
	w.away("gone", func() func() {
		var g sync.WaitGroup
		locked, free := make(chan struct{}), make(chan struct{})
		g.Go(func() {
			_ = w.store.InTx(w.t.Context(), func(context.Context, storage.Tx) error { close(locked); <-free; return nil })
		})
		<-locked
		return func() { close(free); g.Wait() }
	})
}

// goneServer: PostgreSQL is stopped and started again.
func goneServer(t *testing.T, world func(url string) *fault) {
	s, err := pgtest.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	url, _, err := s.Create(t.Context(), "")
	require.NoError(t, err)
	world(url).away("gone", func() func() {
		require.NoError(t, s.Halt())
		return func() { require.NoError(t, s.Resume(t.Context())) }
	})
}

// limit makes every file of a process end at so many bytes, as a full disk does; "unlimited" ends it.
func limit(t *testing.T, n *node, bytes string) {
	t.Helper()
	out, err := exec.Command("prlimit", "--pid", fmt.Sprint(n.cmd.Process.Pid), "--fsize="+bytes+":").CombinedOutput()
	require.NoError(t, err, string(out))
}

// fullDisk: no file of the process can grow, while somebody approves and while a job runs. What
// was not stored was not acknowledged, the log says why, and all goes on when there is room.
func fullDisk(w *fault) {
	t := w.t
	n := serve(t, w.config)
	w.discover()
	db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(w.url, "sqlite://")+"?_pragma=busy_timeout(10000)")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	full := func() {
		var busy, pages, moved int
		require.Eventually(t, func() bool {
			err := db.QueryRowContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved)
			return err == nil && busy == 0
		}, 30*time.Second, 10*time.Millisecond)
		told := strings.Count(n.text(), "disk I/O error")
		limit(t, n, "1000") // the log of the process is a pipe
		require.True(t, w.until(faultWait, func() bool { return strings.Count(n.text(), "disk I/O error") > told }), "the process does not say that it cannot write")
	}
	id, letGo := w.begun("full")
	full()
	out, err := w.Slash(t.Context(), "alice", "#db-ops", "run "+w.name+" --schema ahead")
	require.NoError(t, err)
	require.NotEmpty(t, out.UserVisible, "the person is told at once that it was not stored")
	require.Contains(t, n.text(), "an envelope cannot be stored")
	require.Empty(t, w.requested("ahead"))
	limit(t, n, "unlimited")
	require.True(t, w.until(faultWait, func() bool { // it works again
		out, err := w.Slash(t.Context(), "alice", "#db-ops", "help")
		return err == nil && out.OK
	}))
	letGo()
	w.rebuilding(id)
	full()
	time.Sleep(faultTTL * 3 / 2)
	limit(t, n, "unlimited")
	w.right(id)
}

// skewedClock: the clocks of the nodes and of the database differ by ten minutes.
func skewedClock(t *testing.T, world func(url string) *fault, schema, by string) {
	url := databases(t)["postgres"]
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), `CREATE SCHEMA skew;
		CREATE FUNCTION skew.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT pg_catalog.clock_timestamp() + interval ''`+by+`''';
		CREATE FUNCTION skew.now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT pg_catalog.now() + interval ''`+by+`''';
		DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET search_path = skew, pg_catalog, public'; END $$`)
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
	w := world(url)
	serve(t, w.config, "--roles=bot")
	first := serve(t, w.config, "--roles=worker")
	w.discover()
	id, letGo := w.begun(schema)
	second := serve(t, w.config, "--roles=worker")
	second.says(t, "serving")
	time.Sleep(faultTTL * 3 / 2)
	require.EqualValues(t, 1, w.epoch(id), "a live worker keeps its job")
	letGo()
	w.rebuilding(id)
	first.kill()
	killed := time.Now()
	w.ended(id)
	t.Logf("database's clock %s: ended %.1f s after the worker was killed", schema, time.Since(killed).Seconds())
	require.Less(t, time.Since(killed), faultWait)
	w.right(id)
}
