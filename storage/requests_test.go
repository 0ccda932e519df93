package storage

import (
	"errors"
	"fmt"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

func TestRequestRoundTrip(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	s, _ := newRequests(db)
	r := recycle("R-AAAA", "db-prod-3")
	r.Barred = []approvals.Actor{carol}
	r.Rule, r.Grounds, r.Origin = approvals.RuleBreakGlass, approvals.Grounds{Reason: "disk full", Typed: "db-prod-3"}, "slash:1"
	create(t, s, r)

	got, err := s.Request(t.Context(), r.ID)
	require.NoError(t, err)
	require.Equal(t, r.Plan.Digest(), got.Plan.Digest(), "a stored plan must keep its digest")
	require.True(t, r.Plan.Snapshot.Equal(got.Plan.Snapshot))
	want := r
	want.Plan, got.Plan = nil, nil
	require.Equal(t, want, got)

	_, err = s.Request(t.Context(), "R-NONE")
	require.ErrorIs(t, err, engine.ErrNotFound)
	require.Equal(t, []engine.EventKind{approvals.EventBreakGlass, engine.EventRequestCreated}, kinds(t, db))
	require.Error(t, s.CreateRequest(t.Context(), r), "an id is used once")
}

func TestReviewApproves(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	s, h := newRequests(db)
	r := create(t, s, recycle("R-AAAA", "db-prod-3"))

	got, err := s.Review(t.Context(), by(bob, r), jobsOf(r))
	require.NoError(t, err)
	require.Equal(t, approvals.Approved, got.State)
	require.Len(t, got.Reviews, 1)
	require.Equal(t, bob, got.Reviews[0].Reviewer)
	require.Equal(t, []string{"R-AAAA"}, h.ids)
	require.Equal(t, []string{"r-shop"}, h.regions)

	j, err := NewJournal(db).Job(t.Context(), "R-AAAA")
	require.NoError(t, err)
	require.Equal(t, engine.JobQueued, j.State)
	require.Equal(t, engine.WantRun, j.Wanted)
	require.Equal(t, r.Digest, j.Plan.Digest())
	require.Len(t, j.Steps, 2)
	require.Equal(t, engine.StepPending, j.Steps[1].State)
	require.Equal(t, "carts", j.Steps[1].Plan.Table)
	require.Equal(t, []engine.EventKind{engine.EventRequestCreated, engine.EventRequestApproved, engine.EventJobCreated}, kinds(t, db))
}

func TestReviewConflicts(t *testing.T) {
	t.Parallel()
	now := time.Now()
	db := newDB(t, WithClock(func() time.Time { return now }))
	s, h := newRequests(db)
	r := recycle("R-AAAA", "db-prod-3")
	r.Barred = []approvals.Actor{carol}
	create(t, s, r)

	other := by(bob, r)
	other.Digest = "another"
	twin := by(alice, r)
	twin.Reviewer.Team = "T2"
	late := by(bob, r)
	late.At = r.Expires
	for name, v := range map[string]approvals.Review{
		"requester": by(alice, r), "requester in another team": twin, "barred": by(carol, r),
		"digest": other, "click after the end": late,
	} {
		_, err := s.Review(t.Context(), v, jobsOf(r))
		require.ErrorIs(t, err, approvals.ErrConflict, name)
	}
	missing := by(bob, r)
	missing.RequestID = "R-NONE"
	_, err := s.Review(t.Context(), missing, nil)
	require.ErrorIs(t, err, engine.ErrNotFound)

	now = r.Expires
	_, err = s.Review(t.Context(), by(bob, r), jobsOf(r))
	require.ErrorIs(t, err, approvals.ErrConflict, "expired")
	due, err := s.DueExpiries(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"R-AAAA"}, due)

	got, err := s.Close(t.Context(), r.ID, approvals.Expired, approvals.Actor{}, "nobody approved in time")
	require.NoError(t, err)
	require.Equal(t, approvals.Expired, got.State)
	require.Empty(t, got.Reviews)
	_, err = s.Close(t.Context(), r.ID, approvals.Withdrawn, alice, "")
	require.ErrorIs(t, err, approvals.ErrConflict)
	require.Empty(t, h.ids)
	due, err = s.DueExpiries(t.Context())
	require.NoError(t, err)
	require.Empty(t, due)
}

func TestReviewNeedsWorkAndQueue(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	s, _ := newRequests(db)
	r := create(t, s, recycle("R-AAAA", "db-prod-3"))
	wrong := jobsOf(r)
	wrong[0].Digest = "other"
	broken := NewRequests(db, nil, nil)
	for name, try := range map[string]func() error{
		"no jobs":   func() error { _, err := s.Review(t.Context(), by(bob, r), nil); return err },
		"other job": func() error { _, err := s.Review(t.Context(), by(bob, r), wrong); return err },
		"no queue":  func() error { _, err := broken.Review(t.Context(), by(bob, r), jobsOf(r)); return err },
	} {
		require.Error(t, try(), name)
		got, err := s.Request(t.Context(), r.ID)
		require.NoError(t, err)
		require.Equal(t, approvals.Pending, got.State, name)
		require.Empty(t, got.Reviews, name)
	}
}

