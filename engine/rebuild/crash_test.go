package rebuild

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/tablespace"
)

// hold keeps a table in use on the replica until the returned function is called: an ALTER then
// waits for the metadata lock, which is a statement that takes as long as a test needs.
func (e *env) hold(t *testing.T, table string) (release func()) {
	t.Helper()
	conn, err := e.replica.DB().Conn(t.Context())
	require.NoError(t, err)
	for _, s := range []string{"START TRANSACTION", "SELECT COUNT(*) FROM " + dbconn.QuoteName(e.schema, table)} {
		_, err := conn.ExecContext(t.Context(), s)
		require.NoError(t, err)
	}
	done := false
	release = func() {
		if done {
			return
		}
		done = true
		_, _ = conn.ExecContext(context.Background(), "ROLLBACK")
		_ = conn.Close()
	}
	t.Cleanup(release)
	return release
}

// sees waits until the server shows the task's statement.
func (e *env) sees(t *testing.T, task Task) Running {
	t.Helper()
	var found Running
	eventually(t, "the statement in the process list", func() bool {
		ours, err := FindOurs(t.Context(), e.srv)
		require.NoError(t, err)
		for _, r := range ours {
			if r.Job == task.Job {
				found = r
				return true
			}
		}
		return false
	})
	return found
}

// sent counts the statements of a task in the server's own log.
func (e *env) sent(t *testing.T, task Task) int {
	t.Helper()
	log, err := e.replica.GeneralLog()
	require.NoError(t, err)
	text, err := task.Statement()
	require.NoError(t, err)
	return strings.Count(log, text)
}

// spaces are the table's tablespace ids on the replica.
func (e *env) spaces(t *testing.T, table string) tablespace.Spaces {
	t.Helper()
	s, err := tablespace.Stat(t.Context(), e.srv, e.srv.Version, e.schema, table)
	require.NoError(t, err)
	return s.Spaces
}

// kill -9 of our process in the middle: the statement goes on, the next runner is told who holds
// the slot, waits for it and adopts the result. The server's log holds one ALTER.
func TestAdoptAfterKill9(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.local(t, "frag", 130_000)
		task := e.task("frag")
		r := e.start(t, task)
		orphan := e.sees(t, task)
		r.kill(t)
		task.Mark = r.stored(t)
		require.True(t, task.Mark.set())
		require.Equal(t, orphan.ConnectionID, task.Mark.ConnectionID)

		var holders []string
		f, err := Acquire(t.Context(), e.srv, e.slot, func(h string) { holders = append(holders, h) })
		require.NoError(t, err)
		require.Len(t, holders, 1)
		require.Contains(t, holders[0], task.Job)
		defer func() { require.NoError(t, f.Close()) }()
		h := hooks(new(Mark))
		h.Begin = func(context.Context, Mark) error { t.Error("an adopted table is not begun again"); return nil }
		res, err := f.Run(t.Context(), task, h)
		require.NoError(t, err)
		require.Equal(t, Adopted, res.Outcome)
		require.Equal(t, task.Mark.BeforeBytes, res.Before)
		require.Positive(t, res.After)
		require.Equal(t, 1, e.sent(t, task))
	})
}

// The orphan can still run when the new runner has another slot: it is watched, not repeated.
func TestAdoptRunning(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.fill(t, "frag", 3_000)
		task := e.task("frag")
		task.LockWait = 30 * time.Second
		release := e.hold(t, "frag")
		r := e.start(t, task)
		e.sees(t, task)
		r.kill(t)
		task.Mark = r.stored(t)
		f, err := Acquire(t.Context(), e.srv, 1000+e.slot, nil)
		require.NoError(t, err)
		defer func() { require.NoError(t, f.Close()) }()
		h := hooks(new(Mark))
		h.Progress = func(Progress) { release() }
		res, err := f.Run(t.Context(), task, h)
		require.NoError(t, err)
		require.Equal(t, Adopted, res.Outcome)
		require.Equal(t, 1, e.sent(t, task))
	})
}

// An orphan is killed when the owner of the new run is told to stop.
func TestCancelOrphan(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.fill(t, "frag", 3_000)
		task := e.task("frag")
		task.LockWait = 30 * time.Second
		e.hold(t, "frag")
		before := e.spaces(t, "frag")
		r := e.start(t, task)
		e.sees(t, task)
		r.kill(t)
		task.Mark = r.stored(t)
		f, err := Acquire(t.Context(), e.srv, 1000+e.slot, nil)
		require.NoError(t, err)
		defer func() { require.NoError(t, f.Close()) }()
		ctx, cancel := context.WithCancel(t.Context())
		h := hooks(new(Mark))
		h.Progress = func(Progress) { cancel() }
		res, err := f.Run(ctx, task, h)
		require.ErrorIs(t, err, ErrKilled)
		require.Equal(t, Killed, res.Outcome)
		require.Equal(t, before, e.spaces(t, "frag"))
		ours, err := FindOurs(t.Context(), e.srv)
		require.NoError(t, err)
		for _, o := range ours {
			require.NotEqual(t, task.Job, o.Job)
		}
	})
}

// A mark without a statement (killed between storing and sending) is no reason to skip the table.
func TestMarkWithoutStatement(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.fill(t, "frag", 3_000)
		f := e.acquire(t)
		task := e.task("frag")
		seen, err := f.look(t.Context(), f.sess, task)
		require.NoError(t, err)
		task.Seen = &seen
		mark, err := f.mark(t.Context(), task)
		require.NoError(t, err)
		task.Mark = mark
		var again Mark
		res, err := f.Run(t.Context(), task, hooks(&again))
		require.NoError(t, err)
		require.Equal(t, Done, res.Outcome)
		require.True(t, again.set())
		require.Equal(t, 1, e.sent(t, task))

		res, err = f.Run(t.Context(), task, hooks(&again)) // with the first mark: it is done
		require.NoError(t, err)
		require.Equal(t, Adopted, res.Outcome)
		require.Equal(t, 1, e.sent(t, task))
	})
}

