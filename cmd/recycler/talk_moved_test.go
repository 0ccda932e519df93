package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	sdk "github.com/slack-go/slack"
	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/bot/sandbox"
	"mysql-recycler/storage"
)

// A card that somebody deleted is posted once more, and lives on there: it is edited, also by the next
// process, and a second deletion is respected. The database refuses to forget where a message is, so
// the real one must be asked.
func TestADeletedCardIsPostedOnceMore(t *testing.T) {
	t.Parallel()
	k := newTalk(t)
	k.mu.Lock()
	k.policy.MinApprovals = 2
	k.mu.Unlock()
	k.types(t, "alice", "run db-3")
	first := k.sees(t, "#db-ops", "db-3", "waiting for approval")
	k.deletes(t, first)
	_, err := k.review(k.asked()[0], approvals.Actor{ID: "U0BOB", Name: "bob"})
	require.NoError(t, err)
	second := k.sees(t, "#db-ops", "db-3", "1 of 2 approvals")
	require.NotEqual(t, first.TS, second.TS)
	k.settled(t)

	k.restart(t)
	k.types(t, "alice", "help")
	k.hears(t, "alice", "recycle")
	require.Len(t, k.cards(t), 1, "the next process posts no further copy")
	k.deletes(t, second)
	_, err = k.review(k.asked()[0], approvals.Actor{ID: "U0CAROL", Name: "carol"})
	require.NoError(t, err)
	k.settled(t)
	require.Empty(t, k.cards(t), "who deletes it again does not want to see it")
}

// deletes removes a message of the bot, as an administrator would.
func (k *talk) deletes(t *testing.T, m sandbox.Message) {
	t.Helper()
	api := sdk.New(sandbox.DefaultWorkspace().BotToken, sdk.OptionAPIURL(k.chat.BaseURL+"/api/"))
	_, _, err := api.DeleteMessageContext(t.Context(), m.Channel, m.TS)
	require.NoError(t, err)
}

// settled waits until the channels show all that the outbox wishes.
func (k *talk) settled(t *testing.T) {
	t.Helper()
	require.True(t, k.soon(t, func() bool {
		seq, err := k.facts.Cursor(t.Context(), "thread")
		require.NoError(t, err)
		told, err := k.facts.EventsAfter(t.Context(), seq, 1)
		require.NoError(t, err)
		due, err := storage.NewOutbox(k.db).Due(context.WithoutCancel(t.Context()), 10)
		require.NoError(t, err)
		return len(told) == 0 && len(due) == 0
	}), "something cannot be sent")
}

// cards are the cards of requests that the channel shows.
func (k *talk) cards(t *testing.T) (out []sandbox.Message) {
	t.Helper()
	all, err := k.chat.Messages(t.Context(), "#db-ops")
	require.NoError(t, err)
	for _, m := range all {
		if !m.Deleted && strings.Contains(fmt.Sprint(m.Metadata), "/card]") {
			out = append(out, m)
		}
	}
	return out
}
