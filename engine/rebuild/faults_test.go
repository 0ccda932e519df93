package rebuild

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/mysqltest"
)

// Faults of a server that its neighbours in other tests would feel: a full disk, an online log that
// is too small, a duplicate that is none. Each flavor has a server of its own for them.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, o := range mysqltest.Matrix(mysqltest.MySQL, mysqltest.MariaDB) {
		t.Run(string(o.Flavor)+o.Binary, func(t *testing.T) {
			t.Parallel()
			// The redo log stays below the limit of files that fills the disk.
			o.Shape, o.ServerArgs = "1", []string{"--loose-innodb-redo-log-capacity=8M", "--loose-innodb-log-file-size=8M"}
			c := mysqltest.MustStart(t, o)
			require.NoError(t, c.CreateRecycler(t.Context(), testUser, testPass))
			n := c.Nodes[0]
			e := &env{Cluster: c, primary: n, replica: n, srv: open(t, n), schema: "faults", slot: 1}
			require.NoError(t, n.Exec(t.Context(), "CREATE DATABASE faults"))
			t.Run("disk", func(t *testing.T) { e.diskFull(t) })
			t.Run("online log", func(t *testing.T) { e.onlineLog(t) })
			t.Run("duplicate", func(t *testing.T) { e.duplicate(t) })
		})
	}
}

// diskFull: the server takes its new file back, the table is as it was, and nothing of ours is left:
// no file, no lock, no setting.
func (e *env) diskFull(t *testing.T) {
	e.local(t, "full", 20_000)
	// The new file has to be the longer one: the server writes on the old one meanwhile.
	require.NoError(t, e.replica.Exec(t.Context(), "SET GLOBAL innodb_fill_factor = 10"))
	superReadOnlyOf(t, e, 1)
	b := &book{}
	changes, err := Lift(t.Context(), e.srv, BinlogOff, b.record)
	require.NoError(t, err)
	before, files := e.spaces(t, "full"), e.files(t)
	require.NoError(t, e.replica.LimitFiles(20<<20))
	res, err := e.acquireOnce(t, e.task("full"), hooks(new(Mark)))
	require.NoError(t, e.replica.LimitFiles(mysqltest.NoLimit))
	require.ErrorIs(t, err, ErrDiskFull)
	require.Equal(t, Failed, res.Outcome)
	require.Equal(t, before, e.spaces(t, "full"))
	require.Equal(t, files, e.files(t))
	require.NoError(t, Restore(t.Context(), e.srv, changes, still, b.restore))
	require.Equal(t, b.changed, b.restored)
	if e.Flavor == mysqltest.MySQL {
		require.True(t, e.isOn(t, "super_read_only"))
	}
	superReadOnlyOf(t, e, 0)
	// With room again it goes through.
	require.NoError(t, e.replica.Exec(t.Context(), "SET GLOBAL innodb_fill_factor = 100"))
	res, err = e.acquireOnce(t, e.task("full"), hooks(new(Mark)))
	require.NoError(t, err)
	require.Equal(t, Done, res.Outcome)
}

// superReadOnlyOf sets it, where it exists, on a server that replicates from nobody.
func superReadOnlyOf(t *testing.T, e *env, on int) {
	t.Helper()
	if e.Flavor == mysqltest.MySQL {
		require.NoError(t, e.replica.Exec(t.Context(), fmt.Sprintf("SET GLOBAL read_only = %d, super_read_only = %d", on, on)))
	}
}

// files are those of the test's schema and the temporary ones.
func (e *env) files(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(e.replica.Dir, "data", e.schema, "*"))
	require.NoError(t, err)
	temporary, err := os.ReadDir(filepath.Join(e.replica.Dir, "tmp"))
	require.NoError(t, err)
	for _, f := range temporary {
		list = append(list, f.Name())
	}
	require.NotEmpty(t, list)
	return list
}

// traffic runs statements on the replica, one after the other, until it is stopped.
func (e *env) traffic(t *testing.T, statement func(i int) string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	conn, err := e.replica.DB().Conn(t.Context())
	require.NoError(t, err)
	for _, s := range []string{"SET SESSION sql_log_bin = 0", "USE " + e.schema} {
		_, err = conn.ExecContext(t.Context(), s)
		require.NoError(t, err)
	}
	var g sync.WaitGroup
	g.Go(func() {
		defer func() { _ = conn.Close() }()
		for i := 0; ctx.Err() == nil; i++ {
			_, _ = conn.ExecContext(ctx, statement(i)) // a lost race is what traffic is
		}
	})
	return func() { cancel(); g.Wait() }
}

