package schedule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mysql-recycler/approvals"
	"mysql-recycler/bot"
	"mysql-recycler/engine"
)

// List implements bot.Schedules.
func (s *Scheduler) List(ctx context.Context) ([]bot.Scheduled, error) {
	all, err := s.o.Book.Schedules(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]bot.Scheduled, 0, len(all))
	for _, x := range all {
		next, err := s.next(ctx, x)
		if err != nil {
			return nil, err
		}
		out = append(out, bot.Scheduled{Schedule: x, Next: next})
	}
	return out, nil
}

// next is the slot that will be announced next; zero when the schedule is not active.
func (s *Scheduler) next(ctx context.Context, x approvals.Schedule) (time.Time, error) {
	if x.State != approvals.ScheduleActive {
		return time.Time{}, nil
	}
	at, err := slots(x.Timing)
	if err != nil {
		return time.Time{}, err
	}
	last, err := s.o.Runs.LastSlot(ctx, x.ID)
	if err != nil {
		return time.Time{}, err
	}
	if now := s.o.Now(); last.Before(now) {
		last = now
	}
	return at.Next(last), nil
}

// Add implements bot.Schedules.
func (s *Scheduler) Add(ctx context.Context, x approvals.Schedule) (bot.Scheduled, error) {
	now := s.o.Now()
	x.Timing = s.complete(x.Timing)
	if err := check(x.Timing, now); err != nil {
		return bot.Scheduled{}, err
	}
	var err error
	if x.ID, err = s.o.IDs.NewScheduleID(ctx); err != nil {
		return bot.Scheduled{}, err
	}
	x.State, x.Rev, x.Created, x.Since, x.Editor = approvals.ScheduleActive, 1, now, now, x.Owner
	out := bot.Scheduled{Schedule: x}
	if out.Next, err = s.next(ctx, x); err != nil {
		return out, err
	}
	out.Schedule, err = s.o.Book.CreateSchedule(ctx, x, changed(out, x.Owner, "added"))
	return out, err
}

// complete fills in what a person left out.
func (s *Scheduler) complete(t approvals.Timing) approvals.Timing {
	d := s.o.Defaults()
	if t.Zone == "" {
		t.Zone = d.Zone
	}
	if t.Window == 0 {
		t.Window = d.Window
	}
	if t.Lead == 0 {
		t.Lead = d.Lead
	}
	if t.Jitter == 0 {
		t.Jitter = d.Jitter
	}
	if t.Missed == "" {
		t.Missed = d.Missed
	}
	return t
}

// changed is the fact of a change.
func changed(x bot.Scheduled, by approvals.Actor, what string) engine.Event {
	return fact(approvals.EventScheduleChanged, "", by, approvals.ScheduleFact{Schedule: x.Schedule, What: what, Next: x.Next, By: by.Name})
}

// owned reads a schedule that a person may change.
func (s *Scheduler) owned(ctx context.Context, id string, by approvals.Actor) (approvals.Schedule, error) {
	x, err := s.o.Book.Schedule(ctx, id)
	if errors.Is(err, engine.ErrNotFound) || err == nil && x.State == approvals.ScheduleRemoved {
		return x, problem("no_schedule", "There is no schedule "+id+".", "`schedule list` shows what is there.")
	}
	if err != nil {
		return x, err
	}
	return x, s.o.Requests.MayStop(ctx, x.Cluster, by, x.Barred()...)
}

// Edit implements bot.Schedules. A run that waits for a decision is planned and asked again, so that
// nobody approves what is not wanted any more; one that is approved stays as it was approved.
func (s *Scheduler) Edit(ctx context.Context, id string, by approvals.Actor, change func(*approvals.Schedule) error) (bot.Scheduled, error) {
	return s.change(ctx, id, by, "edited", func(x *approvals.Schedule) error {
		if err := change(x); err != nil {
			return err
		}
		x.Since = s.o.Now()
		return check(x.Timing, s.o.Now())
	})
}

