package bot

import (
	"context"
	"fmt"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// maxRetries bounds how far a retry of a retry is followed back to its run.
const maxRetries = 50

// askRetry asks for what an ended request left undone: a new request that names the old one, with a
// plan made now and a second person of its own. What never ran is asked for again as a whole.
func (b *Bot) askRetry(ctx context.Context, who asker, line Line) (approvals.Request, error) {
	r, err := b.request(ctx, line.Request)
	if err != nil {
		return r, err
	}
	was, err := Parse(r.Command)
	if err != nil {
		return r, err
	}
	was.After, was.BreakGlass = line.After, false // a reason is given for one request
	switch {
	case r.State == approvals.Pending:
		return r, &engine.Problem{Code: "still_running", Text: r.ID + " still waits for a decision.", Next: "status " + r.ID + " shows it."}
	case was.Verb == VerbDiscover:
		was.After = ""
		t, err := b.targetFor(ctx, who, approvals.ActAsk, was.Target)
		if err != nil {
			return r, err
		}
		return b.askDiscovery(ctx, who, t, was)
	case r.State == approvals.Approved && r.Kind == approvals.KindRecycle:
		return b.askRest(ctx, who, r, was, line)
	case was.Verb == VerbRetry:
		return b.askRetry(ctx, who, was)
	}
	return b.askRun(ctx, who, was)
}

// retry is askRetry for the chat: its answer is a card.
func (b *Bot) retry(ctx context.Context, who asker, line Line) error {
	_, err := b.askRetry(ctx, who, line)
	return err
}

// askRest asks for the tables that a request's jobs left undone, selected as its run selected them.
func (b *Bot) askRest(ctx context.Context, who asker, r approvals.Request, was, line Line) (approvals.Request, error) {
	was, err := b.runBehind(ctx, was)
	if err != nil {
		return r, err
	}
	if _, err := b.targetFor(ctx, who, approvals.ActAsk, was.Target); err != nil {
		return r, err
	}
	jobs, err := b.o.Facts.Jobs(ctx, r.ID)
	if err != nil {
		return r, fmt.Errorf("read the jobs of %s: %w", r.ID, err)
	}
	rest, err := engine.RestOf(r.ID, jobs)
	if err != nil {
		return r, err
	}
	p, t, err := b.plan(ctx, who, was, &rest)
	if err != nil {
		return r, b.offerDiscovery(Line{Verb: VerbRetry, Request: r.ID}, err)
	}
	return b.o.Requests.Submit(ctx, approvals.Draft{
		Kind: approvals.KindRecycle, Cluster: t.Cluster, Target: nameOf(t, was.Target), Command: line.String(),
		Requester: who.user, Channel: who.channel, Origin: who.origin, Plan: &p,
	})
}

// runBehind is the run that a chain of retries goes back to.
func (b *Bot) runBehind(ctx context.Context, line Line) (Line, error) {
	for i := 0; line.Verb == VerbRetry && i < maxRetries; i++ {
		r, err := b.request(ctx, line.Request)
		if err != nil {
			return line, err
		}
		if line, err = Parse(r.Command); err != nil {
			return line, err
		}
	}
	return line, nil
}

// goesOn says whether a command needs a discovery first and then goes on by itself.
func goesOn(line Line) bool { return line.Verb == VerbRun || line.Verb == VerbRetry }
