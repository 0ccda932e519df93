package bot

import (
	"strings"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// card draws the parent message of a request as it stands. It stays short: a long message that is
// edited collapses for whoever reads it.
func (v view) card(l Locale) Message {
	b := &builder{l: l}
	switch {
	case v.r.State == approvals.Pending && v.r.Kind == approvals.KindRecycle:
		v.pendingRecycle(b)
	case v.r.State == approvals.Pending:
		v.pendingDiscovery(b)
	case v.r.State != approvals.Approved:
		v.closed(b)
	case v.r.Kind == approvals.KindDiscover:
		v.discovery(b)
	default:
		v.recycle(b)
	}
	return b.m
}

// asked says who asked for what.
func (v view) asked(b *builder) {
	who := mention(v.r.Requester)
	if id, is := v.r.Requester.Schedule(); is {
		who = plain(b.l.text(kScheduleName, args{"id": plain(id)}))
	}
	b.say(kAsked, args{"who": who, "command": code(slash + v.command()), "id": code(v.r.ID)})
	v.glass(b)
}

// top is the header with the one sentence for notifications.
func (v view) top(b *builder, header, summary key, extra args) {
	a := args{"target": plain(v.r.Target), "id": plain(v.r.ID), "who": plain(v.r.Requester.Name)}
	for k, s := range extra {
		a[k] = s
	}
	b.header(header, a)
	b.summary(summary, a)
}

// pendingRecycle shows the frozen plan and asks for a decision.
func (v view) pendingRecycle(b *builder) {
	p := *v.r.Plan
	tables, _, gain, _ := p.Totals()
	head, summary := kHeadRecyclePending, kSumRecyclePending
	switch {
	case v.r.Rule == approvals.RuleBreakGlass:
		head = kHeadGlassPending
	case v.r.Rule == approvals.RuleStanding:
		head, summary = kHeadStanding, kSumStanding
	case !v.r.NotBefore.IsZero():
		head, summary = kHeadScheduledPending, kSumScheduledPending
	}
	v.top(b, head, summary, args{"n": plainInt(tables), "gain": plain(bytesOf(gain)), "at": plain(stamp(v.r.NotBefore))})
	v.asked(b)
	v.scheduled(b)
	v.underStanding(b)
	planBody(b, p, v.r.Created, cardRows)
	v.leftToSchedule(b)
	if v.r.Rule != approvals.RuleStanding {
		v.deadline(b)
	}
	b.buttons(v.decisionButtons(b.l)...)
}

// pendingDiscovery asks for a look at a cluster.
func (v view) pendingDiscovery(b *builder) {
	v.top(b, kHeadDiscoverPending, kSumDiscoverPending, nil)
	v.asked(b)
	b.say(kDiscoverWhat, args{"target": code(v.r.Target), "cluster": code(v.r.Cluster)})
	if goesOn(v.line) {
		b.say(kDiscoverThenPlan, nil)
	}
	v.deadline(b)
	b.buttons(v.decisionButtons(b.l)...)
}

// deadline says who may decide, until when, and on what.
func (v view) deadline(b *builder) {
	need := b.l.count(kNeedApprovals, v.r.MinApprovals, nil)
	if n := approvalsOf(v.r); n > 0 {
		need = b.l.say(kHaveApprovals, args{"n": plainInt(n), "m": plainInt(v.r.MinApprovals), "names": plain(reviewers(v.r, approvals.Approve))})
	}
	if v.approvers != "" {
		need = append(need, b.l.say(kFrom, args{"names": plain(v.approvers)})...)
	}
	small := [][]Span{need, b.l.say(kExpires, args{"at": when(v.r.Expires)})}
	if v.r.Plan != nil {
		small = append(small, b.l.say(kDigest, args{"digest": code(digest8(v.r.Digest))}))
	}
	b.context(join(" · ", small...)...)
}

// scheduled says when approved work starts, and who made the schedule.
func (v view) scheduled(b *builder) {
	if v.r.NotBefore.IsZero() {
		return
	}
	b.text(append([]Span{emoji("calendar"), plain(" ")}, b.l.say(kScheduledAt, args{"at": when(v.r.NotBefore),
		"until": when(v.r.Expires), "owner": plain(answerTo(v.r).Name)})...)...)
}

// digest8 is as much of a digest as people compare.
func digest8(d string) string { return d[:min(8, len(d))] }

// reviewers names who decided so.
func reviewers(r approvals.Request, d approvals.Decision) string {
	var names []string
	for _, x := range r.Reviews {
		if x.Decision == d {
			names = append(names, x.Reviewer.Name)
		}
	}
	return strings.Join(names, ", ")
}

// decisionButtons are the buttons of a pending request.
func (v view) decisionButtons(l Locale) []Button {
	approve := Button{Action: ActionApprove, Value: valueOf(v.r), Label: l.text(kApprove, nil), Style: "primary"}
	if v.env == "production" {
		approve.Confirm = v.confirm(l)
	}
	note := Button{Action: ActionApproveNote, Value: valueOf(v.r), Label: l.text(kApproveNote, nil)}
	if _, is := v.r.Requester.Schedule(); is {
		return append(v.standingButtons(l, approve, note), v.scheduleButtons(l)...)
	}
	return []Button{
		approve, note,
		{Action: ActionDeny, Value: valueOf(v.r), Label: l.text(kDeny, nil), Style: "danger"},
		{Action: ActionWithdraw, Value: valueOf(v.r), Label: l.text(kWithdraw, nil)},
	}
}

// scheduleButtons stop a schedule's run before it begins.
func (v view) scheduleButtons(l Locale) []Button {
	return []Button{
		{Action: ActionSkip, Value: valueOf(v.r), Label: l.text(kSkipRun, nil)},
		{Action: ActionPauseSchedule, Value: valueOf(v.r), Label: l.text(kPauseSchedule, nil), Style: "danger", Confirm: &Confirm{
			Title: l.text(kPauseScheduleTitle, nil), Text: l.text(kPauseScheduleText, args{"id": plain(v.r.Requester.Name)}),
			Yes: l.text(kPauseSchedule, nil), No: l.text(kBack, nil)}},
	}
}

// confirm asks once more for production, with what is at stake.
func (v view) confirm(l Locale) *Confirm {
	return &Confirm{Title: l.text(kConfirmTitle, nil), Text: clip(stake(l, v.r), 290), Yes: l.text(kApprove, nil), No: l.text(kBack, nil)}
}

// stake says what an approval starts.
func stake(l Locale, r approvals.Request) string {
	work, ok := r.Work()
	if !ok {
		return l.text(kConfirmDiscover, args{"target": plain(clip(r.Target, 80))})
	}
	k := kConfirmRecycle
	if !r.NotBefore.IsZero() {
		k = kConfirmLater
	}
	return l.text(k, args{"target": plain(clip(r.Target, 80)), "n": plainInt(work.Tables), "gain": plain(bytesOf(work.Gain)),
		"time": plain(l.about(work.Estimate)), "digest": plain(digest8(r.Digest)), "at": plain(stamp(r.NotBefore))})
}

// closed shows a request that was not approved. Who and when comes from the reviews.
func (v view) closed(b *builder) {
	heads := map[approvals.State][2]key{
		approvals.Denied: {kHeadDenied, kSumDenied}, approvals.Expired: {kHeadExpired, kSumExpired},
		approvals.Withdrawn: {kHeadWithdrawn, kSumWithdrawn}, approvals.Superseded: {kHeadSuperseded, kSumSuperseded},
	}
	h := heads[v.r.State]
	v.top(b, h[0], h[1], args{"by": plain(reviewers(v.r, approvals.Deny))})
	v.asked(b)
	v.decisions(b)
	_, scheduled := v.r.Requester.Schedule() // whose superseded run is asked again without a click
	switch {
	case v.r.State == approvals.Expired:
		b.buttons(Button{Action: ActionAskAgain, Value: valueOf(v.r), Label: b.l.text(kAskAgain, nil)})
	case v.r.State == approvals.Superseded && !scheduled:
		b.buttons(Button{Action: ActionAskAgain, Value: valueOf(v.r), Label: b.l.text(kPlanAgain, nil)})
	}
}

// decisions lists who decided what and when.
func (v view) decisions(b *builder) {
	for _, x := range v.r.Reviews {
		k, icon := kApprovedBy, "white_check_mark"
		if x.Decision == approvals.Deny {
			k, icon = kDeniedBy, "no_entry"
		}
		if x.Standing != "" {
			b.text(append([]Span{emoji(icon), plain(" ")}, b.l.say(kStandingApproved, args{"who": mention(x.Reviewer), "at": when(x.At), "grant": code(x.Standing)})...)...)
			continue
		}
		if x.Reviewer.ID == "policy" {
			b.context(b.l.say(kApprovedByPolicy, nil)...)
			continue
		}
		spans := append([]Span{emoji(icon), plain(" ")}, b.l.say(k, args{"who": mention(x.Reviewer), "at": when(x.At)})...)
		if v.r.Plan != nil { // the digest of a discovery binds a name and tells a reader nothing
			spans = append(append(spans, plain(" · ")), b.l.say(kDigest, args{"digest": code(digest8(x.Digest))})...)
		}
		if x.Comment != "" {
			spans = append(spans, plain(" "))
			spans = append(spans, b.l.say(kComment, args{"text": plain(clip(x.Comment, 500))})...)
		}
		b.text(spans...)
	}
}

// discovery shows an approved look.
func (v view) discovery(b *builder) {
	state := engine.JobQueued
	reason := ""
	if len(v.jobs) > 0 {
		state, reason = v.jobs[0].State, v.jobs[0].Reason
	}
	heads := map[engine.JobState][2]key{
		engine.JobQueued: {kHeadDiscoverQueued, kSumDiscoverQueued}, engine.JobRunning: {kHeadDiscoverRunning, kSumDiscoverRunning},
		engine.JobPaused: {kHeadDiscoverRunning, kSumDiscoverRunning}, engine.JobSucceeded: {kHeadDiscoverDone, kSumDiscoverDone},
		engine.JobFailed: {kHeadDiscoverFailed, kSumDiscoverFailed}, engine.JobCancelled: {kHeadDiscoverCancelled, kSumDiscoverCancelled},
		engine.JobRefused: {kHeadDiscoverFailed, kSumDiscoverFailed},
	}
	h := heads[state]
	v.top(b, h[0], h[1], nil)
	v.asked(b)
	v.decisions(b)
	v.heldUp(b)
	if reason != "" && state.Final() {
		b.text(plain(clip(b.l.words(reason), 600)))
	}
	if state.Final() && state != engine.JobSucceeded {
		b.buttons(Button{Action: ActionAskAgain, Value: valueOf(v.r), Label: b.l.text(kAskAgain, nil)})
	}
}
