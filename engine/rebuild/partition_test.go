package rebuild

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/tablespace"
)

// oddName is a partition whose name has to be quoted, and is written in another way in file names.
const oddName = "p`Ü#sp#x 1"

// parted makes a table of three partitions on the replica alone, with many rows deleted from one.
func (e *env) parted(t *testing.T, name string, rows int) {
	t.Helper()
	full := dbconn.QuoteName(e.schema, name)
	require.NoError(t, e.WaitReplicated(t.Context()))
	conn, err := e.replica.DB().Conn(t.Context())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	run := func(query string) {
		_, err := conn.ExecContext(t.Context(), query)
		require.NoError(t, err, query)
	}
	run("SET SESSION sql_log_bin = 0")
	run(fmt.Sprintf("CREATE TABLE %s (id INT PRIMARY KEY, v VARCHAR(250) NOT NULL, KEY (v(10))) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (%d),"+
		" PARTITION %s VALUES LESS THAN (%d), PARTITION pm VALUES LESS THAN MAXVALUE)", full, rows/10, dbconn.QuoteName(oddName), rows*9/10))
	run("INSERT INTO " + full + " VALUES (0, REPEAT('x', 240))")
	for have := 1; have < rows; have *= 2 {
		run(fmt.Sprintf("INSERT INTO %[1]s SELECT id + %[2]d, v FROM %[1]s WHERE id + %[2]d < %[3]d", full, have, rows))
	}
	run(fmt.Sprintf("DELETE FROM %s WHERE id BETWEEN %d AND %d AND CRC32(id) %% 10 < 6", full, rows/10, rows*9/10-1))
}

// one is the rebuild of one partition of a table.
func (e *env) one(t *testing.T, table, partition string) Task {
	t.Helper()
	found, err := tablespace.Find(t.Context(), e.srv, e.srv.Version, e.schema, table)
	require.NoError(t, err)
	task := e.task(table)
	task.Partition, task.Method = partition, ChoosePartition(e.srv.Version, found, ChooseOptions{})
	require.Equal(t, Alter, task.Method.Kind, task.Method.Reason)
	return task
}

// part is the state of a partition on the replica.
func (e *env) part(t *testing.T, table, partition string) tablespace.State {
	t.Helper()
	s, err := tablespace.StatPartition(t.Context(), e.srv, e.srv.Version, e.schema, table, partition)
	require.NoError(t, err)
	return s
}

// One partition is rebuilt by one statement; the others keep their files.
func TestRebuildOnePartition(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.parted(t, "t`p", 60_000)
		f := e.acquire(t)
		task := e.one(t, "t`p", oddName)
		before, first, last := e.part(t, "t`p", oddName), e.part(t, "t`p", "p0"), e.part(t, "t`p", "pm")
		var mark Mark
		res, err := f.Run(t.Context(), task, hooks(&mark))
		require.NoError(t, err)
		require.Equal(t, Done, res.Outcome)
		after := e.part(t, "t`p", oddName)
		require.Equal(t, []int64{before.Bytes, after.Bytes}, []int64{res.Before, res.After})
		require.Less(t, after.Bytes, before.Bytes*7/10)
		require.Greater(t, after.Spaces.Least, before.Newest)
		require.Equal(t, first.Spaces, e.part(t, "t`p", "p0").Spaces)
		require.Equal(t, last.Spaces, e.part(t, "t`p", "pm").Spaces)
		require.Equal(t, 1, e.sent(t, task))

		task.Mark = mark // another partition was rebuilt since, which says nothing of this one
		other := e.one(t, "t`p", "p0")
		other.Mark, other.Step = mark, 4
		res, err = f.Run(t.Context(), other, hooks(new(Mark)))
		require.NoError(t, err)
		require.Equal(t, Done, res.Outcome)
		res, err = f.Run(t.Context(), task, hooks(new(Mark)))
		require.NoError(t, err)
		require.Equal(t, Adopted, res.Outcome)
		require.Equal(t, 1, e.sent(t, task))
	})
}

