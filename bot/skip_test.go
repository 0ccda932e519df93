package bot

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine"
	"mysql-recycler/engine/throttle"
)

func TestSkipATable(t *testing.T) {
	t.Parallel()
	w := running(t)
	require.Contains(t, w.says(mal, "skip R-7QK1 shop.carts"), "Only alice, who asked for it, and the approvers of shop may do this to R-7QK1.")
	require.Contains(t, w.says(alice, "skip R-7QK1"), "`skip` needs a request and a table.")
	require.Contains(t, w.says(alice, "skip R-7QK1 shop.cart"), "Did you mean shop.carts?")
	require.Equal(t, "`shop.carts` on db-prod-3 is left alone.\n", w.says(bob, "skip 7qk1 carts"))
	w.tells()
	require.Contains(t, w.show("R-7QK1/card"), "Leaving `shop.carts` on `db-prod-3` alone: bob asked for it.")
	require.Contains(t, w.thread("R-7QK1/card"), "@bob asked to leave `shop.carts` on `db-prod-3` alone.")
	w.rebuilds("R-7QK1", 1, 1*gib, time.Minute)
	require.Contains(t, w.says(alice, "skip R-7QK1 shop.orders"), "shop.orders has ended.")

	// A table that waits long has a button; one that waits a moment has none.
	lag := throttle.Verdict{Throttled: true, Reasons: []throttle.Reason{{Metric: "replica_lag", Value: 14, Limit: 10, Unit: "s", Where: "db-prod-3"}}}
	j := w.job("R-7QK1")
	w.moves("R-7QK1", "", engine.EventJobThrottled, "", lag)
	w.events[len(w.events)-1].Step = 3
	w.tells()
	require.NotContains(t, w.show("R-7QK1/card"), "[Skip")
	w.now = w.now.Add(longWait)
	w.tells()
	require.Contains(t, w.show("R-7QK1/card"), "[Skip "+j.Steps[2].Plan.Name()+"] [Pause]")
	require.Contains(t, w.clicks(alice, "R-7QK1/card", ActionSkipTable), "is left alone")
	require.Equal(t, "alice", w.job("R-7QK1").Steps[2].Skip)
	w.tells()
	require.NotContains(t, w.show("R-7QK1/card"), "[Skip")
	require.Contains(t, w.presses(alice, ActionSkipTable, "cancel R-7QK1"), "not known to me")

	line, err := Parse(`skip r-7qk1 "my shop.big table"`)
	require.NoError(t, err)
	again, err := Parse(line.String())
	require.NoError(t, err)
	require.Equal(t, line, again)
}
