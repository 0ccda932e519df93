package rebuild

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/engine/tablespace"
)

func itoa(n uint64) string { return strconv.FormatUint(n, 10) }

// Cancelling kills the statement on the server; the table stays as it is.
func TestCancel(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.fill(t, "frag", 3_000)
		task := e.task("frag")
		task.LockWait = 30 * time.Second
		e.hold(t, "frag")
		before := e.spaces(t, "frag")
		why := errors.New("a person clicked cancel")
		ctx, cancel := context.WithCancelCause(t.Context())
		h := hooks(new(Mark))
		var phase string
		h.Progress = func(p Progress) { phase = p.Phase; cancel(why) }
		start := time.Now()
		res, err := e.acquire(t).Run(ctx, task, h)
		require.ErrorIs(t, err, ErrKilled)
		require.ErrorIs(t, err, why)
		require.Equal(t, Killed, res.Outcome)
		require.Less(t, time.Since(start), 15*time.Second)
		require.Contains(t, phase, "root@localhost (connection ", "the phase names who is waited for")
		require.Equal(t, before, e.spaces(t, "frag"))
		require.Eventually(t, func() bool { // the process list is a moment behind the answer
			ours, err := FindOurs(t.Context(), e.srv)
			require.NoError(t, err)
			return !slices.ContainsFunc(ours, func(o Running) bool { return o.Job == task.Job })
		}, 5*time.Second, 20*time.Millisecond)
	})
}

// A table in use gives 1205 after lock_wait_timeout, and the retry succeeds once it is free.
func TestLockWait(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.fill(t, "frag", 3_000)
		task := e.task("frag")
		task.LockWait = time.Second
		release := e.hold(t, "frag")
		f := e.acquire(t)
		res, err := f.Run(t.Context(), task, hooks(new(Mark)))
		require.ErrorIs(t, err, ErrLockWait)
		require.Equal(t, Failed, res.Outcome)
		var typed *Error
		require.ErrorAs(t, err, &typed)
		require.EqualValues(t, 1205, typed.Number)
		require.Contains(t, typed.Sentence(), "root@localhost (connection ")

		permits := 0
		task.Retries = 2
		h := hooks(new(Mark))
		h.Permit = func(context.Context, *dbconn.Session) error { permits++; return nil }
		h.Again = func(context.Context, *Error) error { release(); return nil }
		res, err = f.Run(t.Context(), task, h)
		require.NoError(t, err)
		require.Equal(t, Done, res.Outcome)
		require.Equal(t, 2, res.Tries)
		require.Equal(t, 2, permits, "every try asks the guard again")
	})
}

// A table dropped since the plan, and one dropped between the mark and the statement.
func TestTableGone(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		f := e.acquire(t)
		_, err := f.Run(t.Context(), e.task("never"), hooks(new(Mark)))
		require.ErrorIs(t, err, ErrTableGone)

		e.sql(t, "CREATE TABLE @schema.t (id INT PRIMARY KEY)")
		h := hooks(new(Mark))
		h.Begin = func(context.Context, Mark) error {
			return e.replica.Exec(t.Context(), "SET sql_log_bin=0; DROP TABLE "+e.schema+".t; SET sql_log_bin=1")
		}
		_, err = f.Run(t.Context(), e.task("t"), h)
		require.ErrorIs(t, err, ErrTableGone)
		require.NoError(t, e.replica.Exec(t.Context(), "SET sql_log_bin=0; CREATE TABLE "+e.schema+".t (id INT PRIMARY KEY); SET sql_log_bin=1"))
	})
}

// What the guard or the journal refuse never reaches the server.
func TestRefused(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.sql(t, "CREATE TABLE @schema.t (id INT PRIMARY KEY)")
		f := e.acquire(t)
		task := e.task("t")
		no := errors.New("no")
		h := hooks(new(Mark))
		h.Permit = func(_ context.Context, s *dbconn.Session) error {
			require.Equal(t, f.sess.ID, s.ID, "the guard is asked on the executing session")
			return no
		}
		_, err := f.Run(t.Context(), task, h)
		require.ErrorIs(t, err, ErrRefused)
		require.ErrorIs(t, err, no)
		h = hooks(new(Mark))
		h.Begin = func(context.Context, Mark) error { return no }
		_, err = f.Run(t.Context(), task, h)
		require.ErrorIs(t, err, no)
		// Somebody resets the session's setting: the read-back before the statement sees it.
		h.Begin = func(context.Context, Mark) error {
			_, err := f.sess.ExecContext(t.Context(), "SET SESSION sql_log_bin = 1")
			return err
		}
		_, err = f.Run(t.Context(), task, h)
		require.ErrorIs(t, err, ErrBinlog)
		require.Zero(t, e.sent(t, task))
		e.requireNoOwnGTID(t)
	})
}

