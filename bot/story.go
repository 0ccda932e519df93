package bot

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/throttle"
)

// scene is one event with the facts around it.
type scene struct {
	r    approvals.Request
	e    engine.Event
	l    Locale
	jobs []engine.Job
	job  engine.Job // the event's; zero when it has none

	actor  approvals.Actor // who did it; zero: the engine
	notice Locale          // of the channel where break-glass is told
}

// person says whether a person asked, and not a schedule.
func (s *scene) person() bool {
	_, is := s.r.Requester.Schedule()
	return !is
}

// step is the event's table.
func (s *scene) step() (engine.Step, bool) {
	for _, st := range s.job.Steps {
		if st.Seq == s.e.Step {
			return st, true
		}
	}
	return engine.Step{}, false
}

// story is what an event adds to its thread. Most people read only the card; a line here is for
// what somebody may want to know at three in the morning.
func (d *draft) story(ctx context.Context, s *scene) ([]Post, error) {
	switch s.e.Kind {
	case approvals.EventScheduleSkipped:
		return nil, d.scheduleTold(s.e)
	case approvals.EventBreakGlass:
		return s.glassTold()
	case engine.EventRequestCreated:
		return s.fullPlan()
	case engine.EventRequestReviewed, engine.EventRequestDenied, engine.EventRequestExpired, engine.EventRequestSuperseded:
		return s.decision()
	case engine.EventJobStarted, engine.EventJobResumed, engine.EventJobPaused, engine.EventJobWanted:
		return d.turns(s)
	case engine.EventJobThrottled:
		return d.throttled(s)
	case engine.EventJobNotice:
		return s.noticed()
	case engine.EventJobCompleted, engine.EventJobFailed, engine.EventJobCancelled, engine.EventJobRefused:
		d.waits.drop(s.job.ID)
		told, err := d.final(s)
		if err != nil {
			return nil, err
		}
		glass, err := s.glassTold()
		return append(told, glass...), err
	case engine.EventTableProcessed:
		return d.processed(s)
	case engine.EventStepSkipped, engine.EventStepFailed, engine.EventStepUnknown:
		return s.stepEnded()
	case engine.EventSettingChanged, engine.EventSettingRestored:
		return s.setting()
	case engine.EventCampaignOpened, engine.EventCampaignAsked, engine.EventCampaignExpired, engine.EventCampaignStopped:
		return d.campaign(s)
	case engine.EventDiscovered:
		return d.discovered(ctx, s)
	}
	return nil, nil // request.approved, withdrawn, job.created, step.started: the card says it
}

// post is a reply in the thread; name makes its key. An alert is shown in the channel too, once: the
// end of a job whose statement was killed has been told by then.
func (s *scene) post(name string, m Message) ([]Post, error) {
	kind, _, alert := engine.AlertOf(s.e)
	m.Broadcast = alert && name == s.name() && (kind != engine.AlertRefused || !s.killed())
	p := Post{Key: s.r.ID + "/" + name, Request: s.r.ID, Channel: s.r.Channel, Parent: cardKey(ThreadOf(s.r))}
	err := p.draw(m)
	return []Post{p}, err
}

// killed says whether the guard had a statement of the job killed.
func (s *scene) killed() bool {
	return slices.ContainsFunc(s.job.Steps, func(st engine.Step) bool { return st.State == engine.StepRefused && st.Outcome == rebuild.Killed })
}

// said is a reply of one sentence.
func (s *scene) said(k key, a args) ([]Post, error) {
	return s.post(s.name(), notice(s.l, k, a))
}

// name makes the key of an event's own reply.
func (s *scene) name() string { return "e" + strconv.FormatInt(s.e.Seq, 10) }

// fullPlan lists the tables that the card has no room for.
func (s *scene) fullPlan() ([]Post, error) {
	if s.r.Plan == nil {
		return nil, nil
	}
	t := planTable(s.l, *s.r.Plan)
	if len(t.Rows) <= cardRows {
		return nil, nil
	}
	b := &builder{l: s.l}
	a := args{"id": code(s.r.ID), "n": plainInt(len(t.Rows))}
	b.summary(kFullPlan, a)
	b.say(kFullPlan, a)
	b.table(t, maxRows, kMoreTables)
	return s.post("plan", b.m)
}

