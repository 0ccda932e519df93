package rebuild

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/mysqltest"
)

// book writes down changes like the journal does.
type book struct{ changed, restored []Change }

func (b *book) record(c Change) error  { b.changed = append(b.changed, c); return nil }
func (b *book) restore(c Change) error { b.restored = append(b.restored, c); return nil }

// isOn reads a global switch of the replica.
func (e *env) isOn(t *testing.T, name string) bool {
	t.Helper()
	var on bool
	require.NoError(t, e.replica.DB().QueryRowContext(t.Context(), "SELECT @@global."+name).Scan(&on))
	return on
}

func still(context.Context) error { return nil }

// super_read_only is lifted once, recorded before, restored after; read_only is never touched.
func TestLiftRestore(t *testing.T) {
	alone(t, func(t *testing.T, e *env) {
		b := &book{}
		no := errors.New("disk full")
		changes, err := Lift(t.Context(), e.srv, BinlogOff, func(Change) error { return no })
		if e.Flavor == mysqltest.MariaDB {
			require.NoError(t, err)
			require.Empty(t, changes)
			require.True(t, e.isOn(t, "read_only"))
			return
		}
		require.ErrorIs(t, err, no)
		require.True(t, e.isOn(t, "super_read_only"), "what cannot be written down is not changed")

		changes, err = Lift(t.Context(), e.srv, BinlogOff, b.record)
		require.NoError(t, err)
		require.Len(t, changes, 1)
		require.Equal(t, b.changed, changes)
		require.False(t, e.isOn(t, "super_read_only"))
		require.True(t, e.isOn(t, "read_only"))
		again, err := Lift(t.Context(), e.srv, BinlogOff, b.record)
		require.NoError(t, err)
		require.Empty(t, again)

		require.NoError(t, Restore(t.Context(), e.srv, changes, still, b.restore))
		require.Equal(t, changes, b.restored)
		require.True(t, e.isOn(t, "super_read_only"))
		require.True(t, e.isOn(t, "read_only"))
		// Whoever finds the record again after a crash may restore again.
		require.NoError(t, Restore(t.Context(), e.srv, changes, still, b.restore))
	})
}

// A server that became a primary stays writable, whether the guard sees it or only read_only does.
func TestRestoreNotOnPrimary(t *testing.T) {
	alone(t, func(t *testing.T, e *env) {
		if e.Flavor == mysqltest.MariaDB {
			return // has nothing to restore, see TestLiftRestore
		}
		b := &book{}
		changes, err := Lift(t.Context(), e.srv, BinlogOff, b.record)
		require.NoError(t, err)
		require.NoError(t, e.Promote(t.Context(), e.replica))
		defer func() {
			require.NoError(t, e.Demote(t.Context(), e.replica, e.primary))
			require.NoError(t, e.WaitReplicated(t.Context()))
		}()
		primary := errors.New("it has no source")
		err = Restore(t.Context(), e.srv, changes, func(context.Context) error { return primary }, b.restore)
		require.ErrorIs(t, err, ErrPromoted)
		require.ErrorIs(t, err, primary)
		err = Restore(t.Context(), e.srv, changes, still, b.restore) // a guard that has not noticed yet
		require.ErrorIs(t, err, ErrPromoted)
		require.Empty(t, b.restored)
		require.False(t, e.isOn(t, "super_read_only"))
		require.False(t, e.isOn(t, "read_only"))
	})
}

// Restoring while somebody else's ALTER runs waits for it in short pieces: the applier is never
// held back for longer than those, and it succeeds in the end. Our own orphan is waited for.
func TestRestoreDuringAlter(t *testing.T) {
	alone(t, func(t *testing.T, e *env) {
		if e.Flavor == mysqltest.MariaDB {
			return
		}
		e.sql(t, "CREATE TABLE @schema.t (id INT PRIMARY KEY)", "CREATE TABLE @schema.busy (id INT PRIMARY KEY)")
		b := &book{}
		changes, err := Lift(t.Context(), e.srv, BinlogOff, b.record)
		require.NoError(t, err)
		// An ALTER that runs for 6 s: it copies rows whose generated column sleeps.
		conn, err := e.replica.DB().Conn(t.Context())
		require.NoError(t, err)
		defer func() { _ = conn.Close() }()
		_, err = conn.ExecContext(t.Context(), "SET sql_log_bin=0")
		require.NoError(t, err)
		release := e.hold(t, "t")
		ended := make(chan error, 1)
		go func() {
			_, err := conn.ExecContext(context.Background(), "ALTER TABLE "+e.schema+".t FORCE, ALGORITHM=INPLACE, LOCK=NONE")
			ended <- err
		}()
		eventually(t, "the foreign ALTER", func() bool {
			list, err := Foreign(t.Context(), e.srv)
			require.NoError(t, err)
			return len(list) > 0
		})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		err = Restore(ctx, e.srv, changes, still, b.restore)
		require.ErrorIs(t, err, ErrLockWait)
		require.Empty(t, b.restored)
		require.False(t, e.isOn(t, "super_read_only"))
		start := time.Now()
		require.NoError(t, e.primary.Exec(t.Context(), "INSERT INTO "+e.schema+".busy VALUES (1)"))
		require.NoError(t, e.WaitReplicated(t.Context()))
		require.Less(t, time.Since(start), 5*time.Second, "nothing is left behind that holds the applier back")
		release()
		require.NoError(t, <-ended)
		require.NoError(t, Restore(t.Context(), e.srv, changes, still, b.restore))
		require.True(t, e.isOn(t, "super_read_only"))
	})
}

