package storage

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"mysql-recycler/engine"
)

// benchDB opens a fresh file.
func benchDB(b *testing.B) *DB {
	b.Helper()
	db, err := Open(b.Context(), "sqlite://"+filepath.Join(b.TempDir(), "state.db"), zap.NewNop())
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	return db
}

// BenchmarkApprove is a request with its approval: two durable transactions.
func BenchmarkApprove(b *testing.B) {
	s, _ := newRequests(benchDB(b))
	i := 0
	for b.Loop() {
		r := recycle(fmt.Sprintf("R-%06d", i), fmt.Sprintf("host-%d", i))
		require.NoError(b, s.CreateRequest(b.Context(), r))
		_, err := s.Review(b.Context(), by(bob, r), jobsOf(r))
		require.NoError(b, err)
		i++
	}
}

// BenchmarkRenew is a worker's heartbeat.
func BenchmarkRenew(b *testing.B) {
	db := benchDB(b)
	s, _ := newRequests(db)
	r := recycle("R-AAAA", "h")
	require.NoError(b, s.CreateRequest(b.Context(), r))
	_, err := s.Review(b.Context(), by(bob, r), jobsOf(r))
	require.NoError(b, err)
	l, err := NewLeases(db).Take(b.Context(), "R-AAAA", "w", 1e9)
	require.NoError(b, err)
	for b.Loop() {
		_, err := NewLeases(db).Renew(b.Context(), l, 1e9)
		require.NoError(b, err)
	}
}

// BenchmarkEvents reads a page of 100 facts out of a long log.
func BenchmarkEvents(b *testing.B) {
	db := benchDB(b)
	s, _ := newRequests(db)
	for i := range 2000 {
		require.NoError(b, s.CreateRequest(b.Context(), recycle(fmt.Sprintf("R-%06d", i), "h")))
	}
	facts := NewFacts(db)
	for b.Loop() {
		events, err := facts.EventsAfter(b.Context(), 1000, 100)
		require.NoError(b, err)
		require.Len(b, events, 100)
		require.Equal(b, engine.EventRequestCreated, events[0].Kind)
	}
}
