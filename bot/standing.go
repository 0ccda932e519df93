package bot

import (
	"context"
	"strconv"
	"strings"
	"time"

	"mysql-recycler/approvals"
)

const day = 24 * time.Hour

// standingForm asks for the caps and the time of a standing approval; the caps it proposes leave the
// tables room to grow by half.
func (b *Bot) standingForm(l Locale, r approvals.Request, value string) Form {
	tables, bytes, _, _ := r.Plan.Totals()
	days := plainInt(int(b.o.Tuning.StandingMax / day))
	line, _ := Parse(r.Command) // what cannot be read is shown as it is stored
	return Form{
		ID: FormStanding, Ref: value, Title: l.text(kStandingTitle, args{"id": plain(strings.TrimPrefix(r.Requester.ID, "schedule:"))}),
		Submit: l.text(kApprove, nil), Cancel: l.text(kCancelForm, nil),
		Intro: l.say(kStandingIntro, args{"command": code(line.shown()), "hosts": code(hostsOf(r))}),
		Inputs: []Input{
			{ID: "tables", Label: l.text(kStandingTables, nil), Initial: strconv.Itoa(tables + (tables+1)/2), MaxLen: 8},
			{ID: "bytes", Label: l.text(kStandingBytes, nil), Hint: l.text(kStandingBytesHint, args{"bytes": plain(bytesOf(bytes))}),
				Initial: formatSize((bytes + bytes/2 + 1<<30) >> 30 << 30), MaxLen: 20},
			{ID: "days", Label: l.text(kStandingDays, nil), Hint: l.text(kStandingDaysHint, args{"n": days}), Initial: strconv.Itoa(int(b.o.Tuning.Standing / day)), MaxLen: 4},
		},
	}
}

func hostsOf(r approvals.Request) string {
	var names []string
	for _, h := range r.Plan.Hosts {
		names = append(names, h.Name)
	}
	return clip(strings.Join(names, ", "), 500)
}

// standingGranted records a standing approval, and with it this run's.
func (b *Bot) standingGranted(ctx context.Context, who asker, s Submission) (map[string]string, error) {
	id, digest, _ := strings.Cut(s.Ref, "|")
	r, err := b.request(ctx, id)
	if err != nil || r.Plan == nil {
		return nil, b.answer(ctx, who, Message{}, err)
	}
	tables, bytes, _, _ := r.Plan.Totals()
	most := int(b.o.Tuning.StandingMax / day)
	in := approvals.GrantInput{ReviewInput: approvals.ReviewInput{RequestID: id, Digest: digest, Reviewer: s.User, Channel: who.channel}}
	bad := map[string]string{}
	if !assign(&in.Tables, s.Values["tables"], parseCount) || in.Tables < tables {
		bad["tables"] = who.l.text(kBadCap, args{"example": plainInt(tables)})
	}
	if !assign(&in.Bytes, s.Values["bytes"], parseSize) || in.Bytes < bytes {
		bad["bytes"] = who.l.text(kBadCap, args{"example": plain(bytesOf(bytes))})
	}
	days, err := strconv.Atoi(strings.TrimSpace(s.Values["days"]))
	if err != nil || days < 1 || days > most {
		bad["days"] = who.l.text(kBadDays, args{"n": plainInt(most)})
	}
	if len(bad) > 0 {
		return bad, nil
	}
	in.For = time.Duration(days) * day
	g, r, err := b.o.Requests.GrantStanding(ctx, in)
	if err != nil {
		return nil, b.answer(ctx, who, Message{}, b.explain(ctx, who, r, err))
	}
	return nil, b.answer(ctx, who, notice(who.l, kYouGranted, args{"id": code(g.ID), "schedule": code(g.Schedule), "until": when(g.Expires),
		"command": code(slash + "schedule withdraw " + g.Schedule)}), nil)
}

// underStanding says on the card of a waiting run which standing approval it runs under, or why the
// one there is does not cover it.
func (v view) underStanding(b *builder) {
	if on := v.r.Grounds; v.r.Rule == approvals.RuleStanding {
		var names []string
		until := time.Time{}
		for _, g := range on.Grants {
			names = append(names, g.Reviewer.Name)
			if until.IsZero() || g.Expires.Before(until) {
				until = g.Expires
			}
		}
		b.text(append([]Span{emoji("white_check_mark"), plain(" ")}, b.l.say(kStandingRuns, args{"names": bold(strings.Join(names, ", ")), "until": when(until)})...)...)
		return
	}
	if len(v.r.Grounds.Outside) == 0 {
		return
	}
	b.text(append([]Span{emoji("warning"), plain(" ")}, b.l.say(kStandingOutside, nil)...)...)
	for i, d := range v.r.Grounds.Outside {
		if i == 8 {
			b.context(plain("…"))
			break
		}
		what := b.l.difference(d)
		if d.Who != "" {
			what = b.l.text(kDiffOf, args{"who": plain(d.Who), "what": plain(what)})
		}
		b.text(plain("• " + what))
	}
}

// difference is one reason in words.
func (l Locale) difference(d approvals.Difference) string {
	k, ok := map[string]key{approvals.DiffCommand: kDiffCommand, approvals.DiffTiming: kDiffTiming, approvals.DiffConfig: kDiffConfig,
		approvals.DiffPolicy: kDiffPolicy, approvals.DiffHost: kDiffHost, approvals.DiffTables: kDiffTables, approvals.DiffBytes: kDiffBytes,
		approvals.DiffExpired: kDiffExpired, approvals.DiffPerson: kDiffPerson, approvals.DiffFew: kDiffFew}[d.What]
	if !ok {
		k = kDiffForged
	}
	if d.What == approvals.DiffBytes {
		d.Was, d.Now = sizeOf(d.Was), sizeOf(d.Now)
	}
	return l.text(k, args{"was": plain(clip(d.Was, 200)), "now": plain(clip(d.Now, 200))})
}

// sizeOf is a number of bytes as people read it.
func sizeOf(s string) string {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return s
	}
	return bytesOf(n)
}

// standingButtons are the first buttons of a schedule's run: a decision, or the end of the standing
// approval that makes one unnecessary.
func (v view) standingButtons(l Locale, approve, note Button) []Button {
	if v.r.Rule == approvals.RuleStanding {
		return []Button{{Action: ActionWithdrawStanding, Value: valueOf(v.r), Label: l.text(kWithdrawStanding, nil), Confirm: &Confirm{
			Title: l.text(kWithdrawStanding, nil), Text: l.text(kWithdrawStandingText, args{"id": plain(v.r.Requester.Name)}),
			Yes: l.text(kWithdrawStanding, nil), No: l.text(kBack, nil)}}}
	}
	if !v.standing {
		return []Button{approve, note}
	}
	return []Button{approve, note, {Action: ActionStanding, Value: valueOf(v.r), Label: l.text(kStandingButton, nil)}}
}

// standingArgs are the words of a fact about a standing approval.
func standingArgs(f approvals.ScheduleFact, a args) {
	if f.Grant == nil {
		return
	}
	a["until"], a["person"] = when(f.Grant.Expires), plain(f.Grant.Reviewer.Name)
	if e := f.Grant.Envelope; e != nil {
		var names []string
		for _, h := range e.Hosts {
			names = append(names, h.Name)
		}
		a["n"], a["bytes"], a["hosts"] = plainInt(e.Tables), plain(bytesOf(e.Bytes)), code(strings.Join(names, ", "))
	}
}
