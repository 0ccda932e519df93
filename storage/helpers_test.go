package storage

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
	"mysql-recycler/storage/pgtest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if server.s != nil {
		if err := server.s.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if err := os.RemoveAll(template.dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// server is one PostgreSQL server for all tests, with a migrated database to copy.
var server struct {
	once     sync.Once
	s        *pgtest.Server
	template string
	err      error
}

// template is a migrated SQLite file to copy, because migrating takes longer than most tests.
var template struct {
	once sync.Once
	dir  string
	err  error
}

// onPostgres reports whether a test runs under TestPostgres.
func onPostgres(t *testing.T) bool { return strings.HasPrefix(t.Name(), "TestPostgres/") }

// newPostgres makes a migrated database and returns its URL.
func newPostgres(t *testing.T) string {
	t.Helper()
	server.once.Do(func() {
		ctx := context.Background()
		if server.s, server.err = pgtest.Start(ctx); server.err != nil {
			return
		}
		var url string
		var db *DB
		if url, server.template, server.err = server.s.Create(ctx, ""); server.err != nil {
			return
		}
		if db, server.err = Open(ctx, url, zap.NewNop()); server.err == nil {
			server.err = db.Close()
		}
	})
	require.NoError(t, server.err)
	url, _, err := server.s.Create(t.Context(), server.template)
	require.NoError(t, err)
	return url
}

// newSQLite copies a migrated file and returns its URL.
func newSQLite(t *testing.T) string {
	t.Helper()
	template.once.Do(func() {
		var db *DB
		if template.dir, template.err = os.MkdirTemp("", "storage-"); template.err != nil {
			return
		}
		if db, template.err = Open(context.Background(), "sqlite://"+template.dir+"/t.db", zap.NewNop()); template.err == nil {
			template.err = db.Close()
		}
	})
	require.NoError(t, template.err)
	b, err := os.ReadFile(template.dir + "/t.db")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "state.db")
	require.NoError(t, os.WriteFile(path, b, 0o600))
	return "sqlite://" + path
}

// open opens a database and closes it with the test.
func open(t *testing.T, url string, opts ...Option) *DB {
	t.Helper()
	db, err := Open(t.Context(), url, zap.NewNop(), opts...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// newDBs opens a fresh database n times, as n processes would.
func newDBs(t *testing.T, n int, opts ...Option) []*DB {
	t.Helper()
	newURL := newSQLite
	if onPostgres(t) {
		newURL = newPostgres
	}
	url := newURL(t)
	var dbs []*DB
	for range n {
		dbs = append(dbs, open(t, url, opts...))
	}
	return dbs
}

var (
	alice = approvals.Actor{Team: "T1", ID: "UALICE", Name: "alice"}
	bob   = approvals.Actor{Team: "T1", ID: "UBOB", Name: "bob"}
	carol = approvals.Actor{Team: "T1", ID: "UCAROL", Name: "carol"}
)

// openFile opens the SQLite file at path and closes it with the test.
func openFile(t *testing.T, path string, opts ...Option) *DB {
	t.Helper()
	return open(t, "sqlite://"+path, opts...)
}

// newDB opens a fresh database of the dialect under test.
func newDB(t *testing.T, opts ...Option) *DB {
	t.Helper()
	return newDBs(t, 1, opts...)[0]
}

// raw is the writing connection under everything, as an attacker with the file has it.
func raw(db *DB) *sql.DB { return db.Pool().(*sql.DB) }

// handed remembers what was handed to the queue.
type handed struct{ ids, regions []string }

func (h *handed) enqueue(_ context.Context, _ Tx, jobID, region string) error {
	h.ids, h.regions = append(h.ids, jobID), append(h.regions, region)
	return nil
}

// newRequests returns the store of requests with a queue that only remembers.
func newRequests(db *DB) (*Requests, *handed) {
	h := &handed{}
	return NewRequests(db, h.enqueue, func(cluster string) string { return "r-" + cluster }), h
}

// recycle is a pending request of alice with a plan of two tables on host.
func recycle(id, host string) approvals.Request {
	plan := engine.Plan{
		Cluster: "shop",
		Mode:    "binlog-off",
		Hosts: []engine.HostPlan{{Name: host, Steps: []engine.PlannedStep{
			{Seq: 1, Schema: "shop", Table: "orders", Bytes: 900, Predicted: 500},
			{Seq: 2, Schema: "shop", Table: "carts", Bytes: 300, Predicted: 100},
		}}},
		Snapshot: time.Date(2026, 11, 1, 2, 3, 4, 567891234, time.FixedZone("CET", 3600)),
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	return approvals.Request{
		ID: id, Kind: approvals.KindRecycle, Cluster: "shop", Target: host, Command: "run " + host,
		Requester: alice, Channel: "C1", Plan: &plan, Digest: plan.Digest(), MinApprovals: 1,
		State: approvals.Pending, Created: now, Expires: now.Add(time.Hour),
	}
}

// discover is a pending request of alice to look at host.
func discover(id, host string) approvals.Request {
	r := recycle(id, host)
	r.Kind, r.Plan, r.Digest = approvals.KindDiscover, nil, "d"
	return r
}

// jobsOf are the jobs an approval of r brings.
func jobsOf(r approvals.Request) []engine.Job {
	j := engine.Job{ID: r.ID, RequestID: r.ID, Kind: engine.JobKind(r.Kind), Cluster: r.Cluster, Host: r.Target, Digest: r.Digest}
	if r.Plan != nil {
		j.Plan = *r.Plan
		for _, s := range r.Plan.Hosts[0].Steps {
			j.Steps = append(j.Steps, engine.Step{Seq: s.Seq, Plan: s})
		}
	}
	return []engine.Job{j}
}

// by is the approval by who of r.
func by(who approvals.Actor, r approvals.Request) approvals.Review {
	return approvals.Review{RequestID: r.ID, Reviewer: who, Decision: approvals.Approve, Digest: r.Digest, Approvers: []string{bob.ID}}
}

// create stores a pending request.
func create(t *testing.T, s *Requests, r approvals.Request) approvals.Request {
	t.Helper()
	require.NoError(t, s.CreateRequest(t.Context(), r))
	return r
}

// approve stores a request and lets bob approve it.
func approve(t *testing.T, s *Requests, r approvals.Request) engine.Job {
	t.Helper()
	create(t, s, r)
	_, err := s.Review(t.Context(), by(bob, r), jobsOf(r))
	require.NoError(t, err)
	return jobsOf(r)[0]
}

// kinds are the kinds of all events in order.
func kinds(t *testing.T, db *DB) []engine.EventKind {
	t.Helper()
	events, err := NewFacts(db).EventsAfter(t.Context(), 0, 10000)
	require.NoError(t, err)
	var all []engine.EventKind
	for i, e := range events {
		require.EqualValues(t, i+1, e.Seq)
		require.False(t, e.At.IsZero())
		all = append(all, e.Kind)
	}
	return all
}
