package slack

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/bot"
	"mysql-recycler/bot/sandbox"
)

var searchForm = bot.Form{ID: "new_recycle", Ref: "C1", Title: "Recycle a host", Submit: "Go", Cancel: "Back",
	Inputs: []bot.Input{{ID: "host", Label: "Host", Search: true, Placeholder: "Type a part of its name",
		Options: []bot.Option{{Value: "db-prod-3", Label: "db-prod-3 · shop"}}, Initial: "db-prod-3"}}}

// searched opens a form with a search field.
func searched(t *testing.T) (*stage, sandbox.View) {
	t.Helper()
	s := newStage(t, nil)
	s.h.onCommand = func(ctx context.Context, c bot.Command) error { return s.c.OpenForm(ctx, c.Reply, searchForm) }
	_, err := s.sb.Slash(s.ctx, "alice", "#db-ops", "")
	require.NoError(t, err)
	v, err := s.sb.WaitView(s.ctx, "alice", nil)
	require.NoError(t, err)
	return s, v
}

func TestASearchFieldIsAnsweredWhilePeopleType(t *testing.T) {
	t.Parallel()
	s, v := searched(t)
	begin := time.Now()
	out, err := s.sb.Suggest(s.ctx, "alice", v.ID, "host", "db-prod")
	require.NoError(t, err)
	require.Less(t, time.Since(begin), 3*time.Second, "or Slack has given up")
	raw, err := json.Marshal(out.Options)
	require.NoError(t, err)
	require.JSONEq(t, `[{"text":{"type":"plain_text","emoji":false,"text":"db-prod-1"},"value":"db-prod-1"},
		{"text":{"type":"plain_text","emoji":false,"text":"db-prod-2"},"value":"db-prod-2"}]`, string(raw), "a choice that could not come back is left out")
	s.h.mu.Lock()
	require.Equal(t, []bot.Suggestion{{Form: "new_recycle", Ref: "C1", Input: "host", Query: "db-prod", User: s.h.commands[0].User}}, s.h.searched)
	s.h.mu.Unlock()
	done, err := s.sb.Submit(s.ctx, "alice", v.ID, map[string]any{"host": out.Options[0]})
	require.NoError(t, err)
	require.True(t, done.OK, "%+v", done)
	_, _, subs := s.h.got()
	require.Equal(t, map[string]string{"host": "db-prod-1"}, subs[0].Values)
	stored, _ := s.in.counts()
	require.Equal(t, 2, stored, "nobody misses a search later, so it is not stored")
	s.clean()
}

func TestTheRememberedChoiceNeedsNoSearch(t *testing.T) {
	t.Parallel()
	s, v := searched(t)
	done, err := s.sb.Submit(s.ctx, "alice", v.ID, nil)
	require.NoError(t, err)
	require.True(t, done.OK, "%+v", done)
	_, _, subs := s.h.got()
	require.Equal(t, "db-prod-3", subs[0].Values["host"])
}

func TestASearchThatPanicsFindsNothing(t *testing.T) {
	t.Parallel()
	s, v := searched(t)
	out, err := s.sb.Suggest(s.ctx, "alice", v.ID, "host", "panic")
	require.NoError(t, err)
	require.Empty(t, out.Options)
	require.Empty(t, out.Problem)
	out, err = s.sb.Suggest(s.ctx, "alice", v.ID, "host", "db")
	require.NoError(t, err)
	require.Len(t, out.Options, 2)
}

func TestAShortcutOfAMessageCarriesItsText(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	m := s.clickable()
	_, err := s.sb.MessageShortcut(s.ctx, "bob", dbOps, m.TS, "recycle_status")
	require.NoError(t, err)
	s.until("the shortcut is handled", func() bool { c, _, _ := s.h.got(); return len(c) == 1 })
	commands, _, _ := s.h.got()
	require.Contains(t, commands[0].Text, m.Text)
	require.Equal(t, dbOps, commands[0].Channel)
	require.NotEmpty(t, commands[0].Reply.Trigger)
}
