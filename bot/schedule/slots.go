package schedule

import (
	"fmt"
	"hash/fnv"
	"time"

	"github.com/robfig/cron/v3"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// Bounds of what can be scheduled.
const (
	minGap    = 15 * time.Minute // between two slots
	maxWindow = 24 * time.Hour
	maxLead   = 24 * time.Hour
	horizon   = 400 // slots that are looked at, in checks and after a long absence
)

// slots parses a timing. Zone is an IANA name.
func slots(t approvals.Timing) (cron.Schedule, error) {
	zone, err := time.LoadLocation(t.Zone)
	if err != nil || t.Zone == "Local" {
		return nil, problem("bad_zone", fmt.Sprintf("%q is not a time zone.", t.Zone), "Write its IANA name, for example Asia/Shanghai or Europe/Berlin.")
	}
	s, err := cron.ParseStandard(t.Cron)
	if err != nil {
		return nil, problem("bad_cron", fmt.Sprintf("%q is not a time to run at: %v.", t.Cron, err), `Five fields: minute, hour, day, month, weekday; for example --cron "0 2 * * sun".`)
	}
	if spec, ok := s.(*cron.SpecSchedule); ok {
		spec.Location = zone
		return wall{spec, zone}, nil
	}
	return nil, problem("bad_cron", fmt.Sprintf("%q has no fixed times.", t.Cron), `Use five fields, for example --cron "0 2 * * sun".`)
}

// wall is a schedule by the clock on the wall: in the night in which an hour comes twice, a time in it
// comes once. In the night in which an hour is left out, so is a time in it.
type wall struct {
	cron.Schedule
	zone *time.Location
}

// Next implements cron.Schedule.
func (w wall) Next(t time.Time) time.Time {
	const clock = "2006-01-02 15:04"
	x := w.Schedule.Next(t)
	for !x.IsZero() && x.In(w.zone).Format(clock) == x.Add(-time.Hour).In(w.zone).Format(clock) {
		x = w.Schedule.Next(x)
	}
	return x
}

// check refuses a timing that could never run, runs too often, or announces too late.
func check(t approvals.Timing, now time.Time) error {
	s, err := slots(t)
	if err != nil {
		return err
	}
	first := s.Next(now)
	if first.IsZero() {
		return problem("bad_cron", fmt.Sprintf("%q never comes.", t.Cron), "Look at its day and month.")
	}
	gap := maxWindow
	for at, i := first, 0; i < horizon; i++ {
		next := s.Next(at)
		if next.IsZero() {
			break
		}
		gap, at = min(gap, next.Sub(at)), next
	}
	switch {
	case gap < minGap:
		return problem("too_often", fmt.Sprintf("%q comes every %s; each run needs a person.", t.Cron, gap), fmt.Sprintf("Leave at least %s between two runs.", minGap))
	case t.Window < time.Minute || t.Window > maxWindow:
		return problem("bad_window", fmt.Sprintf("A window of %s is not possible.", t.Window), "Between 1m and 24h.")
	case t.Window > gap:
		return problem("bad_window", fmt.Sprintf("A window of %s is longer than the %s between two runs.", t.Window, gap), "Choose a shorter --window.")
	case t.Jitter < 0 || t.Jitter > t.Window/2:
		return problem("bad_jitter", fmt.Sprintf("A jitter of %s leaves too little of the window of %s.", t.Jitter, t.Window), "At most half of the window.")
	case t.Lead < time.Minute || t.Lead > maxLead:
		return problem("bad_lead", fmt.Sprintf("Announcing %s ahead is not possible.", t.Lead), "Between 1m and 24h.")
	}
	return nil
}

// jittered is when work of a slot starts: always the same for one slot, so that two processes and a
// restart agree.
func jittered(s approvals.Schedule, slot time.Time) time.Time {
	if s.Timing.Jitter <= 0 {
		return slot
	}
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s %d", s.ID, slot.Unix()) // a hash does not fail
	return slot.Add(time.Duration(h.Sum64() % uint64(s.Timing.Jitter)).Truncate(time.Second))
}

// planned is a fresh run of a slot.
func planned(s approvals.Schedule, slot time.Time) approvals.ScheduleRun {
	return approvals.ScheduleRun{Schedule: s.ID, Slot: slot, State: approvals.RunClaimed,
		Starts: jittered(s, slot), Ends: slot.Add(s.Timing.Window)}
}

func problem(code, text, next string) *engine.Problem {
	return &engine.Problem{Code: code, Text: text, Next: next}
}
