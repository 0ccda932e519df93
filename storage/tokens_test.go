package storage

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine"
)

// makeTokens makes a live and a revoked token, and returns the live one with its secret.
func makeTokens(t *testing.T, db *DB) (Token, string) {
	t.Helper()
	s := NewTokens(db)
	live, secret, err := s.Create(t.Context(), Token{Name: "ci", Scopes: []string{"read", "request"}, Team: "T1", User: "UALICE", By: "root"})
	require.NoError(t, err)
	_, _, err = s.Create(t.Context(), Token{Name: "gone", Scopes: []string{"read"}})
	require.NoError(t, err)
	_, err = s.Revoke(t.Context(), "gone", "root")
	require.NoError(t, err)
	return live, secret
}

func TestTokens(t *testing.T) {
	t.Parallel()
	clock := time.Now().Truncate(time.Millisecond)
	db := newDB(t, WithClock(func() time.Time { return clock }))
	s := NewTokens(db)
	made, secret := makeTokens(t, db)
	require.True(t, strings.HasPrefix(secret, "rcy_") && len(secret) == 47, "256 bits in base64")

	got, err := s.Live(t.Context(), HashToken(secret))
	require.NoError(t, err)
	require.Equal(t, made, got)
	all, err := s.List(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.NoError(t, db.Read(t.Context(), func(ctx context.Context, tx Tx) error {
		for _, column := range []string{"hash", "id", "name"} {
			n := 0
			err := each(ctx, tx, func(Row) error { n++; return nil }, "SELECT 1 FROM api_tokens WHERE "+column+" = $1", secret)
			require.NoError(t, err)
			require.Zero(t, n, "the secret is in %s", column)
		}
		return nil
	}))

	clock = clock.Add(2 * time.Minute)
	_, err = s.Live(t.Context(), HashToken(secret))
	require.NoError(t, err)
	got, err = s.Live(t.Context(), HashToken(secret))
	require.NoError(t, err)
	require.WithinDuration(t, clock, got.Used, time.Millisecond)

	for _, bad := range []string{"", secret, HashToken(secret + "x"), HashToken("")} {
		_, err = s.Live(t.Context(), bad)
		require.ErrorIs(t, err, engine.ErrNotFound)
	}
	_, _, err = s.Create(t.Context(), Token{Name: "ci", Scopes: []string{"read"}})
	var p *engine.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, "token_exists", p.Code)
	_, _, err = s.Create(t.Context(), Token{Name: "bot", Scopes: []string{"read", "review"}})
	require.Error(t, err, "what can change something stands for a person")

	short, brief, err := s.Create(t.Context(), Token{Name: "short", Scopes: []string{"read"}, Expires: clock.Add(time.Hour)})
	require.NoError(t, err)
	_, err = s.Live(t.Context(), HashToken(brief))
	require.NoError(t, err)
	clock = clock.Add(time.Hour)
	_, err = s.Live(t.Context(), HashToken(brief))
	require.ErrorIs(t, err, engine.ErrNotFound)

	gone, err := s.Revoke(t.Context(), made.ID, "root")
	require.NoError(t, err)
	require.False(t, gone.Revoked.IsZero())
	_, err = s.Live(t.Context(), HashToken(secret))
	require.ErrorIs(t, err, engine.ErrNotFound)
	_, err = s.Revoke(t.Context(), made.ID, "root")
	require.ErrorAs(t, err, &p)
	require.NotEqual(t, short.ID, made.ID)

	kinds := map[engine.EventKind]int{}
	events, err := NewFacts(db).EventsAfter(t.Context(), 0, 100)
	require.NoError(t, err)
	for _, e := range events {
		kinds[e.Kind]++
		require.NotContains(t, string(e.Data), secret)
		require.NotContains(t, string(e.Data), HashToken(secret))
	}
	require.Equal(t, map[engine.EventKind]int{EventTokenCreated: 3, EventTokenRevoked: 2}, kinds)
}

