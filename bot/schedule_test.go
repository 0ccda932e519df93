package bot

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// book is a Schedules that remembers one schedule; the real one is tested with the real store.
type book struct {
	w    *world
	s    approvals.Schedule
	done []string
}

func (b *book) List(context.Context) ([]Scheduled, error) {
	if b.s.ID == "" {
		return nil, nil
	}
	return []Scheduled{{Schedule: b.s, Next: b.w.now.Add(time.Hour)}}, nil
}

func (b *book) Add(_ context.Context, s approvals.Schedule) (Scheduled, error) {
	s.ID, s.State, s.Editor = "S-7QK2", approvals.ScheduleActive, s.Owner
	s.Timing.Lead, s.Timing.Window = time.Hour, 4*time.Hour
	b.s = s
	b.tell(approvals.EventScheduleChanged, "", approvals.ScheduleFact{What: "added", Next: b.w.now.Add(time.Hour)})
	return Scheduled{Schedule: s, Next: b.w.now.Add(time.Hour)}, nil
}

func (b *book) Edit(_ context.Context, _ string, by approvals.Actor, change func(*approvals.Schedule) error) (Scheduled, error) {
	err := change(&b.s)
	b.s.Editor = by
	b.tell(approvals.EventScheduleChanged, "", approvals.ScheduleFact{What: "edited", Next: b.w.now.Add(time.Hour)})
	return Scheduled{Schedule: b.s, Next: b.w.now.Add(time.Hour)}, err
}

func (b *book) Do(_ context.Context, id string, by approvals.Actor, what ScheduleAction) (Scheduled, error) {
	b.done = append(b.done, fmt.Sprint(id, " ", what, " by ", by.Name))
	return Scheduled{Schedule: b.s, Next: b.w.now.Add(25 * time.Hour), Skipped: b.w.now.Add(time.Hour)}, nil
}

// tell is what the scheduler stores.
func (b *book) tell(kind engine.EventKind, request string, f approvals.ScheduleFact) {
	f.Schedule, f.By, f.Slot = b.s, b.s.Editor.Name, b.w.now.Add(time.Hour)
	data, err := json.Marshal(f)
	require.NoError(b.w.t, err)
	b.w.append(engine.Event{Kind: kind, RequestID: request, Actor: b.s.Editor.ID, Data: data})
}

// scheduled is a world with a book.
func scheduled(t *testing.T) (*world, *book) {
	b := &book{}
	w := ready(t, func(o *Options) { o.Schedules = b })
	b.w = w
	return w, b
}

// asks submits the run of a slot as the scheduler does.
func (b *book) asks(channel string) approvals.Request {
	b.w.t.Helper()
	b.s.Channel = channel
	p, err := b.w.bot.PlanFor(b.w.t.Context(), b.s)
	require.NoError(b.w.t, err)
	r, err := b.w.bot.o.Requests.Submit(b.w.t.Context(), approvals.Draft{Kind: approvals.KindRecycle, Cluster: b.s.Cluster, Target: b.s.Target,
		Command: b.s.Command, Requester: b.s.Actor(), Barred: b.s.Barred(), Channel: channel, Plan: &p,
		NotBefore: b.w.now.Add(time.Hour), Expires: b.w.now.Add(5 * time.Hour)})
	require.NoError(b.w.t, err)
	return r
}

