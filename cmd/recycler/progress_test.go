package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/storage"
)

// A table that a worker rebuilds has its bar on the card that another process draws.
func TestProgressOfAnotherProcess(t *testing.T) {
	t.Parallel()
	for kind, url := range databases(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			var boards []*board
			for range 2 { // as two processes: nothing but the database in common
				db, err := storage.Open(t.Context(), url, zap.NewNop())
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, db.Close()) })
				boards = append(boards, &board{live: engine.NewLive(), store: storage.NewProgress(db)})
				if len(boards) == 1 {
					liveJob(t, db)
				}
			}
			worker, bot := boards[0], boards[1]
			share := func() {
				require.NoError(t, worker.publish(t.Context()))
				require.NoError(t, bot.hear(t.Context()))
			}
			share()
			require.Empty(t, bot.live.Progress("R-AAAA"))
			for _, f := range []float64{0.2, 0.7} {
				want := engine.LiveStep{Seq: 3, Table: "shop.orders", Progress: rebuild.Progress{Fraction: f, ETA: time.Minute}}
				worker.live.Set("R-AAAA", want)
				share()
				require.Equal(t, []engine.LiveStep{want}, bot.live.Progress("R-AAAA"))
			}
			other := engine.LiveStep{Seq: 2, Table: "shop.carts"}
			worker.live.Set("R-AAAA", other)
			share()
			require.Len(t, bot.live.Progress("R-AAAA"), 2, "two tables at once")
			worker.live.Drop("R-AAAA", 3)
			share()
			require.Equal(t, []engine.LiveStep{other}, bot.live.Progress("R-AAAA"))
			worker.live.Drop("R-AAAA", 2)
			share()
			require.Empty(t, bot.live.Progress("R-AAAA"))
		})
	}
}

// liveJob makes a job that has not ended.
func liveJob(t *testing.T, db *storage.DB) {
	t.Helper()
	s := storage.NewRequests(db, func(context.Context, storage.Tx, string, string) error { return nil }, nil)
	now := time.Now()
	require.NoError(t, s.CreateRequest(t.Context(), approvals.Request{
		ID: "R-AAAA", Kind: approvals.KindDiscover, Cluster: "shop", Target: "db-1", Requester: approvals.Actor{ID: "UALICE"}, Digest: "d",
		MinApprovals: 1, State: approvals.Pending, Created: now, Expires: now.Add(time.Hour)}))
	_, err := s.Review(t.Context(), approvals.Review{RequestID: "R-AAAA", Reviewer: approvals.Actor{ID: "UBOB"}, Decision: approvals.Approve, Digest: "d"},
		[]engine.Job{{ID: "R-AAAA", RequestID: "R-AAAA", Kind: engine.JobDiscover, Cluster: "shop", Host: "db-1", Digest: "d"}})
	require.NoError(t, err)
}
