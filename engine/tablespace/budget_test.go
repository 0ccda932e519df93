package tablespace

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/dbconn"
)

// watched counts what is sent to a server, and what is sent when a budget is over.
type watched struct {
	dbconn.Querier
	until      time.Time
	sent, late int
}

func (w *watched) note() {
	w.sent++
	if time.Now().After(w.until) {
		w.late++
	}
}

func (w *watched) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	w.note()
	return w.Querier.QueryContext(ctx, query, args...)
}

func (w *watched) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if ctx.Err() == nil { // else nothing is sent
		w.note()
	}
	return w.Querier.QueryRowContext(ctx, query, args...)
}

// quiet requires that no statement of our account runs on the server. One whose error was just sent
// is still listed for a moment.
func (e *env) quiet(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		var running int
		err := e.node.DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = ? AND COMMAND = 'Query' AND INFO LIKE ?",
			testUser, "%"+e.schema+"%").Scan(&running)
		return err == nil && running == 0
	}, 500*time.Millisecond, 5*time.Millisecond, "a statement of ours runs on after the budget")
}

// A table of many partitions is sampled as far as the budget goes: nothing is sent after it, and the
// partitions that were not read have an honest range.
func TestPredictBudgetOfPartitions(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.numbers(t, 60_000)
		e.sql(t, "CREATE TABLE @schema.parts (id INT PRIMARY KEY, b VARCHAR(200)) PARTITION BY HASH (id) PARTITIONS 300",
			"INSERT INTO @schema.parts SELECT n, REPEAT('x', 200) FROM @schema.seq", "ANALYZE TABLE @schema.parts")
		table, err := Find(t.Context(), e.srv, e.srv.Version, e.schema, "parts")
		require.NoError(t, err)
		const budget = 300 * time.Millisecond
		w := &watched{Querier: e.srv, until: time.Now().Add(budget)}
		got, err := Predict(t.Context(), w, e.srv.Version, table, PredictOptions{Budget: budget})
		require.NoError(t, err)
		require.Zero(t, w.late, "of %d statements", w.sent)
		require.NotEmpty(t, got.Note)
		require.NotEqual(t, HowSampled, got.How)
		e.sql(t, "ALTER TABLE @schema.parts FORCE")
		after, err := Size(t.Context(), e.srv, e.srv.Version, e.schema, "parts")
		require.NoError(t, err)
		require.LessOrEqual(t, got.Low, after, "%s, before %d", got, table.FileBytes)
		require.GreaterOrEqual(t, got.High, after, "%s, before %d", got, table.FileBytes)
	})
}

// Rows that are deleted but still seen by an old transaction lie in the way of every dive into the
// key: the server is told to stop when the time is over, and does.
func TestPredictBudgetOfDeletedRows(t *testing.T) {
	for _, c := range clusters { // before the parallel tests: the open transaction holds back purge for the whole server
		t.Run(string(c.Flavor)+" "+c.Version, func(t *testing.T) {
			e := newEnv(t, c)
			e.numbers(t, 1_500_000)
			e.sql(t, "ANALYZE TABLE @schema.seq")
			view, err := e.node.DB().Conn(t.Context())
			require.NoError(t, err)
			defer func() { _ = view.Close() }()
			_, err = view.ExecContext(t.Context(), "START TRANSACTION WITH CONSISTENT SNAPSHOT")
			require.NoError(t, err)
			defer func() {
				_, err := view.ExecContext(context.WithoutCancel(t.Context()), "ROLLBACK")
				require.NoError(t, err)
			}()
			e.sql(t, "DELETE FROM @schema.seq WHERE n BETWEEN 1000 AND 1499000")
			table, err := Find(t.Context(), e.srv, e.srv.Version, e.schema, "seq")
			require.NoError(t, err)
			for _, budget := range []time.Duration{50 * time.Millisecond, 400 * time.Millisecond} {
				w := &watched{Querier: e.srv, until: time.Now().Add(budget)}
				got, err := Predict(t.Context(), w, e.srv.Version, table, PredictOptions{Budget: budget, ExactRows: true})
				over := time.Since(w.until)
				e.quiet(t)
				require.NoError(t, err)
				require.Zero(t, w.late, "of %d statements", w.sent)
				require.Less(t, over, time.Second, "it answers when its budget is over")
				require.False(t, got.RowsExact)
				require.NotEqual(t, HowCount, got.How)
				require.Less(t, got.Low, int64(2<<20), "%s: nearly everything was deleted", got)
				require.LessOrEqual(t, got.Low, got.Bytes)
				require.LessOrEqual(t, got.Bytes, got.High)
			}
		})
	}
}

// An exact count that would take too long is stopped by the server, and the prediction goes on
// without it.
func TestPredictBudget(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.numbers(t, 400_000)
		table, err := Find(t.Context(), e.srv, e.srv.Version, e.schema, "seq")
		require.NoError(t, err)
		// More rows than any server counts in the time given, without making them.
		many := table
		many.Name = "many"
		e.sql(t, "CREATE VIEW @schema.many AS SELECT a.n FROM @schema.seq a JOIN @schema.seq b ON b.n % 1000 <> a.n % 999")
		p := &predictor{b: &budget{q: e.srv, v: e.srv.Version, until: time.Now().Add(100 * time.Millisecond)}, v: e.srv.Version, t: many}
		start := time.Now()
		_, ok, err := p.count(t.Context(), p.b, unit{})
		require.NoError(t, err)
		require.False(t, ok, "counted %s", time.Since(start))
		e.quiet(t)
		got, err := Predict(t.Context(), e.srv, e.srv.Version, table, PredictOptions{ExactRows: true, Budget: time.Nanosecond})
		require.NoError(t, err)
		require.False(t, got.RowsExact)
		require.Positive(t, got.Bytes)
		require.InEpsilon(t, table.FileBytes, got.Bytes, 0.5)
		require.GreaterOrEqual(t, got.High, got.Bytes)
	})
}

// The bound of a statement is the server's own, in the words of its version.
func TestBoundOfAStatement(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		v    dbconn.Version
		want string
	}{
		{dbconn.Version{Flavor: dbconn.MySQL, Major: 5, Minor: 7, Patch: 8}, "SELECT /*+ MAX_EXECUTION_TIME(1500) */ 1"},
		{dbconn.Version{Flavor: dbconn.MySQL, Major: 26, Minor: 7}, "SELECT /*+ MAX_EXECUTION_TIME(1500) */ 1"},
		{dbconn.Version{Flavor: dbconn.MySQL, Major: 5, Minor: 6, Patch: 51}, "SELECT 1"},
		{dbconn.Version{Flavor: dbconn.MariaDB, Major: 10, Minor: 11, Patch: 19}, "SET STATEMENT max_statement_time=1.500 FOR SELECT 1"},
		{dbconn.Version{Flavor: dbconn.MariaDB, Major: 10, Minor: 0, Patch: 38}, "SELECT 1"},
	} {
		require.Equal(t, c.want, limited(c.v, "SELECT 1", 1500*time.Millisecond), "%v", c.v)
	}
	require.Equal(t, []int{0, 4, 2, 6, 1, 5, 3}, scattered(7))
}
