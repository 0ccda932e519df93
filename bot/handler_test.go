package bot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// ready is a world in which db-prod-3 was discovered.
func ready(t *testing.T, change ...func(*Options)) *world {
	w := newWorld(t, change...)
	w.found = append(w.found, discovery("R-OLD", w.now))
	return w
}

func TestErrorsGoToTheSenderAlone(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"discover db-prd-3":            "db-prd-3 is not a configured host or cluster.\n(Did you mean db-prod-3?)\n",
		"run db-prod-3 --schema shpo":  "There is no `shpo` on `db-prod-3` in the newest discovery. Did you mean `shop`?\nTry: `/recycle run db-prod-3 --schema shop`\n",
		"run db-prod-3 shop.ordres":    "There is no `shop.ordres` on `db-prod-3` in the newest discovery. Did you mean `shop.orders`?\nTry: `/recycle run db-prod-3 --table shop.orders`\n",
		"run db-prod-3 --table ordres": "There is no `ordres` on `db-prod-3` in the newest discovery. Did you mean `orders`?\nTry: `/recycle run db-prod-3 --table orders`\n",
		"run shop":                     "There is no fresh inventory of db-prod-2.\n(Discover the whole cluster: discover shop)\n[Discover first]\n",
		"status R-7QK9":                "There is no request `R-7QK9`.\nTry: `/recycle list`\n",
		"run db-prod-3 --after R-7QK1": "`run` has no flag `--after`.\n",
		"plan db-prod-3 --min-share 99%": "None of the 5 matching table(s) on db-prod-3 would give back enough to be worth a rebuild.\n" +
			"(A smaller --min-bytes or --min-share offers more tables.)\n",
		"version": "mysql-recycler `1.2.3`\n",
	} {
		t.Run(in, func(t *testing.T) {
			t.Parallel()
			w := ready(t)
			got := w.says(alice, in)
			require.Equal(t, want, got)
			require.Empty(t, w.requests)
			w.tells()
			require.Empty(t, w.posts)
		})
	}
}

func TestAnswersSpeakTheReadersLanguage(t *testing.T) {
	t.Parallel()
	w := ready(t)
	require.Contains(t, w.says(carol, "run db-prod-1"), "db-prod-1 受保护，不会执行任何操作（于 14:00:00 UTC 确认）。\n• db-prod-1 可写（read_only=0）")
	require.Contains(t, w.says(carol, "discvoer x"), "没有 `discvoer` 这个命令。 是否想输入 `discover`？")
	require.Contains(t, w.says(carol, "help"), "审批")
}

func TestOnlyTheClustersOwnChannels(t *testing.T) {
	t.Parallel()
	w := ready(t)
	for _, channel := range []string{"COTHER", "D1"} {
		require.Equal(t, "shop is not worked on from this channel.\n(Use the channel of its team (C1).)\n", w.saysIn(alice, channel, "run db-prod-3"))
	}
	require.Empty(t, w.requests)
}

func TestARunWithoutDiscoveryOffersOneAndThenShowsThePlanInItsThread(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	answer := w.says(alice, "run db-prod-3 --schema shop")
	require.Equal(t, "There is no approved discovery of db-prod-3 yet.\n(Discover it first: discover db-prod-3)\n[Discover first]\n", answer)
	button := w.whispers[0].m.Blocks[2].Actions[0]
	require.Contains(t, w.presses(alice, button.Action, button.Value), "the plan is posted in its thread")
	w.tells()
	require.Contains(t, w.show("R-7QK1/card"), "The plan of the run follows in this thread.")
	w.clicks(bob, "R-7QK1/card", ActionApprove)
	w.discovers("R-7QK1")
	w.tells()
	require.Len(t, w.requests, 2)
	require.Equal(t, alice, w.requests[1].Requester)
	require.Contains(t, w.thread("R-7QK1/card"), "Recycle db-prod-3: waiting for approval")
	require.Contains(t, w.show("R-7QK2/card"), "`/recycle run db-prod-3 --schema=shop` · `R-7QK2`", "what only the bot writes is not shown")
	require.NotContains(t, w.thread("R-7QK1/card"), "Ask to recycle")

	// After a crash before the cursor moved, the events are told again: no second request.
	w.cursor = 0
	w.tells()
	require.Len(t, w.requests, 2)

	// What follows is told in the same thread.
	w.clicks(bob, "R-7QK2/card", ActionApprove)
	w.moves("R-7QK2", engine.JobRunning, engine.EventJobStarted, "", nil)
	w.tells()
	require.Contains(t, w.thread("R-7QK1/card"), "Started on `db-prod-3`: 3 tables")
}

