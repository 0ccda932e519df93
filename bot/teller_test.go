package bot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/throttle"
)

// big is a running job on db-prod-3 with n tables of 40 MiB.
func big(t *testing.T, n int, name func(i int) string) *world {
	w := newWorld(t)
	d := discovery("R-OLD", w.now)
	one := d.Hosts[0].Tables[3]
	d.Hosts[0].Tables = nil
	for i := range n {
		one.Name = name(i)
		d.Hosts[0].Tables = append(d.Hosts[0].Tables, one)
	}
	w.found = append(w.found, d)
	w.says(alice, "run db-prod-3")
	w.tells()
	w.clicks(bob, "R-7QK1/card", ActionApprove)
	w.moves("R-7QK1", engine.JobRunning, engine.EventJobStarted, "", nil)
	w.tells()
	return w
}

func TestSmallTablesShareAReply(t *testing.T) {
	t.Parallel()
	w := big(t, 60, func(i int) string { return fmt.Sprintf("t%02d", i+1) })
	w.job("R-7QK1").Steps[29].Plan.Bytes = 2 * gib
	for i := range 60 {
		w.rebuilds("R-7QK1", i+1, 40*mib, time.Second)
		if i%7 == 0 {
			w.tells()
		}
	}
	w.moves("R-7QK1", engine.JobSucceeded, engine.EventJobCompleted, "", nil)
	w.tells()
	thread := w.thread("R-7QK1/card")
	for line, n := range map[string]int{"> 25 small tables: 2.2 GiB → 1000 MiB": 2, "> 4 small tables: 360 MiB → 160 MiB": 1,
		"> `crm.t30`: 2.0 GiB → 40.0 MiB": 1, "> 5 small tables": 1} {
		require.Equal(t, n, strings.Count(thread, line), "%s in\n%s", line, thread)
	}
	require.Contains(t, thread, "`crm.t10`, and 15 more tables")
	require.Contains(t, thread, "and 2 more tables", "the final table is cut at its limit and still sums all")
	require.Contains(t, thread, "Sum")
	require.Less(t, strings.Count(thread, "> "), 10, "a thread of 60 tables is short")

	// Told again from the start, it is the same thread.
	w.cursor, w.posts = 0, nil
	w.tells()
	require.Equal(t, thread, w.thread("R-7QK1/card"))
}

func TestHugePlansAndNastyNamesFit(t *testing.T) {
	t.Parallel()
	nasty := func(i int) string {
		return fmt.Sprintf("%03d <!channel> `*_~ \u202e@here &amp; %s\n", i, strings.Repeat("長", 60))
	}
	w := big(t, 500, nasty)
	for i := range 500 {
		w.rebuilds("R-7QK1", i+1, 40*mib, time.Second)
	}
	w.moves("R-7QK1", engine.JobSucceeded, engine.EventJobCompleted, "", nil)
	w.tells()
	for _, p := range w.posts {
		m := w.message(p.Key) // holds it against the limits
		require.NotContains(t, Text(m), "\u202e")
		if m.Picture == nil {
			require.Less(t, len(p.Body), 60000)
		}
	}
	require.Contains(t, w.show("R-7QK1/plan"), "All 500 tables of `R-7QK1`")
	require.Contains(t, w.says(alice, "plan db-prod-3"), "more tables")
	require.Contains(t, w.says(alice, "top"), "more tables")
}

func TestAWaitIsOneReplyThatIsEdited(t *testing.T) {
	t.Parallel()
	w := running(t)
	say := func(v throttle.Verdict) {
		w.moves("R-7QK1", "", engine.EventJobThrottled, "", v)
		w.tells()
	}
	lag := throttle.Reason{Metric: "replica_lag", Value: 14, Limit: 10, Unit: "s", Where: "db-prod-3"}
	say(throttle.Verdict{Throttled: true, Reasons: []throttle.Reason{lag}})
	require.Contains(t, w.show("R-7QK1/card"), ":hourglass_flowing_sand: Waiting: replica_lag 14 s > 10 s on db-prod-3")
	require.Contains(t, w.thread("R-7QK1/card"), "> Waiting on `db-prod-3`: replica_lag 14 s > 10 s on db-prod-3\n")
	lag.Value = 12.5
	say(throttle.Verdict{Throttled: true, Reasons: []throttle.Reason{lag}})
	w.now = w.now.Add(time.Minute)
	say(throttle.Verdict{})
	require.NotContains(t, w.show("R-7QK1/card"), "Waiting:")
	require.Equal(t, 1, strings.Count(w.thread("R-7QK1/card"), "replica_lag"))
	require.Contains(t, w.thread("R-7QK1/card"), "> Waited 62 s on `db-prod-3`, now going on: replica_lag 12.5 s > 10 s on db-prod-3\n")
	say(throttle.Verdict{Throttled: true, Reasons: []throttle.Reason{lag}})
	require.Equal(t, 2, strings.Count(w.thread("R-7QK1/card"), "replica_lag"), "a new wait is a new reply")
}

