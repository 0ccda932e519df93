package bot

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// named is a configuration in which each act has people of its own: bob alone looks, steers and
// schedules, the group asks.
func named(w *world) {
	one := approvals.People{Users: []string{bob.ID}}
	w.commands = map[approvals.Act]approvals.People{approvals.ActLook: one, approvals.ActSteer: one, approvals.ActSchedule: one,
		approvals.ActAsk: {Users: []string{bob.ID}, Groups: []string{"S1"}}}
	w.group = []string{alice.ID}
}

func TestWhoMayUseWhichCommand(t *testing.T) {
	t.Parallel()
	w := running(t)
	named(w)
	asking, steering, looking := "You may not ask for work on shop.", "You may not steer work on shop.", "You may not look at shop."
	for _, in := range []string{"discover db-prod-3", "run db-prod-3", "run shop", "retry R-7QK1"} {
		require.Contains(t, w.says(mal, in), asking+"\n(Who may: alice, bob.)", in)
	}
	for _, in := range []string{"pause R-7QK1", "pause R-7QK1 --now", "resume R-7QK1", "cancel R-7QK1", "skip R-7QK1 shop.carts"} {
		require.Equal(t, steering+"\n• You may ask: discover, run, retry.\n(Who may: bob.)\n", w.says(alice, in), "%s: who asked is not named", in)
	}
	for _, in := range []string{"plan db-prod-3", "run db-prod-3 --dry-run", "top shop", "top db-prod-3", "status R-7QK1", "history db-prod-3"} {
		require.Contains(t, w.says(mal, in), looking, in)
	}
	require.Contains(t, w.says(mal, "list"), "Nothing here.")
	require.NotContains(t, w.says(mal, "top"), "shop.orders")
	require.Contains(t, w.says(alice, "list"), "R-7QK1", "one's own are one's own")
	require.Contains(t, w.says(alice, "status R-7QK1"), "R-7QK1")
	require.Contains(t, w.says(carol, "pause R-7QK1"), "你不能控制 shop 上的任务。\n(有权限的人：bob。)")
	require.Len(t, w.requests, 1, "nobody refused has asked")
	require.Equal(t, engine.WantRun, w.job("R-7QK1").Wanted)

	require.Contains(t, w.says(bob, "pause R-7QK1"), "R-7QK1")
	require.Equal(t, engine.WantPause, w.job("R-7QK1").Wanted)
	require.Contains(t, w.says(bob, "top shop"), "shop.orders")
	require.Empty(t, w.says(alice, "discover db-prod-2"))
	require.Contains(t, w.says(alice, "cancel R-7QK2"), "You withdrew", "what nobody decided can be taken back")
}

func TestButtonsAndFormsKeepToThePermissions(t *testing.T) {
	t.Parallel()
	w := running(t)
	w.says(alice, "run db-prod-2")
	named(w)
	no := "You may not ask for work on shop."
	require.Contains(t, w.presses(mal, ActionRun, "run db-prod-3"), no)
	require.Contains(t, w.presses(mal, ActionDiscoverFirst, "run db-prod-3"), no)
	require.Contains(t, w.presses(mal, ActionAskAgain, valueOf(w.requests[0])), no)
	require.Contains(t, w.presses(alice, ActionPause, valueOf(w.requests[0])), "You may not steer work on shop.")
	require.Contains(t, w.presses(alice, ActionSkipTable, "skip R-7QK1 shop.carts"), "You may not steer work on shop.")
	bad, err := w.bot.Submit(t.Context(), Submission{Form: FormNew, Ref: "C1", User: mal, Values: map[string]string{"verb": "run", "host": "db-prod-3"}, Reply: Reply{User: mal.ID}})
	require.NoError(t, err)
	require.Contains(t, bad["host"], no)
	home, err := w.bot.Home(t.Context(), mal)
	require.NoError(t, err)
	require.NotContains(t, Text(home), "R-7QK1")
	home, err = w.bot.Home(t.Context(), bob)
	require.NoError(t, err)
	require.Contains(t, Text(home), "R-7QK1")
	require.Len(t, w.requests, 1)
}

func TestAnUnreadableGroupLetsNobodyIn(t *testing.T) {
	t.Parallel()
	w := ready(t)
	named(w)
	w.groupErr = errors.New("missing_scope")
	closed := "I could not read who may ask for work on shop, so only people named one by one may right now."
	require.Contains(t, w.says(alice, "run db-prod-3"), closed)
	require.Contains(t, w.says(carol, "run db-prod-3"), "暂时无法读取谁可以在 shop 上申请操作，目前只有单独列出的人可以。")
	require.Empty(t, w.requests)
	require.Empty(t, w.says(bob, "run db-prod-3"), "who is named needs no group")
	w.groupErr, w.group = nil, nil
	w.commands[approvals.ActAsk] = approvals.People{Groups: []string{"S1"}}
	require.Contains(t, w.says(bob, "run db-prod-3"), "Nobody may now: the groups named for it are empty.")
	w.commands = nil
	require.Empty(t, w.says(mal, "run db-prod-3"), "a reloaded configuration counts at once")
}

func TestOtherDoorsKeepToThePermissions(t *testing.T) {
	t.Parallel()
	w := running(t)
	named(w)
	refused := func(err error) {
		t.Helper()
		require.Equal(t, "not_permitted", codeOf(err), "%v", err)
	}
	for _, line := range []string{"discover db-prod-3", "run db-prod-3", "retry R-7QK1"} {
		_, err := w.bot.Ask(t.Context(), mal, "", line)
		refused(err)
	}
	_, err := w.bot.WantJob(t.Context(), alice, *w.job("R-7QK1"), engine.WantCancel)
	refused(err)
	_, err = w.bot.SkipTable(t.Context(), alice, *w.job("R-7QK1"), "shop.carts")
	refused(err)
	_, err = w.bot.Ask(t.Context(), alice, "", "discover db-prod-3")
	require.NoError(t, err)
	_, err = w.bot.WantJob(t.Context(), bob, *w.job("R-7QK1"), engine.WantCancel)
	require.NoError(t, err)
}

func TestSchedulesKeepToThePermissions(t *testing.T) {
	t.Parallel()
	w, b := scheduled(t)
	w.says(alice, `schedule add db-prod-3 --cron "0 2 * * sun" --schema shop`)
	r := b.asks("C1")
	w.tells()
	named(w)
	no := "You may not schedule work on shop."
	for _, in := range []string{`schedule add db-prod-3 --cron "0 2 * * sun"`, "schedule edit S-7QK2 --schema crm", "schedule pause S-7QK2",
		"schedule resume S-7QK2", "schedule skip S-7QK2", "schedule remove S-7QK2", "schedule withdraw S-7QK2"} {
		require.Contains(t, w.says(alice, in), no, in)
		_, err := w.bot.ChangeSchedule(t.Context(), alice, "", in)
		require.Equal(t, "not_permitted", codeOf(err), in)
	}
	for _, action := range []string{ActionSkip, ActionPauseSchedule, ActionWithdrawStanding} {
		require.Contains(t, w.presses(alice, action, valueOf(r)), no)
	}
	require.Empty(t, b.done)
	require.NotContains(t, w.says(mal, "schedule list"), "S-7QK2")
	require.Contains(t, w.says(bob, "schedule list"), "S-7QK2")
	w.says(bob, "schedule skip S-7QK2")
	require.Equal(t, []string{"S-7QK2 skip by bob"}, b.done)
}