func TestARunThatItsDiscoveryRefusesIsToldInTheThread(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.says(alice, "run db-prod-1")
	button := w.whispers[0].m.Blocks[2].Actions[0]
	w.presses(alice, button.Action, button.Value)
	w.tells()
	w.clicks(bob, "R-7QK1/card", ActionApprove)
	w.discovers("R-7QK1")
	w.tells()
	require.Len(t, w.requests, 1)
	require.Contains(t, w.thread("R-7QK1/card"), "> @alice There is no plan for `/recycle run db-prod-1`.\n  db-prod-1 is protected and will not be touched")
}

func TestAStaleDiscoveryIsOfferedAgain(t *testing.T) {
	t.Parallel()
	w := ready(t)
	w.now = w.now.Add(3 * time.Hour)
	require.Contains(t, w.says(alice, "run db-prod-3"), "[Discover first]")
	require.Contains(t, w.says(alice, "plan db-prod-3"), "[Discover first]")
	require.Equal(t, "discover db-prod-3", w.whispers[1].m.Blocks[2].Actions[0].Value, "plan asks nobody, so nothing follows")
}

func TestPlanAsksNobodyUntilItsButton(t *testing.T) {
	t.Parallel()
	w := ready(t)
	for _, cmd := range []string{"plan db-prod-3 --schema shop", "run db-prod-3 --schema shop --dry-run"} {
		require.Contains(t, w.says(alice, cmd), "(Only you see this; nobody was asked.)\n[Ask for approval]")
	}
	require.Empty(t, w.requests)
	m := w.whispers[1].m
	b := m.Blocks[len(m.Blocks)-1].Actions[0]
	require.Equal(t, "Asked; the card is in the channel.\n", w.presses(alice, b.Action, b.Value))
	require.Equal(t, "run db-prod-3 --schema=shop", w.requests[0].Command)
}

func TestACommandHandledAgainAfterACrashAsksOnce(t *testing.T) {
	t.Parallel()
	w := ready(t)
	c := Command{Text: "run db-prod-3", User: alice, Channel: "C1", At: w.now, Reply: Reply{User: alice.ID}, Envelope: "slash:1.2.a"}
	require.NoError(t, w.bot.Command(t.Context(), c))
	w.now = w.now.Add(time.Minute)
	require.NoError(t, w.bot.Command(t.Context(), c))
	require.Len(t, w.requests, 1)
	c.Envelope = "slash:1.2.b"
	require.NoError(t, w.bot.Command(t.Context(), c))
	require.Len(t, w.requests, 2, "the same words typed again, in the same moment, are asked again")
}

func TestEveryClickIsAnsweredToTheClicker(t *testing.T) {
	t.Parallel()
	w := ready(t)
	w.says(alice, "run db-prod-3")
	w.tells()
	value := valueOf(w.requests[0])
	require.Contains(t, w.presses(alice, ActionApprove, value), "You asked for R-7QK1; someone else must decide.")
	require.Contains(t, w.presses(mal, ActionApprove, value), "You are not in the approver group of shop.")
	require.Contains(t, w.presses(mal, ActionApprove, value), "Who may: bob, carol.")
	require.Contains(t, w.presses(bob, ActionApprove, "R-7QK1|000000000000"), "The plan of R-7QK1 is not the one on the card you clicked.")
	require.Contains(t, w.presses(bob, ActionApprove, "R-7QK1"), "The plan of R-7QK1 is not the one")
	require.Contains(t, w.presses(bob, ActionApprove, "R-NOPE|x"), "There is no request R-NOPE.")
	require.Contains(t, w.presses(bob, ActionApprove, ""), "There is no request")
	require.Contains(t, w.presses(bob, "launch", value), "This button is not known to me")
	require.Contains(t, w.presses(bob, ActionRun, "discover db-prod-3"), "This button is not known to me")
	require.Contains(t, w.presses(bob, ActionRun, "run db-prod-3 --after R-7QK1"), "This button is not known to me")
	require.Contains(t, w.presses(mal, ActionWithdraw, value), "Only the requester can withdraw R-7QK1.")
	require.Equal(t, approvals.Pending, w.requests[0].State)
	require.Equal(t, "Your approval of `R-7QK1` counts; `db-prod-3` is next.\n", w.presses(bob, ActionApprove, value))
	require.Contains(t, w.presses(carol, ActionApprove, value), "R-7QK1 已有结论：已批准（bob，14:00:12 UTC）。")
	require.Contains(t, w.presses(bob, ActionDeny, value), "R-7QK1 is already approved by bob")
	require.Empty(t, w.forms)
	require.Len(t, w.jobs["R-7QK1"], 1)
}