// Do implements bot.Schedules.
func (s *Scheduler) Do(ctx context.Context, id string, by approvals.Actor, what bot.ScheduleAction) (bot.Scheduled, error) {
	switch what {
	case bot.SchedulePause:
		return s.change(ctx, id, by, "paused", func(x *approvals.Schedule) error { return turn(x, approvals.ScheduleActive, approvals.SchedulePaused) })
	case bot.ScheduleResume:
		return s.change(ctx, id, by, "resumed", func(x *approvals.Schedule) error {
			x.Since = s.o.Now() // what passed during the pause was not missed
			return turn(x, approvals.SchedulePaused, approvals.ScheduleActive)
		})
	case bot.ScheduleRemove:
		return s.change(ctx, id, by, "removed", func(x *approvals.Schedule) error { return turn(x, x.State, approvals.ScheduleRemoved) })
	}
	x, err := s.owned(ctx, id, by)
	if err != nil {
		return bot.Scheduled{}, err
	}
	if what == bot.ScheduleWithdraw {
		return s.withdraw(ctx, x, by)
	}
	return s.skipNext(ctx, x, by)
}

// withdraw ends the standing approvals. A run that was announced under them is asked for again.
func (s *Scheduler) withdraw(ctx context.Context, x approvals.Schedule, by approvals.Actor) (bot.Scheduled, error) {
	out := bot.Scheduled{Schedule: x}
	n, err := s.o.Standing.EndStanding(ctx, x, by, "withdrawn")
	if err == nil && n == 0 {
		err = problem("no_standing", x.ID+" has no standing approval.", "")
	}
	return out, err
}

func turn(x *approvals.Schedule, from, to approvals.ScheduleState) error {
	if x.State != from {
		return problem("schedule_state", x.ID+" is "+string(x.State)+".", "")
	}
	x.State = to
	return nil
}

// change stores a changed schedule, and withdraws what it asked for.
func (s *Scheduler) change(ctx context.Context, id string, by approvals.Actor, what string, f func(*approvals.Schedule) error) (bot.Scheduled, error) {
	x, err := s.owned(ctx, id, by)
	if err != nil {
		return bot.Scheduled{}, err
	}
	if err := f(&x); err != nil {
		return bot.Scheduled{}, err
	}
	x.Rev++
	if what == "edited" { // who only pauses it must not lift the bar from who wrote what it does
		x.Editor = by
	}
	out := bot.Scheduled{Schedule: x}
	if out.Next, err = s.next(ctx, x); err != nil {
		return out, err
	}
	err = s.o.Book.ChangeSchedule(ctx, x, by, what, changed(out, by, what))
	if errors.Is(err, approvals.ErrConflict) {
		return out, problem("schedule_changed", id+" was changed in the same moment.", "Look at `schedule list` and try again.")
	}
	if err != nil {
		return out, err
	}
	if what == "resumed" {
		return out, nil
	}
	if what == "edited" || what == "removed" {
		if _, err := s.o.Standing.EndStanding(ctx, x, by, what); err != nil {
			return out, err
		}
	}
	return out, s.takeBack(ctx, x, by, what)
}

// takeBack ends what a schedule asked for and what has not begun. After an edit it is asked again.
func (s *Scheduler) takeBack(ctx context.Context, x approvals.Schedule, by approvals.Actor, what string) error {
	r, ok, err := s.open(ctx, x.ID)
	if err != nil || !ok {
		return err
	}
	if what == "edited" {
		if r.State != approvals.RunAsked {
			return nil // it is planned with the new wishes
		}
		_, err := s.o.Requests.Supersede(ctx, r.RequestID, fmt.Sprintf("%s edited the schedule %s.", by.Name, x.ID))
		return decidedBefore(err)
	}
	err = s.end(ctx, x, r, by, "stopped")
	var p *engine.Problem
	if errors.As(err, &p) && p.Code == "already_running" {
		return nil // what runs is left to the buttons of its card
	}
	return err
}

