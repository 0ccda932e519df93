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

// RequestPage lists requests with reviews and summaries of their plans after a place, newest first, at most limit.
func (s *Facts) RequestPage(ctx context.Context, f Filter, after Place, limit int) ([]approvals.Request, error) {
	var c conditions
	c.when(f.State != "", "r.state = ?", f.State)
	c.when(f.Cluster != "", "r.cluster = ?", f.Cluster)
	c.when(f.Host != "", "r.target = ?", f.Host)
	c.when(f.Requester != "", "r.requester_id = ?", f.Requester)
	at := toMS(after.Created)
	c.when(after.ID != "", "r.created <= ? AND (r.created < ? OR r.id > ?)", at, at, after.ID)
	var requests []approvals.Request
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		requests, err = listRequests(ctx, tx, c, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list a page of requests: %w", err)
	}
	return requests, nil
}

// listRequests reads requests with their reviews and summaries of their plans, newest first, in two statements.
func listRequests(ctx context.Context, tx Tx, c conditions, limit int) ([]approvals.Request, error) {
	var requests []approvals.Request
	places := map[string]int{}
	var ids []string
	end := c.limit(limit)
	err := each(ctx, tx, func(row Row) error {
		r, err := scanRequest(row)
		places[r.ID], ids, requests = len(requests), append(ids, r.ID), append(requests, r)
		return err
	}, "SELECT "+requestColumns(false)+" FROM requests r"+c.where()+" ORDER BY r.created DESC, r.id"+end, c.args...)
	if err != nil || len(ids) == 0 {
		return requests, err
	}
	list, args := oneOf(ids)
	return requests, eachReview(ctx, tx, func(v approvals.Review) {
		r := &requests[places[v.RequestID]]
		r.Reviews = append(r.Reviews, v)
	}, "request_id IN ("+list+")", args...)
}

// JobPage lists jobs with figures instead of plans and steps after a place, newest first, at most
// limit.
func (s *Facts) JobPage(ctx context.Context, f Filter, after Place, limit int) ([]engine.Job, error) {
	var c conditions
	c.when(f.State != "", "j.state = ?", f.State)
	c.when(f.Cluster != "", "j.cluster = ?", f.Cluster)
	c.when(f.Host != "", "j.host = ?", f.Host)
	c.when(f.Request != "", "j.request_id = ?", f.Request)
	at := toMS(after.Created)
	c.when(after.ID != "", "j.created <= ? AND (j.created < ? OR j.id > ?)", at, at, after.ID)
	var jobs []engine.Job
	end := c.limit(limit)
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		jobs, err = briefJobs(ctx, tx, c.where()+" ORDER BY j.created DESC, j.id"+end, c.args...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list a page of jobs: %w", err)
	}
	return jobs, nil
}

// Briefs reads the jobs of requests, by request, with figures instead of plans and steps.
func (s *Facts) Briefs(ctx context.Context, requestIDs []string) (map[string][]engine.Job, error) {
	found := map[string][]engine.Job{}
	if len(requestIDs) == 0 {
		return found, nil
	}
	list, args := oneOf(requestIDs)
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		jobs, err := briefJobs(ctx, tx, " WHERE j.request_id IN ("+list+") ORDER BY LENGTH(j.id), j.id", args...)
		for _, j := range jobs {
			found[j.RequestID] = append(found[j.RequestID], j)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the jobs of %d requests: %w", len(requestIDs), err)
	}
	return found, nil
}

// briefJobs reads jobs with figures instead of plans and steps.
func briefJobs(ctx context.Context, tx Tx, rest string, args ...any) ([]engine.Job, error) {
	var jobs []engine.Job
	var ids []string
	err := each(ctx, tx, func(row Row) error {
		j, err := scanJob(row)
		jobs, ids = append(jobs, j), append(ids, j.ID)
		return err
	}, "SELECT "+jobColumns("NULL")+" FROM jobs j"+rest, args...)
	if err != nil {
		return nil, err
	}
	figures, err := figuresOf(ctx, tx, ids)
	for i := range jobs {
		jobs[i].Figures = figures[jobs[i].ID]
	}
	return jobs, err
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
