package storage

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine"
)

// One of two processes is the bot; after its time the other takes over, and whatever the first
// does under its lease is refused.
func TestBotLease(t *testing.T) {
	t.Parallel()
	dbs := newDBs(t, 2)
	a, b := NewBotLeases(dbs[0]), NewBotLeases(dbs[1])
	const ttl = 300 * time.Millisecond
	first, err := a.Take(t.Context(), "bot:1", "a", "host/1", ttl)
	require.NoError(t, err)
	require.EqualValues(t, 1, first.Epoch)
	held, err := b.Take(t.Context(), "bot:1", "b", "host/2", ttl)
	require.ErrorIs(t, err, engine.ErrLeaseHeld)
	require.Equal(t, "host/1", held.Node)
	_, err = b.Take(t.Context(), "bot:2", "b", "host/2", ttl)
	require.NoError(t, err, "another app is another lease")

	cursor := func(db *DB, l BotLease) error {
		return db.InTx(WithFence(t.Context(), l), func(ctx context.Context, tx Tx) error {
			_, err := tx.Exec(ctx, "UPDATE counters SET value = value + 1 WHERE name = 'posts'")
			return err
		})
	}
	require.NoError(t, cursor(dbs[0], first))
	require.NoError(t, a.Renew(t.Context(), first, ttl))

	var second BotLease
	require.Eventually(t, func() bool {
		second, err = b.Take(t.Context(), "bot:1", "b", "host/2", ttl)
		return err == nil
	}, 10*time.Second, 20*time.Millisecond)
	require.EqualValues(t, 2, second.Epoch)
	require.ErrorIs(t, a.Renew(t.Context(), first, ttl), engine.ErrLeaseLost)
	require.ErrorIs(t, a.Release(t.Context(), first), engine.ErrLeaseLost)
	require.ErrorIs(t, cursor(dbs[0], first), engine.ErrLeaseLost)
	require.ErrorIs(t, dbs[0].Read(WithFence(t.Context(), first), func(context.Context, Tx) error { return nil }), engine.ErrLeaseLost)
	require.NoError(t, cursor(dbs[1], second))

	require.NoError(t, b.Release(t.Context(), second))
	third, err := a.Take(t.Context(), "bot:1", "a", "host/1", ttl)
	require.NoError(t, err, "a lease given back is free at once")
	require.EqualValues(t, 3, third.Epoch)
	require.ErrorIs(t, cursor(dbs[1], second), engine.ErrLeaseLost)
}
