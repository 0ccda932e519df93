package bot

import (
	"slices"
	"strings"
	"time"

	"mysql-recycler/engine"
)

// recycle shows approved work: the bar while it runs, what came back when it ended.
func (v view) recycle(b *builder) {
	s := sum(v.jobs)
	state := overall(v.jobs)
	heads := map[engine.JobState][2]key{
		engine.JobQueued: {kHeadQueued, kSumQueued}, engine.JobRunning: {kHeadRunning, kSumRunning},
		engine.JobPaused: {kHeadPaused, kSumPaused}, engine.JobSucceeded: {kHeadDone, kSumDone},
		engine.JobFailed: {kHeadFailed, kSumFailed}, engine.JobCancelled: {kHeadCancelled, kSumCancelled},
		engine.JobRefused: {kHeadRefused, kSumRefused},
	}
	h := heads[state]
	if state == engine.JobQueued && v.r.NotBefore.After(v.now) {
		h = [2]key{kHeadScheduled, kSumScheduled}
	}
	v.top(b, h[0], h[1], args{"at": plain(stamp(v.r.NotBefore)), "n": plainInt(s.ended), "m": plainInt(s.tables), "given": plain(bytesOf(s.given())),
		"percent": plain(percent(v.fraction(s)))})
	v.asked(b)
	v.decisions(b)
	if state.Final() {
		v.ended(b, s)
		return
	}
	if state == engine.JobQueued && v.r.NotBefore.After(v.now) { // nothing to show before, and only the whole run to stop
		v.scheduled(b)
		stop := v.runButtons(b.l, state)
		if _, is := v.r.Requester.Schedule(); is && len(stop) > 0 {
			stop = v.scheduleButtons(b.l)
		}
		b.buttons(stop...)
		return
	}
	v.heldUp(b)
	v.progress(b, s, state)
	b.buttons(v.runButtons(b.l, state)...)
}

// overall is the state of several jobs as one.
func overall(jobs []engine.Job) engine.JobState {
	has := func(s engine.JobState) bool {
		return slices.ContainsFunc(jobs, func(j engine.Job) bool { return j.State == s })
	}
	all := func(s engine.JobState) bool {
		return !slices.ContainsFunc(jobs, func(j engine.Job) bool { return j.State != s })
	}
	switch {
	case len(jobs) == 0 || all(engine.JobQueued):
		return engine.JobQueued
	case has(engine.JobRunning):
		return engine.JobRunning
	case has(engine.JobPaused):
		return engine.JobPaused
	case has(engine.JobQueued):
		return engine.JobRunning
	}
	for _, s := range []engine.JobState{engine.JobFailed, engine.JobRefused, engine.JobCancelled} {
		if has(s) {
			return s
		}
	}
	return engine.JobSucceeded
}

// fraction is how much of the bytes to rebuild is behind us, with the running tables in part.
func (v view) fraction(s totals) float64 {
	done := float64(s.endedPlanned)
	for _, j := range v.jobs {
		for _, x := range v.running(j) {
			done += x.live.Progress.Fraction * float64(x.step.Plan.Bytes)
		}
	}
	if s.planned == 0 {
		return 0
	}
	return min(done/float64(s.planned), 1)
}

// runningStep is the table being rebuilt with its newest progress.
type runningStep struct {
	step engine.Step
	live engine.LiveStep
}

// running are the tables being rebuilt, each with its newest progress; progress of a table that ended
// is old.
func (v view) running(j engine.Job) (out []runningStep) {
	for _, st := range j.Steps {
		if st.State != engine.StepRunning {
			continue
		}
		x := runningStep{step: st}
		for _, l := range v.live[j.ID] {
			if l.Seq == st.Seq {
				x.live = l
			}
		}
		out = append(out, x)
	}
	return out
}

// progress draws the bar and what is being done.
func (v view) progress(b *builder, s totals, state engine.JobState) {
	f := v.fraction(s)
	b.code(bar(f) + " " + b.l.text(kBarWords, args{"percent": plain(percent(f)), "n": plainInt(s.ended), "m": plainInt(s.tables),
		"given": plain(bytesOf(s.given()))}))
	for _, j := range v.jobs {
		for _, x := range v.running(j) {
			b.say(kNow, args{"table": code(x.step.Plan.Name()), "bytes": plain(bytesOf(x.step.Plan.Bytes)), "host": code(j.Host)})
			if d := detail(b.l, x); d != "" {
				b.context(plain(d))
			}
		}
		v.held(b, j)
		skipping(b, j)
	}
	if left := v.timeLeft(s); left > 0 && state == engine.JobRunning {
		b.context(b.l.say(kTimeLeft, args{"d": plain(b.l.about(left))})...)
	}
}