// decision tells a review that does not start the work.
func (s *scene) decision() ([]Post, error) {
	var v approvals.Review
	for _, x := range s.r.Reviews {
		if x.Reviewer.ID == s.e.Actor {
			v = x
		}
	}
	a := args{"id": code(s.r.ID), "by": plain(v.Reviewer.Name), "who": mention(answerTo(s.r)), "reason": plain(clip(v.Comment, 1000)),
		"n": plainInt(approvalsOf(s.r)), "m": plainInt(s.r.MinApprovals)}
	switch s.e.Kind {
	case engine.EventRequestReviewed:
		return s.said(kThreadReviewed, a)
	case engine.EventRequestDenied:
		return s.said(kThreadDenied, a)
	case engine.EventRequestExpired:
		if !s.person() {
			return nil, nil // the slot that is skipped says it
		}
		return s.said(kThreadExpired, a)
	}
	var data struct {
		Reason string `json:"reason"`
	}
	_ = json.Unmarshal(s.e.Data, &data) // without a reason the sentence still says what happened
	a["reason"] = plain(clip(s.l.words(data.Reason), 600))
	return s.said(kThreadSuperseded, a)
}

// turns tells starts, pauses and wishes.
func (d *draft) turns(s *scene) ([]Post, error) {
	if s.r.Kind == approvals.KindDiscover && s.e.Kind != engine.EventJobWanted {
		return nil, nil // a look takes seconds
	}
	t := sum([]engine.Job{s.job})
	a := args{"host": code(s.job.Host), "n": plainInt(min(t.ended+1, t.tables)), "m": plainInt(t.tables), "id": code(s.r.ID),
		"done": plainInt(t.ended), "who": mention(s.actor)}
	switch s.e.Kind {
	case engine.EventJobStarted:
		_, bytes, gain, estimate := hostPart(s.job).Totals()
		a["bytes"], a["gain"], a["time"] = plain(bytesOf(bytes)), plain(bytesOf(gain)), plain(s.l.about(estimate))
		return s.said(kThreadStarted, a)
	case engine.EventJobPaused:
		return s.said(kThreadPaused, a)
	case engine.EventJobWanted:
		return s.wished(a)
	}
	var was engine.Resumed
	if err := json.Unmarshal(s.e.Data, &was); err != nil {
		return nil, fmt.Errorf("read the data of event %d: %w", s.e.Seq, err)
	}
	a["n"], a["done"] = plainInt(min(was.Ended+1, t.tables)), plainInt(was.Ended)
	if was.ByPerson {
		return s.said(kThreadResumed, a)
	}
	d.waits.drop(s.job.ID)
	a["at"] = when(s.e.At)
	return s.said(kThreadRestarted, a)
}

// hostPart is a job's plan without the other hosts.
func hostPart(j engine.Job) engine.Plan {
	p := j.Plan
	p.Hosts = slices.DeleteFunc(slices.Clone(p.Hosts), func(h engine.HostPlan) bool { return h.Name != j.Host })
	return p
}

// wished tells what a person asked of running work.
func (s *scene) wished(a args) ([]Post, error) {
	var data struct {
		Wanted engine.Wanted `json:"wanted"`
	}
	if err := json.Unmarshal(s.e.Data, &data); err != nil {
		return nil, fmt.Errorf("read the wish: %w", err)
	}
	k, ok := map[engine.Wanted]key{engine.WantRun: kWishResume, engine.WantPause: kWishPause, engine.WantPauseNow: kWishPauseNow,
		engine.WantCancel: kWishCancel, engine.WantSkip: kWishSkip}[data.Wanted]
	if !ok {
		return nil, nil
	}
	if st, ok := s.step(); ok {
		a["table"] = code(st.Plan.Name())
	}
	return s.said(k, a)
}

// throttled tells why work waits, in one reply per wait that is edited while the reasons change.
func (d *draft) throttled(s *scene) ([]Post, error) {
	var v throttle.Verdict
	if err := json.Unmarshal(s.e.Data, &v); err != nil {
		return nil, fmt.Errorf("read the verdict: %w", err)
	}
	w, waiting := d.waits.get(s.job.ID)
	if !waiting {
		w = wait{key: s.name(), since: s.e.At}
	}
	if !v.Throttled {
		d.waits.drop(s.job.ID)
		if !waiting {
			return nil, nil // it never waited, or a restart has said so
		}
		return s.post(w.key, notice(s.l, kThreadWaited, args{"host": code(s.job.Host), "d": plain(s.l.span(s.e.At.Sub(w.since))),
			"why": plain(s.l.comparisons(w.reasons))}))
	}
	w.reasons, w.step = v.Reasons, s.e.Step
	d.waits.set(s.job.ID, w)
	return s.post(w.key, notice(s.l, kThreadWaits, args{"host": code(s.job.Host), "why": plain(s.l.comparisons(v.Reasons))}))
}

func (l Locale) comparisons(rs []throttle.Reason) string {
	out := make([]string, len(rs))
	for i, r := range rs {
		out[i] = l.comparison(r)
	}
	return strings.Join(out, "; ")
}

