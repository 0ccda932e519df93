package queue

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
	"mysql-recycler/storage"
)

// approve makes a discovery job of host and hands it to the queue in region.
func approve(t testing.TB, db *storage.DB, q *Queue, id, host, region string) {
	t.Helper()
	approveFor(t, db, q, id, host, region, time.Time{})
}

// approveFor makes a job that starts at its time.
func approveFor(t testing.TB, db *storage.DB, q *Queue, id, host, region string, notBefore time.Time) {
	t.Helper()
	s := storage.NewRequests(db, q.Enqueue, func(string) string { return region })
	ask(t, s, id, host, notBefore)
	consent(t, s, id, host)
}

// ask makes a request to look at host.
func ask(t testing.TB, s *storage.Requests, id, host string, notBefore time.Time) {
	t.Helper()
	now := time.Now()
	require.NoError(t, s.CreateRequest(t.Context(), approvals.Request{
		ID: id, Kind: approvals.KindDiscover, Cluster: "shop", Target: host, Requester: approvals.Actor{ID: "UALICE"},
		Digest: "d", MinApprovals: 1, State: approvals.Pending, Created: now, Expires: now.Add(time.Hour),
		NotBefore: notBefore,
	}))
}

// consent is the second person's approval, and the job that comes of it.
func consent(t testing.TB, s *storage.Requests, id, host string) {
	t.Helper()
	_, err := s.Review(t.Context(), approvals.Review{RequestID: id, Reviewer: approvals.Actor{ID: "UBOB"}, Decision: approvals.Approve, Digest: "d"},
		[]engine.Job{{ID: id, RequestID: id, Kind: engine.JobDiscover, Cluster: "shop", Host: host, Digest: "d"}})
	require.NoError(t, err)
}
