package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/bot/sandbox"
)

// The channel of a request is archived after its card was shown there: the card goes on in the
// configured channel, and so does its thread.
func TestAnArchivedChannelsCardGoesOnElsewhere(t *testing.T) {
	t.Parallel()
	d := openDoor(t, "")
	shown := func(channel string, words ...string) (m sandbox.Message) {
		require.Eventually(t, func() bool {
			all, err := d.chat.Messages(t.Context(), channel)
			require.NoError(t, err)
			for _, x := range all {
				if x.FromBot && x.For == "" && holds(x, words) {
					m = x
					return true
				}
			}
			return false
		}, 30*time.Second, 20*time.Millisecond, "%s does not show %q", channel, words)
		return m
	}
	id, digest := d.ask(t, "alice", "discover db-1")
	shown("#db-ops", id, "Approve")
	require.NoError(t, d.chat.Do(t.Context(), "archive", map[string]any{"channel": "#db-ops"}, nil))
	r := d.call(t, "bob", "POST", "/api/v1/requests/"+id+"/reviews", strings.Replace(decision(digest), `"approve"`, `"deny", "comment": "freeze until Monday"`, 1))
	require.Equal(t, http.StatusOK, r.status, r.text)
	card := shown("#db-audit", id, "Posted here because")
	require.Eventually(t, func() bool {
		thread, err := d.chat.Thread(t.Context(), "#db-audit", card.TS)
		require.NoError(t, err)
		return len(thread) > 1
	}, 30*time.Second, 20*time.Millisecond, "its thread follows")
	require.Eventually(t, func() bool {
		due, err := d.app.stores.outbox.Due(t.Context(), 10)
		require.NoError(t, err)
		return len(due) == 0
	}, 30*time.Second, 20*time.Millisecond, "what was moved is stored")
	all, err := d.chat.Messages(t.Context(), "")
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(all, func(m sandbox.Message) bool {
		return strings.HasPrefix(m.Channel, "D") && strings.Contains(m.Plain(), "This channel is archived")
	}), "the requester is told")
}
