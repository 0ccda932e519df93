package bot

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// brokeGlass appends what the store appends beside the ordinary event.
func (w *world) brokeGlass(r approvals.Request, what string, by approvals.Actor) {
	if r.Rule != approvals.RuleBreakGlass {
		return
	}
	data, err := json.Marshal(approvals.BreakGlassFact{What: what, By: by, Target: r.Target, Reason: r.Grounds.Reason})
	require.NoError(w.t, err)
	w.append(engine.Event{Kind: approvals.EventBreakGlass, RequestID: r.ID, Actor: by.ID, Data: data})
}

// glassRoom is a world where mal may break the glass, with a maintenance window that is closed.
func glassRoom(t *testing.T) *world {
	w := ready(t)
	w.minimum = 2
	w.glass = approvals.BreakGlass{Users: []string{mal.ID, alice.ID}, Notice: "CAUDIT"}
	w.settings.Bounds.Window = engine.Window{From: "02:00", To: "03:00"}
	return w
}

// breaks sends the form in.
func (w *world) breaks(who approvals.Actor, ref, reason, host string) map[string]string {
	w.t.Helper()
	bad, err := w.bot.Submit(w.t.Context(), Submission{Form: FormBreakGlass, Ref: ref, User: who, Values: map[string]string{"reason": reason, "host": host},
		Reply: Reply{User: who.ID, Channel: "C1"}})
	require.NoError(w.t, err)
	return bad
}

const because = "the disk fills up within the hour"

func TestBreakGlass(t *testing.T) {
	t.Parallel()
	w := glassRoom(t)
	require.Empty(t, w.says(mal, "run db-prod-3 --break-glass"))
	require.Empty(t, w.requests, "nothing is asked before the form came back")
	f := w.forms[len(w.forms)-1]
	require.Equal(t, FormBreakGlass, f.ID)
	require.Equal(t, "run db-prod-3 --break-glass", f.Ref)

	require.Contains(t, w.breaks(mal, f.Ref, "urgent", "db-prod-3")["reason"], "at least 20 characters")
	require.Contains(t, w.breaks(mal, f.Ref, because, "db-prod-2")["host"], "is not db-prod-3")
	require.Contains(t, w.breaks(mal, f.Ref, because, "DB-PROD-3")["host"], "is not db-prod-3")
	require.Empty(t, w.requests)
	require.Empty(t, w.breaks(mal, f.Ref, because, "db-prod-3"))
	require.Len(t, w.requests, 1)
	r := w.requests[0]
	require.Equal(t, approvals.RuleBreakGlass, r.Rule)
	require.Equal(t, 1, r.MinApprovals, "of the two that the cluster asks for")
	require.True(t, r.Plan.Bounds.Window.IsZero(), "the window does not hold it back")
	require.Equal(t, w.settings.Limits, r.Plan.Limits, "limits do")
	require.LessOrEqual(t, r.Expires.Sub(r.Created), time.Hour)

	w.tells()
	require.Contains(t, w.show(r.ID+"/card"), "Break-glass: "+because)
	require.Contains(t, w.show(r.ID+"/glass"), "@mal asks in #C1 to recycle `db-prod-3` by break-glass (`"+r.ID+"`): "+because)
	require.Contains(t, w.clicks(mal, r.ID+"/card", ActionApprove), "someone else must decide", "still a different person")
	require.Equal(t, approvals.Pending, w.requests[0].State)
	require.Contains(t, w.clicks(alice, r.ID+"/card", ActionApprove), "counts", "one of the group approves")
	require.Equal(t, approvals.Approved, w.requests[0].State)
	w.tells()
	require.Contains(t, w.thread(r.ID+"/glass"), "@alice approved `"+r.ID+"` on `db-prod-3`.")
}

func TestBreakGlassIsRefused(t *testing.T) {
	t.Parallel()
	w := glassRoom(t)
	forms := len(w.forms)
	require.Contains(t, w.says(bob, "run db-prod-3 --break-glass"), "You are not in the break-glass group of shop.")
	require.Contains(t, w.says(mal, "run shop --break-glass"), "Break-glass is for one host")
	w.breaks(bob, "run db-prod-3 --break-glass", because, "db-prod-3") // who is not in the group sends the form by hand
	w.breaks(mal, "run db-prod-3", because, "db-prod-3")               // a forged reference
	w.breaks(mal, "run db-prod-3 --break-glass --after=R-7QK1", because, "db-prod-3")
	w.breaks(mal, "discover db-prod-3", because, "db-prod-3")
	require.Contains(t, w.presses(mal, ActionRun, "run db-prod-3 --break-glass"), "not known to me", "a forged button gets around the form")
	require.Contains(t, w.presses(mal, ActionDiscoverFirst, "run db-prod-3 --break-glass"), "not known to me")
	_, err := w.bot.Ask(t.Context(), mal, "C1", "run db-prod-3 --break-glass")
	require.ErrorContains(t, err, "break_glass_form")

	w.glass.Users, w.glass.Groups = nil, []string{"S1"}
	w.groupErr = engine.ErrNotFound
	require.Contains(t, w.says(mal, "run db-prod-3 --break-glass"), "I could not read who may approve", "closed when the group cannot be read")
	w.glass = approvals.BreakGlass{}
	require.Contains(t, w.says(mal, "run db-prod-3 --break-glass"), "not switched on", "off by default")
	require.Empty(t, w.requests)
	require.Len(t, w.forms, forms)
}

// What was asked by break-glass and ran out is asked again as an ordinary run.
func TestBreakGlassIsForOneRequest(t *testing.T) {
	t.Parallel()
	w := glassRoom(t)
	w.breaks(mal, "run db-prod-3 --break-glass", because, "db-prod-3")
	_, err := storeOf{w}.Close(t.Context(), w.requests[0].ID, approvals.Expired, approvals.Actor{}, "nobody decided in time")
	require.NoError(t, err)
	w.says(mal, "retry "+w.requests[0].ID)
	require.Len(t, w.requests, 2)
	require.Equal(t, approvals.RuleReview, w.requests[1].Rule)
	require.Equal(t, 2, w.requests[1].MinApprovals)
	require.False(t, w.requests[1].Plan.Bounds.Window.IsZero())
}
