package main

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
)

// night is one database file with the clock of a night.
type night struct {
	t    *testing.T
	path string

	mu  sync.Mutex
	now time.Time
	// no is why there is no plan; nil: there is one
	no error
	// policy and bytes are what a test changes: who approves, and how big the plan's table is
	policy approvals.Policy
	bytes  int64
	since  time.Time           // real time at which the clock was set; zero: it stands still
	people approvals.Directory // nil: the night itself
}

func newNight(t *testing.T) *night {
	return &night{t: t, path: filepath.Join(t.TempDir(), "state.db"), now: time.Date(2030, 3, 4, 0, 30, 0, 0, time.UTC)}
}

func (n *night) clock() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.since.IsZero() {
		return n.now
	}
	return n.now.Add(time.Since(n.since))
}

func (n *night) at(clock string) {
	n.t.Helper()
	x, err := time.Parse("2006-01-02 15:04:05", "2030-03-"+clock)
	require.NoError(n.t, err)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.now = x
	if !n.since.IsZero() {
		n.since = time.Now()
	}
}

func (n *night) Person(ctx context.Context, team, id string) (approvals.Person, error) {
	if n.people != nil {
		return n.people.Person(ctx, team, id)
	}
	return approvals.Person{Actor: approvals.Actor{ID: id}, Email: id + "@example.net"}, nil
}
func (n *night) Members(ctx context.Context, group string) ([]string, error) {
	if n.people != nil {
		return n.people.Members(ctx, group)
	}
	return nil, nil
}