func TestMilestones(t *testing.T) {
	t.Parallel()
	w := running(t)
	change := rebuild.Change{Name: "super_read_only", Before: "ON", After: "OFF"}
	w.moves("R-7QK1", "", engine.EventSettingChanged, "", engine.Setting{Change: change})
	w.rebuilds("R-7QK1", 1, gib, 70*time.Second)
	w.moves("R-7QK1", engine.JobRunning, engine.EventJobResumed, "", engine.Resumed{Ended: 1})
	st := &w.job("R-7QK1").Steps[1]
	st.State, st.Before, st.After, st.Took, st.Outcome = engine.StepDone, 300*mib, 100*mib, time.Millisecond, rebuild.Adopted
	st.Started, st.Ended = w.now.Add(-3*time.Minute), w.now
	w.append(engine.Event{Kind: engine.EventTableProcessed, RequestID: "R-7QK1", JobID: "R-7QK1", Step: 2})
	for i, kind := range []engine.EventKind{engine.EventStepSkipped, engine.EventStepFailed} {
		st := &w.job("R-7QK1").Steps[2+i]
		st.State, st.Reason = engine.StepSkipped, "the table is gone since the plan was made"
		w.append(engine.Event{Kind: kind, RequestID: "R-7QK1", JobID: "R-7QK1", Step: 3 + i})
	}
	w.moves("R-7QK1", "", engine.EventJobNotice, "", engine.Notice{Severity: engine.SeverityAlert, Sentence: "db-prod-3 stopped being a replica."})
	w.moves("R-7QK1", "", engine.EventSettingRestored, "", engine.Setting{Change: change, Restored: true})
	w.moves("R-7QK1", engine.JobRefused, engine.EventJobRefused, "db-prod-3 accepts writes (read_only=0)", guard.Verdict{Findings: []guard.Finding{
		{Validator: "read_only", Refused: true, Sentence: "db-prod-3 accepts writes (read_only=0)"},
		{Validator: "fresh", Refused: true, Unknown: true, Sentence: "not asked just now"},
		{Validator: "role", Sentence: "fine"},
	}})
	w.tells()
	golden(t, "milestones", w.show("R-7QK1/card")+"\n"+w.thread("R-7QK1/card"))
}

// What cannot wait is shown in the channel, each thing once; the rest stays in the thread.
func TestAlertsAreShownInTheChannel(t *testing.T) {
	t.Parallel()
	w := running(t)
	shown := func(what string, alert bool) {
		w.tells()
		key := fmt.Sprintf("R-7QK1/e%d", len(w.events))
		require.Equal(t, alert, w.message(key).Broadcast, what)
	}
	w.moves("R-7QK1", "", engine.EventJobNotice, "", engine.Notice{Severity: "warning", Sentence: "db-prod-3 does not answer."})
	shown("a warning", false)
	for _, kind := range []engine.AlertKind{engine.AlertPromoted, engine.AlertUnwatched, engine.AlertSetting, ""} {
		w.moves("R-7QK1", "", engine.EventJobNotice, "", engine.Notice{Severity: engine.SeverityAlert, Alert: kind, Sentence: "db-prod-3 has trouble."})
		shown(string(kind), true)
		require.Contains(t, w.thread("R-7QK1/card"), "db-prod-3 has trouble.")
	}
	st := &w.job("R-7QK1").Steps[0]
	st.State, st.Outcome = engine.StepUnknown, rebuild.Unknown
	w.append(engine.Event{Kind: engine.EventStepUnknown, RequestID: "R-7QK1", JobID: "R-7QK1", Step: 1})
	shown("an unknown outcome", true)
	no := guard.Verdict{Findings: []guard.Finding{{Validator: "read_only", Refused: true, Sentence: "db-prod-3 accepts writes (read_only=0)"}}}
	w.moves("R-7QK1", engine.JobRefused, engine.EventJobRefused, "x", no)
	shown("a refusal", true)
	st.State, st.Outcome = engine.StepRefused, rebuild.Killed
	w.moves("R-7QK1", engine.JobRefused, engine.EventJobRefused, "x", no)
	shown("a refusal whose alert was told when the statement was killed", false)
}

func TestALookThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.says(alice, "discover db-prod-3")
	w.tells()
	w.clicks(bob, "R-7QK1/card", ActionApprove)
	w.moves("R-7QK1", engine.JobRunning, engine.EventJobStarted, "", nil)
	w.moves("R-7QK1", engine.JobFailed, engine.EventJobFailed, "db-prod-3 does not answer.", nil)
	w.tells()
	require.Equal(t, "> @alice The discovery of `db-prod-3` failed: db-prod-3 does not answer.\n", w.thread("R-7QK1/card"))
	require.Contains(t, w.show("R-7QK1/card"), "## Discover db-prod-3: failed")
	require.Equal(t, "Asked; the card is in the channel.\n", w.clicks(bob, "R-7QK1/card", ActionAskAgain))
	require.Equal(t, bob, w.requests[1].Requester)
}

func TestRemindersAndExpiry(t *testing.T) {
	t.Parallel()
	w := ready(t)
	w.says(alice, "run db-prod-3")
	w.tells()
	require.Empty(t, w.thread("R-7QK1/card"))
	w.now = w.now.Add(65 * time.Minute)
	w.tells()
	w.tells()
	require.Equal(t, 1, strings.Count(w.thread("R-7QK1/card"), "still waits for a decision"))
	w.now = w.now.Add(2 * time.Hour)
	w.tells()
	require.Equal(t, 2, strings.Count(w.thread("R-7QK1/card"), "still waits for a decision"))
	_, err := storeOf{w}.Close(t.Context(), "R-7QK1", approvals.Expired, approvals.Actor{}, "nobody decided in time")
	require.NoError(t, err)
	w.tells()
	require.Contains(t, w.show("R-7QK1/card"), "## db-prod-3: expired, nobody decided in time")
	require.Contains(t, w.thread("R-7QK1/card"), "@alice `R-7QK1` expired")
}

func TestAfterADowntimeOnlyTheLastReminderIsPosted(t *testing.T) {
	t.Parallel()
	groups := []string{"S0123DBAS", "S0456OPS"}
	w := ready(t, func(o *Options) { o.Tuning.RemindGroups = func(string) []string { return groups } })
	w.says(alice, "run db-prod-3")
	w.says(alice, "run db-prod-2")
	w.tells()
	born := w.requests[0].Created
	life := w.requests[0].Expires.Sub(born)
	reminded := func(at time.Duration) string {
		t.Helper()
		w.now = born.Add(at)
		w.tells()
		w.tells()
		return w.thread("R-7QK1/card")
	}
	require.Empty(t, reminded(life/4-time.Second))
	w.now = born.Add(life*3/4 - time.Second) // the process was away
	const waits = "`R-7QK1` on `db-prod-3` still waits for a decision"
	first := reminded(life*3/4 - time.Second)
	require.Equal(t, 1, strings.Count(first, waits))
	require.Contains(t, first, "> @S0123DBAS @S0456OPS "+waits, "the groups are mentioned on the first")
	both := reminded(life * 3 / 4)
	require.Equal(t, 2, strings.Count(both, waits))
	require.Equal(t, 1, strings.Count(both, "@S0123DBAS"), "and on no other")
	groups = nil
	require.Equal(t, both, reminded(life-time.Second), "nothing more follows, and what was posted stays")

	late := newWorld(t, func(o *Options) { o.Tuning.RemindGroups = func(string) []string { return []string{"S0123DBAS"} } })
	late.says(alice, "discover db-prod-3")
	late.tells()
	late.now = late.requests[0].Created.Add(life * 9 / 10)
	late.tells()
	require.Equal(t, 1, strings.Count(late.thread("R-7QK1/card"), "still waits for a decision"), "never two at once")
	late.now = late.requests[0].Expires
	late.tells()
	require.Equal(t, 1, strings.Count(late.thread("R-7QK1/card"), "still waits for a decision"))
}