// held says why a job waits.
func (v view) held(b *builder, j engine.Job) {
	if w, ok := v.waits[j.ID]; ok && !j.State.Final() {
		var rs []string
		for _, r := range w.reasons {
			rs = append(rs, b.l.comparison(r))
		}
		b.text(append([]Span{emoji("hourglass_flowing_sand"), plain(" ")}, b.l.say(kWaits, args{"why": plain(strings.Join(rs, "; "))})...)...)
	}
	switch {
	case j.State == engine.JobPaused:
		b.text(append([]Span{emoji("double_vertical_bar"), plain(" ")}, b.l.say(kPausedNow, nil)...)...)
	case j.State.Final():
	case j.Wanted == engine.WantPause || j.Wanted == engine.WantPauseNow:
		b.say(kPausing, nil)
	case j.Wanted == engine.WantCancel:
		b.say(kCancelling, nil)
	}
}

// detail is the phase, rate and rest of the running table, as far as they are known.
func detail(l Locale, x runningStep) string {
	p := x.live.Progress
	var out []string
	if p.Phase != "" {
		out = append(out, clip(l.words(p.Phase), 60))
	}
	if p.Fraction > 0 {
		out = append(out, percent(min(p.Fraction, 0.99)))
	}
	if p.Rate > 0 {
		out = append(out, bytesOf(int64(p.Rate))+"/s")
	}
	if p.ETA > 0 {
		out = append(out, l.text(kTableLeft, args{"d": plain(l.about(p.ETA))}))
	}
	return strings.Join(out, " · ")
}

// timeLeft scales the plan's estimate by how fast the finished tables were. It says nothing before
// there is something to measure by.
func (v view) timeLeft(s totals) time.Duration {
	if s.endedEstimate <= 0 || s.took <= 0 {
		return 0
	}
	rest := s.estimate - s.endedEstimate
	for _, j := range v.jobs {
		for _, x := range v.running(j) {
			rest -= time.Duration(x.live.Progress.Fraction * float64(x.step.Plan.Estimate))
		}
	}
	parallel := 1
	if work, ok := v.r.Work(); ok {
		parallel = max(1, work.Parallel)
	}
	return max(0, time.Duration(float64(rest)*float64(s.took)/float64(s.endedEstimate))/time.Duration(parallel))
}

// runButtons are the buttons of work that has not ended.
func (v view) runButtons(l Locale, state engine.JobState) []Button {
	cancel := Button{Action: ActionCancel, Value: valueOf(v.r), Label: l.text(kCancel, nil), Style: "danger", Confirm: &Confirm{
		Title: l.text(kCancelTitle, nil), Text: l.text(kCancelText, args{"id": plain(v.r.ID)}), Yes: l.text(kCancel, nil), No: l.text(kBack, nil)}}
	pausing := slices.ContainsFunc(v.jobs, func(j engine.Job) bool {
		return !j.State.Final() && (j.Wanted == engine.WantPause || j.Wanted == engine.WantPauseNow)
	})
	switch {
	case slices.ContainsFunc(v.jobs, func(j engine.Job) bool { return !j.State.Final() && j.Wanted == engine.WantCancel }):
		return nil
	case state == engine.JobPaused || pausing:
		return []Button{{Action: ActionResume, Value: valueOf(v.r), Label: l.text(kResume, nil), Style: "primary"}, cancel}
	}
	return append(v.skipButton(l), Button{Action: ActionPause, Value: valueOf(v.r), Label: l.text(kPause, nil)}, cancel)
}

// ended shows what came of it; the thread has the table.
func (v view) ended(b *builder, s totals) {
	if s.done > 0 {
		b.say(kGaveBack, args{"given": bold(bytesOf(s.given())), "before": plain(bytesOf(s.before)), "after": plain(bytesOf(s.after)),
			"predicted": plain(bytesOf(s.predicted)), "n": plainInt(s.done), "m": plainInt(s.tables), "time": plain(b.l.span(wall(v.jobs)))})
	}
	for _, j := range v.jobs {
		if j.Reason != "" && j.State != engine.JobSucceeded {
			b.text(plain(clip(j.Host+": "+b.l.words(j.Reason), 600)))
		}
		for _, set := range j.Settings {
			k, name := kSettingOpen, set.Name
			if hook, ok := engine.HookOf(set.Change); ok {
				k, name = kNodeOpen, hook
			}
			b.text(append([]Span{emoji("warning"), plain(" ")}, b.l.say(k, args{"name": code(name), "host": code(j.Host),
				"before": code(set.Before)})...)...)
		}
	}
	if rest, err := engine.RestOf(v.r.ID, v.jobs); err == nil {
		b.buttons(Button{Action: ActionAskAgain, Value: valueOf(v.r), Label: flat(b.l.count(kAskRest, rest.Count(), nil))})
	}
}

// wall is the time from the first start to the last end.
func wall(jobs []engine.Job) time.Duration {
	var from, to time.Time
	for _, j := range jobs {
		if !j.Started.IsZero() && (from.IsZero() || j.Started.Before(from)) {
			from = j.Started
		}
		if j.Ended.After(to) {
			to = j.Ended
		}
	}
	if from.IsZero() || to.Before(from) {
		return 0
	}
	return to.Sub(from)
}
