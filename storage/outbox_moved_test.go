package storage

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
)

func TestAMovedMessageIsEditedWhereItWent(t *testing.T) {
	t.Parallel()
	o := NewOutbox(newDB(t))
	require.NoError(t, o.Put(t.Context(), "", 0, []Post{post("card", "", "one"), post("reply", "card", "a")}))
	require.NoError(t, o.Sent(t.Context(), "card", 1, "C9FALLBACK", "1.1"))
	require.NoError(t, o.Put(t.Context(), "", 0, []Post{post("card", "", "two")}))
	for _, q := range due(t, o) {
		require.Equal(t, "C9FALLBACK", q.Channel, q.Key)
	}
}

// A message that is gone is replaced once: edits, replies and the next process go to the new one.
func TestOutboxMoves(t *testing.T) {
	t.Parallel()
	o := NewOutbox(newDB(t))
	require.NoError(t, o.Put(t.Context(), "", 0, []Post{post("card", "", "one"), post("card/1", "card", "a")}))
	require.ErrorIs(t, o.Moved(t.Context(), "card", "", "C1", "1.1"), approvals.ErrConflict, "nothing was sent that could be gone")
	require.NoError(t, o.Sent(t.Context(), "card", 1, "C1", "1.1"))
	require.NoError(t, o.Put(t.Context(), "", 0, []Post{post("card", "", "two")}))
	require.ErrorIs(t, o.Sent(t.Context(), "card", 2, "C1", "1.2"), approvals.ErrConflict, "another process posted it as well")
	require.ErrorIs(t, o.Moved(t.Context(), "card", "1.9", "C1", "1.2"), approvals.ErrConflict)
	require.NoError(t, o.Moved(t.Context(), "card", "1.1", "C2", "1.2"))
	q := due(t, o)
	require.Equal(t, []string{"card", "card/1"}, keysOf(q))
	require.Equal(t, "1.2", q[0].TS)
	require.True(t, q[0].Moved)
	require.EqualValues(t, 2, q[0].Rev, "the revision is due until Sent stores it")
	require.Equal(t, "C2", q[0].Channel)
	require.Equal(t, "1.2", q[1].ParentTS)
	require.NoError(t, o.Sent(t.Context(), "card", 2, "C2", "1.2"))
	require.ErrorIs(t, o.Moved(t.Context(), "card", "1.2", "C1", "1.3"), approvals.ErrConflict, "once")
	require.Equal(t, []string{"card/1"}, keysOf(due(t, o)))
}

// What failed for good is the revision that was sent: one that came meanwhile is sent still.
func TestOutboxGivesUpTheRevisionThatFailed(t *testing.T) {
	t.Parallel()
	at := time.Now()
	o := NewOutbox(newDB(t, WithClock(func() time.Time { return at })))
	require.NoError(t, o.Put(t.Context(), "", 0, []Post{post("card", "", "too long")}))
	require.NoError(t, o.Put(t.Context(), "", 0, []Post{post("card", "", "short")}))
	require.NoError(t, o.Postpone(t.Context(), "card", 1, at, "msg_too_long", true))
	require.Equal(t, []Queued{{Post: post("card", "", "short"), Rev: 2}}, due(t, o))
	require.NoError(t, o.Postpone(t.Context(), "card", 1, at.Add(time.Minute), "ratelimited", false))
	require.Empty(t, due(t, o), "what is wrong with the channel is wrong for the newer one too")
	at = at.Add(time.Minute)
	require.NoError(t, o.Postpone(t.Context(), "card", 2, at, "msg_too_long", true))
	require.Empty(t, due(t, o))
}

func TestOutboxPruneKeepsLiveStories(t *testing.T) {
	t.Parallel()
	at := time.Now()
	db := newDB(t, WithClock(func() time.Time { return at }))
	s, _ := newRequests(db)
	create(t, s, recycle("R-AAAA", "h"))
	o := NewOutbox(db)
	p := post("card", "", "x")
	p.Request = "R-AAAA"
	require.NoError(t, o.Put(t.Context(), "", 1, []Post{p}))
	require.NoError(t, o.Sent(t.Context(), "card", 1, "C1", "1"))
	at = at.Add(time.Hour)
	gone, err := NewRetention(db, Keep{Chat: time.Minute}).Run(t.Context())
	require.NoError(t, err)
	require.Zero(t, gone)
}

// While a run's old primary waits for a switchover, the thread in which that is told stays, under
// whichever card it stands.
func TestOutboxPruneKeepsOpenCampaigns(t *testing.T) {
	t.Parallel()
	at := time.Now()
	db := newDB(t, WithClock(func() time.Time { return at }))
	s, _ := newRequests(db)
	for _, id := range []string{"R-LOOK", "R-AAAA"} {
		create(t, s, recycle(id, "h"))
		_, err := s.Close(t.Context(), id, approvals.Withdrawn, alice, "")
		require.NoError(t, err)
	}
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO campaigns (request_id, cluster, host, state, opened) VALUES ('R-AAAA', 'shop', 'db-0', 'open', 1)")
		return err
	}))
	o := NewOutbox(db)
	look, card := post("R-LOOK/card", "", "x"), post("R-AAAA/card", "R-LOOK/card", "x")
	look.Request, card.Request = "R-LOOK", "R-AAAA"
	require.NoError(t, o.Put(t.Context(), "", 1, []Post{look, card}))
	for _, p := range []Post{look, card} {
		require.NoError(t, o.Sent(t.Context(), p.Key, 1, "C1", p.Key))
	}
	prune := func() int64 {
		gone, err := NewRetention(db, Keep{Chat: time.Minute}).Run(t.Context())
		require.NoError(t, err)
		return gone.Posts
	}
	at = at.Add(time.Hour)
	require.Zero(t, prune())
	require.NoError(t, NewFacts(db).StopCampaign(t.Context(), "R-AAAA", alice))
	require.EqualValues(t, 2, prune())

	// What is told after all stands alone, instead of waiting for a parent that never comes.
	late := post("R-AAAA/late", "R-LOOK/card", "x")
	require.NoError(t, o.Put(t.Context(), "", 1, []Post{late}))
	require.Equal(t, []Queued{{Post: late, Rev: 1}}, due(t, o))
}
