package rebuild

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A read view from before holds purge back, which looks idle then. No ALTER is sent until it is
// closed: purge would go on under the rebuild.
func TestPurgeHeldBack(t *testing.T) {
	alone(t, func(t *testing.T, e *env) {
		superReadOnly(t, e.Cluster, 0)
		e.fill(t, "frag", 3_000)
		end := e.root(t, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
		e.sql(t, "DELETE FROM @schema.frag WHERE id % 7 = 1")
		b := &book{}
		h := journal(b, new(Mark))
		held := make(chan string, 100)
		h.Progress = func(p Progress) {
			if strings.Contains(p.Phase, "held back by a transaction of root@localhost (connection ") {
				held <- p.Phase
			}
		}
		f := e.acquire(t)
		task := e.stopping("frag")
		r := f.beside(context.Background(), task, h)
		for range 3 {
			select {
			case <-held:
			case <-r.ended:
				t.Fatalf("it ended while the view was open: %s, %v", r.res.Outcome, r.err)
			}
		}
		require.Zero(t, e.sent(t, task))
		end()
		<-r.ended
		require.NoError(t, r.err)
		require.Equal(t, Done, r.res.Outcome)
		require.Equal(t, 1, e.sent(t, task))
		e.goes(t)
	})
}

// The wait for purge has an end, which says who holds it back; the applier runs again.
func TestPurgeLimit(t *testing.T) {
	alone(t, func(t *testing.T, e *env) {
		superReadOnly(t, e.Cluster, 0)
		e.fill(t, "frag", 3_000)
		e.root(t, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
		e.sql(t, "DELETE FROM @schema.frag WHERE id % 7 = 1")
		b := &book{}
		f := e.acquire(t)
		f.purgeWait = 3 * time.Second
		task := e.stopping("frag")
		res, err := f.Run(t.Context(), task, journal(b, new(Mark)))
		require.ErrorIs(t, err, ErrPurge)
		require.Equal(t, Failed, res.Outcome)
		require.Contains(t, failure(err).Sentence(), "root@localhost (connection ")
		require.Zero(t, e.sent(t, task))
		require.Equal(t, b.changed, b.restored)
		e.goes(t)
	})
}

// A transaction that only inserted takes a number that purge never reaches. That is no reason to wait
// for ever.
func TestPurgeGap(t *testing.T) {
	alone(t, func(t *testing.T, e *env) {
		superReadOnly(t, e.Cluster, 0)
		e.sql(t, "CREATE TABLE @schema.t (id INT PRIMARY KEY)")
		b := &book{}
		f := e.acquire(t)
		changes, err := f.stopApplier(t.Context(), b.record)
		require.NoError(t, err)
		for range 3 {
			e.root(t, "SET SESSION sql_log_bin = 0", fmt.Sprintf("INSERT INTO @schema.t VALUES (%d)", time.Now().UnixNano()%1_000_000_000))()
		}
		start := time.Now()
		require.NoError(t, f.waitPurged(t.Context(), func(Progress) {}))
		require.Less(t, time.Since(start), 60*time.Second)
		require.NoError(t, startApplier(t.Context(), e.srv, changes, b.restore))
		require.NoError(t, e.replica.Exec(t.Context(), "SET sql_log_bin=0; TRUNCATE TABLE "+e.schema+".t; SET sql_log_bin=1"))
		e.goes(t)
	})
}