func TestAClickThatArrivesLate(t *testing.T) {
	t.Parallel()
	w := ready(t)
	w.says(alice, "run db-prod-3")
	w.now = w.now.Add(5 * time.Hour)
	require.Contains(t, w.presses(bob, ActionApprove, valueOf(w.requests[0])), "R-7QK1 expired at 18:00 UTC.")
	require.Empty(t, w.jobs["R-7QK1"])
}

func TestDenyNeedsAReason(t *testing.T) {
	t.Parallel()
	w := ready(t)
	w.says(alice, "run db-prod-3")
	w.tells()
	require.Contains(t, w.clicks(alice, "R-7QK1/card", ActionDeny), "someone else must decide")
	require.Empty(t, w.clicks(bob, "R-7QK1/card", ActionDeny), "the form is the answer")
	f := w.forms[0]
	require.Equal(t, FormDeny, f.ID)
	for _, s := range []string{f.Title, f.Submit, f.Cancel} {
		require.LessOrEqual(t, len(s), 24)
	}
	send := func(who approvals.Actor, reason string) map[string]string {
		bad, err := w.bot.Submit(t.Context(), Submission{Form: f.ID, Ref: f.Ref, User: who, Values: map[string]string{"reason": reason}, Reply: Reply{User: who.ID}})
		require.NoError(t, err)
		return bad
	}
	require.Equal(t, "Please say why in a few words.", send(bob, "  ")["reason"])
	require.Equal(t, approvals.Pending, w.requests[0].State)
	require.Empty(t, send(mal, "because"))
	require.Equal(t, approvals.Pending, w.requests[0].State, "the form proves nothing")
	require.Empty(t, send(bob, "backup is running"))
	w.tells()
	require.Equal(t, "## db-prod-3: denied\n@alice asked: `/recycle run db-prod-3` · `R-7QK1`\n"+
		":no_entry: Denied by @bob, 2026-11-23 14:00 UTC · plan `"+digest8(w.requests[0].Digest)+"` “backup is running”\n", w.show("R-7QK1/card"))
	require.Equal(t, "> @alice bob denied `R-7QK1`: backup is running\n", w.thread("R-7QK1/card"))
}

func TestWithdrawAndAskAgain(t *testing.T) {
	t.Parallel()
	w := ready(t)
	w.says(alice, "run db-prod-3")
	w.tells()
	require.Equal(t, "You withdrew `R-7QK1`.\n", w.clicks(alice, "R-7QK1/card", ActionWithdraw))
	w.tells()
	require.Contains(t, w.show("R-7QK1/card"), "## db-prod-3: withdrawn")
	require.Empty(t, w.says(bob, "retry 7qk1"))
	require.Equal(t, bob, w.requests[1].Requester, "who asks again is the requester")
	require.Contains(t, w.says(bob, "cancel R-7QK2"), "You withdrew `R-7QK2`.")
}

func TestTwoApprovals(t *testing.T) {
	t.Parallel()
	w := ready(t)
	w.minimum = 2
	w.says(alice, "run db-prod-3")
	w.tells()
	require.Contains(t, w.show("R-7QK1/card"), "Needs the approval of 2 other people: bob, carol")
	require.Equal(t, "Your approval of `R-7QK1` counts: 1 of 2.\n", w.clicks(bob, "R-7QK1/card", ActionApprove))
	w.tells()
	require.Contains(t, w.show("R-7QK1/card"), "1 of 2 approvals (bob); needs more")
	require.Contains(t, w.thread("R-7QK1/card"), "bob approved `R-7QK1`: 1 of 2.")
	require.Contains(t, w.clicks(bob, "R-7QK1/card", ActionApprove), "You already decided on R-7QK1")
	require.Contains(t, w.clicks(carol, "R-7QK1/card", ActionApprove), "你已批准 `R-7QK1`")
	w.tells()
	require.Contains(t, w.show("R-7QK1/card"), "Approved by @bob")
	require.Contains(t, w.show("R-7QK1/card"), "Approved by @carol")
}

// running is a world with a run of alice on db-prod-3 that has begun.
func running(t *testing.T, change ...func(*Options)) *world {
	w := ready(t, change...)
	w.says(alice, "run db-prod-3 --min-share 1%")
	w.tells()
	w.clicks(bob, "R-7QK1/card", ActionApprove)
	w.moves("R-7QK1", engine.JobRunning, engine.EventJobStarted, "", nil)
	w.tells()
	return w
}

// racing is a store in which the first job ends just before anything is wanted of it.
type racing struct{ *world }