// Without the privilege for sql_log_bin nothing runs.
func TestNoBinlogPrivilege(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.sql(t, "CREATE TABLE @schema.t (id INT PRIMARY KEY)")
		user := "weak" + e.schema
		require.NoError(t, e.primary.CreateUser(t.Context(), user, testPass, "PROCESS, SELECT, ALTER ON *.*"))
		require.NoError(t, e.WaitReplicated(t.Context()))
		a := access(e.replica)
		a.User = user
		srv, err := a.Open(t.Context(), a.Hosts[0].Addr)
		require.NoError(t, err)
		defer func() { _ = srv.Close() }()
		f, err := Acquire(t.Context(), srv, e.slot, nil)
		require.NoError(t, err)
		defer func() { _ = f.Close() }()
		task := e.task("t")
		_, err = f.Run(t.Context(), task, hooks(new(Mark)))
		require.ErrorIs(t, err, ErrPrivilege)
		require.Zero(t, e.sent(t, task))
	})
}

// The statement asks for what was promised: the server refuses instead of copying.
func TestUnsuitable(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.sql(t, "CREATE TABLE @schema.ft (id INT PRIMARY KEY, v TEXT, FULLTEXT (v))",
			"INSERT INTO @schema.ft VALUES (1, 'one two three')",
			"CREATE TABLE @schema.sp (id INT PRIMARY KEY, g POINT NOT NULL, SPATIAL INDEX (g))",
			"CREATE TABLE @schema.iv (id INT PRIMARY KEY, a INT, v INT AS (a + 1) VIRTUAL, KEY (v))",
			"CREATE TABLE @schema.part (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 3",
			"CREATE TABLE @schema.nopk (a INT)",
			"CREATE TABLE @schema.zip (id INT PRIMARY KEY, v TEXT) ROW_FORMAT=COMPRESSED",
			"CREATE TABLE @schema.parent (id INT PRIMARY KEY)",
			"CREATE TABLE @schema.kid (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id))",
			"CREATE TABLE @schema.old (id INT PRIMARY KEY, v TEXT) ROW_FORMAT=REDUNDANT")
		f := e.acquire(t)
		_, err := f.Run(t.Context(), e.task("ft"), hooks(new(Mark)))
		require.ErrorIs(t, err, ErrUnsuitable)
		for _, name := range []string{"ft", "sp", "iv", "part", "nopk", "zip", "parent", "kid", "old"} {
			table, err := tablespace.Find(t.Context(), e.srv, e.srv.Version, e.schema, name)
			require.NoError(t, err)
			task := e.task(name)
			task.Method = Choose(e.srv.Version, table, ChooseOptions{AllowCopy: true})
			res, err := f.Run(t.Context(), task, hooks(new(Mark)))
			require.NoError(t, err, "%s by %+v", name, task.Method)
			require.Equal(t, Done, res.Outcome)
			after, err := tablespace.Find(t.Context(), e.srv, e.srv.Version, e.schema, name)
			require.NoError(t, err)
			require.Equal(t, table.Engine, after.Engine)
			require.Equal(t, table.RowFormat, after.RowFormat)
			require.Equal(t, table.Partitions, after.Partitions)
			require.Equal(t, table.Features, after.Features)
		}
	})
}

// MyISAM and Aria stay what they are, and a failure in the rows of OPTIMIZE is a failure.
func TestOptimize(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		engines := e.engines()
		f := e.optimizer(t)
		for _, engine := range engines {
			e.sql(t, "CREATE TABLE @schema."+engine+" (id INT PRIMARY KEY, v VARCHAR(300)) ENGINE="+engine,
				"INSERT INTO @schema."+engine+" VALUES (1, REPEAT('x', 300)), (2, REPEAT('x', 300)), (3, REPEAT('x', 300))",
				"DELETE FROM @schema."+engine+" WHERE id < 3")
			table, err := tablespace.Find(t.Context(), e.srv, e.srv.Version, e.schema, engine)
			require.NoError(t, err)
			task := e.task(engine)
			task.Method = Choose(e.srv.Version, table, ChooseOptions{AllowCopy: true})
			require.Equal(t, Optimize, task.Method.Kind)
			res, err := f.Run(t.Context(), task, hooks(new(Mark)))
			require.NoError(t, err)
			require.Equal(t, Done, res.Outcome)
			after, err := tablespace.Find(t.Context(), e.srv, e.srv.Version, e.schema, engine)
			require.NoError(t, err)
			require.Equal(t, table.Engine, after.Engine)
			require.Zero(t, after.DataFree)
			// Gone under way: OPTIMIZE says so in a row, not as an error.
			h := hooks(new(Mark))
			h.Begin = func(context.Context, Mark) error {
				return e.replica.Exec(t.Context(), "SET sql_log_bin=0; DROP TABLE "+e.schema+"."+engine+"; SET sql_log_bin=1")
			}
			_, err = f.Run(t.Context(), task, h)
			require.ErrorIs(t, err, ErrTableGone)
			require.NoError(t, e.replica.Exec(t.Context(), "SET sql_log_bin=0; CREATE TABLE "+e.schema+"."+engine+" (id INT) ; SET sql_log_bin=1"))
		}
		e.requireNoOwnGTID(t)
	})
}

