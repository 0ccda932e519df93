package rebuild

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/mysqltest"
)

// stopping is a rebuild with the applier stopped, as versions that lose rows get it.
func (e *env) stopping(table string) Task {
	task := e.task(table)
	task.Method = Method{Kind: Alter, Algorithm: Inplace, Lock: LockShared, StopSQL: true}
	return task
}

// journal are hooks that write changes down in a book.
func journal(b *book, mark *Mark) Hooks {
	h := hooks(mark)
	h.Change, h.Restored = b.record, b.restore
	return h
}

// root is a connection of root to the replica that has run some statements.
func (e *env) root(t *testing.T, statements ...string) (end func()) {
	t.Helper()
	conn, err := e.replica.DB().Conn(t.Context())
	require.NoError(t, err)
	for _, s := range statements {
		_, err := conn.ExecContext(t.Context(), strings.ReplaceAll(s, "@schema", e.schema))
		require.NoError(t, err)
	}
	done := false
	end = func() {
		if done {
			return
		}
		done = true
		for _, s := range []string{"ROLLBACK", "UNLOCK TABLES"} {
			_, _ = conn.ExecContext(context.Background(), s)
		}
		_ = conn.Close()
	}
	t.Cleanup(end)
	return end
}

// shows waits until a statement is in the process list.
func (e *env) shows(t *testing.T, like string) {
	t.Helper()
	eventually(t, like, func() bool {
		var n int
		require.NoError(t, e.replica.DB().QueryRowContext(t.Context(),
			"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE ? AND ID <> CONNECTION_ID()", like).Scan(&n))
		return n > 0
	})
}