func TestTwoApprovalsAndDenial(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	s, h := newRequests(db)
	r := recycle("R-AAAA", "db-prod-3")
	r.MinApprovals = 2
	create(t, s, r)
	got, err := s.Review(t.Context(), by(bob, r), jobsOf(r))
	require.NoError(t, err)
	require.Equal(t, approvals.Pending, got.State)
	require.Empty(t, h.ids)
	_, err = s.Review(t.Context(), by(bob, r), jobsOf(r))
	require.ErrorIs(t, err, approvals.ErrConflict, "one person counts once")
	got, err = s.Review(t.Context(), by(carol, r), jobsOf(r))
	require.NoError(t, err)
	require.Equal(t, approvals.Approved, got.State)
	require.Len(t, got.Reviews, 2)

	r = recycle("R-BBBB", "db-prod-4")
	r.MinApprovals = 2
	create(t, s, r)
	_, err = s.Review(t.Context(), by(bob, r), jobsOf(r))
	require.NoError(t, err)
	deny := by(carol, r)
	deny.Decision, deny.Comment = approvals.Deny, "not tonight"
	got, err = s.Review(t.Context(), deny, nil)
	require.NoError(t, err)
	require.Equal(t, approvals.Denied, got.State)
	require.Equal(t, []engine.EventKind{
		engine.EventRequestCreated, engine.EventRequestReviewed, engine.EventRequestApproved, engine.EventJobCreated,
		engine.EventRequestCreated, engine.EventRequestReviewed, engine.EventRequestDenied,
	}, kinds(t, db))
}

func TestBusyHost(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	s, h := newRequests(db)
	approve(t, s, recycle("R-AAAA", "db-prod-3"))
	r := create(t, s, recycle("R-BBBB", "db-prod-3"))
	_, err := s.Review(t.Context(), by(bob, r), jobsOf(r))
	var p *engine.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, "host_busy", p.Code)
	require.Contains(t, p.Sentence(), "R-AAAA")
	got, err := s.Request(t.Context(), r.ID)
	require.NoError(t, err)
	require.Equal(t, approvals.Pending, got.State)
	approve(t, s, discover("R-CCCC", "db-prod-3"))
	require.Equal(t, []string{"R-AAAA", "R-CCCC"}, h.ids, "a look at a busy host is allowed")
}

// A hundred people approve, deny, withdraw and expire one request at the same moment, through two
// handles on the file as two processes would have.
func TestOneDecisionWins(t *testing.T) {
	t.Parallel()
	dbs := newDBs(t, 2)
	db, second := dbs[0], dbs[1]
	for round := range 5 {
		s, h := newRequests(db)
		o, oh := newRequests(second)
		r := create(t, s, recycle(fmt.Sprintf("R-%04d", round), fmt.Sprintf("host-%d", round)))
		var won, lost atomic.Int64
		start := make(chan struct{})
		var g errgroup.Group
		for i := range 100 {
			store := []*Requests{s, o}[i%2]
			g.Go(func() error {
				<-start
				v := by(approvals.Actor{Team: "T1", ID: fmt.Sprintf("U%03d", i)}, r)
				var err error
				switch i % 10 {
				case 8:
					_, err = store.Close(t.Context(), r.ID, approvals.Withdrawn, alice, "")
				case 9:
					v.Decision = approvals.Deny
					fallthrough
				default:
					_, err = store.Review(t.Context(), v, jobsOf(r))
				}
				switch {
				case err == nil:
					won.Add(1)
				case errors.Is(err, approvals.ErrConflict):
					lost.Add(1)
				default:
					return err
				}
				return nil
			})
		}
		close(start)
		require.NoError(t, g.Wait())
		require.EqualValues(t, 1, won.Load())
		require.EqualValues(t, 99, lost.Load())
		got, err := s.Request(t.Context(), r.ID)
		require.NoError(t, err)
		jobs, err := NewFacts(db).Jobs(t.Context(), r.ID)
		require.NoError(t, err)
		handedIn := 0
		if got.State == approvals.Approved {
			handedIn = 1
		}
		require.Len(t, jobs, handedIn)
		require.Len(t, append(h.ids, oh.ids...), handedIn)
	}
}

func TestNewID(t *testing.T) {
	t.Parallel()
	s, _ := newRequests(newDB(t))
	shape := regexp.MustCompile(`^R-[0-9A-HJKMNP-TV-Z]{4}$`)
	seen := map[string]bool{}
	for range 50 {
		id, err := s.NewID(t.Context())
		require.NoError(t, err)
		require.Regexp(t, shape, id)
		seen[id] = true
	}
	require.Greater(t, len(seen), 45)
}
