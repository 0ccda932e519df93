package slack

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/bot"
)

// Two processes sent the same post, for a moment in which both were the active one: the message that
// was stored first stays the post's, and the other process goes on with that one instead of insisting.
func TestAPostThatAnotherProcessSentIsItsOwn(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.put(bot.Post{Key: "first", Channel: dbOps, Body: say("of the other process")})
	theirs := s.shows(dbOps, "of the other process")
	s.until("stored", func() bool { return s.out.row("first").sent == 1 })
	s.out.mu.Lock()
	s.out.fail = 1_000_000 // until the other process was faster
	s.out.mu.Unlock()
	s.put(bot.Post{Key: "k", Channel: dbOps, Body: say("card")})
	s.shows(dbOps, "card")
	s.out.mu.Lock()
	s.out.rows["k"].ts, s.out.fail = theirs.TS, 0
	s.out.mu.Unlock()
	s.until("stored", func() bool { return s.out.row("k").sentRev == 1 })
	require.Equal(t, theirs.TS, s.out.row("k").ts)
	require.Len(t, s.messages(dbOps), 2)
	require.Equal(t, int64(1), s.c.Stats().Out.Edited, "it shows what it should")
}
