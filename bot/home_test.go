package bot

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

func (w *world) home(who approvals.Actor) Message {
	w.t.Helper()
	m, err := w.bot.Home(w.t.Context(), who)
	require.NoError(w.t, err)
	w.fits(m)
	return m
}

func TestHome(t *testing.T) {
	t.Parallel()
	w := running(t)
	w.says(alice, "discover db-prod-3")
	w.says(alice, "run db-prod-3 --schema crm")
	w.rebuilds("R-7QK1", 1, gib, time.Minute)
	var log strings.Builder
	for _, who := range []approvals.Actor{alice, bob, carol, mal} {
		fmt.Fprintf(&log, "=== %s\n%s\n", who.Name, Text(w.home(who)))
	}
	w.moves("R-7QK1", engine.JobSucceeded, engine.EventJobCompleted, "", nil)
	fmt.Fprintf(&log, "=== bob, later\n%s\n", Text(w.home(bob)))
	golden(t, "home", log.String())
}

func TestAnEmptyHomeSaysWhatToDo(t *testing.T) {
	t.Parallel()
	w, _ := scheduled(t)
	for who, want := range map[approvals.Actor]string{alice: "Begin with New recycle", carol: "点击“新建工单”"} {
		text := Text(w.home(who))
		require.Contains(t, text, want)
		require.Contains(t, text, "schedule add db-prod-3")
	}
}

func TestHomeShowsWhatIsScheduledNext(t *testing.T) {
	t.Parallel()
	w, _ := scheduled(t)
	w.says(alice, `schedule add db-prod-3 --cron "0 2 * * sun" --schema shop`)
	require.Regexp(t, "Next scheduled  1\n.* UTC · `S-[A-Z0-9]+` · db-prod-3 --schema=shop · alice\n", Text(w.home(bob)))
}

func TestHomeApprovesWithTheStakeSaid(t *testing.T) {
	t.Parallel()
	w := ready(t)
	w.says(alice, "run db-prod-3")
	var approve Button
	for _, b := range w.home(bob).Blocks {
		for _, a := range b.Actions {
			if a.Action == ActionApprove {
				approve = a
			}
		}
	}
	require.NotNil(t, approve.Confirm, "the card is not before the reader")
	require.Contains(t, approve.Confirm.Text, "4 tables")
	require.NoError(t, w.bot.Click(t.Context(), Click{Action: approve.Action, Value: approve.Value, User: bob, Reply: Reply{User: bob.ID}}))
	require.Equal(t, approvals.Approved, w.requests[0].State)
	require.NotContains(t, Text(w.home(bob)), "[Approve]")
}

func TestHomeStaysSmall(t *testing.T) {
	t.Parallel()
	w := ready(t)
	for range 60 {
		w.says(alice, "discover db-prod-3")
	}
	m := w.home(bob)
	require.Contains(t, Text(m), "Waiting for you  60")
	require.Contains(t, Text(m), "and 52 more")
	require.Less(t, len(m.Blocks), 45)
}

func TestHomesAreDrawnAgainWhenFactsChange(t *testing.T) {
	t.Parallel()
	n := 0
	w := ready(t, func(o *Options) { o.Changed = func() { n++ } })
	w.tells()
	require.Zero(t, n, "nothing happened")
	w.says(alice, "run db-prod-3")
	w.tells()
	require.Equal(t, 1, n)
}
