package schedule

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

func timing(cron, zone string) approvals.Timing {
	return approvals.Timing{Cron: cron, Zone: zone, Window: 10 * time.Minute, Lead: time.Hour}
}

func TestSlotsAreInTheirZone(t *testing.T) {
	t.Parallel()
	at, err := slots(timing("0 2 * * *", "Asia/Shanghai"))
	require.NoError(t, err)
	require.Equal(t, "2030-03-04T18:00:00Z", at.Next(time.Date(2030, 3, 4, 12, 0, 0, 0, time.UTC)).UTC().Format(time.RFC3339))

	// The night in which 02:30 does not exist comes without a run at that wall clock, and the one in
	// which it comes twice has one run.
	at, err = slots(timing("30 2 * * *", "Europe/Berlin"))
	require.NoError(t, err)
	var got []string
	for x := time.Date(2030, 10, 26, 12, 0, 0, 0, time.UTC); len(got) < 2; got = append(got, x.UTC().Format(time.RFC3339)) {
		x = at.Next(x)
	}
	require.Equal(t, []string{"2030-10-27T00:30:00Z", "2030-10-28T01:30:00Z"}, got)
	require.Equal(t, "2030-04-01T00:30:00Z", at.Next(time.Date(2030, 3, 30, 12, 0, 0, 0, time.UTC)).UTC().Format(time.RFC3339))
}

func TestCheckRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 3, 4, 12, 0, 0, 0, time.UTC)
	require.NoError(t, check(timing("0 2 * * sun", "UTC"), now))
	for code, change := range map[string]func(*approvals.Timing){
		"bad_zone":   func(t *approvals.Timing) { t.Zone = "Moon/Base" },
		"bad_cron":   func(t *approvals.Timing) { t.Cron = "0 2 30 2 *" },
		"too_often":  func(t *approvals.Timing) { t.Cron = "*/5 * * * *" },
		"bad_window": func(t *approvals.Timing) { t.Cron, t.Window = "0 * * * *", 2*time.Hour },
		"bad_jitter": func(t *approvals.Timing) { t.Jitter = 6 * time.Minute },
		"bad_lead":   func(t *approvals.Timing) { t.Lead = time.Second },
	} {
		x := timing("0 2 * * *", "UTC")
		change(&x)
		var p *engine.Problem
		require.ErrorAs(t, check(x, now), &p, code)
		require.Equal(t, code, p.Code)
	}
}

func TestJitterIsTheSameForOneSlot(t *testing.T) {
	t.Parallel()
	s := approvals.Schedule{ID: "S-7QK2", Timing: approvals.Timing{Jitter: 10 * time.Minute}}
	different := map[time.Duration]bool{}
	for day := range 50 {
		slot := time.Date(2030, 3, 1+day, 2, 0, 0, 0, time.UTC)
		d := jittered(s, slot).Sub(slot)
		require.Equal(t, d, jittered(s, slot).Sub(slot))
		require.GreaterOrEqual(t, d, time.Duration(0))
		require.Less(t, d, 10*time.Minute)
		different[d] = true
	}
	require.Greater(t, len(different), 30)
}
