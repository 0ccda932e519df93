package schedule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// Round claims the slots whose announcement is due, and brings every open slot forward as far as it
// goes now. Several processes may do it at the same time.
func (s *Scheduler) Round(ctx context.Context) error {
	errs := []error{s.forwardAll(ctx)} // first, so that what has ended is in nobody's way
	all, err := s.o.Book.Schedules(ctx)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	open, err := s.o.Runs.OpenRuns(ctx)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	claimed := false
	for _, x := range all {
		if _, err := s.o.Standing.EndStanding(ctx, x, approvals.Actor{}, "expired"); err != nil {
			errs = append(errs, err)
		}
		if x.State == approvals.ScheduleActive {
			mine, err := s.due(ctx, x, open)
			claimed = claimed || mine
			errs = append(errs, err)
		}
	}
	if claimed {
		errs = append(errs, s.forwardAll(ctx))
	}
	return errors.Join(errs...)
}

// forwardAll brings every open slot forward as far as it goes now.
func (s *Scheduler) forwardAll(ctx context.Context) error {
	open, err := s.o.Runs.OpenRuns(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range open {
		err := s.forward(ctx, r)
		if err != nil && !errors.Is(err, approvals.ErrConflict) { // else another process was first
			errs = append(errs, fmt.Errorf("slot %s of %s: %w", r.Slot.Format(time.RFC3339), r.Schedule, err))
		}
	}
	return errors.Join(errs...)
}

// due claims what a schedule has missed, and its next slot when it is time to announce it.
func (s *Scheduler) due(ctx context.Context, x approvals.Schedule, open []approvals.ScheduleRun) (claimed bool, err error) {
	at, err := slots(x.Timing)
	if err != nil {
		return false, fmt.Errorf("schedule %s: %w", x.ID, err)
	}
	last, err := s.o.Runs.LastSlot(ctx, x.ID)
	if err != nil {
		return false, err
	}
	if last.Before(x.Since) {
		last = x.Since
	}
	now, slot := s.o.Now(), at.Next(last)
	missed, latest := 0, time.Time{}
	for !slot.IsZero() && !slot.Add(x.Timing.Window).After(now) {
		missed, latest = missed+1, slot
		slot = at.Next(slot)
	}
	if missed > 0 {
		if claimed, err = s.missed(ctx, x, latest, missed); err != nil {
			return claimed, err
		}
	}
	if slot.IsZero() || now.Before(slot.Add(-x.Timing.Lead)) {
		return claimed, nil
	}
	r := planned(x, slot)
	var e engine.Event
	if slices.ContainsFunc(open, func(o approvals.ScheduleRun) bool { return o.Schedule == x.ID && o.Ends.After(slot) }) {
		r.State, r.Reason = approvals.RunSkipped, "the run before has not ended"
		e = fact(approvals.EventScheduleSkipped, "", approvals.Actor{}, approvals.ScheduleFact{Schedule: x, What: "busy", Slot: slot})
	}
	mine, err := s.claim(ctx, r, e)
	return claimed || mine, err
}

// missed handles the slots whose window passed while nobody was there, as one.
func (s *Scheduler) missed(ctx context.Context, x approvals.Schedule, latest time.Time, n int) (bool, error) {
	r := planned(x, latest)
	f := approvals.ScheduleFact{Schedule: x, What: "missed", Slot: latest, Slots: n}
	if x.Timing.Missed == approvals.MissedOnce {
		r.Starts = s.o.Now().Truncate(time.Second)
		r.Ends = r.Starts.Add(x.Timing.Window)
		return s.claim(ctx, r, fact(approvals.EventScheduleLate, "", approvals.Actor{}, f))
	}
	r.State, r.Reason = approvals.RunSkipped, "missed while the bot was away"
	return s.claim(ctx, r, fact(approvals.EventScheduleSkipped, "", approvals.Actor{}, f))
}

func (s *Scheduler) claim(ctx context.Context, r approvals.ScheduleRun, e engine.Event) (bool, error) {
	mine, err := s.o.Runs.ClaimRun(ctx, r, e)
	if mine {
		s.o.Wake()
	}
	return mine, err
}

// forward does what a slot needs next.
func (s *Scheduler) forward(ctx context.Context, r approvals.ScheduleRun) error {
	x, err := s.o.Book.Schedule(ctx, r.Schedule)
	if err != nil {
		return err
	}
	switch r.State {
	case approvals.RunClaimed:
		return s.ask(ctx, x, r)
	case approvals.RunLooking:
		return s.looking(ctx, x, r)
	case approvals.RunAsked:
		return s.asked(ctx, x, r)
	case approvals.RunStarted:
		done, err := s.ended(ctx, r.RequestID)
		if err != nil || !done {
			return err
		}
		to := r
		to.State = approvals.RunEnded
		return s.o.Runs.MoveRun(ctx, r, to, engine.Event{})
	}
	return nil
}

// ask freezes the plan and submits it; without a usable discovery it asks for one first.
func (s *Scheduler) ask(ctx context.Context, x approvals.Schedule, r approvals.ScheduleRun) error {
	if !s.o.Now().Before(r.Ends) {
		return s.skip(ctx, x, r, "late", "", approvals.Actor{})
	}
	p, err := s.plan(ctx, x, r)
	var no *engine.Problem
	switch {
	case err == nil:
	case !errors.As(err, &no):
		return err
	case (no.Code == "no_snapshot" || no.Code == "stale_snapshot") && r.LookID == "":
		return s.look(ctx, x, r)
	case no.Code == "nothing_to_do":
		return s.skip(ctx, x, r, "nothing", no.Sentence(), approvals.Actor{})
	default:
		return s.skip(ctx, x, r, "refused", sentences(no), approvals.Actor{})
	}
	from := r
	if r.RequestID, err = s.o.IDs.NewID(ctx); err != nil {
		return err
	}
	r.State = approvals.RunAsked
	if err := s.o.Runs.MoveRun(ctx, from, r, engine.Event{}); err != nil {
		return err
	}
	return s.submit(ctx, x, r, p)
}

// plan freezes what the schedule would do, and bounds it by what is left of the window.
func (s *Scheduler) plan(ctx context.Context, x approvals.Schedule, r approvals.ScheduleRun) (engine.Plan, error) {
	p, err := s.o.Plan(ctx, x)
	if err != nil {
		return p, err
	}
	p.Bounds.Time = r.Ends.Sub(r.Starts)
	return p, nil
}

// submit asks for a decision. The id was stored before, so a second try, here or elsewhere, finds
// that the request is there.
func (s *Scheduler) submit(ctx context.Context, x approvals.Schedule, r approvals.ScheduleRun, p engine.Plan) error {
	command := x.Command
	if r.LookID != "" {
		command += " --after=" + r.LookID // its card belongs to the thread of the discovery
	}
	cover, err := s.o.Standing.Covered(ctx, x, p, r.Starts)
	if err != nil {
		return err
	}
	rule, grounds := approvals.RuleReview, approvals.Grounds{Outside: cover.Differences}
	if cover.Holds() {
		rule, grounds = approvals.RuleStanding, approvals.Grounds{Grants: cover.Grants}
	}
	return s.once(ctx, x, r, approvals.Draft{
		Rule: rule, Grounds: grounds,
		ID: r.RequestID, Kind: approvals.KindRecycle, Cluster: x.Cluster, Target: x.Target, Command: command, Requester: x.Actor(),
		Barred: x.Barred(), Channel: x.Channel, Plan: &p, NotBefore: r.Starts, Expires: r.Ends,
	})
}

// look asks for the discovery that the plan needs.
func (s *Scheduler) look(ctx context.Context, x approvals.Schedule, r approvals.ScheduleRun) (err error) {
	from := r
	if r.LookID, err = s.o.IDs.NewID(ctx); err != nil {
		return err
	}
	r.State = approvals.RunLooking
	if err := s.o.Runs.MoveRun(ctx, from, r, engine.Event{}); err != nil {
		return err
	}
	return s.submitLook(ctx, x, r)
}

func (s *Scheduler) submitLook(ctx context.Context, x approvals.Schedule, r approvals.ScheduleRun) error {
	return s.once(ctx, x, r, approvals.Draft{
		ID: r.LookID, Kind: approvals.KindDiscover, Cluster: x.Cluster, Target: x.Target, Command: "discover " + x.Target,
		Requester: x.Actor(), Barred: x.Barred(), Channel: x.Channel, Expires: r.Ends,
	})
}

// once submits a request whose id is reserved. Somebody else who submitted the same was faster; a
// refusal ends the slot.
func (s *Scheduler) once(ctx context.Context, x approvals.Schedule, r approvals.ScheduleRun, d approvals.Draft) error {
	_, err := s.o.Requests.Submit(ctx, d)
	if err == nil {
		s.o.Wake()
		return s.stillWanted(ctx, r, d.ID)
	}
	there, rerr := s.o.Facts.Request(ctx, d.ID)
	if rerr == nil && there.Requester.ID == d.Requester.ID {
		return nil
	}
	var no *engine.Problem
	switch {
	case errors.As(err, &no):
		return s.skip(ctx, x, r, "refused", sentences(no), approvals.Actor{})
	case rerr == nil: // a person's request took the id in that moment: start over with another one
		from := r
		r.State, r.RequestID, r.LookID = approvals.RunClaimed, "", ""
		return s.o.Runs.MoveRun(ctx, from, r, engine.Event{})
	}
	return err
}

// stillWanted takes a request back whose slot somebody skipped while it was being asked.
func (s *Scheduler) stillWanted(ctx context.Context, r approvals.ScheduleRun, id string) error {
	open, err := s.o.Runs.OpenRuns(ctx)
	if err != nil || slices.ContainsFunc(open, func(o approvals.ScheduleRun) bool {
		return o.Schedule == r.Schedule && (o.RequestID == id || o.LookID == id)
	}) {
		return err
	}
	_, err = s.o.Requests.Supersede(ctx, id, "The slot was skipped meanwhile.")
	return decidedBefore(err)
}

// looking waits for the discovery.
func (s *Scheduler) looking(ctx context.Context, x approvals.Schedule, r approvals.ScheduleRun) error {
	q, err := s.o.Facts.Request(ctx, r.LookID)
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return s.submitLook(ctx, x, r)
	case err != nil:
		return err
	case q.State == approvals.Pending:
		return nil
	case q.State != approvals.Approved:
		return s.skip(ctx, x, r, "no_look", "", approvals.Actor{})
	}
	jobs, err := s.o.Facts.Jobs(ctx, r.LookID)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		switch {
		case !j.State.Final():
			return nil
		case j.State != engine.JobSucceeded:
			return s.skip(ctx, x, r, "no_look", j.Reason, approvals.Actor{})
		}
	}
	return s.ask(ctx, x, r)
}

