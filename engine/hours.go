package engine

import (
	"fmt"
	"time"
)

// hours puts the hours that a person asked for into a plan's bounds. They narrow the cluster's
// maintenance window and never reach beyond it: what an administrator configured holds for all.
func (p *Planner) hours(s PlanSpec, b *Bounds) error {
	now := p.Now()
	if !s.Until.IsZero() && !s.Until.After(now) {
		return &Problem{Code: "outside_window", Text: "The time until which tables may be started, " + s.Until.Format("15:04 MST") + ", is over.",
			Next: "Give a later time, for example --until 06:00"}
	}
	b.Until = s.Until
	if s.Window.IsZero() {
		return nil
	}
	w := s.Window
	if w.Zone == "" {
		w.Zone = b.Window.Zone
	}
	if len(w.Days) == 0 {
		w.Days = b.Window.Days
	}
	if err := w.Check(); err != nil {
		return &Problem{Code: "outside_window", Text: "The window cannot be read: " + err.Error() + ".", Next: "For example: --window 22:00-06:00"}
	}
	if !w.within(b.Window, now) {
		return &Problem{Code: "outside_window", Text: fmt.Sprintf("The window %s reaches beyond the cluster's maintenance window, %s.", w, b.Window),
			Next: "Choose hours inside of it."}
	}
	b.Window = w
	return nil
}

// within reports whether every opening of a window in the next two weeks lies in one of another's.
// Two weeks see every day of the week and a change of clocks that is near.
func (w Window) within(outer Window, now time.Time) bool {
	if outer.IsZero() {
		return true
	}
	for at, last := now, now.AddDate(0, 0, 14); at.Before(last); {
		open, end := w.Next(at)
		from, to := outer.Next(open)
		if open.Before(from) || end.After(to) {
			return false
		}
		at = end
	}
	return true
}
