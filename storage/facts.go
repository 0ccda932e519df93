package storage

import (
	"context"
	"fmt"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// Facts is what readers of the log and of the tables ask, and the wishes people have for jobs.
type Facts struct{ db *DB }

// NewFacts returns the readers of a database.
func NewFacts(db *DB) *Facts { return &Facts{db: db} }

// EventsAfter lists facts after seq in order, at most limit.
func (s *Facts) EventsAfter(ctx context.Context, seq int64, limit int) ([]engine.Event, error) {
	var events []engine.Event
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		return each(ctx, tx, func(row Row) error {
			e, err := scanEvent(row)
			events = append(events, e)
			return err
		}, "SELECT seq, at, kind, request_id, job_id, step, actor, data FROM events WHERE seq > $1 ORDER BY seq LIMIT $2", seq, limit)
	})
	if err != nil {
		return nil, fmt.Errorf("read events after %d: %w", seq, err)
	}
	return events, nil
}

// Cursor is the last event a reader has told; 0 for one that is not known.
func (s *Facts) Cursor(ctx context.Context, reader string) (int64, error) {
	var seq int64
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		return each(ctx, tx, func(row Row) error { return row.Scan(&seq) }, "SELECT seq FROM cursors WHERE reader = $1", reader)
	})
	if err != nil {
		return 0, fmt.Errorf("read cursor %s: %w", reader, err)
	}
	return seq, nil
}

// Request returns one request, or engine.ErrNotFound.
func (s *Facts) Request(ctx context.Context, id string) (approvals.Request, error) {
	return readRequest(ctx, s.db, id)
}

// Jobs returns the jobs of a request with steps and unrestored settings.
func (s *Facts) Jobs(ctx context.Context, requestID string) ([]engine.Job, error) {
	var jobs []engine.Job
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		jobs, err = loadJobs(ctx, tx, requestID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read jobs of %s: %w", requestID, err)
	}
	return jobs, nil
}

// Requests lists requests with reviews and summaries of their plans, newest first. filter is empty, "pending", "running",
// "mine" (arg: a user id), "channel" (arg: its id), "origin" (arg: the act that asked; at most one) or
// "history" (arg: a host; all when empty).
func (s *Facts) Requests(ctx context.Context, filter, arg string, limit int) ([]approvals.Request, error) {
	var c conditions
	switch filter {
	case "":
	case "pending":
		c.when(true, "r.state = 'pending'")
	case "running":
		c.when(true, "r.id IN (SELECT j.request_id FROM jobs j WHERE j.state IN ('queued', 'running', 'paused'))")
	case "mine":
		c.when(true, "r.requester_id = ?", arg)
	case "channel":
		c.when(true, "r.channel = ?", arg)
	case "origin":
		c.when(true, "r.origin = ? AND r.origin <> ''", arg)
	case "history":
		c.when(arg != "", "r.id IN (SELECT t.id FROM requests t WHERE t.target = ? UNION SELECT j.request_id FROM jobs j WHERE j.host = ?)", arg, arg)
	default:
		return nil, fmt.Errorf("list requests: no filter %q", filter)
	}
	var requests []approvals.Request
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		requests, err = listRequests(ctx, tx, c, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list requests: %w", err)
	}
	return requests, nil
}

// NewestDiscovery returns the newest one of a cluster (any when empty) that inventoried host (any
// when empty), or engine.ErrNotFound.
func (s *Facts) NewestDiscovery(ctx context.Context, cluster, host string) (engine.Discovery, error) {
	return newestDiscovery(ctx, s.db, cluster, host)
}

// Discovery returns the one a request made, or engine.ErrNotFound.
func (s *Facts) Discovery(ctx context.Context, requestID string) (engine.Discovery, error) {
	return discoveryOf(ctx, s.db, requestID)
}

// Want stores what a person wants of a live job and appends engine.EventJobWanted. Wanting what is
// wanted already changes nothing. A job that has ended or was cancelled wants nothing any more:
// that is a *engine.Problem.
func (s *Facts) Want(ctx context.Context, jobID string, w engine.Wanted, by approvals.Actor) (engine.Job, error) {
	var j engine.Job
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) (err error) {
		if j, err = loadJob(ctx, tx, jobID); err != nil {
			return err
		}
		switch {
		case j.State.Final():
			return &engine.Problem{Code: "job_ended", Text: fmt.Sprintf("%s has ended: it is %s.", jobID, j.State)}
		case j.Wanted == w:
			return nil
		case j.Wanted == engine.WantCancel:
			return &engine.Problem{Code: "job_cancelled", Text: jobID + " is being cancelled.", Next: "Ask for a new run when it has ended."}
		}
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE jobs SET wanted = $2 WHERE id = $1", jobID, string(w)); err != nil {
			return err
		}
		j.Wanted = w
		if err := s.db.audit(ctx, tx, now, auditedWant(j, w, by)); err != nil {
			return err
		}
		if err := appendFact(ctx, tx, now, engine.EventJobWanted, j.RequestID, j.ID, by.ID, map[string]string{"wanted": string(w)}); err != nil {
			return err
		}
		return cancelEarly(ctx, tx, &j, now)
	})
	if err != nil {
		return j, fmt.Errorf("want %s of %s: %w", w, jobID, err)
	}
	return j, nil
}

// cancelEarly ends a cancelled job that waits for its time: no worker would look at it before, and
// nobody holds it.
func cancelEarly(ctx context.Context, tx Tx, j *engine.Job, now int64) error {
	const why = "cancelled before it started"
	if j.Wanted != engine.WantCancel {
		return nil
	}
	n, err := tx.Exec(ctx, "UPDATE jobs SET state = 'cancelled', reason = $3, ended = $2 WHERE id = $1 AND state = 'queued' AND started = 0 AND not_before > $2", j.ID, now, why)
	if err != nil || n == 0 {
		return err
	}
	j.State, j.Reason, j.Ended = engine.JobCancelled, why, fromMS(now)
	return appendFact(ctx, tx, now, engine.EventJobCancelled, j.RequestID, j.ID, "", nil)
}