// asked waits for the decision.
func (s *Scheduler) asked(ctx context.Context, x approvals.Schedule, r approvals.ScheduleRun) error {
	q, err := s.o.Facts.Request(ctx, r.RequestID)
	switch {
	case errors.Is(err, engine.ErrNotFound): // its process ended between storing the id and asking
		p, err := s.plan(ctx, x, r)
		var no *engine.Problem
		if errors.As(err, &no) {
			return s.skip(ctx, x, r, "refused", sentences(no), approvals.Actor{})
		}
		if err != nil {
			return err
		}
		return s.submit(ctx, x, r, p)
	case err != nil:
		return err
	}
	switch q.State {
	case approvals.Pending:
		if q.Rule == approvals.RuleStanding {
			return s.stand(ctx, x, r, q)
		}
	case approvals.Approved:
		to := r
		to.State = approvals.RunStarted
		return s.o.Runs.MoveRun(ctx, r, to, engine.Event{})
	case approvals.Expired:
		if q.Rule == approvals.RuleStanding { // else it would have been approved or asked again at its start
			return s.skip(ctx, x, r, "unchecked", "", approvals.Actor{})
		}
		return s.skip(ctx, x, r, "not_approved", "", approvals.Actor{})
	case approvals.Denied:
		return s.skip(ctx, x, r, "denied", "", approvals.Actor{})
	case approvals.Withdrawn:
		return s.skip(ctx, x, r, "withdrawn", "", approvals.Actor{})
	case approvals.Superseded: // planned and asked again
		to := r
		to.State, to.RequestID = approvals.RunClaimed, ""
		return s.o.Runs.MoveRun(ctx, r, to, engine.Event{})
	}
	return nil
}

