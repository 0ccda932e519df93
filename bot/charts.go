package bot

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"mysql-recycler/bot/chart"
	"mysql-recycler/engine"
)

// chartRows is how many tables a chart shows; the others are one bar together.
const chartRows = 12

// maxAlt is how long the text beside a picture may be; the platform takes 2000 characters.
const maxAlt = 1900

// sized is a table, or some together, before and after.
type sized struct {
	name          string
	before, after int64
}

func (x sized) gain() int64 { return x.before - x.after }

// charted draws the tables of a job before and after, as a reply of its own: pictures are files.
// One table needs no comparing.
func (s *scene) charted() ([]Post, error) {
	var rows []sized
	for _, st := range s.job.Steps {
		if st.State == engine.StepDone {
			rows = append(rows, sized{st.Plan.Name(), st.Before, st.After})
		}
	}
	if len(rows) < 2 {
		return nil, nil
	}
	p, err := sizesPicture(s.l, s.job.Host, rows)
	if err != nil {
		return nil, fmt.Errorf("draw what %s gave back: %w", s.job.ID, err)
	}
	return s.post(s.name()+"/chart", Message{Summary: p.Title, Picture: p})
}

// sizesPicture compares tables before and after, the biggest gain first.
func sizesPicture(l Locale, host string, rows []sized) (*Picture, error) {
	slices.SortStableFunc(rows, func(a, b sized) int { return cmp.Compare(b.gain(), a.gain()) })
	all := sized{}
	for _, r := range rows {
		all.before, all.after = all.before+r.before, all.after+r.after
	}
	rows = foldRest(l, rows)
	a := args{"host": plain(host), "before": plain(bytesOf(all.before)), "after": plain(bytesOf(all.after)), "given": plain(bytesOf(all.gain()))}
	title := l.text(kChartTitle, a)
	c := chart.Bars{Title: title, Subtitle: l.text(kChartSum, a), Left: l.text(kChartLeft, nil), Given: l.text(kChartGiven, nil), Added: l.text(kChartAdded, nil)}
	alt := []string{title + l.text(kFullStop, nil) + c.Subtitle + strings.TrimSpace(l.text(kFullStop, nil))}
	for _, r := range rows {
		sizes := bytesOf(r.before) + " → " + bytesOf(r.after)
		c.Rows = append(c.Rows, chart.Bar{Name: tidy(r.name), Sizes: sizes, Change: change(r.gain()), Before: r.before, After: r.after})
		alt = append(alt, clip(tidy(r.name), 100)+": "+sizes+";")
	}
	png, err := c.PNG()
	if err != nil {
		return nil, err
	}
	return &Picture{Name: "before-after.png", Title: title, Alt: clip(strings.TrimSuffix(strings.Join(alt, " "), ";"), maxAlt), PNG: png}, nil
}

// foldRest puts what a chart has no room for into one row at its end.
func foldRest(l Locale, rows []sized) []sized {
	if len(rows) <= chartRows+1 {
		return rows
	}
	rest := sized{name: flat(l.count(kChartRest, len(rows)-chartRows, nil))}
	for _, r := range rows[chartRows:] {
		rest.before, rest.after = rest.before+r.before, rest.after+r.after
	}
	return append(slices.Clone(rows[:chartRows]), rest)
}

// change is a gain as what happened to the size: less is a minus.
func change(gain int64) string {
	switch {
	case gain > 0:
		return "−" + bytesOf(gain)
	case gain < 0:
		return "+" + bytesOf(-gain)
	}
	return "0 B"
}
