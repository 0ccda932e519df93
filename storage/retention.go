package storage

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"
)

// Keep says how long what may go is kept; zero keeps it for ever. Requests, reviews, jobs with their
// figures and the audit chain always stay.
type Keep struct {
	Details     time.Duration // steps of a job after its end; then their sums stay. At least 30 days
	Discoveries time.Duration // what was found; the newest of each host stays
	Events      time.Duration // facts of ended work that every reader has told. At least 7 days
	Chat        time.Duration // handled envelopes and messages that are shown
}

// Pruned counts the rows that went.
type Pruned struct{ Jobs, Steps, Discoveries, Events, Posts, Envelopes int64 }

// Retention lets old rows go in small transactions. One process runs it at a time: two would only
// wait for each other.
type Retention struct {
	db   *DB
	keep Keep
	rest int // others have their turn for so many times what a transaction took
}

// NewRetention returns the retention of a database.
func NewRetention(db *DB, keep Keep) *Retention { return &Retention{db: db, keep: keep, rest: 4} }

// A transaction of retention holds up every writer, so it takes mostPause and as long as one unit of
// work more. unit is how many rows that is: some milliseconds even where each is read from the disk.
const (
	mostPause = 4 * time.Millisecond
	unit      = 100
)

// Run lets go what is too old now.
func (r *Retention) Run(ctx context.Context) (Pruned, error) {
	var p Pruned
	var now int64
	err := r.db.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		now, err = r.db.now(ctx, tx)
		return err
	})
	for _, part := range []struct {
		what string
		keep time.Duration
		run  func(ctx context.Context, before int64, p *Pruned) error
	}{
		{"details of jobs", r.keep.Details, r.foldJobs}, {"discoveries", r.keep.Discoveries, r.discoveries},
		{"events", r.keep.Events, r.events}, {"posts", r.keep.Chat, r.posts}, {"envelopes", r.keep.Chat, r.envelopes},
	} {
		if err == nil && part.keep > 0 {
			if err = part.run(ctx, now-part.keep.Milliseconds(), &p); err != nil {
				err = fmt.Errorf("let old %s go: %w", part.what, err)
			}
		}
	}
	if p != (Pruned{}) {
		r.db.log.Info("old rows let go", zap.Int64("jobs_folded", p.Jobs), zap.Int64("steps", p.Steps), zap.Int64("discoveries", p.Discoveries),
			zap.Int64("events", p.Events), zap.Int64("posts", p.Posts), zap.Int64("envelopes", p.Envelopes))
	}
	return p, err
}

// batches runs step, which touches a unit of rows, in short transactions until it says that nothing
// is left.
func (r *Retention) batches(ctx context.Context, step func(ctx context.Context, tx Tx) (more bool, err error)) error {
	for more := true; more; {
		var began time.Time
		err := r.db.InTx(ctx, func(ctx context.Context, tx Tx) (err error) {
			began = time.Now() // the wait for other writers is not ours
			if err = r.db.d.base().lazily(ctx, tx); err != nil {
				return err
			}
			for more = true; err == nil && more && time.Since(began) < mostPause; {
				more, err = step(ctx, tx)
			}
			return err
		})
		if err == nil {
			err = r.db.d.base().settle(ctx)
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(r.rest) * time.Since(began)):
		}
	}
	return nil
}

// simple runs a DELETE of rows before $1, at most $2, until it finds none.
func (r *Retention) simple(ctx context.Context, n *int64, query string, before int64) error {
	return r.batches(ctx, func(ctx context.Context, tx Tx) (bool, error) {
		gone, err := tx.Exec(ctx, query, before, unit)
		*n += gone
		return gone > 0, err
	})
}

func (r *Retention) envelopes(ctx context.Context, before int64, p *Pruned) error {
	return r.simple(ctx, &p.Envelopes, "DELETE FROM inbox WHERE key IN (SELECT key FROM inbox WHERE handled > 0 AND handled < $1 ORDER BY handled LIMIT $2)", before)
}

// posts lets messages go that are settled (shown, or given up), with the threads under them. A
// parent is kept while its thread is not settled, and all of them while their work has not ended or
// waits for a switchover, which is told in the thread.
func (r *Retention) posts(ctx context.Context, before int64, p *Pruned) error {
	return r.simple(ctx, &p.Posts, `DELETE FROM posts WHERE key IN (
		SELECT p.key FROM posts p
		WHERE p.updated < $1 AND (p.sent_rev = p.rev OR p.gave_up = 1)
		  AND NOT EXISTS (SELECT 1 FROM requests r WHERE r.id = p.request_id AND r.state = 'pending')
		  AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.request_id = p.request_id AND j.state IN ('queued', 'running', 'paused'))
		  AND NOT EXISTS (SELECT 1 FROM campaigns w WHERE w.request_id = p.request_id AND w.state = 'open')
		  AND NOT EXISTS (SELECT 1 FROM posts c JOIN campaigns w ON w.request_id = c.request_id WHERE c.parent = p.key AND w.state = 'open')
		  AND NOT EXISTS (SELECT 1 FROM posts c WHERE c.parent = p.key AND (c.updated >= $1 OR (c.sent_rev < c.rev AND c.gave_up = 0)))
		ORDER BY p.updated LIMIT $2)`, before)
}

