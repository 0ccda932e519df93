package storage

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"mysql-recycler/engine"
)

// keysOf are the keys of posts in order.
func keysOf(due []Queued) []string {
	var keys []string
	for _, q := range due {
		keys = append(keys, q.Key)
	}
	return keys
}

// due lists the due posts.
func due(t *testing.T, o *Outbox) []Queued {
	t.Helper()
	q, err := o.Due(t.Context(), 100)
	require.NoError(t, err)
	return q
}

// post is a wish with a body.
func post(key, parent, body string) Post {
	return Post{Key: key, Request: "R-1", Channel: "C1", Parent: parent, Body: []byte(body)}
}

func TestOutboxRevisions(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	o, facts := NewOutbox(db), NewFacts(db)
	require.NoError(t, o.Put(t.Context(), "teller", 7, []Post{post("card", "", "one")}))
	seq, err := facts.Cursor(t.Context(), "teller")
	require.NoError(t, err)
	require.EqualValues(t, 7, seq)
	require.NoError(t, o.Put(t.Context(), "teller", 3, nil))
	require.NoError(t, o.Put(t.Context(), "", 99, nil))
	seq, err = facts.Cursor(t.Context(), "teller")
	require.NoError(t, err)
	require.EqualValues(t, 7, seq, "a cursor does not go back")
	seq, err = facts.Cursor(t.Context(), "nobody")
	require.NoError(t, err)
	require.Zero(t, seq)

	first := due(t, o)
	require.Equal(t, []Queued{{Post: post("card", "", "one"), Rev: 1}}, first)
	require.NoError(t, o.Put(t.Context(), "teller", 8, []Post{post("card", "", "two")}))
	require.NoError(t, o.Sent(t.Context(), "card", 1, "C1", "1.1"))
	second := due(t, o)
	require.Equal(t, []Queued{{Post: post("card", "", "two"), Rev: 2, TS: "1.1"}}, second, "a newer revision stays due, as an edit")
	require.NoError(t, o.Sent(t.Context(), "card", 2, "C1", "1.1"))
	require.NoError(t, o.Sent(t.Context(), "card", 1, "C1", "1.1"), "a late report is no error")
	require.Empty(t, due(t, o))
	require.NoError(t, o.Put(t.Context(), "teller", 9, []Post{post("card", "", "two")}))
	require.Empty(t, due(t, o), "the same body is no new revision")
}

func TestOutboxRoutineNeverHidesADecision(t *testing.T) {
	t.Parallel()
	o := NewOutbox(newDB(t))
	put := func(upto int64, body string, routine bool) string {
		p := post("card", "", body)
		p.Routine = routine
		require.NoError(t, o.Put(t.Context(), "teller", upto, []Post{p}))
		return string(due(t, o)[0].Body)
	}
	require.Equal(t, "asked", put(10, "asked", false))
	require.Equal(t, "40 %", put(12, "40 %", true), "progress after the last fact is shown")
	require.False(t, due(t, o)[0].Routine, "it also shows a fact that nobody has seen yet")
	require.NoError(t, o.Sent(t.Context(), "card", 2, "C1", "1.1"))
	require.Equal(t, "50 %", put(12, "50 %", true))
	require.True(t, due(t, o)[0].Routine)
	require.Equal(t, "done", put(20, "done", false))
	require.False(t, due(t, o)[0].Routine)
	require.Equal(t, "done", put(19, "99 %", true), "drawn before the end, put after it")
	require.Equal(t, "done", put(0, "99 %", true))
	require.Equal(t, "done again", put(15, "done again", false), "facts are told even out of order")
	require.Equal(t, "done again", put(19, "99 %", true))
	// A final body equal to the routine one still becomes sticky.
	require.Equal(t, "same", put(30, "same", true))
	require.Equal(t, "same", put(31, "same", false))
	require.False(t, due(t, o)[0].Routine)
	require.Equal(t, "same", put(30, "late", true))
}