func TestASupersededPlanSaysWhatMoved(t *testing.T) {
	t.Parallel()
	w := ready(t)
	w.says(alice, "run db-prod-3")
	_, err := storeOf{w}.Close(t.Context(), "R-7QK1", approvals.Superseded, approvals.Actor{}, "db-prod-3 became the primary")
	require.NoError(t, err)
	w.tells()
	require.Contains(t, w.thread("R-7QK1/card"), "@alice The plan of `R-7QK1` no longer fits: db-prod-3 became the primary")
	require.Contains(t, w.show("R-7QK1/card"), "[Plan again and ask again]")
}

func TestALateProgressEditNeverHidesADecision(t *testing.T) {
	t.Parallel()
	w := running(t)
	w.moves("R-7QK1", engine.JobSucceeded, engine.EventJobCompleted, "", nil)
	w.live["R-7QK1"] = []engine.LiveStep{{Seq: 1, Progress: rebuild.Progress{Fraction: 0.9}}}
	w.tells()
	done := w.show("R-7QK1/card")
	require.Contains(t, done, "done, 0 B given back")
	edits := w.edits["R-7QK1/card"]
	w.tells()
	require.Equal(t, done, w.show("R-7QK1/card"))
	require.Equal(t, edits, w.edits["R-7QK1/card"])
}

func TestTablesAtOnceAreAllShown(t *testing.T) {
	t.Parallel()
	w := running(t)
	for i := range 2 {
		w.jobs["R-7QK1"][0].Steps[i].State = engine.StepRunning
	}
	w.live["R-7QK1"] = []engine.LiveStep{{Seq: 2, Progress: rebuild.Progress{Phase: "merge sort", Fraction: 0.5}}}
	w.append(engine.Event{Kind: engine.EventStepStarted, RequestID: "R-7QK1", JobID: "R-7QK1", Step: 2})
	w.tells()
	card := w.show("R-7QK1/card")
	require.Contains(t, card, "`shop.orders`")
	require.Contains(t, card, "`shop.carts`")
	require.Equal(t, 1, strings.Count(card, "merge sort · 50 %"), "what is known of one is not said of the other")
}

func TestOneFactThatCannotBeToldSilencesNoOther(t *testing.T) {
	t.Parallel()
	w := running(t)
	w.append(engine.Event{Kind: engine.EventJobThrottled, RequestID: "R-7QK1", JobID: "R-7QK1", Data: []byte("{")})
	w.append(engine.Event{Kind: engine.EventTableProcessed, RequestID: "R-GONE", JobID: "R-GONE", Step: 1})
	w.append(engine.Event{Kind: "of.another.version", RequestID: "R-7QK1"})
	w.moves("R-7QK1", "", engine.EventJobNotice, "", engine.Notice{Severity: "info", Sentence: "after it"})
	teller := w.bot.Teller()
	started, next := true, time.Time{}
	teller.cursor = w.cursor
	for range maxTries - 1 {
		require.Error(t, teller.round(t.Context(), &started, &next))
	}
	require.NoError(t, teller.round(t.Context(), &started, &next))
	require.Contains(t, w.thread("R-7QK1/card"), "> :information_source: after it")
}

func TestAStoreThatFailsLosesNothing(t *testing.T) {
	t.Parallel()
	w := ready(t)
	w.putErr = errors.New("disk full")
	w.says(alice, "run db-prod-3")
	teller := w.bot.Teller()
	started, next := false, time.Time{}
	require.Error(t, teller.round(t.Context(), &started, &next))
	require.Empty(t, w.posts)
	w.putErr = nil
	require.NoError(t, teller.round(t.Context(), &started, &next))
	require.Contains(t, w.show("R-7QK1/card"), "waiting for approval")
}

func TestTheTellerRunsUntilItIsTold(t *testing.T) {
	t.Parallel()
	w := ready(t)
	w.says(alice, "run db-prod-3")
	ctx, stop := context.WithCancel(t.Context())
	var g errgroup.Group
	g.Go(func() error { return w.bot.Teller().Run(ctx) })
	require.Eventually(t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.posts) == 1
	}, 5*time.Second, time.Millisecond)
	stop()
	require.NoError(t, g.Wait())
}

func TestProgressKeepsTheBudget(t *testing.T) {
	t.Parallel()
	teller := New(Options{}).Teller()
	require.Equal(t, 5*time.Second, teller.interval(1))
	require.Equal(t, 15*time.Second, teller.interval(10))
	require.Equal(t, 300*time.Second, teller.interval(200))
}