// stand approves an announced run at its time under the standing approvals. Whatever changed since it
// was announced (an approver left, one was withdrawn, the configuration) takes the request back, and
// the run is asked for again with what differs.
func (s *Scheduler) stand(ctx context.Context, x approvals.Schedule, r approvals.ScheduleRun, q approvals.Request) error {
	if s.o.Now().Before(r.Starts) {
		cover, err := s.o.Standing.Covered(ctx, x, *q.Plan, r.Starts)
		if err != nil || cover.Holds() {
			return err
		}
	} else if _, cover, err := s.o.Standing.Stand(ctx, q.ID); err != nil || cover.Holds() {
		s.o.Wake()
		return decidedBefore(err)
	}
	_, err := s.o.Requests.Supersede(ctx, q.ID, "The standing approval does not cover this run any more.")
	s.o.Wake()
	return decidedBefore(err)
}

// ended says whether all jobs of a request have ended.
func (s *Scheduler) ended(ctx context.Context, id string) (bool, error) {
	jobs, err := s.o.Facts.Jobs(ctx, id)
	return !slices.ContainsFunc(jobs, func(j engine.Job) bool { return !j.State.Final() }), err
}

// skip ends a slot, and says why.
func (s *Scheduler) skip(ctx context.Context, x approvals.Schedule, r approvals.ScheduleRun, what, why string, by approvals.Actor) error {
	from := r
	thread := r.RequestID
	if thread == "" {
		thread = r.LookID
	}
	if _, err := s.o.Facts.Request(ctx, thread); err != nil {
		thread = "" // there is no card to tell it under
	}
	r.State, r.Reason = approvals.RunSkipped, strings.TrimSpace(what+": "+why)
	e := fact(approvals.EventScheduleSkipped, thread, by, approvals.ScheduleFact{Schedule: x, What: what, Slot: r.Slot, Text: why, By: by.Name})
	err := s.o.Runs.MoveRun(ctx, from, r, e)
	s.o.Wake()
	return err
}

// sentences are all the words of a refusal.
func sentences(p *engine.Problem) string {
	return strings.Join(append([]string{p.Sentence()}, p.Reasons...), " ")
}

// fact is an event about a schedule.
func fact(kind engine.EventKind, request string, by approvals.Actor, f approvals.ScheduleFact) engine.Event {
	b, err := json.Marshal(f)
	if err != nil { // a fact holds nothing that cannot be marshalled
		panic(fmt.Sprintf("marshal fact: %v", err))
	}
	return engine.Event{Kind: kind, RequestID: request, Actor: by.ID, Data: b}
}