func TestOutboxOrder(t *testing.T) {
	t.Parallel()
	at := time.Now()
	db := newDB(t, WithClock(func() time.Time { return at }))
	o := NewOutbox(db)
	require.NoError(t, o.Put(t.Context(), "teller", 1, []Post{
		post("a/1", "a", "reply"), post("a", "", "parent"), post("b", "", "other"), post("a/2", "a", "reply 2"),
	}))
	require.Equal(t, []string{"a", "b"}, keysOf(due(t, o)), "a thread waits for its parent")
	require.NoError(t, o.Sent(t.Context(), "a", 1, "C1", "5.5"))
	q := due(t, o)
	require.Equal(t, []string{"a/1", "b", "a/2"}, keysOf(q))
	require.Equal(t, "5.5", q[0].ParentTS)

	require.NoError(t, o.Postpone(t.Context(), "a/1", 1, at.Add(time.Minute), "ratelimited", false))
	require.Equal(t, []string{"b"}, keysOf(due(t, o)), "a thread is told in order")
	at = at.Add(time.Minute)
	q = due(t, o)
	require.Equal(t, []string{"a/1", "b", "a/2"}, keysOf(q))
	require.Equal(t, 1, q[0].Attempts)

	require.NoError(t, o.Postpone(t.Context(), "a/1", 1, time.Time{}, "msg_too_long", true))
	require.Equal(t, []string{"b", "a/2"}, keysOf(due(t, o)), "what was given up holds nothing back")
	require.NoError(t, o.Put(t.Context(), "teller", 2, []Post{post("a/1", "a", "shorter")}))
	q = due(t, o)
	require.Equal(t, []string{"a/1", "b", "a/2"}, keysOf(q), "a new body is tried again")
	require.Zero(t, q[0].Attempts)
	q, err := o.Due(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, q, 1)
}

func TestOutboxPrune(t *testing.T) {
	t.Parallel()
	at := time.Now()
	db := newDB(t, WithClock(func() time.Time { return at }))
	o := NewOutbox(db)
	require.NoError(t, o.Put(t.Context(), "", 1, []Post{post("a", "", "x"), post("a/1", "a", "x"), post("b", "", "x")}))
	for _, key := range []string{"a", "a/1"} {
		require.NoError(t, o.Sent(t.Context(), key, 1, "C1", key))
	}
	prune := func() int64 {
		p, err := NewRetention(db, Keep{Chat: time.Hour}).Run(t.Context())
		require.NoError(t, err)
		return p.Posts
	}
	require.Zero(t, prune(), "too young")
	require.NoError(t, o.Put(t.Context(), "", 1, []Post{post("a/2", "a", "unsent")}))
	at = at.Add(2 * time.Hour)
	require.EqualValues(t, 1, prune(), "only the settled reply; its parent still has work, b was never sent")
	require.Equal(t, []string{"b", "a/2"}, keysOf(due(t, o)))
	require.NoError(t, o.Sent(t.Context(), "a/2", 1, "C1", "a/2"))
	require.EqualValues(t, 2, prune())
}

func TestInbox(t *testing.T) {
	t.Parallel()
	at := time.Now().UTC().Truncate(time.Millisecond)
	db := newDB(t, WithClock(func() time.Time { return at }))
	in := NewInbox(db)
	for i, key := range []string{"b", "a", "b"} {
		fresh, err := in.Receive(t.Context(), key, "slash_commands", []byte("text=run+“db”"))
		require.NoError(t, err)
		require.Equal(t, i < 2, fresh)
	}
	pending, err := in.Pending(t.Context())
	require.NoError(t, err)
	require.Equal(t, []Envelope{
		{Key: "b", Kind: "slash_commands", Payload: []byte("text=run+“db”"), At: at},
		{Key: "a", Kind: "slash_commands", Payload: []byte("text=run+“db”"), At: at},
	}, pending)
	require.NoError(t, in.Handled(t.Context(), "b"))
	prune := func() int64 {
		p, err := NewRetention(db, Keep{Chat: time.Minute}).Run(t.Context())
		require.NoError(t, err)
		return p.Envelopes
	}
	require.Zero(t, prune())
	fresh, err := in.Receive(t.Context(), "b", "slash_commands", nil)
	require.NoError(t, err)
	require.False(t, fresh, "handled is remembered")
	at = at.Add(time.Hour)
	require.EqualValues(t, 1, prune(), "what is pending is kept")
	pending, err = in.Pending(t.Context())
	require.NoError(t, err)
	require.Len(t, pending, 1)
}

