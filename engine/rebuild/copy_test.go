package rebuild

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/mysqltest"
)

// How far a copy is, in rows, is told by the server: MariaDB always, MySQL where somebody switched its
// stages on.
func TestCopyIsCountedInRows(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		if e.Flavor == mysqltest.MySQL {
			consumer := "UPDATE performance_schema.setup_consumers SET ENABLED = '%s' WHERE NAME = 'events_stages_current'"
			require.NoError(t, e.replica.Exec(t.Context(), fmt.Sprintf(consumer, "YES")))
			defer func() { require.NoError(t, e.replica.Exec(t.Context(), fmt.Sprintf(consumer, "NO"))) }()
		}
		e.local(t, "frag", 130_000)
		task := e.task("frag")
		task.Method = Method{Kind: Alter, Algorithm: Copy, Lock: LockShared}
		f := e.acquire(t)
		g := newGauge(e.srv, task, f.sess.ID)
		ended := make(chan error, 1)
		go func() {
			_, err := f.Run(t.Context(), task, hooks(new(Mark)))
			ended <- err
		}()
		var copied []float64
		for len(ended) == 0 {
			if w := g.work(t.Context()); w.copied > 0 && w.copied < 1 {
				copied = append(copied, w.copied)
			}
		}
		require.NoError(t, <-ended)
		require.NotEmpty(t, copied)
		require.True(t, slices.IsSorted(copied), copied)
		require.Greater(t, copied[len(copied)-1], copied[0])
	})
}