// discoveries lets go what a newer look at the same hosts replaced.
func (r *Retention) discoveries(ctx context.Context, before int64, p *Pruned) error {
	return r.batches(ctx, func(ctx context.Context, tx Tx) (bool, error) {
		var ids []string
		err := each(ctx, tx, func(row Row) error {
			var id string
			err := row.Scan(&id)
			ids = append(ids, id)
			return err
		}, `SELECT d.request_id FROM discoveries d
			WHERE d.at < $1 AND EXISTS (SELECT 1 FROM discoveries n WHERE n.cluster = d.cluster AND n.at > d.at)
			  AND NOT EXISTS (SELECT 1 FROM discovery_hosts h WHERE h.request_id = d.request_id AND NOT EXISTS (
			    SELECT 1 FROM discoveries n JOIN discovery_hosts g ON g.request_id = n.request_id AND g.host = h.host
			    WHERE n.cluster = d.cluster AND n.at > d.at))
			ORDER BY d.at LIMIT 5`, before) // a body is big, and has rows under it
		if err != nil || len(ids) == 0 {
			return false, err
		}
		list, args := oneOf(ids)
		if _, err := tx.Exec(ctx, "DELETE FROM discovery_hosts WHERE request_id IN ("+list+")", args...); err != nil {
			return false, err
		}
		n, err := tx.Exec(ctx, "DELETE FROM discoveries WHERE request_id IN ("+list+")", args...)
		p.Discoveries += n
		return true, err
	})
}

// events lets facts go, in windows of their numbers. What belongs to work that has not ended stays,
// and so does what a reader has not told; triggers hold the same.
func (r *Retention) events(ctx context.Context, before int64, p *Pruned) error {
	var from int64
	return r.batches(ctx, func(ctx context.Context, tx Tx) (bool, error) {
		var end int64
		err := tx.QueryRow(ctx, "SELECT COALESCE(MIN(seq), 0) FROM cursors").Scan(&end)
		if err != nil {
			return false, err
		}
		var newest int64
		if err := tx.QueryRow(ctx, "SELECT COALESCE(MAX(seq), 0) FROM events").Scan(&newest); err != nil {
			return false, err
		}
		end = min(end, newest-1)
		first, at := int64(0), int64(0)
		err = each(ctx, tx, func(row Row) error { return row.Scan(&first, &at) }, "SELECT seq, at FROM events WHERE seq > $1 ORDER BY seq LIMIT 1", from)
		if err != nil || first == 0 || first > end || at >= before {
			return false, err
		}
		from = min(end, first+unit-1)
		n, err := tx.Exec(ctx, `DELETE FROM events WHERE seq BETWEEN $1 AND $2 AND at < $3
			AND NOT EXISTS (SELECT 1 FROM requests r WHERE r.id = events.request_id AND r.state = 'pending')
			AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.request_id = events.request_id AND j.state IN ('queued', 'running', 'paused'))`,
			first, from, before)
		p.Events += n
		return true, err
	})
}

// foldJobs stores the sums of the steps of long ended jobs and lets the steps go, in pieces: a reader
// who finds sums does not read steps. A job that left a setting on a server is not touched.
func (r *Retention) foldJobs(ctx context.Context, before int64, p *Pruned) error {
	id, ended := "", int64(0) // the job at hand
	return r.batches(ctx, func(ctx context.Context, tx Tx) (bool, error) {
		next := ""
		err := each(ctx, tx, func(row Row) error { return row.Scan(&next, &ended) },
			`SELECT j.id, j.ended FROM jobs j
			 WHERE j.ended >= $1 AND j.ended < $2 AND j.ended > 0 AND (j.ended > $1 OR j.id >= $3)
			   AND EXISTS (SELECT 1 FROM steps s WHERE s.job_id = j.id)
			   AND NOT EXISTS (SELECT 1 FROM settings c WHERE c.job_id = j.id AND c.restored = 0)
			 ORDER BY j.ended, j.id LIMIT 1`, ended, before, id)
		if err != nil || next == "" {
			return false, err
		}
		if next != id {
			id = next
			n, err := r.storeFigures(ctx, tx, id)
			if err != nil {
				return false, fmt.Errorf("fold %s: %w", id, err)
			}
			p.Jobs += n
		}
		n, err := tx.Exec(ctx, "DELETE FROM steps WHERE job_id = $1 AND seq IN (SELECT seq FROM steps WHERE job_id = $1 ORDER BY seq LIMIT $2)", id, unit)
		p.Steps += n
		return true, err
	})
}

// storeFigures stores the sums of a job once.
func (r *Retention) storeFigures(ctx context.Context, tx Tx, id string) (int64, error) {
	now, err := r.db.now(ctx, tx)
	if err != nil {
		return 0, err
	}
	return tx.Exec(ctx, `INSERT INTO job_figures (job_id, tables, done, skipped, before_bytes, after_bytes, took_ns, at)
		SELECT g.job_id, g.tables, g.done, g.skipped, g.before_bytes, g.after_bytes, g.took_ns, $2 FROM (
			SELECT s.job_id, `+sums+` FROM steps s WHERE s.job_id = $1 GROUP BY s.job_id) g
		WHERE NOT EXISTS (SELECT 1 FROM job_figures f WHERE f.job_id = $1)`, id, now)
}
