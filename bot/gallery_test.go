package bot

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/throttle"
)

// exhibit is one message or form of the gallery, which package bot/slack shows in the sandbox.
type exhibit struct {
	Title   string   `json:"title"`
	Message *Message `json:"message,omitempty"`
	Whisper bool     `json:"whisper,omitempty"`
	Form    *Form    `json:"form,omitempty"`
}

// gallery collects what a world shows.
type gallery struct {
	w    *world
	l    Locale
	ch   string
	me   approvals.Actor // who asks: reads the language
	all  []exhibit
	seen map[string]bool
	told int
}

func (g *gallery) add(title string, m Message, whisper bool) {
	g.all = append(g.all, exhibit{Title: string(g.l) + ": " + title, Message: &m, Whisper: whisper})
}

// look adds every post that is new or was edited.
func (g *gallery) look(title string) {
	g.w.tells()
	for _, p := range g.w.posts {
		if id := p.Key + string(p.Body); !g.seen[id] {
			g.seen[id] = true
			g.add(title+" · "+strings.SplitN(p.Key, "/", 2)[1], g.w.message(p.Key), false)
		}
	}
}

// says types a command and adds its answer.
func (g *gallery) says(who approvals.Actor, text string) {
	g.w.saysIn(who, g.ch, text)
	if g.l == Chinese && who == bob {
		g.told = len(g.w.whispers)
	}
	g.heard(text)
}

func (g *gallery) heard(title string) {
	for ; g.told < len(g.w.whispers); g.told++ {
		g.add(title, g.w.whispers[g.told].m, true)
	}
}

// clicks presses a button and adds its answer.
func (g *gallery) clicks(who approvals.Actor, key, action string) {
	g.w.in = g.ch
	g.w.clicks(who, key, action)
	if g.l == Chinese && who == bob { // bob reads English
		g.told = len(g.w.whispers)
	}
	g.heard("click " + action)
}

// TestGallery keeps every kind of message in both languages as one file. Package bot/slack posts
// them to the sandbox, so that people can look at them:
//
//	go test ./bot/slack -run TestGallery -gallery 127.0.0.1:8377 -timeout 0
func TestGallery(t *testing.T) {
	t.Parallel()
	var all []exhibit
	for _, l := range []Locale{English, Chinese} {
		g := &gallery{l: l, ch: map[Locale]string{English: "C1", Chinese: "CZH"}[l], seen: map[string]bool{}, me: map[Locale]approvals.Actor{English: alice, Chinese: carol}[l]}
		g.discovery(t)
		g.run(t)
		g.hard(t)
		g.troubles(t)
		g.schedules(t)
		g.breakGlass(t)
		g.week(t)
		g.regions(t)
		all = append(all, g.all...)
	}
	kinds := 0
	for _, x := range all {
		if x.Message != nil {
			require.NotEmpty(t, x.Message.Summary, x.Title)
			kinds++
		}
	}
	require.Greater(t, kinds, 80)
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	for _, x := range all {
		require.NoError(t, enc.Encode(x))
	}
	golden(t, "gallery", out.String())
}

func (g *gallery) discovery(t *testing.T) {
	g.w, g.told = newWorld(t), 0
	g.says(g.me, "run db-prod-3 --schema shop")
	g.says(g.me, "discover db-prod-3")
	g.look("discovery asked")
	g.clicks(g.me, "R-7QK1/card", ActionApprove)
	g.clicks(bob, "R-7QK1/card", ActionApprove)
	g.look("discovery approved")
	g.w.discovers("R-7QK1")
	g.look("discovery done")
	g.says(g.me, "top")
	g.says(g.me, "run db-prod-1")
	g.says(g.me, "plan db-prod-3 --schema shop")
	for _, s := range []string{"help", "help run", "help schedule", "list", "status R-7QK1", "whoami", "version", "discover db-prd-3", "discvoer x", `run db-prod-3 --schema "shop`} {
		g.says(g.me, s)
	}
	g.home("home, empty")
	g.says(g.me, " ")
	f := g.w.forms[len(g.w.forms)-1]
	g.all = append(g.all, exhibit{Title: string(g.l) + ": form new", Form: &f})
}

