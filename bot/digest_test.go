package bot

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// mondays tells the week on Mondays at nine; the world's day is a Monday, 14:00 UTC.
func mondays(o *Options) {
	o.Tuning.Digest = Digest{Weeks: o.Facts.(*world), Day: time.Monday, Hour: 9}
}

// aWeek is a world in which a week of work lies behind, at the Monday after it.
func aWeek(t *testing.T, channel string) *world {
	w := ready(t, mondays)
	ask := func(text string) string {
		w.saysIn(alice, channel, text)
		return w.requests[len(w.requests)-1].ID
	}
	ends := func(id string, state engine.JobState, kind engine.EventKind, why string) {
		w.tells()
		w.clicks(bob, id+"/card", ActionApprove)
		w.moves(id, engine.JobRunning, engine.EventJobStarted, "", nil)
		w.rebuilds(id, 1, gib, time.Minute)
		w.moves(id, state, kind, why, nil)
	}
	ends(ask("run db-prod-3 --schema shop"), engine.JobSucceeded, engine.EventJobCompleted, "")
	ends(ask("run db-prod-3 --schema shop"), engine.JobFailed, engine.EventJobFailed, "the disk of db-prod-3 is full")
	ends(ask("run db-prod-3 --schema shop"), engine.JobRefused, engine.EventJobRefused, "db-prod-3 accepts writes (read_only=0)")
	denied := ask("run db-prod-3 --schema crm")
	_, err := w.bot.o.Requests.Review(t.Context(), approvals.ReviewInput{RequestID: denied, Digest: w.requests[len(w.requests)-1].Digest, Reviewer: bob,
		Decision: approvals.Deny, Comment: "freeze until Monday"})
	require.NoError(t, err)
	w.now = time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	ask("discover db-prod-2")
	w.tells()
	w.now = time.Date(2026, 11, 30, 9, 0, 1, 0, time.UTC)
	return w
}

// digests are the keys of the posts that tell a week.
func (w *world) digests() string {
	var keys []string
	for _, p := range w.posts {
		if strings.HasPrefix(p.Key, "digest/") {
			keys = append(keys, p.Key)
		}
	}
	return strings.Join(keys, " ")
}

func TestTheWeekIsToldOnce(t *testing.T) {
	t.Parallel()
	for locale, channel := range map[Locale]string{English: "C1", Chinese: "CZH"} {
		w := aWeek(t, channel)
		require.Empty(t, w.digests(), "not before its time")
		w.tells()
		key := "digest/2026-11-30/" + channel
		require.Equal(t, key+" "+key+"/chart", w.digests())
		golden(t, "digest_"+string(locale), w.show(key)+w.message(key+"/chart").Picture.Alt+"\n")
		require.NotContains(t, w.show(key), "@", "nobody is pinged")
		body := len(w.edits)
		w.now = w.now.Add(time.Hour)
		w.saysIn(alice, channel, "discover db-prod-3")
		w.tells() // another process would begin as this does: with what is stored
		require.Equal(t, 1, w.edits[key])
		require.Greater(t, len(w.edits), body)
	}
}

func TestAWeekThatWasMissedIsToldWithinADay(t *testing.T) {
	t.Parallel()
	w := aWeek(t, "C1")
	w.now = w.now.Add(23 * time.Hour)
	w.tells()
	require.NotEmpty(t, w.digests())
	w = aWeek(t, "C1")
	w.now = w.now.Add(25 * time.Hour)
	w.tells()
	require.Empty(t, w.digests(), "old news")
}

func TestAQuietWeekIsNotTold(t *testing.T) {
	t.Parallel()
	w := ready(t, mondays)
	w.now = time.Date(2026, 11, 30, 9, 30, 0, 0, time.UTC)
	w.tells()
	require.Empty(t, w.posts)
	require.Equal(t, time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC).Unix(), w.week, "and not looked at again")
	off := aWeek(t, "C1")
	off.bot.o.Tuning.Digest.Weeks = nil
	off.tells()
	require.Empty(t, off.digests())
}

func TestTheTimeOfTheWeekKeepsTheWallClock(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	d := Digest{Day: time.Sunday, Hour: 2, Min: 30, Zone: zone}
	for now, want := range map[string]string{
		"2026-03-29T00:59:00Z": "2026-03-22T02:30:00+01:00", // clocks go forward at 02:00: there is no 02:30
		"2026-04-01T00:00:00Z": "2026-03-29T03:30:00+02:00",
		"2026-10-25T12:00:00Z": "2026-10-25T02:30:00+01:00", // clocks go back at 03:00: the second 02:30
		"2026-11-24T12:00:00Z": "2026-11-22T02:30:00+01:00",
	} {
		at, err := time.Parse(time.RFC3339, now)
		require.NoError(t, err)
		require.Equal(t, want, d.slot(at).Format(time.RFC3339), now)
	}
}

func TestPeopleAreToldOnceAtTheEnd(t *testing.T) {
	t.Parallel()
	for quiet, want := range map[bool]string{false: "@alice @bob `db-prod-3` is done", true: "alice bob `db-prod-3` is done"} {
		w := ready(t, func(o *Options) { o.Tuning.Quiet = quiet })
		w.says(alice, "run db-prod-3")
		w.tells()
		w.clicks(bob, "R-7QK1/card", ActionApprove)
		second := *w.job("R-7QK1")
		second.ID, second.Host, second.State = "R-7QK1.2", "db-prod-2", engine.JobQueued
		w.jobs["R-7QK1"] = append(w.jobs["R-7QK1"], second)
		for _, id := range []string{"R-7QK1.2", "R-7QK1"} {
			w.moves(id, engine.JobRunning, engine.EventJobStarted, "", nil)
			w.rebuilds(id, 1, gib, time.Minute)
			w.moves(id, engine.JobSucceeded, engine.EventJobCompleted, "", nil)
		}
		w.tells()
		thread := w.thread("R-7QK1/card")
		require.Contains(t, thread, "> "+want)
		require.Contains(t, thread, "> `db-prod-2` is done", "the host before it pings nobody")
	}
}
