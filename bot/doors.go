package bot

import (
	"context"
	"fmt"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// Ask does what Command does with discover and run, for callers that are not the chat: the same
// grammar, planner and submission, so that no door has rules of its own. The card goes to channel;
// empty means the cluster's own. What a person got wrong has Sentence and Hint.
func (b *Bot) Ask(ctx context.Context, by approvals.Actor, channel, text string) (approvals.Request, error) {
	line, err := Parse(text)
	switch {
	case err != nil:
		return approvals.Request{}, err
	case line.After != "", line.Select.DryRun, line.Verb != VerbDiscover && !goesOn(line):
		return approvals.Request{}, &engine.Problem{Code: "not_a_request", Text: "Only discover, run and retry ask for work.",
			Next: "For example: discover HOST, or run HOST --table shop.orders"}
	}
	if line.BreakGlass {
		return approvals.Request{}, &engine.Problem{Code: "break_glass_form", Text: "Break-glass is asked in the chat, where its form is.", Next: "Type it there: " + slash + line.shown()}
	}
	who := asker{user: by, channel: channel}
	behind, err := b.runBehind(ctx, line)
	if err != nil {
		return approvals.Request{}, err
	}
	if t, err := b.o.Targets.Find(behind.Target); err == nil && channel == "" {
		who.channel = b.channelOf(t.Cluster)
	}
	defer b.Wake()
	switch line.Verb {
	case VerbRun:
		return b.askRun(ctx, who, line)
	case VerbRetry:
		return b.askRetry(ctx, who, line)
	}
	t, err := b.target(who, line.Target)
	if err != nil {
		return approvals.Request{}, err
	}
	return b.askDiscovery(ctx, who, t, line)
}

// WantJob passes on what a person wants of one live job. As in the chat only the requester and the
// cluster's approvers may.
func (b *Bot) WantJob(ctx context.Context, by approvals.Actor, j engine.Job, w engine.Wanted) (engine.Job, error) {
	r, err := b.o.Facts.Request(ctx, j.RequestID)
	if err != nil {
		return j, fmt.Errorf("read the request of %s: %w", j.ID, err)
	}
	if err := b.mayStop(ctx, asker{user: by}, r); err != nil {
		return j, err
	}
	defer b.Wake()
	return b.o.Wanter.Want(ctx, j.ID, w, by)
}
