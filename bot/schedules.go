package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// ScheduleAction is what is done to a schedule.
type ScheduleAction string

// Actions of the command schedule.
const (
	ScheduleList   ScheduleAction = "list"
	ScheduleAdd    ScheduleAction = "add"
	ScheduleEdit   ScheduleAction = "edit"
	SchedulePause  ScheduleAction = "pause"
	ScheduleResume ScheduleAction = "resume"
	ScheduleSkip   ScheduleAction = "skip"
	ScheduleRemove ScheduleAction = "remove"
	// ScheduleWithdraw ends the standing approvals.
	ScheduleWithdraw ScheduleAction = "withdraw"
)

var scheduleActions = []string{"list", "add", "edit", "pause", "resume", "skip", "remove", "withdraw"}

// Planned is what the command schedule is about. Zero values of the timing mean the configuration's.
type Planned struct {
	Action ScheduleAction
	ID     string // S-7QK2; not for list and add
	Timing approvals.Timing
}

// Scheduled is a schedule with what comes next.
type Scheduled struct {
	approvals.Schedule
	Next    time.Time // zero while it is paused
	Skipped time.Time // the slot that was just left out
}

// Schedules keeps schedules; package bot/schedule has the one that asks at their times. Its
// refusals are *engine.Problem.
type Schedules interface {
	List(ctx context.Context) ([]Scheduled, error)
	// Add stores a new schedule of s.Owner and completes it.
	Add(ctx context.Context, s approvals.Schedule) (Scheduled, error)
	// Edit changes what a schedule asks for and when.
	Edit(ctx context.Context, id string, by approvals.Actor, change func(*approvals.Schedule) error) (Scheduled, error)
	// Do pauses, resumes or removes a schedule, or skips its next run.
	Do(ctx context.Context, id string, by approvals.Actor, what ScheduleAction) (Scheduled, error)
}

var scheduleBody = regexp.MustCompile(`^S-[0-9A-HJKMNP-TV-Z]{3,12}$`)

// scheduleWord reads an argument of the command schedule: the action, then a host or an id.
func (p *parser) scheduleWord(t token) error {
	pl := &p.out.Plan
	if p.args == 1 {
		var action string
		err := p.choice(t, &action, scheduleActions)
		pl.Action = ScheduleAction(action)
		return err
	}
	switch {
	case pl.Action == ScheduleAdd && p.args == 2:
		return p.take(t, kBadHost, assign(&p.out.Target, t.text, parseHost))
	case (pl.Action == ScheduleAdd || pl.Action == ScheduleEdit) && p.args > 2:
		return p.take(t, kBadPattern, addPatterns(&p.out.Select.Tables, t.text))
	case pl.Action != ScheduleList && p.args == 2:
		return p.take(t, kBadScheduleID, assign(&pl.ID, t.text, parseScheduleID))
	}
	m := p.misread(kTooMany, t, args{"word": code(clip(t.text, 80)), "command": code("schedule " + string(pl.Action))})
	return m
}

// scheduleComplete refuses a command that misses what its action needs.
func (p *parser) scheduleComplete() error {
	pl := &p.out.Plan
	if pl.Action == "" {
		pl.Action = ScheduleList
	}
	example := "schedule " + string(pl.Action) + " S-7QK2"
	var k key
	switch {
	case pl.Action == ScheduleAdd:
		example = `schedule add db-prod-3 --cron "0 2 * * sun" --schema shop`
		if p.out.Target == "" {
			k = kHostMissing
		} else if pl.Timing.Cron == "" {
			k = kCronMissing
		}
	case pl.Action != ScheduleList && pl.ID == "":
		k = kScheduleIDMissing
	}
	if k == "" {
		return nil
	}
	return &Misread{key: k, Line: p.line, Example: example, vals: args{"command": code("schedule " + string(pl.Action))}}
}

