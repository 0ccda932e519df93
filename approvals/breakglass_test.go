package approvals_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
)

// glass is a draft of bob's where two people must approve and the group is S0GLASS.
func glass(r *room) approvals.Draft {
	r.policy.MinApprovals = 2
	r.policy.BreakGlass = approvals.BreakGlass{Groups: []string{"S0GLASS"}, Notice: "C0AUDIT"}
	r.people.groups["S0GLASS"] = []string{alice.ID, bob.ID, "U0GUEST"}
	return approvals.Draft{Kind: approvals.KindRecycle, Cluster: "db-prod", Target: "db-prod-3", Command: "run db-prod-3 --break-glass",
		Requester: bob, Channel: "C1", Plan: plan(), Rule: approvals.RuleBreakGlass,
		Grounds: approvals.Grounds{Reason: "the disk fills up within the hour", Typed: "db-prod-3", Notice: "C0MINE"}}
}

func TestBreakGlassNeedsOneOtherPerson(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	req, err := r.Submit(t.Context(), glass(r))
	require.NoError(t, err)
	require.Equal(t, 1, req.MinApprovals)
	require.Equal(t, "C0AUDIT", req.Grounds.Notice, "where it is told is the configuration's, not the asker's")
	require.Equal(t, time.Hour, req.Expires.Sub(req.Created))
	_, err = r.Review(t.Context(), approveAs(req, bob))
	require.Equal(t, "own_request", code(t, err))
	_, err = r.Review(t.Context(), approveAs(req, approvals.Actor{ID: "U0EVE"}))
	require.Equal(t, "not_approver", code(t, err))
	_, err = r.Review(t.Context(), approveAs(req, approvals.Actor{ID: "U0GUEST"}))
	require.Equal(t, "not_member", code(t, err))
	after, err := r.Review(t.Context(), approveAs(req, alice)) // of the break-glass group, no approver
	require.NoError(t, err)
	require.Equal(t, approvals.Approved, after.State)
	require.Contains(t, after.Reviews[0].Approvers, alice.ID)
	require.Equal(t, []string{req.ID}, r.jobs)
}

func TestBreakGlassIsRefused(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*room, *approvals.Draft){
		"break_glass_off":     func(r *room, _ *approvals.Draft) { r.policy.BreakGlass = approvals.BreakGlass{} },
		"not_break_glass":     func(_ *room, d *approvals.Draft) { d.Requester = carol },
		"not_member":          func(_ *room, d *approvals.Draft) { d.Requester.ID = "U0GUEST" },
		"unknown_person":      func(_ *room, d *approvals.Draft) { d.Requester.ID = "U0GONE" },
		"group_unreadable":    func(r *room, _ *approvals.Draft) { r.people.fail = errors.New("ratelimited") },
		"break_glass_reason":  func(_ *room, d *approvals.Draft) { d.Grounds.Reason = "   because        " },
		"break_glass_name":    func(_ *room, d *approvals.Draft) { d.Grounds.Typed = "db-prod-2" },
		"break_glass_primary": func(_ *room, d *approvals.Draft) { d.Plan.Policy.AllowPrimary = true },
		"no_approvers": func(r *room, _ *approvals.Draft) {
			r.people.groups["S0GLASS"], r.people.groups["S0DBA"] = []string{bob.ID}, []string{bob.ID}
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t)
			d := glass(r)
			change(r, &d)
			_, err := r.Submit(t.Context(), d)
			require.Equal(t, want, code(t, err))
		})
	}
}

// The group is asked again at the decision, and a door that was closed since stays closed.
func TestBreakGlassAtTheDecision(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	req, err := r.Submit(t.Context(), glass(r))
	require.NoError(t, err)
	r.people.breakWith(errors.New("ratelimited"))
	_, err = r.Review(t.Context(), approveAs(req, alice))
	require.Equal(t, "group_unreadable", code(t, err))
	r.people.breakWith(nil)
	r.policy.BreakGlass = approvals.BreakGlass{}
	_, err = r.Review(t.Context(), approveAs(req, carol))
	require.Equal(t, "break_glass_off", code(t, err), "its one approval is not what counts now")
	require.Empty(t, r.jobs)
}
