package approvals_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/storage"
)

// people is a directory whose answers a test holds.
type people struct {
	mu      sync.Mutex
	persons map[string]approvals.Person
	groups  map[string][]string
	fail    error // for groups
	down    error // for persons that are not known
}

func (p *people) Person(_ context.Context, _, id string) (approvals.Person, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if x, ok := p.persons[id]; ok {
		return x, nil
	}
	if p.down != nil {
		return approvals.Person{}, p.down
	}
	return approvals.Person{}, fmt.Errorf("user_not_found: %w", engine.ErrNotFound)
}

func (p *people) Members(_ context.Context, group string) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.groups[group], p.fail
}

func (p *people) breakWith(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = err
}

var (
	alice = approvals.Actor{Team: "T1", ID: "U0ALICE", Name: "alice"}
	bob   = approvals.Actor{Team: "T1", ID: "U0BOB", Name: "bob"}
	carol = approvals.Actor{Team: "T1", ID: "U0CAROL", Name: "carol"}
)

// room is a service over a real database file with a clock a test can move.
type room struct {
	*approvals.Service
	people *people
	policy approvals.Policy
	store  *storage.Requests
	facts  *storage.Facts
	mu     sync.Mutex
	now    time.Time
	jobs   []string // what was handed to the queue
}

func (r *room) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *room) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

func newRoom(t *testing.T) *room {
	t.Helper()
	r := &room{now: time.Now(), policy: approvals.Policy{Groups: []string{"S0DBA"}, MinApprovals: 1, Expires: time.Hour}}
	r.people = &people{groups: map[string][]string{"S0DBA": {bob.ID, carol.ID, "U0BOT", "U0GUEST", "U0TWIN", "U0GONE"}}, persons: map[string]approvals.Person{
		alice.ID: {Actor: alice, Email: "alice@example.com"}, bob.ID: {Actor: bob, Email: "bob@example.com"}, carol.ID: {Actor: carol},
		"U0BOT": {Bot: true}, "U0GUEST": {Guest: true}, "U0EVE": {}, "U0FAR": {Foreign: true},
		"U0TWIN": {Email: "Alice@Example.com"},
	}}
	db, err := storage.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "state.db"), zap.NewNop(), storage.WithClock(r.clock))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	r.store = storage.NewRequests(db, func(_ context.Context, _ storage.Tx, job, _ string) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.jobs = append(r.jobs, job)
		return nil
	}, func(string) string { return "default" })
	r.facts = storage.NewFacts(db)
	r.Service = approvals.NewService(approvals.Options{
		Store: r.store, Directory: r.people, NewID: r.store.NewID, Now: r.clock,
		Policy: func(string) approvals.Policy { return r.policy },
	})
	return r
}

func plan() *engine.Plan {
	return &engine.Plan{Cluster: "db-prod", Mode: rebuild.BinlogOff, Hosts: []engine.HostPlan{{
		Name: "db-prod-3", Addr: dbconn.Addr{Host: "10.0.0.3", Port: 3306}, Identity: "uuid-3",
		Steps: []engine.PlannedStep{{Seq: 1, Schema: "shop", Table: "orders", Bytes: 100 << 20, Predicted: 40 << 20}},
	}}}
}

func (r *room) submit(t *testing.T) approvals.Request {
	t.Helper()
	req, err := r.Submit(t.Context(), approvals.Draft{Kind: approvals.KindRecycle, Cluster: "db-prod", Target: "db-prod-3",
		Command: "run db-prod-3", Requester: alice, Channel: "C1", Plan: plan()})
	require.NoError(t, err)
	return req
}

func approveAs(r approvals.Request, a approvals.Actor) approvals.ReviewInput {
	return approvals.ReviewInput{RequestID: r.ID, Digest: r.Digest[:12], Reviewer: a, Decision: approvals.Approve}
}

// code is the stable word of a refusal.
func code(t *testing.T, err error) string {
	t.Helper()
	var p *engine.Problem
	require.ErrorAs(t, err, &p)
	require.NotEmpty(t, p.Sentence())
	return p.Code
}

