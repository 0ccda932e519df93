package queue

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Approved work starts at its time and not before, also when the process that would have run it is
// replaced by one that takes over everything at once.
func TestStartsAtItsTime(t *testing.T) {
	t.Parallel()
	url := fresh(t)
	first := open(t, url)
	q1 := newQueue(t, first, walk(first, "first", time.Second, nothing), Options{Regions: one()})
	require.NoError(t, q1.Start(t.Context()))
	approve(t, first, q1, "R-NOW0", "host-2", "")
	ended(t, first, "R-NOW0") // the queue works
	// Long enough for the first process to stop before it on a slow machine.
	at := time.Now().Add(10 * time.Second).Truncate(time.Millisecond)
	approveFor(t, first, q1, "R-LATE", "host-1", "", at)
	stop, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	require.NoError(t, q1.Stop(stop))
	require.Empty(t, starts(t, first, "R-LATE"))

	db := open(t, url)
	var mu sync.Mutex
	var ran []time.Time
	q := newQueue(t, db, walk(db, "second", time.Second, func(context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		ran = append(ran, time.Now())
		return nil
	}), Options{Regions: one()})
	require.NoError(t, q.Start(t.Context()))
	ended(t, db, "R-LATE")
	require.Len(t, ran, 1)
	require.False(t, ran[0].Before(at), "%s is before %s", ran[0], at)
	require.Equal(t, []string{"second"}, starts(t, db, "R-LATE"))
	t.Logf("started %s after its time", ran[0].Sub(at).Round(time.Millisecond))
}
