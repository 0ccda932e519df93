package bot

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// fleetBook is a fleet of two processes.
type fleetBook struct {
	w       *world
	paused  []PausedRegion
	drained map[string]bool
}

func (f *fleetBook) Nodes(context.Context) ([]Node, error) {
	return []Node{
		{Name: "node-a", State: "up", Roles: "bot,worker,api", Regions: "eu", Version: "1.2.3", Running: 1, Seen: f.w.now},
		{Name: "node-b", State: "gone", Roles: "worker", Regions: "us", Version: "1.2.2", Seen: f.w.now.Add(-time.Minute)},
	}, nil
}

func (f *fleetBook) Paused(context.Context) ([]PausedRegion, error) { return f.paused, nil }

func (f *fleetBook) HoldRegion(_ context.Context, region string, by approvals.Actor, paused bool) (bool, error) {
	if (len(f.paused) > 0) == paused {
		return false, nil
	}
	f.paused = nil
	if paused {
		f.paused = []PausedRegion{{Region: region, By: by, At: f.w.now}}
	}
	return true, nil
}

func (f *fleetBook) HoldNode(_ context.Context, node string, _ approvals.Actor, drained bool) (bool, error) {
	news := f.drained[node] != drained
	f.drained[node] = drained
	return news, nil
}

// fleet is a world whose cluster is in the region eu.
func fleet(t *testing.T) *world {
	book := &fleetBook{drained: map[string]bool{}}
	w := newWorld(t, func(o *Options) { o.Tuning.Fleet = book })
	book.w, w.settings.Region = w, "eu"
	return w
}

// A region is paused from the chat by an approver of a cluster there, and a card that waits says so.
func TestPauseRegion(t *testing.T) {
	t.Parallel()
	w := fleet(t)
	require.Contains(t, w.says(bob, "region pause us"), "No cluster is in a region `us`. Regions: `eu`")
	require.Contains(t, w.says(mal, "region pause eu"), "Only approvers of a cluster in region `eu` may do this: shop.")
	require.Contains(t, w.says(bob, "region pause"), "needs what to do and a region")
	require.Contains(t, w.says(bob, "region stop eu"), "pause, resume")
	require.Contains(t, w.says(bob, "region resume eu"), "Region `eu` is not paused.")
	require.Contains(t, w.says(bob, "region pause eu"), "Region `eu` is paused: no job starts on shop, running ones go on.")
	require.Contains(t, w.says(carol, "region pause eu"), "区域 `eu` 已处于暂停状态。")
	w.says(alice, "discover db-prod-3")
	w.tells()
	w.clicks(bob, "R-7QK1/card", ActionApprove)
	w.tells()
	require.Contains(t, w.show("R-7QK1/card"), "Waiting: region `eu` is paused by @bob since")
	said := w.says(alice, "nodes")
	require.Contains(t, said, "node-a")
	require.Contains(t, said, "gone for 60 s")
	require.Contains(t, said, "Region `eu` is paused by @bob since")
	require.Contains(t, w.says(carol, "nodes"), "失联")
	require.Contains(t, w.says(bob, "region resume eu"), "Region `eu` takes work again.")

	line, err := Parse("region PAUSE eu")
	require.NoError(t, err)
	again, err := Parse(line.String())
	require.NoError(t, err)
	require.Equal(t, line, again)
}

// A node is drained by an approver of a cluster in a region it works, and only while it is alive.
func TestHoldNode(t *testing.T) {
	t.Parallel()
	w := fleet(t)
	code := func(by approvals.Actor, name string, drain bool) string {
		_, err := w.bot.HoldNode(t.Context(), by, name, drain)
		var p *engine.Problem
		require.ErrorAs(t, err, &p)
		return p.Code
	}
	require.Equal(t, "not_approver", code(mal, "node-a", true))
	require.Equal(t, "not_approver", code(bob, "node-b", false), "it works us, where bob approves nothing")
	require.Equal(t, "no_node", code(bob, "node-b", true), "it is gone")
	require.Equal(t, "no_node", code(bob, "node-c", false), "nobody drained it")
	for _, want := range []bool{true, false} {
		news, err := w.bot.HoldNode(t.Context(), bob, "node-a", true)
		require.NoError(t, err)
		require.Equal(t, want, news)
	}
	regions, err := w.bot.Regions(t.Context())
	require.NoError(t, err)
	require.Equal(t, []Region{{Name: "eu", Clusters: []string{"shop"}}}, regions)
}