// parseScheduleID folds an id as people type it.
func parseScheduleID(s string) (string, bool) {
	s = strings.ToUpper(strings.TrimSpace(s))
	body, ok := strings.CutPrefix(s, "S-")
	if !ok {
		body = strings.TrimPrefix(s, "S")
	}
	s = "S-" + crockford.Replace(body)
	return s, scheduleBody.MatchString(s)
}

// parseCron reads five fields, or a word such as @weekly.
func parseCron(s string) (string, bool) {
	s = strings.Join(strings.Fields(s), " ")
	if strings.Contains(s, "TZ=") || strings.HasPrefix(s, "@every") {
		return "", false // the zone has its own flag, and times must be fixed
	}
	_, err := cron.ParseStandard(s)
	return s, err == nil
}

// parseZone reads an IANA name.
func parseZone(s string) (string, bool) {
	s = strings.TrimSpace(s)
	_, err := time.LoadLocation(s)
	return s, err == nil && s != "" && s != "Local"
}

// parseMissed reads what becomes of missed runs.
func parseMissed(s string) (approvals.Missed, bool) {
	m := approvals.Missed(strings.ToLower(strings.TrimSpace(s)))
	return m, m == approvals.MissedSkip || m == approvals.MissedOnce
}

// parseCount reads a number of tables.
func parseCount(s string) (int, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	return n, err == nil && n >= 1 && n <= 100_000
}

// schedule does what the command says.
func (b *Bot) schedule(ctx context.Context, who asker, line Line) (Message, error) {
	if line.Plan.Action == ScheduleList && b.o.Schedules != nil {
		return b.scheduleList(ctx, who)
	}
	x, err := b.changeSchedule(ctx, who, line)
	return b.scheduleAnswer(who.l, x, scheduleAnswers[line.Plan.Action]), err
}

// scheduleAnswers are what a person reads after a change.
var scheduleAnswers = map[ScheduleAction]key{ScheduleAdd: kYouScheduled, ScheduleEdit: kYouEditedSchedule, SchedulePause: kYouPausedSchedule,
	ScheduleResume: kYouScheduled, ScheduleSkip: kYouSkipped, ScheduleRemove: kYouRemovedSchedule, ScheduleWithdraw: kYouWithdrewStanding}

// changeSchedule adds, edits, pauses, resumes, removes or skips.
func (b *Bot) changeSchedule(ctx context.Context, who asker, line Line) (Scheduled, error) {
	if b.o.Schedules == nil {
		return Scheduled{}, &engine.Problem{Code: "no_schedules", Text: "There are no schedules here.", Next: "An administrator can switch them on."}
	}
	pl := line.Plan
	if pl.Action == ScheduleAdd {
		return b.scheduleAdd(ctx, who, line)
	}
	if err := b.mayChange(ctx, who, pl.ID); err != nil {
		return Scheduled{}, err
	}
	switch pl.Action {
	case ScheduleEdit:
		return b.o.Schedules.Edit(ctx, pl.ID, who.user, func(s *approvals.Schedule) error { return merge(s, line) })
	default:
		return b.o.Schedules.Do(ctx, pl.ID, who.user, pl.Action)
	}
}

// scheduleAdd stores a wish for a host that may be worked on from this channel. The channel it was
// typed in is where its runs are announced.
func (b *Bot) scheduleAdd(ctx context.Context, who asker, line Line) (Scheduled, error) {
	t, err := b.targetFor(ctx, who, approvals.ActSchedule, line.Target)
	if err != nil {
		return Scheduled{}, err
	}
	run := Line{Verb: VerbRun, Target: nameOf(t, line.Target), Select: line.Select}
	return b.o.Schedules.Add(ctx, approvals.Schedule{Cluster: t.Cluster, Target: run.Target, Command: run.String(),
		Timing: line.Plan.Timing, Channel: who.channel, Owner: who.user, Origin: who.origin})
}