// noticed passes on what the engine says people should know.
func (s *scene) noticed() ([]Post, error) {
	var n engine.Notice
	if err := json.Unmarshal(s.e.Data, &n); err != nil {
		return nil, fmt.Errorf("read the notice: %w", err)
	}
	icon, k := "information_source", kNoticeInfo
	switch n.Severity {
	case "warning":
		icon, k = "warning", kNoticeWarning
	case engine.SeverityAlert:
		icon, k = "rotating_light", kNoticeAlert
	}
	kind, ofKind := alertKeys[n.Alert]
	if ofKind {
		k = kind
	}
	a := args{"text": plain(clip(s.l.words(n.Sentence), 900)), "host": code(s.job.Host), "id": code(s.r.ID)}
	b := &builder{l: s.l}
	b.summary(k, a)
	b.text(append([]Span{emoji(icon), plain(" ")}, s.l.say(k, a)...)...)
	if ofKind { // what the engine says in its own words
		b.context(a["text"])
	}
	return s.post(s.name(), b.m)
}

// alertKeys say an alert in the channel's language.
var alertKeys = map[engine.AlertKind]key{engine.AlertPromoted: kAlertPromoted, engine.AlertUnwatched: kAlertUnwatched, engine.AlertSetting: kAlertSetting}

// stepEnded tells a table that was not rebuilt, with the reason.
func (s *scene) stepEnded() ([]Post, error) {
	st, ok := s.step()
	if !ok {
		return nil, nil
	}
	if s.e.Kind == engine.EventStepSkipped && st.Plan.Partition != "" && st.Skip != "" {
		return s.partsSkipped(st)
	}
	k := map[engine.EventKind]key{engine.EventStepSkipped: kThreadSkipped, engine.EventStepFailed: kThreadStepFailed,
		engine.EventStepUnknown: kThreadStepUnknown}[s.e.Kind]
	return s.said(k, args{"table": code(st.Plan.Name()), "host": code(s.job.Host), "why": plain(clip(s.l.words(st.Reason), 900))})
}

// partsSkipped tells in one reply, which is edited, all partitions of a table that are left alone because
// people asked for it.
func (s *scene) partsSkipped(st engine.Step) ([]Post, error) {
	first, n := 0, 0
	for _, o := range s.job.Steps {
		if o.Plan.TableName() != st.Plan.TableName() {
			continue
		}
		if first == 0 {
			first = o.Seq
		}
		if o.State == engine.StepSkipped && o.Skip != "" {
			n++
		}
	}
	table := code(st.Plan.Name())
	if n > 1 {
		table = code(s.l.text(kPartsOf, args{"table": plain(st.Plan.TableName()), "n": plainInt(n)}))
	}
	return s.post(fmt.Sprintf("skipped-%s-%d", s.job.ID, first),
		notice(s.l, kThreadSkipped, args{"table": table, "host": code(s.job.Host), "why": plain(clip(s.l.words(st.Reason), 900))}))
}

// setting tells a server setting that was changed or put back.
func (s *scene) setting() ([]Post, error) {
	var c rebuild.Change
	if err := json.Unmarshal(s.e.Data, &c); err != nil {
		return nil, fmt.Errorf("read the setting: %w", err)
	}
	k := kSettingChanged
	if s.e.Kind == engine.EventSettingRestored {
		k = kSettingRestored
	}
	if hook, ok := engine.HookOf(c); ok {
		k, c.Name = map[key]key{kSettingChanged: kNodeOut, kSettingRestored: kNodeIn}[k], hook
	}
	return s.said(k, args{"name": code(c.Name), "host": code(s.job.Host), "before": code(c.Before), "after": code(c.After)})
}

// reasons are a guard's refusals in words, one each: those with a cause first, and what could not
// be learned only when nothing else refused.
func (l Locale) reasons(v guard.Verdict) []string {
	var known, unknown []string
	for _, f := range v.Findings {
		to := &known
		if f.Unknown {
			to = &unknown
		}
		if f.Refused && f.Sentence != "" && !slices.Contains(*to, clip(l.words(f.Sentence), 300)) {
			*to = append(*to, clip(l.words(f.Sentence), 300))
		}
	}
	if len(known) > 0 {
		return known
	}
	return unknown
}

// reasonsOf are the refusals in an event's data.
func (l Locale) reasonsOf(data json.RawMessage) []string {
	var v guard.Verdict
	if err := json.Unmarshal(data, &v); err != nil {
		return nil // a job that ended without a verdict
	}
	return l.reasons(v)
}
