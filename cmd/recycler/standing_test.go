package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/bot"
	"mysql-recycler/engine"
	"mysql-recycler/storage"
)

// granted is a nightly schedule of ann's whose first run ben approved with all that are like it. The
// first night is over.
func granted(t *testing.T) (*night, *process, bot.Scheduled) {
	t.Helper()
	n := newNight(t)
	p := n.process()
	s := p.nightly("")
	n.at("04 01:00:00")
	round(t, p)
	r := p.asked()[0]
	in := approvals.GrantInput{ReviewInput: approvals.ReviewInput{RequestID: r.ID, Digest: r.Digest, Reviewer: ann}, Tables: 2, Bytes: 2000, For: 30 * 24 * time.Hour}
	_, _, err := p.service.GrantStanding(t.Context(), in)
	require.ErrorContains(t, err, "barred", "the author gives no standing approval")
	in.Reviewer, in.Bytes = ben, 800
	_, _, err = p.service.GrantStanding(t.Context(), in)
	require.ErrorContains(t, err, "standing_cap")
	in.Bytes, in.For = 2000, 91*24*time.Hour
	_, _, err = p.service.GrantStanding(t.Context(), in)
	require.ErrorContains(t, err, "standing_time")
	in.For = 30 * 24 * time.Hour
	g, r, err := p.service.GrantStanding(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, approvals.Approved, r.State)
	require.Equal(t, g.Envelope.Digest(), g.Digest)
	round(t, p)
	p.ends(r.ID)
	return n, p, s
}

// ends cancels what was approved, so that the next night is free.
func (p *process) ends(id string) {
	p.t.Helper()
	_, err := p.facts.Want(p.t.Context(), id, engine.WantCancel, ben)
	require.NoError(p.t, err)
	round(p.t, p)
}

// A standing approval whose review is refused was not given, and the one before it still stands.
func TestARefusedReviewGivesNoStandingApproval(t *testing.T) {
	t.Parallel()
	n, p, s := granted(t)
	before, err := p.book.Grants(t.Context(), s.ID)
	require.NoError(t, err)
	n.bytes = 5000 // more than was granted: a person must decide
	n.at("05 01:00:00")
	round(t, p)
	r := p.last()
	require.Equal(t, approvals.Pending, r.State)
	busy, err := p.service.Submit(t.Context(), approvals.Draft{Kind: approvals.KindRecycle, Cluster: "db", Target: "db-3", Command: "run db-3",
		Requester: ann, Channel: "C1", Plan: r.Plan})
	require.NoError(t, err)
	_, err = p.review(busy, cat)
	require.NoError(t, err)

	in := approvals.GrantInput{ReviewInput: approvals.ReviewInput{RequestID: r.ID, Digest: r.Digest, Reviewer: ben}, Tables: 2, Bytes: 9000, For: time.Hour}
	_, _, err = p.service.GrantStanding(t.Context(), in)
	require.ErrorContains(t, err, "host_busy")
	after, err := p.book.Grants(t.Context(), s.ID)
	require.NoError(t, err)
	require.Equal(t, before, after)
	_, err = storage.NewAudit(p.db).Verify(t.Context())
	require.NoError(t, err)
}

func (p *process) last() approvals.Request {
	p.t.Helper()
	all := p.asked()
	return all[len(all)-1]
}

func diffs(r approvals.Request) []string {
	var out []string
	for _, d := range r.Grounds.Outside {
		out = append(out, d.What)
	}
	return out
}

func TestStandingApprovalRunsWithoutAClick(t *testing.T) {
	t.Parallel()
	n, p, _ := granted(t)
	other := n.process()
	n.at("05 01:00:00")
	round(t, p, other)
	r := p.last()
	require.Equal(t, approvals.RuleStanding, r.Rule)
	require.Equal(t, approvals.Pending, r.State, "announced, and decided at its time")
	require.Equal(t, ben.Name, r.Grounds.Grants[0].Reviewer.Name)
	n.at("05 01:59:59")
	round(t, p, other)
	require.Equal(t, approvals.Pending, p.last().State)
	n.at("05 02:00:00")
	round(t, p, other)
	round(t, p, other)
	r, err := p.requests.Request(t.Context(), r.ID)
	require.NoError(t, err)
	require.Equal(t, approvals.Approved, r.State)
	require.Len(t, r.Reviews, 1)
	require.Equal(t, ben.ID, r.Reviews[0].Reviewer.ID)
	require.NotEmpty(t, r.Reviews[0].Standing)
	require.Equal(t, r.Digest, r.Reviews[0].Digest)
	_, err = storage.NewAudit(p.db).Verify(t.Context())
	require.NoError(t, err)
	var last storage.AuditRecord
	require.NoError(t, storage.NewAudit(p.db).Export(t.Context(), func(l storage.AuditLink) error { return json.Unmarshal(l.Body, &last) }))
	require.Equal(t, storage.AuditApprove, last.Action)
	require.Equal(t, approvals.RuleStanding, last.Rule)
	require.Contains(t, string(last.Grounds), r.Grounds.Grants[0].Digest, "the envelope's digest is in the record of each run")
}

// gives stores a standing approval with a review of something else.
func (p *process) gives(g approvals.Grant) {
	p.t.Helper()
	now := p.clock()
	require.NoError(p.t, p.requests.CreateRequest(p.t.Context(), approvals.Request{ID: "R-GIVE", Kind: approvals.KindDiscover, Cluster: "db", Target: "db-9",
		Requester: ann, Digest: "d", MinApprovals: 2, State: approvals.Pending, Created: now, Expires: now.Add(time.Hour),
		Reviews: []approvals.Review{{RequestID: "R-GIVE", Reviewer: g.Reviewer, Decision: approvals.Approve, Digest: "d", At: now, Gives: &approvals.Given{Grant: g}}}}))
}