func TestListsAndWants(t *testing.T) {
	t.Parallel()
	at := time.Now().UTC().Truncate(time.Millisecond)
	db := newDB(t)
	s, _ := newRequests(db)
	facts := NewFacts(db)
	r := recycle("R-AAAA", "h1")
	r.Created = at.Add(-time.Minute)
	approve(t, s, r)
	r = recycle("R-BBBB", "h2")
	r.Requester = carol
	r.Created = at
	create(t, s, r)
	for _, c := range []struct {
		filter, arg string
		want        []string
	}{
		{"", "", []string{"R-BBBB", "R-AAAA"}},
		{"pending", "", []string{"R-BBBB"}},
		{"running", "", []string{"R-AAAA"}},
		{"mine", alice.ID, []string{"R-AAAA"}},
		{"history", "h2", []string{"R-BBBB"}},
		{"history", "", []string{"R-BBBB", "R-AAAA"}},
	} {
		list, err := facts.Requests(t.Context(), c.filter, c.arg, 10)
		require.NoError(t, err)
		var ids []string
		for _, r := range list {
			ids = append(ids, r.ID)
		}
		require.Equal(t, c.want, ids, "%+v", c)
	}
	list, err := facts.Requests(t.Context(), "", "", 1)
	require.NoError(t, err)
	require.Len(t, list, 1)
	list, err = facts.Requests(t.Context(), "running", "", 1)
	require.NoError(t, err)
	require.Len(t, list[0].Reviews, 1)
	_, err = facts.Requests(t.Context(), "'; DROP TABLE jobs", "", 1)
	require.Error(t, err)

	lease, err := NewLeases(db).Take(t.Context(), "R-AAAA", "w", time.Minute)
	require.NoError(t, err)
	for range 2 {
		j, err := facts.Want(t.Context(), "R-AAAA", engine.WantPause, bob)
		require.NoError(t, err)
		require.Equal(t, engine.WantPause, j.Wanted)
	}
	w, err := NewLeases(db).Renew(t.Context(), lease, time.Minute)
	require.NoError(t, err)
	require.Equal(t, engine.WantPause, w.Want)
	require.Empty(t, w.Skip)
	for range 2 {
		j, err := facts.Skip(t.Context(), "R-AAAA", 1, bob)
		require.NoError(t, err)
		require.Equal(t, "bob", j.Steps[0].Skip)
	}
	w, err = NewLeases(db).Renew(t.Context(), lease, time.Minute)
	require.NoError(t, err)
	require.Equal(t, map[int]string{1: "bob"}, w.Skip)
	_, err = facts.Skip(t.Context(), "R-AAAA", 99, bob)
	require.ErrorIs(t, err, engine.ErrNotFound)
	_, err = facts.Want(t.Context(), "R-AAAA", engine.WantCancel, bob)
	require.NoError(t, err)
	var p *engine.Problem
	_, err = facts.Want(t.Context(), "R-AAAA", engine.WantRun, bob)
	require.ErrorAs(t, err, &p)
	require.NoError(t, NewJournal(db).SetJob(t.Context(), lease, engine.JobChange{State: engine.JobCancelled}))
	_, err = facts.Want(t.Context(), "R-AAAA", engine.WantRun, bob)
	require.ErrorAs(t, err, &p)
	require.Equal(t, "job_ended", p.Code)
	_, err = facts.Want(t.Context(), "R-NONE", engine.WantRun, bob)
	require.ErrorIs(t, err, engine.ErrNotFound)
	wants := 0
	for _, k := range kinds(t, db) {
		if k == engine.EventJobWanted {
			wants++
		}
	}
	require.Equal(t, 3, wants, "wanting twice is one fact")
}

// A reader of the log never sees a number appear behind one it has passed.
func TestEventsAppearInOrder(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	s, _ := newRequests(db)
	var g errgroup.Group
	for w := range 3 {
		g.Go(func() error {
			for i := range 20 {
				if err := s.CreateRequest(t.Context(), recycle(fmt.Sprintf("R-%d-%d", w, i), "h")); err != nil {
					return err
				}
			}
			return nil
		})
	}
	var cursor int64
	for cursor < 60 {
		events, err := NewFacts(db).EventsAfter(t.Context(), cursor, 7)
		require.NoError(t, err)
		for _, e := range events {
			require.Equal(t, cursor+1, e.Seq)
			cursor = e.Seq
		}
	}
	require.NoError(t, g.Wait())
}
