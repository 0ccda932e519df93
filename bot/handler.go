package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// asker is one person's call with the way to answer that person alone.
type asker struct {
	user    approvals.Actor
	channel string
	reply   Reply
	l       Locale
	origin  string // the envelope that asks; empty: it is not handled again
}

// Command understands a command line and does it. What went wrong by a person's making is told to
// that person; an error is returned only when the command should be handled again.
func (b *Bot) Command(ctx context.Context, c Command) error {
	ctx = approvals.Through(ctx, approvals.Door{Name: "chat", Channel: c.Channel})
	who := asker{user: c.User, channel: c.Channel, reply: c.Reply, origin: c.Envelope}
	if Normalise(c.Text) == "" {
		return b.openNew(ctx, who)
	}
	who.l = b.personal(ctx, c.User, c.Channel)
	line, err := Parse(c.Text)
	if err == nil && line.After != "" { // only the bot links cards to threads
		err = &Misread{key: kUnknownFlag, Line: c.Text, vals: args{"flag": code("--after"), "command": code(string(line.Verb))}}
	}
	if err != nil {
		return b.answer(ctx, who, Message{}, err)
	}
	if goesOn(line) || line.Verb == VerbDiscover {
		if done, err := b.alreadyAsked(ctx, who); done || err != nil {
			return err
		}
	}
	m, err := b.do(ctx, who, line)
	return b.answer(ctx, who, m, err)
}

// GaveUp implements Regrets.
func (b *Bot) GaveUp(ctx context.Context, c Command) error {
	who := asker{user: c.User, channel: c.Channel, reply: c.Reply, l: b.personal(ctx, c.User, c.Channel)}
	k := kGaveUpAct
	if c.Text != "" {
		k = kGaveUpCommand
	}
	return b.answer(ctx, who, notice(who.l, k, args{"at": when(c.At), "command": code(slash + clip(c.Text, 200))}), nil)
}

// alreadyAsked recognises a command, click or form that asked before a crash and is handled again,
// by its envelope: the same words typed twice on purpose are two commands.
func (b *Bot) alreadyAsked(ctx context.Context, who asker) (bool, error) {
	if who.origin == "" {
		return false, nil
	}
	rs, err := b.o.Lists.Requests(ctx, "origin", who.origin, 1)
	if err != nil {
		return false, fmt.Errorf("look for what this act asked before: %w", err)
	}
	return len(rs) > 0, nil
}

// do carries a command out. An empty message means that the answer is a shared card.
func (b *Bot) do(ctx context.Context, who asker, line Line) (Message, error) {
	switch line.Verb {
	case VerbDiscover:
		return Message{}, b.discover(ctx, who, line)
	case VerbPlan:
		return b.showPlan(ctx, who, line)
	case VerbRun:
		if line.Select.DryRun {
			return b.showPlan(ctx, who, line)
		}
		if line.BreakGlass {
			return Message{}, b.breakGlass(ctx, who, line)
		}
		return Message{}, b.run(ctx, who, line)
	case VerbTop:
		return b.top(ctx, who, line.Target)
	case VerbList:
		return b.list(ctx, who, line.Filter)
	case VerbHistory:
		return b.history(ctx, who, line.Target)
	case VerbStatus:
		return b.status(ctx, who, line.Request)
	case VerbPause, VerbResume, VerbCancel:
		return b.want(ctx, who, line)
	case VerbSkip:
		return b.skip(ctx, who, line)
	case VerbRetry:
		return Message{}, b.retry(ctx, who, line)
	case VerbSchedule:
		return b.schedule(ctx, who, line)
	case VerbRegion:
		return b.region(ctx, who, line)
	case VerbNodes:
		return b.nodes(ctx, who)
	case VerbWhoami:
		return b.whoami(ctx, who)
	case VerbVersion:
		return notice(who.l, kVersion, args{"version": code(b.o.Tuning.Version)}), nil
	}
	return help(who.l, line.Topic), nil
}

// answer whispers a message or an error to the person who called. Only an error of ours that a
// later try may not meet again, a process that stops, is returned.
func (b *Bot) answer(ctx context.Context, who asker, m Message, err error) error {
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("interrupted: %w", err)
	case err != nil:
		m = b.apology(who.l, err)
	case m.Summary == "":
		b.Wake()
		return nil
	}
	b.Wake()
	if err := b.o.Responder.Whisper(ctx, who.reply, m); err != nil {
		return fmt.Errorf("answer %s: %w", who.user.ID, err)
	}
	return nil
}

// forPeople is an error that a person can act on.
type forPeople interface {
	Sentence() string
	Hint() string
}