// home adds the home page of the one who asks and of bob, who decides.
func (g *gallery) home(title string) {
	g.add(title, g.w.home(g.me), true)
	if g.l == English { // bob reads English
		g.add(title+", an approver's", g.w.home(bob), true)
	}
}

func (g *gallery) run(t *testing.T) {
	w := g.w
	g.says(g.me, "run db-prod-3 --schema shop")
	g.look("run asked")
	w.settings.Bounds.Window = engine.Window{From: "22:00", To: "06:00", Zone: "Asia/Shanghai", Days: []string{"sat", "sun"}}
	g.says(g.me, "plan db-prod-3 --window 23:00-05:00 --until 04:00")
	g.says(g.me, "plan db-prod-3 --window 20:00-05:00")
	g.says(g.me, "plan db-prod-3 --window 22.00-05.00")
	w.settings.Bounds.Window = engine.Window{}
	id := w.requests[len(w.requests)-1].ID
	for _, action := range []string{ActionDeny, ActionApproveNote} {
		g.clicks(bob, id+"/card", action)
		f := w.forms[len(w.forms)-1]
		g.all = append(g.all, exhibit{Title: string(g.l) + ": form " + action, Form: &f})
	}
	g.clicks(bob, id+"/card", ActionApprove)
	g.look("run approved")
	w.moves(id, engine.JobRunning, engine.EventJobStarted, "", nil)
	j := w.job(id)
	j.Steps[0].State = engine.StepRunning
	w.live[id] = []engine.LiveStep{{Seq: 1, Table: "shop.orders", Progress: rebuild.Progress{Phase: "merge sort", Fraction: 0.5, Rate: 40e6, ETA: 25 * time.Second}}}
	g.look("run running")
	g.w.saysIn(alice, g.ch, "run db-prod-3 --schema crm")
	g.w.saysIn(alice, g.ch, "discover db-prod-2")
	g.home("home")
	for _, r := range w.requests[len(w.requests)-2:] {
		_, err := storeOf{w}.Close(t.Context(), r.ID, approvals.Withdrawn, alice, "")
		require.NoError(t, err)
	}
	lag := throttle.Reason{Metric: "replica_lag", Value: 14, Limit: 10, Unit: "s", Where: "db-prod-3"}
	w.moves(id, "", engine.EventJobThrottled, "", throttle.Verdict{Throttled: true, Reasons: []throttle.Reason{lag}})
	g.look("run waits")
	w.moves(id, "", engine.EventJobThrottled, "", throttle.Verdict{})
	g.clicks(g.me, id+"/card", ActionPause)
	w.moves(id, engine.JobPaused, engine.EventJobPaused, "", nil)
	g.look("run paused")
	w.rebuilds(id, 1, gib, 70*time.Second)
	w.moves(id, engine.JobRunning, engine.EventJobResumed, "resumed by a person", engine.Resumed{ByPerson: true, Ended: 1})
	w.rebuilds(id, 2, 100*mib, 4*time.Second)
	w.rebuilds(id, 3, 130*mib, 3*time.Second)
	g.look("run goes on")
	w.moves(id, engine.JobSucceeded, engine.EventJobCompleted, "", nil)
	g.look("run done")
}

// hard is a plan for tables that need care, with and without the permission to copy.
func (g *gallery) hard(t *testing.T) {
	for _, copies := range []bool{false, true} {
		g.w, g.told = ready(t), 0
		g.w.settings.Limits.CriticalLag, g.w.settings.Policy.AllowCopy = time.Minute, copies
		hard(&g.w.found[0])
		g.says(g.me, "plan db-prod-3 --schema shop")
		g.w.saysIn(g.me, g.ch, "run db-prod-3 --schema shop")
		g.look("run of tables that need care asked")
	}
	g.w, g.told = ready(t), 0
	hard(&g.w.found[0])
	g.says(g.me, "plan db-prod-3 --table articles")

	g.w, g.told = ready(t), 0
	g.w.settings.Policy.AllowCopy = true
	parted(&g.w.found[0])
	g.w.saysIn(g.me, g.ch, "run db-prod-3 --schema shop")
	g.look("run with single partitions asked")
}