func TestScheduleInTheChannel(t *testing.T) {
	t.Parallel()
	for locale, channel := range map[Locale]string{English: "C1", Chinese: "CZH"} {
		t.Run(string(locale), func(t *testing.T) {
			t.Parallel()
			w, b := scheduled(t)
			var log strings.Builder
			note := func(what, text string) { fmt.Fprintf(&log, "=== %s\n%s\n", what, text) }
			note("none yet", w.saysIn(alice, channel, "schedule"))
			note("added", w.saysIn(alice, channel, `schedule add db-prod-3 --cron "0 2 * * sun" --zone Asia/Shanghai --schema shop --max-tables 2`))
			require.Equal(t, "run db-prod-3 --schema=shop --max-tables=2", b.s.Command)
			note("list", w.saysIn(bob, channel, "schedule list"))
			w.tells()
			note("told", w.show("S-7QK2/e1"))
			note("edited", w.saysIn(alice, channel, "schedule edit s-7qk2 --schema crm --window 2h"))
			require.Equal(t, "run db-prod-3 --schema=crm --max-tables=2", b.s.Command, "what was not said stays")
			require.Equal(t, 2*time.Hour, b.s.Timing.Window)
			b.s.Command = "run db-prod-3 --schema=shop --max-tables=2"

			r := b.asks(channel)
			w.tells()
			note("announced", w.show(r.ID+"/card"))
			note("its author approves", w.clicks(alice, r.ID+"/card", ActionApprove))
			note("bob skips", w.clicks(bob, r.ID+"/card", ActionSkip))
			note("bob pauses", w.clicks(bob, r.ID+"/card", ActionPauseSchedule))
			require.Equal(t, []string{"S-7QK2 skip by bob", "S-7QK2 pause by bob"}, b.done)
			note("bob approves", w.clicks(bob, r.ID+"/card", ActionApprove))
			w.tells()
			note("approved", w.show(r.ID+"/card"))

			late := b.asks(channel)
			_, err := storeOf{w}.Close(t.Context(), late.ID, approvals.Expired, approvals.Actor{}, "nobody decided in time")
			require.NoError(t, err)
			b.tell(approvals.EventScheduleSkipped, late.ID, approvals.ScheduleFact{What: "not_approved"})
			for _, what := range []string{"unchecked", "person", "stopped", "missed", "busy", "no_look", "nothing", "refused", "late", "withdrawn"} {
				b.tell(approvals.EventScheduleSkipped, "", approvals.ScheduleFact{What: what, Slots: 3, Text: "db-prod-3 is protected."})
			}
			b.tell(approvals.EventScheduleLate, "", approvals.ScheduleFact{What: "missed", Slots: 3})
			n := len(w.posts)
			w.tells()
			note("not approved in time", w.show(late.ID+"/card")+w.thread(late.ID+"/card"))
			for _, p := range w.posts[n:] {
				if strings.HasPrefix(p.Key, "S-") {
					log.WriteString(w.show(p.Key))
				}
			}
			golden(t, "schedule_"+string(locale), log.String())
		})
	}
}

func TestScheduleMistakes(t *testing.T) {
	t.Parallel()
	w, _ := scheduled(t)
	for in, want := range map[string]string{
		"schedule ad db-prod-3":                           "Did you mean `add`?",
		"schedule add db-prod-3":                          "`schedule add` needs --cron: when to run.\nTry: `/recycle schedule add db-prod-3 --cron \"0 2 * * sun\" --schema shop`",
		"schedule add":                                    "`schedule add` needs a host.",
		"schedule skip":                                   "`schedule skip` needs a schedule id.\nTry: `/recycle schedule skip S-7QK2`",
		"schedule skip ???":                               "is not a schedule id",
		`schedule add db-prod-3 --cron "61 2 * * *"`:      "`61 2 * * *` is not a value for `--cron`.\nTry: `/recycle schedule add db-prod-3 --cron \"0 2 * * sun\"`",
		`schedule add db-prod-3 --cron "@every 1m"`:       "is not a value for `--cron`",
		"schedule add db-prod-3 --cron @weekly --zone Mo": "`Mo` is not a value for `--zone`",
		"schedule add crm-1 --cron @weekly":               "crm-1 is not a configured host or cluster.",
		"run db-prod-3 --cron @weekly":                    "`run` has no flag `--cron`.",
	} {
		require.Contains(t, w.says(alice, in), want, in)
	}
	plain := ready(t)
	require.Contains(t, plain.says(alice, "schedule"), "There are no schedules here.")
}

// An approval may carry a comment: it is on the card, and in the review.
func TestApproveWithAComment(t *testing.T) {
	t.Parallel()
	w := ready(t)
	w.says(alice, "run db-prod-3")
	w.tells()
	require.Contains(t, w.clicks(alice, "R-7QK1/card", ActionApproveNote), "You asked for R-7QK1", "no form for whoever may not decide")
	require.Empty(t, w.clicks(bob, "R-7QK1/card", ActionApproveNote))
	require.Len(t, w.forms, 1)
	f := w.forms[0]
	require.Equal(t, FormApprove, f.ID)
	require.True(t, f.Inputs[0].Optional)
	require.Contains(t, f.Intro[0].Text, "db-prod-3: 4 tables")
	bad, err := w.bot.Submit(t.Context(), Submission{Form: f.ID, Ref: f.Ref, User: bob, Values: map[string]string{"comment": " after the backup "},
		Reply: Reply{User: bob.ID, Channel: "C1"}})
	require.NoError(t, err)
	require.Empty(t, bad)
	require.Equal(t, "after the backup", w.requests[0].Reviews[0].Comment)
	require.Equal(t, "C1", w.requests[0].Reviews[0].Channel)
	w.tells()
	require.Contains(t, w.show("R-7QK1/card"), "“after the backup”")
}