// apology turns an error into what the person reads. An error that is not meant for people goes to
// the log, and the person gets its id.
func (b *Bot) apology(l Locale, err error) Message {
	var m *Misread
	if errors.As(err, &m) {
		return m.message(l)
	}
	var o *offer
	if errors.As(err, &o) {
		msg := problemMessage(l, o.err)
		msg.Blocks = append(msg.Blocks, Block{Actions: o.buttons(l)})
		return msg
	}
	var p forPeople
	if errors.As(err, &p) {
		return problemMessage(l, p)
	}
	id := fmt.Sprintf("E-%06X", b.o.Tuning.Now().UnixNano()&0xffffff)
	b.o.Log.Error("a call could not be answered", zap.String("error_id", id), zap.Error(err))
	return notice(l, kInternal, args{"id": code(id)})
}

// problemMessage writes a refusal: the sentence, its reasons, and what to do about it. Sentences
// come from where they are known, in English, and are translated by the phrasebook; of one that is not
// in it the reader's language says at least what kind it is.
func problemMessage(l Locale, p forPeople) Message {
	b := &builder{l: l}
	sentence := l.words(p.Sentence())
	b.m.Summary = sentence
	var ep *engine.Problem
	if err, ok := p.(error); ok && errors.As(err, &ep) {
		if k, known := problemKeys[ep.Code]; known && l != English && sentence == p.Sentence() {
			b.summary(k, nil)
			b.text(bold(b.m.Summary))
		}
	}
	b.text(plain(clip(sentence, 1500)))
	if ep != nil && len(ep.Reasons) > 0 {
		for _, r := range ep.Reasons[:min(len(ep.Reasons), 12)] {
			b.text(plain("• " + clip(l.words(r), 300)))
		}
	}
	if h := p.Hint(); h != "" {
		b.context(plain(clip(l.words(h), 500)))
	}
	return b.m
}

// problemKeys says in the reader's language what kind of refusal a code is.
var problemKeys = map[string]key{
	"break_glass_off": kProblemGlassOff, "not_break_glass": kProblemNotGlass, "break_glass_reason": kProblemGlassReason,
	"break_glass_name": kProblemGlassName, "break_glass_host": kProblemHostNeeded,
	"no_snapshot": kProblemNoSnapshot, "stale_snapshot": kProblemStale, "unknown_host": kProblemUnknownHost,
	"primary_refused": kProblemPrimary, "host_refused": kProblemHost,
	"nothing_to_do": kProblemNothing, "host_needed": kProblemHostNeeded, "own_request": kProblemOwn,
	"not_approver": kProblemNotApprover, "already_decided": kProblemDecided, "expired": kProblemExpired,
	"plan_changed": kProblemPlanChanged, "no_request": kProblemNoRequest, "no_approvers": kProblemNoApprovers,
	"group_unreadable": kProblemGroup, "not_requester": kProblemNotRequester, "already_yours": kProblemYours,
	"unknown_person": kProblemPerson, "not_member": kProblemNotMember, "conflict": kProblemConflict,
	"reason_missing": kProblemReason, "not_yours_to_stop": kProblemStop, "nothing_running": kProblemNotRunning, "still_running": kProblemStillRunning, "nothing_left": kProblemNothingLeft, "too_few_replicas": kProblemHost, "no_table": kProblemTable, "table_ended": kProblemTable,
	"wrong_channel": kProblemChannel, "barred": kProblemOwn, "not_permitted": kProblemPermitted,
}

// offer is a refusal with something to click.
type offer struct {
	err     *engine.Problem
	buttons func(l Locale) []Button
}

func (o *offer) Error() string { return o.err.Error() }
func (o *offer) Unwrap() error { return o.err }

// target resolves a name and refuses clusters that this channel is not for.
func (b *Bot) target(who asker, name string) (engine.Target, error) {
	t, err := b.o.Targets.Find(name)
	if err != nil {
		return t, err
	}
	if b.allowed(who.channel, t.Cluster) {
		return t, nil
	}
	hint := "Use a channel of its team."
	if home := b.channelOf(t.Cluster); home != "" {
		hint = "Use the channel of its team (" + home + ")."
	}
	return t, &engine.Problem{Code: "wrong_channel", Text: t.Cluster + " is not worked on from this channel.", Next: hint}
}

// targetFor resolves a name for an act that this person may do there.
func (b *Bot) targetFor(ctx context.Context, who asker, act approvals.Act, name string) (engine.Target, error) {
	t, err := b.target(who, name)
	if err != nil {
		return t, err
	}
	return t, b.o.Requests.MayUse(ctx, t.Cluster, act, who.user)
}

// allowed says whether a cluster may be worked on from a channel. Clusters listed under the empty
// channel have no channel of their own and are worked on from everywhere.
func (b *Bot) allowed(channel, cluster string) bool {
	all := b.o.Channels()
	if len(all) == 0 {
		return true
	}
	c, ok := all[channel]
	return (ok && len(c.Clusters) == 0) || slices.Contains(c.Clusters, cluster) || slices.Contains(all[""].Clusters, cluster)
}

// channelOf is the channel a cluster's cards go to when nobody named one: the first of those
// configured for it.
func (b *Bot) channelOf(cluster string) string {
	best := ""
	for id, c := range b.o.Channels() {
		if slices.Contains(c.Clusters, cluster) && (best == "" || id < best) {
			best = id
		}
	}
	return best
}