// troubles are the ends nobody wants.
func (g *gallery) troubles(t *testing.T) {
	g.w, g.told = ready(t), 0
	w := g.w
	ask := func() string {
		w.saysIn(g.me, g.ch, "run db-prod-3")
		g.look("asked")
		return w.requests[len(w.requests)-1].ID
	}
	closes := func(to approvals.State, why string) {
		_, err := storeOf{w}.Close(t.Context(), ask(), to, approvals.Actor{}, why)
		require.NoError(t, err)
		g.look(string(to))
	}
	closes(approvals.Expired, "nobody decided in time")
	closes(approvals.Withdrawn, "")
	closes(approvals.Superseded, "db-prod-3 became the primary.")
	id := ask()
	_, err := w.bot.o.Requests.Review(t.Context(), approvals.ReviewInput{RequestID: id, Digest: w.requests[len(w.requests)-1].Digest, Reviewer: bob,
		Decision: approvals.Deny, Comment: "freeze until Monday"})
	require.NoError(t, err)
	g.look("denied")
	for _, end := range []struct {
		state engine.JobState
		kind  engine.EventKind
		why   string
		data  any
	}{
		{engine.JobFailed, engine.EventJobFailed, "the disk of db-prod-3 is full", nil},
		{engine.JobCancelled, engine.EventJobCancelled, "cancelled by a person", nil},
		{engine.JobRefused, engine.EventJobRefused, "db-prod-3 accepts writes (read_only=0)", guard.Verdict{Findings: []guard.Finding{
			{Validator: "read_only", Refused: true, Sentence: "db-prod-3 accepts writes (read_only=0)"}}}},
	} {
		id := ask()
		g.clicks(bob, id+"/card", ActionApprove)
		w.moves(id, engine.JobRunning, engine.EventJobStarted, "", nil)
		w.rebuilds(id, 1, gib, 70*time.Second)
		st := &w.job(id).Steps[1]
		st.State, st.Reason = engine.StepFailed, "server error 1114"
		w.append(engine.Event{Kind: engine.EventStepFailed, RequestID: id, JobID: id, Step: 2})
		w.moves(id, "", engine.EventJobNotice, "", engine.Notice{Severity: "warning", Sentence: "db-prod-3 does not answer; trying again for up to 15m."})
		for _, kind := range []engine.AlertKind{engine.AlertPromoted, engine.AlertUnwatched, engine.AlertSetting} {
			if end.state == engine.JobRefused {
				w.moves(id, "", engine.EventJobNotice, "", engine.Notice{Severity: engine.SeverityAlert, Alert: kind,
					Sentence: "What happened to db-prod-3 while shop.orders was rebuilt, in the engine's words."})
			}
		}
		w.moves(id, end.state, end.kind, end.why, end.data)
		g.look(fmt.Sprint("run ", end.state))
	}
}

// breakGlass is asked for with a form, and told in the audit channel.
func (g *gallery) breakGlass(t *testing.T) {
	g.w, g.told = glassRoom(t), 0
	g.w.glass.Users = append(g.w.glass.Users, g.me.ID)
	g.says(g.me, "run db-prod-3 --break-glass")
	f := g.w.forms[len(g.w.forms)-1]
	g.all = append(g.all, exhibit{Title: string(g.l) + ": form break-glass", Form: &f})
	g.says(bob, "run db-prod-3 --break-glass")
	_, err := g.w.bot.Submit(t.Context(), Submission{Form: FormBreakGlass, Ref: f.Ref, User: g.me, Values: map[string]string{"reason": because, "host": "db-prod-3"},
		Reply: Reply{User: g.me.ID, Channel: g.ch}})
	require.NoError(t, err)
	g.look("break-glass asked")
	g.clicks(bob, g.w.requests[0].ID+"/card", ActionApprove)
	g.look("break-glass approved")
}

