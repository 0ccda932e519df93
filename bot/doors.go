package bot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

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
	t, err := b.targetFor(ctx, who, approvals.ActAsk, line.Target)
	if err != nil {
		return approvals.Request{}, err
	}
	return b.askDiscovery(ctx, who, t, line)
}

// WantJob passes on what a person wants of one live job. To cancel one that has ended ends the wait
// of its run for an old primary. As in the chat only the requester and the cluster's approvers may.
func (b *Bot) WantJob(ctx context.Context, by approvals.Actor, j engine.Job, w engine.Wanted) (engine.Job, error) {
	r, err := b.o.Facts.Request(ctx, j.RequestID)
	if err != nil {
		return j, fmt.Errorf("read the request of %s: %w", j.ID, err)
	}
	if err := b.mayStop(ctx, asker{user: by}, r); err != nil {
		return j, err
	}
	defer b.Wake()
	if w == engine.WantCancel && j.State.Final() {
		if err := b.o.Wanter.StopCampaign(ctx, r.ID, by); !errors.Is(err, engine.ErrNotFound) {
			return j, err
		}
	}
	return b.o.Wanter.Want(ctx, j.ID, w, by)
}

// Preview freezes what the command plan would show, asks nobody and touches no host.
func (b *Bot) Preview(ctx context.Context, text string) (engine.Plan, error) {
	line, err := Parse(text)
	switch {
	case err != nil:
		return engine.Plan{}, err
	case line.Verb != VerbPlan:
		return engine.Plan{}, &engine.Problem{Code: "not_a_plan", Text: "Only plan shows a plan.", Next: "For example: plan HOST --schema shop"}
	}
	who := asker{}
	if t, err := b.o.Targets.Find(line.Target); err == nil {
		who.channel = b.channelOf(t.Cluster)
	}
	p, _, err := b.plan(ctx, who, line, nil)
	return p, err
}

// ChangeSchedule does what the command schedule does, except list, in the name of a person. A new
// schedule is announced in channel; empty means the cluster's own.
func (b *Bot) ChangeSchedule(ctx context.Context, by approvals.Actor, channel, text string) (Scheduled, error) {
	line, err := Parse(text)
	switch {
	case err != nil:
		return Scheduled{}, err
	case line.Verb != VerbSchedule || line.Plan.Action == ScheduleList:
		return Scheduled{}, &engine.Problem{Code: "not_a_schedule", Text: "Only schedule changes schedules.",
			Next: `For example: schedule add HOST --cron "0 2 * * sun"`}
	}
	if t, err := b.o.Targets.Find(line.Target); err == nil && channel == "" {
		channel = b.channelOf(t.Cluster)
	}
	defer b.Wake()
	return b.changeSchedule(ctx, asker{user: by, channel: channel}, line)
}

// Flag is a flag of a command, for doors that have flags of their own.
type Flag struct {
	Name    string
	Example string
	Help    string // in English
	Bare    bool   // takes no value
}

// Flags lists what a command takes; the grammar stays the only one who reads the values.
func Flags(v Verb) []Flag {
	var out []Flag
	for _, f := range flags {
		if f.help != "" && slices.Contains(f.verbs, v) {
			out = append(out, Flag{f.name, f.example, English.text(f.help, nil), f.bare})
		}
	}
	return out
}

// Spell writes words and flags (by name; a bare one has no values) as a command that Parse reads back.
func Spell(words []string, set map[string][]string) string {
	var out []string
	for _, w := range words {
		out = append(out, quote(w))
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if len(set[name]) == 0 {
			out = append(out, "--"+name)
		}
		for _, v := range set[name] {
			out = append(out, "--"+name+"="+quote(v))
		}
	}
	return strings.Join(out, " ")
}