// Rows are counted in the partition that is rebuilt.
func TestRowsOfAPartition(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.parted(t, "t", 3_000)
		f := e.acquire(t)
		task := e.one(t, "t", oddName)
		n, err := f.count(t.Context(), task)
		require.NoError(t, err)
		var want int64
		require.NoError(t, e.srv.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+dbconn.QuoteName(e.schema, "t")+" WHERE id BETWEEN 300 AND 2699").Scan(&want))
		require.Equal(t, want, n)
	})
}

// kill -9 of our process in the middle of a partition: the statement goes on and is adopted.
func TestAdoptPartitionAfterKill9(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.parted(t, "t", 3_000)
		task := e.one(t, "t", oddName)
		task.LockWait = 30 * time.Second
		release := e.hold(t, "t")
		r := e.start(t, task)
		e.sees(t, task)
		r.kill(t)
		task.Mark = r.stored(t)
		require.True(t, task.Mark.set())
		f, err := Acquire(t.Context(), e.srv, 1000+e.slot, nil)
		require.NoError(t, err)
		defer func() { require.NoError(t, f.Close()) }()
		h := hooks(new(Mark))
		h.Progress = func(Progress) { release() }
		res, err := f.Run(t.Context(), task, h)
		require.NoError(t, err)
		require.Equal(t, Adopted, res.Outcome)
		require.Equal(t, task.Mark.BeforeBytes, res.Before)
		require.Equal(t, e.part(t, "t", oddName).Bytes, res.After)
		require.Equal(t, 1, e.sent(t, task))
	})
}

// A partition that is stopped in the middle is as it was, and nothing of the new file stays.
func TestKillPartition(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.parted(t, "t", 20_000)
		before := e.part(t, "t", oddName)
		f := e.acquire(t)
		task := e.one(t, "t", oddName)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		h := hooks(&task.Mark)
		h.Progress = func(Progress) { stop() }
		fresh := task // without the mark, which the hook sets
		fresh.LockWait = 30 * time.Second
		e.hold(t, "t") // what MariaDB has copied by then waits for the table
		res, err := f.Run(ctx, fresh, h)
		require.ErrorIs(t, err, ErrKilled)
		require.Equal(t, Killed, res.Outcome)
		require.True(t, task.Mark.set())
		require.Empty(t, res.Late)
		require.Equal(t, before.Spaces, e.part(t, "t", oddName).Spaces)
		require.Eventually(t, func() bool { return e.part(t, "t", oddName).Newest == before.Newest }, 10*time.Second, 20*time.Millisecond,
			"the server's list of files follows a moment later")
		left, err := f.cleared(task)
		require.NoError(t, err)
		require.Empty(t, left)
	})
}

// A partition that somebody dropped is a named end, before the statement and by its number.
func TestPartitionGone(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.parted(t, "t", 3_000)
		f := e.acquire(t)
		task := e.one(t, "t", oddName)
		drop := func() {
			conn, err := e.replica.DB().Conn(t.Context())
			require.NoError(t, err)
			defer func() { _ = conn.Close() }()
			for _, s := range []string{"SET SESSION sql_log_bin = 0", "ALTER TABLE " + dbconn.QuoteName(e.schema, "t") + " DROP PARTITION " + dbconn.QuoteName(oddName)} {
				_, err = conn.ExecContext(t.Context(), s)
				require.NoError(t, err)
			}
		}
		h := hooks(new(Mark))
		begin := h.Begin
		h.Begin = func(ctx context.Context, m Mark) error { drop(); return begin(ctx, m) }
		_, err := f.Run(t.Context(), task, h)
		var e1 *Error
		require.ErrorAs(t, err, &e1)
		require.Equal(t, ClassTableGone, e1.Class, e1)
		require.Equal(t, "The partition is gone since the plan was made.", e1.Sentence())
		_, err = f.Run(t.Context(), task, hooks(new(Mark)))
		require.ErrorAs(t, err, &e1)
		require.Equal(t, ClassTableGone, e1.Class)
		require.Equal(t, "The partition is gone since the plan was made.", e1.Sentence())
	})
}