func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	one, _ := makeTokens(t, db)
	two, _, err := NewTokens(db).Create(t.Context(), Token{Name: "two", Scopes: []string{"read"}})
	require.NoError(t, err)
	s := NewKeys(db)
	_, fresh, err := s.Claim(t.Context(), one.ID, "k", "f1")
	require.NoError(t, err)
	require.True(t, fresh)
	k, fresh, err := s.Claim(t.Context(), one.ID, "k", "f2")
	require.NoError(t, err)
	require.False(t, fresh)
	require.Equal(t, "f1", k.Fingerprint)
	require.Empty(t, k.RequestID)
	_, fresh, err = s.Claim(t.Context(), two.ID, "k", "f1")
	require.NoError(t, err)
	require.True(t, fresh, "a key belongs to its token")

	require.NoError(t, s.Keep(t.Context(), one.ID, "k", "R-AAAA"))
	require.NoError(t, s.Keep(t.Context(), one.ID, "k", "R-BBBB"))
	require.NoError(t, s.Keep(t.Context(), one.ID, "k", ""), "what was made stays")
	k, _, err = s.Claim(t.Context(), one.ID, "k", "f1")
	require.NoError(t, err)
	require.Equal(t, "R-AAAA", k.RequestID)
	require.NoError(t, s.Keep(t.Context(), two.ID, "k", ""))
	_, fresh, err = s.Claim(t.Context(), two.ID, "k", "f1")
	require.NoError(t, err)
	require.True(t, fresh)
	n, err := s.Prune(t.Context(), time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.EqualValues(t, 2, n)
}

// Pages neither repeat nor leave out a row, also of rows made in the same millisecond.
func TestPages(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	s, _ := newRequests(db)
	f := NewFacts(db)
	at := time.Now().UTC().Truncate(time.Millisecond)
	want := map[string]bool{}
	for i, id := range []string{"R-A", "R-B", "R-C", "R-D", "R-E"} {
		r := recycle(id, "host-"+strings.ToLower(id))
		r.Created = at.Add(time.Duration(i/3) * time.Second)
		create(t, s, r)
		_, err := s.Review(t.Context(), by(bob, r), jobsOf(r))
		require.NoError(t, err)
		want[id] = true
	}
	seen := map[string]bool{}
	for place := (Place{}); ; {
		rs, err := f.RequestPage(t.Context(), Filter{Cluster: "shop", Requester: alice.ID}, place, 2)
		require.NoError(t, err)
		for _, r := range rs {
			require.False(t, seen[r.ID], "%s came twice", r.ID)
			require.Len(t, r.Reviews, 1)
			seen[r.ID], place = true, Place{r.Created, r.ID}
		}
		if len(rs) < 2 {
			break
		}
	}
	require.Equal(t, want, seen)
	clear(seen)
	for place := (Place{}); ; {
		js, err := f.JobPage(t.Context(), Filter{State: "queued"}, place, 2)
		require.NoError(t, err)
		for _, j := range js {
			require.False(t, seen[j.ID])
			require.Equal(t, 2, j.Figures.Tables)
			seen[j.ID], place = true, Place{j.Created, j.ID}
		}
		if len(js) < 2 {
			break
		}
	}
	require.Equal(t, want, seen)
	for _, none := range []Filter{{State: "denied"}, {Cluster: "x"}, {Host: "x"}, {Requester: "x"}} {
		rs, err := f.RequestPage(t.Context(), none, Place{}, 10)
		require.NoError(t, err)
		require.Empty(t, rs)
	}
	counts, err := f.JobCounts(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[engine.JobState]int64{engine.JobQueued: 5}, counts)
	last, err := f.LastEvent(t.Context())
	require.NoError(t, err)
	events, err := f.EventsAfter(t.Context(), 0, 1000)
	require.NoError(t, err)
	require.Equal(t, events[len(events)-1].Seq, last)
}