func (w racing) Want(ctx context.Context, id string, want engine.Wanted, by approvals.Actor) (engine.Job, error) {
	w.job("R-7QK1").State = engine.JobSucceeded
	return w.world.Want(ctx, id, want, by)
}

// A host that is done meanwhile keeps nothing from the others.
func TestWantedOfSeveralHostsOfWhichOneJustEnded(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]engine.Wanted{"cancel R-7QK1": engine.WantCancel, "pause R-7QK1": engine.WantPause, "pause R-7QK1 --now": engine.WantPauseNow} {
		w := running(t, func(o *Options) { o.Wanter = racing{o.Wanter.(*world)} })
		for _, id := range []string{"R-7QK1b", "R-7QK1c"} {
			j := *w.job("R-7QK1")
			j.ID = id
			w.jobs["R-7QK1"] = append(w.jobs["R-7QK1"], j)
		}
		require.NotContains(t, w.says(alice, in), "it is succeeded", in)
		require.Equal(t, engine.WantRun, w.job("R-7QK1").Wanted, in)
		require.Equal(t, want, w.job("R-7QK1b").Wanted, in)
		require.Equal(t, want, w.job("R-7QK1c").Wanted, in)
	}
	w := running(t, func(o *Options) { o.Wanter = racing{o.Wanter.(*world)} })
	require.Contains(t, w.says(alice, "cancel R-7QK1"), "R-7QK1 has ended: it is succeeded.", "when that was all, it is told")
}

func TestPauseResumeCancel(t *testing.T) {
	t.Parallel()
	w := running(t)
	require.Contains(t, w.says(mal, "cancel R-7QK1"), "Only alice, who asked for it, and the approvers of shop may do this to R-7QK1.")
	require.Equal(t, engine.WantRun, w.job("R-7QK1").Wanted)
	require.Equal(t, "`R-7QK1` pauses when the running table has ended.\n", w.clicks(bob, "R-7QK1/card", ActionPause))
	w.tells()
	require.Contains(t, w.show("R-7QK1/card"), "Pausing: the running table ends first")
	require.Contains(t, w.show("R-7QK1/card"), "[Resume] [Cancel the run]")
	w.moves("R-7QK1", engine.JobPaused, engine.EventJobPaused, "paused by a person", nil)
	w.tells()
	require.Contains(t, w.show("R-7QK1/card"), "## Recycle db-prod-3: paused")
	require.Equal(t, "`R-7QK1` goes on.\n", w.says(alice, "resume 7qk1"))
	w.moves("R-7QK1", engine.JobRunning, engine.EventJobResumed, "resumed by a person", engine.Resumed{ByPerson: true})
	require.Contains(t, w.says(alice, "pause 7qk1 --now"), "pauses now")
	require.Contains(t, w.says(alice, "cancel 7qk1"), "is being cancelled")
	w.tells()
	require.NotContains(t, w.show("R-7QK1/card"), "[", "nothing more can be asked of it")
	w.moves("R-7QK1", engine.JobCancelled, engine.EventJobCancelled, "cancelled by a person", nil)
	w.tells()
	require.Contains(t, w.show("R-7QK1/card"), "[Retry the 4 tables left]")
	require.Contains(t, w.says(bob, "pause R-7QK1"), "R-7QK1 is not running: it is approved and cancelled.")
	golden(t, "pause", w.thread("R-7QK1/card"))
}

func TestListsAndStatus(t *testing.T) {
	t.Parallel()
	w := running(t)
	w.rebuilds("R-7QK1", 1, gib, 70*time.Second)
	w.says(bob, "discover shop")
	var log strings.Builder
	for _, c := range []string{"list", "list pending", "list running", "list mine", "history db-prod-3", "history db-prod-2", "status R-7QK1", "top", "top db-prod-2", "whoami", "help", "help run"} {
		fmt.Fprintf(&log, "=== /recycle %s\n%s\n", c, w.says(alice, c))
	}
	golden(t, "lists", log.String())
	require.Contains(t, w.says(alice, "status R-7QK7"), "Did you mean `R-7QK2`?")
}

func TestErrorsOfOursHideNothingAndSayNothing(t *testing.T) {
	t.Parallel()
	w := ready(t, func(o *Options) { o.Planner = brokenPlanner{} })
	got := w.says(alice, "run db-prod-3")
	require.Regexp(t, "^Something went wrong on my side. An administrator finds it in the log under `E-[0-9A-F]{6}`.\n$", got)
	require.NotContains(t, got, "secret")
}

type brokenPlanner struct{}

func (brokenPlanner) Plan(context.Context, engine.PlanSpec) (engine.Plan, error) {
	return engine.Plan{}, errors.New("secret of the disk")
}
