package engine

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAskedHoursNarrowTheClustersWindow(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	p := &Planner{Now: func() time.Time { return now }}
	night := Window{From: "22:00", To: "06:00", Zone: "Europe/Berlin", Days: []string{"sat", "sun"}}
	for _, x := range []struct {
		asked, cluster Window
		want           Window
		refused        string
	}{
		{Window{From: "23:00", To: "05:00"}, night, Window{From: "23:00", To: "05:00", Zone: "Europe/Berlin", Days: []string{"sat", "sun"}}, ""},
		{Window{From: "22:00", To: "06:00"}, night, night, ""},
		{Window{}, night, night, ""},
		{Window{From: "01:00", To: "02:00"}, Window{}, Window{From: "01:00", To: "02:00"}, ""},
		{Window{From: "21:00", To: "05:00"}, night, Window{}, "reaches beyond"},
		{Window{From: "23:00", To: "06:30"}, night, Window{}, "reaches beyond"},
		{Window{From: "21:30", To: "04:00", Zone: "UTC"}, night, Window{From: "21:30", To: "04:00", Zone: "UTC", Days: []string{"sat", "sun"}}, ""},
		{Window{From: "23:00", To: "05:00", Days: []string{"mon"}}, night, Window{}, "reaches beyond"},
		{Window{From: "25:00", To: "05:00"}, night, Window{}, "cannot be read"},
		{Window{From: "22:00", To: "05:00", Zone: "Mars/Base"}, night, Window{}, "cannot be read"},
	} {
		b := Bounds{Window: x.cluster}
		err := p.hours(PlanSpec{Window: x.asked}, &b)
		if x.refused != "" {
			var no *Problem
			require.ErrorAs(t, err, &no, "%+v", x.asked)
			require.Equal(t, "outside_window", no.Code)
			require.Contains(t, no.Text, x.refused)
			continue
		}
		require.NoError(t, err, "%+v", x.asked)
		require.Equal(t, x.want, b.Window)
	}
}

func TestATimeThatIsOverIsRefused(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	p := &Planner{Now: func() time.Time { return now }}
	var b Bounds
	require.Error(t, p.hours(PlanSpec{Until: now}, &b))
	require.NoError(t, p.hours(PlanSpec{Until: now.Add(time.Hour)}, &b))
	require.Equal(t, now.Add(time.Hour), b.Until)
}

// A table that would not end by the asked time is not started; what it says is for the thread.
func TestTablesThatWouldNotEndInTimeAreLeftOut(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	r := &run{job: Job{Plan: Plan{Bounds: Bounds{Until: now.Add(time.Hour)}}}, began: now}
	r.Dispatcher = &Dispatcher{o: Options{Now: func() time.Time { return now }}}
	require.Empty(t, r.outOfBounds(&Step{Plan: PlannedStep{Estimate: 50 * time.Minute}}))
	require.Equal(t, "it would take about 1h10m0s and not end by Mon 06:00 UTC", r.outOfBounds(&Step{Plan: PlannedStep{Estimate: 70 * time.Minute}}))
}