// An owner that was frozen between its mark and its statement does not send it any more when another
// runner took the table up in another slot.
func TestFrozenOwner(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.fill(t, "frag", 3_000)
		task := e.task("frag")
		r := e.order(t, order{Task: task, Wait: true})
		require.True(t, r.out.Scan())
		require.Equal(t, "sent", r.out.Text())
		require.NoError(t, r.cmd.Process.Signal(syscall.SIGSTOP))
		eventually(t, "the owner is frozen", func() bool {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.cmd.Process.Pid))
			require.NoError(t, err)
			return strings.Contains(string(stat), ") T ")
		})
		task.Mark = r.stored(t)
		f, err := Acquire(t.Context(), e.srv, 1000+e.slot, nil)
		require.NoError(t, err)
		defer func() { require.NoError(t, f.Close()) }()
		res, err := f.Run(t.Context(), task, hooks(new(Mark)))
		require.NoError(t, err)
		require.Equal(t, Done, res.Outcome)
		_, err = r.in.Write([]byte{1})
		require.NoError(t, err)
		require.NoError(t, r.cmd.Process.Signal(syscall.SIGCONT))
		require.True(t, r.out.Scan())
		require.Contains(t, r.out.Text(), "ended failed")
		require.Equal(t, 1, e.sent(t, task))
	})
}

// Killed at a random moment, again and again: a table is never rebuilt by two statements.
func TestKill9AtRandomMoments(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.fill(t, "frag", 4_000)
		rng := rand.New(rand.NewPCG(1, uint64(e.slot)))
		for i := range 6 {
			task := e.task("frag")
			task.Step = 100 + i
			start := e.spaces(t, "frag")
			r := e.start(t, task)
			if i%2 == 0 { // half of them around the statement, half anywhere
				require.True(t, r.out.Scan())
			}
			time.Sleep(time.Duration(rng.IntN(250)) * time.Millisecond)
			r.kill(t)
			task.Mark = r.stored(t)
			res, err := e.acquireOnce(t, task, hooks(new(Mark)))
			require.NoError(t, err)
			now := e.spaces(t, "frag")
			require.Greater(t, now.Least, start.Greatest, "the table was rebuilt")
			// A statement that reached the server ends there whatever becomes of its client, and nothing
			// here makes one fail. So a second one would repeat a rebuild that was completed.
			require.Equal(t, 1, e.sent(t, task), "outcome %s", res.Outcome)
		}
	})
}

// ErrLeave ends our part only; the statement goes on and is adopted.
func TestLeave(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.fill(t, "frag", 3_000)
		task := e.task("frag")
		task.LockWait = 30 * time.Second
		release := e.hold(t, "frag")
		f := e.acquire(t)
		ctx, leave := context.WithCancelCause(t.Context())
		go func() { // ends when the statement is seen; Run below returns only after that
			for {
				ours, err := FindOurs(context.Background(), e.srv)
				if err == nil && len(ours) > 0 {
					leave(ErrLeave)
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		}()
		var mark Mark
		res, err := f.Run(ctx, task, hooks(&mark))
		require.ErrorIs(t, err, ErrLeave)
		require.Equal(t, Left, res.Outcome)
		e.sees(t, task)
		task.Mark = mark
		h := hooks(new(Mark))
		h.Progress = func(Progress) { release() }
		g, err := Acquire(t.Context(), e.srv, 1000+e.slot, nil)
		require.NoError(t, err)
		defer func() { require.NoError(t, g.Close()) }()
		res, err = g.Run(t.Context(), task, h)
		require.NoError(t, err)
		require.Equal(t, Adopted, res.Outcome)
		require.Equal(t, 1, e.sent(t, task))
	})
}

// A connection that breaks under the statement: the server is asked what became of it.
func TestConnectionLost(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.fill(t, "frag", 3_000)
		task := e.task("frag")
		task.LockWait = 30 * time.Second
		e.hold(t, "frag")
		before := e.spaces(t, "frag")
		f := e.acquire(t)
		var res Result
		ended := make(chan error, 1)
		go func() {
			var err error
			res, err = f.Run(context.Background(), task, hooks(new(Mark)))
			ended <- err
		}()
		require.NoError(t, e.replica.Exec(t.Context(), "KILL "+itoa(e.sees(t, task).ConnectionID)))
		err := <-ended
		require.ErrorIs(t, err, ErrLost)
		require.Equal(t, Failed, res.Outcome)
		require.Equal(t, before, e.spaces(t, "frag"))
		var typed *Error
		require.ErrorAs(t, err, &typed)
		require.True(t, typed.Retry)
	})
}

// Two runners on one server: the second waits for the first and is told who it is.
func TestTwoRunners(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		first := e.acquire(t)
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		var holder string
		_, err := Acquire(ctx, e.srv, e.slot, func(h string) { holder = h })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Contains(t, holder, itoa(first.sess.ID))
		require.NoError(t, first.Close())
		second := e.acquire(t)
		var got sql.NullInt64
		require.NoError(t, second.sess.QueryRowContext(t.Context(), "SELECT IS_USED_LOCK(?)", second.name()).Scan(&got))
		require.EqualValues(t, second.sess.ID, got.Int64)
	})
}