// until rebuilds a table under traffic until what is looked for happened.
func (e *env) until(t *testing.T, what string, try func(f *Fence) bool) {
	t.Helper()
	f, err := Acquire(t.Context(), e.srv, e.slot, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	deadline := time.Now().Add(time.Minute)
	for !try(f) {
		require.True(t, time.Now().Before(deadline), what)
	}
}

// onlineLog: too much is written meanwhile, and not by replication. As it is it is not tried again.
func (e *env) onlineLog(t *testing.T) {
	e.local(t, "busy", 40_000)
	require.NoError(t, e.replica.Exec(t.Context(), "SET GLOBAL innodb_online_alter_log_max_size = 65536"))
	stop := e.traffic(t, func(i int) string {
		return fmt.Sprintf("UPDATE busy SET v = REPEAT('%c', 240) WHERE id < 8000", 'a'+rune(i%26))
	})
	defer func() { stop() }()
	task := e.task("busy")
	task.Retries, task.LockWait = 3, 30*time.Second
	files := e.files(t)
	b := &book{}
	e.until(t, "the online log was never too small", func(f *Fence) bool {
		h := hooks(new(Mark))
		h.Change, h.Restored = b.record, b.restore
		res, err := f.Run(t.Context(), task, h)
		if err == nil {
			return false
		}
		require.ErrorIs(t, err, ErrOnlineLog)
		require.Equal(t, Failed, res.Outcome)
		require.Equal(t, 1, res.Tries)
		require.Contains(t, failure(err).Hint(), "innodb_online_alter_log_max_size")
		require.Equal(t, files, e.files(t))
		require.Empty(t, b.changed)
		return true
	})
}

// duplicate: MySQL takes an INSERT that failed for a duplicate key into its online log and stumbles
// over it at the end. MariaDB does not.
func (e *env) duplicate(t *testing.T) {
	e.local(t, "twice", 30_000)
	require.NoError(t, e.replica.Exec(t.Context(), "SET GLOBAL innodb_online_alter_log_max_size = 134217728"))
	require.NoError(t, e.replica.Exec(t.Context(), "SET sql_log_bin=0; USE faults; ALTER TABLE twice ADD u INT, ADD UNIQUE (u); UPDATE twice SET u = id; SET sql_log_bin=1"))
	stop := e.traffic(t, func(i int) string {
		return fmt.Sprintf("INSERT IGNORE INTO twice VALUES (%d, 1, 'x', %d)", 1_000_000+i, i%30_000)
	})
	defer stop()
	task := e.task("twice")
	task.LockWait = 30 * time.Second
	files := e.files(t)
	e.until(t, "no duplicate was reported", func(f *Fence) bool {
		res, err := f.Run(t.Context(), task, hooks(new(Mark)))
		require.Equal(t, files, e.files(t))
		if e.Flavor == mysqltest.MariaDB || err == nil {
			require.NoError(t, err)
			require.Equal(t, Done, res.Outcome)
			return e.Flavor == mysqltest.MariaDB
		}
		require.ErrorIs(t, err, &Error{Class: ClassDuplicate})
		require.Equal(t, Failed, res.Outcome)
		require.NotContains(t, err.Error(), "Duplicate entry", "the server's text quotes a row")
		return true
	})
}

// Tables tied by foreign keys get in each other's way: a deadlock on MySQL, a lock wait at the
// commit on MariaDB. Either is tried again and ends well.
func TestForeignKeysCollide(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		names := []string{"parent", "kid1", "kid2", "kid3"}
		e.sql(t, "CREATE TABLE @schema.parent (id INT PRIMARY KEY)")
		for _, n := range names[1:] {
			e.sql(t, "CREATE TABLE @schema."+n+" (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id))")
		}
		if e.Flavor == mysqltest.MariaDB {
			e.writerBlocksParent(t)
			return
		}
		deadline := time.Now().Add(time.Minute)
		var heard atomic.Bool
		var g sync.WaitGroup
		for i, name := range names {
			g.Go(func() {
				f, err := Acquire(t.Context(), e.srv, e.slot*1000+i, nil)
				if !assertNoError(t, err) {
					return
				}
				defer func() { _ = f.Close() }()
				task := e.task(name)
				task.Step, task.Retries, task.LockWait = i+1, 6, 30*time.Second
				for !heard.Load() && time.Now().Before(deadline) {
					h := hooks(new(Mark))
					h.Again = func(_ context.Context, x *Error) error {
						if x.Class == ClassDeadlock {
							heard.Store(true)
						}
						return nil
					}
					_, err := f.Run(t.Context(), task, h)
					assertNoError(t, err)
				}
			})
		}
		g.Wait()
		require.True(t, heard.Load(), "four rebuilds at once never met")
	})
}

// assertNoError is require.NoError for goroutines, which may not end the test.
func assertNoError(t *testing.T, err error) bool {
	if err != nil {
		t.Error(err)
	}
	return err == nil
}

// writerBlocksParent lets a transaction on the child hold up the rebuild of the parent.
func (e *env) writerBlocksParent(t *testing.T) {
	conn, err := e.replica.DB().Conn(t.Context())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	for _, s := range []string{"SET SESSION sql_log_bin = 0", "BEGIN", "INSERT INTO " + e.schema + ".kid1 VALUES (1, NULL)"} {
		_, err := conn.ExecContext(t.Context(), s)
		require.NoError(t, err)
	}
	task := e.task("parent")
	task.Retries, task.LockWait = 1, time.Second
	h := hooks(new(Mark))
	h.Again = func(ctx context.Context, x *Error) error {
		require.Equal(t, ClassLockWait, x.Class)
		_, err := conn.ExecContext(ctx, "ROLLBACK")
		return err
	}
	res, err := e.acquireOnce(t, task, h)
	require.NoError(t, err)
	require.Equal(t, 2, res.Tries)
}
