package storage

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"mysql-recycler/storage/pgtest"
)

// BenchmarkYear is every screen and API call on a full year: 10,000 jobs, 900,000 steps and more than
// two million facts; then what retention makes of it, and how long a writer waits meanwhile.
func BenchmarkYear(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchYear(b, "sqlite://"+b.TempDir()+"/state.db") })
	b.Run("postgres", func(b *testing.B) {
		s, err := pgtest.Start(b.Context())
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, s.Stop()) })
		url, _, err := s.Create(b.Context(), "")
		require.NoError(b, err)
		benchYear(b, url)
	})
}

func benchYear(b *testing.B, url string) {
	db, err := Open(b.Context(), url, zap.NewNop())
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	began := time.Now()
	year{jobs: 10_000}.fill(b, db, "A")
	b.Logf("filled in %.0f s, %d MiB", time.Since(began).Seconds(), sizeOf(b, db)>>20)
	for _, s := range screens() {
		b.Run(s.name, func(b *testing.B) {
			for b.Loop() {
				require.NoError(b, s.look(b.Context(), db))
			}
		})
	}
	b.Run("retention", func(b *testing.B) { benchRetention(b, db) })
}

// benchRetention lets old rows go for ten seconds while a writer writes all the time.
func benchRetention(b *testing.B, db *DB) {
	for b.Loop() {
		contend(b, db)
	}
}

// contend lets retention and a writer at a database.
func contend(b testing.TB, db *DB) {
	writer := func(ctx context.Context) (waits []time.Duration) {
		for ctx.Err() == nil {
			began := time.Now()
			_, err := NewInbox(db).Receive(context.WithoutCancel(ctx), time.Now().String(), "x", nil)
			require.NoError(b, err)
			waits = append(waits, time.Since(began))
		}
		slices.Sort(waits)
		return waits
	}
	alone, stop := context.WithTimeout(b.Context(), 5*time.Second)
	before := writer(alone)
	stop()
	both, stop := context.WithTimeout(b.Context(), 10*time.Second)
	var gone atomic.Value
	done := make(chan struct{})
	go func() {
		defer close(done)
		p, _ := NewRetention(db, Keep{Details: 180 * 24 * time.Hour, Discoveries: 30 * 24 * time.Hour, Events: 90 * 24 * time.Hour, Chat: 7 * 24 * time.Hour}).Run(both)
		gone.Store(p)
	}()
	beside := writer(both)
	stop()
	<-done
	for what, w := range map[string][]time.Duration{"alone": before, "beside retention": beside} {
		b.Logf("a writer %s: %d waits, half of them below %s, 99 %% below %s, 99.9 %% below %s, the worst %s",
			what, len(w), w[len(w)/2], w[len(w)*99/100], w[len(w)*999/1000], w[len(w)-1])
	}
	b.Logf("gone in 10 s: %+v", gone.Load())
}