func (b *Bot) scheduleAnswer(l Locale, x Scheduled, k key) Message {
	next := when(x.Next)
	if x.Next.IsZero() {
		next = plain("–")
	}
	return notice(l, k, args{"id": code(x.ID), "next": next, "at": when(x.Skipped), "lead": plain(l.span(x.Timing.Lead))})
}

// scheduleClick is Skip or Pause on the card of a schedule's run.
func (b *Bot) scheduleClick(ctx context.Context, who asker, action, request string) (Message, error) {
	r, err := b.request(ctx, request)
	if err != nil {
		return Message{}, err
	}
	id, is := r.Requester.Schedule()
	if !is || b.o.Schedules == nil {
		return Message{}, errForged
	}
	if err := b.o.Requests.MayUse(ctx, r.Cluster, approvals.ActSchedule, who.user); err != nil {
		return Message{}, err
	}
	what := ScheduleSkip
	switch action {
	case ActionPauseSchedule:
		what = SchedulePause
	case ActionWithdrawStanding:
		what = ScheduleWithdraw
	}
	x, err := b.o.Schedules.Do(ctx, id, who.user, what)
	return b.scheduleAnswer(who.l, x, scheduleAnswers[what]), err
}

// merge lays what a person typed over what a schedule has.
func merge(s *approvals.Schedule, line Line) error {
	was, err := Parse(s.Command)
	if err != nil {
		return fmt.Errorf("read the command of %s: %w", s.ID, err)
	}
	next := Line{Verb: VerbRun, Target: was.Target}
	for _, f := range flags {
		values := f.get(Line{Select: line.Select})
		if values == nil {
			values = f.get(Line{Select: was.Select})
		}
		if values != nil && !f.set(&next, strings.Join(values, ",")) {
			return fmt.Errorf("merge --%s into %s", f.name, s.ID)
		}
	}
	s.Command = next.String()
	t := line.Plan.Timing
	for _, x := range []struct{ to, from *string }{{&s.Timing.Cron, &t.Cron}, {&s.Timing.Zone, &t.Zone}, {(*string)(&s.Timing.Missed), (*string)(&t.Missed)}} {
		if *x.from != "" {
			*x.to = *x.from
		}
	}
	for _, x := range []struct{ to, from *time.Duration }{{&s.Timing.Window, &t.Window}, {&s.Timing.Jitter, &t.Jitter}, {&s.Timing.Lead, &t.Lead}} {
		if *x.from != 0 {
			*x.to = *x.from
		}
	}
	return nil
}

// scheduleList shows the schedules of the clusters that this channel is for.
func (b *Bot) scheduleList(ctx context.Context, who asker) (Message, error) {
	all, err := b.o.Schedules.List(ctx)
	if err != nil {
		return Message{}, fmt.Errorf("list schedules: %w", err)
	}
	may := b.looker(ctx, who.user)
	all = slices.DeleteFunc(all, func(x Scheduled) bool { return !b.allowed(who.channel, x.Cluster) || !may(x.Cluster) })
	m := &builder{l: who.l}
	m.summary(kScheduleList, nil)
	m.text(asBold(who.l.say(kScheduleList, nil))...)
	if len(all) == 0 {
		m.say(kScheduleNone, args{"example": code(slash + `schedule add db-prod-3 --cron "0 2 * * sun" --schema shop`)})
		return m.m, nil
	}
	t := Table{Header: who.l.cells(kColID, kColNext, kColWhen, kColWhat, kColOwner)}
	for _, x := range all {
		next := stamp(x.Next)
		if x.State == approvals.SchedulePaused {
			next = who.l.text(kStatePaused, nil)
		}
		t.Rows = append(t.Rows, []string{x.ID, next, x.Timing.Cron + " " + x.Timing.Zone, strings.TrimPrefix(x.Command, "run "), x.Owner.Name})
	}
	m.table(t, listed, kMoreRows)
	m.context(who.l.say(kScheduleFoot, nil)...)
	return m.m, nil
}