// A promotion between the permission and the statement: the statement is not sent.
func TestPromotedBeforeStatement(t *testing.T) {
	alone(t, func(t *testing.T, e *env) {
		superReadOnly(t, e.Cluster, 0)
		e.sql(t, "CREATE TABLE @schema.t (id INT PRIMARY KEY)")
		task := e.task("t")
		h := hooks(new(Mark))
		h.Begin = func(context.Context, Mark) error { return e.Promote(t.Context(), e.replica) }
		defer func() {
			require.NoError(t, e.Demote(t.Context(), e.replica, e.primary))
			require.NoError(t, e.WaitReplicated(t.Context()))
		}()
		_, err := e.acquireOnce(t, task, h)
		require.ErrorIs(t, err, ErrPromoted)
		require.Zero(t, e.sent(t, task))
	})
}

// The applier is stopped for the rebuild, rows are counted, and it runs again afterwards, also
// when the rebuild fails.
func TestStopApplier(t *testing.T) {
	alone(t, func(t *testing.T, e *env) {
		superReadOnly(t, e.Cluster, 0)
		e.fill(t, "frag", 3_000)
		task := e.task("frag")
		task.Method = Method{Kind: Alter, Algorithm: Inplace, Lock: LockShared, StopSQL: true}
		task.CheckRows = true
		b := &book{}
		h := hooks(new(Mark))
		h.Change, h.Restored = b.record, b.restore
		h.Begin = func(context.Context, Mark) error {
			channels, err := appliers(t.Context(), e.srv)
			require.NoError(t, err)
			require.Len(t, channels, 1)
			require.False(t, channels[0].running)
			return nil
		}
		res, err := e.acquireOnce(t, task, h)
		require.NoError(t, err)
		require.Equal(t, Done, res.Outcome)
		require.NotNil(t, res.Rows)
		require.Equal(t, res.Rows.Before, res.Rows.After)
		require.Positive(t, res.Rows.Before)
		require.Equal(t, []Change{{Name: "applier", Before: "running", After: "stopped"}}, b.changed)
		require.Equal(t, b.changed, b.restored)
		e.runs(t)

		release := e.root(t, "LOCK TABLES @schema.frag READ")
		task.LockWait = time.Second
		_, err = e.acquireOnce(t, task, h)
		require.ErrorIs(t, err, ErrLockWait)
		release()
		e.runs(t)

		// After a crash the record is all there is.
		require.NoError(t, e.replica.Exec(t.Context(), channel{}.statement(e.srv.Version, false)))
		require.NoError(t, Restore(t.Context(), e.srv, b.changed[:1], still, b.restore))
		e.runs(t)
	})
}

// runs holds that the applier of the replica runs and applies.
func (e *env) runs(t *testing.T) {
	t.Helper()
	channels, err := appliers(t.Context(), e.srv)
	require.NoError(t, err)
	require.Len(t, channels, 1)
	require.True(t, channels[0].running)
	require.NoError(t, e.WaitReplicated(t.Context()))
}

// The server dies under the statement: the outcome is known after its restart.
func TestServerRestart(t *testing.T) {
	alone(t, func(t *testing.T, e *env) {
		superReadOnly(t, e.Cluster, 0)
		e.fill(t, "frag", 3_000)
		task := e.task("frag")
		task.LockWait = 30 * time.Second
		e.hold(t, "frag")
		before := e.spaces(t, "frag")
		h := hooks(new(Mark))
		killed := make(chan error, 1)
		once := false
		h.Progress = func(Progress) {
			if !once {
				once = true
				go func() {
					err := e.replica.Kill()
					time.Sleep(time.Second)
					killed <- errors.Join(err, e.replica.Restart(context.Background()))
				}()
			}
		}
		res, err := e.acquireOnce(t, task, h)
		require.NoError(t, <-killed)
		require.ErrorIs(t, err, ErrLost)
		require.Equal(t, Failed, res.Outcome)
		require.Equal(t, before, e.spaces(t, "frag"))
		superReadOnly(t, e.Cluster, 0)
		require.NoError(t, e.WaitReplicated(t.Context()))
		res, err = e.acquireOnce(t, task, hooks(new(Mark)))
		require.NoError(t, err)
		require.Equal(t, Done, res.Outcome)
	})
}