// goes waits until the applier of the replica runs and applies.
func (e *env) goes(t *testing.T) {
	t.Helper()
	eventually(t, "the applier runs", func() bool {
		channels, err := appliers(t.Context(), e.srv)
		return err == nil && len(channels) == 1 && channels[0].running
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, e.WaitReplicated(ctx))
}

// run is one task that runs beside the test.
type run struct {
	res   Result
	err   error
	ended chan struct{}
}

func (f *Fence) beside(ctx context.Context, task Task, h Hooks) *run {
	r := &run{ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		r.res, r.err = f.Run(ctx, task, h)
	}()
	return r
}

// busyApplier makes the applier of the replica wait for a lock, so that it does not stop.
func (e *env) busyApplier(t *testing.T) (release func()) {
	t.Helper()
	e.fill(t, "frag", 3_000)
	e.sql(t, "CREATE TABLE @schema.busy (id INT PRIMARY KEY)")
	release = e.root(t, "LOCK TABLES @schema.busy READ")
	require.NoError(t, e.primary.Exec(t.Context(), "INSERT INTO "+e.schema+".busy VALUES (1)"))
	eventually(t, "the applier waits", func() bool {
		var n int
		require.NoError(t, e.replica.DB().QueryRowContext(t.Context(),
			"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table%' AND USER = 'system user'").Scan(&n))
		return n > 0
	})
	return release
}

// Whoever stops the job while the applier does not stop gets a stop, and the applier goes on.
func TestInterruptedStop(t *testing.T) {
	alone(t, func(t *testing.T, e *env) {
		superReadOnly(t, e.Cluster, 0)
		release := e.busyApplier(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		why := errors.New("a person clicked pause")
		task := e.stopping("frag")
		r := e.acquire(t).beside(ctx, task, journal(&book{}, new(Mark)))
		e.shows(t, "STOP %")
		cancel(why)
		<-r.ended
		require.ErrorIs(t, r.err, ErrKilled)
		require.ErrorIs(t, r.err, why)
		require.Equal(t, Killed, r.res.Outcome)
		require.Zero(t, e.sent(t, task))
		release()
		e.goes(t)
	})
}

// An applier that does not stop in time is named, and goes on.
func TestApplierDoesNotStop(t *testing.T) {
	alone(t, func(t *testing.T, e *env) {
		superReadOnly(t, e.Cluster, 0)
		release := e.busyApplier(t)
		f := e.acquire(t)
		f.stopWait = 2 * time.Second
		task := e.stopping("frag")
		res, err := f.Run(t.Context(), task, journal(&book{}, new(Mark)))
		require.ErrorIs(t, err, ErrApplier)
		require.Equal(t, Failed, res.Outcome)
		require.Contains(t, failure(err).Sentence(), "did not stop within 2s")
		require.Zero(t, e.sent(t, task))
		release()
		e.goes(t)
	})
}

// A process that stops before it has sent its statement leaves nothing stopped behind.
func TestLeaveBeforeStatement(t *testing.T) {
	alone(t, func(t *testing.T, e *env) {
		superReadOnly(t, e.Cluster, 0)
		e.fill(t, "frag", 3_000)
		e.root(t, "LOCK TABLES @schema.frag WRITE")
		ctx, leave := context.WithCancelCause(t.Context())
		defer leave(nil)
		b := &book{}
		task := e.stopping("frag")
		task.CheckRows = true
		r := e.acquire(t).beside(ctx, task, journal(b, new(Mark)))
		e.shows(t, "SELECT %COUNT(*)%")
		leave(ErrLeave)
		<-r.ended
		require.Equal(t, Left, r.res.Outcome)
		require.ErrorIs(t, r.err, ErrLeave)
		require.Equal(t, b.changed, b.restored)
		require.Len(t, b.restored, 1)
		e.goes(t)
	})
}

// On a server that a failover made a primary with its channel kept, the applier stays stopped.
func TestApplierOfPrimary(t *testing.T) {
	alone(t, func(t *testing.T, e *env) {
		superReadOnly(t, e.Cluster, 0)
		e.sql(t, "CREATE TABLE @schema.t (id INT PRIMARY KEY)")
		b := &book{}
		h := journal(b, new(Mark))
		h.Begin = func(context.Context, Mark) error { return e.replica.Exec(t.Context(), "SET GLOBAL read_only = 0") }
		task := e.stopping("t")
		_, err := e.acquireOnce(t, task, h)
		require.ErrorIs(t, err, ErrPromoted)
		require.ErrorContains(t, err, "read_only is off")
		stopped := func() {
			channels, err := appliers(t.Context(), e.srv)
			require.NoError(t, err)
			require.Len(t, channels, 1)
			require.False(t, channels[0].running)
		}
		stopped()
		err = Restore(t.Context(), e.srv, b.changed, still, b.restore)
		require.ErrorIs(t, err, ErrPromoted)
		require.Contains(t, failure(err).Sentence(), "its applier was not started again")
		require.Empty(t, b.restored)
		stopped()
		require.Zero(t, e.sent(t, task))

		require.NoError(t, e.replica.Exec(t.Context(), "SET GLOBAL read_only = 1"))
		require.NoError(t, Restore(t.Context(), e.srv, b.changed, still, b.restore))
		e.goes(t)
	})
}

// A server on which the applier cannot be started at once is asked again; the table is done anyway.
func TestApplierStartsLate(t *testing.T) {
	alone(t, func(t *testing.T, e *env) {
		superReadOnly(t, e.Cluster, 0)
		e.sql(t, "CREATE TABLE @schema.t (id INT PRIMARY KEY)")
		account := func(state string) error {
			return e.replica.Exec(context.Background(), "SET sql_log_bin=0; ALTER USER "+testUser+" ACCOUNT "+state+"; SET sql_log_bin=1")
		}
		b := &book{}
		h := journal(b, new(Mark))
		h.Begin = func(context.Context, Mark) error { return account("LOCK") } // no new session from here on
		res, err := e.acquireOnce(t, e.stopping("t"), h)
		require.NoError(t, errors.Join(err, account("UNLOCK")))
		require.Equal(t, Done, res.Outcome)
		require.Empty(t, b.restored, "it is still recorded as stopped")
		require.NoError(t, Restore(t.Context(), e.srv, b.changed, still, b.restore))
		e.goes(t)

		unlocked := make(chan error, 1)
		h.Begin = func(context.Context, Mark) error {
			time.AfterFunc(3*time.Second, func() { unlocked <- account("UNLOCK") })
			return account("LOCK")
		}
		b.changed, b.restored = nil, nil
		res, err = e.acquireOnce(t, e.stopping("t"), h)
		require.NoError(t, errors.Join(err, <-unlocked))
		require.Equal(t, Done, res.Outcome)
		require.Equal(t, b.changed, b.restored)
		e.goes(t)
	})
}

// Too much written by replication: the same again would fail again, and the applier is not stopped for
// it, because nobody approved that. With the applier stopped, as the hint says, it succeeds.
func TestOnlineLogOfReplication(t *testing.T) {
	alone(t, func(t *testing.T, e *env) {
		superReadOnly(t, e.Cluster, 0)
		e.sql(t, "CREATE TABLE @schema.busy (id INT PRIMARY KEY, a INT NOT NULL, v VARCHAR(250) NOT NULL, KEY (a))", "INSERT INTO @schema.busy VALUES (0, 0, REPEAT('x', 240))")
		for have := 1; have < 1<<15; have *= 2 {
			e.sql(t, fmt.Sprintf("INSERT INTO @schema.busy SELECT id + %[1]d, CRC32(id + %[1]d) %% 100000, v FROM @schema.busy", have))
		}
		require.NoError(t, e.replica.Exec(t.Context(), "SET GLOBAL innodb_online_alter_log_max_size = 65536"))
		defer func() {
			require.NoError(t, e.replica.Exec(context.Background(), "SET GLOBAL innodb_online_alter_log_max_size = DEFAULT"))
		}()
		var writing atomic.Bool
		writing.Store(true)
		ended := make(chan error, 1)
		go func() {
			for i := 0; writing.Load(); i++ {
				if err := e.primary.Exec(context.Background(), fmt.Sprintf("UPDATE %s.busy SET v = REPEAT('%c', 240) WHERE id < 6000", e.schema, 'a'+rune(i%26))); err != nil {
					ended <- err
					return
				}
			}
			ended <- nil
		}()
		task := e.task("busy")
		task.Retries, task.LockWait = 3, 30*time.Second
		e.until(t, "the online log was never too small", func(f *Fence) bool {
			b := &book{}
			res, err := f.Run(t.Context(), task, journal(b, new(Mark)))
			if err == nil {
				return false
			}
			require.ErrorIs(t, err, ErrOnlineLog)
			require.Equal(t, 1, res.Tries)
			require.Contains(t, failure(err).Hint(), "--check-rows")
			require.Empty(t, b.changed, "its replication went on")
			task.Method.StopSQL = true
			res, err = f.Run(t.Context(), task, journal(b, new(Mark)))
			require.NoError(t, err)
			require.Equal(t, Done, res.Outcome)
			require.NotEmpty(t, b.changed)
			require.Equal(t, b.changed, b.restored)
			return true
		})
		writing.Store(false)
		require.NoError(t, <-ended)
		e.goes(t)
	})
}

// The count before the rebuild outlives our process; what cannot be compared is said.
func TestRowsOfAdopted(t *testing.T) {
	alone(t, func(t *testing.T, e *env) {
		superReadOnly(t, e.Cluster, 0)
		e.local(t, "frag", 130_000)
		task := e.stopping("frag")
		task.CheckRows = true
		r := e.start(t, task)
		e.sees(t, task)
		r.kill(t)
		task.Mark = r.stored(t)
		b := &book{}
		adopt := func() Result {
			res, err := e.acquireOnce(t, task, journal(b, new(Mark)))
			require.NoError(t, err)
			require.Equal(t, Adopted, res.Outcome)
			return res
		}
		res := adopt()
		require.Empty(t, res.Remarks())
		require.NotNil(t, res.Rows)
		require.Equal(t, RowCheck{Before: 130_000, After: 130_000}, *res.Rows)

		old := task.Mark.Rows
		task.Mark.Rows = nil // of a version before
		res = adopt()
		require.Nil(t, res.Rows)
		require.Contains(t, res.Remarks(), "not counted before")

		task.Mark.Rows = old
		require.NoError(t, e.replica.Exec(t.Context(), "SET sql_log_bin=0; DELETE FROM "+dbconn.QuoteName(e.schema, "frag")+" WHERE id = 7; SET sql_log_bin=1"))
		_, err := e.acquireOnce(t, task, journal(b, new(Mark)))
		require.ErrorIs(t, err, ErrRows)

		require.NoError(t, e.replica.Exec(t.Context(), channel{}.statement(e.srv.Version, true)))
		res = adopt()
		require.Nil(t, res.Rows)
		require.Contains(t, res.Remarks(), "replication was started again")
		require.Equal(t, 1, e.sent(t, task))
		e.goes(t)
	})
}

// What a failed statement leaves on the server is told to people.
func TestFileLeftBehind(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		if e.Flavor == mysqltest.MySQL {
			return // makes no file by a name that a test could give to another
		}
		e.sql(t, "CREATE TABLE @schema.t (id INT PRIMARY KEY)")
		f := e.acquire(t)
		name := fmt.Sprintf("#sql-alter-1-%x", f.sess.ID)
		h := hooks(new(Mark))
		h.Begin = func(context.Context, Mark) error {
			return e.replica.Exec(t.Context(), "SET sql_log_bin=0; CREATE TABLE "+dbconn.QuoteName(e.schema, "#mysql50#"+name)+" (id INT) ENGINE=InnoDB; SET sql_log_bin=1")
		}
		e.hold(t, "t")
		task := e.task("t")
		task.LockWait = time.Second
		_, err := f.Run(t.Context(), task, h)
		require.ErrorIs(t, err, ErrLockWait)
		require.Contains(t, failure(err).Sentence(), "The server still holds "+name+".")
		require.NoError(t, e.replica.Exec(t.Context(), "SET sql_log_bin=0; DROP TABLE "+dbconn.QuoteName(e.schema, "#mysql50#"+name)+"; SET sql_log_bin=1"))
	})
}