func TestSecondPersonApproves(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	req := r.submit(t)
	after, err := r.Review(t.Context(), approveAs(req, bob))
	require.NoError(t, err)
	require.Equal(t, approvals.Approved, after.State)
	require.Equal(t, []string{req.ID}, r.jobs)
	jobs, err := r.facts.Jobs(t.Context(), req.ID)
	require.NoError(t, err)
	require.Len(t, jobs, 1)
	require.Equal(t, req.Digest, jobs[0].Plan.Digest(), "what is stored is what was approved")
	require.Len(t, jobs[0].Steps, 1)
	require.Equal(t, []string{bob.ID, "U0BOT", carol.ID, "U0GONE", "U0GUEST", "U0TWIN"}, after.Reviews[0].Approvers)
}

func TestWhoMayNotApprove(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	req := r.submit(t)
	for id, want := range map[string]string{
		alice.ID: "own_request", "U0EVE": "not_approver", "U0BOT": "not_member", "U0GUEST": "not_member",
		"U0FAR": "not_member", "U0TWIN": "own_request", "U0GONE": "unknown_person", "U0NOBODY": "unknown_person",
	} {
		// A forged name must not help: only the platform's id counts.
		_, err := r.Review(t.Context(), approveAs(req, approvals.Actor{Team: "T1", ID: id, Name: "bob"}))
		require.Equal(t, want, code(t, err), id)
	}
	r.people.breakWith(errors.New("ratelimited"))
	_, err := r.Review(t.Context(), approveAs(req, bob))
	require.Equal(t, "group_unreadable", code(t, err))
	require.Empty(t, r.jobs)
	now, err := r.store.Request(t.Context(), req.ID)
	require.NoError(t, err)
	require.Equal(t, approvals.Pending, now.State)
}

// One human with two accounts approves nothing while the requester cannot be read: the comparison that
// would find it out is not left out. Somebody whom the platform does not know any more is nobody's
// other account.
func TestUnreadableRequesterIsNotAnotherPerson(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	for _, who := range []approvals.Actor{{Team: "T1", ID: "U0TWIN"}, bob} {
		req := r.submit(t)
		r.people.mu.Lock()
		delete(r.people.persons, alice.ID)
		r.people.down = errors.New("ratelimited")
		r.people.mu.Unlock()
		_, err := r.Review(t.Context(), approveAs(req, who))
		require.Equal(t, "unknown_person", code(t, err))
		require.ErrorContains(t, err, req.ID)
		require.Empty(t, r.jobs)
		r.people.mu.Lock()
		r.people.down = nil
		r.people.mu.Unlock()
	}
	req := r.submit(t)
	after, err := r.Review(t.Context(), approveAs(req, bob))
	require.NoError(t, err)
	require.Equal(t, approvals.Approved, after.State)
}

func TestForgedAndLateClicks(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	req := r.submit(t)
	for _, digest := range []string{"", req.Digest[:7], "00000000", req.Digest + "0"} {
		in := approveAs(req, bob)
		in.Digest = digest
		_, err := r.Review(t.Context(), in)
		require.Equal(t, "plan_changed", code(t, err), digest)
	}
	in := approveAs(req, bob)
	in.RequestID = "R-ZZZZ"
	_, err := r.Review(t.Context(), in)
	require.Equal(t, "no_request", code(t, err))
	r.pass(time.Hour)
	_, err = r.Review(t.Context(), approveAs(req, bob))
	require.Equal(t, "expired", code(t, err))
	require.Empty(t, r.jobs)
}

