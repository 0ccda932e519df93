package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/storage"
)

// Whatever asks is delivered three times on two sockets, and is handled again by the next process,
// because this one ends before it could store that it was handled: one request, one schedule.
func TestEveryActAsksOnce(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]struct {
		kind string // of the envelope
		does func(t *testing.T, k *talk)
		want int // requests there are afterwards
	}{
		"a command": {"slash_commands", func(t *testing.T, k *talk) { k.types(t, "alice", "run db-3") }, 1},
		"a form": {"interactive", func(t *testing.T, k *talk) {
			k.types(t, "alice", "")
			require.True(t, k.fills(t, "alice", "Host", map[string]any{"verb": "run", "host": "db-3"}).OK)
		}, 1},
		"break-glass": {"interactive", func(t *testing.T, k *talk) {
			k.types(t, "alice", "run db-3 --break-glass")
			require.True(t, k.fills(t, "alice", "cannot wait", map[string]any{"reason": "the disk is full in two hours", "host": "db-3"}).OK)
		}, 1},
		"ask again": {"interactive", func(t *testing.T, k *talk) {
			k.types(t, "alice", "run db-3")
			k.waits(t, 1)
			_, err := k.service.Supersede(t.Context(), k.asked()[0].ID, "A table grew.")
			require.NoError(t, err)
			k.press(t, "alice", k.sees(t, "#db-ops", "Plan again and ask again"), "Plan again and ask again")
		}, 2},
		"schedule add": {"slash_commands", func(t *testing.T, k *talk) { k.types(t, "alice", `schedule add db-3 --cron "0 2 * * *"`) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newTalk(t)
			k.dies.Store(true)
			act.does(t, k)
			k.again(t, act.kind)
			made := func() (n int) {
				all, err := k.book.Schedules(t.Context())
				require.NoError(t, err)
				return len(all) + len(k.asked())
			}
			want := max(act.want, 1)
			require.True(t, k.soon(t, func() bool { return made() >= want }))
			pending, err := storage.NewInbox(k.db).Pending(t.Context())
			require.NoError(t, err)
			require.NotEmpty(t, pending, "it was not stored as handled")
			k.restart(t)
			require.True(t, k.soon(t, func() bool {
				pending, err := storage.NewInbox(k.db).Pending(t.Context())
				require.NoError(t, err)
				return len(pending) == 0
			}), "it is handled again")
			require.Equal(t, want, made())
			require.Len(t, k.asked(), act.want)
			for _, r := range k.asked() {
				require.NotEmpty(t, r.Origin)
				require.Equal(t, map[bool]approvals.Rule{true: approvals.RuleBreakGlass, false: approvals.RuleReview}[name == "break-glass"], r.Rule)
			}
		})
	}
}

// A command that nobody could handle for a day is not carried out late: who typed it is told.
func TestACommandOfYesterdayIsNotCarriedOut(t *testing.T) {
	t.Parallel()
	k := newTalk(t)
	k.dies.Store(true)
	k.types(t, "alice", "list")
	k.hears(t, "alice", "Nothing here")
	k.night.at("05 00:45:00")
	k.restart(t)
	k.hears(t, "alice", "could not carry out", "/recycle list", "gave it up")
	require.True(t, k.soon(t, func() bool {
		pending, err := storage.NewInbox(k.db).Pending(t.Context())
		require.NoError(t, err)
		return len(pending) == 0
	}))
}
