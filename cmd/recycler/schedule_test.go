package main

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/bot"
	"mysql-recycler/bot/schedule"
	"mysql-recycler/bot/slack"
	"mysql-recycler/engine"
	"mysql-recycler/storage"
	"mysql-recycler/storage/queue"
)

var (
	ann = approvals.Actor{Team: "T1", ID: "U0ANN", Name: "ann"}
	ben = approvals.Actor{Team: "T1", ID: "U0BEN", Name: "ben"}
	cat = approvals.Actor{Team: "T1", ID: "U0CAT", Name: "cat"}
)

// process is one program on the file.
type process struct {
	*night
	db       *storage.DB
	book     *storage.Schedules
	requests *storage.Requests
	facts    *storage.Facts
	service  *approvals.Service
	loop     *schedule.Scheduler
	submits  error // what submitting answers, once, before it does anything
}

type ids struct {
	*storage.Requests
	*storage.Schedules
}

// crashing is a Requests whose process ends before it could submit.
type crashing struct {
	*approvals.Service
	p *process
}

func (c crashing) Submit(ctx context.Context, d approvals.Draft) (approvals.Request, error) {
	if err := c.p.submits; err != nil {
		c.p.submits = nil
		return approvals.Request{}, err
	}
	return c.Service.Submit(ctx, d)
}

func (n *night) process() *process {
	n.t.Helper()
	db, err := storage.Open(n.t.Context(), "sqlite://"+n.path, zap.NewNop(), storage.WithClock(n.clock))
	require.NoError(n.t, err)
	n.t.Cleanup(func() { require.NoError(n.t, db.Close()) })
	q, err := queue.New(db, nil, queue.Options{}, zap.NewNop())
	require.NoError(n.t, err)
	p := &process{night: n, db: db, book: storage.NewSchedules(db), requests: storage.NewRequests(db, q.Enqueue, nil), facts: storage.NewFacts(db)}
	p.service = approvals.NewService(approvals.Options{Store: p.requests, Directory: n, NewID: p.requests.NewID, Now: n.clock,
		Standing: p.book, StandingMax: 90 * 24 * time.Hour, Fresh: slack.Fresh,
		Policy: func(string) approvals.Policy {
			n.mu.Lock()
			defer n.mu.Unlock()
			if n.policy.MinApprovals > 0 {
				return n.policy
			}
			return approvals.Policy{Users: []string{ann.ID, ben.ID, cat.ID}, MinApprovals: 1}
		}})
	p.loop = schedule.New(schedule.Options{Book: p.book, Runs: p.book, Requests: crashing{p.service, p}, Standing: p.service, Facts: p.facts, Wanter: p.facts,
		IDs: ids{p.requests, p.book}, Plan: n.plan, Now: n.clock, Log: zap.NewNop(),
		Defaults: func() approvals.Timing {
			return approvals.Timing{Zone: "UTC", Window: 4 * time.Hour, Lead: time.Hour, Missed: approvals.MissedSkip}
		}})
	return p
}

func (n *night) plan(_ context.Context, s approvals.Schedule) (engine.Plan, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return engine.Plan{Cluster: s.Cluster, Mode: "binlog-off", Hosts: []engine.HostPlan{{Name: s.Target,
		Steps: []engine.PlannedStep{{Seq: 1, Schema: "shop", Table: "orders", Bytes: max(900, n.bytes), Predicted: 100}}}}}, n.no
}

// nightly is a schedule of ann at 02:00.
func (p *process) nightly(missed approvals.Missed) bot.Scheduled {
	p.t.Helper()
	s, err := p.loop.Add(p.t.Context(), approvals.Schedule{Cluster: "db", Target: "db-3", Command: "run db-3 --schema=shop", Channel: "C1",
		Owner: ann, Timing: approvals.Timing{Cron: "0 2 * * *", Missed: missed}})
	require.NoError(p.t, err)
	require.Equal(p.t, p.slotOf(4), s.Next)
	return s
}

