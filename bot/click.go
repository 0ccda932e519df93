package bot

import (
	"context"
	"errors"
	"slices"
	"strings"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// Actions of buttons and forms.
const (
	ActionApprove          = "approve"
	ActionDeny             = "deny"
	ActionWithdraw         = "withdraw"
	ActionPause            = "pause"
	ActionResume           = "resume"
	ActionCancel           = "cancel"
	ActionDiscoverFirst    = "discover_first" // value: the command that waits for it
	ActionAskAgain         = "ask_again"
	ActionRun              = "run" // value: a run command
	ActionNew              = "new"
	ActionSkipTable        = "skip_table"        // value: a skip command
	ActionSkip             = "skip"              // leaves this run of a schedule out
	ActionPauseSchedule    = "pause_schedule"    // and all that would follow
	ActionApproveNote      = "approve_note"      // opens the form for a comment
	ActionStanding         = "standing"          // opens the form for a standing approval
	ActionWithdrawStanding = "withdraw_standing" // ends it
	FormStanding           = "standing"
	FormDeny               = "deny_reason"
	FormApprove            = "approve_note"
	FormNew                = "new_recycle"
)

// FormActions lists the actions that open a form. A form must be opened within three seconds of the
// click, so a transport lets these wait for nothing else.
func FormActions() []string {
	return []string{ActionDeny, ActionApproveNote, ActionStanding, ActionNew}
}

// valueOf is what a button of a request carries: which request, and which plan the card showed.
func valueOf(r approvals.Request) string { return r.ID + "|" + r.Digest[:min(12, len(r.Digest))] }

// Click does what a button says, and always answers the person who clicked.
func (b *Bot) Click(ctx context.Context, c Click) error {
	ctx = approvals.Through(ctx, approvals.Door{Name: "chat", Channel: c.Channel, Message: c.Message})
	who := asker{user: c.User, channel: c.Channel, reply: c.Reply, origin: c.Envelope}
	if c.Action == ActionNew {
		return b.openNew(ctx, who)
	}
	id, digest, _ := strings.Cut(c.Value, "|")
	if c.Action == ActionDeny || c.Action == ActionApproveNote || c.Action == ActionStanding {
		return b.wordsClick(ctx, who, id, c)
	}
	who.l = b.personal(ctx, c.User, c.Channel)
	if slices.Contains(asking, c.Action) {
		if done, err := b.alreadyAsked(ctx, who); done || err != nil {
			return b.answer(ctx, who, notice(who.l, kAskedAgain, nil), err)
		}
	}
	m, err := b.clicked(ctx, who, c, id, digest)
	return b.answer(ctx, who, m, err)
}

// asking are the actions that ask for work.
var asking = []string{ActionAskAgain, ActionDiscoverFirst, ActionRun}

// clicked does the action of a button.
func (b *Bot) clicked(ctx context.Context, who asker, c Click, id, digest string) (Message, error) {
	switch c.Action {
	case ActionApprove:
		return b.review(ctx, who, approvals.ReviewInput{RequestID: id, Digest: digest, Reviewer: who.user, Decision: approvals.Approve, Channel: who.channel})
	case ActionWithdraw:
		r, err := b.o.Requests.Withdraw(ctx, id, who.user)
		return notice(who.l, kYouWithdrew, args{"id": code(r.ID)}), err
	case ActionSkip, ActionPauseSchedule, ActionWithdrawStanding:
		return b.scheduleClick(ctx, who, c.Action, id)
	case ActionPause, ActionResume, ActionCancel:
		return b.want(ctx, who, Line{Verb: Verb(c.Action), Request: id})
	case ActionSkipTable:
		return b.skipClick(ctx, who, c.Value)
	case ActionAskAgain:
		return notice(who.l, kAskedAgain, nil), b.retry(ctx, who, Line{Verb: VerbRetry, Request: id})
	case ActionDiscoverFirst:
		return b.discoverFirst(ctx, who, c.Value)
	case ActionRun:
		line, err := Parse(c.Value)
		if err != nil || line.Verb != VerbRun || line.After != "" || line.BreakGlass {
			return Message{}, errForged
		}
		return notice(who.l, kAskedAgain, nil), b.run(ctx, who, line)
	}
	return Message{}, errForged
}

// errForged answers a button that this version never drew.
var errForged = &engine.Problem{Code: "unknown_button", Text: "This button is not known to me; it may be of an older version.",
	Next: "Type the command instead: " + slash + "help"}

// discoverFirst asks for the discovery that a run needs, and keeps the run as its purpose.
func (b *Bot) discoverFirst(ctx context.Context, who asker, value string) (Message, error) {
	line, err := Parse(value)
	if err != nil || (!goesOn(line) && line.Verb != VerbDiscover) || line.After != "" || line.BreakGlass {
		return Message{}, errForged
	}
	behind, err := b.runBehind(ctx, line)
	if err != nil {
		return Message{}, err
	}
	t, err := b.targetFor(ctx, who, approvals.ActAsk, behind.Target)
	if err != nil {
		return Message{}, err
	}
	k := kDiscoverAsked
	if goesOn(line) {
		k = kDiscoverAskedForRun
	}
	return notice(who.l, k, args{"host": code(nameOf(t, line.Target))}), b.submitDiscovery(ctx, who, t, line)
}

// review records a decision and tells the reviewer that it counts.
func (b *Bot) review(ctx context.Context, who asker, in approvals.ReviewInput) (Message, error) {
	r, err := b.o.Requests.Review(ctx, in)
	if err != nil {
		return Message{}, b.explain(ctx, who, r, err)
	}
	a := args{"id": code(r.ID), "target": code(r.Target)}
	switch {
	case in.Decision == approvals.Deny:
		return notice(who.l, kYouDenied, a), nil
	case r.State == approvals.Pending:
		a["n"], a["m"] = plainInt(approvalsOf(r)), plainInt(r.MinApprovals)
		return notice(who.l, kYouApprovedOf, a), nil
	}
	if r.NotBefore.After(b.o.Tuning.Now()) {
		a["at"] = when(r.NotBefore)
		return notice(who.l, kYouApprovedLater, a), nil
	}
	return notice(who.l, kYouApproved, a), nil
}

// explain adds to "you asked for this yourself" who else may decide.
func (b *Bot) explain(ctx context.Context, who asker, r approvals.Request, err error) error {
	var p *engine.Problem
	if !errors.As(err, &p) || (p.Code != "own_request" && p.Code != "not_approver") || r.ID == "" {
		return err
	}
	names := b.mayApprove(ctx, r)
	if names == "" {
		return err
	}
	with := *p
	with.Next = strings.TrimSpace(with.Next + " " + who.l.text(kMayDecide, args{"names": plain(names)}))
	return &with
}

// approvalsOf counts the people who approved so far.
func approvalsOf(r approvals.Request) int {
	n := 0
	for _, v := range r.Reviews {
		if v.Decision == approvals.Approve {
			n++
		}
	}
	return n
}

// wordsClick opens the form for a reason or a comment. The trigger of a form lives three seconds, so
// only the stored request is looked at before.
func (b *Bot) wordsClick(ctx context.Context, who asker, id string, c Click) error {
	r, err := b.o.Facts.Request(ctx, id)
	if err == nil && r.State == approvals.Pending && r.Requester.ID != c.User.ID {
		form := denyForm
		switch c.Action {
		case ActionApproveNote:
			form = approveForm
		case ActionStanding:
			if _, is := r.Requester.Schedule(); !is || r.Plan == nil {
				return b.answer(ctx, who, Message{}, errForged)
			}
			form = b.standingForm
		}
		who.l = b.shared(c.Channel)
		return b.openForm(ctx, who, form(who.l, r, c.Value))
	}
	who.l = b.personal(ctx, c.User, c.Channel)
	if errors.Is(err, engine.ErrNotFound) {
		err = b.noRequest(ctx, id)
	}
	if err == nil { // the service knows best why this cannot be decided by this person now
		d := approvals.Deny
		if c.Action == ActionApproveNote {
			d = approvals.Approve
		}
		_, err = b.review(ctx, who, approvals.ReviewInput{RequestID: id, Digest: r.Digest, Reviewer: c.User, Decision: d})
	}
	return b.answer(ctx, who, Message{}, err)
}

// Submit takes a form that was sent in.
func (b *Bot) Submit(ctx context.Context, s Submission) (map[string]string, error) {
	ctx = approvals.Through(ctx, approvals.Door{Name: "chat", Channel: s.Reply.Channel})
	who := asker{user: s.User, channel: s.Reply.Channel, reply: s.Reply, origin: s.Envelope}
	who.l = b.personal(ctx, s.User, who.channel)
	if s.Form == FormNew || s.Form == FormBreakGlass {
		if done, err := b.alreadyAsked(ctx, who); done || err != nil {
			return nil, err
		}
	}
	switch s.Form {
	case FormDeny:
		return b.denied(ctx, who, s)
	case FormApprove:
		return b.approved(ctx, who, s)
	case FormNew:
		return b.newSubmitted(ctx, who, s)
	case FormStanding:
		return b.standingGranted(ctx, who, s)
	case FormBreakGlass:
		return b.glassBroken(ctx, who, s)
	}
	return nil, b.answer(ctx, who, Message{}, errForged)
}

// denied records a denial with its reason.
func (b *Bot) denied(ctx context.Context, who asker, s Submission) (map[string]string, error) {
	reason := strings.TrimSpace(s.Values["reason"])
	if len([]rune(reason)) < 3 {
		return map[string]string{"reason": who.l.text(kReasonShort, nil)}, nil
	}
	id, digest, _ := strings.Cut(s.Ref, "|")
	m, err := b.review(ctx, who, approvals.ReviewInput{
		RequestID: id, Digest: digest, Reviewer: s.User, Decision: approvals.Deny, Comment: clip(reason, 1000), Channel: who.channel,
	})
	return nil, b.answer(ctx, who, m, err)
}

// approved records an approval with its comment.
func (b *Bot) approved(ctx context.Context, who asker, s Submission) (map[string]string, error) {
	id, digest, _ := strings.Cut(s.Ref, "|")
	m, err := b.review(ctx, who, approvals.ReviewInput{RequestID: id, Digest: digest, Reviewer: s.User, Decision: approvals.Approve,
		Comment: clip(strings.TrimSpace(s.Values["comment"]), 1000), Channel: who.channel})
	return nil, b.answer(ctx, who, m, err)
}

// approveForm asks for a comment, with what is at stake.
func approveForm(l Locale, r approvals.Request, value string) Form {
	return Form{
		ID: FormApprove, Ref: value, Title: l.text(kApproveTitle, args{"id": plain(r.ID)}),
		Submit: l.text(kApprove, nil), Cancel: l.text(kCancelForm, nil), Intro: []Span{plain(stake(l, r))},
		Inputs: []Input{{ID: "comment", Label: l.text(kCommentLabel, nil), Hint: l.text(kCommentHint, nil),
			Multi: true, Optional: true, MaxLen: 1000}},
	}
}

// denyForm asks for the reason of a denial.
func denyForm(l Locale, r approvals.Request, value string) Form {
	return Form{
		ID: FormDeny, Ref: value, Title: l.text(kDenyTitle, args{"id": plain(r.ID)}),
		Submit: l.text(kDeny, nil), Cancel: l.text(kCancelForm, nil),
		Intro: l.say(kDenyIntro, args{"id": code(r.ID), "target": code(r.Target)}),
		Inputs: []Input{{ID: "reason", Label: l.text(kReasonLabel, nil), Hint: l.text(kReasonHint, nil),
			Multi: true, MaxLen: 1000}},
	}
}

// want passes on what a person wants of a request's live jobs. What waits for them, or for an old
// primary after them, can be cancelled too.
func (b *Bot) want(ctx context.Context, who asker, line Line) (Message, error) {
	r, err := b.request(ctx, line.Request)
	if err != nil {
		return Message{}, err
	}
	if r.State == approvals.Pending && line.Verb == VerbCancel {
		r, err = b.o.Requests.Withdraw(ctx, r.ID, who.user)
		return notice(who.l, kYouWithdrew, args{"id": code(r.ID)}), err
	}
	live, err := b.live(ctx, r)
	var idle *engine.Problem
	if line.Verb == VerbCancel && errors.As(err, &idle) {
		return b.stopCampaign(ctx, who, r, err)
	}
	if err != nil {
		return Message{}, err
	}
	if err := b.mayStop(ctx, who, r); err != nil {
		return Message{}, err
	}
	w, k := wanted(line)
	return notice(who.l, k, args{"id": code(r.ID)}), WantAll(ctx, b.o.Wanter, live, w, who.user)
}

// WantAll wants the same of every job, whatever became of the one before: who cancels means all hosts.
// A job that has ended meanwhile refuses, which matters only when all do: then it is a *engine.Problem.
func WantAll(ctx context.Context, wanter Wanter, jobs []engine.Job, w engine.Wanted, by approvals.Actor) error {
	var late, failed error
	told := false
	for _, j := range jobs {
		_, err := wanter.Want(ctx, j.ID, w, by)
		var refused *engine.Problem
		switch {
		case err == nil:
			told = true
		case errors.As(err, &refused):
			late = err
		default:
			failed = errors.Join(failed, err)
		}
	}
	if told || failed != nil {
		return failed
	}
	return late
}

// live are the jobs of a request that have not ended; none is a refusal.
func (b *Bot) live(ctx context.Context, r approvals.Request) ([]engine.Job, error) {
	jobs, err := b.o.Facts.Jobs(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	live := slices.DeleteFunc(slices.Clone(jobs), func(j engine.Job) bool { return j.State.Final() })
	if len(live) == 0 {
		return nil, &engine.Problem{Code: "nothing_running", Text: r.ID + " is not running: it is " + string(r.State) + endedAs(jobs) + ".",
			Next: "status " + r.ID + " shows what became of it."}
	}
	return live, nil
}

// wanted maps a command to a wish and its answer.
func wanted(line Line) (engine.Wanted, key) {
	switch {
	case line.Verb == VerbCancel:
		return engine.WantCancel, kYouCancelled
	case line.Verb == VerbResume:
		return engine.WantRun, kYouResumed
	case line.Now:
		return engine.WantPauseNow, kYouPausedNow
	}
	return engine.WantPause, kYouPaused
}

// endedAs says how the jobs of a request ended.
func endedAs(jobs []engine.Job) string {
	if len(jobs) == 0 {
		return ""
	}
	return " and " + string(jobs[len(jobs)-1].State)
}

// mayStop lets the requester and the approvers of the cluster pause, resume, cancel and skip, as far as
// they may steer at all.
func (b *Bot) mayStop(ctx context.Context, who asker, r approvals.Request) error {
	if err := b.o.Requests.MayUse(ctx, r.Cluster, approvals.ActSteer, who.user); err != nil {
		return err
	}
	if r.Requester.ID == who.user.ID || slices.ContainsFunc(r.Barred, func(a approvals.Actor) bool { return a.ID == who.user.ID }) {
		return nil
	}
	set, err := b.o.Requests.Approvers(ctx, r.Cluster)
	if err != nil {
		return err
	}
	if slices.Contains(set, who.user.ID) {
		return nil
	}
	return &engine.Problem{Code: "not_yours_to_stop", Text: "Only " + answerTo(r).Name + ", who asked for it, and the approvers of " + r.Cluster + " may do this to " + r.ID + ".",
		Next: "Ask one of them."}
}
