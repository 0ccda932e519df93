package storage

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// spy remembers every statement that goes to a database.
type spy struct {
	dialect
	mu   sync.Mutex
	seen []asked
}

type asked struct {
	query string
	args  []any
}

func (s *spy) begin(ctx context.Context) (Tx, finisher, error) {
	tx, end, err := s.dialect.begin(ctx)
	return spyTx{tx, s}, end, err
}

func (s *spy) beginRead(ctx context.Context) (Tx, finisher, error) {
	tx, end, err := s.dialect.beginRead(ctx)
	return spyTx{tx, s}, end, err
}

func (s *spy) saw(query string, args []any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, asked{query, args})
}

type spyTx struct {
	Tx
	s *spy
}

func (t spyTx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	t.s.saw(query, args)
	return t.Tx.Exec(ctx, query, args...)
}

func (t spyTx) Query(ctx context.Context, query string, args ...any) (Rows, error) {
	t.s.saw(query, args)
	return t.Tx.Query(ctx, query, args...)
}

func (t spyTx) QueryRow(ctx context.Context, query string, args ...any) Row {
	t.s.saw(query, args)
	return t.Tx.QueryRow(ctx, query, args...)
}

// screen is a look that a person, a caller of the API or a loop of the program takes.
type screen struct {
	name string
	look func(ctx context.Context, db *DB) error
}

// screens are all of them, over the fixture of a year.
func screens() []screen {
	var all []screen
	add := func(name string, look func(ctx context.Context, db *DB) error) { all = append(all, screen{name, look}) }
	for _, filter := range []string{"", "pending", "running", "mine", "channel", "history"} {
		arg := map[string]string{"mine": "U7", "channel": "C1", "history": "A-db-7"}[filter]
		add("list "+filter, func(ctx context.Context, db *DB) error {
			rs, err := NewFacts(db).Requests(ctx, filter, arg, 21)
			var ids []string
			for _, r := range rs {
				ids = append(ids, r.ID)
			}
			if err == nil {
				_, err = NewFacts(db).Briefs(ctx, ids) // the list says what each gave back
			}
			return err
		})
	}
	place := Place{Created: time.Now().Add(-100 * 24 * time.Hour), ID: "R-A5"}
	for name, f := range map[string]Filter{"": {}, "state": {State: "approved"}, "cluster": {Cluster: "cluster-3"}, "host": {Host: "A-db-7"},
		"requester": {Requester: "U7"}, "state and host": {State: "approved", Host: "A-db-7"}} {
		for _, at := range []Place{{}, place} {
			add("GET requests "+name, func(ctx context.Context, db *DB) error {
				_, err := NewFacts(db).RequestPage(ctx, f, at, 51)
				return err
			})
		}
	}
	for name, f := range map[string]Filter{"": {}, "state": {State: "succeeded"}, "cluster": {Cluster: "cluster-3"}, "host": {Host: "A-db-7"}, "request": {Request: "R-A11"}} {
		for _, at := range []Place{{}, place} {
			add("GET jobs "+name, func(ctx context.Context, db *DB) error { _, err := NewFacts(db).JobPage(ctx, f, at, 51); return err })
		}
	}
	for _, of := range [][2]string{{"", ""}, {"cluster-10", ""}, {"", "cluster-10-3"}, {"cluster-10", "cluster-10-3"}} {
		add("newest discovery "+strings.Join(of[:], "/"), func(ctx context.Context, db *DB) error {
			if _, err := NewFacts(db).NewestDiscovery(ctx, of[0], of[1]); err != nil {
				return err
			}
			_, err := NewJournal(db).NewestLook(ctx, of[0], of[1])
			return err
		})
	}
	add("GET freed", func(ctx context.Context, db *DB) error {
		_, err := NewFacts(db).Freed(ctx, time.Now().Add(-365*24*time.Hour))
		return err
	})
	add("top", func(ctx context.Context, db *DB) error {
		_, err := NewFacts(db).Rebuilt(ctx, "A-db-7", time.Now().Add(-30*24*time.Hour))
		return err
	})
	add("card", func(ctx context.Context, db *DB) error {
		if _, err := NewFacts(db).Request(ctx, "R-A11"); err != nil {
			return err
		}
		_, err := NewFacts(db).Jobs(ctx, "R-A11")
		return err
	})
	add("discovery", func(ctx context.Context, db *DB) error { _, err := NewFacts(db).Discovery(ctx, "R-A10"); return err })
	add("recall", func(ctx context.Context, db *DB) error {
		_, err := NewJournal(db).NewestRefusal(ctx, "cluster-9", "A-db-9", time.Now().Add(-400*24*time.Hour))
		if errors.Is(err, engine.ErrNotFound) {
			err = nil
		}
		return err
	})
	add("GET job", func(ctx context.Context, db *DB) error { _, err := NewJournal(db).Job(ctx, "R-A11"); return err })
	add("metrics", func(ctx context.Context, db *DB) error { _, err := NewFacts(db).JobCounts(ctx); return err })
	add("the week", func(ctx context.Context, db *DB) error {
		_, err := NewFacts(db).Ended(ctx, time.Now().Add(-56*24*time.Hour), time.Now())
		return err
	})
	add("events", func(ctx context.Context, db *DB) error {
		last, err := NewFacts(db).LastEvent(ctx)
		if err == nil {
			_, err = NewFacts(db).EventsAfter(ctx, last-500, 500)
		}
		return err
	})
	add("teller", func(ctx context.Context, db *DB) error {
		if _, err := NewFacts(db).Cursor(ctx, "teller"); err != nil {
			return err
		}
		_, err := NewOutbox(db).Due(ctx, 20)
		return err
	})
	add("inbox", func(ctx context.Context, db *DB) error { _, err := NewInbox(db).Pending(ctx); return err })
	add("expiry", func(ctx context.Context, db *DB) error {
		_, err := NewRequests(db, nil, nil).DueExpiries(ctx)
		return err
	})
	add("neighbours", func(ctx context.Context, db *DB) error {
		_, err := NewJournal(db).Neighbours(ctx, "cluster-3", "R-A11")
		return err
	})
	add("sweep", func(ctx context.Context, db *DB) error { _, err := NewJournal(db).Leftovers(ctx, ""); return err })
	add("leftovers", func(ctx context.Context, db *DB) error { _, err := NewJournal(db).Leftovers(ctx, "A-db-7"); return err })
	add("lease", func(ctx context.Context, db *DB) error { _, err := NewLeases(db).Alive(ctx, "R-A11"); return err })
	return all
}