func TestTwoApproversInTheSameMoment(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	req := r.submit(t)
	var wg sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		who := bob
		if i%2 == 1 {
			who = carol
		}
		wg.Go(func() { _, errs[i] = r.Review(t.Context(), approveAs(req, who)) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		require.Equal(t, "already_decided", code(t, err))
	}
	require.Equal(t, 1, won)
	require.Equal(t, []string{req.ID}, r.jobs)
}

func TestTwoOfThree(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.policy.MinApprovals = 2
	req := r.submit(t)
	after, err := r.Review(t.Context(), approveAs(req, bob))
	require.NoError(t, err)
	require.Equal(t, approvals.Pending, after.State)
	require.Empty(t, r.jobs)
	_, err = r.Review(t.Context(), approveAs(req, bob))
	require.Equal(t, "already_yours", code(t, err))
	after, err = r.Review(t.Context(), approveAs(req, carol))
	require.NoError(t, err)
	require.Equal(t, approvals.Approved, after.State)
	require.Equal(t, []string{req.ID}, r.jobs)
}

func TestDenyWithdrawExpire(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	req := r.submit(t)
	in := approveAs(req, bob)
	in.Decision = approvals.Deny
	_, err := r.Review(t.Context(), in)
	require.Equal(t, "reason_missing", code(t, err))
	in.Comment = "freeze until Monday"
	after, err := r.Review(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, approvals.Denied, after.State)
	_, err = r.Review(t.Context(), approveAs(req, carol))
	require.Equal(t, "already_decided", code(t, err))
	require.ErrorContains(t, err, "denied by bob")

	second := r.submit(t)
	_, err = r.Withdraw(t.Context(), second.ID, bob)
	require.Equal(t, "not_requester", code(t, err))
	after, err = r.Withdraw(t.Context(), second.ID, alice)
	require.NoError(t, err)
	require.Equal(t, approvals.Withdrawn, after.State)

	third := r.submit(t)
	r.pass(2 * time.Hour)
	due, err := r.store.DueExpiries(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{third.ID}, due)
	require.NoError(t, r.Expire(t.Context(), append(due, second.ID)))
	now, err := r.store.Request(t.Context(), third.ID)
	require.NoError(t, err)
	require.Equal(t, approvals.Expired, now.State)
	require.Empty(t, r.jobs)
}

func TestNobodyCouldApprove(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.policy = approvals.Policy{Users: []string{alice.ID}, MinApprovals: 1}
	_, err := r.Submit(t.Context(), approvals.Draft{Kind: approvals.KindDiscover, Cluster: "db-prod", Target: "db-prod-3", Requester: alice, Channel: "C1"})
	require.Equal(t, "no_approvers", code(t, err))
}

func TestDiscoveryWithoutSecondPerson(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.policy.Discovery = approvals.NoApproval
	req, err := r.Submit(t.Context(), approvals.Draft{Kind: approvals.KindDiscover, Cluster: "db-prod", Target: "db-prod-3", Requester: alice, Channel: "C1"})
	require.NoError(t, err)
	require.Equal(t, approvals.Approved, req.State)
	require.Equal(t, "policy", req.Reviews[0].Reviewer.ID)
	again := r.submit(t) // a recycle still waits
	require.Equal(t, approvals.Pending, again.State)
}

// What cannot start is not asked either: no card is left that says it waits for an approval.
func TestRefusedDiscoveryLeavesNothing(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.policy.Discovery = approvals.NoApproval
	look := approvals.Draft{Kind: approvals.KindDiscover, Cluster: "db-prod", Target: "db-prod-3", Requester: alice, Channel: "C1"}
	first, err := r.Submit(t.Context(), look)
	require.NoError(t, err)
	_, err = r.Submit(t.Context(), look)
	require.Equal(t, "host_busy", code(t, err))
	all, err := r.facts.Requests(t.Context(), "", "", 10)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, first.ID, all[0].ID)
}

func TestBarredMayNotApprove(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	req, err := r.Submit(t.Context(), approvals.Draft{Kind: approvals.KindRecycle, Cluster: "db-prod", Target: "db-prod-3",
		Requester: alice, Barred: []approvals.Actor{bob}, Channel: "C1", Plan: plan()})
	require.NoError(t, err)
	_, err = r.Review(t.Context(), approveAs(req, bob))
	require.Equal(t, "barred", code(t, err))
}
