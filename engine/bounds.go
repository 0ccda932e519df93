package engine

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Bounds are what a plan may do at most, and when. They are frozen in the plan, so they are part
// of what was approved. Zero values bound nothing.
type Bounds struct {
	AtOnce int           `json:"at_once,omitempty"` // hosts of the cluster worked on at the same time, whoever asked; 0 counts as 1
	Tables int           `json:"tables,omitempty"`  // the plan's biggest gains are kept
	Bytes  int64         `json:"bytes,omitempty"`   // to be rebuilt, as they are on disk
	Time   time.Duration `json:"time,omitempty"`    // since a host's job started; no table is started after it
	Window Window        `json:"window,omitzero"`
	Until  time.Time     `json:"until,omitzero"` // no table is started that is not expected to end by then
}

// Window is a maintenance window that opens every day, or on some days of the week. A table is
// started only when it is expected to end in it; one that runs is not stopped by its end.
type Window struct {
	From string   `json:"from"`           // "22:00"
	To   string   `json:"to"`             // "05:30"; not after From means the next day
	Zone string   `json:"zone,omitempty"` // IANA name; empty: UTC
	Days []string `json:"days,omitempty"` // on which it opens: mon, tue, …; empty: all
}

// IsZero reports whether there is no window: work may start at any time.
func (w Window) IsZero() bool { return w.From == "" && w.To == "" }

// weekdays are the names of days as people write them.
var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// Check reports what is wrong with a window, in words.
func (w Window) Check() error {
	if w.IsZero() && len(w.Days) == 0 && w.Zone == "" {
		return nil
	}
	for _, s := range []string{w.From, w.To} {
		if _, err := time.Parse("15:04", s); err != nil {
			return fmt.Errorf("%q is not a time of day like 22:00", s)
		}
	}
	if _, err := time.LoadLocation(w.Zone); err != nil {
		return fmt.Errorf("%q is not a time zone like Europe/Berlin", w.Zone)
	}
	for _, d := range w.Days {
		if !slices.Contains(weekdays, d) {
			return fmt.Errorf("%q is not a day; write mon, tue, wed, thu, fri, sat or sun", d)
		}
	}
	return nil
}

// Next is the opening that now is in, or else the next one. A window that is always open has a
// zero end. An unusable window never opens: its opening is a year away.
func (w Window) Next(now time.Time) (open, end time.Time) {
	if w.IsZero() {
		return now, time.Time{}
	}
	never := now.AddDate(1, 0, 0)
	zone, err := time.LoadLocation(w.Zone)
	from, err1 := time.Parse("15:04", w.From)
	to, err2 := time.Parse("15:04", w.To)
	if errors.Join(err, err1, err2) != nil {
		return never, never
	}
	local := now.In(zone)
	for day := -1; day <= 8; day++ {
		// time.Date keeps the wall clock's meaning where clocks are changed.
		open = time.Date(local.Year(), local.Month(), local.Day()+day, from.Hour(), from.Minute(), 0, 0, zone)
		last := 0
		if !to.After(from) {
			last = 1
		}
		end = time.Date(local.Year(), local.Month(), local.Day()+day+last, to.Hour(), to.Minute(), 0, 0, zone)
		if len(w.Days) > 0 && !slices.Contains(w.Days, weekdays[open.Weekday()]) {
			continue
		}
		if end.After(now) {
			return open, end
		}
	}
	return never, never
}

// String is the window in words.
func (w Window) String() string {
	if w.IsZero() {
		return "any time"
	}
	zone := w.Zone
	if zone == "" {
		zone = "UTC"
	}
	text := w.From + "-" + w.To + " " + zone
	for i, d := range w.Days {
		if i == 0 {
			text += " on "
		} else {
			text += ", "
		}
		text += d
	}
	return text
}

// errClosed says that no table that is left would end in the maintenance window.
var errClosed = errors.New("the maintenance window is closed")

// expected is how long a table will take: the plan's estimate, scaled by how long the tables of
// this job took that are done.
func (r *run) expected(s *Step) time.Duration {
	r.pace.Lock()
	defer r.pace.Unlock()
	if r.planned < 10*time.Second { // too little to measure by
		return s.Plan.Estimate
	}
	return time.Duration(float64(s.Plan.Estimate) * float64(r.took) / float64(r.planned))
}

// measured remembers how long a table took.
func (r *run) measured(s *Step) {
	r.pace.Lock()
	defer r.pace.Unlock()
	r.planned += s.Plan.Estimate
	r.took += s.Took
}

// fits reports whether a table would end in the maintenance window if it were started now. One
// that would not end in any is let through: its step says so and is skipped.
func (r *run) fits(s *Step) bool {
	w := r.job.Plan.Bounds.Window
	if w.IsZero() {
		return true
	}
	now, need := r.o.Now(), r.expected(s)
	open, end := w.Next(now)
	return need > end.Sub(open) || !now.Before(open) && !now.Add(need).After(end)
}

// outOfBounds says why a table is not rebuilt by this job at all.
func (r *run) outOfBounds(s *Step) string {
	b := r.job.Plan.Bounds
	if since := r.o.Now().Sub(r.began); b.Time > 0 && since > b.Time {
		return fmt.Sprintf("the job may start tables for %s, which are over", b.Time)
	}
	if need := r.expected(s); !b.Until.IsZero() && r.o.Now().Add(need).After(b.Until) {
		return fmt.Sprintf("it would take about %s and not end by %s", need.Round(time.Minute), b.Until.Format("Mon 15:04 MST"))
	}
	if b.Window.IsZero() {
		return ""
	}
	open, end := b.Window.Next(r.o.Now())
	if need := r.expected(s); need > end.Sub(open) {
		return fmt.Sprintf("it would take about %s, longer than the whole maintenance window (%s)", need.Round(time.Minute), b.Window)
	}
	return ""
}