// small are the tables that stay small whatever happens.
var small = []string{"counters", "cursors", "schedules", "api_tokens", "bot_leases", "nodes", "holds", "progress", "schema_history"}

// walks are the statements that may walk a whole index, because they count all of it or it holds
// only what is wanted.
var walks = []string{"GROUP BY state", "handled = 0", "s.restored = 0 AND j.id", "MIN(seq)", "MAX(seq)"}

// No statement behind a screen, an API call, a loop or retention reads a big table from end to end.
// How long they take at full size is in BenchmarkYear.
func TestNothingScans(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	year{jobs: 100}.fill(t, db, "A")
	s := &spy{dialect: db.d}
	watched := &DB{d: s, log: db.log, by: db.by}
	for _, screen := range screens() {
		require.NoError(t, screen.look(t.Context(), watched), screen.name)
	}
	requests, _ := newRequests(watched)
	job := approve(t, requests, recycle("R-NEW", "h"))
	lease, err := NewLeases(watched).Take(t.Context(), job.ID, "me", time.Minute)
	require.NoError(t, err)
	require.NoError(t, NewJournal(watched).SetJob(t.Context(), lease, engine.JobChange{State: engine.JobFailed, Event: engine.Event{Kind: engine.EventJobFailed}}))
	_, err = requests.Close(t.Context(), create(t, requests, recycle("R-W", "h")).ID, approvals.Withdrawn, alice, "")
	require.NoError(t, err)
	_, err = NewInbox(watched).Receive(t.Context(), "k", "x", nil)
	require.NoError(t, err)
	require.NoError(t, NewOutbox(watched).Put(t.Context(), "teller", 1<<40, []Post{{Key: "k", Body: []byte("{}")}}))
	_, err = hasty(watched, Keep{Details: 300 * 24 * time.Hour, Discoveries: 300 * 24 * time.Hour, Events: 300 * 24 * time.Hour, Chat: 300 * 24 * time.Hour}).Run(t.Context())
	require.NoError(t, err)
	require.Greater(t, len(s.seen), 100)
	checked := map[string]bool{}
	for _, q := range s.seen {
		if checked[q.query] || strings.HasPrefix(q.query, "INSERT") || strings.HasPrefix(q.query, "SET ") || strings.HasPrefix(q.query, "SELECT pg_") {
			continue
		}
		checked[q.query] = true
		for _, found := range scansOf(t, db, q) {
			t.Errorf("%s\n  in %s", found, q.query)
		}
	}
}

// The check itself finds what it is meant to find.
func TestScanIsFound(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	for _, q := range []string{"SELECT COUNT(*) FROM requests WHERE reason = $1", "SELECT j.id FROM jobs j WHERE j.reason = $1"} {
		require.NotEmpty(t, scansOf(t, db, asked{q, []any{"x"}}), q)
	}
	require.Empty(t, scansOf(t, db, asked{"SELECT j.reason FROM jobs j WHERE j.id = $1", []any{"x"}}))
}

var (
	named  = regexp.MustCompile(`(?i)\b(?:FROM|JOIN|UPDATE)\s+(\w+)(?:\s+(?:AS\s+)?(\w+))?`)
	scanOf = regexp.MustCompile(`^SCAN (\w+)(.*)$`)
	seqOf  = regexp.MustCompile(`Seq Scan on (\w+)`)
)

// scansOf are the lines of a statement's plan that read a big table from end to end.
func scansOf(t *testing.T, db *DB, q asked) []string {
	t.Helper()
	table := map[string]string{}
	for _, m := range named.FindAllStringSubmatch(q.query, -1) {
		table[m[1]], table[m[2]] = m[1], m[1]
	}
	var found []string
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
		if db.Kind() == "postgres" {
			// Small tables are read whole because that is cheaper; the question is whether it could be avoided.
			if _, err := tx.Exec(ctx, "SET LOCAL enable_seqscan = off"); err != nil {
				return err
			}
			return each(ctx, tx, func(row Row) error {
				var line string
				err := row.Scan(&line)
				if m := seqOf.FindStringSubmatch(line); m != nil && !slices.Contains(small, m[1]) {
					found = append(found, line)
				}
				return err
			}, "EXPLAIN "+q.query, q.args...)
		}
		return each(ctx, tx, func(row Row) error {
			var id, parent, unused int64
			var line string
			err := row.Scan(&id, &parent, &unused, &line)
			m := scanOf.FindStringSubmatch(line)
			if m == nil || table[m[1]] == "" || slices.Contains(small, table[m[1]]) {
				return err
			}
			bounded := strings.Contains(m[2], "USING") &&
				(strings.Contains(q.query, "LIMIT") || slices.ContainsFunc(walks, func(w string) bool { return strings.Contains(q.query, w) }))
			if !bounded {
				found = append(found, line)
			}
			return err
		}, "EXPLAIN QUERY PLAN "+q.query, q.args...)
	}), q.query)
	return found
}