// What differs from the envelope when the run is announced asks a person, and says what it is.
func TestStandingApprovalDoesNotCover(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*night, *process, bot.Scheduled){
		approvals.DiffBytes: func(n *night, _ *process, _ bot.Scheduled) { n.bytes = 2001 },
		approvals.DiffPolicy: func(n *night, _ *process, _ bot.Scheduled) {
			n.policy = approvals.Policy{Users: []string{ann.ID, ben.ID}, MinApprovals: 1}
		},
		approvals.DiffFew: func(n *night, p *process, s bot.Scheduled) {
			gs, err := p.book.Grants(p.t.Context(), s.ID)
			require.NoError(p.t, err)
			n.policy = approvals.Policy{Users: []string{ann.ID, ben.ID, cat.ID}, MinApprovals: 2}
			e := *gs[0].Envelope
			e.Approvers = n.policy.String()
			gs[0].ID, gs[0].Envelope, gs[0].Digest = "G-TWO", &e, e.Digest()
			p.gives(gs[0])
		},
		approvals.DiffPerson: func(n *night, p *process, s bot.Scheduled) { // an envelope of the new policy, whose giver has left since
			gs, err := p.book.Grants(p.t.Context(), s.ID)
			require.NoError(p.t, err)
			n.policy = approvals.Policy{Users: []string{ann.ID, cat.ID}, MinApprovals: 1}
			e := *gs[0].Envelope
			e.Approvers = n.policy.String()
			gs[0].ID, gs[0].Envelope, gs[0].Digest = "G-LEFT", &e, e.Digest()
			p.gives(gs[0])
		},
		approvals.DiffForged: func(_ *night, p *process, s bot.Scheduled) {
			gs, err := p.book.Grants(p.t.Context(), s.ID)
			require.NoError(p.t, err)
			gs[0].ID, gs[0].Envelope.Bytes = "G-WIDE", 1<<40 // wider than its digest says
			p.gives(gs[0])
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			n, p, s := granted(t)
			change(n, p, s)
			n.at("05 01:00:00")
			round(t, p)
			r := p.last()
			require.Equal(t, approvals.RuleReview, r.Rule)
			require.Contains(t, diffs(r), want)
			n.at("05 02:30:00")
			round(t, p)
			round(t, p)
			require.Equal(t, approvals.Pending, p.last().State, "nothing runs without a click")
		})
	}
}

// What changes after the announcement takes it back, and asks again.
func TestStandingApprovalIsAskedAgainAtItsTime(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*night, *process, bot.Scheduled){
		"withdrawn": func(_ *night, p *process, s bot.Scheduled) {
			_, err := p.loop.Do(p.t.Context(), s.ID, approvals.Actor{ID: "U0EVE"}, bot.ScheduleWithdraw)
			require.ErrorContains(p.t, err, "not_yours_to_stop")
			_, err = p.loop.Do(p.t.Context(), s.ID, cat, bot.ScheduleWithdraw)
			require.NoError(p.t, err)
		},
		"edited": func(_ *night, p *process, s bot.Scheduled) {
			_, err := p.loop.Edit(p.t.Context(), s.ID, ann, func(*approvals.Schedule) error { return nil })
			require.NoError(p.t, err)
		},
		"the approver left": func(n *night, _ *process, _ bot.Scheduled) {
			n.policy = approvals.Policy{Users: []string{ann.ID, cat.ID}, MinApprovals: 1}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, p, s := granted(t)
			n.at("05 01:00:00")
			round(t, p)
			first := p.last()
			require.Equal(t, approvals.RuleStanding, first.Rule)
			change(n, p, s)
			n.at("05 02:00:00")
			round(t, p)
			round(t, p)
			round(t, p)
			was, err := p.requests.Request(t.Context(), first.ID)
			require.NoError(t, err)
			require.NotEqual(t, approvals.Approved, was.State)
			for _, r := range p.asked()[1:] {
				jobs, err := p.facts.Jobs(t.Context(), r.ID)
				require.NoError(t, err)
				require.Empty(t, jobs, "nothing runs without a click")
			}
			if name != "edited" { // an edit moves the slots behind now
				require.Equal(t, approvals.RuleReview, p.last().Rule)
				require.Equal(t, approvals.Pending, p.last().State)
			}
		})
	}
}

func TestStandingApprovalExpires(t *testing.T) {
	t.Parallel()
	n, p, s := granted(t)
	n.at("31 01:00:00")
	n.mu.Lock()
	n.now = n.now.AddDate(0, 0, 3) // the night in which its 30 days end at 01:00
	n.mu.Unlock()
	round(t, p)
	round(t, p)
	require.Equal(t, approvals.RuleReview, p.last().Rule, "it would end before the run")
	gs, err := p.book.Grants(t.Context(), s.ID)
	require.NoError(t, err)
	require.Empty(t, gs)
	require.Contains(t, p.told(), "schedule.changed standing_expired")
}

// what is the word of a fact about a schedule.
func what(t *testing.T, e engine.Event) string {
	t.Helper()
	var f approvals.ScheduleFact
	require.NoError(t, json.Unmarshal(e.Data, &f))
	return f.What
}