// week is what a channel is told on Mondays.
func (g *gallery) week(t *testing.T) {
	g.w, g.told = aWeek(t, g.ch), 0
	g.w.tells()
	for _, key := range strings.Fields(g.w.digests()) {
		g.add("weekly summary · "+key, g.w.message(key), false)
	}
}

func (g *gallery) regions(t *testing.T) {
	g.w, g.told = fleet(t), 0
	g.w.saysIn(alice, g.ch, "discover db-prod-3")
	g.told = len(g.w.whispers)
	g.says(g.me, "region pause eu")
	g.says(g.me, "region pause mars")
	g.w.tells()
	g.w.clicks(bob, "R-7QK1/card", ActionApprove)
	g.told = len(g.w.whispers)
	g.look("a region is paused")
	g.says(g.me, "nodes")
}

func (g *gallery) schedules(t *testing.T) {
	w, b := scheduled(t)
	g.w, g.told = w, 0
	g.says(g.me, "schedule")
	g.says(g.me, `schedule add db-prod-3 --cron "0 2 * * sun" --zone Asia/Shanghai --schema shop`)
	g.says(g.me, "schedule list")
	r := b.asks(g.ch)
	g.look("schedule announced")
	w.standing.s, w.standing.tell = b.s, w.append
	g.clicks(bob, r.ID+"/card", ActionStanding)
	f := w.forms[len(w.forms)-1]
	g.all = append(g.all, exhibit{Title: string(g.l) + ": form standing approval", Form: &f})
	for _, bytes := range []string{"1MB", "6GB"} {
		bad, err := w.bot.Submit(t.Context(), Submission{Form: f.ID, Ref: f.Ref, User: bob, Values: map[string]string{"tables": "6", "bytes": bytes, "days": "30"},
			Reply: Reply{User: bob.ID, Channel: g.ch}})
		require.NoError(t, err)
		require.Equal(t, bytes == "1MB", bad["bytes"] != "")
	}
	if g.l == English { // bob reads English
		g.heard("standing approval given")
	}
	g.told = len(w.whispers)
	g.look("standing approval")
	for _, d := range []approvals.Draft{{Rule: approvals.RuleStanding, Grounds: approvals.Grounds{Grants: w.standing.grants}},
		{Grounds: approvals.Grounds{Outside: []approvals.Difference{{What: approvals.DiffBytes, Who: "bob", Was: "6000000000", Now: "9000000000"}, {What: approvals.DiffConfig, Who: "bob"}}}}} {
		d.Kind, d.Cluster, d.Target, d.Command, d.Requester, d.Barred, d.Channel = approvals.KindRecycle, b.s.Cluster, b.s.Target, b.s.Command, b.s.Actor(), b.s.Barred(), g.ch
		d.Plan, d.NotBefore, d.Expires = r.Plan, w.now.Add(time.Hour), w.now.Add(5*time.Hour)
		_, err := w.bot.o.Requests.Submit(t.Context(), d)
		require.NoError(t, err)
		g.look("next run")
	}
	_, err := w.bot.o.Requests.(*approvals.Service).EndStanding(t.Context(), b.s, alice, "withdrawn")
	require.NoError(t, err)
	g.look("standing approval withdrawn")
	r = b.asks(g.ch)
	g.look("schedule announced again")
	g.clicks(bob, r.ID+"/card", ActionApprove)
	g.look("schedule approved")
	for _, what := range []string{"not_approved", "refused", "missed", "person"} {
		b.tell(approvals.EventScheduleSkipped, "", approvals.ScheduleFact{What: what, Slots: 3, Text: "db-prod-3 is protected."})
	}
	g.look("schedule skipped")
}
