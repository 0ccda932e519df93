package bot

import (
	"strings"
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

// Single partitions are called by their names in what people read; the name of their table means all of
// them.
func TestSinglePartitions(t *testing.T) {
	t.Parallel()
	w := ready(t)
	w.settings.Policy.AllowCopy = true
	parted(&w.found[0])
	text := w.says(alice, "plan db-prod-3 --table events")
	require.Contains(t, text, "shop.events (p2024_01)")
	require.Contains(t, text, "shop.events (p2024_02)")
	require.NotContains(t, text, "p2024_03", "it gives back next to nothing")
	require.Contains(t, text, "2 of 24 partitions are fragmented, and each is rebuilt by itself; writes to the table, and so replication of this node, wait meanwhile")
	require.Contains(t, text, "while shop.events (p2024_01), shop.events (p2024_02) are rebuilt")
	zh := w.saysIn(carol, "CZH", "plan db-prod-3 --table events")
	require.Contains(t, zh, "24 个分区中有 2 个碎片较多，逐个重建；期间对该表的写入（即本节点的复制）会等待")

	w.says(alice, "run db-prod-3 --schema shop")
	w.tells()
	w.clicks(bob, "R-7QK1/card", ActionApprove)
	w.moves("R-7QK1", engine.JobRunning, engine.EventJobStarted, "", nil)
	first := w.job("R-7QK1").Steps[0]
	require.Equal(t, "shop.events (p2024_01)", first.Plan.Name())
	w.rebuilds("R-7QK1", 1, gib, time.Minute)
	w.tells()
	require.Contains(t, w.thread("R-7QK1/card"), "`shop.events (p2024_01)`")
	require.Contains(t, w.says(alice, "skip R-7QK1 shop.event"), "Did you mean shop.events?")
	require.Equal(t, "`shop.events` on db-prod-3 is left alone.\n", w.says(bob, "skip R-7QK1 events"), "what has not ended of it")
	skipped := 0
	for _, st := range w.job("R-7QK1").Steps {
		require.Equal(t, st.Skip != "", st.Plan.Partition == "p2024_02", st.Plan.Name())
		if st.Skip != "" {
			skipped++
		}
	}
	require.Equal(t, 1, skipped)
	require.Contains(t, w.says(alice, `skip R-7QK1 "shop.events (p2024_01)"`), "has ended")
	require.Equal(t, "`shop.events (p2024_02)` on db-prod-3 is left alone.\n", w.says(alice, `skip R-7QK1 "shop.events (p2024_02)"`))
}

// A table of many partitions that is left alone takes one reply, not one per partition.
func TestSkippedPartitionsAreOneReply(t *testing.T) {
	t.Parallel()
	w := ready(t)
	w.settings.Policy.AllowCopy = true
	parted(&w.found[0])
	w.says(alice, "run db-prod-3 --schema shop")
	w.tells()
	w.clicks(bob, "R-7QK1/card", ActionApprove)
	w.moves("R-7QK1", engine.JobRunning, engine.EventJobStarted, "", nil)
	require.Contains(t, w.says(bob, "skip R-7QK1 events"), "is left alone")
	for i := range w.job("R-7QK1").Steps {
		st := &w.job("R-7QK1").Steps[i]
		if st.Skip == "" {
			continue
		}
		st.State, st.Reason = engine.StepSkipped, "bob asked for it"
		w.append(engine.Event{Kind: engine.EventStepSkipped, RequestID: "R-7QK1", JobID: "R-7QK1", Step: st.Seq})
		w.tells()
	}
	thread := w.thread("R-7QK1/card")
	require.Equal(t, 1, strings.Count(thread, "is left alone"), thread)
	require.Contains(t, thread, "`shop.events (2 partitions)` on `db-prod-3` is left alone: bob asked for it")
}