// open finds the slot of a schedule that has not ended: the first that is not approved yet, if any.
func (s *Scheduler) open(ctx context.Context, id string) (approvals.ScheduleRun, bool, error) {
	all, err := s.o.Runs.OpenRuns(ctx)
	if err != nil {
		return approvals.ScheduleRun{}, false, err
	}
	all = slices.DeleteFunc(all, func(r approvals.ScheduleRun) bool { return r.Schedule != id })
	if len(all) == 0 {
		return approvals.ScheduleRun{}, false, nil
	}
	if i := slices.IndexFunc(all, func(r approvals.ScheduleRun) bool { return r.State != approvals.RunStarted }); i >= 0 {
		return all[i], true, nil
	}
	return all[0], true, nil
}

// skipNext leaves out the slot that is open, or else the next one.
func (s *Scheduler) skipNext(ctx context.Context, x approvals.Schedule, by approvals.Actor) (bot.Scheduled, error) {
	out := bot.Scheduled{Schedule: x}
	r, ok, err := s.open(ctx, x.ID)
	if err != nil {
		return out, err
	}
	if ok {
		if err := s.end(ctx, x, r, by, "person"); err != nil {
			return out, err
		}
		out.Skipped = r.Slot
	} else if out.Skipped, err = s.next(ctx, x); err != nil {
		return out, err
	} else if out.Skipped.IsZero() {
		return out, problem("schedule_state", x.ID+" is "+string(x.State)+"; there is no next run to skip.", "")
	} else {
		r = planned(x, out.Skipped)
		r.State, r.Reason = approvals.RunSkipped, "skipped by "+by.Name
		e := fact(approvals.EventScheduleSkipped, "", by, approvals.ScheduleFact{Schedule: x, What: "person", Slot: out.Skipped, By: by.Name})
		if _, err := s.claim(ctx, r, e); err != nil {
			return out, err
		}
	}
	out.Next, err = s.next(ctx, x)
	return out, err
}

// end takes back the request of a slot, or cancels its job while that waits for its time, and then
// says that the slot is skipped. A job that runs is left to its own buttons.
func (s *Scheduler) end(ctx context.Context, x approvals.Schedule, r approvals.ScheduleRun, by approvals.Actor, what string) error {
	id := r.RequestID
	if id == "" {
		id = r.LookID
	}
	if id != "" {
		_, err := s.o.Requests.Recall(ctx, id, by, "skipped by "+by.Name)
		if err = decidedBefore(err); err != nil && !errors.Is(err, engine.ErrNotFound) {
			return err
		}
		if err := s.cancel(ctx, id, by); err != nil {
			return err
		}
	}
	err := s.skip(ctx, x, r, what, "", by)
	if errors.Is(err, approvals.ErrConflict) {
		return nil // the loop saw it meanwhile and has said so
	}
	return err
}

// cancel ends approved work that has not begun; what has begun is a *engine.Problem.
func (s *Scheduler) cancel(ctx context.Context, request string, by approvals.Actor) error {
	jobs, err := s.o.Facts.Jobs(ctx, request)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if j.State == engine.JobRunning || j.State == engine.JobPaused {
			return problem("already_running", request+" is running already.", "Pause or cancel it on its card, or with cancel "+request+".")
		}
	}
	jobs = slices.DeleteFunc(jobs, func(j engine.Job) bool { return j.State.Final() })
	err = bot.WantAll(ctx, s.o.Wanter, jobs, engine.WantCancel, by)
	if p := (*engine.Problem)(nil); errors.As(err, &p) { // what ended meanwhile needs no end
		return nil
	}
	return err
}

// decidedBefore lets pass what says that a request needs no taking back.
func decidedBefore(err error) error {
	var p *engine.Problem
	if errors.As(err, &p) && (p.Code == "already_decided" || p.Code == "no_request") {
		return nil
	}
	return err
}