// round lets the loops of several processes look at the clock, many times, at the same time.
func round(t *testing.T, ps ...*process) {
	t.Helper()
	var wg sync.WaitGroup
	for _, p := range ps {
		for range 5 {
			wg.Go(func() {
				if err := p.loop.Round(context.WithoutCancel(t.Context())); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
}

func (p *process) asked() []approvals.Request {
	p.t.Helper()
	rs, err := p.facts.Requests(p.t.Context(), "", "", 100)
	require.NoError(p.t, err)
	slices.Reverse(rs)
	for i := range rs { // a list has no plans
		rs[i], err = p.requests.Request(p.t.Context(), rs[i].ID)
		require.NoError(p.t, err)
	}
	return rs
}

func (p *process) review(r approvals.Request, by approvals.Actor) (approvals.Request, error) {
	return p.service.Review(p.t.Context(), approvals.ReviewInput{RequestID: r.ID, Digest: r.Digest, Reviewer: by, Decision: approvals.Approve})
}

// told lists what the log says about schedules.
func (p *process) told() []string {
	p.t.Helper()
	events, err := p.facts.EventsAfter(p.t.Context(), 0, 1000)
	require.NoError(p.t, err)
	var out []string
	for _, e := range events {
		switch e.Kind {
		case approvals.EventScheduleChanged, approvals.EventScheduleSkipped, approvals.EventScheduleLate:
			out = append(out, string(e.Kind)+" "+what(p.t, e))
		}
	}
	return out
}

func (p *process) open() []approvals.ScheduleRun {
	p.t.Helper()
	runs, err := p.book.OpenRuns(p.t.Context())
	require.NoError(p.t, err)
	return runs
}

func TestScheduleHappensOnceOverProcesses(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	one, two := n.process(), n.process()
	s := one.nightly("")
	n.at("04 00:59:59")
	round(t, one, two)
	require.Empty(t, one.asked(), "announced an hour ahead, not earlier")
	n.at("04 01:00:00")
	round(t, one, two)
	require.Len(t, one.asked(), 1)
	r := one.asked()[0]
	require.Equal(t, "schedule:"+s.ID, r.Requester.ID)
	require.Equal(t, []approvals.Actor{ann}, r.Barred)
	require.Equal(t, n.slotOf(4), r.NotBefore)
	require.Equal(t, n.slotOf(4).Add(4*time.Hour), r.Expires)
	require.Equal(t, 4*time.Hour, r.Plan.Bounds.Time)
	_, err := one.review(r, ann)
	require.ErrorContains(t, err, "barred", "the author of a schedule does not approve its runs")
	_, err = two.review(r, ben)
	require.NoError(t, err)
	round(t, one, two)
	require.Equal(t, approvals.RunStarted, one.open()[0].State)
	jobs, err := one.facts.Jobs(t.Context(), r.ID)
	require.NoError(t, err)
	require.Equal(t, engine.JobQueued, jobs[0].State, "it waits for its time")

	// The processes end; the next ones go on, and the next night is another slot.
	three, four := n.process(), n.process()
	_, err = three.facts.Want(t.Context(), r.ID, engine.WantCancel, ben)
	require.NoError(t, err)
	n.at("05 01:30:00")
	round(t, three, four)
	round(t, three, four)
	require.Len(t, three.asked(), 2)
	require.Equal(t, n.slotOf(5), three.asked()[1].NotBefore)
	require.Equal(t, []string{"schedule.changed added"}, three.told())
	_, err = storage.NewAudit(three.db).Verify(t.Context())
	require.NoError(t, err)
}

func (n *night) slotOf(day int) time.Time { return time.Date(2030, 3, day, 2, 0, 0, 0, time.UTC) }

func TestScheduleNotApprovedInTime(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	p := n.process()
	p.nightly("")
	n.at("04 01:10:00")
	round(t, p)
	r := p.asked()[0]
	n.at("04 06:00:00")
	_, err := p.review(r, ben)
	require.ErrorContains(t, err, "expired")
	due, err := p.requests.DueExpiries(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{r.ID}, due)
	require.NoError(t, p.service.Expire(t.Context(), due))
	round(t, p)
	require.Equal(t, []string{"schedule.changed added", "schedule.skipped not_approved"}, p.told())
	require.Empty(t, p.open())
}

func TestScheduleMissedWhileDown(t *testing.T) {
	t.Parallel()
	for missed, want := range map[approvals.Missed][]string{
		approvals.MissedSkip: {"schedule.changed added", "schedule.skipped missed"},
		approvals.MissedOnce: {"schedule.changed added", "schedule.late missed"},
	} {
		t.Run(string(missed), func(t *testing.T) {
			t.Parallel()
			n := newNight(t)
			n.process().nightly(missed)
			n.at("07 12:00:00") // four nights later
			one, two := n.process(), n.process()
			round(t, one, two)
			round(t, one, two)
			require.Equal(t, want, one.told())
			if missed == approvals.MissedSkip {
				require.Empty(t, one.asked())
				return
			}
			require.Len(t, one.asked(), 1, "four missed nights are asked for once")
			require.Equal(t, n.clock(), one.asked()[0].NotBefore)
			require.Equal(t, n.slotOf(7), one.open()[0].Slot)
		})
	}
}

// A process that ends after it stored the request's id and before it asked: the other one goes on
// with that id, and nobody asks twice.
func TestScheduleCrashBeforeAsking(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	one, two := n.process(), n.process()
	one.nightly("")
	n.at("04 01:00:00")
	one.submits = errors.New("killed")
	require.Error(t, one.loop.Round(t.Context()))
	require.Empty(t, one.asked())
	id := one.open()[0].RequestID
	require.NotEmpty(t, id)
	round(t, one, two)
	require.Len(t, two.asked(), 1)
	require.Equal(t, id, two.asked()[0].ID)
}

func TestScheduleLooksFirst(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	n.no = &engine.Problem{Code: "stale_snapshot", Text: "too old"}
	one, two := n.process(), n.process()
	one.nightly("")
	n.at("04 01:00:00")
	round(t, one, two)
	require.Len(t, one.asked(), 1)
	look := one.asked()[0]
	require.Equal(t, approvals.KindDiscover, look.Kind)
	_, err := one.review(look, cat)
	require.NoError(t, err)
	round(t, one, two)
	require.Len(t, one.asked(), 1, "it waits for the discovery to end")
	one.finish(look.ID)
	n.mu.Lock()
	n.no = nil
	n.mu.Unlock()
	n.at("04 01:05:00")
	round(t, one, two)
	require.Len(t, one.asked(), 2)
	require.Equal(t, "run db-3 --schema=shop --after="+look.ID, one.asked()[1].Command, "its card belongs to the thread of the discovery")
}

// finish lets a job end well.
func (p *process) finish(id string) {
	leases, journal := storage.NewLeases(p.db), storage.NewJournal(p.db)
	l, err := leases.Take(p.t.Context(), id, "w", time.Minute)
	require.NoError(p.t, err)
	require.NoError(p.t, journal.SetJob(p.t.Context(), l, engine.JobChange{State: engine.JobRunning, Event: engine.Event{Kind: engine.EventJobStarted}}))
	require.NoError(p.t, journal.SetJob(p.t.Context(), l, engine.JobChange{State: engine.JobSucceeded, Event: engine.Event{Kind: engine.EventJobCompleted}}))
}

func TestScheduleSkipPauseEdit(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	p := n.process()
	s := p.nightly("")
	stranger := approvals.Actor{ID: "U0EVE", Name: "eve"}
	_, err := p.loop.Do(t.Context(), s.ID, stranger, bot.ScheduleSkip)
	require.ErrorContains(t, err, "not_yours_to_stop")

	// Before it is announced, the next one is skipped.
	x, err := p.loop.Do(t.Context(), s.ID, ben, bot.ScheduleSkip)
	require.NoError(t, err)
	require.Equal(t, n.slotOf(4), x.Skipped)
	require.Equal(t, n.slotOf(5), x.Next)
	n.at("04 01:30:00")
	round(t, p)
	require.Empty(t, p.asked())

	// An edit takes back what waits and asks again, and its editor may not approve either.
	n.at("05 01:10:00")
	round(t, p)
	first := p.asked()[0]
	_, err = p.loop.Edit(t.Context(), s.ID, ben, func(s *approvals.Schedule) error { s.Command = "run db-3 --schema=crm"; return nil })
	require.NoError(t, err)
	n.at("05 01:11:00")
	round(t, p)
	round(t, p)
	require.Len(t, p.asked(), 2)
	was, err := p.requests.Request(t.Context(), first.ID)
	require.NoError(t, err)
	require.Equal(t, approvals.Superseded, was.State)
	second := p.asked()[1]
	require.Equal(t, "run db-3 --schema=crm", second.Command)
	_, err = p.review(second, ben)
	require.ErrorContains(t, err, "barred")
	_, err = p.review(second, cat)
	require.NoError(t, err)
	round(t, p)

	// Approved, and skipped before its time: the job ends unstarted.
	_, err = p.loop.Do(t.Context(), s.ID, cat, bot.ScheduleSkip)
	require.NoError(t, err)
	jobs, err := p.facts.Jobs(t.Context(), second.ID)
	require.NoError(t, err)
	require.Equal(t, engine.JobCancelled, jobs[0].State)

	// Paused with a request open: it is taken back, as is work that was approved and has not begun, and no night comes until it is resumed.
	n.at("06 01:10:00")
	round(t, p)
	third := p.asked()[2]
	_, err = p.loop.Do(t.Context(), s.ID, ann, bot.SchedulePause)
	require.NoError(t, err)
	was, err = p.requests.Request(t.Context(), third.ID)
	require.NoError(t, err)
	require.Equal(t, approvals.Withdrawn, was.State)
	n.at("09 12:00:00")
	round(t, p)
	_, err = p.loop.Do(t.Context(), s.ID, ann, bot.ScheduleResume)
	require.NoError(t, err)
	round(t, p)
	require.Len(t, p.asked(), 3, "the nights of the pause were not missed")
	require.Equal(t, []string{"schedule.changed added", "schedule.skipped person", "schedule.changed edited", "schedule.skipped person",
		"schedule.changed paused", "schedule.skipped stopped", "schedule.changed resumed"}, p.told())

	// Who paused and resumed it wrote nothing: what ben wrote is still not ben's to approve.
	n.at("10 01:10:00")
	round(t, p)
	_, err = p.review(p.asked()[3], ben)
	require.ErrorContains(t, err, "barred")
	_, err = p.loop.Do(t.Context(), s.ID, ann, bot.ScheduleRemove)
	require.NoError(t, err)
	_, err = p.loop.Do(t.Context(), s.ID, ann, bot.ScheduleResume)
	require.ErrorContains(t, err, "no_schedule")
	var did []string
	require.NoError(t, storage.NewAudit(p.db).Export(t.Context(), func(l storage.AuditLink) error {
		var r storage.AuditRecord
		err := json.Unmarshal(l.Body, &r)
		if r.Action == storage.AuditSchedule {
			did = append(did, r.Decision+" "+r.By.Name)
		}
		return err
	}))
	require.Equal(t, []string{"added ann", "edited ben", "paused ann", "resumed ann", "removed ann"}, did)
	_, err = storage.NewAudit(p.db).Verify(t.Context())
	require.NoError(t, err)
}
