package throttle

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/mysqltest"
)

// begin opens a transaction as root on the replica that runs a statement.
func (e *env) begin(t *testing.T, statement string) (end func()) {
	t.Helper()
	conn, err := e.replica.DB().Conn(t.Context())
	require.NoError(t, err)
	for _, s := range []string{"SET SESSION sql_log_bin = 0", "START TRANSACTION", statement} {
		_, err := conn.ExecContext(t.Context(), s)
		require.NoError(t, err, s)
	}
	done := false
	end = func() {
		if !done {
			done = true
			_, _ = conn.ExecContext(context.Background(), "ROLLBACK")
			_ = conn.Close()
		}
	}
	t.Cleanup(end)
	return end
}

// transactions: an old one on the table holds a start back and is named; on MySQL, which knows its
// locks, one on another table does not.
func (e *env) transactions(t *testing.T) {
	th := New(Limits{LongTrx: time.Second}, e.node(), nil, Disks{})
	end := e.begin(t, "INSERT INTO shop.other VALUES (7)")
	if e.Flavor == mysqltest.MySQL {
		e.seenOld(t, th.limits.LongTrx)
		require.False(t, th.Check(t.Context(), table).Throttled, "it holds another table")
		purged := table
		purged.Purge = true
		v := th.Check(t.Context(), purged)
		require.Regexp(t, `long_transaction \d+ s > 1 s on `+e.replica.Name+`: root@localhost \(connection \d+\) holds back purge for \d+s`, v.String())
	}
	end()
	end = e.begin(t, "SELECT v FROM shop.t")
	require.Eventually(t, func() bool { return th.Check(t.Context(), table).Throttled }, 10*time.Second, 300*time.Millisecond)
	v := th.Check(t.Context(), table)
	require.Regexp(t, `long_transaction \d+ s > 1 s on `+e.replica.Name+`: root@localhost \(connection \d+\) (may hold|holds) the table for \d+s`, v.String())
	require.NotContains(t, v.String(), "SELECT")
	end()
	// The server shows its transactions from a cache that it refreshes only after 0.1 s without
	// a reader, so looking more often would look at the past for ever.
	require.Eventually(t, func() bool {
		v = th.Check(t.Context(), table)
		return !v.Throttled
	}, 10*time.Second, 300*time.Millisecond, "%s", &v)
}

// seenOld waits until the server shows a transaction that is older than the limit.
func (e *env) seenOld(t *testing.T, limit time.Duration) {
	t.Helper()
	require.Eventually(t, func() bool {
		open, err := Transactions(t.Context(), e.srv)
		require.NoError(t, err)
		return slices.ContainsFunc(open, func(h Holder) bool { return h.Age > limit })
	}, 20*time.Second, 300*time.Millisecond)
}

// neighbour: the rebuild of another worker is a transaction too. It does not hold this table back,
// where the server cannot tell locks either; a real transaction beside it does.
func (e *env) neighbour(t *testing.T) {
	if e.Flavor == mysqltest.MySQL {
		// Without its instrument, MySQL knows as little of locks as MariaDB and 5.7 do.
		const instrument = "UPDATE performance_schema.setup_instruments SET ENABLED = '%s' WHERE NAME = 'wait/lock/metadata/sql/mdl'"
		e.local(t, fmt.Sprintf(instrument, "NO"))
		defer e.local(t, fmt.Sprintf(instrument, "YES"))
	}
	e.local(t, "CREATE TABLE shop.big (id INT PRIMARY KEY, a INT, b INT UNSIGNED, c INT, KEY (a), KEY (b), KEY (c))", "INSERT INTO shop.big VALUES (0, 0, 0, 0)")
	for have := 1; have < 1<<16; have *= 2 {
		e.local(t, fmt.Sprintf("INSERT INTO shop.big SELECT id + %[1]d, CRC32(id + %[1]d) %% 9999, CRC32(id), id FROM shop.big", have))
	}
	old := func() (ids []uint64) {
		const everyone = `SELECT trx_mysql_thread_id, '', '', TIMESTAMPDIFF(SECOND, trx_started, NOW()) FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id > 0`
		open, err := holders(t.Context(), e.srv, false, everyone)
		require.NoError(t, err)
		for _, h := range open {
			if h.Age > time.Second {
				ids = append(ids, h.ConnectionID)
			}
		}
		return ids
	}
	require.Eventually(t, func() bool { return len(old()) == 0 }, 10*time.Second, 200*time.Millisecond)
	alter, err := e.replica.DB().Conn(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = alter.Close() }) // after the reader's, which it waits for
	_, err = alter.ExecContext(t.Context(), "SET SESSION sql_log_bin = 0")
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() {
		_, err := alter.ExecContext(context.Background(), "ALTER /* recycler job=R-1 step=2 */ TABLE shop.big FORCE, ALGORITHM=INPLACE, LOCK=NONE")
		ended <- err
	}()
	require.Eventually(t, func() bool {
		var n int
		require.NoError(t, e.replica.DB().QueryRowContext(t.Context(),
			"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'ALTER /*%' AND STATE LIKE 'alter%'").Scan(&n))
		return n == 1
	}, 10*time.Second, time.Millisecond)
	// Now it works. It cannot end before this reader does, which has no transaction of InnoDB.
	reader := e.begin(t, "SELECT 1 FROM shop.big LIMIT 0")
	require.Eventually(t, func() bool { return len(old()) > 0 }, 10*time.Second, 300*time.Millisecond, "the rebuild is an old transaction")
	th := New(Limits{LongTrx: time.Second}, e.node(), nil, Disks{})
	v := th.Check(t.Context(), table)
	require.NotEmpty(t, old())
	require.False(t, v.Throttled, v.String())
	end := e.begin(t, "INSERT INTO shop.other VALUES (8)")
	require.Eventually(t, func() bool { return th.Check(t.Context(), table).Throttled }, 10*time.Second, 300*time.Millisecond)
	end()
	reader()
	require.NoError(t, <-ended)
}