// engines are those that OPTIMIZE rebuilds.
func (e *env) engines() []string {
	if e.Flavor == mysqltest.MariaDB {
		return []string{"MyISAM", "Aria"}
	}
	return []string{"MyISAM"}
}

// optimizer is a fence of an account that may OPTIMIZE: that needs SELECT and INSERT, which nothing
// else here does.
func (e *env) optimizer(t *testing.T) *Fence {
	t.Helper()
	user := "optimizer" + e.schema
	grants := append([]string{"INSERT ON " + e.schema + ".*"}, mysqltest.MinimalGrants(e.Flavor, e.Version)...)
	require.NoError(t, e.primary.CreateUser(t.Context(), user, testPass, grants...))
	require.NoError(t, e.WaitReplicated(t.Context()))
	a := access(e.replica)
	a.User = user
	srv, err := a.Open(t.Context(), a.Hosts[0].Addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = srv.Close() })
	f, err := Acquire(t.Context(), srv, e.slot, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// OPTIMIZE tells of a lock wait and of a kill in rows. Both are what they are with an ALTER, and a
// stop in the middle of its work waits: it would leave the table damaged.
func TestOptimizeStopped(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		f := e.optimizer(t)
		for _, engine := range e.engines() {
			e.local(t, engine, 200_000)
			name := dbconn.QuoteName(e.schema, engine)
			require.NoError(t, e.replica.Exec(t.Context(), "SET sql_log_bin=0; ALTER TABLE "+name+" ENGINE="+engine+"; DELETE FROM "+name+" WHERE id % 3 = 0; SET sql_log_bin=1"))
			task := e.task(engine)
			task.Method, task.LockWait = Method{Kind: Optimize}, time.Second
			release := e.hold(t, engine)
			res, err := f.Run(t.Context(), task, hooks(new(Mark)))
			require.ErrorIs(t, err, ErrLockWait)
			require.Equal(t, Failed, res.Outcome)

			why := errors.New("a person clicked skip")
			stop := func(lockWait time.Duration, phase string) (Result, error) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				task.LockWait = lockWait
				ended := make(chan error, 1)
				go func() {
					res, err = f.Run(ctx, task, hooks(new(Mark)))
					ended <- err
				}()
				eventually(t, phase, func() bool {
					var n int
					require.NoError(t, e.replica.DB().QueryRowContext(t.Context(),
						"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = ? AND INFO LIKE 'OPTIMIZE %' AND STATE LIKE ?", f.sess.ID, phase).Scan(&n))
					return n == 1
				})
				cancel(why)
				err := <-ended
				return res, err
			}
			res, err = stop(3*time.Second, "Waiting for%")
			require.ErrorIs(t, err, ErrKilled)
			require.ErrorIs(t, err, why)
			require.Equal(t, Killed, res.Outcome)

			release()
			res, err = stop(3*time.Second, "Repair%")
			require.NoError(t, err)
			require.Equal(t, Done, res.Outcome)
			require.Contains(t, res.Late, "damaged")
			var n int
			require.NoError(t, e.replica.DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+name).Scan(&n))
			require.Equal(t, 200_000-66_667, n)
		}
	})
}

// Defaults that today's sql_mode refuses were legal once; a rebuild does not stumble over them.
func TestOldDefaults(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.sql(t, "SET sql_mode=''; CREATE TABLE @schema.old (id INT PRIMARY KEY, at DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00', d DATE DEFAULT '2020-00-00');"+
			" INSERT INTO @schema.old (id) VALUES (1); SET sql_mode=DEFAULT")
		res, err := e.acquireOnce(t, e.task("old"), hooks(new(Mark)))
		require.NoError(t, err)
		require.Equal(t, Done, res.Outcome)
	})
}
