package rebuild

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/engine/tablespace"
)

// A rebuild gives space back, makes no GTID, reaches the server with its tag, and leaves the
// primary alone. The proof is the servers' own record.
func TestRunBinlogOff(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.fill(t, "frag", 20_000)
		var mark Mark
		task := e.task("frag")
		res, err := e.acquire(t).Run(t.Context(), task, hooks(&mark))
		require.NoError(t, err)
		require.Equal(t, Done, res.Outcome)
		require.Less(t, res.After, res.Before*7/10)
		size, err := tablespace.Size(t.Context(), e.srv, e.srv.Version, e.schema, "frag")
		require.NoError(t, err)
		require.Equal(t, size, res.After)
		require.Equal(t, res.Before, mark.BeforeBytes)
		require.NotZero(t, mark.SpaceID)

		e.requireNoOwnGTID(t)
		log, err := e.replica.GeneralLog()
		require.NoError(t, err)
		text, err := task.Statement()
		require.NoError(t, err)
		require.Contains(t, log, text)
		require.NotContains(t, log, testPass)
		log, err = e.primary.GeneralLog()
		require.NoError(t, err)
		require.NotContains(t, log, "job="+task.Job)
	})
}

// In binlog-on mode the statement is logged where it runs and reaches the replica.
func TestRunBinlogOn(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.fill(t, "frag", 5_000)
		before := e.gtids(t, e.primary)
		var mark Mark
		task := e.task("frag")
		task.Mode = BinlogOn
		f, err := Acquire(t.Context(), open(t, e.primary), e.slot, nil)
		require.NoError(t, err)
		defer func() { require.NoError(t, f.Close()) }()
		res, err := f.Run(t.Context(), task, hooks(&mark))
		require.NoError(t, err)
		require.Equal(t, Done, res.Outcome)
		require.NotEqual(t, before, e.gtids(t, e.primary))
		require.NoError(t, e.WaitReplicated(t.Context()))
		now, err := tablespace.Stat(t.Context(), e.srv, e.srv.Version, e.schema, "frag")
		require.NoError(t, err)
		require.NotZero(t, now.Spaces.Greatest)
	})
}

// requireNoOwnGTID holds that the replica has executed nothing of its own.
func (e *env) requireNoOwnGTID(t *testing.T) {
	t.Helper()
	own := fmt.Sprintf("-%d-", e.replica.ServerID)
	query := "SELECT @@GLOBAL.gtid_binlog_state"
	if e.Flavor == mysqltest.MySQL {
		require.NoError(t, e.replica.DB().QueryRowContext(t.Context(), "SELECT @@server_uuid").Scan(&own))
		query = "SELECT @@GLOBAL.gtid_executed"
	}
	var state string
	require.NoError(t, e.replica.DB().QueryRowContext(t.Context(), query).Scan(&state))
	require.NotContains(t, state, own)
}

// gtids is what the server's binary log holds.
func (e *env) gtids(t *testing.T, n *mysqltest.Node) string {
	t.Helper()
	query := "SELECT @@GLOBAL.gtid_executed"
	if e.Flavor == mysqltest.MariaDB {
		query = "SELECT @@GLOBAL.gtid_binlog_pos"
	}
	var s string
	require.NoError(t, n.DB().QueryRowContext(t.Context(), query).Scan(&s))
	return s
}

// Names are data, never syntax.
func TestRunStrangeNames(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		for _, name := range []string{"a`b", "it's", `say "hi"`, "two words", "ünïcode表", "#p#p0", "semi;colon", "/*c*/", "back\\slash", "100%_"} {
			task := e.task(name)
			e.sql(t, "CREATE TABLE @schema.`"+strings.ReplaceAll(name, "`", "``")+"` (id INT PRIMARY KEY, v VARCHAR(9))")
			var mark Mark
			res, err := e.acquireOnce(t, task, hooks(&mark))
			require.NoError(t, err, name)
			require.Equal(t, Done, res.Outcome, name)
			require.Positive(t, res.After, name)
		}
	})
}

// acquireOnce runs one task behind a fence of its own.
func (e *env) acquireOnce(t *testing.T, task Task, h Hooks) (Result, error) {
	t.Helper()
	f, err := Acquire(t.Context(), e.srv, e.slot, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	return f.Run(context.WithoutCancel(t.Context()), task, h)
}