// PlanFor freezes what a schedule would do now.
func (b *Bot) PlanFor(ctx context.Context, s approvals.Schedule) (engine.Plan, error) {
	line, err := Parse(s.Command)
	if err != nil {
		return engine.Plan{}, fmt.Errorf("read the command of %s: %w", s.ID, err)
	}
	if line.Select.Window.Zone == "" && !line.Select.Window.IsZero() {
		line.Select.Window.Zone = s.Timing.Zone // its hours are of the same place as its times
	}
	p, _, err := b.plan(ctx, asker{user: s.Actor(), channel: s.Channel}, line, nil)
	var m *Misread // a table that is gone is no slip of the pen here
	if errors.As(err, &m) {
		err = &engine.Problem{Code: "nothing_to_do", Text: m.Sentence()}
	}
	return p, err
}

// scheduleTold tells a fact about a schedule: in the thread of its request where there is one, else
// as a message of its own.
func (d *draft) scheduleTold(e engine.Event) error {
	var f approvals.ScheduleFact
	if err := json.Unmarshal(e.Data, &f); err != nil {
		return fmt.Errorf("read the fact: %w", err)
	}
	x := f.Schedule
	l := d.shared(x.Channel)
	next := when(f.Next)
	if f.Next.IsZero() {
		next = plain("–")
	}
	line, _ := Parse(x.Command) // what cannot be read is shown as it is stored
	command := code(clip(x.Command, 300))
	if line.Verb != "" {
		command = code(slash + line.shown())
	}
	n := f.Slots
	a := args{"id": code(x.ID), "who": mention(approvals.Actor{ID: e.Actor, Name: f.By}), "command": command, "cron": code(x.Timing.Cron),
		"zone": plain(x.Timing.Zone), "next": next, "lead": plain(l.span(x.Timing.Lead)), "at": when(f.Slot), "target": code(x.Target),
		"why": plain(clip(f.Text, 900)), "owner": mention(x.Owner), "n": plainInt(n)}
	standingArgs(f, a)
	k, ok := scheduleKeys[f.What]
	if e.Kind == approvals.EventScheduleLate {
		k, ok = kScheduleLate, true
	}
	if !ok {
		return nil
	}
	p := Post{Key: x.ID + "/e" + strconv.FormatInt(e.Seq, 10), Channel: x.Channel}
	if e.RequestID != "" {
		r := d.reqs[e.RequestID]
		p.Key, p.Request, p.Parent = r.ID+"/e"+strconv.FormatInt(e.Seq, 10), r.ID, cardKey(ThreadOf(r))
	}
	b := &builder{l: l}
	words := l.count(k, max(n, 1), a)
	b.m.Summary = flat(words)
	b.text(append([]Span{emoji("calendar"), plain(" ")}, words...)...)
	if err := p.draw(b.m); err != nil {
		return err
	}
	d.put(p)
	return nil
}

// scheduleKeys are the words for what happened to a schedule or to one of its slots.
var scheduleKeys = map[string]key{
	"added": kScheduleAdded, "edited": kScheduleEdited, "paused": kSchedulePaused, "resumed": kScheduleResumed, "removed": kScheduleRemoved,
	"person": kSkippedByPerson, "not_approved": kSkippedNotApproved, "unchecked": kSkippedUnchecked, "stopped": kSkippedStopped, "withdrawn": kSkippedWithdrawn,
	"missed": kSkippedMissed, "busy": kSkippedBusy, "no_look": kSkippedNoLook, "nothing": kSkippedNothing, "refused": kSkippedRefused,
	"late": kSkippedLate, "granted": kStandingGranted, "standing_withdrawn": kStandingWithdrawn, "standing_edited": kStandingEdited,
	"standing_removed": kStandingRemoved, "standing_expired": kStandingExpired,
}
