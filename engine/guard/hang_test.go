package guard_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/mysqltest"
)

// A server that hangs before a statement refuses in time, whether it stopped altogether or only its
// replication status waits; what it said before is the reason, and a caller who gives up is heard at
// once.
func TestPermitOnServerThatHangs(t *testing.T) {
	t.Parallel()
	l := start(t, mysqltest.Options{Flavor: mysqltest.MySQL56, Shape: "1+1"})
	g, topo := guard.Default(guard.ExternalConfig{}), l.walk(t, 0)
	ask := func(ctx context.Context) (guard.Verdict, time.Duration) {
		sess := l.session(t, 1)
		e := l.expect(t, topo, 1)
		begin := time.Now()
		v, err := g.Permit(ctx, sess, topo, e)
		require.Error(t, err)
		return v, time.Since(begin)
	}

	// STOP SLAVE waits for a long transaction, and before 8.0 SHOW SLAVE STATUS waits for STOP SLAVE.
	require.NoError(t, l.Nodes[0].Exec(t.Context(), "CREATE DATABASE app; CREATE TABLE app.t (n INT) ENGINE=MyISAM; SET SESSION binlog_format=STATEMENT; INSERT INTO app.t SELECT SLEEP(1) UNION ALL SELECT SLEEP(8)"))
	require.Eventually(t, func() bool {
		var n int
		require.NoError(t, l.Nodes[1].DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE='User sleep'").Scan(&n))
		return n > 0
	}, 20*time.Second, 10*time.Millisecond)
	stopped := make(chan error, 1)
	go func() { stopped <- l.Nodes[1].Exec(t.Context(), "STOP SLAVE SQL_THREAD") }()
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, err := l.Nodes[1].DB().ExecContext(ctx, "SHOW SLAVE STATUS")
		return err != nil
	}, 5*time.Second, time.Millisecond)
	require.NoError(t, l.Nodes[1].Exec(t.Context(), "SET GLOBAL read_only=0"))
	v, took := ask(t.Context())
	require.Less(t, took, 7*time.Second)
	require.Contains(t, v.Reasons(), "db-prod-2 accepts writes (read_only=0)")
	require.Contains(t, v.Reasons(), "db-prod-2 could not be looked at completely: it does not answer in time")
	require.True(t, v.Known())
	require.NotContains(t, fmt.Sprint(v), "127.0.", "no addresses of ours, no text of the driver")
	require.NoError(t, <-stopped)
	require.NoError(t, l.Nodes[1].Exec(t.Context(), "START SLAVE SQL_THREAD; SET GLOBAL read_only=1"))

	sess := l.session(t, 1)
	require.NoError(t, l.Nodes[1].Pause())
	begin := time.Now()
	v, err := g.Permit(t.Context(), sess, topo, l.expect(t, topo, 1))
	require.Error(t, err)
	require.Less(t, time.Since(begin), 7*time.Second)
	require.False(t, v.Known(), "%v", v.Reasons())
	require.NoError(t, l.Nodes[1].Continue())

	sess = l.session(t, 1)
	require.NoError(t, l.Nodes[1].Pause())
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	begin = time.Now()
	_, err = g.Permit(ctx, sess, topo, l.expect(t, topo, 1))
	require.Error(t, err)
	require.Less(t, time.Since(begin), 2*time.Second)
	require.NoError(t, l.Nodes[1].Continue())
}

// A source of truth that takes its time does not end a rebuild, and does not delay what the server
// itself shows. Its own change of mind is heard when it comes.
func TestWatchWithSlowSource(t *testing.T) {
	t.Parallel()
	l := start(t, mysqltest.Options{Flavor: mysqltest.MariaDB, Shape: "1+1"})
	tr := newTruth(t)
	late := func(body string) {
		tr.do(func(w http.ResponseWriter) {
			time.Sleep(1200 * time.Millisecond)
			_, _ = fmt.Fprint(w, body)
		})
	}
	late(`{"role":"replica"}`)
	w := &watched{l: l, tr: tr, topo: l.walk(t, 0), g: guard.Default(guard.ExternalConfig{URL: tr.URL + "/{name}", Path: "role",
		Replica: []string{"replica"}, Timeout: 2 * time.Second, Retries: 1})}
	w.e = l.expect(t, w.topo, 1)

	reasons, took := w.during(t, func() { late(`{"role":"primary"}`) }) // has been asked three times by then
	require.Equal(t, []string{`db-prod-2 is "primary" for the external source of truth`}, reasons)
	require.Less(t, took, 6*time.Second)

	late(`{"role":"replica"}`)
	reasons, took = w.during(t, func() { require.NoError(t, l.Nodes[1].Exec(t.Context(), "SET GLOBAL read_only=0")) })
	require.Contains(t, reasons, "db-prod-2 accepts writes (read_only=0)")
	require.Less(t, took, 500*time.Millisecond)
	require.NoError(t, l.Nodes[1].Exec(t.Context(), "SET GLOBAL read_only=1"))

	late(`garbage`)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err := watch(ctx, w.g, l.open(t, 1), w.topo, w.e, 50*time.Millisecond)
	require.ErrorContains(t, err, "the external source of truth did not answer about db-prod-2", "a source that goes on saying nothing ends the watch")
}
