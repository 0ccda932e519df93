package bot

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine"
)

func TestHoursAreReadAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"22:00-06:00": "22:00-06:00", "22-6": "22:00-06:00", "2200-0600": "22:00-06:00", "22：00-6：30": "22:00-06:30", "20:00-24:00": "20:00-00:00",
		"22:00-06:00@Asia/Shanghai": "22:00-06:00@Asia/Shanghai", "22:00-06:00 UTC": "22:00-06:00@UTC", " 1:00 - 2:00 ": "01:00-02:00",
		"25:00-06:00": "", "22:60-06:00": "", "22:00": "", "22:00-22:00": "", "": "", "22:00-06:00@Mars": "", "24:30-06:00": "",
	} {
		w, ok := parseWindow(in)
		require.Equal(t, want != "", ok, in)
		if ok {
			require.Equal(t, want, formatWindow(w), in)
			again, ok := parseWindow(formatWindow(w))
			require.True(t, ok)
			require.Equal(t, w, again)
		}
	}
}

func TestTheNearestHoursAreOffered(t *testing.T) {
	t.Parallel()
	w := ready(t)
	for in, want := range map[string]string{
		"run db-prod-3 --window 22.00-06.00":                                      "Did you mean `22:00-06:00`?\nTry: `/recycle run db-prod-3 --window 22:00-06:00`",
		"run db-prod-3 --window 22:00to06:00":                                     "Did you mean `22:00-06:00`?",
		"run db-prod-3 --window 25:00-06:00":                                      "Did you mean `23:00-06:00`?",
		"plan db-prod-3 --until 6h75":                                             "Did you mean `06:59`?\nTry: `/recycle plan db-prod-3 --until 06:59`",
		"run db-prod-3 --window tonight":                                          "Try: `/recycle run db-prod-3 --window 22:00-06:00`",
		"run db-prod-3 --windw 22:00-06:00":                                       "Did you mean `--window`?",
		`schedule add db-prod-3 --cron "0 2 * * sun" --window 22.00-06.00`:        "Did you mean `22:00-06:00`?",
		`schedule add db-prod-3 --cron "0 2 * * sun" --until 06:00 --schema shop`: "has no flag `--until`",
	} {
		require.Contains(t, w.says(alice, in), want, in)
	}
	require.Empty(t, w.requests)
}

func TestHoursAreFrozenInThePlanAndOnTheCard(t *testing.T) {
	t.Parallel()
	w := ready(t)
	require.Empty(t, w.says(alice, "run db-prod-3 --window 22:00-06:00@Asia/Shanghai --until 6:00"))
	p := w.requests[0].Plan
	require.Equal(t, engine.Window{From: "22:00", To: "06:00", Zone: "Asia/Shanghai"}, p.Bounds.Window)
	require.Equal(t, time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC), p.Bounds.Until, "the next time it is so late")
	w.tells()
	card := w.show("R-7QK1/card")
	require.Contains(t, card, "maintenance window: 22:00-06:00 Asia/Shanghai.")
	require.Contains(t, card, "Tables start only if they should end by 2026-11-24 06:00 UTC.")
	require.Contains(t, card, "run db-prod-3 --window=22:00-06:00@Asia/Shanghai --until=06:00")
}

func TestHoursNeverReachBeyondTheClusters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settings.Bounds.Window = engine.Window{From: "22:00", To: "06:00", Zone: "Asia/Shanghai", Days: []string{"sat", "sun"}}
	w.found = append(w.found, discovery("R-OLD", w.now))
	require.Contains(t, w.says(alice, "run db-prod-3 --window 20:00-23:00"), "reaches beyond the cluster's maintenance window")
	require.Empty(t, w.saysIn(alice, "CZH", "run db-prod-3 --window 23:00-23:30"))
	w.tells()
	require.Contains(t, w.show("R-7QK1/card"), "维护窗口内完成时才开始处理表：23:00-23:30 Asia/Shanghai，仅周六、周日。")
}

func TestAScheduleHasHoursOfItsOwnZone(t *testing.T) {
	t.Parallel()
	w, _ := scheduled(t)
	w.says(alice, `schedule add db-prod-3 --cron "0 23 * * sun" --zone Asia/Shanghai --window 4h --window 22:00-06:00`)
	all, err := w.bot.o.Schedules.List(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, 4*time.Hour, all[0].Timing.Window)
	p, err := w.bot.PlanFor(t.Context(), all[0].Schedule)
	require.NoError(t, err)
	require.Equal(t, engine.Window{From: "22:00", To: "06:00", Zone: "Asia/Shanghai"}, p.Bounds.Window)
}
