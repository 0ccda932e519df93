package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
	"mysql-recycler/engine/topology"
)

// Exceptions are the ways beside an ordinary decision. Each keeps the second person; refusals are
// *engine.Problem.
type Exceptions interface {
	// MayBreakGlass refuses who is not in the cluster's break-glass group now.
	MayBreakGlass(ctx context.Context, cluster string, by approvals.Actor) error
	// Deciders lists the user ids that may approve a request now, by its rule.
	Deciders(ctx context.Context, r approvals.Request) ([]string, error)
	// GrantStanding approves a schedule's run and all that will be like it.
	GrantStanding(ctx context.Context, in approvals.GrantInput) (approvals.Grant, approvals.Request, error)
}

// FormBreakGlass asks for the reason and the host's name.
const FormBreakGlass = "break_glass"

// lookWithin bounds what is looked up before a form is opened: its trigger lives three seconds.
const lookWithin = 1500 * time.Millisecond

// breakGlass opens the form that a break-glass run needs. Whether this person may is asked before, so
// that nobody writes a reason in vain; it is asked again when the form comes back.
func (b *Bot) breakGlass(ctx context.Context, who asker, line Line) error {
	t, err := b.target(who, line.Target)
	switch {
	case err != nil:
		return err
	case t.Host.Name == "":
		return &engine.Problem{Code: "break_glass_host", Text: "Break-glass is for one host, and " + line.Target + " is a cluster.", Next: "Name the host that cannot wait."}
	}
	look, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	if err := b.o.Requests.MayBreakGlass(look, t.Cluster, who.user); err != nil {
		return err
	}
	return b.o.Responder.OpenForm(ctx, who.reply, breakGlassForm(who.l, nameOf(t, line.Target), line))
}

// breakGlassForm asks for the reason, and for the name as only somebody who means it types it.
func breakGlassForm(l Locale, host string, line Line) Form {
	return Form{
		ID: FormBreakGlass, Ref: line.String(), Title: l.text(kGlassTitle, nil), Submit: l.text(kFormSubmit, nil), Cancel: l.text(kCancelForm, nil),
		Intro: append([]Span{emoji("rotating_light"), plain(" ")}, l.say(kGlassIntro, args{"target": code(host)})...),
		Inputs: []Input{
			{ID: "reason", Label: l.text(kGlassReasonLabel, nil), Hint: l.text(kGlassReasonHint, nil), Multi: true, MaxLen: 500},
			{ID: "host", Label: l.text(kGlassHostLabel, args{"target": plain(host)}), MaxLen: 250},
		},
	}
}

// glassBroken submits what the form asks for. The checks are the service's; what is wrong in an input
// is said at that input.
func (b *Bot) glassBroken(ctx context.Context, who asker, s Submission) (map[string]string, error) {
	line, err := Parse(s.Ref)
	if err != nil || line.Verb != VerbRun || !line.BreakGlass || line.After != "" || line.Select.DryRun {
		return nil, b.answer(ctx, who, Message{}, errForged)
	}
	p, t, err := b.plan(ctx, who, line, nil)
	if err != nil {
		return nil, b.answer(ctx, who, Message{}, b.offerDiscovery(line, err))
	}
	p.Bounds.Window = line.Select.Window // the hours this person asks for, not those of the cluster
	if len(p.Hosts) == 1 && p.Hosts[0].Role != topology.RolePrimary {
		p.Policy.AllowPrimary = false // should it become one, its rebuild stops
	}
	_, err = b.o.Requests.Submit(ctx, approvals.Draft{
		Kind: approvals.KindRecycle, Cluster: t.Cluster, Target: nameOf(t, line.Target), Command: line.String(), Requester: who.user,
		Channel: who.channel, Origin: who.origin, Plan: &p, Rule: approvals.RuleBreakGlass, Grounds: approvals.Grounds{Reason: clip(s.Values["reason"], 500), Typed: s.Values["host"]},
	})
	if at := map[string]string{"break_glass_reason": "reason", "break_glass_name": "host"}[codeOf(err)]; at != "" {
		return map[string]string{at: b.apology(who.l, err).Summary}, nil
	}
	return nil, b.answer(ctx, who, Message{}, err)
}

// glass says on the card of a break-glass request why it could not wait.
func (v view) glass(b *builder) {
	if v.r.Rule != approvals.RuleBreakGlass {
		return
	}
	b.text(append([]Span{emoji("rotating_light"), plain(" ")}, b.l.say(kGlassWhy, args{"why": bold(clip(v.r.Grounds.Reason, 500))})...)...)
	if v.r.State == approvals.Pending {
		b.context(b.l.say(kGlassSmall, nil)...)
	}
}

// glassTold tells the configured channel what becomes of a break-glass request: a message when it is
// asked, and a reply to it for everything after.
func (s *scene) glassTold() ([]Post, error) {
	if s.r.Rule != approvals.RuleBreakGlass || s.r.Grounds.Notice == "" {
		return nil, nil
	}
	var f approvals.BreakGlassFact
	if s.e.Kind == approvals.EventBreakGlass {
		if err := json.Unmarshal(s.e.Data, &f); err != nil {
			return nil, fmt.Errorf("read the fact: %w", err)
		}
	}
	b := &builder{l: s.notice}
	a := args{"who": mention(f.By), "by": plain(f.By.Name), "target": code(s.r.Target), "id": code(s.r.ID), "channel": Span{Channel: s.r.Channel},
		"why": bold(clip(s.r.Grounds.Reason, 500)), "digest": code(digest8(s.r.Digest))}
	p := Post{Key: s.r.ID + "/glass", Request: s.r.ID, Channel: s.r.Grounds.Notice}
	if f.What == "asked" {
		b.header(kGlassHead, args{"target": plain(s.r.Target)})
		b.summary(kGlassAsked, args{"who": plain(f.By.Name), "target": plain(s.r.Target), "id": plain(s.r.ID), "channel": plain(s.r.Channel), "why": plain(clip(s.r.Grounds.Reason, 500))})
		b.text(append([]Span{emoji("rotating_light"), plain(" ")}, s.notice.say(kGlassAsked, a)...)...)
		b.context(s.notice.say(kGlassLeft, a)...)
		return []Post{p}, p.draw(b.m)
	}
	k, ok := glassKeys[f.What]
	if s.e.Kind != approvals.EventBreakGlass {
		k, ok = kGlassEnded, s.job.ID != ""
		a["state"] = plain(s.notice.stateOf(s.r, []engine.Job{s.job}))
	}
	if !ok {
		return nil, nil
	}
	p.Parent, p.Key = p.Key, p.Key+"-e"+strconv.FormatInt(s.e.Seq, 10)
	b.m = notice(s.notice, k, a)
	err := p.draw(b.m)
	return []Post{p}, err
}

var glassKeys = map[string]key{"approved": kGlassApproved, "denied": kGlassDenied, "expired": kGlassExpired,
	"withdrawn": kGlassWithdrawn, "superseded": kGlassSuperseded}

// codeOf is the code of a refusal; empty for other errors.
func codeOf(err error) string {
	var p *engine.Problem
	if errors.As(err, &p) {
		return p.Code
	}
	return ""
}
