package storage

import (
	"context"
	"fmt"
	"time"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// Filter narrows a page. Empty fields take everything.
type Filter struct {
	State     string
	Cluster   string
	Host      string // jobs: the host; requests: the target
	Requester string // requests only: a user id
	Request   string // jobs only: the request they belong to
}

// Place is where the page before ended: its last row. The zero Place is the beginning.
type Place struct {
	Created time.Time
	ID      string
}

// RequestPage lists requests with reviews after a place, newest first, at most limit.
func (s *Facts) RequestPage(ctx context.Context, f Filter, after Place, limit int) ([]approvals.Request, error) {
	var requests []approvals.Request
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		err := each(ctx, tx, func(row Row) error {
			r, err := scanRequest(row)
			requests = append(requests, r)
			return err
		}, "SELECT "+requestColumns+` FROM requests r
			WHERE ($1 = '' OR r.state = $1) AND ($2 = '' OR r.cluster = $2) AND ($3 = '' OR r.target = $3)
			  AND ($4 = '' OR r.requester_id = $4)
			  AND ($5 = '' OR r.created < $6 OR (r.created = $6 AND r.id > $5))
			ORDER BY r.created DESC, r.id LIMIT $7`,
			f.State, f.Cluster, f.Host, f.Requester, after.ID, toMS(after.Created), limit)
		for i := 0; err == nil && i < len(requests); i++ {
			requests[i].Reviews, err = loadReviews(ctx, tx, requests[i].ID)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list a page of requests: %w", err)
	}
	return requests, nil
}

// JobPage lists jobs with steps after a place, newest first, at most limit.
func (s *Facts) JobPage(ctx context.Context, f Filter, after Place, limit int) ([]engine.Job, error) {
	var jobs []engine.Job
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		err := each(ctx, tx, func(row Row) error {
			j, err := scanJob(row)
			jobs = append(jobs, j)
			return err
		}, "SELECT "+jobColumns+` FROM jobs j
			WHERE ($1 = '' OR j.state = $1) AND ($2 = '' OR j.cluster = $2) AND ($3 = '' OR j.host = $3)
			  AND ($4 = '' OR j.request_id = $4)
			  AND ($5 = '' OR j.created < $6 OR (j.created = $6 AND j.id > $5))
			ORDER BY j.created DESC, j.id LIMIT $7`,
			f.State, f.Cluster, f.Host, f.Request, after.ID, toMS(after.Created), limit)
		for i := 0; err == nil && i < len(jobs); i++ {
			jobs[i].Steps, err = loadSteps(ctx, tx, jobs[i].ID)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list a page of jobs: %w", err)
	}
	return jobs, nil
}

// JobCounts counts the jobs of each state.
func (s *Facts) JobCounts(ctx context.Context) (map[engine.JobState]int64, error) {
	counts := map[engine.JobState]int64{}
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		return each(ctx, tx, func(row Row) error {
			var state engine.JobState
			var n int64
			err := row.Scan(&state, &n)
			counts[state] = n
			return err
		}, "SELECT state, COUNT(*) FROM jobs GROUP BY state")
	})
	if err != nil {
		return nil, fmt.Errorf("count jobs: %w", err)
	}
	return counts, nil
}

// LastEvent is the number of the newest fact in the log; 0 when there is none.
func (s *Facts) LastEvent(ctx context.Context) (int64, error) {
	var seq int64
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		return tx.QueryRow(ctx, "SELECT COALESCE(MAX(seq), 0) FROM events").Scan(&seq)
	})
	if err != nil {
		return 0, fmt.Errorf("find the end of the event log: %w", err)
	}
	return seq, nil
}
